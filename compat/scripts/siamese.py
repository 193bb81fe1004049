"""Pairs of digits through one shared network; a distance, and a loss that pulls pairs together or apart."""

import numpy as np
import tensorflow as tf
from sklearn.datasets import load_digits

keras = tf.keras
keras.utils.set_random_seed(79)
x, y = load_digits(n_class=4, return_X_y=True)
x = x[:120].reshape(-1, 8, 8, 1).astype("float32") / 16
y = y[:120]
rng = np.random.default_rng(79)
left, right = rng.integers(0, 120, 200), rng.integers(0, 120, 200)
same = (y[left] == y[right]).astype("float32")

embedding = keras.Sequential(
    [
        keras.layers.Conv2D(6, 3, activation="tanh", input_shape=(8, 8, 1)),
        keras.layers.AveragePooling2D(pool_size=2),
        keras.layers.Flatten(),
        keras.layers.Dense(5, activation="tanh"),
    ],
    name="embedding",
)
a, b = keras.Input((8, 8, 1), name="a"), keras.Input((8, 8, 1), name="b")


class Distance(keras.layers.Layer):
    def call(self, first, second):
        return keras.ops.sqrt(keras.ops.maximum(keras.ops.sum((first - second) ** 2, axis=1, keepdims=True), 1e-7))


distance = Distance()(embedding(a), embedding(b))
normalized = keras.layers.BatchNormalization()(distance)
outputs = keras.layers.Dense(1, activation="sigmoid")(normalized)
model = keras.Model(inputs=[a, b], outputs=outputs)


def contrastive(margin=1.0):
    def loss(y_true, y_pred):
        near = keras.ops.square(y_pred)
        far = keras.ops.square(keras.ops.maximum(margin - y_pred, 0))
        return keras.ops.mean((1 - y_true) * near + y_true * far)

    return loss


model.compile(loss=contrastive(), optimizer="rmsprop", metrics=["accuracy"])
history = model.fit([x[left], x[right]], same, batch_size=25, epochs=3, verbose=0)
print({key: np.round(values, 5).tolist() for key, values in history.history.items()})
print(model.evaluate([x[left], x[right]], same, verbose=0))
print(embedding.predict(x[:2], verbose=0), len(model.trainable_variables))
cosine = keras.layers.Dot(axes=1, normalize=True)([embedding(a), embedding(b)])
print(keras.Model([a, b], cosine).predict({"a": x[:3], "b": x[1:4]}, verbose=0).ravel())
