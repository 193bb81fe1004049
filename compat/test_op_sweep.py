"""Every operation of the tables in other dtypes, shapes, layouts, axes and operands, beside the installed Keras.

One test an operation. Keras answers with 64-bit types kept, as its own table has it on TensorFlow (the rule followed
here, a line of deviations.md); on torch it narrows them. Where Keras raises, torchkeras may have an answer; where Keras
raises ValueError, torchkeras may not raise anything else. Where Keras's static answer and its tensor contradict each
other, ours may be either one.
"""

import keras
import pytest
import torch

import torchkeras
from compat import op_variants
from torchkeras.core import scopes, tree
from torchkeras.core.dtypes import NAMES

ERRORS = (ValueError, TypeError, RuntimeError, NotImplementedError, IndexError, KeyError, AttributeError)
ERRORS += (AssertionError, OverflowError, ZeroDivisionError)  # Keras's own, where nothing checks the arguments
OUR_ERRORS = (ValueError, TypeError, RuntimeError, NotImplementedError, IndexError)
TOLERANCES = {torch.float16: 4e-3, torch.bfloat16: 2e-2, torch.float32: 3e-5, torch.float64: 1e-6}

_HALVES = ("float16", "bfloat16")
_INTEGERS = tuple(f"{name} beside others" for name in ("int8", "int32", "int64", "uint8"))
_ROUNDED = "with few digits, positions and sums round to something else"

# Operation -> why the two differ in the variants of these labels. A label that excuses nothing fails the test. What is
# no matter of rounding, and no argument that has no meaning, is a line of deviations.md with a test below.
KNOWN = {
    "affine_transform": (_ROUNDED, *_HALVES, "bool beside others"),
    "arctan2": ("a Python number counts as float32 in Keras", *_HALVES),
    "argpartition": ("the order within a part is free", "rank 1", "axis=None"),
    "average": (
        "weights that fit no axis are broadcast in Keras, and their sum is not",
        *(f"axis={axis}" for axis in (None, 0, -2, (0, -1), (0,), ())),
    ),
    "categorical_crossentropy": (
        "Keras does not know the size that is left; no axis at all has no meaning",
        *(f"axis={axis}" for axis in (0, -2, (0,), ())),
    ),
    "crop_images": ("Keras gives less than was asked for", "batch of 0", "batch of 1"),
    "ctc_decode": ("equal scores in another order", "bool", "uint8"),
    "elastic_transform": (_ROUNDED, *_HALVES),
    "hypot": ("a Python number counts as float32 in Keras", *_HALVES),
    "map_coordinates": (_ROUNDED, "bool beside others"),
    "multi_hot": ("Keras puts the classes first for every axis but the last", "axis=-2"),
    "nanstd": ("the gradient of no deviation at all", "axis=()", "axis=() keepdims"),
    "nanvar": ("the gradient of no variance at all", "axis=()", "axis=() keepdims"),
    "one_hot": ("Keras puts the classes first for every axis but the last", "axis=-2"),
    "perspective_transform": (
        "Keras rounds corners to the dtype of images",
        "bfloat16",
        "bfloat16 beside others",
        *_INTEGERS,
    ),
    "polar": ("complex32, which is no dtype of Keras", "float16"),
    "ravel": ("Keras does not know that nothing is left", "last axis empty"),
    "segment_max": ("what an empty segment holds", "bool", "int8"),
    "segment_min": ("what an empty segment holds", "int8", "int32", "int64", "uint8"),
    "slice": ("Keras on torch takes fewer starts than axes", "an axis more"),
    "squeeze": ("Keras on torch leaves an axis of another size alone", "an axis more"),
    "ssim": (_ROUNDED, "bfloat16", "bfloat16 beside others", "last axis empty", "batch of 0"),
    "top_k": (
        "int32 positions, as Keras's static answer has them",
        *("not contiguous", "batch of 0", "batch of 1", "of arrays", "of lists", "of variables"),
    ),
    "trapezoid": ("Keras's differences of bytes wrap round", "uint8"),
}


@pytest.fixture(autouse=True)
def wide_types(monkeypatch):
    """Keras with the rule for 64-bit types that it has on TensorFlow."""
    from keras.src.backend.common import dtypes

    for name in ("int64", "float64"):
        monkeypatch.setitem(dtypes.BIT64_TO_BIT32_DTYPE, name, name)


def function_of(library_ops, name):
    return getattr(library_ops.image if name in op_variants.IMAGE_OPS else library_ops, name)


def _operand(library, kind, inputs, gradient):
    def make(value):
        if not isinstance(value, torch.Tensor):
            return value
        if kind == "arrays":
            return value.numpy()
        if kind == "lists":
            return value.tolist()
        if kind == "variables":
            return library.Variable(value.numpy(), dtype=NAMES[value.dtype])
        value = value.detach().clone(memory_format=torch.preserve_format)
        if value.is_floating_point() and gradient:
            inputs.append(value.requires_grad_())
        return value

    return make


def eager(library, variant):
    """Outputs as tensors and the gradients of their weighted sum, None where there is no gradient to be had."""
    inputs = []
    make = _operand(library, variant.operands, inputs, variant.gradient)
    args, kwargs = tree.map_structure(make, (variant.args, variant.kwargs))
    torch.manual_seed(3)
    outputs = tree.flatten(function_of(library.ops, variant.op)(*args, **kwargs))
    outputs = [out if isinstance(out, torch.Tensor) else torch.as_tensor(out) for out in outputs]
    floats = [out for out in outputs if out.requires_grad]
    total = torch.zeros(()) + sum((out * torch.arange(1.0, out.numel() + 1).reshape(out.shape)).sum() for out in floats)
    try:
        if floats:
            total.abs().backward()  # of complex sums too
    except RuntimeError:
        return outputs, None
    return outputs, [value.grad if value.grad is not None else torch.zeros_like(value) for value in inputs]


def static(library, variant):
    """Shapes and dtypes of the outputs where all tensors with the first one's batch size have an unknown one."""
    tensors = [value for value in tree.flatten((variant.args, variant.kwargs)) if isinstance(value, torch.Tensor)]
    batch = tensors[0].shape[0]

    def make(value):
        if not isinstance(value, torch.Tensor) or value.shape[:1] != (batch,):
            return value
        return library.layers.Input(batch_shape=(None, *value.shape[1:]), dtype=NAMES[value.dtype])

    args, kwargs = tree.map_structure(make, (variant.args, variant.kwargs))
    return [
        (tuple(out.shape), out.dtype) for out in tree.flatten(function_of(library.ops, variant.op)(*args, **kwargs))
    ]


def _spec(outputs):
    return [(tuple(out.shape), NAMES.get(out.dtype, str(out.dtype))) for out in outputs]


def _fits(promise, outputs):
    """Whether static shapes and dtypes are those of tensors, as far as they are known."""
    return [dtype for _, dtype in promise] == [dtype for _, dtype in outputs] and all(
        len(known) == len(shape) and all(a in (None, b) for a, b in zip(known, shape, strict=True))
        for (known, _), (shape, _) in zip(promise, outputs, strict=True)
    )


def _attempt(function, *args, errors=ERRORS):
    try:
        return function(*args), None
    except errors as error:
        return None, error


def difference(variant):
    """What differs between Keras and torchkeras, as text, or None."""
    want, refusal = _attempt(eager, keras, variant)
    have, error = _attempt(eager, torchkeras, variant, errors=OUR_ERRORS if want is None else ERRORS)
    if want is None:
        if error is not None and isinstance(refusal, ValueError) and not isinstance(error, ValueError):
            return f"raises {error!r}, Keras {refusal!r}"
        return None
    if have is None:
        return f"raises {error!r}"
    (have, gradients), (want, their_gradients) = have, want
    theirs = _attempt(static, keras, variant)[0] if variant.symbolic else None
    promise, error = _attempt(static, torchkeras, variant, errors=OUR_ERRORS) if variant.symbolic else (None, None)
    if theirs is not None and error is not None:
        return f"raises {error!r} for symbolic tensors"
    if theirs is not None and not _fits(theirs, _spec(want)):  # Keras contradicts itself
        if _spec(have) != _spec(want) and not _fits(theirs, _spec(have)):
            return f"neither Keras's tensor nor its static answer: {_spec(have)}, {_spec(want)}, {theirs}"
        if promise != theirs and not _fits(promise, _spec(have)):
            return f"contradicts itself: {promise} {_spec(have)}"
    elif _spec(have) != _spec(want):
        return f"gives {_spec(have)}, Keras {_spec(want)}"
    elif theirs is not None and promise != theirs:
        return f"promises {promise}, Keras {theirs}"
    elif promise is not None and not _fits(promise, _spec(have)):
        return f"contradicts itself: {promise} {_spec(have)}"
    if [out.shape for out in have] != [out.shape for out in want]:
        return None  # one of Keras's two answers
    return _unequal(variant, have, want) or _unequal(variant, gradients, their_gradients, of="gradients")


def _unequal(variant, have, want, of="values"):
    if want is None:  # Keras on torch has no gradient here
        return None
    if have is None:
        return "has no gradient"
    given = [value.dtype for value in tree.flatten((variant.args, variant.kwargs)) if isinstance(value, torch.Tensor)]
    for ours, theirs in zip(have, want, strict=True):
        ours, theirs = ours.detach(), theirs.detach()
        if not (ours.is_floating_point() or ours.is_complex()):
            same = torch.equal(ours, theirs.to(ours.dtype))
        else:
            tolerance = max(TOLERANCES.get(dtype, 0.0) for dtype in (*given, ours.dtype, torch.float64))
            finite = theirs[theirs.isfinite()].abs()
            scale = max(1.0, float(finite.max())) if of == "gradients" and finite.numel() else 1.0
            same = torch.allclose(ours, theirs.to(ours.dtype), rtol=tolerance, atol=tolerance * scale, equal_nan=True)
        if not same:
            return f"{of} {ours.flatten()[:6].tolist()}, Keras {theirs.flatten()[:6].tolist()}"
    return None


def variants_of(name):
    for number, case in enumerate(op_variants.BY_OP[name]):
        yield from op_variants.variants(case, function_of(keras.ops, name), first=number == 0)


@pytest.mark.parametrize("name", op_variants.BY_OP)
def test_every_variant(name):
    keras.utils.clear_session(free_memory=False)
    scopes.clear_session(free_memory=False)
    found = [(variant, text) for variant in variants_of(name) if (text := difference(variant)) is not None]
    excuses = set(KNOWN[name][1:]) if name in KNOWN else set()
    assert [f"{variant}: {text}" for variant, text in found if variant.label not in excuses] == []
    assert excuses <= {variant.label for variant, _ in found}, "an entry of KNOWN is not needed"


# -- where the two differ on purpose: lines of deviations.md ----------------------------------------------------------

HALF, WHOLE = torch.ones(2, 3, dtype=torch.float16), torch.tensor([[4, 1], [0, 7]])
CORNERS = torch.tensor([[0.4, 0.0], [3.6, 0.0], [0.0, 3.6], [3.6, 3.6]])
PIXELS = torch.arange(16, dtype=torch.int32).reshape(4, 4, 1)

DECISIONS = {
    "weak numbers": lambda k: [k.ops.arctan2(HALF, 2.0).dtype, k.ops.hypot(HALF, 2.0).dtype],
    "weights without an axis": lambda k: k.ops.average(torch.ones(2, 3), weights=torch.ones(3)).tolist(),
    "corners": lambda k: k.ops.image.perspective_transform(PIXELS, CORNERS, CORNERS.flip(0)).flatten().tolist(),
    "classes": lambda k: [
        tuple(k.ops.one_hot(WHOLE, 9, axis=-2).shape),
        tuple(k.ops.multi_hot(WHOLE, 9, axis=-2).shape),
    ],
    "squeeze": lambda k: k.ops.squeeze(WHOLE, 0).tolist(),
    "slice": lambda k: k.ops.slice(WHOLE, [0], [1]).tolist(),
    "bytes": lambda k: k.ops.trapezoid(WHOLE.byte(), x=torch.tensor([3, 1]).byte()).tolist(),
    "polar": lambda k: k.ops.polar(HALF, HALF).dtype,
    "positions": lambda k: k.ops.top_k(WHOLE, 1)[1].dtype,
    "all axes kept": lambda k: tuple(k.ops.sum(WHOLE, keepdims=True).shape),
    "nonzero": lambda k: isinstance(k.ops.nonzero(WHOLE), tuple),
    "one width for all axes": lambda k: tuple(k.ops.pad(WHOLE, 1).shape),
    "the last of all": lambda k: int(k.ops.take(WHOLE, -1)),
    "parts": lambda k: [getattr(k.ops, name)(k.Input((2,), dtype="complex64")).dtype for name in ("real", "imag")],
}


@pytest.mark.xfail(reason="a line of compat/deviations.md", strict=True, raises=AssertionError)
@pytest.mark.parametrize("name", DECISIONS)
def test_decisions(name):
    ours, theirs = (_attempt(DECISIONS[name], library)[0] for library in (torchkeras, keras))
    assert ours == theirs
