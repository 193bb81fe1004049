"""Sentences of word numbers, padded with zeros, and an LSTM that passes over the padding."""

import numpy as np
import tensorflow as tf
from tensorflow.keras import layers

tf.keras.utils.set_random_seed(3)
rng = np.random.default_rng(3)

vocabulary, maxlen = 50, 12
sentences = np.zeros((160, maxlen), dtype="int32")
labels = np.zeros((160,), dtype="float32")
for row in range(160):
    length = rng.integers(3, maxlen + 1)
    words = rng.integers(1, vocabulary, size=length)
    sentences[row, :length] = words
    labels[row] = float((words < 25).mean() > 0.5)

model = tf.keras.Sequential()
model.add(layers.Embedding(vocabulary, 8, mask_zero=True, input_shape=(maxlen,)))
model.add(layers.SpatialDropout1D(0.1))
model.add(layers.LSTM(12, dropout=0.1))
model.add(layers.Dense(8, activation="relu"))
model.add(layers.Dense(1, activation="sigmoid"))
model.compile(loss="binary_crossentropy", optimizer=tf.keras.optimizers.Adam(1e-2), metrics=["accuracy"])
history = model.fit(
    sentences[:128], labels[:128], batch_size=32, epochs=4, validation_data=(sentences[128:], labels[128:]), verbose=0
)
print([round(value, 5) for value in history.history["loss"]])
print([round(value, 5) for value in history.history["val_loss"]])

embedded = model.layers[0](sentences[:2])
mask = model.layers[0].compute_mask(sentences[:2])
print(tuple(embedded.shape), np.asarray(mask).sum(axis=1))
print(model.predict(sentences[:5], verbose=0)[:, 0])

# The number of zeros at the end makes no difference.
longer = np.pad(sentences[:5], ((0, 0), (0, 4)))
print(np.abs(model(longer).detach().numpy() - model.predict(sentences[:5], verbose=0)).max() < 1e-5)
