"""Arguments of compile, fit, evaluate, predict and the single-batch methods that are out of the ordinary or wrong: both
libraries take them with the same result, or both refuse with the same type of error.

Where Keras refuses by stumbling (an AttributeError or IndexError deep inside, torch's RuntimeError), a ValueError or
TypeError that says what is wrong is asked of us.
"""

import keras
import numpy as np
import pytest

import torchkeras
from compat.curves import assert_same, plain, seed_weights

pytestmark = pytest.mark.filterwarnings("ignore")
X = np.random.default_rng(5).normal(size=(8, 3)).astype("float32")
Y, LABELS, W = X[:, :1], np.arange(8) % 4, np.ones(8, "float32")
QUIET = {"verbose": 0, "shuffle": False}
STUMBLES = (AttributeError, IndexError, RuntimeError, UnboundLocalError, ZeroDivisionError)
STUMBLING_CASES = {"two outputs, weight alone", "predict x=None"}  # by a KeyError or TypeError from deep inside


def shown(value):
    if type(value) is object:  # its repr has an address, and workers of a test run must find the same names
        return "object()"
    return f"array {value.shape}" if isinstance(value, np.ndarray) else " ".join(repr(value).split())[:28]


def single(k, **compiled):
    model = seed_weights(k.Sequential([k.Input((3,)), k.layers.Dense(1, name="out")]))
    model.compile(**{"optimizer": k.optimizers.SGD(0.1), "loss": "mse", **compiled})
    return model


def classes(k):
    model = seed_weights(k.Sequential([k.Input((3,)), k.layers.Dense(4, activation="softmax")]))
    model.compile(k.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
    return model


def double(k, kind, **compiled):
    x = k.Input((3,))
    a, b = k.layers.Dense(1, name="a")(x), k.layers.Dense(1, name="b")(x)
    model = seed_weights(k.Model(x, [a, b] if kind is list else {"a": a, "b": b}))
    model.compile(**{"optimizer": k.optimizers.SGD(0.1), "loss": "mse", **compiled})
    return model


def fit(**arguments):
    return lambda k: single(k).fit(**{"x": X, "y": Y, **QUIET, **arguments}).history


def fit_classes(**arguments):
    return lambda k: classes(k).fit(**{"x": X, "y": LABELS, **QUIET, **arguments}).history


def fit_list(compiled=None, **arguments):
    return lambda k: double(k, list, **compiled or {}).fit(**{"x": X, "y": [Y, Y], **QUIET, **arguments}).history


def fit_dict(compiled=None, **arguments):
    given = {"x": X, "y": {"a": Y, "b": Y}, **QUIET, **arguments}
    return lambda k: double(k, dict, **compiled or {}).fit(**given).history


def compile_(**compiled):
    return lambda k: single(k, **compiled).fit(X, Y, **QUIET).history


def evaluate(**arguments):
    return lambda k: single(k).evaluate(**{"x": X, "y": Y, "verbose": 0, **arguments})


def predict(**arguments):
    return lambda k: single(k).predict(**{"x": X, "verbose": 0, **arguments})


def uncompiled(method, *arguments):
    def call(k):
        model = seed_weights(k.Sequential([k.Input((3,)), k.layers.Dense(1)]))
        return getattr(model, method)(*arguments)

    return call


def twice_used_optimizer(k):
    optimizer = k.optimizers.SGD()
    single(k, optimizer=optimizer).fit(X, Y, **QUIET)
    return double(k, list, optimizer=optimizer).fit(X, [Y, Y], **QUIET).history


BOTH = ["mse", "mse"]
VALUES = {  # argument of fit, what else is given, values
    "batch_size": ({}, (-1, 2.5, "4", True, [2], 4.0)),
    "epochs": ({}, (0, -1, 2.0, "2", None, np.int64(2))),
    "initial_epoch": ({"epochs": 2}, (-1, 1.0, 5, None)),
    "verbose": ({}, (3, True, False)),
    "validation_split": ({}, (1.0, -0.1, 0.01, 0.99, None, "a")),
    "validation_freq": ({"validation_split": 0.5, "epochs": 2}, (0, 1.5, "a", [], [9], None)),
    "steps_per_epoch": ({}, (-1, 1.5, "1")),
    "validation_steps": ({"validation_split": 0.5}, (-1, 1.5)),
    "validation_batch_size": ({"validation_split": 0.5}, (-1, 1.5)),
    "shuffle": ({}, (None, 0)),
    "callbacks": ({}, ("abc", [], None, (), [None], 3, ["a"], [3])),
    "sample_weight": ({}, (W[:3], np.ones((8, 2)), [W], {"zzz": W}, 2.0)),
    "x": ({}, (None, "abc", 3.0, object(), np.float32(3), X[:0], X[:, :2], X[:, :, None], np.array(["a"] * 8))),
    "y": ({}, (None, Y[:5], np.ones((8, 5)), np.ones((8, 1, 1)), Y[:, 0])),
    "validation_data": ({}, (X, (X,), (X, Y, W, W), [X, Y], {"x": X}, (X, Y[:3]), ())),
}
CASES = {
    **{
        f"fit {name}={shown(value)}": fit(**{**others, name: value})
        for name, (others, values) in VALUES.items()
        for value in values
    },
    "fit nan": fit(x=X * np.nan),
    "fit objects": fit(x=np.array([object()] * 8)),
    "fit unknown keyword": fit(nothing=3),
    "fit split and data": fit(validation_data=(X, Y), validation_split=0.9),
    "fit several callbacks": lambda k: single(k).fit(X, Y, callbacks=(k.callbacks.Callback(),), **QUIET).history,
    "fit one callback": lambda k: single(k).fit(X, Y, callbacks=k.callbacks.Callback(), **QUIET).history,
    "fit class of callbacks": lambda k: single(k).fit(X, Y, callbacks=[k.callbacks.Callback], **QUIET).history,
    "class_weight str": fit_classes(class_weight="auto"),
    "class_weight number": fit_classes(class_weight=3.0),
    "class_weight of str": fit_classes(class_weight={0: "a"}),
    "class_weight without y": fit_classes(y=None, class_weight={0: 1.0}),
    "class_weight, two outputs": fit_list(class_weight={0: 1.0}),
    "class_weight, outputs by name": fit_dict(class_weight={0: 1.0}),
    "class_weight for each output": fit_list(class_weight={"a": {0: 1.0}, "b": {0: 1.0}}),
    "class_weight, y in a list": fit(y=[LABELS], class_weight={0: 2.0}),
    **{
        f"compile {name}={shown(value)}": compile_(**{name: value})
        for name, values in {
            "loss": ("zzz", 3, None, []),
            "metrics": (["zzz"], [3], {"out": ["mae"]}, {"zz": ["mae"]}, [None], ["mae", ["mse"]]),
            "optimizer": ("zzz", 3, None),
            "loss_weights": ("a", [1.0, 2.0], {"out": 0.5}),
            "steps_per_execution": (0, -1, 1.5, None, "a"),
            "zzz": (3,),
        }.items()
        for value in values
    },
    "two outputs, three losses": fit_list({"loss": ["mse"] * 3}),
    "two outputs, one y": fit_list(y=Y),
    "two outputs, three y": fit_list(y=[Y, Y, Y]),
    "two outputs, y by name": fit_list(y={"a": Y, "b": Y}),
    "two outputs, y of one": fit_list(y={"a": Y}),
    "two outputs, y of another": fit_list(y={"a": Y, "z": Y}),
    "two outputs, one weight": fit_list({"loss": BOTH, "loss_weights": [1.0]}),
    "two outputs, three weights": fit_list({"loss": BOTH, "loss_weights": [1.0, 2.0, 3.0]}),
    "two outputs, weight alone": fit_list({"loss": BOTH, "loss_weights": 0.5}),
    "two outputs, weight of another": fit_list({"loss": {"a": "mse", "b": "mse"}, "loss_weights": {"z": 0.5}}),
    "two outputs, one list of metrics": fit_list({"metrics": [["mae"]]}),
    "two outputs, metric of another": fit_list({"metrics": {"z": "mae"}}),
    "two outputs, loss of another": fit_list({"loss": {"a": "mse", "z": "mse"}}),
    "two outputs, weights for all": fit_list(sample_weight=W),
    "two outputs, weights": fit_list(sample_weight=[W, 2 * W]),
    "two outputs, one list of weights": fit_list(sample_weight=[W]),
    "two outputs, some weights": fit_list(sample_weight=[W, None]),
    "named outputs, y listed": fit_dict(y=[Y, Y]),
    "named outputs, one y": fit_dict(y={"a": Y}),
    "named outputs, three y": fit_dict(y={"a": Y, "b": Y, "c": Y}),
    "named outputs, metrics listed": fit_dict({"metrics": ["mae", "mse"]}),
    "named outputs, some metrics": fit_dict({"metrics": {"b": ["mse"]}}),
    "named outputs, metric of another": fit_dict({"metrics": {"z": ["mse"]}}),
    "named outputs, losses listed": fit_dict({"loss": ["mse", "mae"]}),
    "named outputs, one loss": fit_dict({"loss": {"a": "mse"}}),
    "named outputs, loss of another": fit_dict({"loss": {"a": "mse", "z": "mse"}}),
    "named outputs, weights": fit_dict(sample_weight={"a": W, "b": W}),
    "named outputs, weights for all": fit_dict(sample_weight=W),
    **{
        f"evaluate {name}={shown(value)}": evaluate(**{name: value})
        for name, value in (
            ("steps", -1), ("steps", 2.5), ("x", None), ("y", None), ("sample_weight", W[:2]), ("callbacks", "a"),
            ("verbose", 7), ("return_dict", 1), ("nothing", 3), ("x", X[:0]),
        )
    },
    **{
        f"predict {name}={shown(value)}": predict(**{name: value})
        for name, value in (
            ("steps", 1.5), ("x", None), ("x", "a"), ("callbacks", "a"), ("x", X[:, :2]), ("verbose", 9), ("nothing", 3)
        )
    },
    "train_on_batch, weights of both kinds": lambda k: classes(k).train_on_batch(
        X, LABELS, sample_weight=W, class_weight={0: 1.0}
    ),
    "train_on_batch of nothing": lambda k: single(k).train_on_batch(X[:0], Y[:0]),
    "train_on_batch without y": lambda k: single(k).train_on_batch(X),
    "train_on_batch of None": lambda k: single(k).train_on_batch(None),
    "train_on_batch of two lengths": lambda k: single(k).train_on_batch(X, Y[:2]),
    "train_on_batch, class_weight without y": lambda k: single(k).train_on_batch(X, class_weight={0: 1.0}),
    "train_on_batch, unknown keyword": lambda k: single(k).train_on_batch(X, Y, nothing=1),
    "test_on_batch of two lengths": lambda k: single(k).test_on_batch(X, Y[:2]),
    "predict_on_batch of None": lambda k: single(k).predict_on_batch(None),
    "fit before compile": uncompiled("fit", X, Y),
    "evaluate before compile": uncompiled("evaluate", X, Y),
    "train_on_batch before compile": uncompiled("train_on_batch", X, Y),
    "test_on_batch before compile": uncompiled("test_on_batch", X, Y),
    "predict before compile": uncompiled("predict", X),
    "optimizer of another model": twice_used_optimizer,
}  # fmt: skip


def outcome(k, call):
    """`(result, None)` or `(None, error)`."""
    k.utils.set_random_seed(1)
    k.utils.clear_session(free_memory=False)
    try:
        return plain(call(k)), None
    except Exception as error:  # noqa: BLE001 - the types of errors are what is compared
        return None, error


@pytest.mark.parametrize("case", CASES)
def test_same_result_or_same_error(case):
    (theirs, their_error), (ours, our_error) = (outcome(k, CASES[case]) for k in (keras, torchkeras))
    if their_error is None:
        assert our_error is None, our_error
        assert_same(theirs, ours)
    elif isinstance(their_error, STUMBLES) or case in STUMBLING_CASES:
        assert isinstance(our_error, (ValueError, TypeError)), (their_error, our_error, ours)
    else:
        assert isinstance(our_error, type(their_error)), (their_error, our_error, ours)


# What we take and Keras does not: the form that both take, with the same result.
TAKEN = {
    "metrics as a name": (compile_(metrics="mae"), compile_(metrics=["mae"])),
    "loss_weights as an integer": (compile_(loss_weights=2), compile_(loss_weights=2.0)),
    "loss_weights as a numpy number": (compile_(loss_weights=np.float32(2)), compile_(loss_weights=2.0)),
    "loss by name": (compile_(loss={"out": "mse"}), compile_()),
    "batch_size as a numpy number": (fit(batch_size=np.int64(3)), fit(batch_size=3)),
    "validation_freq as a tuple": tuple(
        fit(validation_split=0.5, epochs=2, validation_freq=kind([1])) for kind in (tuple, list)
    ),
    "validation_freq as a set": tuple(
        fit(validation_split=0.5, epochs=2, validation_freq=kind([1])) for kind in (set, list)
    ),
    "weights by name": (
        fit_list(sample_weight={"a": W, "b": 2 * W}),
        fit_list(sample_weight=[W, 2 * W]),
    ),
    "weights of one output by name": (
        fit_list({"loss": BOTH, "loss_weights": {"b": 0.5}}),
        fit_list({"loss": BOTH, "loss_weights": [1.0, 0.5]}),
    ),
    "one metric for all outputs": (
        fit_list({"metrics": ["mae"]}),
        fit_list({"metrics": [["mae"], ["mae"]]}),
    ),
    "one name for all outputs": (
        fit_list({"metrics": "mae"}),
        fit_list({"metrics": [["mae"], ["mae"]]}),
    ),
    "a loss for one output by name": (fit_list({"loss": {"a": "mse"}}), fit_list({"loss": ["mse", None]})),
    "lists of numbers": (
        lambda k: single(k).train_on_batch(X.tolist(), Y.tolist()),
        lambda k: single(k).train_on_batch(X, Y),
    ),
    "callbacks in a list": (
        lambda k: single(k).fit(X, Y, callbacks=[[k.callbacks.Callback()]], **QUIET).history,
        fit(),
    ),
    "predicting nothing": (predict(x=X[:0]), lambda k: np.zeros((0, 1), "float32")),
}


@pytest.mark.parametrize("case", TAKEN)
def test_what_is_taken_here_alone(case):
    ours, common = TAKEN[case]
    _, their_error = outcome(keras, ours)
    assert their_error is not None
    assert_same(outcome(keras, common)[0], plain(ours(torchkeras)))
