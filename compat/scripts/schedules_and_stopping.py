"""Learning rates that fall, training that stops by itself, and a callback that watches."""

import numpy as np
import tensorflow as tf
from tensorflow import keras

tf.keras.utils.set_random_seed(47)
rng = np.random.default_rng(47)
x = rng.normal(size=(200, 10))
y = np.tanh(x @ rng.normal(size=(10, 1))) + 0.3 * rng.normal(size=(200, 1))


def build_model():
    return keras.models.Sequential(
        [
            keras.layers.Dense(32, activation="relu", input_shape=(10,)),
            keras.layers.Dense(32, activation="relu"),
            keras.layers.Dense(1),
        ]
    )


class Watcher(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.seen = []

    def on_train_begin(self, logs=None):
        print("begins with", sorted(logs or {}), self.params["epochs"], self.params["steps"])

    def on_train_batch_end(self, batch, logs=None):
        self.seen.append(logs["loss"])

    def on_epoch_end(self, epoch, logs=None):
        rate = self.model.optimizer.learning_rate
        print(
            f"epoch {epoch}: rate {float(np.array(rate)):.6f}",
            f"loss {logs['loss']:.5f} val {logs['val_loss']:.5f} {sorted(logs)}",
        )
        if logs["loss"] < 0.02:
            print("good enough")
            self.model.stop_training = True


watcher = Watcher()
stopping = keras.callbacks.EarlyStopping(monitor="val_loss", patience=2, min_delta=1e-3, restore_best_weights=True)
schedule = keras.optimizers.schedules.ExponentialDecay(0.02, decay_steps=5, decay_rate=0.9, staircase=True)
model = build_model()
model.compile(loss="mse", optimizer=keras.optimizers.Adam(learning_rate=schedule))
history = model.fit(x, y, epochs=15, batch_size=40, validation_split=0.3, callbacks=[watcher, stopping], verbose=0)
print(len(history.history["loss"]), stopping.stopped_epoch, stopping.best_epoch, round(stopping.best, 5))
print(min(history.history["val_loss"]), model.evaluate(x[140:], y[140:], verbose=0))
print(len(watcher.seen), round(watcher.seen[-1], 5), int(np.array(model.optimizer.iterations)))

model = build_model()
model.compile(
    loss=keras.losses.Huber(delta=0.5),
    optimizer=keras.optimizers.SGD(
        keras.optimizers.schedules.CosineDecay(0.1, 20, warmup_steps=5, warmup_target=0.2), clipnorm=1.0
    ),
    metrics=["mae"],
)
history = model.fit(x, y, epochs=3, batch_size=40, verbose=0)
print(history.history)

# By hand, between epochs.
model.compile(loss="mse", optimizer="rmsprop", metrics=["mae"])
model.optimizer.learning_rate = 0.01
for _ in range(3):
    model.fit(x, y, verbose=0, shuffle=False)
    model.optimizer.learning_rate.assign(model.optimizer.learning_rate * 0.5)
print(float(np.array(model.optimizer.learning_rate)), model.evaluate(x, y, verbose=0))
points = keras.optimizers.schedules.PiecewiseConstantDecay([2, 4], [1.0, 0.5, 0.1])
print([float(points(step)) for step in range(6)])
