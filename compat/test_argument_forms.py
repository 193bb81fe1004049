"""Every form of every constructor argument, beside the installed Keras: what Keras takes is taken and gives the same
config; what it refuses is refused with the same kind of error, or taken where that harms nobody.

The manifest drives the loop: a class that is published later is covered without a line here, unless it asks for an
argument whose name stands in no table below.
"""

import inspect
import math
import os

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import numpy as np
import pytest
import torch

import torchkeras
from compat import names
from compat.harness import arrays_of
from compat.layer_cases import first_cases
from compat.needed import NEEDED

ROOMS = (
    "layers",
    "optimizers",
    "optimizers.schedules",
    "initializers",
    "regularizers",
    "constraints",
    "losses",
    "metrics",
)

# Values of required arguments, by name; layers take theirs from their plainest case.
GIVEN = {
    "learning_rate": 0.1,
    "initial_learning_rate": 0.1,
    "decay_steps": 10,
    "first_decay_steps": 10,
    "decay_rate": 0.5,
    "boundaries": [5, 10],
    "values": [0.1, 0.05, 0.01],
    "inner_optimizer": lambda lib: lib.optimizers.SGD(0.1),
    "fn": lambda lib: lib.losses.mean_squared_error,
    **NEEDED,
}
CASES = {case.layer: case for case in first_cases()}
# Classes that are no configurations of plain values.
ELSEWHERE = {
    "Layer",
    "InputLayer",
    "InputSpec",
    "TorchModuleWrapper",
    "Wrapper",
    "Optimizer",
    "MultiOptimizer",
    "OptimizerMap",
}
ELSEWHERE |= {"FlaxLayer", "JaxLayer", "TFSMLayer"}  # refused, whatever the arguments
ELSEWHERE |= {"Hashing", "HashedCrossing", "IntegerLookup", "StringLookup", "TextVectorization"}  # TensorFlow's alone


def _of(lib, room):
    for part in room.split("."):
        lib = getattr(lib, part)
    return lib


def classes():
    """`(room, name)` of every public class of the rooms that both have."""
    found = []
    for room in ROOMS:
        for full in names.manifest():
            name = full.removeprefix(f"keras.{room}.")
            ours = names.find(full)
            if name == full or "." in name or not isinstance(ours, type) or name in ELSEWHERE:
                continue
            if ours.__name__ == name:
                found.append((room, name))
    return sorted(set(found))


def given(lib, room, name):
    """Plain arguments that make an object of the class."""
    cls = getattr(_of(lib, room), name)
    if room == "layers":
        return CASES[name].constructor_arguments(lib.layers)
    needed = [p.name for p in _parameters(cls) if p.default is p.empty]
    return {each: GIVEN[each](lib) if callable(GIVEN[each]) else GIVEN[each] for each in needed}


def _parameters(cls):
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [p for p in inspect.signature(cls).parameters.values() if p.kind not in kinds]


# -- forms ------------------------------------------------------------------------------------------------------------


class Made:
    """A form that is made of the library under test."""

    def __init__(self, text, make):
        self.text, self.make = text, make

    def __repr__(self):
        return self.text


def _family(room, plain, cls, more=()):
    return [
        None,
        plain,
        plain.title(),
        "no such name",
        3,
        Made(f"{cls} as class", lambda lib: getattr(_of(lib, room), cls)),
        Made(f"{cls}()", lambda lib: getattr(_of(lib, room), cls)()),
        Made(f"config of {cls}()", lambda lib: _of(lib, room).serialize(getattr(_of(lib, room), cls)())),
        Made(f"short config of {cls}()", lambda lib: {"class_name": cls, "config": {}}),
        *more,
    ]


NAMES = [None, "a_name", "", "a/b", 3]
DTYPES = [
    None,
    "float16",
    "float64",
    "mixed_bfloat16",
    "no dtype",
    3,
    torch.float16,
    np.float16,
    np.dtype("float32"),
    Made("DTypePolicy('float16')", lambda lib: lib.DTypePolicy("float16")),
    Made("config of a policy", lambda lib: lib.dtype_policies.serialize(lib.DTypePolicy("float16"))),
]
BY_NAME = {
    "name": NAMES,
    "dtype": DTYPES,
    "trainable": [True, False, np.bool_(True), np.bool_(False), None, 1, "yes"],
    "autocast": [True, False, None, 0],
    "seed": [
        None,
        1,
        0,
        -1,
        2**40,
        np.int64(1),
        np.array(1),
        True,
        1.0,
        "1",
        Made("SeedGenerator(1)", lambda lib: lib.random.SeedGenerator(1, name="s")),
    ],
    "data_format": [None, "channels_last", "channels_first", "CHANNELS_LAST", "no format", 3],
    "reduction": [None, "none", "sum", "mean", "sum_over_batch_size", "mean_with_sample_weight", "SUM", "no word", 3],
    "learning_rate": [
        1,
        0.1,
        0,
        -0.1,
        np.float32(0.1),
        np.float64(0.1),
        np.array(0.1),
        np.array([0.1]),
        [0.1],
        True,
        "0.1",
        None,
        torch.tensor(0.1),
        Made("ExponentialDecay", lambda lib: lib.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5)),
    ],
    "activation": _family("activations", "relu", "relu")[:5],
    "noise_shape": [None, (None, 1), [2, 1], (2, 0), (2, -1), (2.0, 1), np.array([2, 1]), 2, "2", (np.int64(2), 1)],
    "weights": [None],
}


def _zeros(shape, dtype=None):
    return torch.zeros(shape)


def _families(parameter):
    if parameter.endswith("initializer"):
        return [*_family("initializers", "zeros", "Zeros"), Made("a function", lambda lib: _zeros)]
    if parameter.endswith("regularizer"):
        return _family("regularizers", "l2", "L2")
    if parameter.endswith("constraint"):
        return _family("constraints", "non_neg", "NonNeg")
    return None


def _of_number(value):
    kind = int if isinstance(value, int) else float
    return [
        value,
        None,
        int(value),
        float(value),
        np.int64(value),
        np.int32(value),
        np.float32(value),
        np.float64(value),
        np.array(value),
        np.array([value]),
        torch.tensor(value),
        [value],
        (value,),
        str(value),
        "no number",
        True,
        False,
        0,
        -1,
        2,
        kind(value) + 0.5,
        float("nan"),
        float("inf"),
    ]


def _of_sizes(value):
    value = tuple(value)
    first = value[0] if value else 1
    if not all(each is None or isinstance(each, (int, float)) for each in value):
        return []  # objects of one of the two libraries
    forms = [
        value,
        list(value),
        None,
        np.array(value),
        tuple(np.int64(each) for each in value) if None not in value else None,
        tuple(float(each) for each in value) if None not in value else None,
        first,
        float(first) if first is not None else None,
        np.int64(first) if first is not None else None,
        (*value, 1),
        value[:-1],
        (0, *value[1:]),
        (-1, *value[1:]),
        (None, *value[1:]),
        str(first),
        "xy",
        True,
        {1: 2},
        torch.tensor([each or 1 for each in value]),
    ]
    return forms


def forms(parameter, value):
    """Forms to try for an argument, from its name and the value that it has in the plainest call."""
    found = BY_NAME.get(parameter) or _families(parameter)
    if found is not None:
        return found
    if isinstance(value, bool):
        return [True, False, None, 1, 0, np.bool_(True), np.bool_(False), np.array(True), "yes", "", 2]
    if isinstance(value, (int, float)):
        return _of_number(value)
    if isinstance(value, str):
        return [value, value.upper(), value.title(), None, 3, "no such word", True]
    if isinstance(value, (tuple, list)):
        return _of_sizes(value)
    if value is None:
        return [None, 1, 2, np.int64(2), 2.0, 0.5, np.float32(0.5), 0, -1, True, "x", (1,), [1], (1, 2), np.array([1])]
    return [None]


# -- outcomes ---------------------------------------------------------------------------------------------------------

FAILS = "fails when it is used"


def outcome(lib, room, name, parameter, form):
    """The config of the object that a form makes; the type of the error; or FAILS for a layer that is made, but cannot
    be called."""
    cls = getattr(_of(lib, room), name)
    value = form.make(lib) if isinstance(form, Made) else form
    arguments = {**given(lib, room, name), parameter: value}
    lib.utils.clear_session(free_memory=False)
    try:
        made = cls(**arguments)
    except NotImplementedError:
        return "not offered"
    except Exception as error:  # noqa: BLE001 - which error it is is the result
        return type(error)
    try:
        config = _plain(made.get_config())
        if room == "layers":
            made(*(_tensors(array) for array in arrays_of(CASES[name])), training=True)
        elif room == "optimizers":
            shapes = ((2, 2), (2,))
            made.apply([torch.ones(shape) for shape in shapes], [lib.Variable(np.ones(s, "float32")) for s in shapes])
    except Exception:  # noqa: BLE001 - that there is one is the result
        return FAILS
    return config


def _tensors(array):
    return [_tensors(item) for item in array] if isinstance(array, (list, tuple)) else torch.tensor(array)


def _plain(value):
    """A config in which only what means something differs: numbers, not their boxes; members, not their bags."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, (np.ndarray, torch.Tensor)):
        return _plain(value.item() if math.prod(value.shape) == 1 else value.tolist())
    if hasattr(value, "get_config"):
        return _plain(value.get_config())
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, float) and value != value:
        return "nan"
    return value


# Arguments of what comes later: other values than None are refused here with NotImplementedError.
LATER = {"quantization_config", "gptq_unpacked_column_size"}
# (class or "*", argument or "*", form's text or "*", why): where the two differ on purpose.
EXCEPTIONS = [
    ("*", "padding", "'no such word'", 'pooling in Keras takes every word but "same" for "valid"'),
    ("*", "padding", "'Valid'", "written in lower case, as all the other layers of Keras do"),
    ("*", "padding", "'VALID'", "written in lower case, as all the other layers of Keras do"),
    ("*", "*", "nan", "nothing is configured by NaN"),
    ("*", "lora_rank", "np.float32(0.5)", "half a rank is none"),
    ("Embedding", "lora_alpha", "*", "Keras puts the rank in its place, whatever it is"),
    ("*", "name", "''", "an empty name is none, as in Keras's own losses and metrics"),
    ("PReLU", "shared_axes", "0", "Keras takes the batch for the last axis"),
    ("Reshape", "target_shape", "'2'", "a string is no shape"),
    ("UpSampling2D", "size", "(2.0, 2.0)", "a factor is a whole number"),
    ("UpSampling3D", "size", "(2.0, 2.0, 2.0)", "a factor is a whole number"),
    ("EinsumDense", "output_shape", "(None, 6, 1)", "the rank contradicts the equation"),
    ("SimpleRNN", "activity_regularizer", "*", "Keras drops it, see deviations.md"),
    ("ELU", "activity_regularizer", "None", "Keras writes a None that was passed, for this layer only"),
    ("Identity", "activity_regularizer", "None", "Keras writes a None that was passed, for this layer only"),
    *[
        ("MelSpectrogram", argument, form, "a list is no number")
        for argument, number in (("mag_exp", 2.0), ("min_power", 1e-10), ("ref_power", 1.0))
        for form in (f"[{number}]", f"({number},)")
    ],
    ("MelSpectrogram", "sequence_stride", "None", "torch's default, of which no word of Keras tells"),
    ("MelSpectrogram", "sequence_length", "0", "a length above zero"),
    ("MelSpectrogram", "sampling_rate", "-1", "no rate is below zero"),
    ("Lambda", "output_shape", "*", "looked at when it is given, not when a graph is made"),
    ("Lambda", "mask", "*", "looked at when it is given, not when there is a mask"),
    ("Lambda", "arguments", "0", "a number is no dict"),
    ("ReversibleEmbedding", "reverse_dtype", "*", "looked at when it is given, not at the first call in reverse"),
    ("ReversibleEmbedding", "logit_soft_cap", "*", "looked at when it is given, not at the first call in reverse"),
    ("MultiHeadAttention", "attention_axes", "*", "the case has queries and values of different lengths"),
    ("Attention", "dropout", "-1", "there is no such fraction"),
    ("GroupNormalization", "axis", "0", "the batch is no axis of channels"),
    ("GroupNormalization", "axis", "False", "the batch is no axis of channels"),
    ("AdditiveAttention", "dropout", "-1", "there is no such fraction"),
    ("*", "epsilon", "[1e-07]", "a list is no number"),
    ("*", "epsilon", "(1e-07,)", "a list is no number"),
    ("SparseTopKCategoricalAccuracy", "from_sorted_ids", "'yes'", "written as it was given, like every other switch"),
    ("SparseTopKCategoricalAccuracy", "from_sorted_ids", "2", "written as it was given, like every other switch"),
    ("Muon", "exclude_layers", "0", "a number is no list of expressions"),
    ("Muon", "exclude_layers", "'x'", "one expression is a list of one"),
    ("Precision", "top_k", "*", "a number of predictions is a whole number above 0"),
    ("Recall", "top_k", "*", "a number of predictions is a whole number above 0"),
    ("AUC", "thresholds", "(1, 2)", "thresholds lie between 0 and 1"),
    ("AUC", "thresholds", "-1", "one number is a list of one, and thresholds may lie anywhere"),
    ("*", "learning_rate", "-0.1", "refused where it is given, see deviations.md"),
    ("*", "ema_momentum", "*", "looked at when it is given, not when averages are asked for"),
    ("*", "ema_overwrite_frequency", "*", "looked at when it is given, not when averages are asked for"),
    *[
        (optimizer, "beta_2", form, "the root of a negative number is refused; Keras trains with NaN")
        for optimizer in ("Lamb", "Nadam", "ScheduleFreeAdamW")
        for form in ("2", "1.499", "inf")
    ],
    ("AUC", "thresholds", "'x'", "Keras fails in numpy, with a type of its own"),
    ("AUC", "label_weights", "*", "written as a list; Keras writes a tensor"),
    ("RandomFlip", "mode", "*", "Keras takes every word, and flips nothing where it does not know it"),
    ("RandomBrightness", "factor", "None", "a strength is a number; Keras takes None for 0"),
    *(
        (name, "value_range", "(-3, 3, 1)", "a range is two numbers; Keras takes the first two of more")
        for name in ("RandomInvert", "RandomErasing", "RandomGaussianBlur", "RandomHue", "RandAugment", "AugMix")
    ),
    ("MixUp", "alpha", "[0.2]", "a number is no list; Keras fails at the first call"),
    ("MixUp", "alpha", "(0.2,)", "a number is no tuple; Keras fails at the first call"),
    ("RandomInvert", "value_range", "*", "a range is two numbers; Keras looks at the second of whatever comes"),
    ("RandomColorJitter", "data_format", "'channels_first'", "Keras leaves its steps as they are, and fails"),
    ("RandAugment", "num_ops", "*", "a number of layers; Keras fails at the first call, or does nothing"),
    ("AugMix", "*", "*", "Keras looks at no argument but `factor`, and fails at the first call"),
    ("RandomContrast", "value_range", "(-3, 3, 1)", "a range is two numbers; Keras takes the first two of more"),
    ("RandomElasticTransform", "value_range", "(-3, 3, 1)", "a range is two numbers"),
    ("RandomRotation", "factor", "None", "a factor that must be given"),
    ("RandomCrop", "seed", "None", "Keras writes a number that it has made up, and draws with another"),
    *[
        (layer, argument, form, "a size is a whole number above 0")
        for layer, arguments in (
            ("CenterCrop", ("height", "width")),
            ("RandomCrop", ("height", "width")),
            ("MaxNumBoundingBoxes", ("max_number",)),
        )
        for argument in arguments
        for form in ("False", "0", "-1", "3.5", "'3'")
    ],
    ("MaxNumBoundingBoxes", "fill_value", "'-1'", "a string is no number"),
    ("LossScaleOptimizer", "*", "*", "Keras writes the private module of the inner optimizer"),
]


def _excepted(name, parameter, form):
    parts = (name, parameter, repr(form))
    return any(all(want in ("*", have) for want, have in zip(each, parts, strict=False)) for each in EXCEPTIONS)


def _list_for_number(form, default):
    """A list is no number: Keras's optimizers take one where the variables of the moment have as many entries."""
    return isinstance(form, (list, tuple)) and isinstance(default, (int, float)) and not isinstance(default, bool)


def _base_arguments(name):
    """What Keras takes for a layer beside its own arguments."""
    base = {"name": None, "dtype": None, "trainable": True, "activity_regularizer": None}
    return {key: value for key, value in base.items() if isinstance(outcome(keras, "layers", name, key, value), dict)}


def differences(room, name):
    """`(call, what Keras does, what we do)` for every form on which the two do not agree."""
    found = []
    plain = given(keras, room, name)
    parameters = {p.name: p.default for p in _parameters(getattr(_of(keras, room), name))}
    if room == "layers":
        parameters.update(_base_arguments(name))
    for parameter, default in parameters.items():
        if parameter in LATER:
            continue
        for form in forms(parameter, plain.get(parameter, default)):
            if _excepted(name, parameter, form) or room == "optimizers" and _list_for_number(form, default):
                continue
            theirs, ours = (outcome(lib, room, name, parameter, form) for lib in (keras, torchkeras))
            if not _agree(form, theirs, ours):
                found.append((f"{name}({parameter}={form!r})", theirs, ours))
    return found


def _agree(form, theirs, ours):
    if theirs == FAILS or theirs == ours == "not offered":  # Keras did not look; whoever looks may refuse
        return True
    if isinstance(theirs, dict):  # what Keras leaves out of a config and so loses may stand in ours
        return isinstance(ours, dict) and {key: ours.get(key, "missing") for key in theirs} == theirs
    if isinstance(ours, type):
        # These errors of Keras's are slips of its own: it did not look at the value before using it.
        slips = (AttributeError, OverflowError, RuntimeError)
        return issubclass(ours, theirs) or (theirs in slips and issubclass(ours, ValueError))
    return not _is_nonsense(form)


def _is_nonsense(form):
    """What stands for no value: it must not be taken where Keras refuses it."""
    if isinstance(form, str):
        return form.startswith("no ") or form == "xy"
    if isinstance(form, (int, float)) and not isinstance(form, bool):
        return form < 0 or form != form or form == float("inf")
    return isinstance(form, dict)


@pytest.mark.parametrize(("room", "name"), classes())
def test_forms(room, name):
    assert differences(room, name) == []


INPUT = {
    "shape": [
        (3,),
        [3],
        np.array([3]),
        (np.int64(3),),
        torch.Size([3]),
        (None,),
        (),
        (0,),
        None,
        "3",
        (3.0,),
        (-1,),
        ("a",),
    ],
    "batch_size": [None, 2, np.int64(2), 0, 2.0, "2", -1],
    "batch_shape": [(2, 3), [2, 3], (None, 3), np.array([2, 3]), "x"],
    "dtype": DTYPES[:-1],
    "name": ["x", 3, "a/b"],
    "sparse": [None, False, 0, True],
    "ragged": [None, False],
    "optional": [True, False, 1],
}


@pytest.mark.parametrize("parameter", INPUT)
@pytest.mark.parametrize("called", ["Input", "layers.InputLayer"])
def test_forms_of_inputs(called, parameter):
    def made(lib, form):
        value = form.make(lib) if isinstance(form, Made) else form
        arguments = {parameter: value} if parameter == "batch_shape" else {"shape": (3,), parameter: value}
        lib.utils.clear_session(free_memory=False)
        try:
            found = _of(lib, called)(**arguments)
        except Exception as error:  # noqa: BLE001 - which error it is is the result
            return type(error)
        if called == "Input":
            return {"shape": tuple(found.shape), "dtype": found.dtype, "name": found.name}
        return _plain(found.get_config())

    for form in INPUT[parameter]:
        theirs, ours = made(keras, form), made(torchkeras, form)
        assert _agree(form, theirs, ours), f"{form!r}: Keras {theirs}, torchkeras {ours}"


def test_exceptions_are_needed():
    """Those of one class and argument name what exists; a new class cannot hide behind an old line."""
    known = {name: {p.name for p in _parameters(getattr(_of(keras, room), name))} for room, name in classes()}
    for owner, parameter, *_ in EXCEPTIONS:
        if owner != "*":
            assert owner in known
            assert parameter in {"*", "activity_regularizer"} | known[owner]


@pytest.mark.parametrize("axis", [2, (1, 2), -2, [2]])
def test_attention_axes(axis):
    """The plain case of the layer has queries and values of different lengths; here they are one."""
    x = torch.ones(2, 3, 4, 5)
    configs = []
    for lib in (keras, torchkeras):
        layer = lib.layers.MultiHeadAttention(2, 4, attention_axes=axis)
        layer(x, x)
        configs.append(_plain(layer.get_config())["attention_axes"])
    assert configs[0] == configs[1]
