"""Training as tf.keras 2 wrote it: containers for custom steps, class predictions, log names."""

import numpy as np
import pytest

import torchkeras as keras
from torchkeras import layers

X = np.random.default_rng(0).normal(size=(20, 3)).astype("float32")
Y = X.sum(axis=1, keepdims=True)
LABELS = np.arange(20) % 4
ONE_HOT = np.eye(4)[LABELS]


def mlp(**arguments):
    model = keras.Sequential([keras.Input((3,)), layers.Dense(4, kernel_regularizer="l2"), layers.Dense(1)])
    model.compile(**{"optimizer": keras.optimizers.SGD(0.05), "loss": "mse", **arguments})
    return model


def two_outputs(**arguments):
    x = keras.Input((3,))
    model = keras.Model(x, [layers.Dense(1, name="a")(x), layers.Dense(4, name="b")(x)])
    model.compile("sgd", **arguments)
    return model


def logged(model, y=Y):
    return list(model.fit(X, y, verbose=0).history)


def test_train_step_with_compiled_containers():

    class Old(keras.Sequential):
        def train_step(self, data):
            x, y = data
            y_pred = self(x, training=True)
            loss = self.compiled_loss(y, y_pred, regularization_losses=self.losses)
            self.optimizer.minimize(loss, self.trainable_variables)
            self.compiled_metrics.update_state(y, y_pred)
            return {m.name: m.result() for m in self.metrics}

    new = mlp(metrics=["mae"])
    old = Old([keras.Input((3,)), layers.Dense(4, kernel_regularizer="l2"), layers.Dense(1)])
    old.compile(keras.optimizers.SGD(0.05), "mse", metrics=["mae"])
    old.set_weights(new.get_weights())
    arguments = {"epochs": 2, "batch_size": 8, "shuffle": False, "verbose": 0}
    got, expected = (model.fit(X, Y, **arguments).history for model in (old, new))
    for name in ("loss", "mae"):
        np.testing.assert_allclose(got[name], expected[name], rtol=1e-6)
    for a, b in zip(old.get_weights(), new.get_weights()):
        np.testing.assert_allclose(a, b, rtol=1e-6)
    assert [metric.name for metric in old.compiled_metrics.metrics] == ["mae"]


def test_names_follow_the_list_of_evaluate():
    model = mlp(metrics=["mse", "mae"])
    assert model.metrics_names == []
    values = model.evaluate(X, Y, verbose=0)
    assert model.metrics_names == ["loss", "mse", "mae"]
    assert dict(zip(model.metrics_names, values)) == model.evaluate(X, Y, verbose=0, return_dict=True)
    several = two_outputs(loss="mse", metrics={"b": "mae", "a": ["mae", "mse"]})
    values = several.evaluate(X, [Y, ONE_HOT], verbose=0)
    assert dict(zip(several.metrics_names, values)) == several.evaluate(X, [Y, ONE_HOT], verbose=0, return_dict=True)


def test_third_positional_argument_of_compile():
    """Metrics in Keras 2, loss weights in Keras 3."""
    model = mlp()
    model.compile("sgd", "mse", ["mae"])
    assert logged(model) == ["loss", "mae"]
    model.compile("sgd", "mse", [2.0])
    assert logged(model) == ["loss"]


def test_compile_again_forgets_the_metrics():
    model = mlp(metrics="mae")
    assert logged(model) == ["loss", "mae"]
    model.compile("sgd", "mse")
    assert logged(model) == ["loss"]


def test_compile_and_fit_take_the_older_keywords():
    model = mlp(sample_weight_mode=None, target_tensors=None)
    assert model.fit(X, Y, verbose=0, workers=2, use_multiprocessing=False, max_queue_size=3).epoch == [0]


@pytest.mark.parametrize(
    ("metrics", "expected"),
    [
        (["mae"], ["a_mae", "b_mae"]),
        (["mae", "mse"], ["a_mae", "b_mse"]),
        (["mae", "mse", "mape"], ["a_mae", "a_mape", "a_mse", "b_mae", "b_mape", "b_mse"]),
    ],
)
def test_flat_metrics_of_several_outputs(metrics, expected):
    """As many as outputs: one each; otherwise all for each."""
    names = logged(two_outputs(loss="mse", metrics=metrics), [Y, ONE_HOT])
    assert sorted(set(names) - {"loss", "a_loss", "b_loss"}) == expected


@pytest.mark.parametrize("y", [[Y, ONE_HOT], {"a": Y}])
def test_loss_of_some_outputs(y):
    model = two_outputs(loss={"a": "mse"})
    before = [layer.get_weights()[0] for layer in model.layers[1:]]
    assert logged(model, y) == ["loss"]
    changed = [not np.array_equal(b, layer.get_weights()[0]) for b, layer in zip(before, model.layers[1:])]
    assert changed == [True, False]


def test_loss_weights_by_name_for_one_loss():
    model = two_outputs(loss="mse", loss_weights={"a": 1.0, "b": 0.0})
    values = model.evaluate(X, [Y, ONE_HOT], verbose=0, return_dict=True)
    assert values["loss"] == pytest.approx(values["a_loss"], rel=1e-6)
    assert values["b_loss"] > 0


class Pair(keras.Model):
    def __init__(self):
        super().__init__()
        self.a, self.b = layers.Dense(1), layers.Dense(1)

    def call(self, x):
        return self.a(x), self.b(x)


def test_numbered_names_of_outputs():
    """In dicts `output_1` names the first output; otherwise logs go by the losses' names, as in Keras 3."""
    model = Pair()
    model.compile("sgd", {"output_1": "mse", "output_2": "mae"})
    assert logged(model, {"output_2": Y, "output_1": Y}) == ["loss", "output_1_loss", "output_2_loss"]
    model.compile("sgd", ["mse", "mse"], metrics=[["mae"], ["mae"]])
    assert logged(model, [Y, Y]) == ["loss", "mae", "mae_1", "mse_loss", "mse_loss_1"]


def test_crossentropy_is_chosen_by_shapes():
    model = keras.Sequential([layers.Dense(4, activation="softmax")])
    model.compile("sgd", "ce", metrics=["ce", "crossentropy", "acc"])
    history = model.fit(X, LABELS, verbose=0).history
    assert history["loss"] == pytest.approx(history["ce"], rel=1e-5)
    assert list(history) == ["acc", "ce", "crossentropy", "loss"]


def test_predict_classes_and_probabilities():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(4, activation="softmax")])
    np.testing.assert_array_equal(model.predict_classes(X), model.predict(X, verbose=0).argmax(-1))
    np.testing.assert_array_equal(model.predict_proba(X), model.predict(X, verbose=0))
    binary = keras.Sequential([keras.Input((3,)), layers.Dense(1, activation="sigmoid")])
    classes = binary.predict_classes(X)
    assert classes.dtype == np.int32 and set(np.unique(classes)) <= {0, 1}
    np.testing.assert_array_equal(classes, binary.predict(X, verbose=0) > 0.5)


def test_reset_states_repeats_a_stateful_prediction():
    model = keras.Sequential([keras.Input((4, 3), batch_size=2), layers.LSTM(5, stateful=True)])
    x = np.ones((2, 4, 3), "float32")
    first, second = model.predict(x, batch_size=2, verbose=0), model.predict(x, batch_size=2, verbose=0)
    assert not np.allclose(first, second)
    model.reset_states()
    np.testing.assert_allclose(model.predict(x, batch_size=2, verbose=0), first, rtol=1e-6)


def test_lists_of_numbers_and_targets_by_name():
    model = keras.Sequential([keras.Input((1,)), layers.Dense(1, name="out")])
    model.compile("sgd", "mse")
    assert model.fit([[1.0], [2.0]], [[1.0], [2.0]], verbose=0).epoch == [0]
    assert model.fit([1.0, 2.0], {"out": [1.0, 2.0]}, verbose=0).epoch == [0]


def test_weights_of_samples_for_outputs_with_steps():
    """Weights (B,) for outputs (B, T, 1)."""
    model = keras.Sequential([keras.Input((3, 1)), layers.Dense(1, kernel_initializer="ones")])
    model.compile("sgd", "mse")
    got = model.evaluate(
        np.arange(6.0).reshape(2, 3, 1), np.zeros((2, 3, 1)), sample_weight=np.array([1.0, 0.0]), verbose=0
    )
    assert got == pytest.approx((0 + 1 + 4) / 6)


def test_other_spellings_of_log_names():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(4, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(X, LABELS, validation_split=0.5, verbose=0).history
    assert history["acc"] is history["accuracy"] and history["val_acc"] is history["val_accuracy"]
    assert "acc" not in history


def test_yaml_is_gone():
    with pytest.raises(RuntimeError, match="to_json"):
        mlp().to_yaml()
