"""A first classifier: three noisy clouds of points, a small network, a validation split."""

import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras.layers import Dense, Dropout
from tensorflow.keras.models import Sequential
from tensorflow.keras.utils import to_categorical

tf.keras.utils.set_random_seed(7)

rng = np.random.default_rng(7)
centres = rng.normal(scale=3.0, size=(3, 8))
labels = rng.integers(0, 3, size=300)
points = centres[labels] + rng.normal(scale=1.5, size=(300, 8))
x_train, y_train = points[:240], to_categorical(labels[:240], num_classes=3)
x_test, y_test = points[240:], to_categorical(labels[240:], num_classes=3)

model = Sequential()
model.add(Dense(32, activation="relu", input_shape=(8,)))
model.add(Dropout(0.2))
model.add(Dense(16, activation="tanh", kernel_initializer="he_normal"))
model.add(Dense(3, activation="softmax"))
model.summary()

model.compile(
    optimizer=keras.optimizers.Adam(learning_rate=0.01), loss="categorical_crossentropy", metrics=["accuracy"]
)
history = model.fit(x_train, y_train, epochs=6, batch_size=32, validation_split=0.2, verbose=2)

print("epochs", history.epoch)
for name, values in history.history.items():
    print(name, np.round(values, 5))
score = model.evaluate(x_test, y_test, verbose=0)
print("test loss:", score[0])
print("test accuracy:", score[1])
print("classes", np.argmax(model.predict(x_test[:10], verbose=0), axis=-1))
