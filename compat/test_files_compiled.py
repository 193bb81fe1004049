"""What a model was compiled with, in `.keras` files of both libraries: losses, metrics, weights of losses, switches."""

import functools

import keras
import numpy as np
import pytest

import torchkeras
from compat.file_cases import compare_files, load, made

X = np.random.default_rng(0).random((6, 3), "float32")
Y = np.random.default_rng(1).random((6, 2), "float32")


@functools.cache
def own(k):
    """What a user would write, by name."""

    def my_loss(y_true, y_pred):
        return k.ops.mean(k.ops.square(y_true - y_pred), axis=-1)

    def my_metric(y_true, y_pred):
        return k.ops.mean(k.ops.abs(y_true - y_pred), axis=-1)

    class MyLoss(k.losses.Loss):
        def __init__(self, factor=2.0, name="my_loss_object", **options):
            super().__init__(name=name, **options)
            self.factor = factor

        def call(self, y_true, y_pred):
            return k.ops.mean(k.ops.abs(y_true - y_pred), axis=-1) * self.factor

        def get_config(self):
            return {**super().get_config(), "factor": self.factor}

    class MyMetric(k.metrics.Mean):
        def __init__(self, name="mine", power=1, **options):
            super().__init__(name=name, **options)
            self.power = power

        def update_state(self, y_true, y_pred, sample_weight=None):
            return super().update_state(k.ops.abs(y_true - y_pred) ** self.power, sample_weight)

        def get_config(self):
            return {**super().get_config(), "power": self.power}

    class MyOptimizer(k.optimizers.SGD):
        def __init__(self, bonus=1.0, **options):
            super().__init__(**options)
            self.bonus = bonus

        def get_config(self):
            return {**super().get_config(), "bonus": self.bonus}

    class Own(k.Model):
        """Compiles with an argument of its own."""

        def compile(self, optimizer, strength=1.0, **options):
            super().compile(optimizer, **options)
            self.strength = strength

        def get_compile_config(self):
            return {"strength": self.strength, "optimizer": k.optimizers.serialize(self.optimizer)}

        def compile_from_config(self, config):
            self.compile(k.optimizers.deserialize(config["optimizer"]), config["strength"], loss="mae")

    return {each.__name__: each for each in (my_loss, my_metric, MyLoss, MyMetric, MyOptimizer, Own)}


def single(k):
    return k.Sequential([k.Input((3,)), k.layers.Dense(2, activation="sigmoid")])


def listed(k):
    x = k.Input((3,))
    return k.Model(x, [k.layers.Dense(2, name="a")(x), k.layers.Dense(2, name="b")(x)])


def named(k):
    x = k.Input((3,))
    return k.Model(x, {"a": k.layers.Dense(2, name="a")(x), "b": k.layers.Dense(2, name="b")(x)})


def overriding(k):
    x = k.Input((3,))
    return own(k)["Own"](x, k.layers.Dense(2)(x))


TARGETS = {single: Y, overriding: Y, listed: [Y, Y], named: {"a": Y, "b": Y}}
CASES = {
    "names": (single, lambda k: {"optimizer": "sgd", "loss": "mse", "metrics": ["mae", "acc"]}),
    "no optimizer": (single, lambda k: {"loss": "mse"}),
    "objects": (
        single,
        lambda k: {
            "optimizer": k.optimizers.Adam(0.01, use_ema=True),
            "loss": k.losses.MeanSquaredError(reduction="sum"),
            "metrics": [k.metrics.AUC(num_thresholds=5), k.metrics.MeanSquaredError(name="x")],
        },
    ),
    "functions": (
        single,
        lambda k: {
            "optimizer": "adam",
            "loss": k.losses.categorical_crossentropy,
            "metrics": [k.metrics.binary_accuracy, "categorical_accuracy"],
            "weighted_metrics": ["mse", k.metrics.MeanAbsoluteError()],
        },
    ),
    "own functions": (
        single,
        lambda k: {"optimizer": "sgd", "loss": own(k)["my_loss"], "metrics": [own(k)["my_metric"]]},
    ),
    "own classes": (
        single,
        lambda k: {
            "optimizer": own(k)["MyOptimizer"](bonus=2.0, learning_rate=0.1, momentum=0.5),
            "loss": own(k)["MyLoss"](3.0),
            "metrics": [own(k)["MyMetric"](power=2)],
            "weighted_metrics": [own(k)["MyMetric"](name="w")],
        },
    ),
    "switches": (
        single,
        lambda k: {
            "optimizer": "sgd",
            "loss": "mse",
            "run_eagerly": True,
            "jit_compile": False,
            "auto_scale_loss": False,
        },
    ),
    "automatic": (
        single,
        lambda k: {"optimizer": "sgd", "loss": "mse", "jit_compile": "auto", "steps_per_execution": 1},
    ),
    "unweighted": (single, lambda k: {"optimizer": "sgd", "loss": "mse", "weighted_metrics": []}),
    "a schedule": (
        single,
        lambda k: {"optimizer": k.optimizers.Adam(k.optimizers.schedules.CosineDecay(0.1, 10)), "loss": "mse"},
    ),
    "lists": (
        listed,
        lambda k: {
            "optimizer": "sgd",
            "loss": ["mse", k.losses.MeanAbsoluteError()],
            "loss_weights": [0.5, 2.0],
            "metrics": [["mae"], ["mse", "mae"]],
        },
    ),
    "one loss for all": (listed, lambda k: {"optimizer": "sgd", "loss": "mse", "metrics": [["mae"], None]}),
    "an output without loss": (
        listed,
        lambda k: {"optimizer": "sgd", "loss": ["mse", None], "metrics": ["mae", "mse"]},
    ),
    "dicts for lists": (
        listed,
        lambda k: {
            "optimizer": "sgd",
            "loss": {"a": "mse", "b": own(k)["my_loss"]},
            "loss_weights": {"a": 1.0, "b": 3.0},
            "metrics": {"a": "mae", "b": ["mse", own(k)["MyMetric"]()]},
            "weighted_metrics": {"b": "mae"},
        },
    ),
    "dicts": (named, lambda k: {"optimizer": "sgd", "loss": {"a": "mse", "b": "mae"}, "metrics": {"a": ["mae"]}}),
    "a compile of its own": (overriding, lambda k: {"optimizer": "sgd", "strength": 3.0, "loss": "mae"}),
}


def curve(model, targets):
    return model.fit(X, targets, epochs=2, verbose=0, shuffle=False, batch_size=3).history


def assert_same_curve(expected, found):
    assert list(found) == list(expected)
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, 2e-6, 1e-6, err_msg=name)


@pytest.mark.parametrize("name", CASES)
def test_what_was_compiled_crosses(name, tmp_path):
    network, arguments = CASES[name]
    targets = TARGETS[network]

    def make(k):
        model = network(k)
        model.compile(**arguments(k))
        return model

    theirs, fresh = made(keras, make), made(torchkeras, make)
    theirs.set_weights(fresh.get_weights())
    assert_same_curve(curve(theirs, targets), curve(fresh, targets))
    theirs.save(tmp_path / "keras.keras")
    fresh.save(tmp_path / "fresh.keras")
    ours = load(torchkeras, tmp_path / "keras.keras", own)
    ours.save(tmp_path / "ours.keras")
    again = load(keras, tmp_path / "ours.keras", own)
    again.save(tmp_path / "again.keras")
    found = compare_files("Keras / fresh", tmp_path / "keras.keras", tmp_path / "fresh.keras", {"arrays"})
    found += compare_files("Keras / ours", tmp_path / "keras.keras", tmp_path / "ours.keras")
    found += compare_files("ours / Keras again", tmp_path / "ours.keras", tmp_path / "again.keras")
    assert not found, "\n".join(found)
    last = load(torchkeras, tmp_path / "ours.keras", own)
    assert last.get_compile_config() == ours.get_compile_config()
    expected = curve(theirs, targets)
    for model in (ours, again, last):
        assert_same_curve(expected, curve(model, targets))
    assert getattr(ours, "strength", 3.0) == 3.0
    assert not load(torchkeras, tmp_path / "keras.keras", own, compile=False).compiled


def test_compiled_and_never_trained(tmp_path):
    """The optimizer has no state in the file; reading builds it, in both libraries."""

    def make(k):
        model = single(k)
        model.compile("adam", "mse")
        return model

    made(keras, make).save(tmp_path / "keras.keras")
    made(torchkeras, make).save(tmp_path / "ours.keras")
    assert not compare_files("files", tmp_path / "keras.keras", tmp_path / "ours.keras", {"arrays"})
    for path in ("keras.keras", "ours.keras"):
        models = [load(library, tmp_path / path) for library in (keras, torchkeras)]
        assert len({len(model.optimizer.variables) for model in models}) == 1
        assert_same_curve(*(curve(model, Y) for model in models))


def test_models_compiled_in_a_compiled_model(tmp_path):
    def make(k):
        inner = single(k)
        inner.compile("adam", "mse")
        outer = k.Sequential([k.Input((3,)), inner, k.layers.Dense(2)])
        outer.compile(k.optimizers.SGD(0.1, momentum=0.9), "mae", metrics=["mse"])
        outer.train_on_batch(X, Y)
        return outer

    made(keras, make).save(tmp_path / "keras.keras")
    ours = load(torchkeras, tmp_path / "keras.keras")
    assert ours.compiled and ours.layers[0].compiled and type(ours.layers[0].optimizer).__name__ == "Adam"
    ours.save(tmp_path / "ours.keras")
    again = load(keras, tmp_path / "ours.keras")
    assert_same_curve(curve(again, Y), curve(ours, Y))


def test_a_compile_of_its_own_that_no_config_knows(tmp_path):
    class Silent(torchkeras.Model):
        def compile(self, *args, mine=None, **options):
            super().compile(*args, **options)

    x = torchkeras.Input((3,))
    model = Silent(x, torchkeras.layers.Dense(2)(x))
    model.compile("sgd", "mse", mine=3)
    model.save(tmp_path / "ours.keras")
    with pytest.warns(UserWarning, match="overrides compile"):
        again = torchkeras.saving.load_model(tmp_path / "ours.keras", {"Silent": Silent})
    assert not again.compiled
