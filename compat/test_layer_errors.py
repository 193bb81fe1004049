"""Bad calls and bad arguments of every published layer, beside the installed Keras.

The rules, by what Keras does with a call:

- it raises ValueError or TypeError: so do we, the same of the two, unless the call has a plain meaning (GENEROUS);
- it raises anything else, which comes from deep in torch: we raise ValueError or TypeError, or give an answer;
- it gives an answer: so do we, of the same shapes and dtypes, unless the call means nothing and Keras answers by
  accident (MEANINGLESS);

and always: the message names the layer, or one inside it, and says what came. Driven by compat/layer_cases/ and the
signatures: a layer that is published later is swept without a line here.
"""

import warnings

import keras
import numpy as np
import pytest
import torch
from keras import tree

import torchkeras
from compat import test_argument_forms as forms
from compat.harness import arrays_of
from compat.layer_cases import first_cases

CASES = first_cases()

# -- calls ------------------------------------------------------------------------------------------------------------

# Kinds of calls that Keras answers by accident: we may refuse them.
MEANINGLESS = {
    "a list": "Keras stacks a list of tensors into one",
    "an empty list": "Keras makes an empty tensor of it",
    "complex": "layers that compute in floats would lose the imaginary part; Keras's result depends on torch's kernel",
    "None": "no tensor came",
    "rank 0": "there is no batch; Keras's fails or not with torch's kernel",
    "rank less": "there is no batch, or no feature; Keras's fails or not with torch's kernel",
    "rank more": "an axis too many; Keras's fails or not with torch's kernel",
    "empty": "an axis without entries has nothing to compute; torch's kernels refuse it or not",
    "one more": "Keras takes a tensor for a mask or for `training`",
}
# Kinds of calls that mean something though Keras refuses them: we may answer.
GENEROUS = {
    "empty": "an axis without entries gives outputs without entries",
    "longer": "convolutions know no fixed size",
}


# Kinds of calls that a layer without weights and one with weights may see differently.
OF_SHAPES = {"rank less", "rank more", "rank 0", "longer", "a list", "None", "complex"}
# Kinds of calls on which the dtype of the outputs may differ.
OTHER_DTYPES = {
    "bool": "what arithmetic makes of bools",
    "int32": "Keras rounds some results to whole numbers, see compat/test_layer_inputs.py",
    "uint8": "Keras rounds some results to whole numbers, see compat/test_layer_inputs.py",
}
# Layers that run a function of the user's, whose errors stay as they are: a note names the layer.
OF_USERS = {"Lambda"}


def bad_calls(case):
    """`(kind, args, kwargs)` of calls that differ from the case's in one thing."""
    args = arrays_of(case)
    flat = tree.flatten(args)

    def put(place, value):
        return tree.pack_sequence_as(args, [*flat[:place], value, *flat[place + 1 :]])

    for place, array in enumerate(flat[:3]):
        for kind, value in bad_tensors(array):
            yield kind, put(place, value), {}
    yield "nothing", (), {}
    yield "one more", (*args, flat[0]), {}
    yield "one more", (*args, flat[0], flat[0]), {}
    yield "unknown keyword", args, {"no_such_word": 1}
    if isinstance(args[0], list):
        yield "too few", ([flat[0]], *args[1:]), {}
        yield "an empty list", ([], *args[1:]), {}
        yield "no list", (flat[0], *args[1:]), {}
        yield "too many", ([*args[0], flat[0]], *args[1:]), {}
    else:
        for value in ([args[0]], [args[0], args[0]], (args[0], args[0])):
            yield "a list", (value, *args[1:]), {}
        yield "an empty list", ([], *args[1:]), {}


def bad_tensors(array):
    rng = np.random.default_rng(0)

    def of(*shape):
        if np.issubdtype(array.dtype, np.floating):
            return rng.standard_normal(shape).astype("float32")
        return np.ones(shape, array.dtype)

    yield "rank less", of(*array.shape[:-1])
    yield "rank more", of(*array.shape, 2)
    yield "rank 0", of()
    for axis in range(array.ndim):
        yield "longer", of(*array.shape[:axis], array.shape[axis] + 1, *array.shape[axis + 1 :])
    yield "empty", of(array.shape[0], 0, *array.shape[2:])
    yield "strings", array.astype(str)
    yield "strings", "text"
    yield "strings", ["a", "b"]
    yield "None", None
    yield "objects", object()
    yield "objects", np.array([object()] * 2)
    yield "objects", {1, 2}
    yield "objects", {"a": array}
    yield "number", 3
    yield "complex", array.astype("complex64")
    yield "bool", array > 0
    yield "int32", np.abs(array).astype("int32")
    yield "uint8", np.abs(array).astype("uint8")


def called(lib, case, args, kwargs, built):
    """`(layer, shapes and dtypes of the outputs, or the error)`."""
    lib.utils.clear_session(free_memory=False)
    layer = getattr(lib.layers, case.layer)(**case.constructor_arguments(lib.layers))
    if built:
        layer(*tensors(arrays_of(case)), **case.kwargs)
    try:
        outputs = layer(*tensors(args), **{**case.kwargs, **kwargs})
    except Exception as error:  # noqa: BLE001 - which error it is is the result
        return layer, error
    return layer, [(tuple(out.shape), out.dtype) for out in tree.flatten(outputs) if out is not None]


def tensors(value):
    if isinstance(value, np.ndarray) and value.dtype.kind not in "UO":
        return torch.tensor(value)
    return type(value)(map(tensors, value)) if isinstance(value, (list, tuple)) else value


def complaint(kind, theirs, ours):
    """What is wrong with our outcome beside Keras's, or None."""
    if not isinstance(ours, Exception):
        if isinstance(theirs, (ValueError, TypeError)) and kind not in GENEROUS:
            return "Keras refuses it"
        if isinstance(theirs, Exception) or ours == theirs:
            return None
        same_shapes = [shape for shape, _ in ours] == [shape for shape, _ in theirs]
        return None if same_shapes and kind in OTHER_DTYPES else "other shapes or dtypes"
    if not isinstance(theirs, Exception) and kind not in MEANINGLESS:
        return "Keras answers"
    wanted = next((each for each in (ValueError, TypeError) if isinstance(theirs, each)), (ValueError, TypeError))
    return None if isinstance(ours, wanted) or type(ours) is type(theirs) else "the type of the error"


def names_itself(layer, error, case):
    """Whether the message names the layer or one inside, by name or class."""
    text = f"{error} {getattr(error, '__notes__', '')}" if case.layer in OF_USERS else str(error)
    inside = [layer, *layer._flatten_layers(include_self=False)]
    return any(each.name in text or type(each).__name__ in text for each in inside)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.layer)
def test_bad_calls(case):
    found = []
    for kind, args, kwargs in bad_calls(case):
        for built in (False, True) if kind in OF_SHAPES else (True,):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                (_, theirs), (layer, ours) = (called(lib, case, args, kwargs, built) for lib in (keras, torchkeras))
            wrong = complaint(kind, theirs, ours)
            if wrong is None and isinstance(ours, Exception) and not names_itself(layer, ours, case):
                wrong = "the layer is not named"
            if wrong is not None:
                call = f"{kind}, built={built}, {tree.map_structure(_short, args)}"
                found.append(f"{call}: {wrong}: {ours!r}; Keras {theirs!r:.200}")
    assert not found, "\n".join(found)


def _short(value):
    return (value.shape, str(value.dtype)) if isinstance(value, np.ndarray) else value


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.layer)
def test_bad_shapes_in_a_graph(case):
    """A graph that Keras refuses is refused; so is one that it draws though no data could run through it."""
    found = []
    for kind, args, _ in bad_calls(case):
        if kind not in ("rank less", "rank more", "longer"):
            continue
        theirs, ours = (in_a_graph(lib, case, args) for lib in (keras, torchkeras))
        if isinstance(theirs, ValueError) and not isinstance(ours, ValueError):
            found.append(f"{kind}, {tree.map_structure(_short, args)}: Keras refuses it: {theirs!r:.200}")
        if isinstance(ours, Exception):
            if not isinstance(ours, (ValueError, TypeError)):
                found.append(f"{kind}, {tree.map_structure(_short, args)}: {ours!r}")
            _, on_data = called(torchkeras, case, args, {}, built=True)
            if not isinstance(on_data, Exception):
                found.append(f"{kind}, {tree.map_structure(_short, args)}: data run through, the graph says {ours!r}")
    assert not found, "\n".join(found)


def in_a_graph(lib, case, args):
    """The error of a second call on Inputs of these shapes, or None."""

    def inputs(arrays):
        return tree.map_structure(lambda array: lib.Input(array.shape[1:], dtype=str(array.dtype)), arrays)

    lib.utils.clear_session(free_memory=False)
    layer = getattr(lib.layers, case.layer)(**case.constructor_arguments(lib.layers))
    layer(*inputs(arrays_of(case)), **case.kwargs)
    try:
        layer(*inputs(args), **case.kwargs)
    except Exception as error:  # noqa: BLE001 - which error it is is the result
        return error
    return None


# -- arguments --------------------------------------------------------------------------------------------------------

LAYERS = [name for room, name in forms.classes() if room == "layers"]
# Which values are taken, and which type of error the others raise: compat/test_argument_forms.py. Here: what it says.


def with_argument(name, parameter, form):
    """`(stage, error)` of making and calling a layer with one argument exchanged."""
    value = form.make(torchkeras) if isinstance(form, forms.Made) else form
    arguments = {**forms.given(torchkeras, "layers", name), parameter: value}
    torchkeras.utils.clear_session(free_memory=False)
    try:
        layer = getattr(torchkeras.layers, name)(**arguments)
    except NotImplementedError:
        return "later", None
    except Exception as error:  # noqa: BLE001 - which error it is is the result
        return "made", error
    try:
        layer(*(forms._tensors(array) for array in arrays_of(forms.CASES[name])), training=True)
    except Exception as error:  # noqa: BLE001 - which error it is is the result
        return "called", error
    return "works", None


@pytest.mark.parametrize("name", LAYERS)
def test_bad_arguments(name):
    found = []
    plain = forms.given(torchkeras, "layers", name)
    for parameter, default in parameters_of(name).items():
        for form in forms.forms(parameter, plain.get(parameter, default)):
            stage, error = with_argument(name, parameter, form)
            if error is not None and not isinstance(error, (ValueError, TypeError, IndexError, OverflowError)):
                found.append(f"{parameter}={form!r} {stage}: the type of {error!r}")
            if error is not None and not _names(error, parameter, name):
                found.append(f"{parameter}={form!r} {stage}: unnamed {error!r}")
    assert not found, "\n".join(found)


def _names(error, parameter, name):
    text = str(error)
    return any(word in text for word in (f"`{parameter}`", f"{parameter}=", f"({name})", "ayer '"))


def parameters_of(name):
    """Names and defaults of the arguments; of initializers, regularizers and constraints the first of each."""
    found = {"name": None, "dtype": None, "trainable": True, "no_such_word": None}
    families = set()
    for each in forms._parameters(getattr(torchkeras.layers, name)):
        family = each.name.rpartition("_")[2]
        if forms._families(each.name) is None or family not in families:
            families.add(family)
            found[each.name] = each.default
    return found


@pytest.mark.xfail(reason="a line of compat/deviations.md", strict=True, raises=ValueError)
def test_dense_multiplies_complex_inputs():
    for lib in (keras, torchkeras):
        assert lib.layers.Dense(2)(torch.ones(1, 3, dtype=torch.complex64)).dtype == torch.complex64
