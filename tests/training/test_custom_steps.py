"""Overriding the steps, the loss and the metrics; plain torch objects in compile; interruptions."""

import copy
import pickle

import numpy as np
import pytest
import torch

import torchkeras as keras
from torchkeras import layers

X = np.random.default_rng(0).normal(size=(20, 3)).astype("float32")
Y = X.sum(axis=1, keepdims=True)
LABELS = np.arange(20) % 4


class Plain(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(1, kernel_initializer="zeros")

    def call(self, x):
        return self.dense(x)


def test_step_in_plain_torch():
    class Custom(Plain):
        def __init__(self):
            super().__init__()
            self.tracker = keras.metrics.Mean(name="my_loss")

        @property
        def metrics(self):
            return [self.tracker]

        def train_step(self, data):
            x, y = data
            loss = ((y - self(x, training=True)) ** 2).mean()
            self.zero_grad()
            loss.backward()
            weights = self.trainable_weights
            self.optimizer.apply([v.value.grad for v in weights], weights)
            self.tracker.update_state(loss)
            return {"my_loss": self.tracker.result(), "other": torch.tensor(3.0)}

        def test_step(self, data):
            x, y = data
            self.tracker.update_state(((y - self(x)) ** 2).mean())
            return {"my_loss": self.tracker.result()}

    custom, plain = Custom(), Plain()
    custom.compile(keras.optimizers.SGD(0.1))
    plain.compile(keras.optimizers.SGD(0.1), "mse")
    arguments = {"epochs": 3, "batch_size": 10, "shuffle": False, "verbose": 0, "validation_data": (X, Y)}
    got, expected = custom.fit(X, Y, **arguments).history, plain.fit(X, Y, **arguments).history
    assert list(got) == ["my_loss", "other", "val_my_loss"]
    np.testing.assert_allclose(got["my_loss"], expected["loss"], rtol=1e-6)
    np.testing.assert_allclose(got["val_my_loss"], expected["val_loss"], rtol=1e-6)
    assert got["other"] == [3.0] * 3
    assert custom.evaluate(X, Y, verbose=0) == pytest.approx(plain.evaluate(X, Y, verbose=0), rel=1e-6)
    np.testing.assert_allclose(custom.predict(X, verbose=0), plain.predict(X, verbose=0), rtol=1e-6)
    assert custom.train_on_batch(X, Y, return_dict=True).keys() == {"my_loss", "other"}


def test_step_that_returns_a_loss_it_did_not_track():
    class Untracked(Plain):
        def train_step(self, data):
            self.kind = type(data)
            loss = (self(data) - 2.0).square().mean()
            self.zero_grad()
            loss.backward()
            self.optimizer.step()
            return {"loss": loss}

    model = Untracked()
    model.compile(keras.optimizers.SGD(0.0))
    assert model.fit(X, verbose=0).history == {"loss": [4.0]}
    assert model.kind is torch.Tensor


def test_what_a_step_is_given():
    """Float64 and float16 come as float32; integers, bools and 1-D targets as they are."""
    seen = []

    class Watch(Plain):
        def train_step(self, data):
            seen.append([(tensor.dtype, tuple(tensor.shape)) for tensor in data])
            return super().train_step(data)

    model = Watch()
    model.compile("sgd", "mse")
    model.fit(X.astype("float64"), Y[:, 0].astype("float16"), verbose=0)
    model.fit((X > 0), LABELS.astype("int32"), sample_weight=np.ones(20), verbose=0)
    assert seen == [
        [(torch.float32, (20, 3)), (torch.float32, (20,))],
        [(torch.bool, (20, 3)), (torch.int32, (20,)), (torch.float32, (20,))],
    ]


def test_own_compute_loss_and_metrics():
    class Own(Plain):
        def compute_loss(self, x, y, y_pred, sample_weight, training=True):
            self.seen = [*getattr(self, "seen", ()), training]
            return 2 * ((y - y_pred) ** 2).mean()

        def compute_metrics(self, x, y, y_pred, sample_weight=None):
            return {**super().compute_metrics(x, y, y_pred, sample_weight), "more": torch.tensor(1.0)}

        def predict_step(self, data):
            return super().predict_step(data) + 100

    model, plain = Own(), Plain()
    model.compile(keras.optimizers.SGD(0.0), metrics=["mae"])
    plain.compile(keras.optimizers.SGD(0.0), "mse", metrics=["mae"])
    got, expected = (m.fit(X, Y, verbose=0, validation_data=(X, Y)).history for m in (model, plain))
    assert got["loss"][0] == pytest.approx(2 * expected["loss"][0], rel=1e-6)
    assert got["val_loss"][0] == pytest.approx(2 * expected["val_loss"][0], rel=1e-6)
    assert got["mae"] == pytest.approx(expected["mae"])
    assert got["more"] == got["val_more"] == [1.0]
    assert list(model.seen) == [True, False]
    np.testing.assert_array_equal(model.predict(X, verbose=0), np.full((20, 1), 100.0))
    np.testing.assert_array_equal(model.predict_on_batch(X), np.full((20, 1), 100.0))


def test_compute_loss_of_keras_2_without_training():
    class Old(Plain):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None):
            return super().compute_loss(x, y, y_pred, sample_weight) * 3

    model, plain = Old(), Plain()
    for each in (model, plain):
        each.compile(keras.optimizers.SGD(0.0), "mse")
    assert model.evaluate(X, Y, verbose=0) == pytest.approx(3 * plain.evaluate(X, Y, verbose=0), rel=1e-6)


def test_train_functions_take_lists_and_iterators():
    model = Plain()
    model.compile(keras.optimizers.SGD(0.1), "mse")
    assert model.train_function is None
    batch = torch.tensor(X), torch.tensor(Y)
    train = model.make_train_function()
    assert model.make_train_function() is train is model.train_function
    first, second = train([batch])["loss"], train(iter([batch]))["loss"]
    assert float(second) < float(first)
    assert model.make_train_function(force=True) is not train
    assert set(model.make_test_function()([batch])) == {"loss"}
    assert model.make_predict_function()([batch]).shape == (20, 1)


# -- torch's own objects ----------------------------------------------------------------------------------------------


def mlp(units=1, **arguments):
    model = keras.Sequential([keras.Input((3,)), layers.Dense(8, activation="tanh"), layers.Dense(units)])
    if arguments:
        model.compile(**arguments)
    return model


def test_torch_optimizer_and_loss():
    model = mlp()
    model.compile(torch.optim.Adam(model.parameters(), lr=0.05), torch.nn.MSELoss(), metrics=["mse"])
    history = model.fit(X, Y, epochs=30, verbose=0).history
    assert history["loss"][-1] < 0.3 * history["loss"][0]
    assert history["loss"] == pytest.approx(history["mse"], rel=1e-5)


TORCH_LOSSES = {
    "cross entropy": (torch.nn.CrossEntropyLoss(), LABELS, lambda k: k.SparseCategoricalCrossentropy(from_logits=True)),
    "class": (torch.nn.CrossEntropyLoss, LABELS, lambda k: k.SparseCategoricalCrossentropy(from_logits=True)),
    "function": (
        torch.nn.functional.cross_entropy,
        LABELS,
        lambda k: k.SparseCategoricalCrossentropy(from_logits=True),
    ),
    "column": (
        torch.nn.CrossEntropyLoss(),
        LABELS[:, None],
        lambda k: k.SparseCategoricalCrossentropy(from_logits=True),
    ),
    "one-hot": (torch.nn.CrossEntropyLoss(), np.eye(4)[LABELS], lambda k: k.CategoricalCrossentropy(from_logits=True)),
    "sum": (torch.nn.L1Loss(reduction="sum"), np.eye(4)[LABELS], None),
    "integers": (torch.nn.MSELoss(), np.eye(4, dtype="int64")[LABELS], lambda k: k.MeanSquaredError()),
    "logits": (torch.nn.BCEWithLogitsLoss(), np.eye(4)[LABELS], lambda k: k.BinaryCrossentropy(from_logits=True)),
    "none": (torch.nn.MSELoss(reduction="none"), np.eye(4)[LABELS], lambda k: k.MeanSquaredError()),
}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("case", TORCH_LOSSES)
def test_torch_losses(case, weighted):
    loss, y, ours = TORCH_LOSSES[case]
    weights = np.linspace(0.0, 2.0, 20) if weighted else None
    model = mlp(4, optimizer="sgd", loss=loss)
    got = model.evaluate(X, y, sample_weight=weights, batch_size=20, verbose=0)
    if ours is None:
        each = np.abs(model.predict(X, verbose=0) - y)
        assert got == pytest.approx((each if weights is None else each * weights[:, None]).sum(), rel=1e-5)
    else:
        model.compile("sgd", ours(keras.losses))
        assert got == pytest.approx(model.evaluate(X, y, sample_weight=weights, batch_size=20, verbose=0), rel=1e-5)
    model.compile("sgd", loss)
    assert model.fit(X, y, sample_weight=weights, verbose=0).epoch == [0]


def test_torch_loss_brings_targets_to_the_rank_of_the_output():
    """torch itself would broadcast (20,) against (20, 1) to (20, 20)."""
    losses = [mlp(optimizer="sgd", loss=torch.nn.MSELoss()) for _ in range(2)]
    losses[1].set_weights(losses[0].get_weights())
    assert losses[0].evaluate(X, Y[:, 0], verbose=0) == pytest.approx(losses[1].evaluate(X, Y, verbose=0), rel=1e-6)


def test_loss_without_reduction_refuses_weights():
    class Odd(torch.nn.Module):
        def forward(self, prediction, target):
            return (prediction - target).abs().amax()

    model = mlp(optimizer="sgd", loss=Odd())
    assert np.isfinite(model.evaluate(X, Y, verbose=0))
    with pytest.raises(ValueError, match="sample weights"):
        model.evaluate(X, Y, sample_weight=np.ones(20), verbose=0)


def test_metric_with_update_compute_reset():
    class Error(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.reset()

        def reset(self):
            self.total, self.count = torch.zeros(()), 0

        def update(self, preds, target):
            self.total, self.count = self.total + (preds - target).abs().sum(), self.count + target.numel()

        def compute(self):
            return self.total / self.count

        forward = compute

    history = mlp(optimizer="sgd", loss="mse", metrics=[Error(), "mae"]).fit(
        X, Y, batch_size=6, epochs=2, validation_split=0.3, verbose=0
    )
    assert list(history.history) == ["error", "loss", "mae", "val_error", "val_loss", "val_mae"]
    assert history.history["error"] == pytest.approx(history.history["mae"], rel=1e-5)
    assert history.history["val_error"] == pytest.approx(history.history["val_mae"], rel=1e-5)


# -- policies, copies, interruptions ----------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "bfloat16", "float64"])
def test_dtype_policies(policy):
    keras.config.set_dtype_policy(policy)
    try:
        model = keras.Sequential(
            [
                keras.Input((3,)),
                layers.Dense(16, activation="relu"),
                layers.Dense(4, activation="softmax", dtype="float32"),
            ]
        )
        model.compile(keras.optimizers.Adam(0.05), "sparse_categorical_crossentropy", metrics=["accuracy"])
        losses = model.fit(X, (X[:, 0] > 0) * 2 + (X[:, 1] > 0), epochs=30, verbose=0).history["loss"]
    finally:
        keras.config.set_dtype_policy("float32")
    assert losses[-1] < 0.6 * losses[0]
    wrapped = isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    assert wrapped is (policy == "mixed_float16")
    stored = policy if not policy.startswith("mixed") else "float32"
    assert model.layers[0].kernel.dtype is getattr(torch, stored)
    assert model.predict(X, verbose=0).dtype == np.float32


def test_no_loss_scaling_where_it_is_declined():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = mlp()
        model.compile("sgd", "mse", auto_scale_loss=False)
    finally:
        keras.config.set_dtype_policy("float32")
    assert type(model.optimizer) is keras.optimizers.SGD


def test_reduction_none_minimizes_the_sum_and_logs_the_mean():
    model = keras.Sequential([keras.Input((1,)), layers.Dense(1, use_bias=False, kernel_initializer="ones")])
    model.compile(keras.optimizers.SGD(0.1), keras.losses.MeanSquaredError(reduction="none"))
    assert model.fit(np.ones((2, 1)), np.zeros((2, 1)), verbose=0).history == {"loss": [1.0]}
    assert model.get_weights()[0].item() == pytest.approx(0.6)


def test_weights_are_made_without_running_on_data():
    model = keras.Sequential([layers.Dense(4), layers.BatchNormalization(), layers.Dropout(0.5), layers.Dense(1)])
    model.compile("sgd", "mse")
    model.evaluate(X, Y, verbose=0)
    assert float(model.layers[1].moving_mean.abs().sum()) == 0
    assert model.count_params() == 16 + 16 + 5


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_copies_of_a_trained_model_train_on_their_own(copied):
    model = mlp(optimizer="adam", loss="mse", metrics=["mae"])
    model.fit(X, Y, verbose=0)
    twin = copied(model)
    before = model.get_weights()[0].copy()
    np.testing.assert_array_equal(twin.get_weights()[0], before)
    twin.fit(X, Y, verbose=0)
    np.testing.assert_array_equal(model.get_weights()[0], before)
    assert not np.array_equal(twin.get_weights()[0], before)
    assert int(twin.optimizer.iterations) == 2 and int(model.optimizer.iterations) == 1


class Modes(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(3, 3)
        self.seen = []

    def forward(self, x):
        self.seen.append(self.training)
        return self.linear(x)


@pytest.mark.parametrize("hook", ["on_train_batch_end", "on_test_begin", "on_epoch_end", "on_train_begin"])
def test_interrupted_model_is_usable(hook):
    def interrupt(self, *args, **kwargs):
        raise KeyboardInterrupt

    module = Modes()
    model = keras.Sequential([keras.Input((3,)), module, layers.Dense(1)])
    model.compile("sgd", "mse")
    callback = type("Interrupt", (keras.callbacks.Callback,), {hook: interrupt})()
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y, validation_split=0.5, callbacks=[callback], verbose=0)
    assert torch.is_grad_enabled() and not model.training and not module.training
    module.seen.clear()
    losses = model.fit(X, Y, batch_size=20, epochs=2, validation_data=(X, Y), verbose=0).history["loss"]
    assert losses[1] < losses[0]
    model.predict(X, verbose=0)
    assert module.seen == [True, False, True, False, False]


def test_batch_hooks_under_steps_per_execution():
    events = []

    class Watch(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            events.append(("begin", batch))

        def on_train_batch_end(self, batch, logs=None):
            events.append(("end", batch))

    model = mlp(optimizer="sgd", loss="mse", steps_per_execution=2)
    model.fit(X, Y, batch_size=4, callbacks=[Watch()], verbose=0)
    assert events == [("begin", 0), ("end", 1), ("begin", 2), ("end", 3), ("begin", 4), ("end", 4)]
    assert int(model.optimizer.iterations) == 5


@pytest.mark.parametrize("arguments", [{"run_eagerly": True}, {"jit_compile": False}, {"jit_compile": "auto"}])
def test_ways_of_running(arguments):
    models = [mlp(), mlp()]
    models[1].set_weights(models[0].get_weights())
    histories = []
    for model, more in zip(models, ({}, arguments)):
        model.compile(keras.optimizers.SGD(0.1), "mse", **more)
        histories.append(model.fit(X, Y, shuffle=False, verbose=0).history["loss"])
    assert histories[0] == pytest.approx(histories[1], rel=1e-6)


def test_limits_for_trying_out():
    keras.config.set_max_epochs(2)
    keras.config.set_max_steps_per_epoch(3)
    try:
        model = mlp(optimizer="sgd", loss="mse")
        with pytest.warns(UserWarning, match="Limiting"):
            history = model.fit(X, Y, batch_size=2, epochs=9, verbose=0)
    finally:
        keras.config.set_max_epochs(None)
        keras.config.set_max_steps_per_epoch(None)
    assert history.epoch == [0, 1]
    assert int(model.optimizer.iterations) == 6


def test_shuffle_in_batches_keeps_the_batches():
    seen = []

    class Watch(Plain):
        def train_step(self, data):
            seen.append(data[0][:, 0].tolist())
            return super().train_step(data)

    model = Watch()
    model.compile("sgd", "mse")
    x = np.repeat(np.arange(20.0)[:, None], 3, axis=1)
    model.fit(x, Y, batch_size=8, shuffle="batch", verbose=0)
    assert [sorted(batch) for batch in seen] == [list(range(8)), list(range(8, 16)), list(range(16, 20))]
    assert seen[0] != sorted(seen[0])
    seen.clear()
    model.fit(x, Y, batch_size=8, epochs=2, verbose=0)
    epochs = [[value for batch in part for value in batch] for part in (seen[:3], seen[3:])]
    assert sorted(epochs[0]) == sorted(epochs[1]) == list(range(20))
    assert seen[0] != seen[3]


def test_a_metric_that_returns_its_variable_is_read_before_validation_resets_it():
    class Last(keras.metrics.Metric):
        def __init__(self):
            super().__init__(name="last")
            self.last = self.add_weight(name="value", initializer="zeros")

        def update_state(self, y_true, y_pred, sample_weight=None):
            self.last.assign(y_true.mean())

        def result(self):
            return self.last

    model = mlp(optimizer="sgd", loss="mse", metrics=[Last()])
    history = model.fit(X, np.full((20, 1), 5.0), validation_data=(X, np.ones((20, 1))), verbose=0).history
    assert (history["last"], history["val_last"]) == ([5.0], [1.0])


def test_class_weight_as_a_list():
    model = mlp(4, optimizer=keras.optimizers.SGD(0.0), loss=keras.losses.SparseCategoricalCrossentropy(True))
    arguments = {"shuffle": False, "verbose": 0}
    listed = model.fit(X, LABELS, class_weight=[1.0, 2.0, 0.5, 3.0], **arguments).history
    named = model.fit(X, LABELS, class_weight={0: 1.0, 1: 2.0, 2: 0.5, 3: 3.0}, **arguments).history
    assert listed["loss"] == pytest.approx(named["loss"], rel=1e-6)


@pytest.mark.parametrize("step, method", [("train_step", "fit"), ("test_step", "evaluate")])
def test_step_must_return_logs(step, method):
    model = type("Custom", (Plain,), {step: lambda self, data: 3})()
    model.compile("sgd", "mse")
    with pytest.raises(TypeError, match=r"of Custom must return a dict.*got 3"):
        getattr(model, method)(X, Y, verbose=0)
