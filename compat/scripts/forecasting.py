"""The next values of a noisy wave from windows of its past: LSTM and GRU layers stacked on whole sequences."""

import keras
import numpy as np
from keras import layers

keras.utils.set_random_seed(5)
steps = np.arange(400)
series = np.sin(0.1 * steps) + 0.3 * np.sin(0.37 * steps) + np.random.normal(scale=0.05, size=400)
series = (series - series[:300].mean()) / series[:300].std()


def windows(values, past, future):
    xs, ys = [], []
    for start in range(len(values) - past - future + 1):
        xs.append(values[start : start + past])
        ys.append(values[start + past : start + past + future])
    return np.array(xs)[..., np.newaxis], np.array(ys)


x_train, y_train = windows(series[:300], 16, 3)
x_test, y_test = windows(series[300:], 16, 3)

model = keras.Sequential(name="forecaster")
model.add(layers.Input((16, 1)))
model.add(layers.LSTM(16, return_sequences=True))
model.add(layers.GRU(12, return_sequences=True, recurrent_dropout=0.1))
model.add(layers.SimpleRNN(8, activation="relu"))
model.add(layers.Dense(3))
model.compile(
    optimizer=keras.optimizers.RMSprop(0.003), loss="mae",
    metrics=[keras.metrics.MeanSquaredError(), keras.metrics.RootMeanSquaredError(name="rmse")],
)  # fmt: skip
history = model.fit(
    x_train, y_train, epochs=3, batch_size=32, shuffle=False, validation_data=(x_test, y_test), verbose=0
)
for name, values in history.history.items():
    print(name, " ".join(f"{value:.5f}" for value in values))

# Forecast on its own forecasts.
window = list(series[300:316])
for _ in range(4):
    window.extend(model.predict(np.array(window[-16:]).reshape(1, 16, 1), verbose=0)[0])
print(np.round(window[16:], 4))

stateful = keras.Sequential([keras.Input(batch_shape=(1, 4, 1)), layers.LSTM(3, stateful=True), layers.Dense(1)])
first = stateful.predict(x_train[:1, :4], verbose=0)
second = stateful.predict(x_train[:1, 4:8], verbose=0)
stateful.layers[0].reset_state()
again = stateful.predict(x_train[:1, :4], verbose=0)
print(first.item(), second.item(), again.item())
