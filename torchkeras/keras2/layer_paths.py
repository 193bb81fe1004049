"""`keras.layers.experimental` and its `preprocessing`: where tf.keras 2 had layers before they got their place.

May import core and layers. Registers itself with them; no layer knows of it.
"""

from torchkeras import layers
from torchkeras.core import registry
from torchkeras.core.fields import field
from torchkeras.keras2.modules import add_module
from torchkeras.layers.preprocessing.adapting import AdaptingLayer

PREPROCESSING = (
    "CategoryEncoding",
    "CenterCrop",
    "Discretization",
    "HashedCrossing",
    "Hashing",
    "IntegerLookup",
    "Normalization",
    "RandomContrast",
    "RandomCrop",
    "RandomFlip",
    "RandomHeight",
    "RandomRotation",
    "RandomTranslation",
    "RandomWidth",
    "RandomZoom",
    "Rescaling",
    "Resizing",
    "StringLookup",
    "TextVectorization",
)


def _layer_of_today(name):
    if name in PREPROCESSING:
        return getattr(layers, name)
    raise AttributeError(f"keras.layers.experimental.preprocessing has no {name!r}: {', '.join(PREPROCESSING)}.")


class SyncBatchNormalization(layers.BatchNormalization):
    """`BatchNormalization` with statistics over all processes of `torch.distributed`.

    Args: those of `BatchNormalization`; `synchronized` is True.

    Example:
        >>> SyncBatchNormalization()(torch.ones(2, 3)).shape
        torch.Size([2, 3])

    In torch: `torch.nn.SyncBatchNorm`.
    """

    synchronized = field(True)


registry.register(SyncBatchNormalization, "layer", "keras.layers.experimental")
_experimental = add_module(
    layers,
    "experimental",
    "Where tf.keras 2 had layers that were new.",
    {"EinsumDense": layers.EinsumDense, "SyncBatchNormalization": SyncBatchNormalization},
)
_preprocessing = add_module(
    _experimental,
    "preprocessing",
    "Where tf.keras 2.3 to 2.5 had the preprocessing layers.",
    {
        "PreprocessingLayer": AdaptingLayer,
        "__getattr__": _layer_of_today,
        "__dir__": lambda: sorted((*vars(_preprocessing), *PREPROCESSING)),
    },
)
