"""The module that `import tensorflow as tf` gets: the few TensorFlow names that Keras scripts use, on torch tensors.

Lives here: dtypes, `constant`, `convert_to_tensor`, `cast`; config.py and random.py hold the namespaces of those names.
May import: torch, numpy, core. Must not know: layers, models. A name that is not here raises an error that says so.
"""

from __future__ import annotations

import sys

import torch

from torchkeras.shim.tf import config, python, random
from torchkeras.shim.tf.missing import explain_missing
from torchkeras.shim.tf.tensors import DTYPES, cast, constant, convert_to_tensor

# Programs compare this to pick their Keras 3 branch.
__version__ = "2.21.0"

keras = sys.modules[__name__.partition(".")[0]]
newaxis = None
Tensor = torch.Tensor

globals().update(DTYPES)


def executing_eagerly() -> bool:
    """Always True: torch runs each operation as it is written."""
    return True


__getattr__ = explain_missing("tensorflow")
