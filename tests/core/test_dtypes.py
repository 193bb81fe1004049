"""Names of dtypes and where two of them meet. Keras's whole table is compared in compat/test_promotion.py."""

import numpy as np
import pytest
import torch

from torchkeras import KerasTensor, config
from torchkeras.core import dtypes


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("float16", "float16"),
        (torch.bfloat16, "bfloat16"),
        (np.int64, "int64"),
        (np.dtype(">f4"), "float32"),
        (float, "float32"),
        (int, "int32"),
        (bool, "bool"),
        (str, "string"),
        ("bool_", "bool"),
        (np.dtype("U3"), "string"),
        (None, "float32"),
    ],
)
def test_every_form_of_a_dtype_has_one_name(given, name):
    assert dtypes.standardize_dtype(given) == name


@pytest.mark.parametrize("given", ["float33", object, "", ["float32"], 3])
def test_what_is_no_dtype_is_refused(given):
    with pytest.raises(ValueError, match="Invalid dtype"):
        dtypes.standardize_dtype(given)


def test_none_is_floatx():
    config.set_floatx("float64")
    try:
        assert dtypes.standardize_dtype(None) == "float64"
        assert dtypes.torch_dtype(None) is torch.float64
        assert dtypes.result_type("int32", float) == "float64"
    finally:
        config.set_floatx("float32")


def test_strings_have_no_torch_type():
    with pytest.raises(ValueError, match="'string' has no torch tensor type"):
        dtypes.torch_dtype("string")


@pytest.mark.parametrize(
    "names", [("int8", "uint8"), ("float16", "bfloat16"), ("bool", "uint32"), ("int64", "float16")]
)
def test_meeting_is_symmetric_and_keeps_what_is_above_both(names):
    first, second = names
    met = dtypes.result_type(first, second)
    assert met == dtypes.result_type(second, first)
    assert dtypes.result_type(met, first) == dtypes.result_type(met, second) == met


@pytest.mark.parametrize("name", sorted(set(dtypes.TORCH) - {"float8_e4m3fn", "float8_e5m2"}))
def test_a_type_meets_itself_in_itself_and_python_numbers_do_not_widen_it(name):
    assert dtypes.result_type(name, name) == name
    assert dtypes.result_type(name, int) == name or name == "bool"
    if name in dtypes.FLOATS:
        assert dtypes.result_type(name, float) == name


def test_eight_bits_never_meet_anything():
    with pytest.raises(ValueError, match="no implicit conversion from float8"):
        dtypes.result_type("float8_e4m3fn", "float32")


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        (torch.ones(1, dtype=torch.float16), "float16"),
        (np.ones(1, "uint8"), "uint8"),
        (np.float64(1), "float64"),
        (KerasTensor((1,), dtype="int8"), "int8"),
        (True, "bool"),
        (1, "int"),
        (1.5, "float"),
        (1j, "complex"),
        ([1, 2.5], "float32"),
        ([np.float16(1), 2], "float16"),
    ],
)
def test_dtype_of_a_value(value, dtype):
    assert dtypes.dtype_of(value) == dtype
