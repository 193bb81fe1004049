"""A denoising autoencoder, its code for a classifier; rare classes and doubtful samples are weighted."""

import numpy as np
from sklearn.datasets import load_digits
from tensorflow.keras import Input, Model, Sequential, layers, losses, optimizers, utils

utils.set_random_seed(59)
digits = load_digits()
x = (digits.data[:300] / 16.0).astype("float32")
y = digits.target[:300]
noisy = np.clip(x + np.random.normal(scale=0.2, size=x.shape), 0.0, 1.0)

encoder_input = Input(shape=(64,), name="image")
code = layers.Dense(32, activation="relu")(encoder_input)
code = layers.Dense(8, activation="linear", activity_regularizer="l1", name="code")(code)
decoder_layer = layers.Dense(32, activation="relu")(code)
decoder_output = layers.Dense(64, activation="sigmoid")(decoder_layer)
autoencoder = Model(encoder_input, decoder_output)
encoder = Model(encoder_input, code)

autoencoder.compile(optimizer="adam", loss=losses.MeanSquaredError())
trust = np.linspace(0.2, 1.0, len(x))
history = autoencoder.fit(
    noisy, x, sample_weight=trust, epochs=3, batch_size=50, validation_data=(noisy[:50], x[:50], trust[:50]), verbose=0
)
print(np.round(history.history["loss"], 5), np.round(history.history["val_loss"], 5))
codes = encoder.predict(x, batch_size=100, verbose=0)
print(codes.shape, codes[0].round(4))

classifier = Sequential([Input((8,)), layers.LayerNormalization(), layers.Dense(10)])
classifier.compile(
    optimizer=optimizers.SGD(0.1), loss=losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy"], weighted_metrics=["sparse_categorical_crossentropy"],
)  # fmt: skip
weights = {digit: 1.0 + (digit % 3) for digit in range(10)}
history = classifier.fit(codes, y, class_weight=weights, epochs=3, verbose=0)
print({key: np.round(values, 5).tolist() for key, values in history.history.items()})
print(classifier.evaluate(codes, y, sample_weight=trust, verbose=0))
print(classifier.train_on_batch(codes[:20], y[:20], class_weight={1: 3.0}))
print(classifier.test_on_batch(codes[:20], y[:20], sample_weight=trust[:20]))
