"""Half precision: a policy for everything, one layer that stays in float32, a scaled loss."""

import keras
import numpy as np
from keras import layers

keras.utils.set_random_seed(71)
keras.mixed_precision.set_global_policy("mixed_bfloat16")
policy = keras.mixed_precision.global_policy()
print(policy.name, policy.compute_dtype, policy.variable_dtype)

inputs = keras.Input(shape=(20,), name="digits")
x = layers.Dense(32, activation="relu", name="dense_1")(inputs)
x = layers.Dense(32, activation="relu", name="dense_2")(x)
print(x.dtype, model_dtype := layers.Dense(1).dtype, layers.Dense(1).compute_dtype)
x = layers.Dense(4, name="dense_logits")(x)
outputs = layers.Activation("softmax", dtype="float32", name="predictions")(x)
model = keras.Model(inputs=inputs, outputs=outputs)
print([(layer.name, layer.dtype_policy.name) for layer in model.layers])
print({keras.backend.standardize_dtype(weight.dtype) for weight in model.weights}, outputs.dtype)
model.compile(loss="sparse_categorical_crossentropy", optimizer=keras.optimizers.RMSprop(), metrics=["accuracy"])

x_train = np.random.normal(size=(128, 20)).astype("float32")
y_train = x_train[:, :4].argmax(axis=1)
history = model.fit(x_train, y_train, batch_size=64, epochs=2, verbose=0)
print([round(value, 2) for value in history.history["loss"]])
print(model.predict(x_train[:2], verbose=0).dtype)

keras.config.set_dtype_policy("float32")
optimizer = keras.mixed_precision.LossScaleOptimizer(keras.optimizers.SGD(0.1), initial_scale=256.0)
model = keras.Sequential([keras.Input((20,)), layers.Dense(4)])
model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
print(
    np.round(model.fit(x_train, y_train, epochs=2, verbose=0).history["loss"], 5),
    float(np.array(optimizer.dynamic_scale)),
)
half = layers.Dense(3, dtype="mixed_float16")
print(half(x_train[:2]).dtype, keras.mixed_precision.dtype_policy().name)
doubled = layers.Dense(3, dtype="float64")
print(doubled(x_train[:2]).dtype)
keras.backend.set_floatx("float64")
print(layers.Dense(2).dtype, keras.ops.ones((1,)).dtype)
