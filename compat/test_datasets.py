"""Datasets beside TensorFlow's: elements, cardinality and description of each pipeline, as TensorFlow had them."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from compat.dataset_cases import CASES
from torchkeras import tree
from torchkeras.data import Dataset

RECORDED = json.loads(Path(__file__).with_name("recorded").joinpath("datasets.json").read_text())
# Functions run on the elements themselves: what they will give is not known before.
SHAPES_KNOWN_LATER = ("generator", "generator with arguments")


def plain(value):
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return {"tuple": [plain(item) for item in value]}
    assert isinstance(value, np.ndarray)
    return {"dtype": "string" if value.dtype.kind == "U" else value.dtype.name, "values": value.tolist()}


def dtypes(spec):
    """dtypes in the structure of TensorFlow's description."""
    if "dtype" in spec:
        return spec["dtype"]
    if "tuple" in spec:
        return tuple(dtypes(item) for item in spec["tuple"])
    return {key: dtypes(item) for key, item in spec.items()}


def shapes(spec):
    if "dtype" in spec:
        return spec["shape"]
    if "tuple" in spec:
        return tuple(shapes(item) for item in spec["tuple"])
    return {key: shapes(item) for key, item in spec.items()}


def of_ours(spec, what):
    if isinstance(spec, dict):
        return {key: of_ours(item, what) for key, item in spec.items()}
    if isinstance(spec, tuple):
        return tuple(of_ours(item, what) for item in spec)
    return spec.dtype if what == "dtype" else list(spec.shape)


def test_every_case_is_recorded():
    assert list(RECORDED) == list(CASES)


@pytest.mark.parametrize("name", CASES)
def test_elements(name):
    dataset, recorded = CASES[name](Dataset), RECORDED[name]
    for _ in range(2):  # datasets begin again
        assert [plain(element) for element in dataset.as_numpy_iterator()] == recorded["elements"]
    for element in dataset:
        assert all(isinstance(leaf, (torch.Tensor, np.ndarray)) for leaf in tree.flatten(element))


@pytest.mark.parametrize("name", CASES)
def test_cardinality(name):
    dataset, expected = CASES[name](Dataset), RECORDED[name]["cardinality"]
    assert dataset.cardinality() == expected
    if expected >= 0:
        assert len(dataset) == expected
    else:
        with pytest.raises(TypeError, match="infinite" if expected == -1 else "unknown"):
            len(dataset)


@pytest.mark.parametrize("name", [name for name in CASES if RECORDED[name]["elements"]])
def test_description(name):
    spec, recorded = CASES[name](Dataset).element_spec, RECORDED[name]["spec"]
    assert of_ours(spec, "dtype") == dtypes(recorded)
    if "batch" in name and "padded" not in name and "rebatch" not in name:
        assert of_ours(spec, "shape") == shapes(recorded)
