"""Building: a layer makes its weights once, from input shapes.

May import core. A mixin of `core.layer.Layer`; knows nothing of how layers are called.
"""

import functools
import threading
from collections.abc import Mapping

from torchkeras.core import calls, scopes, shape_probe
from torchkeras.core.keras_tensor import is_shape
from torchkeras.core.scopes import state


def wrapped_build(build):
    """Around every class's `build`: name scope, `built`, remembered shapes, Keras 2's `weights=`."""

    @functools.wraps(build)
    def wrapped(self, *args, **kwargs):
        if self.__dict__.get("_building") == threading.get_ident():  # super().build(...) inside a build
            return build(self, *args, **kwargs)
        self._require_init()
        before = self._build_shapes
        with scopes.process.building:
            if self._build_shapes is before:  # no other thread has built it while this one waited
                return _build_alone(self, build, args, kwargs)

    wrapped._wrapped_build = True
    return wrapped


def _build_alone(self, build, args, kwargs):
    d = self.__dict__
    args = tuple(calls.normalize_shapes(value) for value in args)
    kwargs = {key: calls.normalize_shapes(value) for key, value in kwargs.items()}
    d["_building"] = threading.get_ident()
    try:
        with shape_probe.pause(), self._scope():
            d["_path"] = scopes.current_path()
            if isinstance(d["_dtype_policy"], Mapping):  # a DTypePolicyMap: now the path is known
                d["_dtype_policy"] = d["_dtype_policy"][d["_path"]]
            result = build(self, *args, **kwargs)
    finally:
        d["_building"] = None
    self._finish_build(args, kwargs)
    return result


class LayerBuild:
    """`build`, what surrounds it, and its config."""

    _builds_all = False  # whether `build` leaves nothing to a first call, in sublayers neither
    _build_shapes_dict = property(lambda self: self._build_shapes)

    @wrapped_build
    def build(self, input_shape):
        """Makes the weights for inputs of this shape. Override it; a layer without weights need not."""
        self.built = True

    def _finish_build(self, args, kwargs):
        d = self.__dict__
        d["built"] = True
        shapes = dict(kwargs)
        if args:
            shapes = {
                **dict(zip(calls._parameters(type(self).build)[0] or ["input_shape"], args, strict=False)),
                **shapes,
            }
        d["_build_shapes"] = shapes
        if self._builds_all or not d["_modules"]:
            d["_ready"] = True
        if d["_for_later"] or d["_initial_weights"] is not None:
            with shape_probe.pause():  # a probe may be what builds; these values are real
                self._give_weights()

    def _give_weights(self):
        """New weights take the values that were given before they were made."""
        if self._for_later:
            self._load_put_aside()
        if self._initial_weights is not None:
            values = self._initial_weights
            self._keep(_initial_weights=None)
            self.set_weights(values)

    def _scope(self):
        """The name scope of this layer, opened once however often it is asked for."""
        return scopes.name_scope(self.name.replace("/", "_"), caller=self)

    def _build_once(self, arguments):
        """Builds before the first call, unless another thread does: then it waits for that."""
        with scopes.process.building:
            if not self.built:
                self._build_from(arguments)

    def _build_from(self, arguments):
        """Builds from the tensor arguments of a call."""
        tensors = calls.tensor_arguments(arguments)
        shapes = {name: calls.shape_tree(value, state.probe) for name, value in tensors.items()}
        args, kwargs = calls.shape_arguments(type(self).build, shapes)
        if state.probe is not None:
            state.probe.note_build(self, list(tensors.values()))
        missing = calls.missing_shape(type(self).build, args, kwargs)
        if missing is not None and missing.removesuffix("_shape") not in self._call_info.accepted:
            raise ValueError(
                f"build() of layer {self.name!r} ({type(self).__name__}) takes `{missing}`, but its call() takes no "
                f"tensor {missing.removesuffix('_shape')!r}: with several parameters, build() names them after "
                "those of call(), with _shape behind."
            )
        self.build(*args, **kwargs)
        if not self.built:
            self._finish_build(args, kwargs)

    def get_build_config(self):
        """What `build_from_config` needs to make the weights again without data; None before building."""
        shapes = self._build_shapes
        if shapes is None:
            return None
        plain = {key: _plain_shape(shape) for key, shape in shapes.items()}
        return {"input_shape": next(iter(plain.values()))} if len(plain) == 1 else {"shapes_dict": plain}

    def build_from_config(self, config):
        """Builds with the shapes that `get_build_config` gave."""
        if not config:
            return
        if "shapes_dict" in config:
            self.build(**config["shapes_dict"])
        elif "input_shape" in config:
            self.build(config["input_shape"])

    build_from_config._goes_by_shapes = True


def _plain_shape(shape):
    if is_shape(shape):
        return tuple(shape)
    if isinstance(shape, dict):
        return {key: _plain_shape(value) for key, value in shape.items()}
    return [_plain_shape(value) for value in shape] if isinstance(shape, (list, tuple)) else shape
