"""A series, windows over it, and an LSTM that says how it goes on."""

import numpy as np
from keras.layers import LSTM, Dense, Dropout
from keras.models import Sequential
from keras.optimizers import Adam
from keras.preprocessing.sequence import TimeseriesGenerator
from keras.utils import set_random_seed

set_random_seed(5)
rng = np.random.default_rng(5)

months = np.arange(144)
sales = 100 + 2 * months + 30 * np.sin(months * np.pi / 6) + rng.normal(0, 4, size=144)
series = ((sales - sales.mean()) / sales.std()).reshape(-1, 1).astype("float32")
look_back, features = 12, 1
train, test = series[:108], series[108 - look_back :]

generator = TimeseriesGenerator(train, train, length=look_back, batch_size=16)
validation = TimeseriesGenerator(test, test, length=look_back, batch_size=16)
print(f"Samples: {len(generator)}", generator[0][0].shape, len(validation), validation[1][1].shape)
x, y = TimeseriesGenerator(months, months, length=6, sampling_rate=2, stride=3, start_index=30, end_index=70, batch_size=4)[1]
print(x.tolist(), y.tolist())

model = Sequential()
model.add(LSTM(16, activation="tanh", input_shape=(look_back, features)))
model.add(Dropout(0.1))
model.add(Dense(1))
model.compile(optimizer=Adam(lr=1e-2), loss="mse", metrics=["mae"])
history = model.fit(generator, epochs=5, validation_data=validation, verbose=0)
for key in ("loss", "mae", "val_loss", "val_mae"):
    print(key, [round(float(value), 4) for value in history.history[key]])

print(np.round(model.predict(validation, verbose=0)[:6, 0], 4))
print([round(float(value), 4) for value in model.evaluate(validation, verbose=0)])
batch = train[-look_back:].reshape((1, look_back, features))
ahead = []
for _ in range(6):
    ahead.append(model.predict(batch, verbose=0)[0])
    batch = np.append(batch[:, 1:, :], [[ahead[-1]]], axis=1)
print(np.round(np.array(ahead)[:, 0] * sales.std() + sales.mean(), 2))
