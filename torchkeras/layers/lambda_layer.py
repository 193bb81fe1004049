"""Lambda: a function as a layer.

May import core.
"""

import inspect
import types

from torchkeras.core import function_code, scopes, serialization, shape_probe
from torchkeras.core.conversion import as_tensor, is_array_like
from torchkeras.core.fields import field
from torchkeras.core.keras_tensor import KerasTensor, is_shape
from torchkeras.core.layer import Layer
from torchkeras.core.registry import published
from torchkeras.errors import InvalidArgumentError, ShapeInferenceError


def _function(value):
    if not callable(value):
        raise InvalidArgumentError(f"`function` must be a function of the inputs, got {value!r}.")
    return value


def _output_shape(value):
    """A function of the input shape, or one shape without the batch, or a structure of such shapes."""
    if callable(value):
        return value
    if is_shape(value):
        return tuple(value)
    if isinstance(value, dict):
        return {key: _output_shape(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_output_shape(item) for item in value)
    raise InvalidArgumentError(
        f"`output_shape` must be a tuple of sizes without the batch, or a function of the input shape; got {value!r}."
    )


def _mask(value):
    """A function of inputs and their mask, or the mask itself."""
    if not callable(value) and not is_array_like(value) and not isinstance(value, (list, tuple)):
        raise InvalidArgumentError(f"`mask` must be a function `(inputs, mask)` or an array, got {value!r}.")
    return value


def _arguments(value):
    if value is not None and not isinstance(value, dict):
        raise InvalidArgumentError(f"`arguments` must be a dict of keyword arguments of the function, got {value!r}.")
    return value or {}


def _save(value):
    """A function by its name, a lambda as its code, anything else as it is."""
    if function_code.is_lambda(value):
        return function_code.described_in_layer(value)
    if isinstance(value, types.MethodType):
        raise ValueError(
            f"The bound method {value.__qualname__} cannot be saved, because nothing says what it is bound to: use a "
            "function, or write a Layer that holds the object."
        )
    return value if is_shape(value) else serialization.serialize_keras_object(value)


def _load(value):
    kinds = (*serialization.FUNCTION_KINDS, "layer", "model")
    return serialization.deserialize_keras_object(value, kinds=kinds, printable_name="function of a Lambda layer")


def _takes(function):
    """Names of a function's parameters; none where Python cannot tell, as for those written in C."""
    try:
        return inspect.signature(function).parameters.keys()
    except (TypeError, ValueError):
        return ()


@published("layer", "keras.layers")
class Lambda(Layer):
    """A function as a layer, for a line without weights.

    Args:
        function: what to compute: `function(inputs, **arguments)`. It gets `mask` and `training` too if it has
            parameters of these names.
        output_shape: shape of the output without the batch, or a function of the whole input shape, for graphs. Left
            out, it is found by running the function on tensors without data. What it says is believed.
        mask: mask of the output: a function `(inputs, mask)`, or an array. Left out, a mask ends here.
        arguments: dict of further keyword arguments of the function.

    A function with a name is saved by that name, and found by it among registered and custom objects. A lambda is saved
    as byte code and read back only with `safe_mode=False` or after `keras.config.enable_unsafe_deserialization()`.
    Weights that a function captures are not the layer's: write a `Layer` for them. A layer given as `function` is a
    sublayer.

    Raises `TypeError` for what cannot be called, `NotImplementedError` where the shape of the output cannot be found,
    `UnsafeFileError` (a `ValueError`) for code in a config.

    Example:
        >>> Lambda(lambda x, factor: x * factor, arguments={"factor": 3})(torch.ones(2))
        tensor([3., 3.])

    In torch: the function itself, in `forward`.
    """

    function = field(convert=_function, save=_save, load=_load)
    output_shape = field(None, convert=_output_shape, save=_save, load=_load, optional=True, attribute="_output_shape")
    mask = field(None, convert=_mask, save=_save, load=_load, optional=True)
    arguments = field(
        None,
        convert=_arguments,
        save=serialization.serialize_keras_object,
        load=serialization.deserialize_keras_object,
    )

    def _configure(self):
        names = _takes(self.function)
        self._takes_mask, self._takes_training = "mask" in names, "training" in names
        self.supports_masking = self._makes_mask = self.mask is not None

    def call(self, inputs, mask=None, training=None):
        more = dict(self.arguments)
        if self._takes_mask:
            more["mask"] = mask
        if self._takes_training:
            more["training"] = training
        return self.function(inputs, **more)

    def compute_mask(self, inputs, mask=None):
        if self.mask is None or callable(self.mask):
            return None if self.mask is None else self.mask(inputs, mask)
        return as_tensor(self.mask, what="`mask`")

    def compute_output_spec(self, inputs, mask=None, training=None):
        if self._output_shape is not None:
            return super().compute_output_spec(inputs)
        try:
            return self._infer(inputs, training)
        except ShapeInferenceError as error:
            raise NotImplementedError(
                f"The output shape of the function of Lambda layer {self.name!r} cannot be found: {error} Or give it "
                "to the layer as output_shape=."
            ) from error

    def _infer(self, inputs, training):
        """The outputs without data. Whether a mask will come is not known yet: a function that fails without one gets
        one of steps."""
        try:
            return shape_probe.infer(self._probe_call, (inputs,), {"training": training})
        except (AttributeError, RuntimeError, TypeError, ValueError):
            if not self._takes_mask or not isinstance(inputs, KerasTensor) or len(inputs.shape) < 2:
                raise
            mask = KerasTensor(inputs.shape[:2], dtype="bool")
            return shape_probe.infer(self._probe_call, (inputs,), {"training": training, "mask": mask})

    def compute_output_shape(self, input_shape):
        if self._output_shape is None:
            return super().compute_output_shape(input_shape)
        if callable(self._output_shape):
            return self._output_shape(input_shape)
        return _with_batch(self._output_shape, _batch_of(input_shape))

    def get_config(self):
        config = super().get_config()
        for name in ("output_shape", "mask"):
            if config[name] is None:
                del config[name]
        return config

    @classmethod
    def from_config(cls, config, custom_objects=None, safe_mode=None):
        """A layer from what `get_config` gave; `safe_mode=False` runs the code of lambdas."""
        with scopes.override(unsafe=not serialization.is_safe(safe_mode)):
            return super().from_config(config, custom_objects)


def _batch_of(shapes):
    """The batch of the first shape in a structure."""
    while not is_shape(shapes):
        shapes = next(iter(shapes.values() if isinstance(shapes, dict) else shapes))
    return shapes[0]


def _with_batch(shapes, batch):
    if is_shape(shapes):
        return (batch, *shapes)
    if isinstance(shapes, dict):
        return {key: _with_batch(shape, batch) for key, shape in shapes.items()}
    return type(shapes)(_with_batch(shape, batch) for shape in shapes)
