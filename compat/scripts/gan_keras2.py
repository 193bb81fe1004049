"""Two networks against each other: points on a circle, made from noise. The critic is frozen once, as compiled."""

import numpy as np
import tensorflow.keras as keras
from tensorflow.keras.layers import BatchNormalization, Dense, Dropout, Input, LeakyReLU
from tensorflow.keras.models import Model, Sequential
from tensorflow.keras.optimizers import Adam

keras.utils.set_random_seed(31)
noise_dim, batch = 4, 32

discriminator = Sequential(name="discriminator")
discriminator.add(Dense(16, input_dim=2))
discriminator.add(LeakyReLU(alpha=0.2))
discriminator.add(Dropout(0.3))
discriminator.add(Dense(8))
discriminator.add(LeakyReLU(alpha=0.2))
discriminator.add(Dense(1, activation="sigmoid"))
discriminator.compile(loss="binary_crossentropy", optimizer=Adam(lr=0.002, beta_1=0.5), metrics=["accuracy"])

generator = Sequential(name="generator")
generator.add(Dense(16, input_shape=(noise_dim,)))
generator.add(LeakyReLU(alpha=0.2))
generator.add(BatchNormalization(momentum=0.8))
generator.add(Dense(2, activation="tanh"))

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

    d_loss_real = discriminator.train_on_batch(points, real)
    d_loss_fake = discriminator.train_on_batch(made, fake)
    before = discriminator.get_weights()
    g_loss = gan.train_on_batch(np.random.normal(0, 1, (batch, noise_dim)), real)
    after = discriminator.get_weights()
    assert all(np.array_equal(a, b) for a, b in zip(before, after))
    if step % 4 == 3:
        print(step, np.round(d_loss_real, 5), np.round(d_loss_fake, 5), np.round(g_loss, 5))
print(generator.predict(np.ones((2, noise_dim)), verbose=0))
print(sum(np.abs(weight).sum() for weight in discriminator.get_weights()))
