"""TorchModuleWrapper: any torch module as a layer.

May import core.
"""

import weakref

import torch

from torchkeras.core import scopes, shape_probe, wiring
from torchkeras.core.keras_tensor import KerasTensor, standardize_shape
from torchkeras.core.layer import Layer
from torchkeras.core.registry import published


@published("layer", "keras.layers")
class TorchModuleWrapper(Layer):
    """A `torch.nn.Module` where a Keras layer may stand. Sequential and the functional API wrap plain modules by
    themselves.

    Args:
        module: the module. Its parameters are the layer's weights.
        output_shape: whole shape of the output, None for the batch, where it cannot be found by running on shapes.

    The module is put into train or eval mode to match the call's `training` while it runs. It may be lazy.

    Raises `TypeError` for what is no module; `NotImplementedError` where a config is asked for: a module has none.

    Example:
        >>> TorchModuleWrapper(torch.nn.Linear(3, 4))(torch.ones(2, 3)).shape
        torch.Size([2, 4])
    """

    _takes_several = True  # as the module likes
    _saved_never = ("module",)  # the wrapper writes what it holds, as in Keras

    def __init__(self, module, name=None, output_shape=None, **kwargs):
        if not isinstance(module, torch.nn.Module):
            raise TypeError(f"TorchModuleWrapper needs a torch.nn.Module, got {type(module).__name__}.")
        super().__init__(name=name, **kwargs)
        self.module = module
        self._output_shape = None if output_shape is None else standardize_shape(output_shape)
        self.built = True

    def call(self, *args, training=None, **kwargs):
        return self.module(*args, **kwargs)

    def compute_output_spec(self, *args, **kwargs):
        if self._output_shape is not None:
            return KerasTensor(self._output_shape, dtype=self.compute_dtype)
        return shape_probe.infer(self._probe_call, args, kwargs)

    def compute_output_shape(self, *args, **kwargs):
        return super().compute_output_shape(*args, **kwargs) if self._output_shape is None else self._output_shape

    def save_own_variables(self, store):
        """Writes the module's `state_dict`."""
        for key, value in self.module.state_dict().items():
            store[key] = value

    def load_own_variables(self, store):
        """Reads what `save_own_variables` wrote."""
        self.module.load_state_dict({key: torch.as_tensor(store[key]) for key in list(store.keys())})

    def get_config(self):
        raise NotImplementedError(
            f"The torch module {type(self.module).__name__} has no config, so a model that holds it cannot be saved as "
            "one: save its weights, or write it as a Layer."
        )


def as_layer(module):
    """The layer of a module: itself if it is one, else its wrapper, the same one for the same module while it lives."""
    if isinstance(module, Layer):
        return module
    reference = scopes.wrappers.get(module)
    wrapper = None if reference is None else reference()
    if wrapper is None:
        wrapper = TorchModuleWrapper(module)
        scopes.wrappers[module] = weakref.ref(wrapper)  # it holds the module: a strong one would keep both for ever
    return wrapper


wiring.set_wrapper(as_layer)
