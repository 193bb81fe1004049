"""Two networks against each other: points on a circle, made from noise. The critic is frozen by hand."""

import keras
import numpy as np
from keras.layers import BatchNormalization, Dense, Dropout, Input, LeakyReLU
from keras.models import Model, Sequential
from keras.optimizers import Adam

keras.utils.set_random_seed(31)
noise_dim, batch = 4, 32

discriminator = Sequential(
    [Input((2,)), Dense(16), LeakyReLU(0.2), Dropout(0.3), Dense(8), LeakyReLU(0.2), Dense(1, activation="sigmoid")],
    name="discriminator",
)
discriminator.compile(loss="binary_crossentropy", optimizer=Adam(0.002, 0.5), metrics=["accuracy"])

generator = Sequential(
    [Input((noise_dim,)), Dense(16), LeakyReLU(0.2), BatchNormalization(momentum=0.8), Dense(2, activation="tanh")],
    name="generator",
)

discriminator.trainable = False
z = Input(shape=(noise_dim,))
gan = Model(z, discriminator(generator(z)))
gan.compile(loss="binary_crossentropy", optimizer=Adam(0.002, 0.5))

real, fake = np.ones((batch, 1)), np.zeros((batch, 1))
for step in range(12):
    angles = np.random.uniform(0, 2 * np.pi, batch)
    points = 0.8 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    noise = np.random.normal(0, 1, (batch, noise_dim))
    made = generator.predict(noise, verbose=0)

    discriminator.trainable = True
    d_loss_real = discriminator.train_on_batch(points, real)
    d_loss_fake = discriminator.train_on_batch(made, fake)
    discriminator.trainable = False
    before = discriminator.get_weights()
    g_loss = gan.train_on_batch(np.random.normal(0, 1, (batch, noise_dim)), real)
    after = discriminator.get_weights()
    assert all(np.array_equal(a, b) for a, b in zip(before, after))
    if step % 4 == 3:
        print(step, np.round(d_loss_real, 5), np.round(d_loss_fake, 5), np.round(g_loss, 5))
print(generator.predict(np.ones((2, noise_dim)), verbose=0))
print(sum(np.abs(weight).sum() for weight in discriminator.get_weights()))
