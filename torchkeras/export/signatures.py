"""What goes into an exported computation: structures of shapes and dtypes.

May import core. A signature is a list with one structure for each positional argument of the call.
"""

import numpy as np
import torch

from torchkeras.core.dtypes import standardize_dtype, torch_dtype
from torchkeras.core.input_spec import InputSpec
from torchkeras.core.keras_tensor import KerasTensor

_PRIMES = (3, 11, 13, 17, 19, 23)  # by axis: sizes that no layer has for features
_DIVISIBLE = (4, 24, 24, 24, 24, 24)


def signature_of(resource, given=None):
    """The signature of a layer or model, as its user gave it or as the layer was built.

    Raises `ValueError` where the shapes are not known.
    """
    if not resource.built:
        raise ValueError(f"{resource.name!r} has not been built: build it, or call it on data, before exporting it.")
    if given is None:
        given = _known(resource)
    if not isinstance(given, (list, tuple)) or _is_shape(given):
        given = [given]
    if getattr(resource, "_is_graph", False) and len(given) > 1:  # which takes all its inputs in one argument
        given = [list(given)]
    return [specs(each) for each in given]


def specs(structure):
    """A structure of `InputSpec` for one of specs, symbolic tensors, tensors, arrays and shapes. The batch of a tensor
    is any."""
    if isinstance(structure, InputSpec):
        if structure.shape is None:
            raise ValueError(f"The shape of an input must be given, got {structure}.")
        return InputSpec(structure.dtype or "float32", structure.shape, name=structure.name)
    if isinstance(structure, KerasTensor):
        return InputSpec(structure.dtype, structure.shape, name=structure.name)
    if isinstance(structure, (torch.Tensor, np.ndarray)):
        return InputSpec(standardize_dtype(structure.dtype), (None, *structure.shape[1:]))
    if _is_shape(structure):
        return InputSpec("float32", structure)
    if isinstance(structure, dict):
        return {key: specs(value) for key, value in structure.items()}
    if isinstance(structure, (list, tuple)):
        return type(structure)(specs(value) for value in structure)
    raise TypeError(
        f"A signature consists of keras.InputSpec, KerasTensor, tensors and shapes; got {type(structure).__name__}."
    )


def _is_shape(value):
    return isinstance(value, (list, tuple)) and all(size is None or type(size) is int for size in value)


def _known(resource):
    if getattr(resource, "_is_graph", False) or getattr(resource, "inputs", None):
        return [resource.input]
    shapes = resource._build_shapes
    if not shapes or not all(shapes.values()):
        raise ValueError(
            f"The inputs of {resource.name!r} are not known: call it on data once, or pass input_signature, such as "
            "[keras.InputSpec(shape=(None, 3), dtype='float32')]."
        )
    return [_any_batch(shape, resource.input_dtype) for shape in shapes.values()]


def _any_batch(shapes, dtype):
    if isinstance(shapes, dict):
        return {key: _any_batch(value, dtype) for key, value in shapes.items()}
    if _is_shape(shapes):
        return InputSpec(dtype, (None, *shapes[1:]))
    return type(shapes)(_any_batch(each, dtype) for each in shapes)


def mapped(function, structure):
    """The structure with `function(spec)` in place of each spec."""
    if isinstance(structure, InputSpec):
        return function(structure)
    if isinstance(structure, dict):
        return {key: mapped(function, value) for key, value in structure.items()}
    return type(structure)(mapped(function, value) for value in structure)


def flat(structure, name=None):
    """`(name or None, spec)` of every spec, in the order in which torch flattens the structure."""
    if isinstance(structure, InputSpec):
        return [(structure.name or name, structure)]
    if isinstance(structure, dict):
        return [each for key, value in structure.items() for each in flat(value, key)]
    return [each for value in structure for each in flat(value, name)]


def examples(signature, device):
    """Arguments to trace with, in turn until one goes: sizes that differ between axes, then some with many divisors."""
    for name, spec in flat(signature):
        if spec.dtype == "string":
            raise ValueError(
                f"Input {name!r} takes strings, which torch.export has none of: export the part of the model behind "
                "its lookups, and keep all of it by model.save('model.keras')."
            )
    unknown = any(None in spec.shape[1:] for _, spec in flat(signature))
    for sizes in (_PRIMES, _DIVISIBLE) if unknown else (_PRIMES,):

        def tensor(spec, sizes=sizes):
            shape = [sizes[min(axis, 5)] if size is None else size for axis, size in enumerate(spec.shape)]
            return torch.ones(shape, dtype=torch_dtype(spec.dtype), device=device)

        yield tuple(mapped(tensor, each) for each in signature)


def dynamic(signature):
    """torch's `dynamic_shapes`: every unknown size may be any."""

    def axes(spec):
        return {axis: torch.export.Dim.DYNAMIC for axis, size in enumerate(spec.shape) if size is None}

    return tuple(mapped(axes, each) for each in signature)
