"""StringLookup and IntegerLookup beside what Keras on TensorFlow answered (compat/recorded/record_lookups.py)."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import torchkeras
from compat.lookup_cases import CASES, KNOWN, answer

RECORDED = {
    name: found
    for layer in KNOWN
    for name, found in json.loads(
        Path(__file__).with_name("recorded").joinpath(f"{layer}.json").read_text(encoding="utf-8")
    ).items()
}


def array(values):
    return values.numpy() if isinstance(values, torch.Tensor) else np.asarray(values)


# What Keras refuses, though it can only mean one thing.
GENEROUS = ("mask first", "special tokens first in vectors")
# What Keras does not look at before the first call.
EARLIER = ("weights without tokens",)


def test_every_case_is_recorded():
    assert RECORDED.keys() == CASES.keys()


def plain_form(case):
    """The case without special tokens in its vocabulary."""
    options = case["options"]
    special = [options.get("mask_token"), options.get("oov_token")]
    return {**case, "options": {**options, "vocabulary": [t for t in options["vocabulary"] if t not in special]}}


@pytest.mark.parametrize("name", CASES)
def test_lookup(name):
    expected, found = RECORDED[name], answer(torchkeras, CASES[name], array)
    kind = name.partition(": ")[2]
    if kind in GENEROUS:
        assert expected["error"] and found["values"] == answer(torchkeras, plain_form(CASES[name]), array)["values"]
        return
    if kind in EARLIER:
        assert expected["error"] and found.keys() == {"error"}
        return
    assert found.keys() == expected.keys(), found
    assert set(found.get("error", [])) >= set(expected.get("error", []))  # [] is an error of TensorFlow's own
    for what in expected.keys() - {"error"}:
        if what.startswith("symbolic"):  # Keras's dtypes are not those of its values: the test below
            assert found[what][0] == expected[what][0]
            assert "values" not in found or found[what][1] == found["values"][0]
        else:
            assert found[what] == expected[what], what


@pytest.mark.xfail(reason="a line of compat/deviations.md", strict=True, raises=AssertionError)
@pytest.mark.parametrize("name", ["StringLookup: count", "StringLookup: 1 for unknown, inverted"])
def test_symbolic_dtypes_are_others_than_those_of_values(name):
    assert answer(torchkeras, CASES[name], array)["symbolic (None, 3)"] == RECORDED[name]["symbolic (None, 3)"]
