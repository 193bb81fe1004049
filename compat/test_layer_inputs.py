"""Inputs of every dtype under every policy, of any memory layout, as numpy, in batches of one and none: the plainest
case of every published layer beside the installed Keras.

Driven by compat/layer_cases/: a layer that is published later is swept without a line here.
"""

import warnings

import keras
import numpy as np
import pytest
import torch
from keras import tree

import torchkeras
from compat.harness import arrays_of, random_weights, rewind_seeds
from compat.layer_cases import first_cases

CASES = [case for case in first_cases() if case.values and case.repeatable]
EVERY_LAYER = pytest.mark.parametrize("case", CASES, ids=lambda case: case.layer)
TOLERANCES = {torch.float64: 1e-5, torch.float32: 2e-5, torch.float16: 5e-3, torch.bfloat16: 4e-2}


# Where Keras's numbers or dtypes for some inputs are its own affair.
ROUNDS = {
    "LayerNormalization": "Keras rounds the result to the dtype of the inputs, whole numbers included",
    "SpectralNormalization": "Keras rounds the result to the dtype of the inputs, whole numbers included",
    "GroupNormalization": "Keras rounds the result to the dtype of the inputs, whole numbers included",
}
WRAPS = {"RandomBrightness"}  # Keras's bytes go on from 255 to 0
NO_HALF = {
    "AveragePooling3D": "torch has no kernel for it in half precision on the CPU",
    "STFTSpectrogram": "Keras's convolution takes no bfloat16",
    "CutMix": "Keras draws in no half precision",
}
# In bfloat16 these differ: Keras rounds places (and bins) to it too, which moves pixels.
EXACT_PLACES = {"RandomPerspective", "RandomElasticTransform", "Equalization"}
OWN_POLICY = {"TimeDistributed": "the policy of the layer inside counts; Keras calls it under the wrapper's"}


def made(lib, case, policy):
    """The layer, built, with the same weights in both libraries."""
    lib.utils.clear_session(free_memory=False)
    own = {} if case.layer == "Pipeline" else {"dtype": policy}  # its layers have policies, it has none
    arguments = {**own, **case.constructor_arguments(lib.layers)}
    layer = getattr(lib.layers, case.layer)(**arguments)
    layer(*tree.map_structure(torch.tensor, arrays_of(case)), **case.kwargs)
    layer.set_weights(random_weights(layer))
    if case.layer == "Normalization":  # Keras keeps what it computes with beside the weights
        layer.finalize_state()
    return layer


def outcome(layer, case, inputs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found = layer(*inputs, **case.kwargs)
        except Exception as error:  # noqa: BLE001 - that there is one is the result
            return error
    return [each.detach() for each in tree.flatten(found) if each is not None]


def compare(what, theirs, ours, loose=1.0, compute=None):
    """Sentences on what differs.

    Where Keras raises, from deep in torch, an answer of ours is no fault; nor are floats of the compute dtype, which
    the policy promises, and 64 bits of whole numbers, where Keras keeps another width.
    """
    if isinstance(theirs, Exception):
        return []
    if isinstance(ours, Exception):
        return [f"{what}: Keras answers, we raise {ours!r:.300}"]
    if len(theirs) != len(ours):
        return [f"{what}: Keras gives {len(theirs)} outputs, we {len(ours)}"]
    for a, b in zip(theirs, ours, strict=True):
        if a.shape != b.shape or (a.dtype != b.dtype and b.dtype not in (compute, torch.int64)):
            return [f"{what}: Keras gives {tuple(a.shape)} {a.dtype}, we {tuple(b.shape)} {b.dtype}"]
        tolerance = max(TOLERANCES.get(kind, 0) for kind in (a.dtype, b.dtype)) * loose
        if not torch.allclose(b.double(), a.double(), tolerance, tolerance, equal_nan=True):
            return [f"{what}: numbers differ by {(a.double() - b.double()).abs().max():.3g}"]
    return []


def cast(array, dtype):
    """An input in another dtype; what is no float keeps to whole numbers that are valid indices."""
    tensor = torch.tensor(array)
    if dtype.is_floating_point or not tensor.is_floating_point():
        return tensor.to(dtype)
    return (tensor.abs() * 3).to(dtype)


DTYPES = (torch.float64, torch.float16, torch.bfloat16, torch.int32, torch.int64, torch.uint8)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16", "float64"])
@EVERY_LAYER
def test_dtypes_of_inputs(case, policy):
    try:
        layers = [made(lib, case, policy) for lib in (keras, torchkeras)]
    except (NotImplementedError, TypeError):
        assert policy == "mixed_bfloat16" and case.layer in NO_HALF
        return
    if policy == "mixed_bfloat16" and case.layer in EXACT_PLACES:
        return
    compute = layers[1].dtype_policy.torch_compute
    if case.layer in OWN_POLICY:
        compute = torch.float32
    found = []
    for dtype in DTYPES:
        if (case.layer in ROUNDS and not dtype.is_floating_point) or (case.layer in WRAPS and dtype == torch.uint8):
            continue
        inputs = tree.map_structure(lambda array, dtype=dtype: cast(array, dtype), arrays_of(case))
        narrow = max(TOLERANCES.get(kind, 0) for kind in (dtype, compute)) / TOLERANCES[compute]
        copies = [tree.map_structure(torch.clone, inputs) for _ in layers]  # Keras's RandomBrightness writes into them
        results = [outcome(layer, case, given) for layer, given in zip(layers, copies, strict=True)]
        found += compare(f"{dtype} inputs", *results, case.loose * 2 * narrow, compute)
    assert not found, "\n".join(found)


def with_batch(array, size):
    return torch.tensor(np.repeat(array[:1], size, 0))


def scattered(array):
    """The same numbers on memory that runs the other way round."""
    tensor = torch.tensor(array)
    return tensor.permute(*range(tensor.dim())[::-1]).contiguous().permute(*range(tensor.dim())[::-1])


def with_gaps(array):
    """The same numbers, each second one of a larger tensor."""
    tensor = torch.tensor(array)
    return torch.stack([tensor, torch.zeros_like(tensor)], -1)[..., 0]


FORMS = {
    "one sample": lambda array: with_batch(array, 1),
    "no sample": lambda array: with_batch(array, 0),
    "scattered": scattered,
    "with gaps": with_gaps,
    "one sample, expanded": lambda array: torch.tensor(array[:1]).expand(len(array), *array.shape[1:]),
    "turned round": lambda array: np.ascontiguousarray(array[..., ::-1])[..., ::-1],
    "numpy": lambda array: array,
    "in Fortran's order": np.asfortranarray,
}


@EVERY_LAYER
def test_forms_of_inputs(case):
    stateful = isinstance(case.config, dict) and case.config.get("stateful")
    theirs, ours = (made(lib, case, "float32") for lib in (keras, torchkeras))
    found = []
    for name, form in FORMS.items():
        if stateful and "sample" in name:
            continue
        rewind_seeds(theirs), rewind_seeds(ours)  # where one side fails, it has drawn less
        given = tree.map_structure(form, arrays_of(case))
        plain = tree.map_structure(lambda x: torch.tensor(np.ascontiguousarray(np.asarray(x))), given)
        found += compare(name, outcome(theirs, case, plain), outcome(ours, case, given), case.loose)
    assert not found, "\n".join(found)
