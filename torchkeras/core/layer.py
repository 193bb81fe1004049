"""Layer: torch.nn.Module with Keras's life cycle — configure, build once from input shapes, call.

May import core. Knows no concrete layer, model or trainer.

Torch enters through `forward` (so hooks, export and compile work), Keras through `__call__`, which is
`nn.Module.__call__`; both end in `call`. A built layer called on one tensor takes `_call_tensor`: no binding, no
flattening, no scopes. A built layer called on several tensors that can stay as they are takes `_call_built`;
everything else (first call, symbolic tensors, nested arguments, numpy, masks) takes `_call_any`, which gets there by
way of conversion and, if need be, building. Both meet in `_call_with`. Attributes, building, inputs, weights and config
are mixins in the `layer_*` files.
"""

import functools
import types

import numpy as np
import torch

from torchkeras.core import calls, dtype_policy, failures, fields, input_spec, remat, scopes, tracking, wiring
from torchkeras.core.containers import matters
from torchkeras.core.keras_tensor import Shape, any_symbolic
from torchkeras.core.layer_attributes import LayerAttributes
from torchkeras.core.layer_build import LayerBuild, wrapped_build
from torchkeras.core.layer_config import LayerConfig
from torchkeras.core.layer_inputs import LayerInputs
from torchkeras.core.layer_saving import LayerSaving
from torchkeras.core.layer_shapes import LayerShapes
from torchkeras.core.layer_state import LayerState
from torchkeras.core.layer_views import LayerViews
from torchkeras.core.lazy_modules import make_parameters_outside_probes
from torchkeras.core.masks import any_mask
from torchkeras.core.scopes import state
from torchkeras.core.symbolic import Operation


def _base_arguments(*, activity_regularizer=None, trainable=True, dtype=None, autocast=True, name=None, **kwargs):
    """What `Layer` itself takes; each subclass shows its fields."""


def _with_code_of_its_own(function):
    """The same function over another code object: torch.compile counts recompilations per code object, so that one
    `forward` shared by all layers would reach its limit after a few classes."""
    code, closure = function.__code__.replace(), function.__closure__
    copy = types.FunctionType(code, function.__globals__, function.__name__, function.__defaults__, closure)
    copy.__qualname__, copy.__doc__ = function.__qualname__, function.__doc__
    return copy


def _in_shapes(compute_output_shape):
    """Around every class's `compute_output_shape`: takes and gives `Shape`s, which know Keras 2's `as_list()`."""

    @functools.wraps(compute_output_shape)
    def wrapped(self, *args, **kwargs):
        args = (calls.normalize_shapes(value) for value in args)
        kwargs = {key: calls.normalize_shapes(value) for key, value in kwargs.items()}
        return calls.normalize_shapes(compute_output_shape(self, *args, **kwargs))

    return wrapped


class Layer(
    LayerAttributes,
    LayerBuild,
    LayerInputs,
    LayerConfig,
    LayerShapes,
    LayerSaving,
    fields.Configured,
    LayerState,
    LayerViews,
    Operation,
    torch.nn.Module,
    extra="kwargs",
):
    """The base of all layers.

    Args:
        activity_regularizer: penalty on the outputs, added to `losses` (divided by the batch size).
        trainable: whether the weights learn.
        dtype: dtype name, torch dtype or policy; by default the global policy.
        autocast: whether float inputs are cast to the compute dtype.
        name: unique name; by default the class name in snake case, numbered.
        input_shape, input_dim, batch_input_shape, batch_size: declare the input of a first layer (Keras 2).

    Write a layer with `__init__` for its configuration, `build(input_shape)` for its weights and `call(inputs)`; it
    is an `nn.Module` and works inside any torch model once it is built.

    Example:
        >>> class Scale(Layer):
        ...     def build(self, input_shape):
        ...         self.scale = self.add_weight(shape=(input_shape[-1],), initializer="ones")
        ...     def call(self, inputs):
        ...         return inputs * self.scale
        >>> Scale()(torch.ones(2, 3)).shape
        torch.Size([2, 3])
    """

    _said_by_itself = ("name", "trainable", "dtype")
    input_spec = None

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if not getattr(cls.build, "_wrapped_build", False):  # its own, or that of a mixin which is no layer
            cls.build = wrapped_build(cls.build)
        if cls._call_info.call is not cls.call:
            cls._call_info = calls.CallInfo(cls.call)
        if "compute_output_shape" in cls.__dict__:
            cls.compute_output_shape = _in_shapes(cls.compute_output_shape)
        if "forward" not in cls.__dict__:
            cls.forward = _with_code_of_its_own(cls.forward)
        cls._makes_mask = cls.compute_mask is not Layer.compute_mask

    @fields.shown_as(_base_arguments)
    def __init__(self, *args, **kwargs):
        d = self.__dict__
        early = [name for name, value in d.items() if name != "_made_with" and matters(value)]
        torch.nn.Module.__init__(self)
        d.update(
            training=False,
            built=False,
            supports_masking=self._makes_mask,
            _ready=False,
            _building=None,
            _in_first_call=False,
            _trainable=True,
            _adds_losses=False,
            _added=[],
            _loss_layers=(),
            _loss_layers_at=None,
            _remat=state.remat[-1] if state.remat else None,
            _loss_functions=[],
            _held={},
            _places=tracking.Places(),
            _inbound_nodes=[],
            _outbound_nodes=[],
            _build_shapes=None,
            _configured=False,
            _initial_weights=None,
            _for_later={},
            _activity_regularizer=None,
        )
        for name in early:  # lists and metrics may be set before this constructor, as in Keras
            setattr(self, name, d[name])
        values, rest = fields.bind(type(self), args, kwargs)
        self._configure_base(rest)
        for name, value in values.items():
            setattr(self, name, value)
        self._configure()
        d["_configured"] = True

    def _configure(self):
        """Hook for classes with fields: what follows from the fields (sublayers, specs)."""

    def _configure_base(self, rest):
        """Takes what every layer can be given; refuses what is left."""
        d = self.__dict__
        name = rest.pop("name", None)
        if name is not None and (not isinstance(name, str) or "/" in name):
            raise ValueError(f"`name` of a layer must be a string without '/', got {name!r}.")
        d["_name"] = name or scopes.unique_name(scopes.snake_case(type(self).__name__))
        d["_was_named"] = bool(name)
        d["_path"] = d["_name"]
        d["_dtype_policy"] = fields.converted(type(self), "dtype", dtype_policy.get, rest.pop("dtype", None))
        d["autocast"] = bool(rest.pop("autocast", True))
        declared = rest.pop("batch_input_shape", None)
        d["_declared_input"] = None if declared is None else Shape(declared)
        penalty = rest.pop("activity_regularizer", None)
        if penalty is not None:
            fields.converted(type(self), "activity_regularizer", self._penalize_with, penalty)
        d["_initial_weights"] = rest.pop("weights", None)
        trainable = rest.pop("trainable", True)
        fields.refuse_unknown(f"{type(self).__name__} (layer {d['_name']!r})", rest, list(self._fields))
        if not isinstance(trainable, (bool, np.bool_)):
            raise fields.UnknownArgumentError(f"`trainable` must be a boolean, got {trainable!r}.")
        d["_trainable"] = bool(trainable)

    # -- call ---------------------------------------------------------------------------------------------------------

    def call(self, *args, **kwargs):
        """The computation. Override it."""
        raise NotImplementedError(f"Layer {type(self).__name__} does not implement a `call()` method.")

    _call_info = calls.CallInfo(call)
    _makes_mask = False
    supports_jit = True  # for whoever asks; torch.compile needs no leave
    quantization_mode = None

    def quantize(self, mode=None, type_check=True, config=None):
        """Keras's way to weights of fewer bits. Not there yet: raises `NotImplementedError`."""
        raise NotImplementedError(
            f"Layer {self.name!r} ({type(self).__name__}) cannot be quantized yet; half the memory is "
            "`model.to(torch.bfloat16)`."
        )

    _call_impl = wiring.torchs_own  # a layer finds symbolic tensors itself

    def forward(self, *args, **kwargs):
        try:
            if self.__dict__.get("_ready"):
                # One tensor, perhaps with `training`: nearly every call. No signature need be consulted.
                if len(args) == 1 and type(args[0]) is torch.Tensor:
                    if not kwargs:
                        return self._call_tensor(args[0], None)
                    if len(kwargs) == 1 and "training" in kwargs:
                        training = kwargs["training"]
                        if training is not None or not self._call_info.training_default:
                            return self._call_tensor(args[0], training)
                # Several tensors that need neither conversion nor masks: attention, merging, cells.
                if self._fit_as_they_are(args, kwargs):
                    return self._call_built(self._call_info, args, kwargs, kwargs.get("training"), masks=False)
            return self._call_any(args, kwargs)
        except Exception as error:
            failures.note(error, self, args, kwargs)
            clearer = failures.unfit(error, self, args, kwargs)
            if clearer is None:
                raise
            raise clearer from error

    def _call_tensor(self, x, training):
        d = self.__dict__
        policy, info = d["_dtype_policy"], self._call_info
        mask = getattr(x, "_keras_mask", None)
        if x.dtype is not policy.torch_compute and policy.casts and x.is_floating_point():
            if d["autocast"] and self._convert_input_args:
                x = x.to(policy.torch_compute)
        spec = self.input_spec
        if spec is not None and (type(spec) is not input_spec.InputSpec or not spec.accepts(x)):
            input_spec.check(spec, x, d["_name"])
        if mask is None and not (info.training or d["_modules"] or policy.mixed or d["_remat"] or d["_adds_losses"]):
            outputs = self.call(x)  # nothing inside asks for anything
        else:
            kwargs = {"mask": mask} if mask is not None and info.mask else {}
            outputs = self._call_with(info, (x,), kwargs, training)
        if mask is not None or self._makes_mask:
            return self._pass_mask(x, outputs, mask)
        return outputs

    def _call_with(self, info, args, kwargs, training):
        """`call` with the training value that holds here, in a scope if anything inside must see it."""
        d = self.__dict__
        if training is None:
            training = state.training
        if info.training:
            place = info.training_place
            if place is not None and place < len(args) <= len(info.names):  # given by position
                kwargs.update(zip(info.names[place:], args[place:]))
                args = args[:place]
                training = training if kwargs["training"] is None else kwargs["training"]
            if isinstance(training, torch.Tensor) and training.dim():
                raise TypeError(
                    f"`training` of layer {d['_name']!r} must be a boolean, got {failures.shown(training)}."
                )
            training = self._training_for(info, kwargs, training)
        if d["_modules"] or d["_dtype_policy"].mixed or d["_remat"] or d["_adds_losses"]:
            return self._call_in_scope(training, args, kwargs)
        return self.call(*args, **kwargs)

    def _training_for(self, info, kwargs, training):
        """Settles `training` of a `call` that takes it, and what sublayers are to see.

        The order is Keras's: argument, outer call (both already in `training`), Keras 2's learning phase; then the
        module's own flag, for torch programs; then the default that `call` declares, which stays to Python. A
        `training=None` that was given takes the default's place.
        """
        if training is None:
            training = True if self.training else state.learning_phase
        if training is None:
            return None if "training" in kwargs else info.training_default
        kwargs["training"] = training
        return training

    def _call_in_scope(self, training, args, kwargs):
        """Calls with what sublayers must see: the training value, cast weights, torch's train flag.

        The outermost call forgets the losses that earlier calls added here and below.
        """
        d = self.__dict__
        before = state.training, state.inside, state.casting
        if not before[1] and state.losses is None:
            self._forget_losses()
        state.inside = True
        if training is not None:
            state.training = training
        if d["_dtype_policy"].mixed:
            state.casting = self
        foreign = self._set_foreign_mode(training) if training is not None and d["_modules"] else ()
        try:
            call = self.call if d["_remat"] is None else remat.call_of(self, d["_remat"], args)
            outputs = call(*args, **kwargs)
            if d["_activity_regularizer"] is not None:
                self._penalize_activity(outputs)
            return outputs
        finally:
            state.training, state.inside, state.casting = before
            for module in foreign:
                module.training = not training

    def _set_foreign_mode(self, training):
        """Puts plain torch modules among the children into the call's mode; returns every one that must be put back."""
        changed = []
        for child in self._child_modules():
            if not isinstance(child, LayerState) and child.training != bool(training):
                changed.extend(module for module in child.modules() if module.training != bool(training))
        for module in changed:
            module.training = bool(training)
        return changed

    def _take_in(self, module):
        """A module becomes a child. A fresh torch module says that it trains, a fresh layer that it does not."""
        self._children_changed()
        if isinstance(module, LayerState):
            return
        make_parameters_outside_probes(module)
        if module.training != self.training:
            module.train(self.training)

    def _call_any(self, args, kwargs):
        self._require_init()
        info, d = self._call_info, self.__dict__
        args, kwargs = self._convert(args, kwargs)
        if len(args) < info.needed:
            self._bind(info, args, kwargs)  # says what is missing
        training = kwargs.get("training")
        # torch.compile cannot follow a first call; where weights are made already, there is nothing to do in it
        ready = d["_ready"] or (self.built and torch.compiler.is_compiling())
        if not ready or any_symbolic(args, kwargs):
            return self._call_first(info, args, kwargs, training)
        return self._call_built(info, args, kwargs, training)

    def _call_first(self, info, args, kwargs, training):
        """The slow path: builds if need be, opens the name scope, records symbolic calls."""
        if "training" in kwargs and not (info.training or info.any_keyword):
            kwargs.pop("training")
        arguments = self._bind(info, args, kwargs)
        symbolic = any_symbolic(args, kwargs)
        input_spec.check(
            self.input_spec, next(iter(arguments.values()), None), self.name
        )  # a wrong input builds nothing
        with self._scope():
            if not self.built or self.__dict__["_building"] is not None:
                self._build_once(arguments)
            self.__dict__["_in_first_call"] = True
            try:
                if symbolic:
                    self._build_by_running(args, kwargs)
                    outputs = self.symbolic_call(*args, **kwargs)
                else:
                    outputs = self._call_built(info, args, kwargs, training)
            finally:
                self.__dict__["_in_first_call"] = False
        self.__dict__["_ready"] = True
        return outputs

    def _bind(self, info, args, kwargs):
        try:
            return info.bind(args, kwargs)
        except TypeError as error:
            raise TypeError(f"{type(self).__name__}.call() of layer {self.name!r}: {error}.") from None

    def _call_built(self, info, args, kwargs, training, masks=True):
        if len(args) > info.most:
            self._bind(info, args, kwargs)  # says which is one too many
        if not info.training and not info.any_keyword:
            kwargs.pop("training", None)  # sublayers see it; this `call` does not take it
        mask = self._fill_masks(info, args, kwargs) if masks else None
        first = args[0] if args else kwargs.get(info.names[0]) if info.names else None
        if self.input_spec is not None:
            input_spec.check(self.input_spec, first, self.__dict__["_name"])
        outputs = self._call_with(info, args, kwargs, training)
        if self._makes_mask or any_mask(mask):
            return self._pass_mask(first, outputs, mask)
        return outputs

    # -- Keras 2's views of the last call -----------------------------------------------------------------------------

    @property
    def input(self):
        """The symbolic tensor, or structure, of the first call in a graph. `AttributeError` if there was none."""
        node = self._first_node("input")
        args, kwargs = node.arguments.args, node.arguments.kwargs
        tensors = calls.tensor_arguments(self._bind(self._call_info, args, kwargs))
        return next(iter(tensors.values())) if tensors else node.output_structure

    @property
    def output(self):
        """What the first call in a graph gave. `AttributeError` if there was none."""
        return self._first_node("output").output_structure

    def _require_built_for(self, what):
        if not self.built:
            raise ValueError(
                f"{what} needs the weights of {self.name!r}: call build(input_shape) or call it on data first."
            )


Layer._base_init = Layer.__init__
