"""A first classifier: three noisy clouds of points, a small network, a validation split."""

import numpy as np
import tensorflow as tf
from tensorflow.python.keras.layers import Dense, Dropout
from tensorflow.python.keras.models import Sequential
from tensorflow.python.keras.optimizers import Adam
from tensorflow.python.keras.utils import to_categorical

tf.keras.utils.set_random_seed(7)

rng = np.random.default_rng(7)
centres = rng.normal(scale=3.0, size=(3, 8))
labels = rng.integers(0, 3, size=300)
points = centres[labels] + rng.normal(scale=1.5, size=(300, 8))
x_train, y_train = points[:240], to_categorical(labels[:240], num_classes=3)
x_test, y_test = points[240:], to_categorical(labels[240:], num_classes=3)

model = Sequential()
model.add(Dense(32, input_dim=8, activation="relu"))
model.add(Dropout(rate=0.2))
model.add(Dense(16, activation=tf.keras.activations.tanh, kernel_initializer="he_normal"))
model.add(Dense(3, activation="softmax"))
model.summary()

model.compile(Adam(lr=0.01), "categorical_crossentropy", ["accuracy"])
history = model.fit(x_train, y_train, epochs=6, batch_size=32, validation_split=0.2, verbose=2, workers=1)

print("epochs", history.epoch)
for name, values in history.history.items():
    print(name, np.round(values, 5))
score = model.evaluate(x_test, y_test, verbose=0)
print("test loss:", score[0])
print("test accuracy:", score[1])
print("classes", model.predict_classes(x_test[:10], verbose=0))
