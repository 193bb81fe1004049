"""Optimizers on variables of float16, float32 and float64 against the installed Keras."""

import keras
import numpy as np
import pytest
import torch

from compat.optimizer_cases import OWN, REPAIRED
from torchkeras import optimizers as ours
from torchkeras.core.variable import Variable

RATES = {"Muon": 1.0, "Adafactor": 0.3}
# In bfloat16 Keras rounds `beta_2` to 1 and divides by zero; in float16 it rounds the roots of Adadelta's epsilon and
# Muon's matrix products. `tests/optimizers/test_parameter_kinds.py` holds these to a run in float64.
ROUGH = {("Adadelta", "float16"), ("Muon", "float16")}
CASES = [(name, dtype) for name in OWN for dtype in ("float16", "float32", "float64")]


@pytest.mark.parametrize(("name", "dtype"), [case for case in CASES if case not in ROUGH])
def test_four_steps_in_other_dtypes(name, dtype):
    """Keras rounds every intermediate number of a short float, torchkeras only results: some roundings apart."""
    rng = np.random.default_rng(1)
    start = [rng.uniform(0.5, 2.0, shape) for shape in ((4, 3), (5,))]
    reference = REPAIRED.get(name) or getattr(keras.optimizers, name)
    sides = []
    for cls, variable in ((getattr(ours, name), Variable), (reference, keras.Variable)):
        optimizer = cls(RATES.get(name, 0.2))
        variables = [variable(value, dtype=dtype) for value in start]
        optimizer.build(variables)
        sides.append((optimizer, variables))
    for _ in range(4):
        grads = [rng.choice([-1, 1], value.shape) * rng.uniform(0.2, 1.0, value.shape) for value in start]
        for optimizer, variables in sides:
            optimizer.apply([torch.tensor(grad).to(getattr(torch, dtype)) for grad in grads], variables)
    atol = max(10 * torch.finfo(getattr(torch, dtype)).eps, 2e-6)  # rates are float32
    for own, theirs, before in zip(sides[0][1], sides[1][1], start, strict=True):
        assert own.dtype is getattr(torch, dtype)
        moved = own.detach().double()
        assert (moved - torch.tensor(before)).abs().max() > (0.0 if name == "Adadelta" else 2 * atol)
        torch.testing.assert_close(moved, theirs.value.detach().double(), rtol=0, atol=atol)
