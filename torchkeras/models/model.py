"""Model: a layer that can be trained, inspected and written down.

May import core, layers, saving and training (the trainer is a mixin that knows no model). Texts and files are the
saving room's; `to_json` calls it.
"""

from torchkeras.core import calls, scopes, shape_probe, tree
from torchkeras.core.keras_tensor import KerasTensor
from torchkeras.core.layer import Layer
from torchkeras.core.registry import CustomObjectScope, published
from torchkeras.models.state_tree import assign, tree_of
from torchkeras.saving import formats
from torchkeras.saving.json import model_to_json
from torchkeras.training.trainer import Trainer


def _is_functional_call(args, kwargs):
    """Whether `Model(...)` is given inputs and outputs, by position or by name."""
    return len(args) >= 2 or (len(args) == 1 and "outputs" in kwargs) or ("inputs" in kwargs and "outputs" in kwargs)


@published("model", "keras", aliases=("Functional",))
class Model(Trainer, Layer):
    """Layers and the training of them.

    Three ways to make one: `Model(inputs, outputs)` from symbolic tensors, `Sequential([...])`, or a subclass with
    `call`.

    Example:
        >>> inputs = Input((3,))
        >>> model = Model(inputs, Dense(1)(inputs))
        >>> model(torch.ones(2, 3)).shape
        torch.Size([2, 1])

    A model is a `torch.nn.Module`: `state_dict()`, `to("cuda")`, `torch.compile(model)` and hand-written loops work.
    `compile` is Keras's; torch's own is `torch.compile(model)`.
    """

    _graph_model = None  # Functional, which is made from this class and enters itself here
    _saved_too = ("layers", "optimizer", "loss")  # attributes of every model that files go by
    _is_graph = False  # whether the model is a graph, as functional models are
    _takes_strings = True  # its layers say whether they do

    def __new__(cls, *args, **kwargs):
        if cls is Model and _is_functional_call(args, kwargs):
            cls = Model._graph_model
        return super().__new__(cls, *args, **kwargs)

    def __init__(self, *args, **kwargs):
        if _is_functional_call(args, kwargs):
            _become_functional(type(self))
            Model._graph_model.__init__(self, *args, **kwargs)
            return
        Layer.__init__(self, *args, **kwargs)
        self._keep(autocast=False)  # layers cast for themselves

    def _work_of_sample(self):
        """Multiplications of a forward pass per sample; None where no graph of ours tells."""
        graph = getattr(self, "_graph", None)
        return graph.work if graph is not None and type(self).call.__module__.startswith("torchkeras.") else None

    def _takes_rows_apart(self):
        """Whether a prediction takes each sample by itself, where `_work_of_sample` knows what it does."""
        return self._graph.rows_apart

    # -- structure ----------------------------------------------------------------------------------------------------

    @property
    def layers(self):
        """The direct layers."""
        return list(self._flatten_layers(recursive=False, include_self=False))

    def get_layer(self, name=None, index=None):
        """A layer by name or by place in `layers`.

        `input_1`, `input_2`… also find the n-th input layer, as Keras 2 named them. Raises `ValueError` if there is
        none.
        """
        if name is not None and index is not None:
            raise ValueError(f"Give `name` or `index`, not both; got name={name!r}, index={index}.")
        if name is None and index is None:
            raise ValueError("Give the `name` of a layer or its `index`.")
        if index is not None:
            if not -len(self.layers) <= index < len(self.layers):
                raise ValueError(f"There is no layer at index {index}: the model has {len(self.layers)} layers.")
            return self.layers[index]
        for layer in self.layers:
            if layer.name == name:
                return layer
        prefix, _, number = str(name).rpartition("_")
        inputs = [layer for layer in self.layers if type(layer).__name__ == "InputLayer"]
        if prefix == "input" and number.isdigit() and 0 < int(number) <= len(inputs):
            return inputs[int(number) - 1]
        raise ValueError(f"No such layer: {name!r}. The layers are {[layer.name for layer in self.layers]}.")

    def build(self, input_shape):
        """Makes the weights of a subclassed model by running `call` on shapes."""
        if isinstance(input_shape, dict):
            specs = {key: KerasTensor(shape) for key, shape in input_shape.items()}
        else:
            shapes = calls.normalize_shapes(input_shape)
            is_list = isinstance(shapes, list) or (
                isinstance(shapes, tuple) and any(isinstance(s, tuple) for s in shapes)
            )
            specs = type(shapes)(KerasTensor(shape) for shape in shapes) if is_list else KerasTensor(shapes)
        shape_probe.infer(self._probe_call, (specs,), {})
        self.built = True

    def _build_from(self, arguments):
        if type(self).build is Model.build:  # the call itself builds the layers
            tensors = calls.tensor_arguments(arguments)
            shapes = {name: calls.shape_tree(value, scopes.state.probe) for name, value in tensors.items()}
            self._finish_build((next(iter(shapes.values()), None),), {})
        else:
            super()._build_from(arguments)

    def summary(
        self,
        line_length=None,
        positions=None,
        print_fn=None,
        expand_nested=False,
        show_trainable=False,
        layer_range=None,
    ):
        """Prints a table of the layers: names, types, output shapes, sizes.

        Args:
            line_length: width in characters; by default the terminal's.
            positions: relative or absolute column ends.
            print_fn: called once with the whole text instead of printing.
            expand_nested: show the layers of nested models.
            show_trainable: show which layers learn.
            layer_range: two names (or patterns), inclusive.
        """
        from torchkeras.models.summary import print_summary

        print_summary(
            self,
            line_length=line_length,
            positions=positions,
            print_fn=print_fn,
            expand_nested=expand_nested,
            show_trainable=show_trainable,
            layer_range=layer_range,
        )

    def explain(self, x=None, training=None, profile=False, strict=False):
        """What runs in the model: per layer the kernel, its memory layout and dtype, and why a slow path is taken.

        One or two passes are run for it; weights, statistics, seeds and gradients are as before afterwards.

        Args:
            x: a batch as for a call; by default zeros of the input's shape, 32 for each unknown size.
            training: whether to look at a training step; by default if the model is compiled.
            profile: also gives each layer's share of the time of a pass, in training forward and backward.
            strict: raises `SlowPathError` (a `RuntimeError`) if any layer takes a slow path.

        Returns an object that prints as a table; `to_dict()` has the same for programs, `slow` the slow rows.

        Example:
            >>> model = Sequential([Input((5, 3)), LSTM(4, recurrent_dropout=0.5), Dense(1)])
            >>> [row.slow for row in model.explain(training=True).rows]
            ['recurrent_dropout works between the steps', None]
        """
        from torchkeras.models.explain import explain

        return explain(self, x, training, profile, strict)

    # -- writing down -------------------------------------------------------------------------------------------------

    def save(self, filepath, overwrite=True, zipped=None, **kwargs):
        """Saves the model whole; see `keras.saving.save_model`."""
        formats.save_model(self, filepath, overwrite, zipped, **kwargs)

    def save_weights(self, filepath, overwrite=True, max_shard_size=None, **kwargs):
        """Saves the weights, with the state of the optimizer; see `keras.saving.save_weights`."""
        formats.save_weights(self, filepath, overwrite, max_shard_size, **kwargs)

    def load_weights(self, filepath, skip_mismatch=False, **kwargs):
        """Loads weights of the same architecture; see `keras.saving.load_weights`."""
        return formats.load_weights(self, filepath, skip_mismatch, **kwargs)

    def get_state_tree(self, value_format="backend_tensor"):
        """All variables as dicts in dicts, after the parts of their paths, by kind: `trainable_variables`,
        `non_trainable_variables`, `optimizer_variables`, `metrics_variables`.

        Args:
            value_format: `"backend_tensor"` gives the variables themselves, `"numpy_array"` copies.

        Raises `ValueError` where two variables have one path.

        Example:
            >>> model = Sequential([Input((2,)), Dense(3, name="out")], name="net")
            >>> model.get_state_tree("numpy_array")["trainable_variables"]["net"]["out"]["bias"]
            array([0., 0., 0.], dtype=float32)

        In torch: `state_dict()`, which has no optimizer and no metrics.
        """
        return tree_of(self, value_format)

    def set_state_tree(self, state_tree):
        """Gives the variables the values of such a tree, which need not have all of them.

        Raises `ValueError` for an unknown kind of variables and for a value of another shape.

        Example:
            >>> model = Sequential([Input((2,)), Dense(3, name="out")], name="net")
            >>> model.set_state_tree({"trainable_variables": {"net": {"out": {"bias": np.ones(3)}}}})
            >>> model.layers[0].bias.tolist()
            [1.0, 1.0, 1.0]
        """
        assign(self, state_tree)

    def export(self, filepath, format="tf_saved_model", verbose=None, input_signature=None, **kwargs):
        """Writes what the model computes in inference as a program that needs neither Keras nor the model's code.

        Args:
            filepath: `"model.pt2"` for `torch.export.load`; `"model.onnx"` for ONNX (needs the packages onnx and
                onnxscript).
            format: `"torch"` (also `"pt2"`) or `"onnx"`; by default the ending of the path says it. Keras's other
                formats are refused with what they need.
            verbose: False prints nothing.
            input_signature: list with a structure of `InputSpec`, `KerasTensor`, tensors or shapes for each argument of
                the call; by default the model's inputs. Sizes of None, the batch among them, stay open.
            kwargs: for `torch.export.export` (`strict`, `dynamic_shapes`…); `opset_version` for ONNX.

        Raises `ValueError` for a model that is not built and for paths that do not fit; `NotImplementedError` for
        formats of other frameworks; `ImportError` where a package lacks; `RuntimeError` where torch cannot follow the
        computation.

        Example:
            >>> Sequential([Input((3,)), Dense(2)]).export("model.pt2", verbose=False)
            >>> program = torch.export.load("model.pt2").module()
            >>> program(torch.ones(5, 3)).shape
            torch.Size([5, 2])
        """
        from torchkeras.export import programs

        programs.export(self, filepath, format, verbose, input_signature, **kwargs)

    def to_json(self, **kwargs):
        """The architecture (no weights) as a JSON text; `kwargs` go to `json.dumps`."""
        return model_to_json(self, **kwargs)

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """A model from what `get_config` gave."""
        if Model._graph_model._describes(cls, config):
            return Model._graph_model._from_graph_config(cls, config, custom_objects)
        with CustomObjectScope(custom_objects):
            return super().from_config(config)

    # -- Keras 2's views ----------------------------------------------------------------------------------------------

    @property
    def input_shape(self):
        """Shape of the input, or the structure of shapes."""
        return _shapes_of(self.input)

    @property
    def output_shape(self):
        """Shape of the output, or the structure of shapes."""
        return _shapes_of(self.output)


def _shapes_of(tensors):
    return tree.map_structure(lambda t: t.shape, tensors) if tree.is_nested(tensors) else tensors.shape


def _become_functional(cls):
    """Puts Functional in place of Model among the bases of a user's class whose `__init__` calls
    `super().__init__(inputs, outputs)`.

    Only that call says that the class is functional, and by then its instance exists: another class for the one
    instance would make `type(model)` differ from what the user wrote.
    """
    functional = Model._graph_model
    if issubclass(cls, functional):
        return
    for parent in cls.__mro__:
        if Model in parent.__bases__ and parent is not functional:
            parent.__bases__ = tuple(functional if base is Model else base for base in parent.__bases__)
            return
