"""Files as generations of Keras wrote them that nobody can install any more, written by hand.

`DIALECTS` has, by name, functions that give a `Written`: the config as that version spelled it, the arrays of each
layer in its order, and the same model in today's words with the same arrays. Sources: Keras 1.2.2, 2.0.8, 2.2.4, 2.3.1
and tf.keras of TensorFlow 2.1 and 2.6, as remembered.
"""

import json

import h5py
import numpy as np

import torchkeras as keras
from torchkeras import layers

DIALECTS = {}


class Written:
    """What one model became in one dialect.

    Args:
        version: of Keras, as the file says it.
        config: the `model_config`.
        weights: layer -> arrays in the order of the file.
        twin: the same model of today, with its arrays.
        x: its input.
        training: the `training_config`.
        state: name -> array of the optimizer's state, in the order of the file.
    """

    def __init__(self, version, config, weights, twin, x, backend="tensorflow", training=None, state=None):
        self.version, self.config, self.weights = version, config, weights
        self.twin, self.x, self.backend, self.training, self.state = twin, x, backend, training, state

    def write(self, path):
        """The `.h5` file."""
        with h5py.File(path, "w") as file:
            file.attrs["model_config"] = json.dumps(self.config).encode()
            file.attrs["keras_version"] = self.version.encode()
            if not self.version.startswith("1."):
                file.attrs["backend"] = self.backend.encode()
            if self.training is not None:
                file.attrs["training_config"] = json.dumps(self.training).encode()
            self.write_weights(file.create_group("model_weights"))
            if self.state is not None:
                group = file.create_group("optimizer_weights")
                group.attrs["weight_names"] = [name.encode() for name in self.state]
                for name, array in self.state.items():
                    group.create_dataset(name, data=array)

    def write_weights(self, group):
        """The content of what `save_weights` wrote."""
        group.attrs["layer_names"] = [name.encode() for name in self.weights]
        group.attrs["keras_version"] = self.version.encode()
        group.attrs["backend"] = self.backend.encode()
        for name, arrays in self.weights.items():
            names = [f"{name}_{place}:0" for place in range(len(arrays))]
            layer = group.create_group(name)
            layer.attrs["weight_names"] = [each.encode() for each in names]
            for each, array in zip(names, arrays, strict=True):
                layer.create_dataset(each, data=array)


def dialect(function):
    DIALECTS[function.__name__] = function
    return function


def draw(*shape):
    return np.random.default_rng(sum(shape) + len(shape)).normal(0.0, 0.5, shape).astype("float32")


def entry(class_name, name, inbound=None, **config):
    """A layer's entry; in a graph also its name and where its tensors come from."""
    found = {"class_name": class_name, "config": {"name": name, "trainable": True, **config}}
    if inbound is not None:
        found.update(name=name, inbound_nodes=[inbound] if inbound else [])
    return found


def graph(class_name, layers, inputs, outputs, name="model_1"):
    ends = {"input_layers": [[each, 0, 0] for each in inputs], "output_layers": outputs}
    return {"class_name": class_name, "config": {"name": name, "layers": layers, **ends}}


def refs(*names):
    return [[name, 0, 0] for name in names]


# -- Keras 1.2 --------------------------------------------------------------------------------------------------------

_DENSE_1 = {
    "init": "glorot_uniform",
    "W_regularizer": None,
    "b_regularizer": None,
    "activity_regularizer": None,
    "W_constraint": None,
    "b_constraint": None,
    "bias": True,
    "input_dim": None,
}
_CONV_1 = {**{key: value for key, value in _DENSE_1.items() if key != "input_dim"}, "border_mode": "same"}
_RNN_1 = {
    "return_sequences": False,
    "go_backwards": False,
    "stateful": False,
    "unroll": False,
    "consume_less": "cpu",
    "input_dim": 3,
    "input_length": None,
    "init": "glorot_uniform",
    "inner_init": "orthogonal",
    "activation": "tanh",
    "inner_activation": "hard_sigmoid",
    "W_regularizer": None,
    "U_regularizer": {"name": "WeightRegularizer", "l1": 0.0, "l2": 0.01},
    "b_regularizer": None,
    "dropout_W": 0.0,
    "dropout_U": 0.0,
}


def gates_1(kernel, recurrent, bias, order):
    """Today's three arrays as Keras 1 had them: three for each gate."""
    count = len(order)
    parts = [np.split(each, count, axis=-1) for each in (kernel, recurrent, bias)]
    return [part[gate] for gate in order for part in parts]


def _image_stack(ordering, backend):
    first = ordering == "th"
    shape = (2, 6, 5) if first else (6, 5, 2)
    kernel, bias = draw(3, 2, 2, 4), draw(4)
    stored = kernel[::-1, ::-1] if backend == "theano" else kernel
    stored = np.ascontiguousarray(stored.transpose(3, 2, 0, 1) if first else stored)
    statistics = [draw(4), draw(4), draw(4), np.abs(draw(4)) + 0.5]
    axis = 1 if first else -1
    pooled = 4 * 3 * 2
    config = [
        entry(
            "Convolution2D",
            "conv",
            batch_input_shape=[None, *shape],
            input_dtype="float32",
            nb_filter=4,
            nb_row=3,
            nb_col=2,
            activation="relu",
            subsample=[1, 1],
            dim_ordering=ordering,
            **{**_CONV_1, "W_regularizer": {"name": "WeightRegularizer", "l1": 0.0, "l2": 0.01}},
        ),
        entry(
            "BatchNormalization",
            "bn",
            mode=0,
            axis=axis,
            epsilon=1e-3,
            momentum=0.99,
            gamma_regularizer=None,
            beta_regularizer=None,
        ),
        entry("MaxPooling2D", "pool", pool_size=[2, 2], strides=[2, 2], border_mode="valid", dim_ordering=ordering),
        entry("Dropout", "drop", p=0.25),
        entry("Flatten", "flat"),
        entry(
            "Dense",
            "out",
            output_dim=2,
            activation="softmax",
            **{**_DENSE_1, "W_constraint": {"name": "MaxNorm", "m": 2, "axis": 0}},
        ),
    ]
    dense = [draw(pooled, 2), draw(2)]
    weights = {"conv": [stored, bias], "bn": statistics, "pool": [], "drop": [], "flat": [], "out": dense}
    data_format = "channels_first" if first else "channels_last"
    twin = keras.Sequential(
        [
            keras.Input(shape),
            layers.Conv2D(
                4,
                (3, 2),
                padding="same",
                activation="relu",
                data_format=data_format,
                kernel_regularizer=keras.regularizers.L2(0.01),
            ),
            layers.BatchNormalization(axis=axis),
            layers.MaxPooling2D(2, data_format=data_format),
            layers.Dropout(0.25),
            layers.Flatten(),
            layers.Dense(2, activation="softmax", kernel_constraint=keras.constraints.MaxNorm(2)),
        ]
    )
    twin.set_weights([kernel, bias, *statistics, *dense])
    return Written("1.2.2", {"class_name": "Sequential", "config": config}, weights, twin, draw(3, *shape), backend)


@dialect
def keras_1_images():
    return _image_stack("tf", "tensorflow")


@dialect
def keras_1_images_of_theano():
    return _image_stack("th", "theano")


@dialect
def keras_1_graph():
    """Embedding, LSTM and GRU with a weight for each gate, Merge in a graph, TimeDistributed."""
    table, dense, head = draw(6, 3), [draw(4, 2), draw(2)], [draw(6, 1), draw(1)]
    lstm, gru = [draw(3, 16), draw(4, 16), draw(16)], [draw(2, 6), draw(2, 6), draw(6)]
    config = graph(
        "Model",
        [
            entry("InputLayer", "words", [], batch_input_shape=[None, 5], input_dtype="int32", sparse=False),
            entry("InputLayer", "extra", [], batch_input_shape=[None, 2], input_dtype="float32", sparse=False),
            entry(
                "Embedding",
                "table",
                refs("words"),
                input_dim=6,
                output_dim=3,
                init="uniform",
                input_length=5,
                mask_zero=True,
                activity_regularizer=None,
                W_regularizer=None,
                W_constraint=None,
                dropout=0.0,
            ),
            entry(
                "LSTM",
                "lstm",
                refs("table"),
                output_dim=4,
                forget_bias_init="one",
                **{**_RNN_1, "return_sequences": True},
            ),
            entry(
                "TimeDistributed",
                "each",
                refs("lstm"),
                layer=entry("Dense", "dense_1", output_dim=2, activation="linear", **_DENSE_1),
            ),
            entry("GRU", "gru", refs("each"), output_dim=2, **{**_RNN_1, "input_dim": 2}),
            entry(
                "Merge",
                "sum",
                refs("gru", "extra"),
                mode="sum",
                mode_type="raw",
                concat_axis=-1,
                dot_axes=-1,
                output_shape=None,
                output_shape_type="raw",
                output_mask=None,
                output_mask_type="raw",
                arguments={},
            ),
            entry(
                "Merge",
                "joined",
                refs("sum", "gru", "extra"),
                mode="concat",
                mode_type="raw",
                concat_axis=-1,
                dot_axes=-1,
                output_shape=None,
                output_shape_type="raw",
                output_mask=None,
                output_mask_type="raw",
                arguments={},
            ),
            entry("Dense", "head", refs("joined"), output_dim=1, activation="sigmoid", **_DENSE_1),
        ],
        ["words", "extra"],
        refs("head"),
    )
    weights = {
        "words": [],
        "extra": [],
        "table": [table],
        "lstm": gates_1(*lstm, (0, 2, 1, 3)),
        "each": dense,
        "gru": gates_1(*gru, (0, 1, 2)),
        "sum": [],
        "joined": [],
        "head": head,
    }
    words, extra = keras.Input((5,), dtype="int32"), keras.Input((2,))
    x = layers.Embedding(6, 3, mask_zero=True)(words)
    x = layers.LSTM(
        4,
        recurrent_activation="hard_sigmoid_keras2",
        return_sequences=True,
        recurrent_regularizer=keras.regularizers.L2(0.01),
    )(x)
    x = layers.TimeDistributed(layers.Dense(2))(x)
    x = layers.GRU(
        2,
        recurrent_activation="hard_sigmoid_keras2",
        reset_after=False,
        recurrent_regularizer=keras.regularizers.L2(0.01),
    )(x)
    x = layers.Concatenate()([layers.Add()([x, extra]), x, extra])
    twin = keras.Model([words, extra], layers.Dense(1, activation="sigmoid")(x))
    twin.set_weights([table, *lstm, *dense, *gru, *head])
    x = [np.array([[1, 2, 3, 0, 0], [4, 5, 1, 2, 0], [3, 3, 3, 3, 3]], "int32"), 2 * draw(3, 2)]
    return Written("1.2.2", config, weights, twin, x)


@dialect
def keras_1_merged_stacks():
    """A Sequential that begins with a Merge of two others."""
    arrays = {"left_dense": [draw(3, 4), draw(4)], "right_dense": [draw(2, 4), draw(4)], "out": [draw(4, 1), draw(1)]}

    def stack(name, size):
        dense = {**_DENSE_1, "input_dim": size, "batch_input_shape": [None, size], "input_dtype": "float32"}
        return {"class_name": "Sequential", "config": [entry("Dense", name, output_dim=4, activation="tanh", **dense)]}

    branches = [stack("left_dense", 3), stack("right_dense", 2)]
    config = [
        entry(
            "Merge", "merge_1", mode="mul", mode_type="raw", concat_axis=-1, dot_axes=-1, arguments={}, layers=branches
        ),
        entry("Dense", "out", output_dim=1, activation="linear", **_DENSE_1),
    ]
    left, right = keras.Input((3,)), keras.Input((2,))
    x = layers.Multiply()([layers.Dense(4, activation="tanh")(left), layers.Dense(4, activation="tanh")(right)])
    twin = keras.Model([left, right], layers.Dense(1)(x))
    twin.set_weights([array for each in arrays.values() for array in each])
    weights = {**arrays, "merge_1": []}
    return Written("1.2.2", {"class_name": "Sequential", "config": config}, weights, twin, [draw(4, 3), draw(4, 2)])


@dialect
def keras_1_sequences():
    """Convolutions along one axis, with windows for two; the layers of Keras 1 that took other names."""
    kernel, bias, advanced = draw(3, 2, 4), draw(4), [np.abs(draw(5, 4))]
    each, dense = [draw(4, 2), draw(2)], [draw(2, 1), draw(1)]
    config = [
        entry(
            "Convolution1D",
            "conv",
            batch_input_shape=[None, 11, 2],
            input_dtype="float32",
            nb_filter=4,
            filter_length=3,
            subsample_length=2,
            activation="linear",
            input_dim=2,
            input_length=11,
            **{**_CONV_1, "border_mode": "valid"},
        ),
        entry("PReLU", "slope", init="zero", weights=None, shared_axes=None),
        entry("MaxPooling1D", "pool", stride=1, pool_length=2, border_mode="valid"),
        entry("TimeDistributedDense", "each", output_dim=2, activation="linear", input_length=None, **_DENSE_1),
        entry("GaussianNoise", "noise", sigma=0.5),
        entry("LeakyReLU", "leak", alpha=0.30000001192092896),
        entry("UpSampling1D", "up", length=2),
        entry("ThresholdedReLU", "threshold", theta=0.125),
        entry("GlobalMaxPooling1D", "whole"),
        entry("Dense", "out", output_dim=1, activation="linear", **_DENSE_1),
    ]
    names = [layer["config"]["name"] for layer in config]
    weights = {name: [] for name in names} | {
        "conv": [kernel[:, None], bias],
        "slope": advanced,
        "each": each,
        "out": dense,
    }
    twin = keras.Sequential(
        [
            keras.Input((11, 2)),
            layers.Conv1D(4, 3, strides=2),
            layers.PReLU(),
            layers.MaxPooling1D(2, strides=1),
            layers.TimeDistributed(layers.Dense(2)),
            layers.GaussianNoise(0.5),
            layers.LeakyReLU(negative_slope=0.3),
            layers.UpSampling1D(2),
            layers.ReLU(threshold=0.125),
            layers.GlobalMaxPooling1D(),
            layers.Dense(1),
        ]
    )
    twin.set_weights([kernel, bias, *advanced, *each, *dense])
    return Written("1.2.2", {"class_name": "Sequential", "config": config}, weights, twin, draw(3, 11, 2))


# -- Keras 2.0 to 2.3 -------------------------------------------------------------------------------------------------

_SCALING = {
    "class_name": "VarianceScaling",
    "config": {"scale": 1.0, "mode": "fan_avg", "distribution": "uniform", "seed": None},
}
_DENSE_2 = {
    "activation": "linear",
    "use_bias": True,
    "kernel_initializer": _SCALING,
    "bias_initializer": {"class_name": "Zeros", "config": {}},
    "kernel_regularizer": {"class_name": "L1L2", "config": {"l1": 0.0, "l2": 0.009999999776482582}},
    "bias_regularizer": None,
    "activity_regularizer": None,
    "kernel_constraint": {"class_name": "MaxNorm", "config": {"max_value": 2, "axis": 0}},
    "bias_constraint": None,
}


def as_in_2():
    """What `_DENSE_2` says, in today's words."""
    return {"kernel_regularizer": keras.regularizers.L2(0.01), "kernel_constraint": keras.constraints.MaxNorm(2)}


_RNN_2 = {
    **{key: value for key, value in _DENSE_2.items() if key not in ("kernel_regularizer", "kernel_constraint")},
    "activation": "tanh",
    "recurrent_initializer": {"class_name": "Orthogonal", "config": {"gain": 1.0, "seed": None}},
    "return_sequences": True,
    "go_backwards": False,
    "stateful": False,
    "unroll": False,
    "dropout": 0.0,
    "recurrent_dropout": 0.0,
    "implementation": 1,
}


@dialect
def keras_2_0():
    """Without the keys that came later: the activation of gates, the kind of GRU; a Sequential that is a list."""
    lstm, gru, dense = [draw(2, 12), draw(3, 12), draw(12)], [draw(3, 6), draw(2, 6), draw(6)], [draw(2, 1), draw(1)]
    first = {**_RNN_2, "batch_input_shape": [None, 4, 2], "dtype": "float32", "return_state": False}
    config = [
        entry("LSTM", "lstm_1", units=3, unit_forget_bias=True, **first),
        entry("GRU", "gru_1", units=2, **{**_RNN_2, "return_sequences": False}),
        entry("Dense", "dense_1", units=1, **_DENSE_2),
    ]
    twin = keras.Sequential(
        [
            keras.Input((4, 2)),
            layers.LSTM(3, recurrent_activation="hard_sigmoid_keras2", return_sequences=True),
            layers.GRU(2, recurrent_activation="hard_sigmoid_keras2", reset_after=False),
            layers.Dense(1, **as_in_2()),
        ]
    )
    twin.set_weights([*lstm, *gru, *dense])
    weights = {"lstm_1": lstm, "gru_1": gru, "dense_1": dense}
    training = {
        "optimizer_config": {
            "class_name": "RMSprop",
            "config": {"lr": 0.001, "rho": 0.9, "decay": 0.0, "epsilon": 1e-8},
        },
        "loss": "mse",
        "metrics": ["acc"],
        "sample_weight_mode": None,
        "loss_weights": None,
    }
    return Written(
        "2.0.8", {"class_name": "Sequential", "config": config}, weights, twin, 3 * draw(3, 4, 2), training=training
    )


@dialect
def keras_2_2():
    """A nested model whose calls count from 1, states as further inputs, cuDNN's layers, `Model` as class name."""
    inner = graph(
        "Model",
        [
            entry("InputLayer", "in", [], batch_input_shape=[None, 3], dtype="float32", sparse=False),
            entry("Dense", "inside", [["in", 0, 0, {}]], units=3, **_DENSE_2),
        ],
        ["in"],
        refs("inside"),
        "inner",
    )
    cudnn = {
        key: value
        for key, value in _RNN_2.items()
        if key not in ("activation", "use_bias", "unroll", "dropout", "recurrent_dropout", "implementation")
    }
    config = graph(
        "Model",
        [
            entry("InputLayer", "left", [], batch_input_shape=[None, 3], dtype="float32", sparse=False),
            entry("InputLayer", "steps", [], batch_input_shape=[None, 4, 2], dtype="float32", sparse=False),
            {**inner, "name": "inner", "inbound_nodes": [[["left", 0, 0, {}]], [["inner", 1, 0, {}]]]},
            entry(
                "CuDNNLSTM",
                "quick",
                [["steps", 0, 0, {}], ["inner", 1, 0, {}], ["inner", 2, 0, {}]],
                units=3,
                unit_forget_bias=True,
                **{**cudnn, "return_state": False},
            ),
            entry("CuDNNGRU", "last", [["quick", 0, 0, {}]], units=2, **{**cudnn, "return_sequences": False}),
            entry("Activation", "gate", [["last", 0, 0, {}]], activation="hard_sigmoid"),
        ],
        ["left", "steps"],
        [["gate", 0, 0], ["inner", 2, 0]],
    )
    dense, lstm = [draw(3, 3), draw(3)], [draw(2, 12), draw(3, 12), draw(12)]
    gru = [draw(3, 6), draw(2, 6), draw(2, 6)]

    def stored(arrays, gates, bias):
        kernel = np.concatenate([part.T.reshape(part.shape) for part in np.split(arrays[0], gates, 1)], 1)
        return [kernel, np.concatenate([part.T for part in np.split(arrays[1], gates, 1)], 1), bias]

    halves = np.concatenate([0.25 * lstm[2], 0.75 * lstm[2]])
    weights = {
        "left": [],
        "steps": [],
        "inner": dense,
        "quick": stored(lstm, 4, halves),
        "last": stored(gru, 3, gru[2].reshape(-1)),
        "gate": [],
    }
    inside = keras.Input((3,))
    nested = keras.Model(inside, layers.Dense(3, **as_in_2())(inside))
    left, steps = keras.Input((3,)), keras.Input((4, 2))
    once = nested(left)
    twice = nested(once)
    x = layers.GRU(2)(layers.LSTM(3, return_sequences=True)(steps, initial_state=[once, twice]))
    twin = keras.Model([left, steps], [layers.Activation("hard_sigmoid_keras2")(x), twice])
    twin.set_weights([*dense, *lstm, *gru])
    return Written("2.2.4", config, weights, twin, [draw(3, 3), draw(3, 4, 2)])


@dialect
def keras_2_3():
    """A Sequential as a dict, with a nested one; `dtype` everywhere; normalization and its lists of axes."""
    first = {**_DENSE_2, "batch_input_shape": [None, 3], "dtype": "float32"}
    inner = {
        "name": "inner",
        "layers": [entry("Dense", "a", units=3, **first), entry("Dropout", "b", rate=0.5, noise_shape=None, seed=None)],
    }
    normal = {
        "axis": [1],
        "momentum": 0.99,
        "epsilon": 1e-3,
        "center": True,
        "scale": True,
        "beta_initializer": {"class_name": "Zeros", "config": {}},
    }
    layer_list = [
        {"class_name": "Sequential", "config": inner},
        entry("BatchNormalization", "bn", dtype="float32", **normal),
        entry("Softmax", "soft", dtype="float32", axis=-1),
        entry("Dense", "out", units=2, dtype="float32", **{**_DENSE_2, "activation": "hard_sigmoid"}),
    ]
    dense, statistics, out = (
        [draw(3, 3), draw(3)],
        [draw(3), draw(3), draw(3), np.abs(draw(3)) + 0.5],
        [draw(3, 2), draw(2)],
    )
    twin = keras.Sequential(
        [
            keras.Input((3,)),
            keras.Sequential([layers.Dense(3, **as_in_2()), layers.Dropout(0.5)]),
            layers.BatchNormalization(),
            layers.Softmax(),
            layers.Dense(2, activation="hard_sigmoid_keras2", **as_in_2()),
        ]
    )
    twin.build((None, 3))
    twin.set_weights([*dense, *statistics, *out])
    weights = {"inner": dense, "bn": statistics, "soft": [], "out": out}
    config = {
        "class_name": "Sequential",
        "config": {"name": "outer", "layers": layer_list, "build_input_shape": [None, 3]},
    }
    return Written("2.3.1", config, weights, twin, draw(4, 3))


# -- tf.keras ---------------------------------------------------------------------------------------------------------

_DENSE_TF = {
    **_DENSE_2,
    "dtype": "float32",
    "kernel_initializer": {"class_name": "GlorotUniform", "config": {"seed": None, "dtype": "float32"}},
}


def _node(name, op, inbound, constants=None, **attributes):
    node = {"name": name, "op": op, "input": [], "attr": {"T": {"type": "DT_FLOAT"}, **attributes}}
    config = {"name": name, "trainable": True, "dtype": "float32", "node_def": node, "constants": constants or {}}
    label = f"tf_op_layer_{name}"
    return {"class_name": "TensorFlowOpLayer", "config": config, "name": label, "inbound_nodes": [inbound]}


@dialect
def tf_keras_2_1():
    """Operations of TensorFlow's own graph in layers; initializers with dtypes; ragged inputs in words."""
    here = [["d", 0, 0, {}]]
    mul = "tf_op_layer_mul"
    config = graph(
        "Model",
        [
            entry("InputLayer", "x", [], batch_input_shape=[None, 4], dtype="float32", sparse=False, ragged=False),
            entry("Dense", "d", [["x", 0, 0, {}]], units=4, **_DENSE_TF),
            _node("mul", "Mul", here, {"1": 2.0}),
            _node("sub", "Sub", [[mul, 0, 0, {}]], {"0": 1.0}),
            _node("cat", "ConcatV2", [[mul, 0, 0, {}], ["tf_op_layer_sub", 0, 0, {}]], {"2": -1}, N={"i": "2"}),
            _node("mean", "Mean", [["tf_op_layer_cat", 0, 0, {}]], {"1": 1}, keep_dims={"b": True}),
            _node(
                "cut",
                "StridedSlice",
                [["tf_op_layer_cat", 0, 0, {}]],
                {"1": [0, 1], "2": [0, 7], "3": [1, 2]},
                begin_mask={"i": "1"},
                end_mask={"i": "1"},
                ellipsis_mask={"i": "0"},
                new_axis_mask={"i": "0"},
                shrink_axis_mask={"i": "0"},
            ),
            _node("shape", "Reshape", [["tf_op_layer_cut", 0, 0, {}]], {"1": [-1, 3, 1]}),
            _node("gone", "Squeeze", [["tf_op_layer_shape", 0, 0, {}]], squeeze_dims={"list": {"i": ["2"]}}),
            _node(
                "product",
                "MatMul",
                [["d", 0, 0, {}], [mul, 0, 0, {}]],
                transpose_b={"b": True},
                transpose_a={"b": False},
            ),
            entry("Add", "sum", [["tf_op_layer_gone", 0, 0, {}], ["tf_op_layer_mean", 0, 0, {}]], dtype="float32"),
        ],
        ["x"],
        [["sum", 0, 0], ["tf_op_layer_product", 0, 0]],
    )
    dense, ops = [draw(4, 4), draw(4)], keras.ops
    inputs = keras.Input((4,))
    d = layers.Dense(4, **as_in_2())(inputs)
    joined = ops.concatenate([d * 2.0, 1.0 - d * 2.0], axis=-1)
    total = layers.Add()([joined[:, 1:7:2], ops.mean(joined, axis=1, keepdims=True)])
    twin = keras.Model(inputs, [total, ops.matmul(d, ops.transpose(d * 2.0))])
    twin.set_weights(dense)
    return Written("2.2.4-tf", config, {"x": [], "d": dense}, twin, draw(5, 4))


@dialect
def tf_keras_2_6():
    """Functions of TensorFlow by name, arguments of calls with tensors in them, a dict of inputs, mixed precision."""
    policy = {"class_name": "Policy", "config": {"name": "mixed_bfloat16"}}
    attention = {
        "dtype": "float32",
        "num_heads": 2,
        "key_dim": 2,
        "value_dim": 2,
        "dropout": 0.0,
        "use_bias": True,
        "output_shape": None,
    }
    shapes = {"query_shape": [None, 3, 4], "key_shape": [None, 3, 4], "value_shape": [None, 3, 4]}
    config = graph(
        "Functional",
        [
            entry("InputLayer", "a", [], batch_input_shape=[None, 3, 4], dtype="float32", sparse=False, ragged=False),
            entry("InputLayer", "b", [], batch_input_shape=[None, 3, 4], dtype="float32", sparse=False, ragged=False),
            entry("TFOpLambda", "tf.math.multiply", None, dtype="float32", function="math.multiply"),
            entry(
                "MultiHeadAttention",
                "heads",
                [["a", 0, 0, {"value": ["b", 0, 0], "key": ["a", 0, 0]}]],
                attention_axes=[1],
                **attention,
                **shapes,
            ),
            entry("TFOpLambda", "tf.concat", None, dtype="float32", function="concat"),
            entry("Dense", "out", [["tf.concat", 0, 0, {}]], units=2, **{**_DENSE_TF, "dtype": policy}),
        ],
        [],
        [],
    )
    inner = config["config"]
    for layer, nodes in (
        ("tf.math.multiply", ["a", 0, 0, {"y": ["b", 0, 0], "name": None}]),
        ("tf.concat", [["heads", 0, 0, {"axis": -1}], ["tf.math.multiply", 0, 0, {"axis": -1}]]),
    ):
        next(each for each in inner["layers"] if each["config"]["name"] == layer).update(
            name=layer, inbound_nodes=[nodes]
        )
    inner.update(input_layers={"a": ["a", 0, 0], "b": ["b", 0, 0]}, output_layers={"out": ["out", 0, 0]})
    arrays = [
        draw(4, 2, 2),
        draw(2, 2),
        draw(4, 2, 2) + 0.1,
        draw(2, 2),
        draw(4, 2, 2) - 0.1,
        draw(2, 2),
        draw(2, 2, 4),
        draw(4),
    ]
    out = [draw(8, 2), draw(2)]
    a, b = keras.Input((3, 4)), keras.Input((3, 4))
    heads = layers.MultiHeadAttention(2, 2)(a, b, a)
    twin = keras.Model(
        {"a": a, "b": b},
        {"out": layers.Dense(2, dtype="mixed_bfloat16", **as_in_2())(layers.Concatenate()([heads, a * b]))},
    )
    twin.set_weights([*arrays, *out])
    weights = {"a": [], "b": [], "tf.math.multiply": [], "heads": arrays, "tf.concat": [], "out": out}
    return Written("2.6.0", config, weights, twin, {"a": draw(2, 3, 4), "b": draw(2, 4, 3).reshape(2, 3, 4)})


# -- a plain model of each version ------------------------------------------------------------------------------------


def dense_stack(version):
    """Two dense layers."""
    first, words = {"batch_input_shape": [None, 2], "dtype": "float32"}, _DENSE_2
    if version.startswith("1."):
        first, words = {"batch_input_shape": [None, 2], "input_dtype": "float32"}, _DENSE_1
    elif version == "2.2.4-tf" or version.startswith("2.6"):
        words = _DENSE_TF
    size = "output_dim" if words is _DENSE_1 else "units"
    config = [
        entry("Dense", "one", **{**words, **first, size: 3, "activation": "tanh"}),
        entry("Dense", "two", **{**words, size: 1, "activation": "linear"}),
    ]
    if not version.startswith(("1.", "2.0")):
        config = {"name": "sequential_1", "layers": config}
    today = {} if words is _DENSE_1 else as_in_2()
    twin = keras.Sequential([keras.Input((2,)), layers.Dense(3, activation="tanh", **today), layers.Dense(1, **today)])
    arrays = {"one": [draw(2, 3), draw(3)], "two": [draw(3, 1), draw(1)]}
    twin.set_weights([array for each in arrays.values() for array in each])
    return Written(version, {"class_name": "Sequential", "config": config}, arrays, twin, 2 * draw(5, 2))
