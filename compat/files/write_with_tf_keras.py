"""Writes the files that models of tf.keras 2 leave behind, with what they predict and how they train on.

Run by hand with a Python that has tf_keras 2.21: `python compat/files/write_with_tf_keras.py [NAME...]`. Tests only
read what it wrote, `compat/files/tf_keras/NAME.tar.xz` with

    model.h5, model.keras, weights.h5 (the old layout), new.weights.h5, model.json, arrays.npz

(one that tf.keras cannot write is missing). `arrays.npz` has the inputs `x`, targets `y`, predictions `p` (members of
lists as `x/0`, of dicts as `x/left`) and `losses`, those of the steps that the same model took after it was saved, on
the same batch. Some readers of tf.keras itself lose the state of the optimizer; the script says so.
"""

import os
import sys
import tarfile
import tempfile

os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="", TF_USE_LEGACY_KERAS="1")

import numpy as np
import tensorflow as tf
import tf_keras as keras
from tf_keras import layers

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "tf_keras")
STEPS_BEFORE, STEPS_AFTER = 3, 4
MODELS = {}

new, legacy = keras.optimizers, keras.optimizers.legacy


def model(function):
    MODELS[function.__name__] = function
    return function


def numbers(*shape):
    return np.random.default_rng(sum(shape)).normal(size=shape).astype("float32")


def classes(count, *shape):
    return np.random.default_rng(count).integers(0, count, shape).astype("int32")


# -- one small model for each optimizer -------------------------------------------------------------------------------

OPTIMIZERS = {
    "adam": lambda: new.Adam(0.01),
    "adam_amsgrad": lambda: new.Adam(0.01, amsgrad=True, clipnorm=1.0),
    "adam_averages": lambda: new.Adam(0.01, use_ema=True, ema_momentum=0.9),
    "adam_schedule": lambda: new.Adam(keras.optimizers.schedules.ExponentialDecay(0.05, 2, 0.5)),
    "adamw": lambda: new.AdamW(0.01),
    "adamax": lambda: new.Adamax(0.01),
    "adadelta": lambda: new.Adadelta(0.5),
    "adafactor": lambda: new.Adafactor(0.01),
    "adagrad": lambda: new.Adagrad(0.05),
    "ftrl": lambda: new.Ftrl(0.05),
    "lion": lambda: new.Lion(0.01),
    "nadam": lambda: new.Nadam(0.01),
    "rmsprop": lambda: new.RMSprop(0.01),
    "rmsprop_centered": lambda: new.RMSprop(0.01, centered=True, momentum=0.5),
    "sgd": lambda: new.SGD(0.05),
    "sgd_momentum": lambda: new.SGD(0.05, momentum=0.9, nesterov=True),
    "legacy_adam": lambda: legacy.Adam(0.01),
    "legacy_adam_amsgrad": lambda: legacy.Adam(0.01, amsgrad=True, decay=0.1),
    "legacy_adamax": lambda: legacy.Adamax(0.01),
    "legacy_adadelta": lambda: legacy.Adadelta(0.5),
    "legacy_adagrad": lambda: legacy.Adagrad(0.05),
    "legacy_ftrl": lambda: legacy.Ftrl(0.05),
    "legacy_nadam": lambda: legacy.Nadam(0.01),
    "legacy_rmsprop": lambda: legacy.RMSprop(0.01),
    "legacy_rmsprop_centered": lambda: legacy.RMSprop(0.01, centered=True, momentum=0.5),
    "legacy_sgd": lambda: legacy.SGD(0.05),
    "legacy_sgd_momentum": lambda: legacy.SGD(0.05, momentum=0.9, nesterov=True, decay=0.1, clipvalue=0.5),
}


def _with_optimizer(make):
    def build():
        m = keras.Sequential([layers.Dense(3, activation="tanh", input_shape=(3,)), layers.Dense(2)])
        m.compile(make(), "mse")
        return m, numbers(6, 3), numbers(6, 2)

    return build


MODELS.update({f"optimizer_{name}": _with_optimizer(make) for name, make in OPTIMIZERS.items()})


# -- forms of models --------------------------------------------------------------------------------------------------


@model
def dense():
    m = keras.Sequential(
        [
            layers.Dense(4, activation="relu", input_shape=(3,), kernel_regularizer="l2", name="first"),
            layers.Dropout(0.0),
            layers.Dense(2, activation="softmax", kernel_initializer=keras.initializers.HeNormal(seed=3)),
        ],
        name="stack",
    )
    m.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    return m, numbers(6, 3), np.eye(2, dtype="float32")[classes(2, 6)]


@model
def cnn():
    m = keras.Sequential(
        [
            keras.Input((6, 6, 2)),
            layers.Conv2D(3, 3, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.Activation("relu"),
            layers.MaxPooling2D(),
            layers.ZeroPadding2D(1),
            layers.AveragePooling2D(2, strides=1, padding="valid"),
            layers.UpSampling2D(2, interpolation="bilinear"),
            layers.GlobalAveragePooling2D(),
            layers.Flatten(),
            layers.Dense(3, activation="softmax"),
        ]
    )
    m.compile(new.SGD(0.1, momentum=0.9), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return m, numbers(5, 6, 6, 2), classes(3, 5)


@model
def several_inputs_and_outputs():
    left, right = keras.Input((3,), name="left"), keras.Input((2,), name="right")
    joined = layers.concatenate([layers.Dense(3, activation="relu")(left), right])
    score = layers.Dense(1, activation="sigmoid", name="score")(joined)
    kind = layers.Dense(3, activation="softmax", name="kind")(joined)
    m = keras.Model({"left": left, "right": right}, {"score": score, "kind": kind})
    m.compile(
        "rmsprop",
        {"score": "binary_crossentropy", "kind": "sparse_categorical_crossentropy"},
        loss_weights={"score": 1.0, "kind": 0.5},
        metrics={"kind": ["accuracy"], "score": [keras.metrics.AUC(num_thresholds=5), "mse"]},
    )
    x = {"left": numbers(6, 3), "right": numbers(6, 2)}
    return m, x, {"score": classes(2, 6, 1), "kind": classes(3, 6, 1)}


@model
def lists_of_inputs_and_outputs():
    left, right = keras.Input((3,)), keras.Input((3,))
    shared = layers.Dense(3, activation="tanh")
    a, b = shared(left), shared(right)
    outputs = [layers.Add()([a, b]), layers.Dot(1, normalize=True)([a, b]), layers.Subtract()([left, b])]
    m = keras.Model([left, right], outputs)
    m.compile(
        new.Adam(0.01), ["mse", keras.losses.MeanAbsoluteError(), keras.losses.Huber(0.5)], loss_weights=[1.0, 0.5, 2.0]
    )
    return m, [numbers(6, 3), numbers(3, 6).reshape(6, 3)], [numbers(6, 3), numbers(6, 1), numbers(6, 3)]


@model
def nested_in_sequential():
    inputs = keras.Input((3,), name="inner_in")
    inner = keras.Model(inputs, layers.BatchNormalization()(layers.Dense(4, activation="relu")(inputs)), name="inner")
    deeper = keras.Sequential([layers.Dense(3, activation="elu", input_shape=(4,)), layers.Dense(3)], name="deeper")
    m = keras.Sequential([keras.Input((3,)), inner, deeper, layers.Dense(1)])
    m.compile(new.Adam(0.01), "mse")
    return m, numbers(6, 3), numbers(6, 1)


@model
def nested_called_twice():
    inputs = keras.Input((3,))
    inner = keras.Model(inputs, layers.Dense(2, name="inner_dense")(inputs), name="inner")
    stack = keras.Sequential([layers.Dense(3, input_shape=(3,), name="stack_dense")], name="stack")
    left, right = keras.Input((3,), name="left"), keras.Input((3,), name="right")
    joined = layers.concatenate([inner(stack(left)), inner(right), inner(stack(right))])
    m = keras.Model([left, right], [layers.Dense(1)(joined), inner(left)])
    m.compile(new.SGD(0.05), "mse")
    return m, [numbers(6, 3), numbers(3, 6).reshape(6, 3)], [numbers(6, 1), numbers(6, 2)]


@model
def without_input():  # the shape comes from the data
    m = keras.Sequential([layers.Dense(3, activation="relu"), layers.BatchNormalization(), layers.Dense(2)])
    m.compile(new.Adam(0.01), keras.losses.MeanSquaredError(), metrics=[keras.metrics.MeanAbsoluteError(name="mae")])
    return m, numbers(6, 3), numbers(6, 2)


@model
def stateful():
    m = keras.Sequential(
        [
            layers.LSTM(3, stateful=True, return_sequences=True, batch_input_shape=(2, 4, 2)),
            layers.Bidirectional(layers.GRU(2), backward_layer=layers.GRU(3, go_backwards=True), merge_mode="concat"),
        ]
    )
    return m, numbers(2, 4, 2), None


def _partly_frozen(whole):
    inputs = keras.Input((3,))
    x = layers.BatchNormalization(name="bn")(layers.Dense(3, name="frozen_dense", trainable=False)(inputs))
    inner = keras.Model(inputs, layers.Dense(3, name="inner_out")(x), name="inner")
    inner.trainable = not whole
    if not whole:
        inner.get_layer("frozen_dense").trainable = False
    outer = keras.Input((3,))
    m = keras.Model(outer, layers.Dense(1, name="head")(inner(outer)))
    m.compile(new.Adam(0.01), "mse")
    return m, numbers(6, 3), numbers(6, 1)


MODELS["partly_frozen"] = lambda: _partly_frozen(False)
MODELS["inner_frozen"] = lambda: _partly_frozen(True)


@model
def slashes_in_names():
    inputs = keras.Input((4,), dtype="int32", name="a/b")
    x = layers.Embedding(6, 3, name="table/of/words")(inputs)
    m = keras.Model(inputs, layers.Dense(2)(layers.Flatten()(x)))
    m.compile(legacy.SGD(0.1), "mse")
    return m, classes(6, 5, 4), numbers(5, 2)


class Block(layers.Layer):
    def __init__(self, **options):
        super().__init__(**options)
        self.one, self.two, self._hidden = layers.Dense(2), layers.Dense(2), layers.Dense(2)
        self.many = [layers.Dense(2), layers.Dense(2)]

    def build(self, input_shape):
        self.own = self.add_weight("own", shape=(2,), initializer="uniform")
        super().build(input_shape)

    def call(self, x):
        for layer in self.many:
            x = layer(x)
        return self._hidden(self.two(self.one(x))) + self.own


class Subclassed(keras.Model):
    def __init__(self, **options):
        super().__init__(**options)
        self.first, self.zlast, self._private = layers.Dense(3), layers.Dense(2), layers.Dense(2)
        self.blocks = [layers.Dense(3), layers.BatchNormalization()]
        self.table = {"a": layers.Dense(3)}
        self.alias = self.zlast
        self.block = Block()
        self.nested = keras.Sequential([layers.Dense(2), layers.Dense(2)])

    def call(self, x):
        x = self.first(x)
        for layer in self.blocks:
            x = layer(x)
        return self.nested(self._private(self.block(self.zlast(self.table["a"](x)))))


@model
def subclassed():  # for its weights
    m = Subclassed()
    m.compile(new.Adam(0.01), "mse")
    return m, numbers(6, 3), numbers(6, 2)


# -- layers -----------------------------------------------------------------------------------------------------------


@model
def recurrent_states():
    source, target = keras.Input((4, 2), name="source"), keras.Input((3, 2), name="target")
    _, h, c = layers.LSTM(3, return_state=True, name="encoder")(source)
    x = layers.LSTM(3, return_sequences=True, name="decoder")(target, initial_state=[h, c])
    _, f, b = layers.Bidirectional(layers.GRU(2, return_state=True), name="both")(source)
    y = layers.Bidirectional(layers.GRU(2, return_sequences=True), merge_mode="sum", name="again")(
        x, initial_state=[f, b]
    )
    z = layers.SimpleRNN(2, go_backwards=True, name="plain")(y)
    m = keras.Model([source, target], layers.Dense(1)(z))
    m.compile(new.Adam(0.01), "mse")
    return m, [numbers(3, 4, 2), numbers(3, 3, 2)], numbers(3, 1)


@model
def recurrent_kinds():
    x = inputs = keras.Input((4, 2))
    x = layers.GRU(3, return_sequences=True, reset_after=False)(x)
    x = layers.GRU(2, return_sequences=True, implementation=1)(x)
    x = layers.Bidirectional(layers.LSTM(2, return_sequences=True, unit_forget_bias=False))(x)
    x = layers.RNN([layers.LSTMCell(2), layers.GRUCell(3)], return_sequences=True)(x)
    x = layers.TimeDistributed(layers.Dense(2))(x)
    m = keras.Model(inputs, layers.SimpleRNN(2, activation="relu")(x))
    m.compile(new.Adam(0.01), "mse")
    return m, numbers(3, 4, 2), numbers(3, 2)


@model
def hard_sigmoid():
    m = keras.Sequential(
        [
            layers.LSTM(3, recurrent_activation="hard_sigmoid", return_sequences=True, input_shape=(4, 2)),
            layers.GRU(3, recurrent_activation="hard_sigmoid", return_sequences=True),
            layers.Dense(3, activation=keras.activations.hard_sigmoid),
            layers.LSTM(2, activation="hard_sigmoid"),
            layers.Activation("hard_sigmoid"),
        ]
    )
    m.compile(new.SGD(0.1), "mse")
    return m, 3 * numbers(3, 4, 2), numbers(3, 2)


@model
def masked_words():
    m = keras.Sequential(
        [
            layers.Embedding(7, 3, mask_zero=True, input_length=5),
            layers.LSTM(3, return_sequences=True),
            layers.Bidirectional(layers.GRU(2)),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    m.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    x = classes(6, 4, 5) + 1
    x[0, 3:] = x[1, 1:] = x[2, 4:] = 0
    return m, x, classes(2, 4, 1)


@model
def masking():
    m = keras.Sequential(
        [layers.Masking(0.5, input_shape=(4, 2)), layers.SimpleRNN(3, return_sequences=True), layers.GRU(2)]
    )
    m.compile("sgd", "mse")
    x = numbers(3, 4, 2)
    x[0, 2:] = x[1, 1:] = 0.5
    return m, x, numbers(3, 2)


@model
def convolutions():
    x = inputs = keras.Input((8, 2))
    x = layers.Conv1D(4, 3, padding="causal", activation="relu", dilation_rate=2)(x)
    x = layers.SeparableConv1D(4, 3, depth_multiplier=2, padding="same")(x)
    x = layers.MaxPooling1D(2)(x)
    x = layers.Conv1DTranspose(4, 3, strides=2, padding="same")(x)
    x = layers.Reshape((4, 4, 2))(layers.Cropping1D((0, 0))(x))
    x = layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same")(x)
    x = layers.SeparableConv2D(3, 3, padding="same", activation="swish")(x)
    x = layers.Conv2DTranspose(2, 3, strides=2, padding="same", output_padding=1)(x)
    x = layers.Conv2D(4, (3, 1), strides=2, groups=2, padding="same")(x)
    m = keras.Model(inputs, layers.Dense(1)(layers.GlobalMaxPooling2D()(layers.Permute((2, 1, 3))(x))))
    m.compile(new.Adam(0.01), "mse")
    return m, numbers(3, 8, 2), numbers(3, 1)


@model
def volumes():
    x = inputs = keras.Input((4, 4, 4, 1))
    x = layers.Conv3D(2, 3, padding="same")(x)
    x = layers.Conv3DTranspose(2, 2, strides=2)(layers.AveragePooling3D(2)(x))
    x = layers.GlobalAveragePooling3D()(layers.Cropping3D(1)(x))
    m = keras.Model(inputs, x)
    m.compile(new.Adam(0.01), "mse")
    return m, numbers(2, 4, 4, 4, 1), numbers(2, 2)


@model
def attention():
    x = inputs = keras.Input((4, 4))
    other = keras.Input((3, 4))
    x = layers.LayerNormalization(epsilon=1e-4)(layers.Add()([x, layers.MultiHeadAttention(2, 3, dropout=0.0)(x, x)]))
    x = layers.MultiHeadAttention(2, 2, value_dim=3, output_shape=4, use_bias=False)(query=x, value=other, key=other)
    x = layers.Attention(use_scale=True)([x, other])
    x = layers.AdditiveAttention()([x, other])
    x = layers.UnitNormalization()(layers.EinsumDense("abc,cd->abd", output_shape=(None, 3), bias_axes="d")(x))
    m = keras.Model([inputs, other], layers.GroupNormalization(3, epsilon=0.1)(x))
    m.compile(new.Adam(0.01), "mse")
    return m, [numbers(3, 4, 4), numbers(3, 3, 4)], numbers(3, 4, 3)


@model
def slopes():
    x = inputs = keras.Input((4,))
    x = layers.LeakyReLU(alpha=0.2)(layers.Dense(4)(x))
    x = layers.PReLU(alpha_initializer=keras.initializers.Constant(0.1))(layers.Dense(4)(x))
    x = layers.ELU(0.7)(layers.Dense(4)(x))
    x = layers.ReLU(max_value=6.0, negative_slope=0.1, threshold=0.01)(layers.Dense(4)(x))
    x = layers.Softmax(axis=-1)(layers.Dense(4, activation=keras.layers.LeakyReLU(0.1))(x))
    x = layers.Dense(3, activation=tf.nn.relu)(
        layers.Dense(4, activation="gelu")(layers.Dense(4, activation="selu")(x))
    )
    m = keras.Model(inputs, layers.Dense(1, activation="exponential")(x))
    m.compile(new.SGD(0.01), "mse")
    return m, numbers(5, 4), numbers(5, 1)


@model
def regularization():
    x = inputs = keras.Input((4, 4, 2))
    x = layers.SpatialDropout2D(0.0)(layers.GaussianNoise(0.0)(x))
    x = layers.Conv2D(2, 2, kernel_regularizer=keras.regularizers.L1L2(0.01, 0.02), bias_constraint="non_neg")(x)
    x = layers.ActivityRegularization(l1=0.01)(layers.GaussianDropout(0.0)(x))
    x = layers.Dense(3, kernel_constraint=keras.constraints.MaxNorm(1.0, axis=0), activity_regularizer="l2")(x)
    x = layers.BatchNormalization(scale=False, center=True, renorm=False, gamma_regularizer="l1")(x)
    m = keras.Model(inputs, layers.RepeatVector(2)(layers.Flatten()(x)))
    m.compile(new.Adam(0.01), "mse")
    return m, numbers(3, 4, 4, 2), numbers(3, 2, 27)


@model
def conv_lstm():
    m = keras.Sequential(
        [
            layers.TimeDistributed(layers.Conv2D(2, 2, padding="same"), input_shape=(3, 4, 4, 1)),
            layers.ConvLSTM2D(2, 2, padding="same", return_sequences=True),
            layers.LayerNormalization(),
            layers.ConvLSTM2D(2, 2, recurrent_activation="sigmoid"),
        ]
    )
    m.compile(new.Adam(0.01), "mse")
    return m, numbers(2, 3, 4, 4, 1), numbers(2, 3, 3, 2)


@model
def mixed_precision():
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    inputs = keras.Input((3,))
    x = layers.BatchNormalization()(layers.Dense(4, activation="relu")(inputs))
    m = keras.Model(inputs, layers.Activation("linear", dtype="float32")(layers.Dense(2)(x)))
    m.compile(new.Adam(0.01), "mse")
    keras.mixed_precision.set_global_policy("float32")
    return m, numbers(6, 3), numbers(6, 2)


@model
def mixed_float16():
    keras.mixed_precision.set_global_policy("mixed_float16")
    m = keras.Sequential([layers.Dense(4, activation="relu", input_shape=(3,)), layers.Dense(2, dtype="float32")])
    m.compile(new.Adam(0.01), "mse")  # wrapped into a LossScaleOptimizer
    keras.mixed_precision.set_global_policy("float32")
    return m, numbers(6, 3), numbers(6, 2)


@model
def float64():
    keras.backend.set_floatx("float64")
    m = keras.Sequential([layers.Dense(4, activation="relu", input_shape=(3,)), layers.Dense(2)])
    m.compile(new.Adam(0.01), "mse")
    keras.backend.set_floatx("float32")
    return m, numbers(6, 3).astype("float64"), numbers(6, 2).astype("float64")


# -- functions in graphs ----------------------------------------------------------------------------------------------


@model
def lambdas():
    inputs = keras.Input((3,))
    x = layers.Lambda(lambda t: t * 2.0 + 1.0, name="doubled")(inputs)
    x = layers.Dense(2)(x)
    m = keras.Model(inputs, layers.Lambda(lambda t, by: t - by, arguments={"by": 3.0}, output_shape=(2,))(x))
    m.compile(new.SGD(0.05), "mse")
    return m, numbers(6, 3), numbers(6, 2)


def three_more(t):
    return t + 3.0


@model
def named_function():
    m = keras.Sequential([layers.Dense(2, input_shape=(3,)), layers.Lambda(three_more)])
    m.compile(new.SGD(0.05), "mse")
    return m, numbers(6, 3), numbers(6, 2)


@model
def operators():
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    x = layers.Dense(4, name="d")(a)
    outputs = [
        x * 2.0 + 1.0,
        2.0 - x,
        (x + b) / (1.0 + b * b),
        -x,
        tf.abs(x) ** 0.5,
        x[:, 1:3],
        x[:, 0],
        tf.matmul(x, b, transpose_b=True),
        x - b,
        tf.where(x > b, x, b),
        tf.cast(tf.logical_and(x >= 0.0, tf.not_equal(b, 0.0)), "float32"),
        x @ tf.transpose(b),
    ]
    m = keras.Model([a, b], [layers.Dense(1, name="out")(outputs[0]), *outputs[1:]])
    return m, [numbers(4, 4), 2 * numbers(4, 4)[::-1].copy()], None


@model
def slices():  # tf.keras cannot write the dots into a .keras file
    a = keras.Input((4, 3), name="a")
    x = layers.Dense(3, name="d")(a)
    return keras.Model(a, [x[..., tf.newaxis, ::2], x[:, -1, :], x[:, ::-1, 1:], x[1:]]), numbers(2, 4, 3), None


@model
def tf_functions():
    a = keras.Input((4, 3), name="a")
    x = layers.Dense(3, name="d")(a)
    flat = tf.reshape(x, (-1, 12))
    outputs = [
        tf.concat([x, a], axis=-1),
        tf.stack([x, a], axis=1),
        tf.expand_dims(x, 1),
        tf.squeeze(tf.expand_dims(x, -1), axis=-1),
        tf.transpose(x, [0, 2, 1]),
        tf.reduce_mean(x, axis=1),
        tf.reduce_sum(x, axis=[1, 2], keepdims=True),
        tf.reduce_max(x, 1),
        tf.reduce_min(x, axis=-1),
        tf.reduce_prod(x, axis=-1),
        tf.nn.relu(flat),
        tf.nn.softmax(x, axis=1),
        tf.nn.sigmoid(x) + tf.nn.tanh(x) + tf.nn.elu(x) + tf.nn.leaky_relu(x, alpha=0.3),
        tf.exp(x) + tf.math.log(tf.abs(x) + 1.0) + tf.sqrt(tf.square(x)) + tf.sin(x) + tf.math.pow(x, 2.0),
        tf.maximum(x, a) + tf.minimum(x, 0.5) + tf.clip_by_value(x, -0.5, 0.5),
        tf.tile(x, [1, 2, 1]),
        tf.pad(x, [[0, 0], [1, 0], [0, 2]]),
        tf.math.l2_normalize(x, axis=-1),
        tf.gather(x, [2, 0], axis=1),
        tf.reverse(x, axis=[1]),
        tf.argmax(x, axis=-1),
        tf.one_hot(tf.argmax(x, axis=-1), 3),
        tf.zeros_like(x) + tf.ones_like(x),
        tf.add_n([x, a, a]),
        tf.math.cumsum(x, axis=1),
        tf.repeat(x, 2, axis=1),
        *tf.split(x, 2, axis=1),
        *tf.unstack(x, axis=2),
    ]
    return keras.Model(a, outputs), numbers(2, 4, 3), None


@model
def more_tf_functions():
    a = keras.Input((4, 3), name="a")
    x = layers.Dense(3, name="d")(a)
    whole = tf.cast(tf.round(4.0 * x), "int32")
    outputs = [
        tf.math.floordiv(x, 0.3) + tf.math.floormod(x, 0.3) + tf.math.atan2(x, a) + tf.math.divide_no_nan(x, a),
        tf.math.squared_difference(x, a) + tf.math.rsqrt(tf.square(x) + 1.0) + tf.math.reciprocal(tf.abs(x) + 1.0),
        tf.nn.gelu(x) + tf.nn.silu(x) + tf.nn.selu(x) + tf.nn.softplus(x) + tf.nn.relu6(8.0 * x) + tf.nn.softsign(x),
        tf.nn.silu(x, beta=2.0) + tf.nn.leaky_relu(x) + tf.math.log_sigmoid(x) + tf.math.erf(x) + tf.sign(x),
        tf.math.sinh(x) + tf.math.asinh(x) + tf.math.atan(x) + tf.math.expm1(x) + tf.math.log1p(tf.abs(x)),
        tf.floor(x) + tf.math.ceil(x) + tf.round(x) + tf.stop_gradient(x) + tf.identity(x),
        tf.nn.log_softmax(x, axis=1),
        tf.math.cumprod(x, axis=2),
        tf.math.reduce_std(x, axis=1),
        tf.math.reduce_variance(x, axis=[1, 2]),
        tf.math.reduce_logsumexp(x, axis=-1, keepdims=True),
        tf.cast(tf.reduce_any(x > 0.0, axis=1), "float32") + tf.cast(tf.reduce_all(x > -1.0, axis=1), "float32"),
        tf.norm(x, axis=-1),
        tf.norm(x, ord=1, axis=1, keepdims=True),
        tf.sort(x, axis=1),
        tf.argsort(x, axis=-1),
        tf.math.top_k(x, k=2)[0],
        tf.roll(x, shift=1, axis=1),
        tf.tensordot(x, a, axes=[[1, 2], [1, 2]]),
        tf.matmul(x, a, transpose_a=True),
        tf.math.argmin(x, axis=1),
        tf.pad(x, [[0, 0], [1, 1], [0, 0]], mode="REFLECT"),
        tf.split(x, [1, 3], axis=1)[1],
        tf.cast(tf.equal(whole % 2, 0), "float32") + tf.cast(tf.math.logical_xor(x > 0.0, a > 0.0), "float32"),
        tf.cast(tf.math.logical_not(x < a), "float32") + tf.cast(tf.math.logical_or(x <= a, x > 1.0), "float32"),
        keras.backend.sum(keras.backend.square(x), axis=-1),
        keras.backend.expand_dims(keras.backend.l2_normalize(x, axis=1), 1),
        keras.backend.clip(x, 0.0, 0.5) + keras.backend.relu(x, alpha=0.1) + keras.backend.hard_sigmoid(x),
    ]
    return keras.Model(a, outputs), numbers(2, 4, 3), None


@model
def tf_images():
    a = keras.Input((4, 4, 2), name="a")
    x = layers.Conv2D(4, 1, name="c")(a)
    outputs = [
        tf.image.resize(x, (6, 5)),
        tf.image.resize(x, (2, 2), method="nearest"),
        tf.nn.max_pool2d(x, 2, 2, "VALID"),
        tf.nn.avg_pool2d(x, 2, 1, "SAME"),
        tf.image.flip_left_right(x),
        tf.nn.depth_to_space(x, 2),
        tf.nn.space_to_depth(x, 2),
        tf.nn.bias_add(x, [1.0, 2.0, 3.0, 4.0]),
        keras.backend.mean(x, axis=[1, 2]),
        keras.backend.concatenate([x, x], axis=1),
    ]
    return keras.Model(a, outputs), numbers(2, 4, 4, 2), None


# -- preprocessing ----------------------------------------------------------------------------------------------------


@model
def preprocessed_numbers():
    rows, kinds = numbers(8, 3) * 3 + 1, classes(4, 8, 1)
    normalized, binned = layers.Normalization(name="normalized"), layers.Discretization(num_bins=4, name="binned")
    counted = layers.Discretization([-1.0, 0.0, 2.5], output_mode="one_hot", name="counted")
    normalized.adapt(rows)
    binned.adapt(rows[:, :1])
    table, kind = keras.Input((3,), name="table"), keras.Input((1,), name="kind", dtype="int32")
    parts = [
        normalized(table),
        layers.Normalization(axis=None, mean=1.0, variance=4.0)(table),
        layers.Embedding(5, 2)(binned(table[:, 0])),
        counted(table[:, 1:2]),
        layers.CategoryEncoding(4, output_mode="one_hot")(kind),
        layers.CategoryEncoding(num_tokens=4, output_mode="multi_hot")(kind),
        layers.Rescaling(0.5, offset=[1.0, 2.0, 3.0])(table),
    ]
    m = keras.Model({"table": table, "kind": kind}, layers.Dense(1)(layers.concatenate(parts)))
    m.compile(new.SGD(0.05), "mse")
    return m, {"table": rows, "kind": kinds}, numbers(8, 1)


@model
def preprocessed_words():
    colours = np.array([["red"], ["blue"], ["red"], ["green"], ["mauve"], ["blue"]])
    years = np.array([[1990], [2000], [1990], [7], [2000], [1990]])
    found, hot = layers.StringLookup(name="found"), layers.StringLookup(num_oov_indices=2, output_mode="one_hot")
    known = layers.IntegerLookup(mask_token=0, name="known")
    found.adapt(colours[:5])
    hot.adapt(colours[:3])
    known.adapt(years[:3])
    colour, year = keras.Input((1,), dtype="string", name="colour"), keras.Input((1,), dtype="int64", name="year")
    parts = [
        layers.Flatten()(layers.Embedding(6, 2)(found(colour))),
        hot(colour),
        layers.StringLookup(vocabulary=["red", "blue"], output_mode="multi_hot")(colour),
        layers.Flatten()(layers.Embedding(5, 2)(known(year))),
        layers.Flatten()(layers.Embedding(4, 2)(layers.Hashing(4)(colour))),
    ]
    m = keras.Model([colour, year], layers.Dense(1)(layers.concatenate([tf.cast(part, "float32") for part in parts])))
    m.compile(new.SGD(0.05), "mse")
    return m, [colours, years], numbers(6, 1)


@model
def preprocessed_texts():
    texts = np.array([["a red fox"], ["Blue, and red!"], ["green"], [""], ["a blue whale"], ["fox fox fox"]])
    padded = layers.TextVectorization(output_sequence_length=4, name="padded")
    weighed = layers.TextVectorization(output_mode="tf_idf", ngrams=2, name="weighed")
    padded.adapt(texts[:5])
    weighed.adapt(texts[:5])
    text = keras.Input((1,), dtype="string", name="text")
    words = layers.GlobalAveragePooling1D()(layers.Embedding(12, 3)(padded(text)))
    m = keras.Model(text, layers.Dense(1)(layers.concatenate([words, weighed(text)])))
    m.compile(new.SGD(0.05), "mse")
    return m, texts, numbers(6, 1)


@model
def given_words():
    colours = np.array([["red"], ["blue"], ["red"], ["green"], ["mauve"], [""]])
    colour = keras.Input((1,), dtype="string", name="colour")
    parts = [
        layers.StringLookup(vocabulary=["red", "blue"], output_mode="multi_hot")(colour),
        layers.StringLookup(vocabulary=["blue", "green"], mask_token="", num_oov_indices=2)(colour),
        layers.HashedCrossing(6)((colour, colour)),
        layers.TextVectorization(vocabulary=["red", "blue"], output_mode="count")(colour),
    ]
    m = keras.Model(colour, layers.Dense(1)(layers.concatenate([tf.cast(part, "float32") for part in parts])))
    m.compile(new.SGD(0.05), "mse")
    return m, colours, numbers(6, 1)


@model
def preprocessed_images():
    m = keras.Sequential(
        [
            keras.Input((7, 5, 3)),
            layers.Resizing(6, 6),
            layers.CenterCrop(4, 4),
            layers.Rescaling(1 / 127.5, offset=-1.0),
            layers.Conv2D(2, 3),
            layers.Flatten(),
            layers.Dense(1),
        ]
    )
    m.compile(new.SGD(0.05), "mse")
    return m, classes(255, 4, 7, 5, 3).astype("float32"), numbers(4, 1)


# -- writing ----------------------------------------------------------------------------------------------------------


def flat(name, value):
    if isinstance(value, dict):
        return {f"{name}/{key}": np.asarray(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return {f"{name}/{place}": np.asarray(each) for place, each in enumerate(value)}
    return {name: np.asarray(value)}


def _loss(logs):
    return float(np.ravel(logs)[0])


def write(name, folder):
    keras.backend.clear_session()
    keras.utils.set_random_seed(7)
    m, x, y = MODELS[name]()
    trained = y is not None
    for _ in range(STEPS_BEFORE if trained else 0):
        m.train_on_batch(x, y)
    files = {"model.h5": m.save, "model.keras": m.save, "weights.h5": m.save_weights, "new.weights.h5": m.save_weights}
    for file, save in files.items():
        path = os.path.join(folder, file)
        if isinstance(m, Subclassed) and file.startswith("model"):
            continue
        try:
            save(path)
        except (TypeError, ValueError, NotImplementedError, RuntimeError) as error:
            print(f"   {name}: no {file}: {type(error).__name__}: {str(error)[:200]}")
            if os.path.exists(path):
                os.remove(path)
    if not isinstance(m, Subclassed):
        with open(os.path.join(folder, "model.json"), "w") as file:
            file.write(m.to_json())
    arrays = {**flat("x", x), **flat("p", m.predict_on_batch(x))}
    if trained:
        arrays |= flat("y", y)
        arrays["losses"] = np.array([_loss(m.train_on_batch(x, y)) for _ in range(STEPS_AFTER)])
    if trained and os.path.exists(os.path.join(folder, "model.h5")):
        again = keras.models.load_model(
            os.path.join(folder, "model.h5"), safe_mode=False, custom_objects={"three_more": three_more}
        )
        theirs = np.array([_loss(again.train_on_batch(x, y)) for _ in range(STEPS_AFTER)])
        if not np.allclose(theirs, arrays["losses"], rtol=1e-5):
            print(f"   {name}: its own reader of .h5 trains otherwise: {theirs} {arrays['losses']}")
    np.savez(os.path.join(folder, "arrays.npz"), **arrays)


def main(names):
    os.makedirs(HERE, exist_ok=True)
    for name in names or MODELS:
        with tempfile.TemporaryDirectory() as folder:
            write(name, folder)
            path = os.path.join(HERE, f"{name}.tar.xz")
            with tarfile.open(path, "w:xz", preset=9) as archive:
                for file in sorted(os.listdir(folder)):
                    entry = tarfile.TarInfo(file)  # without time and owner, so that nothing differs next time
                    entry.size = os.path.getsize(os.path.join(folder, file))
                    with open(os.path.join(folder, file), "rb") as content:
                        archive.addfile(entry, content)
        print(f"{name}: {os.path.getsize(path)} bytes", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
