"""Losses at the edges of numbers beside Keras: 0, 1, infinities, NaN, huge and vanishing targets and predictions.

Every published function, values and gradients, in four dtypes; all pairs of edge values in one call, a row for each.
"""

import inspect
import itertools

import keras
import pytest
import torch

import torchkeras
from compat.test_family_sweeps import LOSSES

INF, NAN = float("inf"), float("nan")
# The bounds at which probabilities are clipped are left out: which slope holds exactly there is a matter of rounding.
EDGES = (0.0, -0.0, 1.0, 0.5, -0.5, 2.0, 88.8, -104.0, 1e4, -1e4, 65504.0, 1e-45, 6e-8, 1e-8, 1e-6, INF, -INF, NAN)
SHARES = [value for value in EDGES if 0 <= value <= 1]  # what Keras on torch takes as a target of probabilities
OPTIONS = {
    "binary_crossentropy": [{}, {"from_logits": True}, {"label_smoothing": 0.1}],
    "binary_focal_crossentropy": [{}, {"from_logits": True}, {"apply_class_balancing": True}, {"gamma": 0.5}],
    "categorical_crossentropy": [{}, {"from_logits": True}, {"label_smoothing": 0.1}],
    "categorical_focal_crossentropy": [{}, {"from_logits": True}, {"alpha": 0.5}],
    "sparse_categorical_crossentropy": [{}, {"from_logits": True}, {"ignore_class": 1}],
    "dice": [{"axis": 1}],
    "tversky": [{"axis": 1}],
}
OF_CLASSES = {"dice", "tversky", "cosine_similarity", "kl_divergence", "categorical_hinge"}
CASES = [(name, options) for name, is_class in LOSSES if not is_class for options in OPTIONS.get(name, [{}])]
TOLERANCE = {"float64": 1e-4, "float32": 1e-5, "float16": 4e-3, "bfloat16": 3e-2}  # Keras has constants in 32 bits


def pairs(name, options):
    """Target and prediction with a row for each pair of edge values."""
    if name.startswith("sparse"):
        rows = list(itertools.product((0, 1, 2), EDGES, EDGES))
        return torch.tensor([row[0] for row in rows]), torch.tensor([[*row[1:], 0.3] for row in rows]).double()
    if "categorical" in name or name in OF_CLASSES:
        rows = [(hot, (a, b, 0.3)) for hot in torch.eye(3).tolist() for a, b in itertools.product(EDGES, EDGES)]
        rows += [((a, 0.2, 0.0), (b, 0.4, 0.3)) for a, b in itertools.product(SHARES, EDGES)]
    else:
        binary = name.startswith("binary")
        # Beyond 0 and 1 a focal factor is the square of a number that is no probability.
        scores = SHARES if "focal" in name and "from_logits" not in options else EDGES
        rows = [((a,), (b,)) for a, b in itertools.product(SHARES if binary else EDGES, scores)]
        if binary and (scores is SHARES or options != {"from_logits": True} or "focal" in name):  # refused by Keras
            rows = [row for row in rows if row[1][0] == row[1][0]]
    return tuple(torch.tensor(each, dtype=torch.float64) for each in zip(*rows))


def outcome(function, target, prediction, dtype, options):
    leaf = prediction.to(getattr(torch, dtype), copy=True).requires_grad_()
    values = function(target if not target.is_floating_point() else target.to(leaf.dtype), leaf, **options)
    values.sum().backward()
    return values.detach(), leaf.grad


@pytest.mark.filterwarnings("ignore::SyntaxWarning")
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize(("name", "options"), CASES, ids=lambda value: str(value))
def test_values_and_gradients_at_the_edges(name, options, dtype):
    target, prediction = pairs(name, options)
    if (name, dtype) == ("cosine_similarity", "float16"):  # whose squares overflow in Keras
        small = ~(prediction.abs() > 200).any(-1)
        target, prediction = target[small], prediction[small]
    data = target, prediction, dtype, options
    (mine, slope), (real, wanted) = (outcome(getattr(k.losses, name), *data) for k in (torchkeras, keras))
    near = {"rtol": TOLERANCE[dtype], "atol": TOLERANCE[dtype], "equal_nan": True}
    assert mine.dtype == real.dtype or dtype == "float64"
    same = torch.isclose(mine.double(), real.double(), **near)
    assert same.all(), [(target[i], prediction[i], mine[i], real[i]) for i in (~same).nonzero()[:5, 0]]
    same = torch.isclose(slope.double(), wanted.double(), **near).all(-1)
    spoilt = mine.isnan() & real.isnan()  # nothing follows from NaN
    # A finite value has a finite slope: where Keras's overflows, or divides by 1e-12 instead of 0, ours need not.
    spoilt |= ~(wanted.abs() < 1e9).all(-1) & mine.isfinite() & (slope.abs() < 1e9).all(-1)
    assert (same | spoilt).all(), [
        (target[i], prediction[i], slope[i], wanted[i]) for i in (~(same | spoilt)).nonzero()[:5, 0]
    ]


def test_every_function_is_swept():
    swept = {name for name, _ in CASES}
    published = {entry for entry, is_class in LOSSES if not is_class}
    assert swept == published
    assert all(
        set(options) <= set(inspect.signature(getattr(torchkeras.losses, name)).parameters) for name, options in CASES
    )


@pytest.mark.xfail(reason="a line of compat/deviations.md", strict=True, raises=AssertionError)
def test_certain_predictions_in_16_bits_have_an_infinite_slope():
    data = torch.tensor([[0.0]]), torch.tensor([[1.0]]), "float16", {}
    assert (
        outcome(torchkeras.losses.binary_crossentropy, *data)[1] == outcome(keras.losses.binary_crossentropy, *data)[1]
    )


@pytest.mark.xfail(reason="a line of compat/deviations.md", strict=True, raises=AssertionError)
def test_the_slope_at_a_zero_vector_is_nan():
    data = torch.tensor([[1.0, 1.0]]), torch.tensor([[0.0, 0.0]]), "float32", {}
    (value, slope), (real, wanted) = (outcome(k.losses.cosine_similarity, *data) for k in (torchkeras, keras))
    assert torch.equal(value, real)
    assert slope.isnan().all() == wanted.isnan().all()
