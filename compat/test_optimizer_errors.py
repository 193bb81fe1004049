"""Bad arguments, gradients and variables for every optimizer: what Keras raises, and words that name the fault.

`REFUSED` is what both refuse; ours may raise a type that is Keras's as well. `OURS` is what Keras lets pass, or where
it fails with whatever torch says deep inside: here a `TypeError` or `ValueError` that says what to do.
"""

import keras
import numpy as np
import pytest
import torch

import torchkeras
from compat.optimizer_cases import OWN
from torchkeras.core.variable import Variable


def built(cls, *variables, **options):
    optimizer = cls(**options)
    optimizer.build(list(variables))
    return optimizer


# What is done wrong -> (attempt with the library, its Variable and the class, a word of the message).
REFUSED = {
    "unknown argument": (lambda k, v, c: c(colour=0.9), "`colour`"),
    "misspelled argument": (lambda k, v, c: c(learning_rat=0.9), r"Did you mean `learning_rate`\?"),
    "unknown in config": (lambda k, v, c: c.from_config({"colour": 1}), "`colour`"),
    "two ways to clip": (lambda k, v, c: c(clipnorm=1.0, clipvalue=1.0), "clipnorm and clipvalue"),
    "three ways to clip": (lambda k, v, c: c(clipnorm=1.0, clipvalue=1.0, global_clipnorm=2.0), "Only one"),
    "high ema_momentum": (lambda k, v, c: c(use_ema=True, ema_momentum=1.5), "`ema_momentum`.*1.5"),
    "low ema_momentum": (lambda k, v, c: c(use_ema=True, ema_momentum=-0.1), "`ema_momentum`.*-0.1"),
    "half a frequency": (lambda k, v, c: c(use_ema=True, ema_overwrite_frequency=0.5), "`ema_overwrite_frequency`"),
    "negative frequency": (lambda k, v, c: c(use_ema=True, ema_overwrite_frequency=-1), "`ema_overwrite_frequency`"),
    "one step to accumulate": (lambda k, v, c: c(gradient_accumulation_steps=1), "`gradient_accumulation_steps`.*>= 2"),
    "negative accumulation": (lambda k, v, c: c(gradient_accumulation_steps=-2), "`gradient_accumulation_steps`.*>= 2"),
    "accumulation as text": (lambda k, v, c: c(gradient_accumulation_steps="2"), "`gradient_accumulation_steps`"),
    "rate as text": (lambda k, v, c: c(learning_rate="fast"), "`learning_rate` must be a number"),
    "rate as text, first": (lambda k, v, c: c("fast"), "`learning_rate` must be a number"),
    "no rate": (lambda k, v, c: c(None), "`learning_rate` must be a number"),
    "rate True": (lambda k, v, c: c(True), "`learning_rate` must be a number"),
    "list of rates": (lambda k, v, c: c([0.1]), "learning_rate"),
    "rate set to text": (lambda k, v, c: setattr(c(0.1), "learning_rate", "x"), "`learning_rate` must be a number"),
    "rate set to None": (lambda k, v, c: setattr(c(0.1), "learning_rate", None), "`learning_rate` must be a number"),
    "number for a schedule": (
        lambda k, v, c: setattr(c(k.optimizers.schedules.CosineDecay(0.1, 10)), "learning_rate", 0.1),
        "assign another schedule",
    ),
    "number as name": (lambda k, v, c: c(name=3), "`name`"),
    "slash in the name": (lambda k, v, c: c(name="a/b"), "`name`"),
    "no variables": (lambda k, v, c: c().apply([torch.ones(2)]), r"optimizer\.build"),
    "no gradients": (lambda k, v, c: c().apply_gradients([(None, v([1.0]))]), "all are None"),
    "no pairs": (lambda k, v, c: c().apply_gradients([]), "no pairs"),
    "no pairs but gradients": (lambda k, v, c: c().apply_gradients([torch.ones(1)]), "pairs of gradient and variable"),
    "other variable": (lambda k, v, c: built(c, v([1.0])).apply([torch.ones(1)], [v([2.0])]), "Unknown variable"),
    "gradient of text": (lambda k, v, c: c().apply(["a"], [v([1.0])]), "gradient"),
    "stateless too early": (lambda k, v, c: c().stateless_apply([], [torch.ones(1)], [v([1.0])]), r"optimizer\.build"),
    "stateless without state": (
        lambda k, v, c: built(c, v([1.0])).stateless_apply([], [torch.ones(1)], [torch.ones(1)]),
        "stateless_apply needs",
    ),
    "averages of others": (
        lambda k, v, c: built(c, v([1.0]), use_ema=True).finalize_variable_values([v([1.0]), v([1.0])]),
        "averages of 1 variables",
    ),
}
OURS = {
    "negative rate": (lambda k, v, c: c(-0.1), "`learning_rate` must be 0 or above"),
    "negative rate assigned": (lambda k, v, c: setattr(c(0.1), "learning_rate", -0.1), "minimize its negative"),
    "rate NaN": (lambda k, v, c: c(float("nan")), "`learning_rate` must be 0 or above"),
    "half a step": (lambda k, v, c: c(gradient_accumulation_steps=2.5), "`gradient_accumulation_steps`"),
    "clipnorm of text": (lambda k, v, c: c(clipnorm="a"), "`clipnorm` must be a number"),
    "decay of text": (lambda k, v, c: c(weight_decay="a"), "`weight_decay` must be a number"),
    "scale of text": (lambda k, v, c: c(loss_scale_factor="a"), "`loss_scale_factor` must be a number"),
    "other shape": (lambda k, v, c: c().apply([torch.ones(3)], [v([1.0, 2.0])]), r"shape \(3,\).*\(2,\)"),
    "shape that spreads": (lambda k, v, c: c().apply([np.ones(1)], [v([1.0, 2.0])]), r"shape \(1,\).*\(2,\)"),
    "more gradients": (lambda k, v, c: c().apply([torch.ones(1)] * 2, [v([1.0])]), "2 gradients for 1 variables"),
    "fewer gradients": (
        lambda k, v, c: c().apply([torch.ones(1)], [v([1.0]), v([1.0])]),
        "1 gradients for 2 variables",
    ),
    "pairs turned round": (lambda k, v, c: c().apply_gradients([(v([1.0]), torch.ones(1))]), r"\(gradient, variable\)"),
    "names as variables": (lambda k, v, c: c().build(["kernel"]), "got a str"),
    "rate function of text": (lambda k, v, c: c(lambda: "a").apply([torch.ones(1)], [v([1.0])]), "it gave 'a'"),
    "state of others": (
        lambda k, v, c: built(c, v([1.0])).load_state_dict(built(c, v([1.0]), v([1.0])).state_dict()),
        "of 2 parameters",
    ),
}
IDENTIFIERS = ["adamm", "", 3, ["adam"], "mse", {"class_name": "Adamm", "config": {}}]


@pytest.mark.parametrize("fault", REFUSED)
def test_what_keras_refuses(fault):
    attempt, words = REFUSED[fault]
    for name in OWN:
        with pytest.raises(Exception) as reference:
            attempt(keras, keras.Variable, getattr(keras.optimizers, name))
        with pytest.raises(reference.type, match=words):
            attempt(torchkeras, Variable, getattr(torchkeras.optimizers, name))


@pytest.mark.parametrize("fault", OURS)
def test_what_is_refused_here(fault):
    attempt, words = OURS[fault]
    for name in OWN:
        with pytest.raises((TypeError, ValueError), match=words):
            attempt(torchkeras, Variable, getattr(torchkeras.optimizers, name))


@pytest.mark.parametrize("identifier", IDENTIFIERS, ids=str)
def test_unknown_identifiers(identifier):
    for module in (keras, torchkeras):
        with pytest.raises(ValueError):
            module.optimizers.get(identifier)
    for strange in (torchkeras.layers.Dense, torchkeras.layers.Dense(2), torchkeras.losses.MeanSquaredError):
        with pytest.raises(ValueError, match="is no optimizer"):
            torchkeras.optimizers.get(strange)
    with pytest.raises(ValueError, match="such as 'Adam'"):
        torchkeras.optimizers.get("Adamm")


@pytest.mark.parametrize("name", OWN)
def test_a_second_model_leaves_the_first_alone(name):
    """The variable that is unknown is named, and neither state nor counter moves."""
    optimizer = getattr(torchkeras.optimizers, name)()
    first, second = ([Variable([1.0, 2.0], name=f"{model}_w")] for model in ("first", "second"))
    optimizer.apply([torch.ones(2)], first)
    before = [value.copy() for value in [*optimizer.get_weights(), first[0].numpy(), second[0].numpy()]]
    with pytest.raises(ValueError, match="second_w"):
        optimizer.apply_gradients([(torch.ones(2), second[0])])
    after = [*optimizer.get_weights(), first[0].numpy(), second[0].numpy()]
    assert all(map(np.array_equal, before, after))
