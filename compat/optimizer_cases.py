"""Optimizers with their settings, variables and gradients, for both sides: what the comparisons of optimizers share."""

import keras
import numpy as np
import torch

from torchkeras import optimizers as ours
from torchkeras.core import scopes
from torchkeras.core.variable import Variable

theirs = keras.optimizers


class _Repaired(theirs.ScheduleFreeAdamW):
    """Keras's formula without the write in place that, on torch, changes the old value which it still needs."""

    def assign_sub(self, variable, value):
        variable._value = torch.nn.Parameter(variable.value - value, requires_grad=False)


REPAIRED = {"ScheduleFreeAdamW": _Repaired}

SHAPES = {"kernel": (5, 3), "bias": (3,), "filters": (2, 3, 4), "scale": ()}
ORDERS = {"kernel": (1, 0), "filters": (2, 0, 1)}  # our memory layouts: never the logical one
COMMON = [
    {},
    {"weight_decay": 0.05},
    {"clipnorm": 0.5},
    {"clipvalue": 0.3},
    {"global_clipnorm": 0.7},
    {"use_ema": True, "ema_momentum": 0.9},
    {"use_ema": True, "ema_momentum": 0.8, "ema_overwrite_frequency": 2},
    {"gradient_accumulation_steps": 2},
    {"gradient_accumulation_steps": 3, "use_ema": True, "clipnorm": 0.4, "weight_decay": 0.01},
    {"loss_scale_factor": 8.0},
    {"name": "mine"},
]
OWN = {
    "SGD": [
        {"learning_rate": 0.3},
        {"momentum": 0.9},
        {"momentum": 0.9, "nesterov": True},
        {"learning_rate": 0.1, "momentum": 0.5, "weight_decay": 0.1, "clipnorm": 1.0},
    ],
    "Adam": [
        {"learning_rate": 0.1},
        {"amsgrad": True, "learning_rate": 0.05},
        {"beta_1": 0.7, "beta_2": 0.8, "epsilon": 1e-3},
        {"beta_1": 0.0, "learning_rate": 0.01},
        {"amsgrad": True, "weight_decay": 0.1, "use_ema": True},
    ],
    "RMSprop": [
        {"learning_rate": 0.1, "rho": 0.7},
        {"momentum": 0.9},
        {"centered": True, "epsilon": 1e-4},
        {"centered": True, "momentum": 0.5, "rho": 0.95, "learning_rate": 0.02},
    ],
    "Adagrad": [{"learning_rate": 0.2}, {"initial_accumulator_value": 0.0, "epsilon": 1e-3}],
    "Adadelta": [{"learning_rate": 1.0}, {"rho": 0.5, "epsilon": 1e-3, "learning_rate": 0.5}],
    "Adamax": [{"learning_rate": 0.1}, {"beta_1": 0.5, "beta_2": 0.7, "epsilon": 1e-2}],
    "AdamW": [
        {"learning_rate": 0.1},
        {"weight_decay": 0.5, "amsgrad": True, "beta_1": 0.8},
        {"weight_decay": 0.0, "epsilon": 1e-3},
    ],
    "Nadam": [{"learning_rate": 0.1}, {"beta_1": 0.7, "beta_2": 0.8, "epsilon": 1e-3}],
    "Ftrl": [
        {"learning_rate": 0.3},
        {"learning_rate": 0.1, "l1_regularization_strength": 0.2, "l2_regularization_strength": 0.1},
        {"l2_shrinkage_regularization_strength": 0.3, "beta": 0.2, "learning_rate": 0.2},
        {"learning_rate_power": 0.0, "initial_accumulator_value": 0.0, "learning_rate": 0.05},
        {"learning_rate_power": -0.75, "initial_accumulator_value": 1.0, "learning_rate": 0.5},
    ],
    "Lion": [{"learning_rate": 0.02}, {"beta_1": 0.5, "beta_2": 0.6}],
    "Adafactor": [
        {"learning_rate": 0.1},
        {"beta_2_decay": -0.5, "epsilon_1": 1e-5, "epsilon_2": 0.1, "clip_threshold": 0.5},
        {"relative_step": False, "learning_rate": 0.9},
    ],
    "Muon": [
        {"learning_rate": 0.1},
        {"nesterov": False, "momentum": 0.5, "rms_rate": None, "ns_steps": 3},
        {"exclude_layers": ["kern"], "adam_lr_ratio": 0.5, "adam_beta_1": 0.5},
        {"weight_decay": None, "adam_weight_decay": 0.3, "learning_rate": 0.1},
        {"weight_decay": 0.3, "adam_weight_decay": None, "learning_rate": 0.1, "muon_a": 3.0},
    ],
    "ScheduleFreeAdamW": [
        {"learning_rate": 0.1},
        {"warmup_steps": 4, "learning_rate": 0.1, "weight_decay": 0.1},
        {"beta_1": 0.5, "beta_2": 0.7, "epsilon": 1e-3},
    ],
    "Lamb": [{"learning_rate": 0.1}, {"beta_1": 0.5, "beta_2": 0.7, "epsilon": 1e-2}],
}
UNKNOWN_TO_KERAS = {"Lamb"}  # Keras's table of names does not have it


def start_values(seed=0):
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=shape).astype("float32") for name, shape in SHAPES.items()}


def gradients(step):
    rng = np.random.default_rng(100 + step)
    return [(rng.normal(size=shape) * 10.0 ** rng.integers(-3, 2)).astype("float32") for shape in SHAPES.values()]


def make_variables(cls, scope, ordered=False):
    with scope("block"):
        return [
            cls(value, name=name, **({"memory_order": ORDERS.get(name)} if ordered else {}))
            for name, value in start_values().items()
        ]


def pair(name, config, rate=None, repaired=True, make=None):
    """Our optimizer and Keras's, each built on its own variables of equal values."""
    keras.utils.clear_session(free_memory=False)
    scopes.clear_session(free_memory=False)
    made = []
    for module, cls, scope in ((ours, Variable, scopes.name_scope), (theirs, keras.Variable, keras.name_scope)):
        variables = (make or make_variables)(cls, scope, ordered=module is ours)
        arguments = dict(config)
        if rate is not None:
            arguments["learning_rate"] = rate(module)
        made_by = REPAIRED[name] if repaired and module is theirs and name in REPAIRED else getattr(module, name)
        arguments.setdefault("name", scopes.snake_case(name))
        optimizer = made_by(**arguments)
        optimizer.build(variables)
        made += [optimizer, variables]
    return made


def equal(own, reference):
    for left, right in zip(own, reference, strict=True):
        expected = keras.ops.convert_to_numpy(right)
        # An element near zero is a small difference of large steps in float32; all of Ftrl's linear term is.
        height = np.abs(expected).max()
        atol = 2e-6 * height if right.path.endswith("_linear") else max(1e-7, 2e-7 * height)
        np.testing.assert_allclose(left.detach().numpy(), expected, rtol=2e-6, atol=atol, err_msg=right.path)


SCHEDULES = [
    ("ExponentialDecay", (0.1, 4, 0.5), {}),
    ("ExponentialDecay", (0.1, 4, 0.5), {"staircase": True}),
    ("InverseTimeDecay", (0.1, 3, 0.5), {}),
    ("InverseTimeDecay", (0.1, 3, 0.5), {"staircase": True, "name": "slow"}),
    ("PolynomialDecay", (0.1, 7), {}),
    ("PolynomialDecay", (0.1, 7, 0.01, 2.0), {}),
    ("PolynomialDecay", (0.1, 3, 0.01, 0.5, True), {}),
    ("PiecewiseConstantDecay", ([3, 9], [0.1, 0.02, 0.001]), {}),
    ("PiecewiseConstantDecay", ([4], [1.0, 0.5]), {}),
    ("CosineDecay", (0.1, 10), {}),
    ("CosineDecay", (0.1, 10, 0.2), {}),
    ("CosineDecay", (0.01, 8, 0.1), {"warmup_target": 0.1, "warmup_steps": 5}),
    ("CosineDecayRestarts", (0.1, 4), {}),
    ("CosineDecayRestarts", (0.1, 4, 1.0, 0.5, 0.1), {}),
    ("CosineDecayRestarts", (0.1, 3, 1.5, 0.9), {}),
]
SCHEDULE_IDS = [f"{name}{args}{kwargs}" for name, args, kwargs in SCHEDULES]
