"""A base learned on some digits, frozen under a new head for others, then tuned with a small rate."""

import numpy as np
from sklearn.datasets import load_digits
from tensorflow import keras

keras.utils.set_random_seed(41)
images, labels = load_digits(return_X_y=True)
images = images.reshape(-1, 8, 8, 1).astype("float32") / 16.0
low, high = labels < 5, labels >= 5

base = keras.Sequential(
    [
        keras.layers.InputLayer(input_shape=(8, 8, 1)),
        keras.layers.Conv2D(8, 3, activation="relu"),
        keras.layers.BatchNormalization(),
        keras.layers.Conv2D(12, 3, activation="relu"),
        keras.layers.GlobalAveragePooling2D(),
    ],
    name="base",
)
first = keras.Sequential([base, keras.layers.Dense(5)])
first.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
print(np.round(first.fit(images[low][:200], labels[low][:200], epochs=2, verbose=0).history["loss"], 5))

base.trainable = False
inputs = keras.Input(shape=(8, 8, 1))
x = base(inputs, training=False)
x = keras.layers.Dropout(0.2)(x)
outputs = keras.layers.Dense(5, activation="softmax")(x)
model = keras.Model(inputs, outputs)
model.summary(show_trainable=True)
print(len(model.weights), len(model.trainable_weights), len(model.non_trainable_weights))
frozen = base.get_weights()
model.compile(optimizer=keras.optimizers.Adam(0.02), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
x_new, y_new = images[high][:200], labels[high][:200] - 5
history = model.fit(x_new, y_new, epochs=3, verbose=0)
print(np.round(history.history["loss"], 5))
print(all(np.array_equal(a, b) for a, b in zip(frozen, base.get_weights())))

base.trainable = True
for layer in base.layers:
    if isinstance(layer, keras.layers.BatchNormalization):
        layer.trainable = False
print(len(model.trainable_weights), [layer.trainable for layer in base.layers])
model.compile(optimizer=keras.optimizers.Adam(1e-3), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
history = model.fit(x_new, y_new, epochs=2, verbose=0)
print(np.round(history.history["loss"], 5))
print(model.evaluate(x_new, y_new, verbose=0))
print([bool(np.array_equal(a, b)) for a, b in zip(frozen, base.get_weights())])
