"""The output shapes of a layer: from what it says, else from a probe of its call.

May import core. A mixin of `core.layer.Layer`; knows nothing of configs.
"""

import warnings

from torchkeras.core import calls, registry, shape_probe, tree
from torchkeras.core.keras_tensor import KerasTensor, Shape, is_shape
from torchkeras.core.layer_build import LayerBuild
from torchkeras.errors import ShapeInferenceError


class LayerShapes:
    """`compute_output_spec` and `compute_output_shape`."""

    def compute_output_spec(self, *args, **kwargs):
        """Outputs as KerasTensors: from `compute_output_shape` where it is overridden, else by a probe."""
        if type(self).compute_output_shape is LayerShapes.compute_output_shape:
            return shape_probe.infer(self._probe_call, args, kwargs)
        tensors = calls.tensor_arguments(self._bind(self._call_info, args, kwargs))
        shapes = {name: calls.shape_tree(value) for name, value in tensors.items()}
        positional, named = calls.shape_arguments(type(self).compute_output_shape, shapes)
        return _specs_of(self.compute_output_shape(*positional, **named), self.compute_dtype)

    def _build_by_running(self, args, kwargs):
        """Makes the weights of sublayers where nothing else would before the first data: there is no `build`, and the
        shapes are known without running `call`. Warns where `call` does not run without data, as Keras does.

        Published layers build what they hold themselves, but for an activation that is a layer, as in Keras."""
        cls = type(self)
        if (
            registry.entry_of(cls) is not None
            or cls.build is not LayerBuild.build
            or (
                cls.compute_output_shape is LayerShapes.compute_output_shape
                and cls.compute_output_spec is LayerShapes.compute_output_spec
            )
        ):
            return
        if all(layer.built for layer in self._layers):
            return
        try:
            shape_probe.infer(self._probe_call, args, kwargs)
        except (NotImplementedError, RuntimeError, TypeError, ValueError) as error:
            warnings.warn(
                f"Layer {self.name!r} has sublayers without weights, and its `call` does not run without data: {error} "
                "They are made at the first call on data; define `build(input_shape)` to make them now.",
                stacklevel=2,
            )

    def _probe_call(self, *args, **kwargs):
        args, kwargs = self._convert(args, kwargs)
        return self._call_built(self._call_info, args, kwargs, kwargs.get("training"))

    def compute_output_shape(self, *args, **kwargs):
        """Output shape(s) for input shape(s), None for unknown sizes. Override it to spare the probe."""
        shapes = [calls.normalize_shapes(value) for value in (*args, *kwargs.values())]
        if len(shapes) < self._call_info.needed:
            raise ShapeInferenceError(
                f"The output shape of layer {self.name!r} follows from {self._call_info.needed} arguments of its "
                f"`call`, got the shape(s) of {len(shapes)}: {shapes}."
            )
        specs = [_specs_of(shape, self.compute_dtype) for shape in shapes]
        if not self.built:
            self.build(*shapes[:1])
        with self._scope():
            outputs = shape_probe.infer(self._probe_call, tuple(specs), {})
        return tree.map_structure(lambda out: out.shape, outputs) if tree.is_nested(outputs) else outputs.shape


def _specs_of(shapes, dtype):
    if isinstance(shapes, KerasTensor):
        return shapes
    if is_shape(shapes):
        return KerasTensor(Shape(shapes), dtype=dtype)
    if isinstance(shapes, dict):
        return {key: _specs_of(shape, dtype) for key, shape in shapes.items()}
    if isinstance(shapes, (list, tuple)):
        return type(shapes)(_specs_of(shape, dtype) for shape in shapes)
    raise ValueError(f"compute_output_shape() must give a shape tuple or a structure of them, got {shapes!r}.")
