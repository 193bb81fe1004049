"""Every operation, and the other public functions, with one argument at a time in another form: None, list, tuple,
numpy, torch, Python number, dtype in any spelling. What Keras takes is taken here, with equal results; what it refuses
may be taken.

The calls are those of the tables of operations, so that an operation added there is covered.
"""

import keras
import numpy as np
import pytest
import torch

import torchkeras
from compat import names, op_variants
from compat.call_forms import spellings
from compat.test_op_sweep import ERRORS, function_of
from torchkeras.core import tree
from torchkeras.core.dtypes import NAMES

_ALL = "*"
_WEAK = "a scalar of numpy counts as a Python number"
_POSITIONS = "int32 positions, as Keras's static answer has them"
_KEPT = "reductions over all axes keep them, as numpy's do (deviations.md)"
_IDENTITY = "Keras compares with `is`, so that None and np.False_ count as true"
_ACCIDENT = "no number of that kind means anything here"

# Operation -> [(why, argument, labels)]: where the two differ on purpose. An entry that excuses nothing fails the test.
KNOWN = {
    "arange": [
        (_WEAK, "start", "np.int64", "np.float64"),
        (_WEAK, "stop", "np.int64", "np.float64"),
        (_WEAK, "step", "np.int64", "np.float64"),
    ],
    "argpartition": [("the order within a part is free", "axis", "None")],
    "average": [("weights that belong to no axis are refused (deviations.md)", "axis", "None", "0", "()")],
    "cast": [("Keras ignores the dtype", "x", "list of tensors")],
    "categorical_crossentropy": [("no axis at all has no meaning", "axis", "None")],
    "clip": [
        ("the promoted type, as Keras's static answer has it", "x_min", "0-d array", "tensor"),
        ("the promoted type, as Keras's static answer has it", "x_max", "0-d array", "tensor"),
    ],
    "correlate": [("no mode has no meaning; Keras takes it for one of the three", "mode", "None")],
    "crop_images": [
        (_ACCIDENT, name, "float", "np.float32")
        for name in (
            "top_cropping",
            "left_cropping",
            "bottom_cropping",
            "right_cropping",
            "target_height",
            "target_width",
        )
    ],
    "cross": [(_ACCIDENT, name, "float", "np.float32") for name in ("axisa", "axisb", "axisc")],
    "ctc_decode": [("the paths are integers", "mask_index", "float", "np.float32")],
    "divide_no_nan": [(_WEAK, "x2", "np.float64")],
    "floor_divide": [(_WEAK, "x2", "np.float64")],
    "fmax": [(_WEAK, "x2", "np.float64")],
    "fmin": [(_WEAK, "x2", "np.float64")],
    "gaussian_blur": [("Keras takes None for channels_first; documented as the setting", "data_format", "None")],
    "geomspace": [
        (_WEAK, "start", "np.float64"),
        (_WEAK, "stop", "np.float64"),
        ("Keras drops the new axis's place", "stop", "(value,)", "[value]"),
        ("Keras drops the dtype", "dtype", "int"),
        (_IDENTITY, "endpoint", "None", "np.bool_", "0 or 1"),
        (_ACCIDENT, "axis", "float", "np.float32", "array axis"),
    ],
    "istft": [(_IDENTITY, "center", "None", "np.bool_", "0 or 1")],
    "linspace": [("Keras drops the dtype", "dtype", "int"), (_IDENTITY, "endpoint", "None")],
    "logspace": [(_IDENTITY, "endpoint", "None")],
    "maximum": [(_WEAK, "x2", "np.float64")],
    "minimum": [(_WEAK, "x2", "np.float64")],
    "normalize": [("Keras takes the norm of a matrix", "axis", "None")],
    "squeeze": [("an axis of another size is refused (deviations.md)", "axis", "0", "np.int64(0)")],
    "std": [("Keras takes no axis for all of them", "axis", "()")],
    "top_k": [(_POSITIONS, _ALL, _ALL)],
    "view": [("nothing is to change (deviations.md)", "dtype", "None")],
    **{
        name: [(_KEPT, "keepdims", "True"), (_KEPT, "axis", "None")]
        for name in ("sum", "prod", "amax", "amin", "max", "min", "ptp", "nanprod")
    },
}


@pytest.fixture(autouse=True)
def wide_types(monkeypatch):
    """Keras with the rule for 64-bit types that it has on TensorFlow."""
    from keras.src.backend.common import dtypes

    for name in ("int64", "float64"):
        monkeypatch.setitem(dtypes.BIT64_TO_BIT32_DTYPE, name, name)


def outputs(library, name, make):
    args, kwargs = make(library)
    torch.manual_seed(3)
    results = tree.flatten(function_of(library.ops, name)(*args, **kwargs))
    return [out.detach() if isinstance(out, torch.Tensor) else torch.as_tensor(out) for out in results]


def difference(name, make):
    """What differs, as text; None where Keras refuses too or the results are equal."""
    try:
        want = outputs(keras, name, make)
    except ERRORS:
        return None
    try:
        have = outputs(torchkeras, name, make)
    except ERRORS as error:
        return f"raises {error!r}"[:300]
    specs = [[(tuple(out.shape), NAMES.get(out.dtype, out.dtype)) for out in each] for each in (have, want)]
    if specs[0] != specs[1]:
        return f"gives {specs[0]}, Keras {specs[1]}"
    for ours, theirs in zip(have, want, strict=True):
        ours, theirs = ours.to(torch.complex128), theirs.to(torch.complex128)
        if not torch.allclose(ours, theirs, rtol=1e-4, atol=1e-5, equal_nan=True):
            return f"gives {ours.flatten()[:4].tolist()}, Keras {theirs.flatten()[:4].tolist()}"
    return None


@pytest.mark.filterwarnings("ignore")  # Keras's own
@pytest.mark.parametrize("name", op_variants.BY_OP)
def test_every_form(name):
    found, used = [], set()
    for case in op_variants.BY_OP[name]:
        for argument, label, make in spellings(function_of(keras.ops, name), case.args, case.kwargs):
            text = difference(name, make)
            if text is None:
                continue
            excuse = next((one for one in KNOWN.get(name, ()) if _covers(one, argument, label)), None)
            if excuse is None:
                found.append(f"{case!r} {argument} as {label}: {text}")
            used.add(excuse)
    assert found == []
    assert set(KNOWN.get(name, ())) <= used, "an entry of KNOWN is not needed"


def _covers(excuse, argument, label):
    _, name, *labels = excuse
    return name in (_ALL, argument) and (labels == [_ALL] or label in labels)


# -- what is no operation ---------------------------------------------------------------------------------------------

X = np.linspace(-1, 1, 12).reshape(3, 4).astype("float32")
_SKIPPED = ("get", "serialize", "deserialize", "threshold")  # below, or asked for more than a tensor

# Public function or class -> arguments of the base call.
CALLS = {
    **{
        name: ((X,), {})
        for name, entry in names.manifest().items()
        if name.startswith("keras.activations.")
        and entry["kind"] == "function"
        and not name.endswith(tuple(f".{skipped}" for skipped in _SKIPPED))
    },
    "keras.activations.threshold": ((X, 0.5, 1.0), {}),
    "keras.random.normal": (((2, 3),), {"seed": 1}),
    "keras.random.uniform": (((2, 3),), {"seed": 1}),
    "keras.random.truncated_normal": (((2, 3),), {"seed": 1}),
    "keras.random.randint": (((2, 3), 0, 10), {"seed": 1}),
    "keras.random.categorical": ((X, 4), {"seed": 1}),
    "keras.random.dropout": ((X, 0.5), {"seed": 1}),
    "keras.random.shuffle": ((X,), {"seed": 1}),
    "keras.random.beta": (((2,), 1.0, 2.0), {"seed": 1}),
    "keras.random.binomial": (((2,), 3.0, 0.5), {"seed": 1}),
    "keras.random.gamma": (((2,), 1.0), {"seed": 1}),
    "keras.utils.to_categorical": (([0, 2, 1],), {"num_classes": 3}),
    "keras.utils.normalize": ((X,), {}),
    "keras.utils.set_random_seed": ((1,), {}),
    "keras.utils.get_custom_objects": ((), {}),
    "keras.utils.is_keras_tensor": ((X,), {}),
    "keras.utils.standardize_dtype": (("float32",), {}),
    "keras.utils.pack_x_y_sample_weight": ((X,), {}),
    "keras.backend.floatx": ((), {}),
    "keras.backend.standardize_dtype": (("float32",), {}),
    "keras.backend.is_float_dtype": (("float32",), {}),
    "keras.backend.is_int_dtype": (("float32",), {}),
    "keras.backend.result_type": (("float32", "int32"), {}),
    "keras.backend.is_keras_tensor": ((X,), {}),
    "keras.config.set_floatx": (("float32",), {}),
    "keras.config.set_epsilon": ((1e-7,), {}),
    "keras.config.set_image_data_format": (("channels_last",), {}),
    "keras.config.set_dtype_policy": (("float32",), {}),
    "keras.config.set_max_epochs": ((None,), {}),
    "keras.config.set_max_steps_per_epoch": ((None,), {}),
    "keras.tree.flatten": (([1, [2, 3]],), {}),
    "keras.tree.flatten_with_path": (([1, [2]],), {}),
    "keras.tree.is_nested": (([1],), {}),
    "keras.tree.map_structure": ((lambda *leaves: leaves, [1, None]), {}),
    "keras.tree.map_structure_up_to": (([1, 1], lambda leaf: leaf, [1, [2]]), {}),
    "keras.tree.assert_same_structure": (([1, [2]], [3, [4]]), {}),
    "keras.tree.pack_sequence_as": (([1, [2]], [3, 4]), {}),
    "keras.tree.lists_to_tuples": (([1, [2]],), {}),
    "keras.tree.traverse": ((lambda leaf: None, [1, [2]]), {}),
    **{
        f"keras.{family}.get": ((name,), {})
        for family, name in (
            ("activations", "relu"),
            ("initializers", "zeros"),
            ("losses", "mse"),
            ("metrics", "mse"),
            ("optimizers", "sgd"),
            ("regularizers", "l2"),
            ("constraints", "non_neg"),
            ("dtype_policies", "float32"),
        )
    },
    "keras.saving.get_registered_object": (("x>y",), {}),
    "keras.saving.serialize_keras_object": (([1, 2],), {}),
    "keras.saving.deserialize_keras_object": (({"a": 1},), {}),
    "keras.saving.custom_object_scope": (({"a": dict},), {}),
    "keras.device": (("cpu",), {}),
    "keras.name_scope": (("a",), {}),
    "keras.Input": (((3,),), {}),
    "keras.KerasTensor": (((2, 3),), {}),
    "keras.StatelessScope": ((), {}),
    "keras.RematScope": ((), {}),
    "keras.InputSpec": ((), {"shape": (None, 3)}),
    "keras.Variable": ((X,), {}),
    "keras.DTypePolicy": (("float32",), {}),
}

KNOWN_CALLS = {
    "keras.InputSpec": [("a list has no sizes", "axes", "(axis,)", "[axis]")],
    "keras.config.set_epsilon": [("no epsilon has no meaning", "value", "None")],
    "keras.utils.to_categorical": [("floats, as from arrays; Keras gives integers for tensors only", "x", "tensor")],
}


def comparable(value):
    """A result in types that both libraries have."""
    if hasattr(value, "numpy") and hasattr(value, "shape"):  # tensors and Variables
        value = keras.ops.convert_to_numpy(value)
    if isinstance(value, (np.ndarray, np.generic)):
        return str(value.dtype), value.shape, np.round(value.astype("float64"), 4).tolist()
    if isinstance(value, (list, tuple)):
        return [comparable(item) for item in value]
    if isinstance(value, dict):
        kept = {key: item for key, item in value.items() if key not in ("module", "registered_name")}
        return {key: comparable(item) for key, item in kept.items()}
    if isinstance(value, (int, float, str, type(None))):
        return value
    if isinstance(value, (keras.KerasTensor, torchkeras.KerasTensor)):
        return tuple(value.shape), value.dtype
    return getattr(value, "__name__", type(value).__name__)


def _found(library, name):
    for part in name.split(".")[1:]:
        library = getattr(library, part)
    return library


def called(library, name, make):
    args, kwargs = make(library)
    library.utils.set_random_seed(0)
    try:
        result = _found(library, name)(*args, **kwargs)
        if hasattr(result, "__exit__"):
            with result:
                return "entered"
        return comparable(result)
    finally:
        library.config.set_floatx("float32")
        library.config.set_epsilon(1e-7)
        library.config.set_image_data_format("channels_last")
        library.config.set_dtype_policy("float32")
        library.config.set_max_epochs(None)
        library.config.set_max_steps_per_epoch(None)


@pytest.mark.filterwarnings("ignore")  # Keras's own
@pytest.mark.parametrize("name", CALLS)
def test_every_form_of_other_functions(name):
    args, kwargs = CALLS[name]
    found, used = [], set()
    for argument, label, make in spellings(_found(keras, name), args, kwargs):
        try:
            want = called(keras, name, make)
        except ERRORS:
            continue
        try:
            have = called(torchkeras, name, make)
        except ERRORS as error:
            have = repr(error)
        if str(have) == str(want):  # NaN equals NaN
            continue
        excuse = next((one for one in KNOWN_CALLS.get(name, ()) if _covers(one, argument, label)), None)
        if excuse is None:
            found.append(f"{argument} as {label}: {have}, Keras {want}")
        used.add(excuse)
    assert found == []
    assert set(KNOWN_CALLS.get(name, ())) <= used, "an entry of KNOWN_CALLS is not needed"


INPUT = np.ones((2, 3), "float32")


def built(k, make):
    i, j = k.Input((3,), name="i"), k.Input((3,), name="j")
    o, p = (k.layers.Dense(1, kernel_initializer="ones", name=name)(x) for name, x in (("o", i), ("p", j)))
    return make(k, i, j, o, p)


MODELS = {
    "an input twice": lambda k, i, j, o, p: k.Model([i, i], o).predict([INPUT, INPUT * 2], verbose=0),
    "an input under two names": lambda k, i, j, o, p: k.Model({"a": i, "b": i}, o).predict(
        {"a": INPUT, "b": INPUT * 2}, verbose=0
    ),
    "an input twice, its config": lambda k, i, j, o, p: k.Model([i, i], o).get_config()["input_layers"],
    "an input twice, called": lambda k, i, j, o, p: k.Model([i, i], o)([INPUT, INPUT * 2]),
    "an output twice": lambda k, i, j, o, p: k.Model(i, [o, o]).predict(INPUT, verbose=0),
    "an input as output": lambda k, i, j, o, p: k.Model(i, [i, o]).predict(INPUT, verbose=0),
    "nothing between": lambda k, i, j, o, p: k.Model(i, i).predict(INPUT, verbose=0),
    "a tuple of one": lambda k, i, j, o, p: k.Model((i,), o).predict(INPUT, verbose=0),
    "lists of one": lambda k, i, j, o, p: k.Model([i], [o]).predict(INPUT, verbose=0),
    "nested": lambda k, i, j, o, p: k.Model([i, [j]], {"a": o, "b": [p]}).predict([INPUT, [INPUT]], verbose=0),
    "an input that nothing needs": lambda k, i, j, o, p: k.Model([i, j], o).predict([INPUT, INPUT], verbose=0),
    "from the middle": lambda k, i, j, o, p: k.Model(o, k.layers.ReLU()(o)).predict(INPUT[:, :1], verbose=0),
    "keywords": lambda k, i, j, o, p: k.Model(outputs=o, inputs=i, trainable=False, name="q").get_config()["name"],
    "no name": lambda k, i, j, o, p: k.Model(i, o, name=None).count_params(),
    "Sequential of None": lambda k, i, j, o, p: len(k.Sequential(None, name=None).layers),
    "Sequential of a tuple": lambda k, i, j, o, p: len(k.Sequential((k.Input((3,)), k.layers.Dense(1))).layers),
    "Sequential that is frozen": lambda k, i, j, o, p: k.Sequential([k.layers.Dense(1)], trainable=False).trainable,
}


@pytest.mark.filterwarnings("ignore:The structure of `inputs`")  # Keras's own
@pytest.mark.parametrize("form", MODELS)
def test_forms_of_models(form):
    ours, theirs = (comparable(built(k, MODELS[form])) for k in (torchkeras, keras))
    assert ours == theirs
