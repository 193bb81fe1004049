"""Handwritten digits of 8 by 8 pixels and a small convolutional network, channels last."""

import keras
import numpy as np
from keras import layers
from sklearn.datasets import load_digits

keras.utils.set_random_seed(1)
images, labels = load_digits(return_X_y=True)
images = images.reshape(-1, 8, 8, 1).astype("float32") / 16
x_train, y_train, x_val, y_val = images[:400], labels[:400], images[400:500], labels[400:500]

model = keras.Sequential(
    [
        keras.Input(shape=(8, 8, 1)),
        layers.Conv2D(8, kernel_size=(3, 3), activation="relu"),
        layers.Conv2D(16, 3, padding="same", strides=1, use_bias=False),
        layers.BatchNormalization(),
        layers.Activation("relu"),
        layers.MaxPooling2D(pool_size=(2, 2)),
        layers.Flatten(),
        layers.Dropout(0.25),
        layers.Dense(10),
    ],
    name="digits",
)
model.summary()
model.compile(
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    optimizer=keras.optimizers.Adam(learning_rate=3e-3),
    metrics=[
        keras.metrics.SparseCategoricalAccuracy(name="acc"),
        keras.metrics.SparseTopKCategoricalAccuracy(k=3, name="top3"),
    ],
)
history = model.fit(x_train, y_train, batch_size=64, epochs=3, validation_data=(x_val, y_val), verbose=0)
for name in sorted(history.history):
    print(name, [round(float(value), 5) for value in history.history[name]])

print(model.evaluate(x_val, y_val, verbose=0, return_dict=True))
features = keras.Model(inputs=model.inputs, outputs=model.layers[3].output)
maps = features.predict(x_val[:2], verbose=0)
print(maps.shape, float(maps.mean()), float(maps.max()))
print("moving mean", np.round(model.layers[2].get_weights()[2], 5))
