"""A model with a training step, a test step and metrics of its own."""

import keras
import numpy as np
import torch


class CustomModel(keras.Model):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.loss_tracker = keras.metrics.Mean(name="loss")
        self.mae_metric = keras.metrics.MeanAbsoluteError(name="mae")
        self.loss_fn = keras.losses.MeanSquaredError()

    def train_step(self, data):
        if len(data) == 3:
            x, y, sample_weight = data
        else:
            sample_weight = None
            x, y = data
        self.zero_grad()
        y_pred = self(x, training=True)
        loss = self.loss_fn(y, y_pred, sample_weight=sample_weight)
        loss.backward()
        trainable_weights = list(self.trainable_weights)
        gradients = [v.value.grad for v in trainable_weights]
        with torch.no_grad():
            self.optimizer.apply(gradients, trainable_weights)
        self.loss_tracker.update_state(loss)
        self.mae_metric.update_state(y, y_pred, sample_weight=sample_weight)
        return {"loss": self.loss_tracker.result(), "mae": self.mae_metric.result()}

    def test_step(self, data):
        x, y = data
        y_pred = self(x, training=False)
        self.mae_metric.update_state(y, y_pred)
        return {"mae": self.mae_metric.result()}

    @property
    def metrics(self):
        return [self.loss_tracker, self.mae_metric]


class SimpleStep(keras.Model):
    """The same, by what compile() was given."""

    def train_step(self, data):
        x, y = data
        self.zero_grad()
        y_pred = self(x, training=True)
        loss = self.compute_loss(y=y, y_pred=y_pred)
        loss.backward()
        self.optimizer.apply([v.value.grad for v in self.trainable_weights], self.trainable_weights)
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss)
            else:
                metric.update_state(y, y_pred)
        return {m.name: m.result() for m in self.metrics}


keras.utils.set_random_seed(23)
x = np.random.random((96, 12)).astype("float32")
y = x.sum(axis=1, keepdims=True) + 0.1 * np.random.normal(size=(96, 1))
sw = np.random.random((96, 1)).astype("float32")

inputs = keras.Input(shape=(12,))
hidden = keras.layers.Dense(16, activation="relu")(inputs)
hidden = keras.layers.Dropout(0.1)(hidden)
outputs = keras.layers.Dense(1)(hidden)
model = CustomModel(inputs, outputs)
model.compile(optimizer="adam")
history = model.fit(x, y, epochs=3, batch_size=16, verbose=0)
print({key: np.round(values, 5) for key, values in history.history.items()})
history = model.fit(x, y, sample_weight=sw, epochs=2, batch_size=16, verbose=0)
print({key: np.round(values, 5) for key, values in history.history.items()})
print(model.evaluate(x, y, verbose=0, return_dict=True))

model = SimpleStep(inputs, outputs)
model.compile(optimizer=keras.optimizers.SGD(0.01), loss="mse", metrics=["mae"])
history = model.fit(x, y, epochs=2, batch_size=32, verbose=0)
print({key: np.round(history.history[key], 5) for key in ("loss", "mae")})
print(type(model).__name__, [type(layer).__name__ for layer in model.layers])
