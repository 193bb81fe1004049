"""Pipeline: layers one after the other, as one layer.

May import core and the files of layers.
"""

from torchkeras.core.layer import Layer
from torchkeras.core.masks import masks_in
from torchkeras.core.registry import published
from torchkeras.layers import _slots


def _several_layers(value):
    """A list of layers."""
    items = list(value) if isinstance(value, (list, tuple)) else [value]
    if not isinstance(value, (list, tuple)) or not all(isinstance(item, Layer) for item in items):
        raise ValueError(
            f"`layers` of Pipeline must be a list of layers, got {value!r} of type {type(value).__name__}. A plain "
            "torch module goes in as TorchModuleWrapper(module)."
        )
    return items


@published("layer", "keras.layers")
class Pipeline(Layer, extra=""):
    """Applies layers one after the other, mostly to prepare and augment data.

    Args:
        layers: list of layers. What comes in goes to the first as it is: an array, a tensor or a dict such as
            `{"images": …, "labels": …}`.

    Layers that ask get `training` (True unless said) and the mask of what comes in.

    Raises `ValueError` for what is no list of layers.

    Example:
        >>> Pipeline([AutoContrast(), RandomBrightness(0.2)])(torch.rand(2, 8, 8, 3)).shape
        torch.Size([2, 8, 8, 3])

    In torch: `nn.Sequential(...)`, or `torchvision.transforms.v2.Compose`.
    """

    layers = _slots.nested("layer", "layers", convert=_several_layers)
    name = _slots.base()

    _convert_input_args = False
    _takes_several = True

    def call(self, inputs, training=True, mask=None):
        for layer in self.layers:
            takes = layer._call_info
            options = {"mask": mask} if takes.mask else {}
            if takes.training and training is not None:
                options["training"] = training
            inputs = layer(inputs, **options)
            mask = masks_in(inputs)
        return inputs

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """A pipeline from what `get_config` gave."""
        if not isinstance(config.get("layers"), (list, tuple)):
            raise ValueError(f"The config of a Pipeline must have a list under 'layers', got {config.get('layers')!r}.")
        return super().from_config(config, custom_objects)

    def get_config(self):
        config = super().get_config()
        return {"layers": config["layers"], "name": config["name"]}
