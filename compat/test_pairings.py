"""Outputs, targets, losses, weights and metrics, bare or nested: every pairing in both libraries.

What Keras takes, we take with the same numbers, but for senseless pairings, where Keras drops, repeats or mixes up what
it was given: those we refuse or take by name. Where Keras raises, we raise ValueError or, by names and order, know what
was meant.
"""

import warnings

import keras
import numpy as np
import pytest

import torchkeras

X = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")
Y, Z = X[:, :1] * 2 + 1, X[:, 1:2] - 1
W, V = np.linspace(0.5, 2, 4, dtype="float32"), np.linspace(2, 0.5, 4, dtype="float32")

SHAPES = {
    "bare": lambda a, b: a,
    "[a]": lambda a, b: [a],
    "(a,)": lambda a, b: (a,),
    "{a}": lambda a, b: {"a": a},
    "[a, b]": lambda a, b: [a, b],
    "(a, b)": lambda a, b: (a, b),
    "{a, b}": lambda a, b: {"a": a, "b": b},
    "{b, a}": lambda a, b: {"b": b, "a": a},
    "{p: [a, b]}": lambda a, b: {"p": [a, b]},
    "[a, {b}]": lambda a, b: [a, {"b": b}],
}
TARGETS = SHAPES | {
    "none": lambda a, b: None,
    "[a, None]": lambda a, b: [a, None],
    "[b, a]": lambda a, b: [b, a],
    "{wrong}": lambda a, b: {"wrong": a},
    "[a, b, a]": lambda a, b: [a, b, a],
}
LOSSES = {
    "one": "mse",
    "[1]": ["mse"],
    "(1)": ("mse",),
    "{a}": {"a": "mse"},
    "[2]": ["mse", "mae"],
    "{a, b}": {"a": "mse", "b": "mae"},
    "{b, a}": {"b": "mae", "a": "mse"},
    "[1, None]": ["mse", None],
    "{a, b: None}": {"a": "mse", "b": None},
    "{wrong}": {"wrong": "mse"},
    "[3]": ["mse"] * 3,
    "{p: [2]}": {"p": ["mse", "mae"]},
    "[1, {b}]": ["mse", {"b": "mae"}],
    "None": None,
}
LOSS_WEIGHTS = {
    "number": 0.5,
    "[1]": [0.5],
    "{a}": {"a": 0.5},
    "[2]": [0.5, 2.0],
    "{a, b}": {"a": 0.5, "b": 2.0},
    "{b, a}": {"b": 2.0, "a": 0.5},
    "{wrong}": {"wrong": 1.0},
    "[3]": [1.0, 2.0, 3.0],
    "{p: [2]}": {"p": [0.5, 2.0]},
    "array": np.array([0.5, 2.0]),
}
METRICS = {
    "[1]": ["mae"],
    "[2]": ["mae", "mse"],
    "[[1]]": [["mae"]],
    "[[2]]": [["mae", "mse"]],
    "[[1], [1]]": [["mae"], ["mse"]],
    "{a: [1]}": {"a": ["mae"]},
    "{a: 1}": {"a": "mae"},
    "{a, b}": {"a": ["mae"], "b": ["mse"]},
    "{wrong}": {"wrong": ["mae"]},
    "[[], [1]]": [[], ["mae"]],
    "{p: [[1], [1]]}": {"p": [["mae"], ["mse"]]},
    "[]": [],
    "{}": {},
}
SAMPLE_WEIGHTS = {
    "bare": W,
    "[w]": [W],
    "{a}": {"a": W},
    "[w, v]": [W, V],
    "{a, b}": {"a": W, "b": V},
    "{wrong}": {"wrong": W},
    "[w, None]": [W, None],
    "{p: [w, v]}": {"p": [W, V]},
}


def functional(k, shape, layers):
    inputs = k.Input((3,))
    return k.Model(inputs, SHAPES[shape](*(layer(inputs) for layer in layers)))


def subclass(k, shape, layers):
    class Outputs(k.Model):
        def __init__(self):
            super().__init__()
            self.heads = layers

        def call(self, x):
            return SHAPES[shape](*(layer(x) for layer in self.heads))

    return Outputs()


def logs(k, make, shape, target, loss="mse", sample_weight=None, **compile_arguments):
    layers = [
        k.layers.Dense(1, kernel_initializer="ones", bias_initializer=k.initializers.Constant(bias), name=name)
        for name, bias in (("a", 0.0), ("b", 1.0))
    ]
    model = make(k, shape, layers)
    model.compile(k.optimizers.SGD(0.01), loss, **compile_arguments)
    batch = [X, target(Y, Z), sample_weight]
    return model.train_on_batch(*batch, return_dict=True), model.test_on_batch(*batch, return_dict=True)


def outcome(*arguments, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return logs(*arguments, **options)
        except Exception as error:  # noqa: BLE001 - whatever either library raises is what is compared
            return error


def check(make, shape, target, senseless=False, **options):
    """`senseless`: Keras may take the pairing, but for something that it does not say."""
    theirs = outcome(keras, make, shape, target, **options)
    ours = outcome(torchkeras, make, shape, target, **options)
    told = f"{make.__name__} {shape} {options}: {ours!r} where Keras gives {theirs!r}"
    if isinstance(ours, Exception):
        assert isinstance(ours, ValueError), told
        assert senseless or isinstance(theirs, Exception), told
    elif not (senseless or isinstance(theirs, Exception)):
        for their_logs, our_logs in zip(theirs, ours):
            # Keras logs the losses of two outputs without names under one name, the last one's.
            assert set(their_logs) <= set(our_logs), told
            for name in set(their_logs) - {"mse_loss", "p/mse_loss"}:
                np.testing.assert_allclose(our_logs[name], their_logs[name], rtol=1e-5, err_msg=told)


PAIRS = [(functional, shape) for shape in SHAPES] + [(subclass, s) for s in ("bare", "[a]", "{a}", "[a, b]", "{b, a}")]
pairs = pytest.mark.parametrize(("make", "shape"), PAIRS)


def outputs_of(shape):
    return 1 if shape in ("bare", "[a]", "(a,)", "{a}") else 2


def wrong_count(shape, entries):
    """Whether a list is longer or shorter than the outputs: Keras repeats it, or leaves some out without a word."""
    return isinstance(entries, (list, tuple)) and len(entries) != outputs_of(shape)


def wrong_names(shape, entries):
    """Whether a dict names what is no output: Keras goes by order there."""
    return isinstance(entries, dict) and not set(entries) <= ({"a"} if outputs_of(shape) == 1 else {"a", "b"})


@pairs
@pytest.mark.parametrize("target", TARGETS)
def test_targets(make, shape, target):
    y = TARGETS[target](1, 2)
    nested = any(isinstance(entry, dict) for entry in y) if isinstance(y, list) else False
    built_otherwise = shape != target and (nested or wrong_names(shape, y))
    check(make, shape, TARGETS[target], senseless=built_otherwise)


@pairs
def test_one_target_for_the_only_trained_output(make, shape):
    trained = ["mse", None][: outputs_of(shape)]
    check(make, shape, SHAPES["[a]"], loss=trained)


@pairs
@pytest.mark.parametrize("loss", LOSSES)
def test_losses(make, shape, loss):
    given = LOSSES[loss]
    check(make, shape, SHAPES[shape], wrong_count(shape, given) or wrong_names(shape, given), loss=given)


@pytest.mark.parametrize("shape", ["bare", "[a]", "{a}", "[a, b]", "{b, a}", "{p: [a, b]}"])
@pytest.mark.parametrize("loss", ["one", "[2]", "{a, b}", "{a}"])
def test_loss_weights(shape, loss):
    given = LOSSES[loss]
    senseless = wrong_count(shape, given) or wrong_names(shape, given)
    for weights in LOSS_WEIGHTS.values():
        by_order = isinstance(weights, dict) and not isinstance(given, dict)  # Keras does not look at the names
        unclear = senseless or by_order or wrong_names(shape, weights)
        check(functional, shape, SHAPES[shape], unclear, loss=given, loss_weights=weights)


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if "b" in shape.replace("bare", "")])
def test_loss_weights_by_name(shape):
    """Names count, whatever the loss is: Keras goes by order where the loss is no dict."""
    by_name = outcome(torchkeras, functional, shape, SHAPES[shape], loss="mse", loss_weights={"b": 2.0, "a": 0.5})
    in_order = outcome(torchkeras, functional, shape, SHAPES[shape], loss=["mse", "mse"], loss_weights=[0.5, 2.0])
    assert by_name == in_order


@pairs
@pytest.mark.parametrize("metrics", METRICS)
def test_metrics(make, shape, metrics):
    check(make, shape, SHAPES[shape], metrics=METRICS[metrics])
    check(make, shape, SHAPES[shape], weighted_metrics=METRICS[metrics], sample_weight=W)


@pairs
@pytest.mark.parametrize("weights", SAMPLE_WEIGHTS)
def test_sample_weights(make, shape, weights):
    given = SAMPLE_WEIGHTS[weights]
    check(make, shape, SHAPES[shape], wrong_count(shape, given) or wrong_names(shape, given), sample_weight=given)


def test_a_missing_target_is_named():
    error = outcome(torchkeras, functional, "{a, b}", lambda a, b: {"a": a})
    assert isinstance(error, ValueError) and "'b'" in str(error) and "'a'" in str(error)


@pytest.mark.parametrize("option", ["loss", "loss_weights", "metrics"])
def test_unknown_names_come_with_the_known_ones(option):
    wrong = {"typo": {"loss": "mse", "loss_weights": 1.0, "metrics": "mae"}[option]}
    error = outcome(torchkeras, functional, "{a, b}", SHAPES["{a, b}"], **{option: wrong})
    assert isinstance(error, ValueError) and all(name in str(error) for name in ("typo", "'a'", "'b'"))
