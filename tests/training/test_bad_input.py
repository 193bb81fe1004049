"""Bad input: an error that names the argument and says what to do, and a model that works afterwards."""

import warnings

import numpy as np
import pytest
import torch

import torchkeras as keras
from torchkeras import layers

X = np.random.default_rng(0).normal(size=(12, 3)).astype("float32")
Y = X.sum(axis=1, keepdims=True)
LABELS = np.arange(12) % 4


def model(**arguments):
    network = keras.Sequential([keras.Input((3,), name="x"), layers.Dense(4), layers.Dense(1, name="out")])
    network.compile(**{"optimizer": "sgd", "loss": "mse", **arguments})
    return network


def two_outputs(**arguments):
    x = keras.Input((3,), name="x")
    network = keras.Model(x, [layers.Dense(1, name="a")(x), layers.Dense(4, activation="softmax", name="b")(x)])
    network.compile(**{"optimizer": "sgd", "loss": ["mse", "sparse_categorical_crossentropy"], **arguments})
    return network


def two_inputs():
    a, b = keras.Input((3,), name="a"), keras.Input((2,), name="b")
    network = keras.Model([a, b], layers.Dense(1)(layers.Concatenate()([a, b])))
    network.compile("sgd", "mse")
    return network


# arguments of fit -> what the message must hold
FIT = {
    "rank": ({"x": X[:, :, None, None]}, "'x'.*expected shape.*3.*found shape"),
    "features": ({"x": X[:, :2]}, "'dense.*expected axis -1.*3, found 2"),
    "objects": ({"x": np.array([None] * 12, dtype=object)}, "`x`.*dtype=object"),
    "times": ({"x": np.array(["2020-01-01"] * 12, dtype="datetime64[D]")}, "`x`.*times"),
    "ragged": ({"x": [[1.0, 2.0, 3.0], [1.0]]}, "`x` is a ragged list"),
    "list of samples": ({"x": list(X)}, "np.stack"),
    "empty": ({"x": X[:0], "y": Y[:0]}, "`x` has no samples"),
    "no arrays": ({"x": [], "y": None}, "no data"),
    "nothing": ({"x": None, "y": None}, "pass `x`"),
    "lengths": ({"y": Y[:5]}, r"same number of samples.*\(12, 3\).*\(5, 1\)"),
    "weights' length": ({"sample_weight": np.ones(5)}, "same number of samples"),
    "weights' shape": ({"sample_weight": np.ones((12, 7))}, "one per sample"),
    "string labels": ({"y": np.array(["cat", "dog"] * 6)}, "`y` holds strings.*np.unique"),
    "strings": ({"x": np.array([["cat"] * 3] * 12)}, "'x'.*expects numbers, got strings"),
    "no target": ({"y": None}, "pass `y`"),
    "two targets": ({"y": [Y, Y]}, "2 entries.*1 output"),
    "generator": ({"x": (batch for batch in [(X, Y)])}, "generator.*`y` must not be given"),
    "generator function": ({"x": lambda: (X, Y), "y": None}, "function: call it"),
    "generator split": (
        {"x": (batch for batch in [(X, Y)]), "y": None, "validation_split": 0.5},
        "pass `validation_data`",
    ),
    "batch of four": ({"x": iter([(X, Y, X, Y)]), "y": None}, "generator gave a tuple of 4"),
    "batch of objects": ({"x": iter([(object(), Y)]), "y": None}, "batch of a generator"),
    "no batches": ({"x": iter(()), "y": None}, "no batch at all"),
    "set": ({"x": {1, 2}}, "`x` is of type set"),
    "scalar": ({"x": 3.0, "y": 4.0}, "scalar.*first axis of samples"),
    "path": ({"x": "data.csv"}, "first axis of samples"),
    "symbolic": ({"x": keras.Input((3,))}, "symbolic"),
    "batch of 0": ({"batch_size": 0}, "`batch_size`.*positive integer.*0"),
    "batch of 1.5": ({"batch_size": 1.5}, "`batch_size`.*1.5"),
    "whole split": ({"validation_split": 1.0}, "`validation_split`.*between 0 and 1"),
    "negative split": ({"validation_split": -0.5}, "`validation_split`"),
    "split of text": ({"validation_split": "x"}, "`validation_split`"),
    "split leaves nothing": ({"validation_split": 0.99}, "no samples"),
    "validation of four": ({"validation_data": (X, Y, Y, Y)}, "`validation_data` must be"),
    "validation generator": ({"validation_data": (b for b in ())}, "validation_data: .*no batch at all"),
    "validation lengths": ({"validation_data": (X, Y[:3])}, "same number of samples"),
    "validation frequency": ({"validation_split": 0.5, "validation_freq": 0}, "`validation_freq`"),
    "epochs of text": ({"epochs": "3"}, "`epochs` must be an integer, got '3'"),
    "epochs of float": ({"epochs": 2.5}, "`epochs`"),
    "no steps": ({"steps_per_epoch": 0}, "`steps_per_epoch`"),
    "unknown argument": ({"epoch": 3}, "`epoch`.*Did you mean `epochs`"),
    "callback class": ({"callbacks": [keras.callbacks.EarlyStopping]}, r"EarlyStopping\(\)"),
    "callback text": ({"callbacks": ["stop"]}, "callbacks="),
    "class weight text": ({"class_weight": "balanced"}, "`class_weight` must be a dict"),
    "class weight names": ({"class_weight": {"cat": 1.0}}, "`class_weight` must be a dict"),
}


@pytest.mark.parametrize("case", FIT)
def test_fit(case):
    arguments, message = FIT[case]
    network = model()
    with pytest.raises((ValueError, TypeError), match=f"(?s){message}"):
        network.fit(**{"x": X, "y": Y, "verbose": 0, **arguments})
    assert not network.training
    losses = network.fit(X, Y, epochs=2, verbose=0).history["loss"]
    assert losses[1] < losses[0]
    assert network.predict(X, verbose=0).shape == (12, 1)


@pytest.mark.parametrize("method", ["evaluate", "predict", "train_on_batch", "test_on_batch", "predict_on_batch"])
def test_other_methods_refuse_wrong_shapes(method):
    network = model()
    target = () if "predict" in method else (Y,)
    with pytest.raises(ValueError, match="expected axis -1"):
        getattr(network, method)(X[:, :2], *target)
    assert np.isfinite(network.evaluate(X, Y, verbose=0))


@pytest.mark.parametrize("method", ["fit", "evaluate", "train_on_batch", "test_on_batch"])
def test_before_compile(method):
    network = keras.Sequential([layers.Dense(1)])
    with pytest.raises(ValueError, match=rf"compile\(\).*`{method}\(\)`"):
        getattr(network, method)(X, Y)
    network.compile("sgd", "mse")
    assert np.isfinite(network.train_on_batch(X, Y))


INPUTS = {
    "missing": ({"a": X}, "Missing data for input 'b'"),
    "unknown": ({"a": X, "c": X}, r"'b'.*\['a', 'c'\]"),
    "one array": (X, r"2 input\(s\).*'a', 'b'.*1 tensor"),
    "three arrays": ([X, X[:, :2], X], "3 tensor"),
    "swapped": ([X[:, :2], X], "'a'.*expected shape"),
    "None": ({"a": X, "b": None}, "'b'.*None"),
}


@pytest.mark.parametrize("case", INPUTS)
def test_inputs_by_name(case):
    x, message = INPUTS[case]
    network = two_inputs()
    with pytest.raises(ValueError, match=message):
        network.fit(x, Y, verbose=0)
    assert network.fit({"a": X, "b": X[:, :2], "more": X}, Y, verbose=0).epoch == [0]


COMPILE = {
    "loss": ({"loss": "mssse"}, "'mssse'"),
    "loss number": ({"loss": 3}, "`loss`.*3"),
    "metric": ({"metrics": ["accuraccy"]}, "'accuraccy'"),
    "metric number": ({"metrics": [3]}, "`metrics`.*3"),
    "metrics number": ({"metrics": 3}, "`metrics`.*3"),
    "weighted metric": ({"weighted_metrics": [None, 2.0]}, "`weighted_metrics`.*2.0"),
    "optimizer": ({"optimizer": "sgdd"}, "sgdd"),
    "loss weights": ({"loss_weights": object()}, "`loss_weights`"),
    "steps per execution": ({"steps_per_execution": 0}, "`steps_per_execution`"),
    "unknown": ({"metric": ["mae"]}, "`metric`.*Did you mean `metrics`"),
}


@pytest.mark.parametrize("case", COMPILE)
def test_compile(case):
    arguments, message = COMPILE[case]
    network = model()
    with pytest.raises((ValueError, TypeError), match=message):
        network.compile(**{"optimizer": "sgd", "loss": "mse", **arguments})
    assert network.fit(X, Y, verbose=0).epoch == [0]  # as compiled before


OUTPUTS = {
    "one loss in a list": ({"loss": ["mse"]}, {}, "`loss` has 1 entries.*2 output"),
    "three losses": ({"loss": ["mse"] * 3}, {}, "`loss` has 3 entries.*2 output"),
    "unknown loss name": ({"loss": {"a": "mse", "c": "mse"}}, {}, r"`loss` names \['c'\].*\['a', 'b'\]"),
    "one target": ({}, {"y": Y}, "one entry.*2 outputs"),
    "missing target": ({}, {"y": {"a": Y}}, "pass `y`"),
    "unknown target": ({}, {"y": {"a": Y, "c": LABELS}}, r"names \['c'\]"),
    "metrics": ({"metrics": [["mae"], ["mae"], ["mae"]]}, {}, "`metrics` lists 3 entries.*2 outputs"),
    "metric names": ({"metrics": {"c": "mae"}}, {}, r"`metrics` names \['c'\]"),
    "loss weights": ({"loss_weights": [1, 2, 3]}, {}, "`loss_weights` has 3 entries"),
    "weight names": ({}, {"sample_weight": {"c": np.ones(12)}}, r"`sample_weight` names \['c'\]"),
    "class weights": ({}, {"class_weight": {0: 1.0}}, "`class_weight` needs one target"),
    "one-hot for sparse": ({}, {"y": [Y, np.eye(4)[LABELS]]}, "class index"),
    "label too large": ({}, {"y": [Y, LABELS + 1]}, "Class labels.*from 0 to 3"),
    "label negative": ({}, {"y": [Y, LABELS - 1]}, "Class labels.*from 0 to 3"),
}


@pytest.mark.parametrize("case", OUTPUTS)
def test_losses_metrics_and_targets_of_several_outputs(case):
    compile_arguments, fit_arguments, message = OUTPUTS[case]
    network = two_outputs(**compile_arguments)
    with pytest.raises(ValueError, match=message):
        network.fit(**{"x": X, "y": [Y, LABELS], "verbose": 0, **fit_arguments})
    network.compile("sgd", ["mse", "sparse_categorical_crossentropy"])
    assert network.fit(X, [Y, LABELS], verbose=0).epoch == [0]


def test_no_loss():
    with pytest.raises(ValueError, match="No loss to compute"):
        model(loss=None).fit(X, Y, verbose=0)


def test_no_optimizer():
    network = model(optimizer=None)
    assert np.isfinite(network.evaluate(X, Y, verbose=0))
    with pytest.raises(ValueError, match="without an optimizer"):
        network.fit(X, Y, verbose=0)


def test_an_optimizer_serves_one_model():
    optimizer = keras.optimizers.Adam()
    first, second = model(optimizer=optimizer), model(optimizer=optimizer)
    first.fit(X, Y, verbose=0)
    with pytest.raises(ValueError, match="built for other variables"):
        second.fit(X, Y, verbose=0)
    first.fit(X, Y, verbose=0)
    assert int(optimizer.iterations) == 2


def test_layers_added_after_training_ask_for_compile():
    network = model()
    network.fit(X, Y, verbose=0)
    network.add(layers.Dense(1))
    with pytest.raises(ValueError, match="call compile"):
        network.fit(X, Y, verbose=0)
    network.compile("sgd", "mse")
    before = network.layers[-1].get_weights()[0]
    network.fit(X, Y, verbose=0)
    assert not np.array_equal(before, network.layers[-1].get_weights()[0])


def test_torch_optimizer_of_another_model():
    network = model()
    network.compile(torch.optim.SGD(model().parameters(), lr=0.1), "mse")
    with pytest.raises(ValueError, match="none of the parameters"):
        network.fit(X, Y, verbose=0)


def test_a_target_that_would_be_broadcast_warns():
    with pytest.warns(UserWarning, match=r"target has shape \(12, 5\), the output \(12, 1\)"):
        model().evaluate(X, np.zeros((12, 5)), verbose=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model().evaluate(X, Y[:, 0], verbose=0)


def test_losses_of_users_may_take_targets_of_any_shape():
    own = model(loss=lambda y_true, y_pred: y_true[:, :1] - y_pred + y_true[:, 4:])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        own.evaluate(X, np.zeros((12, 5)), verbose=0)
    two = keras.Sequential([keras.Input((3,)), layers.Dense(2)])
    two.compile("sgd", lambda y_true, y_pred: y_true.sum(-1) * y_pred[:, 0])
    assert two.fit(X, np.ones((12, 5)), verbose=0).epoch == [0]
    two.compile("sgd", "mse")
    with pytest.raises(ValueError, match=r"\(12, 5\), the output of the model \(12, 2\)"):
        two.fit(X, np.ones((12, 5)), verbose=0)


def test_nan_is_no_error():
    assert np.isnan(model().fit(X * np.nan, Y, verbose=0).history["loss"][0])


def test_predicting_nothing():
    assert model().predict(X[:0], verbose=0).shape == (0, 1)


def test_predictions_do_not_share_memory_with_the_input():
    x = keras.Input((3,))
    data = X.copy()
    keras.Model(x, layers.Activation("linear")(x)).predict(data, verbose=0)[:] = 7
    np.testing.assert_array_equal(data, X)


class Spoiler(torch.nn.Module):
    def forward(self, x):
        return x.mul_(0.0) + 1.0


@pytest.mark.parametrize("kind", [np.array, torch.tensor])
def test_a_module_that_works_in_place_spares_the_data(kind):
    network = keras.Sequential([keras.Input((3,)), Spoiler(), layers.Dense(1)])
    network.compile("sgd", "mse")
    x, y = kind(X), kind(Y)
    network.predict(x, verbose=0)
    network.predict(x, batch_size=5, verbose=0)
    network.evaluate(x, y, batch_size=5, verbose=0)
    network.fit(x, y, shuffle=False, validation_data=(x, y), verbose=0)
    network.fit(x, y, verbose=0)
    network.train_on_batch(x, y)
    network.test_on_batch(x, y)
    network.predict_on_batch(x)
    np.testing.assert_array_equal(np.asarray(x), X)


def test_training_inside_no_grad():
    network = model()
    with torch.no_grad():
        losses = network.fit(X, Y, epochs=2, verbose=0).history["loss"]
        network.train_on_batch(X, Y)
        assert not torch.is_grad_enabled()
    assert losses[1] < losses[0]
