"""A layer as a config, and its output shapes.

May import core. A mixin of `core.layer.Layer`.
"""

import inspect

from torchkeras.core import calls, dtype_policy, fields, serialization, shape_probe, tree
from torchkeras.core.symbolic import KerasTensor, Shape, is_shape


class LayerConfig:
    """`get_config`, `from_config`, `compute_output_spec`, `compute_output_shape`."""

    # -- shapes -------------------------------------------------------------------------------------------------------

    def compute_output_spec(self, *args, **kwargs):
        """Outputs as KerasTensors: from `compute_output_shape` where it is overridden, else by a probe."""
        if type(self).compute_output_shape is LayerConfig.compute_output_shape:
            return shape_probe.infer(self._probe_call, args, kwargs)
        tensors = calls.tensor_arguments(self._bind(self._call_info, args, kwargs))
        shapes = {name: calls.shape_tree(value) for name, value in tensors.items()}
        positional, named = calls.shape_arguments(type(self).compute_output_shape, shapes)
        return _specs_of(self.compute_output_shape(*positional, **named), self.compute_dtype)

    def _probe_call(self, *args, **kwargs):
        args, kwargs = self._convert(args, kwargs)
        return self._call_built(self._call_info, args, kwargs, kwargs.get("training"))

    def compute_output_shape(self, *args, **kwargs):
        """Output shape(s) for input shape(s), None for unknown sizes. Override it to spare the probe."""
        shapes = [calls.normalize_shapes(value) for value in (*args, *kwargs.values())]
        specs = [_specs_of(shape, self.compute_dtype) for shape in shapes]
        if not self.built:
            self.build(*shapes[:1])
        with self._scope():
            outputs = shape_probe.infer(self._probe_call, tuple(specs), {})
        return tree.map_structure(lambda out: out.shape, outputs) if tree.is_nested(outputs) else outputs.shape

    # -- configuration ------------------------------------------------------------------------------------------------

    def get_config(self):
        """Constructor arguments as Keras writes them.

        For a class that has neither fields nor a `get_config` of its own, the plain arguments it was made with.
        """
        base = {"trainable": self.trainable, "dtype": serialization.serialize_keras_object(self.dtype_policy)}
        if self._fields:
            config = {"name": self.name, **base, **fields.saved(self)}
        elif type(self).get_config is LayerConfig.get_config and self._config_is_automatic:
            config = self._automatic_config()
        else:
            config = {"name": self.name, **base}
        if self.activity_regularizer is not None:
            config["activity_regularizer"] = serialization.serialize_keras_object(self.activity_regularizer)
        return config

    get_config._is_automatic = True

    @classmethod
    def _says_nothing_of_its_config(cls):
        """Whether its config is the plain arguments of its constructor, as no other part of the class says more."""
        own_constructor = cls.__init__ is not cls._base_init
        return own_constructor and not cls._fields and getattr(cls.get_config, "_is_automatic", False)

    def _automatic_config(self):
        """The config of a class that says nothing about it: the arguments that it was made with."""
        values, refused = self._made_with or ({}, ["all"])
        if refused:
            raise NotImplementedError(
                f"Layer {type(self).__name__} was made with arguments that cannot be saved as they are "
                f"({', '.join(refused)}): define get_config() and from_config() on it."
            )
        dtype = serialization.serialize_keras_object(self.dtype_policy)
        return {**values, "trainable": self.trainable, "dtype": dtype}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """A layer from what `get_config` gave (Keras 2's spellings too); `custom_objects` names your own classes."""
        config = dict(fields.loaded(cls, config, custom_objects))
        if isinstance(config.get("dtype"), dict):
            config["dtype"] = dtype_policy.get(config["dtype"])
        parameters = inspect.signature(cls).parameters
        anything = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
        late = [] if anything else [key for key in ("trainable", "dtype") if key in config and key not in parameters]
        late = {key: config.pop(key) for key in late}  # written by every layer, but not taken by this constructor
        try:
            layer = cls(**config)
        except TypeError as error:
            raise TypeError(f"{cls.__name__} cannot be made from its config: {error} Config: {config}") from error
        if late.get("trainable") is False:
            layer.trainable = False
        if "dtype" in late:
            layer.dtype_policy = late["dtype"]
        return layer


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
