"""Reshaping: open sizes, empty batches, memory, refusals."""

import pytest
import torch

from torchkeras.layers import Flatten, Input, Permute, RepeatVector, Reshape


def test_flatten_copies_nothing_and_takes_vectors():
    x = torch.randn(2, 3, 4)
    assert Flatten()(x).data_ptr() == x.data_ptr()
    assert Flatten()(torch.zeros(5)).shape == (5, 1)
    assert Flatten()(torch.zeros(0, 3, 4)).shape == (0, 12)


def test_flatten_gives_one_order_for_both_formats():
    x = torch.randn(2, 3, 4, 5)
    first = Flatten(data_format="channels_first")(x.permute(0, 3, 1, 2))
    assert torch.equal(first, Flatten()(x))


def test_reshape_fills_in_the_open_size():
    assert Reshape((-1, 2))(torch.zeros(3, 6)).shape == (3, 3, 2)
    assert Reshape((-1, 2))(torch.zeros(0, 6)).shape == (0, 3, 2)
    assert Reshape((2, -1))(Input((None, 4))).shape == (None, 2, None)
    assert Reshape((2, -1))(Input((4, 6))).shape == (None, 2, 12)


def test_dtype_of_integers_stays():
    x = Input((4,), dtype="int32")
    assert [layer(x).dtype for layer in (Flatten(), Reshape((2, 2)), Permute((1,)))] == ["int32"] * 3


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Reshape((2, 3))(torch.zeros(3, 5)), ValueError, "number of entries"),
        (lambda: Reshape((-1, 2))(torch.zeros(3, 5)), ValueError, "number of entries"),
        (lambda: Reshape((2, 3))(Input((5,))), ValueError, "number of entries"),
        (lambda: Reshape((-1, -1)), ValueError, "one size open"),
        (lambda: Reshape((-2, 1)), ValueError, "sizes >= 0"),
        (lambda: Reshape(6), TypeError, "target_shape"),
        (lambda: Permute((0, 1)), ValueError, "dims"),
        (lambda: Permute((2, 1))(torch.zeros(3, 5)), ValueError, "ndim=3"),
        (lambda: RepeatVector(2.0), TypeError, "integer"),
        (lambda: RepeatVector(0), ValueError, "positive"),
    ],
)
def test_refuses(make, error, message):
    with pytest.raises(error, match=message):
        make()
