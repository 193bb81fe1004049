"""Handwritten digits: a small convolutional network on scikit-learn's 8x8 images.

    python -m torchkeras examples/digits.py      on PyTorch, through torchkeras
    python examples/digits.py                    on TensorFlow and Keras, unchanged

Prints the model, the training, the accuracy on images it has not seen and a few predictions; draws digits_curve.png.
"""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from tensorflow import keras
from tensorflow.keras import layers

keras.utils.set_random_seed(7)

images, labels = load_digits(return_X_y=True)
images = (images.reshape(-1, 8, 8, 1) / 16.0).astype("float32")
x_train, x_test, y_train, y_test = train_test_split(images, labels, test_size=0.2, stratify=labels, random_state=7)

model = keras.Sequential(
    [
        keras.Input(shape=(8, 8, 1)),
        layers.Conv2D(16, 3, padding="same", use_bias=False),
        layers.BatchNormalization(momentum=0.9),
        layers.Activation("relu"),
        layers.MaxPooling2D(2),
        layers.Conv2D(32, 3, padding="same", activation="relu"),
        layers.Flatten(),
        layers.Dropout(0.3),
        layers.Dense(64, activation="relu"),
        layers.Dense(10, activation="softmax"),
    ],
    name="digits",
)
model.summary()

model.compile(
    optimizer=keras.optimizers.Adam(learning_rate=2e-3),
    loss="sparse_categorical_crossentropy",
    metrics=["accuracy"],
)
history = model.fit(x_train, y_train, batch_size=32, epochs=10, validation_split=0.1, verbose=1)

loss, accuracy = model.evaluate(x_test, y_test, verbose=0)
print(f"\nTest accuracy: {accuracy:.4f} (loss {loss:.4f}) on {len(x_test)} images")

print("\nimage  predicted  true  sure")
probabilities = model.predict(x_test[:8], verbose=0)
for index, row in enumerate(probabilities):
    print(f"{index:5d}  {np.argmax(row):9d}  {y_test[index]:4d}  {row.max():4.0%}")

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4))
epochs = [epoch + 1 for epoch in history.epoch]
for axis, name in ((left, "loss"), (right, "accuracy")):
    axis.plot(epochs, history.history[name], label="training")
    axis.plot(epochs, history.history[f"val_{name}"], label="validation")
    axis.set(xlabel="epoch", ylabel=name)
    axis.grid(alpha=0.3)
    axis.legend()
figure.suptitle(f"Handwritten digits: {accuracy:.1%} of the test images right")
figure.tight_layout()
figure.savefig("digits_curve.png", dpi=120)
print("\nLearning curve: digits_curve.png")
