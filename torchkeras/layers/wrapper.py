"""Wrapper: the base of layers that hold one other layer.

May import core and the families below layers.
"""

import inspect

from torchkeras.core import fields
from torchkeras.core.layer import Layer
from torchkeras.core.registry import published
from torchkeras.layers import _slots


def wrapped_layer(value):
    """The converter of an argument that takes a layer or a model."""
    if not isinstance(value, Layer):
        raise ValueError(
            f"A wrapper takes a layer or a model, got {value!r} of type {type(value).__name__}. A plain torch module "
            "goes in as TorchModuleWrapper(module)."
        )
    return value


@published("layer", "keras.layers")
class Wrapper(Layer):
    """The base of layers that do something around another one; a subclass says what in `call`.

    Building builds the wrapped layer for the same shape, the config holds it, its weights are the wrapper's.

    Args:
        layer: the layer or model to wrap, reached as `self.layer`.

    Example:
        >>> class Residual(Wrapper):
        ...     def call(self, inputs):
        ...         return inputs + self.layer(inputs)
        >>> Residual(Dense(3))(torch.ones(2, 3)).shape
        torch.Size([2, 3])

    Raises `ValueError` for what is no layer.
    """

    layer = _slots.nested(("layer", "model"), "wrapped layer", convert=wrapped_layer)

    def build(self, input_shape=None):
        if not self.layer.built:
            self.layer.build(input_shape)

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """A wrapper from what `get_config` gave. The layer goes to the first argument, whatever a subclass calls it."""
        config = dict(fields.loaded(cls, config, custom_objects))
        first = next(iter(inspect.signature(cls).parameters.values()))
        if first.kind is first.POSITIONAL_OR_KEYWORD and "layer" in config:
            config = {first.name: config.pop("layer"), **config}
        return super().from_config(config, custom_objects)
