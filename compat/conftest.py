"""Settings of the compatibility suite: real Keras runs on torch, in this process, beside torchkeras."""

import os

os.environ["KERAS_BACKEND"] = "torch"
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")  # both sides on the same device; compat/cuda has its own runs

import keras
import numpy as np
import pytest
import torch

import torchkeras
from compat.layer_cases.core import FUNCTIONS

keras.saving.get_custom_objects().update(FUNCTIONS)


def pytest_configure(config):
    torch.set_num_threads(1)
    if keras.backend.backend() != "torch":
        raise pytest.UsageError("Keras was imported with another backend before compat/conftest.py could choose torch.")
    if keras.__name__ == torchkeras.__name__ or keras.Model is torchkeras.Model:
        raise pytest.UsageError(
            "`import keras` gives torchkeras itself: the suite needs the real Keras. Is torchkeras installed in place?"
        )


@pytest.fixture(autouse=True)
def seeds():
    """Every test starts from the same random streams, whichever ran before it."""
    np.random.seed(7)
    torch.manual_seed(7)
    keras.utils.set_random_seed(7)
