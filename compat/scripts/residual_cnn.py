"""A small residual network on digits: blocks as functions, shortcuts with Add, weight decay."""

import keras
import numpy as np
from keras import layers, regularizers
from sklearn.datasets import load_digits

keras.utils.set_random_seed(13)
x, y = load_digits(return_X_y=True)
x = x[:256].reshape(-1, 8, 8, 1) / 16.0
y = y[:256]


def conv_bn(tensor, filters, strides=1, activation="relu", name=None):
    tensor = layers.Conv2D(
        filters, 3, strides=strides, padding="same", use_bias=False, kernel_initializer="he_normal",
        kernel_regularizer=regularizers.l2(1e-3), name=name and f"{name}_conv",
    )(tensor)  # fmt: skip
    tensor = layers.BatchNormalization(momentum=0.9, name=name and f"{name}_bn")(tensor)
    return layers.Activation(activation)(tensor) if activation else tensor


def block(tensor, filters, strides=1, name=None):
    shortcut = tensor
    out = conv_bn(tensor, filters, strides, name=f"{name}_1")
    out = conv_bn(out, filters, activation=None, name=f"{name}_2")
    if strides != 1 or shortcut.shape[-1] != filters:
        shortcut = layers.Conv2D(filters, 1, strides=strides, name=f"{name}_shortcut")(shortcut)
    return layers.ReLU()(layers.Add()([out, shortcut]))


inputs = keras.Input((8, 8, 1))
h = conv_bn(inputs, 8, name="stem")
h = block(h, 8, name="a")
h = block(h, 12, strides=2, name="b")
h = layers.GlobalAveragePooling2D()(h)
outputs = layers.Dense(10, activation="softmax")(h)
model = keras.Model(inputs, outputs, name="residual")
model.summary()
print(model.count_params(), len(model.layers), len(model.trainable_weights), len(model.losses))

model.compile(
    optimizer=keras.optimizers.SGD(0.05, momentum=0.9, nesterov=True),
    loss="sparse_categorical_crossentropy",
    metrics=["accuracy"],
)
history = model.fit(x, y, batch_size=64, epochs=2, validation_split=0.25, verbose=0)
print({key: np.round(value, 4).tolist() for key, value in history.history.items()})
print("weight decay", float(sum(model.losses)))
print(model.get_layer("stem_bn").moving_variance.numpy())
