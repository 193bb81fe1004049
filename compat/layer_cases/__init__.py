"""Configurations under which every layer is compared with Keras and tried as a torch module, one file per family.

May import torchkeras and numpy, not Keras. One line per configuration; the first line of a layer is its plainest. The
loops in compat/test_layers.py and tests/layers/test_citizenship.py fail for a published layer that has no line here.
"""

from compat.layer_cases import (
    activation,
    attention,
    conv,
    conv_lstm,
    core,
    images_colored,
    images_moved,
    merging,
    normalization,
    pipelines,
    pooling,
    preprocessing,
    preprocessing_numbers,
    recurrent,
    regularization,
    reshaping,
    spectrograms,
)
from compat.layer_cases.case import Case, case, ints, mask
from torchkeras import layers
from torchkeras.core import registry

__all__ = [
    "CASES",
    "ELSEWHERE",
    "SPARING",
    "WITHOUT_GRADIENT",
    "Case",
    "case",
    "drawing_the_same",
    "first_cases",
    "ints",
    "mask",
    "published_layers",
    "without_draws",
]

assert layers  # imported for what it publishes

_FAMILIES = (
    core,
    recurrent,
    attention,
    activation,
    regularization,
    reshaping,
    conv,
    conv_lstm,
    pipelines,
    pooling,
    normalization,
    merging,
    spectrograms,
    preprocessing,
    preprocessing_numbers,
    images_colored,
    images_moved,
)
CASES = [each for family in _FAMILIES for each in family.CASES]

# Layers that no single call describes; each has a test file of its own.
ELSEWHERE = {
    "HashedCrossing": "Keras has it on TensorFlow only: compat/test_preprocessing_hashing.py",
    "Hashing": "Keras has it on TensorFlow only: compat/test_preprocessing_hashing.py",
    "FeatureSpace": "takes columns: compat/test_feature_space.py",
    "FlaxLayer": "says that it needs another framework",
    "InputLayer": "a graph's source",
    "IntegerLookup": "Keras has it on TensorFlow alone: compat/test_preprocessing_lookups.py",
    "JaxLayer": "says that it needs another framework",
    "StringLookup": "Keras has it on TensorFlow alone: compat/test_preprocessing_lookups.py",
    "SyncBatchNormalization": "Keras 2 has it alone: tests/keras2/test_paths.py",
    "TFSMLayer": "says that it needs another framework",
    "Wrapper": "a base class: compat/test_wrapper.py",
    "TFDConcat": "a part of FeatureSpace: compat/test_feature_space.py",
    "TFDIdentity": "a part of FeatureSpace: compat/test_feature_space.py",
    "TextVectorization": "Keras has it on TensorFlow alone: compat/test_preprocessing_text.py",
    "TorchModuleWrapper": "holds a module that Keras saves with pickle",
}


# Layers whose outputs jump from one whole number to another: no gradient passes.
WITHOUT_GRADIENT = {"Discretization"}


# Layers whose like in Keras draws where it does nothing too (a line of compat/deviations.md): after a call without
# training the two go on with other numbers.
SPARING = {
    *("RandomBrightness", "RandomColorDegeneration", "RandomColorJitter", "RandomGrayscale", "RandomHue"),
    *("RandomPosterization", "RandomSaturation", "RandomSharpness", "MixUp", "RandAugment", "AugMix", "Pipeline"),
}


def published_layers():
    """Names of all layer classes that torchkeras publishes."""
    return sorted({entry.name for entry in registry._by_object.values() if entry.kind == "layer"})


def drawing_the_same(layer):
    """A layer on images that draws the same numbers at each call: these layers draw unless told that nobody trains."""
    if "generator" in vars(layer):
        layer.generator = 7
    return layer


def without_draws(layer):
    """What to call such a layer with so that it draws nothing; nothing for all others."""
    return {"training": False} if "generator" in vars(layer) else {}


def first_cases():
    """The plainest case of each layer."""
    found = {}
    for each in CASES:
        found.setdefault(each.layer, each)
    return list(found.values())
