"""Attention written out with keras.ops in the functional API, beside the built-in layer."""

import keras
import numpy as np
from keras import layers, ops

keras.utils.set_random_seed(61)
steps, width, heads = 6, 8, 2

inputs = keras.Input(shape=(steps, width))
query = layers.Dense(width, name="query")(inputs)
key = layers.Dense(width, name="key")(inputs)
value = layers.EinsumDense("btd,dhk->bthk", output_shape=(None, heads, width // heads), name="value")(inputs)


def split(tensor):
    return ops.reshape(tensor, (-1, steps, heads, width // heads))


scores = ops.einsum("bthk,bshk->bhts", split(query), split(key)) / np.sqrt(width // heads)
causal = ops.tril(ops.ones((steps, steps), dtype="bool"))
scores = ops.where(causal, scores, -1e9)
weights = ops.softmax(scores, axis=-1)
mixed = ops.einsum("bhts,bshk->bthk", weights, value)
mixed = ops.reshape(mixed, (-1, steps, width))
hidden = layers.LayerNormalization()(inputs + mixed)
pooled = ops.concatenate([ops.mean(hidden, axis=1), ops.max(hidden, axis=1), hidden[:, -1]], axis=-1)
outputs = layers.Dense(1)(ops.relu(pooled))
model = keras.Model(inputs, {"y": outputs, "weights": weights})
print(len(model.layers), model.output_shape, pooled.shape)

x = np.random.normal(size=(64, steps, width)).astype("float32")
y = x[:, :, 0].max(axis=1, keepdims=True)
print(model.predict(x[:1], verbose=0)["weights"][0, 0].round(4))

trained = keras.Model(inputs, outputs)
trained.compile("adam", "mse")
print(np.round(trained.fit(x, y, epochs=3, batch_size=16, verbose=0).history["loss"], 5))
print(model(x[:2])["y"].shape, float(ops.sum(model(x)["weights"])))

copy = keras.Model.from_config(trained.get_config())
copy.set_weights(trained.get_weights())
print(float(np.abs(copy.predict(x, verbose=0) - trained.predict(x, verbose=0)).max()))

# A few operations on plain tensors.
a = ops.convert_to_tensor([[3.0, 1.0, 2.0], [0.5, 4.0, -1.0]])
print(ops.top_k(a, 2)[0], ops.argsort(a, axis=-1), ops.logsumexp(a, axis=1))
print(ops.one_hot([0, 2], 3), ops.norm(a), ops.cumsum(a, axis=1), ops.expand_dims(a, 0).shape)
print(ops.stack(ops.unstack(a, axis=1)), ops.take_along_axis(a, ops.argmax(a, axis=1, keepdims=True), axis=1))
print(ops.scan(lambda carry, v: (carry + v, carry * v), ops.zeros((2,)), ops.transpose(a)))
print(ops.moments(a, axes=[0]), ops.linspace(0, 1, 4), ops.pad(a, [[0, 0], [1, 1]]), ops.slice(a, (0, 1), (2, 2)))
