"""Fourier, segments, CTC, linear algebra and control flow of `keras.ops` against the installed Keras."""

import keras
import numpy as np
import pytest
import torch

from compat import test_ops as comparison
from compat.op_cases_math import CASES
from torchkeras import ops
from torchkeras.layers import Input

# What torch's own kernels do depends on the data; no traced program can follow.
_NOT_TRACED = {"ctc_loss", "lstsq"}


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_values_and_gradients(case):
    comparison.test_values_and_gradients(case)


@pytest.mark.parametrize("case", [case for case in CASES if case.symbolic], ids=repr)
def test_static_shapes_and_configs(case):
    comparison.test_static_shapes_and_configs(case)


@pytest.mark.parametrize("case", {c.name: c for c in CASES if c.name not in _NOT_TRACED}.values(), ids=repr)
def test_compiles_without_graph_breaks(case):
    comparison.test_compiles_without_graph_breaks(case)
