"""A variational autoencoder of digits: a sampling layer with its own seed, the KL term by add_loss."""

import keras
import numpy as np
from keras import layers, ops
from sklearn.datasets import load_digits


class Sampling(layers.Layer):
    """Draws z by the mean and log variance that it gets, and charges for leaving the unit normal distribution."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.seed_generator = keras.random.SeedGenerator(1337)

    def call(self, inputs):
        z_mean, z_log_var = inputs
        batch = ops.shape(z_mean)[0]
        dim = ops.shape(z_mean)[1]
        epsilon = keras.random.normal(shape=(batch, dim), seed=self.seed_generator)
        kl_loss = -0.5 * (1 + z_log_var - ops.square(z_mean) - ops.exp(z_log_var))
        self.add_loss(0.1 * ops.mean(ops.sum(kl_loss, axis=1)))
        return z_mean + ops.exp(0.5 * z_log_var) * epsilon


class VariationalAutoEncoder(keras.Model):
    def __init__(self, original_dim, intermediate_dim=24, latent_dim=3, name="autoencoder", **kwargs):
        super().__init__(name=name, **kwargs)
        self.encoder = keras.Sequential([layers.Dense(intermediate_dim, activation="relu")], name="encoder")
        self.to_mean = layers.Dense(latent_dim, name="mean")
        self.to_log_var = layers.Dense(latent_dim, name="log_var")
        self.sampling = Sampling()
        self.decoder = keras.Sequential(
            [
                keras.Input((latent_dim,)),
                layers.Dense(intermediate_dim, activation="relu"),
                layers.Dense(original_dim, activation="sigmoid"),
            ],
            name="decoder",
        )

    def call(self, inputs):
        h = self.encoder(inputs)
        return self.decoder(self.sampling((self.to_mean(h), self.to_log_var(h))))


keras.utils.set_random_seed(37)
x = load_digits().data[:256].astype("float32") / 16
vae = VariationalAutoEncoder(64)
vae.compile(optimizer=keras.optimizers.Adam(learning_rate=1e-2), loss=keras.losses.MeanSquaredError(), metrics=["mae"])
history = vae.fit(x, x, epochs=3, batch_size=64, verbose=0)
print([round(value, 5) for value in history.history["loss"]], [round(value, 5) for value in history.history["mae"]])
print(len(vae.losses), round(float(vae.losses[0].detach()), 4))
print(vae.evaluate(x, x, verbose=0))
grid = vae.decoder.predict(np.array([[0.0, 0.0, 0.0], [1.0, -1.0, 0.5]]), verbose=0)
print(grid.reshape(2, 8, 8)[:, 3].round(4))
print(vae.count_params(), [layer.name for layer in vae.layers])

# The same as a functional model, the loss added from a tensor of the graph inside a layer.
inputs = keras.Input((64,))
h = layers.Dense(16, activation="relu")(inputs)
z = Sampling(name="z")([layers.Dense(2)(h), layers.Dense(2)(h)])
outputs = layers.Dense(64, activation="sigmoid")(z)
model = keras.Model(inputs, outputs)
model.compile("adam", loss="binary_crossentropy")
print([round(value, 5) for value in model.fit(x, x, epochs=2, batch_size=64, verbose=0).history["loss"]])
