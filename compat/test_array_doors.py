"""Every door that takes an array, with every kind of array: the numbers that Keras gives for a plain array, no warning,
and the user's array as it was. Keras itself takes fewer kinds.
"""

import tempfile
import warnings

import keras
import ml_dtypes
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch

import torchkeras

PLAIN = np.array([[1.0, 0.0, 3.0], [2.0, 1.0, 0.0], [0.0, 2.0, 1.0], [3.0, 3.0, 2.0]], "float32")
ROWS, COLUMNS = PLAIN.shape


class ArrayLike:
    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):
        return self.values.astype(dtype or self.values.dtype)


class Capsule:
    def __init__(self, values):
        self.tensor = torch.from_numpy(values.copy())

    def __dlpack__(self, **options):
        return self.tensor.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.tensor.__dlpack_device__()


class Stand:
    def __init__(self, values):
        self.tensor = torch.from_numpy(values.copy())

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        return function(*(value.tensor if isinstance(value, Stand) else value for value in args), **(kwargs or {}))


class Tagged(torch.Tensor):
    pass


def read_only(values):
    values = values.copy()
    values.setflags(write=False)
    return values


def mapped(values, mode="r"):
    with tempfile.NamedTemporaryFile(suffix=".npy") as file:
        np.save(file, values)
        file.flush()
        return np.load(file.name, mmap_mode=mode)


def record_field(values):
    records = np.zeros(len(values), [("flag", "i1"), ("x", "<f4", values.shape[1:])])
    records["x"] = values
    return records["x"]


def frame(values):
    return pd.DataFrame(values, columns=list("abc"))


def mixed_frame(values):
    return frame(values).astype({"a": "float64", "b": "int8", "c": "float32"})


KINDS = {
    "negative strides": lambda x: x[::-1, ::-1].copy()[::-1, ::-1],
    "every second row": lambda x: np.repeat(x, 2, axis=0)[::2],
    "Fortran order": np.asfortranarray,
    "transposed": lambda x: x.T.copy().T,
    "read-only": read_only,
    "memory map": mapped,
    "memory map of copies": lambda x: mapped(x, "c"),
    "big-endian": lambda x: x.astype(">f4"),
    "big-endian memory map": lambda x: mapped(x.astype(">f8")),
    "field of records": record_field,
    "matrix": lambda x: x.view(np.matrix),
    "masked": np.ma.asarray,
    "float16": lambda x: x.astype("float16"),
    "float64": lambda x: x.astype("float64"),
    "longdouble": lambda x: x.astype("longdouble"),
    "bfloat16": lambda x: x.astype(ml_dtypes.bfloat16),
    **{
        name: (lambda x, name=name: x.astype(name))
        for name in ("int8", "int64", "uint8", "uint16", "uint32", "uint64", ">u2", ">i4")
    },
    "objects": lambda x: x.astype(object),
    "frame": frame,
    "frame of mixed columns": mixed_frame,
    "frame of floats and bools": lambda x: frame(x).assign(c=frame(x)["c"].astype("Int64")),
    "nullable frame": lambda x: frame(x).convert_dtypes(),
    "frame of Arrow columns": lambda x: frame(x).convert_dtypes(dtype_backend="pyarrow"),
    "Arrow table": lambda x: pa.table({name: x[:, i] for i, name in enumerate("abc")}),
    "__array__": ArrayLike,
    "__dlpack__": Capsule,
    "__torch_function__": Stand,
    "tensor": torch.from_numpy,
    "tensor that wants gradients": lambda x: torch.tensor(x, requires_grad=True),
    "tensor not contiguous": lambda x: torch.tensor(x.T.copy()).T,
    "tensor of a subclass": lambda x: torch.tensor(x).as_subclass(Tagged),
    "parameter": lambda x: torch.nn.Parameter(torch.tensor(x)),
    "list": lambda x: x.tolist(),
    "tuple of lists": lambda x: tuple(x.tolist()),
}

# -- doors ------------------------------------------------------------------------------------------------------------


def network(k, **compiled):
    model = k.Sequential([k.Input((COLUMNS,)), k.layers.Dense(COLUMNS, kernel_initializer="ones")])
    model.compile(k.optimizers.SGD(0.01), "mse", **compiled)
    return model


def steps(k):
    """A model whose loss has a value for each column, so that weights of the data's shape fit it."""
    model = k.Sequential([k.Input((COLUMNS,)), k.layers.Reshape((COLUMNS, 1))])
    model.compile("sgd", "mae", weighted_metrics=["mse"])
    return model


def functional(k):
    x = k.Input((COLUMNS,))
    return k.Model(x, k.layers.Dense(2, kernel_initializer="ones")(x))


def fitted(k, x=PLAIN, y=PLAIN):
    model = network(k)
    history = model.fit(x, y, batch_size=3, epochs=2, shuffle=False, verbose=0).history
    return [history["loss"], *model.get_weights()]


def on_batch(k, x=PLAIN, y=PLAIN):
    model = network(k)
    return [model.train_on_batch(x, y), model.test_on_batch(x, y), *model.get_weights()]


def set_weights(k, value):
    layer = k.layers.Dense(COLUMNS, use_bias=False)
    layer.build((None, ROWS))
    layer.set_weights([value])
    return layer.get_weights()


def weight_from(k, initializer):
    layer = k.layers.Dense(COLUMNS, use_bias=False, kernel_initializer=initializer)
    layer.build((None, ROWS))
    return layer.get_weights()


def variable(k):
    return k.Variable(np.zeros((ROWS, COLUMNS), "float32"))


def assigned(k, value, method="assign"):
    v = variable(k)
    v.assign(PLAIN)
    getattr(v, method)(value)
    return v.numpy()


def stateless(k, value):
    v = variable(k)
    with k.StatelessScope(state_mapping=[(v, k.ops.convert_to_tensor(value) if k is keras else value)]):
        return v.value + 1


def stateless_call(k, value):
    layer = k.layers.Dense(COLUMNS, use_bias=False)
    layer.build((None, ROWS))
    return layer.stateless_call([value], [], torch.ones(2, ROWS))[0]


def nested(k, value):
    class Weighted(k.layers.Layer):
        def call(self, inputs, extra=None):
            return inputs["x"] + extra[0]["y"] * 2

    return Weighted()({"x": value}, extra=[{"y": value}])


def updated(k, **given):
    metric = k.metrics.MeanSquaredError()
    metric.update_state(**{"y_true": PLAIN, "y_pred": PLAIN[::-1].copy(), **given})
    return float(metric.result())


def mean(k, **given):
    metric = k.metrics.Mean()
    metric.update_state(**{"values": PLAIN, **given})
    return float(metric.result())


def descended(k, gradient):
    gradient = torch.from_numpy(gradient) if k is keras else gradient
    v, optimizer = variable(k), k.optimizers.SGD(0.5)
    optimizer.build([v])
    optimizer.apply([gradient], [v])
    return v.numpy()


LOSS = lambda k: k.losses.MeanAbsoluteError()

DOORS = {
    "layer call": lambda k, x: k.layers.Dense(2, kernel_initializer="ones")(x),
    "layer of half precision": lambda k, x: k.layers.Activation("relu", dtype="float16")(x),
    "nested arguments of a layer": nested,
    "model call": lambda k, x: functional(k)(x),
    "model call by name": lambda k, x: functional(k)([x]),
    "fit x": lambda k, x: fitted(k, x=x),
    "fit y": lambda k, x: fitted(k, y=x),
    "fit in random order": lambda k, x: sorted(network(k).fit(x, x, batch_size=ROWS, verbose=0).history["loss"]),
    "fit validation": lambda k, x: network(k).fit(PLAIN, PLAIN, validation_data=(x, x), verbose=0).history["val_loss"],
    "fit validation_split": lambda k, x: (
        network(k).fit(x, x, validation_split=0.5, verbose=0, shuffle=False).history["val_loss"]
    ),
    "evaluate": lambda k, x: network(k).evaluate(x, x, verbose=0),
    "evaluate sample_weight": lambda k, x: steps(k).evaluate(
        PLAIN, PLAIN[::-1, :, None].copy(), sample_weight=x, verbose=0
    ),
    "predict": lambda k, x: network(k).predict(x, batch_size=3, verbose=0),
    "train_on_batch x": lambda k, x: on_batch(k, x=x),
    "train_on_batch y": lambda k, x: on_batch(k, y=x),
    "predict_on_batch": lambda k, x: network(k).predict_on_batch(x),
    "convert_to_tensor": lambda k, x: k.ops.convert_to_tensor(x),
    "convert_to_tensor of a type": lambda k, x: k.ops.convert_to_tensor(x, "float32"),
    "convert_to_numpy": lambda k, x: k.ops.convert_to_numpy(x),
    "cast": lambda k, x: k.ops.cast(x, "int32"),
    "operation on one": lambda k, x: k.ops.square(x),
    "operation on two, first": lambda k, x: k.ops.add(x, PLAIN),
    "operation on two, second": lambda k, x: k.ops.multiply(PLAIN, x),
    "operation with a number": lambda k, x: k.ops.maximum(x, 1),
    "reduction": lambda k, x: k.ops.mean(x, axis=0),
    "matmul": lambda k, x: k.ops.matmul(PLAIN.T.copy(), x),
    "reshape": lambda k, x: k.ops.reshape(x, (-1,)),
    "concatenate": lambda k, x: k.ops.concatenate([x, PLAIN], axis=0),
    "stack": lambda k, x: k.ops.stack([PLAIN, x]),
    "where": lambda k, x: k.ops.where(PLAIN > 1, x, 0.0),
    "take, indices": lambda k, x: k.ops.take(np.arange(5.0), x if k is torchkeras else PLAIN.astype("int32")),
    "activation": lambda k, x: k.activations.relu(x),
    "Variable": lambda k, x: k.Variable(x if k is torchkeras else PLAIN, dtype="float32").numpy(),
    "assign": assigned,
    "assign_add": lambda k, x: assigned(k, x, "assign_add"),
    "assign_sub": lambda k, x: assigned(k, x, "assign_sub"),
    "set_weights": set_weights,
    "Constant": lambda k, x: k.initializers.Constant(x)((ROWS, COLUMNS)),
    "initializer": weight_from,
    "StatelessScope": stateless,
    "stateless_call": stateless_call,
    "gradient": descended,
    "loss y_true": lambda k, x: LOSS(k)(x, PLAIN[::-1].copy()),
    "loss y_pred": lambda k, x: LOSS(k)(PLAIN[::-1].copy(), x),
    "loss sample_weight": lambda k, x: LOSS(k)(PLAIN[..., None], PLAIN[::-1, :, None].copy(), sample_weight=x),
    "loss function": lambda k, x: k.losses.mean_squared_error(x, PLAIN[::-1].copy()),
    "metric y_true": lambda k, x: updated(k, y_true=x),
    "metric y_pred": lambda k, x: updated(k, y_pred=x),
    "metric values": lambda k, x: mean(k, values=x),
    "metric sample_weight": lambda k, x: mean(k, sample_weight=x),
    "regularizer": lambda k, x: k.regularizers.L2(0.5)(x),
    "constraint": lambda k, x: k.constraints.NonNeg()(x),
    "normalize": lambda k, x: k.utils.normalize(x),
}

_LISTS = ("list", "tuple of lists")

# Doors where a kind means something else, and why.
EXCUSED = {
    "nested arguments of a layer": (
        "a list is a structure of numbers there, in Keras too; users' layers get stand-ins as they are",
        *_LISTS,
        "__torch_function__",
    ),
    "model call by name": ("a list in the list of inputs is a structure", *_LISTS),
    "normalize": ("half precision rounds", "float16"),
    "initializer": ("a list is no initializer in Keras either", *_LISTS),
}


def numbers(result):
    """A result as one flat list of floats."""
    if isinstance(result, (list, tuple)):
        return [number for part in result for number in numbers(part)]
    if isinstance(result, torch.Tensor):
        return result.detach().double().flatten().tolist()
    return np.asarray(result, dtype="float64").ravel().tolist()


def snapshot(value):
    """What must be the same afterwards: the numbers, and whether they may be written."""
    value = getattr(value, "tensor", getattr(value, "values", value)) if not hasattr(value, "iloc") else value
    if isinstance(value, torch.Tensor):
        return value.tolist(), value.requires_grad
    return np.asarray(value).tolist(), getattr(getattr(value, "flags", None), "writeable", None)


@pytest.fixture(scope="module")
def expected():
    """Keras's numbers for the plain array, door by door."""
    found = {}

    def of(door):
        if door not in found:
            keras.utils.set_random_seed(0)
            found[door] = numbers(DOORS[door](keras, PLAIN.copy()))
        return found[door]

    return of


@pytest.mark.parametrize("door", DOORS)
def test_every_kind(door, expected):
    want, failed = expected(door), []
    for kind in ("plain", *KINDS):
        value = PLAIN.copy() if kind == "plain" else KINDS[kind](PLAIN.copy())
        before = snapshot(value)
        torchkeras.utils.set_random_seed(0)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                have = numbers(DOORS[door](torchkeras, value))
        except (ValueError, TypeError, RuntimeError, NotImplementedError, AttributeError, Warning) as error:
            failed.append((kind, repr(error)[:300]))
            continue
        if len(have) != len(want) or not np.allclose(have, want, rtol=1e-5, atol=1e-6):
            failed.append((kind, f"{have[:6]}, Keras {want[:6]}"))
        if snapshot(value) != before:
            failed.append((kind, "the array was changed"))
    excused = EXCUSED.get(door, ("",))[1:]
    assert [line for line in failed if line[0] not in excused] == []
    assert set(excused) <= {kind for kind, _ in failed}, "an entry of EXCUSED is not needed"


# -- columns, masks, weights by class ---------------------------------------------------------------------------------


def seen(k, **data):
    """The shapes and dtypes that a custom step is given."""
    found = []

    class Watching(k.Model):
        def __init__(self):
            super().__init__()
            self.built = True

        def call(self, x):
            return x

        def train_step(self, batch):
            found.extend((tuple(part.shape), str(part.dtype)) for part in batch if part is not None)
            return {}

    model = Watching()
    model.compile("sgd", "mse")
    model.fit(**data, batch_size=2, verbose=0)
    return found


COLUMN = [1.0, 0.0, 2.0, 1.0]
FED = {
    "series": lambda: {"x": pd.Series(COLUMN), "y": pd.Series([0, 1, 0, 1]), "sample_weight": pd.Series(COLUMN)},
    "frame": lambda: {"x": frame(PLAIN), "y": frame(PLAIN)["a"]},
    "index": lambda: {"x": pd.Index(COLUMN), "y": np.array(COLUMN, "float16")},
    "small types": lambda: {"x": PLAIN.astype("uint16"), "y": PLAIN.astype("uint32")},
    "bools": lambda: {"x": PLAIN > 1, "y": PLAIN.astype("int8")},
    "halves": lambda: {"x": PLAIN.astype("float16"), "y": torch.from_numpy(PLAIN).bfloat16()},
    "doubles": lambda: {"x": torch.from_numpy(PLAIN).double(), "y": PLAIN.astype("float64")},
}


@pytest.mark.parametrize("data", FED)
def test_what_a_step_is_given(data):
    assert seen(torchkeras, **FED[data]()) == seen(keras, **FED[data]())


def test_columns_that_keras_refuses_are_columns_too():
    columns = {"x": pd.Series([1, 0, 1, 1], dtype="Int64"), "y": pd.Series(COLUMN, dtype="float64[pyarrow]")}
    assert seen(torchkeras, **columns) == [((2, 1), "torch.int64"), ((2, 1), "torch.float32")] * 2


STEPS = np.array([[1, 1, 0], [1, 0, 0], [1, 1, 1], [0, 1, 0]])

MASKS = {
    "bools": STEPS.astype(bool),
    "list": STEPS.astype(bool).tolist(),
    "reversed": STEPS.astype(bool)[::-1].copy()[::-1],
    "read-only": read_only(STEPS.astype(bool)),
    "frame": frame(STEPS.astype(bool)),
    "tensor": torch.from_numpy(STEPS.astype(bool)),
}

MASKED = {
    "LSTM": lambda k, x, mask: k.layers.LSTM(2, kernel_initializer="ones")(x, mask=mask),
    "GRU": lambda k, x, mask: k.layers.GRU(2, kernel_initializer="ones", return_sequences=True)(x, mask=mask),
    "pooling": lambda k, x, mask: k.layers.GlobalAveragePooling1D()(x, mask=mask),
    "Softmax": lambda k, x, mask: k.layers.Softmax(axis=1)(x[..., 0], mask=mask),
    "MultiHeadAttention": lambda k, x, mask: k.layers.MultiHeadAttention(1, 2, kernel_initializer="ones")(
        x, x, attention_mask=k.ops.ones((4, 3, 3)), key_mask=mask, value_mask=mask
    ),
}


@pytest.mark.parametrize("layer", MASKED)
@pytest.mark.parametrize("kind", MASKS)
def test_masks(layer, kind):
    x = np.linspace(-1, 1, 24).reshape(4, 3, 2).astype("float32")
    outputs = []
    for k, mask in ((torchkeras, MASKS[kind]), (keras, torch.from_numpy(MASKS["bools"]))):
        k.utils.set_random_seed(0)
        outputs.append(numbers(MASKED[layer](k, x, mask)))
    assert np.allclose(*outputs, rtol=1e-5, atol=1e-6)
