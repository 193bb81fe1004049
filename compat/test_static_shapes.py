"""Static shapes of every operation with every combination of known and unknown axes, beside Keras and data.

Each call of the tables of cases is made again on symbolic tensors, with each subset of the axes of its tensors unknown.
Three questions: does it answer where Keras does; does it promise a number that data of other sizes break; does it know
a number that Keras knows. Data of other sizes are the case's own arrays, cut and repeated along the unknown axes.
"""

import itertools

import keras
import numpy as np
import pytest
import torch

import torchkeras
from compat import op_variants
from compat.test_op_sweep import ERRORS, function_of
from torchkeras.core import scopes, tree

# Operation -> why a finding is none.
KNOWN = {
    "dot_product_attention": "Keras takes the size of `query` for that of `value` (a line of deviations.md)",
    "scale_and_translate": "`output_shape` says all sizes; data that contradict it are the caller's mistake",
}
MOST_AXES = 5  # all subsets of so many axes; of more, those of one and two, and all
OTHER_SIZES = (1, 2, 3, 7)


def places_of(arrays):
    """`(array's number, axis)` of all axes."""
    return [(number, axis) for number, array in enumerate(arrays) for axis in range(array.ndim)]


def subsets(places):
    """The subsets of axes that are made unknown."""
    sizes = range(1, len(places) + 1) if len(places) <= MOST_AXES else (1, 2, len(places))
    return itertools.chain.from_iterable(itertools.combinations(places, size) for size in sizes)


def symbolic(library, case, unknown):
    """Shapes of the outputs with these axes unknown, as a flat list."""
    number = itertools.count()

    def make(array):
        here = next(number)
        shape = tuple(None if (here, axis) in unknown else size for axis, size in enumerate(array.shape))
        return library.KerasTensor(shape, dtype=array.dtype.name)

    args, kwargs = op_variants._mapped(case, make)
    outputs = tree.flatten(function_of(library.ops, case.name)(*args, **kwargs))
    return [tuple(out.shape) for out in outputs]


def other_sizes(unknown):
    """Sizes for unknown axes: of two axes all pairs, of more the same for all."""
    if len(unknown) <= 2:
        return [dict(zip(unknown, sizes, strict=True)) for sizes in itertools.product(OTHER_SIZES, repeat=len(unknown))]
    return [dict.fromkeys(unknown, size) for size in OTHER_SIZES]


def real(case, sizes):
    """Shapes of the outputs of data with other sizes on some axes (`{place: size}`); None if it takes no such data."""
    number = itertools.count()

    def make(array):
        here = next(number)
        for axis in range(array.ndim):
            if (here, axis) in sizes:
                array = np.take(array, range(sizes[here, axis]), axis, mode="wrap")
        return torch.tensor(array)

    args, kwargs = op_variants._mapped(case, make)
    try:
        outputs = tree.flatten(function_of(torchkeras.ops, case.name)(*args, **kwargs))
    except ERRORS:
        return None
    return [tuple(out.shape) if isinstance(out, torch.Tensor) else np.shape(out) for out in outputs]


def broken(promise, shapes):
    """Whether shapes of data contradict a promise."""
    return len(promise) != len(shapes) or any(
        len(known) != len(shape) or any(a not in (None, b) for a, b in zip(known, shape, strict=True))
        for known, shape in zip(promise, shapes, strict=True)
    )


def knows_less(ours, theirs):
    """Whether Keras says a number where we say None."""
    pairs = [pair for x, y in zip(ours, theirs, strict=False) for pair in zip(x, y, strict=False)]
    return any(a is None and b is not None for a, b in pairs)


def attempt(function, *args, errors=ERRORS):
    try:
        return function(*args), None
    except errors as error:
        return None, error


def findings(name):
    """`(case, unknown axes, what)` for all cases of an operation."""
    for case in op_variants.BY_OP[name]:
        arrays = op_variants.arrays(case)
        if not case.symbolic or not arrays:
            continue
        for unknown in subsets(places_of(arrays)):
            ours, error = attempt(symbolic, torchkeras, case, unknown)
            theirs, _ = attempt(symbolic, keras, case, unknown)
            data = [shapes for sizes in other_sizes(unknown) if (shapes := real(case, sizes)) is not None]
            data.append(real(case, {}))
            if ours is None:
                if theirs is not None and not any(broken(theirs, shapes) for shapes in data):
                    yield case, unknown, f"raises {error!r}, Keras says {theirs}"
                continue
            for shapes in data:
                if broken(ours, shapes):
                    yield case, unknown, f"promises {ours}, but data give {shapes}"
            less = theirs is not None and knows_less(ours, theirs)
            if less and not any(broken(theirs, shapes) for shapes in data):
                yield case, unknown, f"says {ours}, Keras {theirs}"


@pytest.mark.parametrize("name", op_variants.BY_OP)
def test_every_combination_of_unknown_axes(name):
    keras.utils.clear_session(free_memory=False)
    scopes.clear_session(free_memory=False)
    found = [f"{case!r} {unknown}: {what}" for case, unknown, what in findings(name)]
    assert bool(found) if name in KNOWN else found == []
