"""Models as text and back, clones, and weights carried from one to another."""

import json

import keras
import numpy as np
from keras import layers

keras.utils.set_random_seed(53)


def build():
    inputs = keras.Input((4,), name="features")
    shared = layers.Dense(5, activation="swish", name="shared", kernel_regularizer="l2")
    a = shared(inputs)
    b = shared(inputs * 2.0)
    joined = layers.Concatenate(name="joined")([a, b])
    extra = layers.Subtract()([layers.Dense(3)(joined), layers.Dense(3, use_bias=False)(joined)])
    return keras.Model(
        inputs, [layers.Dense(1, name="first")(extra), layers.Softmax(name="second")(extra)], name="twin"
    )


model = build()
x = np.random.normal(size=(5, 4)).astype("float32")
first, second = model.predict(x, verbose=0)
print(first.ravel(), second[0])

text = model.to_json()
parsed = json.loads(text)
print(parsed["class_name"], parsed["config"]["name"], [layer["class_name"] for layer in parsed["config"]["layers"]])
again = keras.models.model_from_json(text)
print(again.name, [layer.name for layer in again.layers])
again.set_weights(model.get_weights())
print(np.abs(again.predict(x, verbose=0)[0] - first).max())

clone = keras.models.clone_model(model)
print([np.array_equal(a, b) for a, b in zip(clone.get_weights(), model.get_weights())])
for source, target in zip(model.layers, clone.layers):
    target.set_weights(source.get_weights())
print(np.abs(clone.predict(x, verbose=0)[1] - second).max())

from_config = keras.Model.from_config(model.get_config())
print(from_config.count_params(), model.count_params())


def wider(layer):
    config = layer.get_config()
    if isinstance(layer, layers.Dense) and layer.name == "shared":
        config["activation"] = "relu"
    return layer.__class__.from_config(config)


print(
    [round(float(v), 5) for v in keras.models.clone_model(model, clone_function=wider).predict(x, verbose=0)[0].ravel()]
)

sequential = keras.Sequential([layers.Dense(3, activation="relu"), layers.Dense(2)])
print(sequential.built, len(sequential.weights))
sequential.build((None, 4))
print([weight.path for weight in sequential.weights])
sequential.pop()
sequential.add(layers.Dense(1, kernel_initializer=keras.initializers.Constant(0.5)))
print(sequential(x).shape, float(np.array(sequential(x).detach()).sum()))
restored = keras.Sequential.from_config(sequential.get_config())
print([layer.name for layer in restored.layers], restored.built)

layer = layers.Dense(2, name="probe")
layer.build((None, 4))
kernel, bias = layer.get_weights()
layer.set_weights([np.ones_like(kernel), bias + 1])
print(np.array(layer(x).detach())[0], layer.get_config()["kernel_initializer"]["class_name"])

# A part of a model, by the names of its layers.
part = keras.Model(inputs=model.input, outputs=model.get_layer("joined").output)
print(part.predict(x[:1], verbose=0), part.output_shape, model.get_layer(index=1).name)
average = [np.mean([a, b], axis=0) for a, b in zip(model.get_weights(), build().get_weights())]
model.set_weights(average)
print(model.predict(x[:1], verbose=0)[0])
