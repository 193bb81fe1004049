"""Layers on images, every one of Keras's manifest: one training call on a batch, against Keras.

The list is read from the manifest, so that a layer takes part once Keras has it. Must not import torch at the top: the
list is wanted in a process without it.
"""

import json
from pathlib import Path

_MANIFEST = Path(__file__).resolve().parents[1] / "compat" / "manifests" / "keras-3.15.1.json"
# Arguments of layers that need some, or do nothing without.
_ARGUMENTS = {
    "CenterCrop": {"height": 192, "width": 192},
    "MaxNumBoundingBoxes": {"max_number": 8},
    "RandomBrightness": {"factor": 0.3},
    "RandomColorDegeneration": {"factor": 0.5},
    "RandomColorJitter": {"brightness_factor": 0.3, "contrast_factor": 0.3, "hue_factor": 0.1},
    "RandomContrast": {"factor": 0.5},
    "RandomCrop": {"height": 192, "width": 192},
    "RandomHue": {"factor": 0.2},
    "RandomPosterization": {"factor": 4},
    "RandomRotation": {"factor": 0.2},
    "RandomSaturation": {"factor": 0.5},
    "RandomSharpness": {"factor": 0.5},
    "RandomShear": {"x_factor": 0.2, "y_factor": 0.2},
    "RandomTranslation": {"height_factor": 0.2, "width_factor": 0.2},
    "RandomZoom": {"height_factor": 0.2},
    "Resizing": {"height": 160, "width": 160},
}
# Keras takes most of a minute for 32 images there.
_SLOW = {
    "AugMix",
    "RandAugment",
    "RandomElasticTransform",
    "RandomPerspective",
    "RandomRotation",
    "RandomShear",
    "RandomTranslation",
    "RandomZoom",
}


def names():
    """All layers on images that Keras publishes."""
    known = json.loads(_MANIFEST.read_text())["names"]
    room = "keras.src.layers.preprocessing.image_preprocessing."
    found = [name for name, each in known.items() if each.get("canonical", "").startswith(room)]
    return sorted(name.removeprefix("keras.layers.") for name in found if name.startswith("keras.layers."))


def calls(name, steps, keras):
    """A function of no arguments that calls the layer `steps` times on (32, 224, 224, 3) floats, slow ones on 2."""
    import torch

    layer = getattr(keras.layers, name)(**_ARGUMENTS.get(name, {}))
    batch = 2 if name in _SLOW else 32
    images, labels = torch.rand(batch, 224, 224, 3) * 255, torch.eye(batch)
    mixes = name in ("CutMix", "MixUp")
    return lambda: [
        layer({"images": images, "labels": labels} if mixes else images, training=True) for _ in range(steps)
    ]
