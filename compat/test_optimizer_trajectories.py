"""Fifty steps of every optimizer over a mixed bag of variables, under every option, against the installed Keras.

In float64, so that nothing but the formula counts: 1e-6 relative. What float32 rounds otherwise is in
`test_optimizers.py`.
"""

import keras
import numpy as np
import pytest
import torch

from compat import names
from compat.optimizer_cases import OWN, pair
from torchkeras.core.scopes import settings

STEPS = 50
BAG = {
    "scale": ((), 1.5),
    "tiny": ((3,), 1e-6),
    "kernel": ((4, 3), 1.0),
    "filters": ((2, 3, 2, 2), 1e4),
    "embeddings": ((4, 2), 1.0),
    "unused": ((2,), 1.0),
    "frozen": ((2,), 1.0),
    "held": ((3, 2), 1.0),
}
ORDERS = {"kernel": (1, 0), "filters": (3, 2, 0, 1)}
SOMETIMES = ("embeddings", "scale")  # no gradient in some steps


@pytest.fixture(autouse=True)
def double_precision(monkeypatch):
    monkeypatch.setattr(settings, "floatx", "float64")
    before = keras.config.floatx()
    keras.config.set_floatx("float64")
    yield
    keras.config.set_floatx(before)


def _clamped(w):
    return torch.clamp(w if isinstance(w, torch.Tensor) else w.value, min=0.0, max=0.8)


def bag(cls, scope, ordered=False):
    rng, made = np.random.default_rng(3), []
    with scope("block"):
        for name, (shape, size) in BAG.items():
            order = {"memory_order": ORDERS[name]} if ordered and name in ORDERS else {}
            made.append(cls(rng.normal(size=shape) * size, dtype="float64", name=name, **order))
    made[list(BAG).index("frozen")].trainable = False
    made[list(BAG).index("held")].constraint = _clamped
    return made


def gradients(step):
    """Arrays, over five orders of magnitude; None for what has no gradient in this step."""
    rng = np.random.default_rng(100 + step)
    found = [rng.normal(size=shape) * 10.0 ** rng.integers(-4, 2) for shape, _ in BAG.values()]
    missing = {"unused", "frozen"} | ({SOMETIMES[step % 2]} if step % 7 == 3 else set())
    return [None if name in missing else grad for name, grad in zip(BAG, found, strict=True)]


def schedule(module):
    return module.schedules.ExponentialDecay(0.1, 20, 0.5)


def cosine(module):
    return module.schedules.CosineDecay(0.01, 30, 0.1, warmup_target=0.1, warmup_steps=10)


def called(module):
    return _twentieth


def _twentieth():
    return 0.05


def assigned(optimizer, step):
    """The learning rate, changed in the forms in which programs do it."""
    if step == 10:
        optimizer.learning_rate = 0.05
    elif step == 20:
        optimizer.learning_rate.assign(0.2)
    elif step == 30:
        optimizer.learning_rate = keras.ops.convert_to_numpy(optimizer.learning_rate).item() / 4


# Option names -> arguments; a callable `rate` makes the learning rate, `exclude` and `act` are called.
OPTIONS = [
    {"weight_decay": 0.02, "exclude": {"var_names": ["tiny", "kern"]}, "clipnorm": 0.5},
    {"clipvalue": 0.3, "use_ema": True, "ema_momentum": 0.9, "rate": called},
    {"global_clipnorm": 0.7, "gradient_accumulation_steps": 3, "rate": cosine},
    {"use_ema": True, "ema_momentum": 0.8, "ema_overwrite_frequency": 7, "loss_scale_factor": 8.0},
    {"weight_decay": 0.01, "rate": schedule},
    {"act": assigned},
    {
        "gradient_accumulation_steps": 4,
        "use_ema": True,
        "ema_overwrite_frequency": 2,
        "clipnorm": 0.4,
        "weight_decay": 0.05,
        "loss_scale_factor": 0.5,
        "exclude": {"var_list": [2, 3]},
    },
]
CASES = [(name, {**own[i % len(own)], **options}) for name, own in OWN.items() for i, options in enumerate(OPTIONS)]


def test_every_optimizer_is_here():
    public = {
        name.rpartition(".")[2]
        for name, entry in names.manifest().items()
        if name.count(".") == 2 and name.startswith("keras.optimizers.") and entry["kind"] == "class"
    }
    assert public - {"Optimizer", "LossScaleOptimizer", "MultiOptimizer", "OptimizerMap"} == set(OWN)


def equal(own, reference, heights):
    """Compares variables to 1e-6 of their values, and to 2e-7 of the highest value that a variable had so far.

    Keras keeps some constants (of clipping, of averages) in float32, which shows where large steps cancel each other.
    """
    for left, right in zip(own, reference, strict=True):
        expected = keras.ops.convert_to_numpy(right)
        height = heights[id(right)] = max(heights.get(id(right), 0.0), np.abs(expected).max())
        np.testing.assert_allclose(left.detach().numpy(), expected, rtol=1e-6, atol=2e-7 * height, err_msg=right.path)


def step_ours(optimizer, variables, grads, step):
    grads = [None if g is None else torch.tensor(g) for g in grads]
    if step % 2:
        optimizer.apply(grads, variables)
    else:
        for variable, grad in zip(variables, grads, strict=True):
            variable.grad = grad
        optimizer.step()
        optimizer.zero_grad()


@pytest.mark.filterwarnings("ignore:Gradients do not exist")
@pytest.mark.parametrize(("name", "options"), CASES, ids=[f"{n}-{list(c)}" for n, c in CASES])
def test_fifty_steps_equal_keras(name, options):
    config = dict(options)
    rate, exclude, act = (config.pop(key, None) for key in ("rate", "exclude", "act"))
    if rate is not None:
        config.pop("learning_rate", None)
    own, own_variables, reference, variables = pair(name, config, rate, make=bag)
    for optimizer, held in ((own, own_variables), (reference, variables)):
        if exclude is not None:
            chosen = [held[i] for i in exclude.get("var_list", ())]
            optimizer.exclude_from_weight_decay(chosen, exclude.get("var_names"))
    heights = {}
    for step in range(STEPS):
        grads = gradients(step)
        if act is not None:
            act(own, step)
            act(reference, step)
        step_ours(own, own_variables, grads, step)
        reference.apply([None if g is None else torch.tensor(g) for g in grads], variables)
        if step % 10 == 9:
            equal([*own_variables, *own.variables], [*variables, *reference.variables], heights)
    assert int(own.iterations) == int(reference.iterations)
    own.finalize_variable_values(own_variables)
    reference.finalize_variable_values(variables)
    equal(own_variables, variables, heights)
    assert all(np.isfinite(keras.ops.convert_to_numpy(v)).all() for v in variables)
    assert own.get_config() == reference.get_config()
