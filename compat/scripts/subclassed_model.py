"""A model as a class: layers made in the constructor, a block of layers in a list, a call with training and mask."""

import keras
import numpy as np
from keras import layers


class Linear(layers.Layer):
    def __init__(self, units=32, use_bias=True, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.use_bias = use_bias

    def build(self, input_shape):
        self.w = self.add_weight(shape=(input_shape[-1], self.units), initializer="random_normal", trainable=True)
        if self.use_bias:
            self.b = self.add_weight(shape=(self.units,), initializer="zeros", trainable=True, name="bias")
        self.calls = self.add_weight(shape=(), initializer="zeros", dtype="int32", trainable=False, name="calls")

    def call(self, inputs):
        self.calls.assign_add(1)
        y = keras.ops.matmul(inputs, self.w)
        return y + self.b if self.use_bias else y


class Block(layers.Layer):
    def __init__(self, widths, **kwargs):
        super().__init__(**kwargs)
        self.denses = [Linear(width) for width in widths]
        self.norms = {"first": layers.BatchNormalization(), "last": layers.LayerNormalization()}

    def call(self, x, training=None):
        x = self.norms["first"](x, training=training)
        for dense in self.denses:
            x = keras.activations.gelu(dense(x))
        self.add_loss(1e-3 * keras.ops.sum(x**2) / keras.ops.cast(keras.ops.shape(x)[0], x.dtype))
        return self.norms["last"](x)


class Classifier(keras.Model):
    def __init__(self, classes=3):
        super().__init__()
        self.block = Block([10, 8])
        self.dropout = layers.Dropout(0.3)
        self.head = layers.Dense(classes)
        self.classes = classes

    def call(self, inputs, training=False):
        x = self.block(inputs, training=training)
        if training:
            x = self.dropout(x, training=training)
        return keras.ops.softmax(self.head(x))

    def get_config(self):
        return {"classes": self.classes}


keras.utils.set_random_seed(83)
x = np.random.normal(size=(90, 6))
y = np.random.randint(0, 3, size=(90,))
model = Classifier()
print(model.built, model.name)
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
history = model.fit(x, y, batch_size=30, epochs=3, verbose=0)
print({key: np.round(values, 5).tolist() for key, values in history.history.items()})
print(model.count_params(), [layer.name for layer in model.layers])
print([weight.path for weight in model.weights])
print([len(part) for part in (model.trainable_weights, model.non_trainable_weights, model.variables, model.losses)])
print(int(np.array(model.block.denses[0].calls)))
print(model.predict(x[:2], verbose=0), model(x[:2]).shape)
other = Classifier.from_config(model.get_config())
other(x[:1])
other.set_weights(model.get_weights())
print(np.abs(other.predict(x, verbose=0) - model.predict(x, verbose=0)).max())
model.block.trainable = False
print(len(model.trainable_weights))
