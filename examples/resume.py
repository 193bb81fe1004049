"""Files: a training is saved in the middle and goes on where it stopped; its first layers serve another model.

    python -m torchkeras examples/resume.py      on PyTorch, through torchkeras
    python examples/resume.py                    on Keras, unchanged

Prints the losses of one training in a piece and of one that was interrupted, and the accuracy of the second model.
"""

import os

import keras
import numpy as np
from keras import layers
from sklearn.datasets import load_iris

keras.utils.set_random_seed(3)
x, y = load_iris(return_X_y=True)
x = ((x - x.mean(0)) / x.std(0)).astype("float32")


@keras.saving.register_keras_serializable(package="resume")
class Scale(layers.Layer):
    """A layer of one's own: found again in the file by its registered name."""

    def __init__(self, start=1.0, **kwargs):
        super().__init__(**kwargs)
        self.start = start

    def build(self, input_shape):
        value = keras.initializers.Constant(self.start)
        self.factor = self.add_weight(shape=(input_shape[-1],), initializer=value, name="factor")

    def call(self, inputs):
        return inputs * self.factor

    def get_config(self):
        return {**super().get_config(), "start": self.start}


def classifier():
    inputs = keras.Input((4,))
    hidden = layers.Dense(16, activation="tanh", name="features")(Scale(0.5)(inputs))
    return keras.Model(inputs, layers.Dense(3, activation="softmax", name="classes")(hidden))


def train(model, epochs):
    return model.fit(x, y, batch_size=30, epochs=epochs, shuffle=False, verbose=0).history["loss"]


model = classifier()
model.compile(keras.optimizers.Adam(0.02), "sparse_categorical_crossentropy", metrics=["accuracy"])
train(model, 5)
model.save("resume.keras")
model.save_weights("resume.weights.h5")
whole = train(model, 10)

again = keras.models.load_model("resume.keras")  # with what the optimizer had gathered
resumed = train(again, 10)
print("in a piece: ", " ".join(f"{loss:.4f}" for loss in whole))
print("interrupted:", " ".join(f"{loss:.4f}" for loss in resumed))
print(f"Largest difference: {np.abs(np.subtract(whole, resumed)).max():.1e}")

fresh = classifier()
fresh.load_weights("resume.weights.h5")
features = keras.Model(fresh.input, fresh.get_layer("features").output)
features.trainable = False
head = keras.Sequential([keras.Input((4,)), features, layers.Dense(3, activation="softmax")])
head.compile(keras.optimizers.Adam(0.05), "sparse_categorical_crossentropy", metrics=["accuracy"])
head.fit(x, y, epochs=20, verbose=0)
print(f"Accuracy on features of the first: {head.evaluate(x, y, verbose=0)[1]:.2f}")

for name in ("resume.keras", "resume.weights.h5"):
    os.remove(name)
