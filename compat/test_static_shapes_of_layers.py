"""Static shapes of every published layer with every combination of known and unknown axes, beside Keras and data.

As compat/test_static_shapes.py for operations: each configuration of compat/layer_cases/ is called on symbolic
tensors with each subset of axes unknown, then, as it was built there, on data of other sizes.
"""

import itertools

import keras
import numpy as np
import pytest
import torch

from compat.harness import arrays_of
from compat.layer_cases import CASES
from compat.test_static_shapes import attempt, broken, knows_less, other_sizes, places_of, subsets
from torchkeras import Input, layers
from torchkeras.core import scopes, tree


def mapped(arrays, change):
    """The structure with `change(number, array)` for each array."""
    number = itertools.count()
    return tree.map_structure(lambda array: change(next(number), array), arrays)


def symbolic(module, make_input, case, arrays, unknown):
    """A fresh layer called on Inputs with these axes unknown, and the shapes of its outputs."""

    def make(number, array):
        shape = tuple(None if (number, axis) in unknown else size for axis, size in enumerate(array.shape))
        return make_input(batch_shape=shape, dtype=array.dtype.name)

    layer = getattr(module, case.layer)(**case.constructor_arguments(module))
    outputs = layer(*mapped(arrays, make), **case.kwargs)
    return layer, [tuple(out.shape) for out in tree.flatten(outputs)]


def real(layer, case, arrays, sizes):
    """Shapes of the outputs of data with other sizes on some axes; None if the layer takes no such data."""

    def make(number, array):
        for axis in range(array.ndim):
            if (number, axis) in sizes:
                array = np.take(array, range(sizes[number, axis]), axis, mode="wrap")
        return torch.tensor(array)

    outputs, _ = attempt(lambda: layer(*mapped(arrays, make), **case.kwargs))
    return None if outputs is None else [tuple(out.shape) for out in tree.flatten(outputs)]


def findings(case):
    """`(unknown axes, what)` for a configuration."""
    arrays = arrays_of(case)
    for unknown in subsets(places_of(tree.flatten(arrays))):
        ours, error = attempt(symbolic, layers, Input, case, arrays, unknown)
        theirs, _ = attempt(symbolic, keras.layers, keras.Input, case, arrays, unknown)
        if ours is None:
            if theirs is not None:
                yield unknown, f"raises {error!r}, Keras says {theirs[1]}"
            continue
        layer, promise = ours
        wanted = [sizes for sizes in other_sizes(unknown) if not loses_an_axis(case, arrays, sizes)]
        data = [shapes for sizes in wanted if (shapes := real(layer, case, arrays, sizes)) is not None]
        for shapes in data:
            if broken(promise, shapes):
                yield unknown, f"promises {promise}, but data give {shapes}"
        if theirs is not None and knows_less(promise, theirs[1]):
            if not any(broken(theirs[1], shapes) for shapes in data):
                yield unknown, f"says {promise}, Keras {theirs[1]}"


def loses_an_axis(case, arrays, sizes):
    """Whether one-hot vectors stand in the place of a last axis of 1, which nobody can know of an axis without a size;
    Keras promises the other rank too."""
    one_hot = isinstance(case.config, dict) and case.config.get("output_mode") == "one_hot"
    return one_hot and sizes.get((0, tree.flatten(arrays)[0].ndim - 1)) == 1


def says_its_shape(case):
    """Whether the shape is the user's word, which is believed. A Pipeline's is found by a probe of all that it holds,
    which for layers of colors, that take one channel or three, finds one where channels are unknown."""
    return case.layer == "Pipeline" or (case.layer == "Lambda" and "output_shape" in case.config)


@pytest.mark.parametrize("case", [case for case in CASES if not says_its_shape(case)], ids=lambda case: case.title)
def test_every_combination_of_unknown_axes(case):
    keras.utils.clear_session(free_memory=False)
    scopes.clear_session(free_memory=False)
    assert [f"{unknown}: {what}" for unknown, what in findings(case)] == []
