"""Models of many kinds, each under every way to compile it and many ways to run it, in both libraries: all logs, the
History, each callback call with its arguments, what every method returns, the names of the metrics and the weights.

Must not look at one argument more closely than at another: such tests are in test_training.py.
"""

import numpy as np
import pytest
import torch

from compat.curves import plain, run_both, seed_weights

pytestmark = pytest.mark.filterwarnings("ignore")
RNG = np.random.default_rng(5)
N = 14
X = RNG.normal(size=(N, 3)).astype("float32")
Y = (X.sum(1, keepdims=True) + 0.1).astype("float32")
LABELS = RNG.integers(0, 4, size=N)
WEIGHTS = RNG.uniform(0.2, 2, size=N).astype("float32")
SEQUENCES = RNG.normal(size=(N, 5, 2)).astype("float32")
SEQUENCES[:, 3:] = 0


# -- models: each gives `(model, x, y)` -------------------------------------------------------------------------------


def heads(k, join):
    x = k.Input((3,))
    hidden = k.layers.Dense(4, activation="tanh")(x)
    return k.Model(x, join(k.layers.Dense(1, name="a")(hidden), k.layers.Dense(1, name="b")(hidden)))


def called(k, model):
    model(torch.tensor(X[:1]))
    return model


def subclass(k, join):
    class Heads(k.Model):
        def __init__(self):
            super().__init__()
            self.first, self.second = k.layers.Dense(1), k.layers.Dense(1)

        def call(self, x):
            return join(self.first(x), self.second(x))

    return called(k, Heads())


def regressor(k):
    return k.Sequential([k.Input((3,)), k.layers.Dense(4, activation="tanh"), k.layers.Dense(1)]), X, Y


def classifier(k):
    return k.Sequential([k.Input((3,)), k.layers.Dense(4, activation="softmax")]), X, LABELS


def listed(k):
    return heads(k, lambda a, b: [a, b]), X, [Y, 2 * Y]


def named(k):
    return heads(k, lambda a, b: {"a": a, "b": b}), X, {"a": Y, "b": 2 * Y}


def alone_in_dict(k):
    x = k.Input((3,))
    return k.Model(x, {"a": k.layers.Dense(1)(x)}), X, {"a": Y}


def plain_subclass(k):
    return subclass(k, lambda a, b: a + b), X, Y


def subclass_with_dict(k):
    return subclass(k, lambda a, b: {"b": a, "a": b}), X, {"b": Y, "a": 2 * Y}


def subclass_with_tuple(k):
    return subclass(k, lambda a, b: (a, b)), X, (Y, 2 * Y)


def several_inputs(k):
    a, b = k.Input((3,), name="a"), k.Input((1,), name="b")
    out = k.layers.Dense(1, name="out")(k.layers.Concatenate()([a, b]))
    return k.Model({"a": a, "b": b}, out), {"a": X, "b": Y}, Y


def masked(k):
    x = k.Input((5, 2))
    hidden = k.layers.SimpleRNN(3, return_sequences=True)(k.layers.Masking()(x))
    return k.Model(x, k.layers.TimeDistributed(k.layers.Dense(1))(hidden)), SEQUENCES, SEQUENCES[..., :1] + 1


def nested(k):
    inner = k.Sequential([k.Input((3,)), k.layers.Dense(4, activation="tanh")], name="inner")
    inner.compile("sgd", "mse", metrics=["mae"])  # no business of the model around it
    x = k.Input((3,))
    return k.Model(x, k.layers.Dense(1)(inner(x))), X, Y


def penalized(k):
    return k.Sequential([
        k.Input((3,)), k.layers.Dense(4, activity_regularizer="l2"), k.layers.BatchNormalization(),
        k.layers.Dense(1, kernel_regularizer="l1"),
    ]), X, Y  # fmt: skip


# -- ways to compile --------------------------------------------------------------------------------------------------


def cube(y_true, y_pred):
    return abs(torch.as_tensor(y_true) - y_pred) ** 3


ONE = {
    "loss": {"loss": "mse"},
    "metrics of both kinds": {"loss": "mse", "metrics": ["mae"], "weighted_metrics": ["mse"]},
    "weight": {"loss": "mae", "loss_weights": 0.5},
    "weight in a list": {"loss": "mae", "loss_weights": [0.5], "metrics": [["mae"]]},
    "loss in a list": {"loss": ["mse"]},
    "functions": {"loss": cube, "metrics": [cube, "mae"]},
    "several steps at once": {"loss": "mse", "metrics": ["mae"], "run_eagerly": True},
}
CLASSES = {
    "accuracy": {"loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"]},
    "weighted": {"loss": "sparse_categorical_crossentropy", "weighted_metrics": ["acc", "sparse_categorical_accuracy"]},
    "chosen": {"loss": "crossentropy"},
}
LISTS = {
    "each": {"loss": ["mse", "mae"]},
    "weights": {"loss": ["mse", "mae"], "loss_weights": [1.0, 0.5]},
    "lists of metrics": {"loss": ["mse", "mae"], "metrics": [["mae"], ["mse", "mape"]]},
    "only the first": {"loss": ["mse", None]},
    "only the second": {"loss": [None, "mse"], "metrics": [None, "mae"]},
    "weighted metrics": {"loss": ["mse", "mae"], "weighted_metrics": ["mae", ["mse"]]},
    "tuple": {"loss": ("mse", "mae")},
}
NAMES = {
    "one for both": {"loss": "mse"},
    "one for both, metrics": {"loss": "mse", "metrics": ["mae", "mse"]},
    "by name": {"loss": {"a": "mse", "b": "mae"}},
    "weights by name": {"loss": {"b": "mae", "a": "mse"}, "loss_weights": {"b": 2.0, "a": 0.5}},
    "metrics by name": {"loss": {"a": "mse", "b": "mae"}, "metrics": {"b": ["mse"], "a": "mae"}},
    "none by name": {"loss": {"a": "mse", "b": None}, "metrics": {"a": "mae"}},
    "both kinds by name": {
        "loss": {"a": "mse", "b": "mae"},
        "metrics": {"a": ["mae"]},
        "weighted_metrics": {"b": ["mse"]},
    },
    "some weights": {
        "loss": {"a": "mse", "b": "mse"},
        "metrics": {"b": "mae", "a": ["mse", "mape"]},
        "loss_weights": {"a": 0.2, "b": 1},
    },
}
MODELS = {
    regressor: ONE,
    classifier: CLASSES,
    listed: {**LISTS, **NAMES},
    named: {**LISTS, **NAMES},
    alone_in_dict: {
        "loss": {"loss": "mse", "metrics": ["mae"]},
        "by name": {"loss": {"a": "mse"}, "metrics": {"a": ["mae"]}, "loss_weights": {"a": 0.5}},
    },
    plain_subclass: ONE,
    subclass_with_dict: {**LISTS, **NAMES},
    subclass_with_tuple: LISTS,
    several_inputs: ONE,
    masked: ONE,
    nested: ONE,
    penalized: {**ONE, "nothing but penalties": {}},
}

# -- ways to run ------------------------------------------------------------------------------------------------------

LOOPS = {
    "plain": {},
    "uneven batches": {"batch_size": 5, "epochs": 2},
    "split": {"validation_split": 0.3, "epochs": 2},
    "weights": {"sample_weight": WEIGHTS, "batch_size": 4},
    "split weights": {"validation_split": 0.2, "sample_weight": WEIGHTS},
    "steps": {"steps_per_epoch": 2, "epochs": 3, "batch_size": 3},
    "some epochs": {"epochs": 3, "initial_epoch": 1, "validation_split": 0.5, "validation_freq": 2},
    "validation steps": {"batch_size": 5, "validation_split": 0.5, "validation_steps": 1, "validation_batch_size": 2},
}


def recorder(k, events):
    """A callback that notes every call with its arguments."""

    def noting(name):
        def hook(self, *args, logs=None):
            *where, logs = args if len(args) > name.count("batch") + name.count("epoch") else (*args, logs)
            events.append((name, where, None if "predict" in name else plain(logs)))

        return hook

    hooks = [name for name in dir(k.callbacks.Callback) if name.startswith("on_")]
    hooks = {name: noting(name) for name in hooks if name not in ("on_batch_begin", "on_batch_end")}
    return type("Recorder", (k.callbacks.Callback,), hooks)()


CASES = [(make, way) for make, ways in MODELS.items() for way in ways]


@pytest.mark.parametrize(
    ("make", "way", "loop"),
    [(*case, list(LOOPS)[i % len(LOOPS)]) for i, case in enumerate(CASES)],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_everything_that_shows(make, way, loop):
    arguments = LOOPS[loop]
    if make is masked and "sample_weight" in arguments:  # Keras cannot spread weights of samples over their steps
        arguments = {"batch_size": 5, "epochs": 2}

    def scenario(k):
        (model, x, y), events = make(k), []
        seed_weights(model).compile(**{"optimizer": k.optimizers.SGD(0.05), **MODELS[make][way]})
        callback, weight = recorder(k, events), arguments.get("sample_weight")
        history = model.fit(x, y, shuffle=False, verbose=0, callbacks=[callback], **arguments)
        return {
            "history": (history.history, history.epoch, history.params),
            "evaluate": model.evaluate(x, y, verbose=0, batch_size=4, sample_weight=weight, callbacks=[callback]),
            "evaluate, named": model.evaluate(x, y, verbose=0, return_dict=True),
            "predict": model.predict(x, verbose=0, batch_size=6, callbacks=[callback]),
            "train_on_batch": model.train_on_batch(x, y, sample_weight=weight),
            "train_on_batch, named": model.train_on_batch(x, y, return_dict=True),
            "test_on_batch": model.test_on_batch(x, y, sample_weight=weight),
            "test_on_batch, named": model.test_on_batch(x, y, return_dict=True),
            "predict_on_batch": model.predict_on_batch(x),
            "metrics": [(type(metric).__name__, metric.name) for metric in model.metrics],
            "events": events,
            "weights": model.get_weights(),
        }

    result = run_both(scenario)
    assert len(result["events"]) > 8 and result["history"][0]["loss"]
