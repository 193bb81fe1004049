"""Layers that hold layers which prepare data."""

from compat.layer_cases.case import case, ints, mask


def _pipeline(*made, **config):
    def make(lib):
        layers = [each(lib) if callable(each) else getattr(lib, each[0])(**each[1]) for each in made]
        return {"layers": layers, **config}

    return make


_BYTES = ints(256, 2, 5, 4, 3).astype("uint8")
_INVERT = ("RandomInvert", {"seed": 3})
_DEGENERATE = ("RandomColorDegeneration", {"factor": 0.5, "seed": 4, "value_range": (-3, 3)})
_DENSE = ("Dense", {"units": 2})

CASES = [
    case(
        "Pipeline",
        (2, 5, 4, 3),
        make=_pipeline(("Rescaling", {"scale": 2.0}), ("AutoContrast", {})),
        shapes=None,
        loose=9.0,
    ),
    case("Pipeline", (2, 5, 4, 3), make=_pipeline(_INVERT, _DEGENERATE), shapes=None),
    case("Pipeline", (5, 4, 3), make=_pipeline(_DEGENERATE), shapes=None),
    case("Pipeline", (2, 5, 4, 3), make=_pipeline(_INVERT, _DEGENERATE), shapes=None, training=True),
    case("Pipeline", (2, 5, 4, 3), make=_pipeline(_DEGENERATE, _INVERT, name="twice"), shapes=None, training=False),
    case("Pipeline", _BYTES, make=_pipeline(("Rescaling", {"scale": 1 / 255}), ("AutoContrast", {})), shapes=None),
    case("Pipeline", (2, 5), make=_pipeline(_DENSE, ("Dropout", {"rate": 0.5, "seed": 2})), shapes=None),
    case("Pipeline", (2, 3, 4), make=_pipeline(_DENSE, ("Activation", {"activation": "relu"})), shapes=None),
    case("Pipeline", (2, 3, 4), make=_pipeline(("Masking", {}), ("LSTM", {"units": 2})), shapes=None),
    case("Pipeline", (2, 3, 4), make=_pipeline(("LSTM", {"units": 2})), masks=(mask(2, 3, size=3),), shapes=None),
    case("Pipeline", (2, 4), make=_pipeline(_DENSE, ("BatchNormalization", {})), shapes=None, training=True),
]
