"""Reshaping: open sizes, empty batches, memory, refusals."""

import pytest
import torch

from torchkeras import ops
from torchkeras.layers import (
    Cropping1D,
    Cropping2D,
    Cropping3D,
    Flatten,
    Input,
    Permute,
    RepeatVector,
    Reshape,
    UpSampling1D,
    UpSampling2D,
    UpSampling3D,
    ZeroPadding1D,
    ZeroPadding2D,
    ZeroPadding3D,
)


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


def test_dtype_of_floats_is_the_layers():
    x = Input((4,))
    layers = [layer(dtype="float16") for layer in (Flatten, lambda **kw: Reshape((2, 2), **kw))]
    assert [layer(x).dtype for layer in layers] == ["float16"] * 2


def test_cropping_copies_nothing():
    x = torch.randn(2, 6, 5, 3)
    cropped = Cropping2D(((1, 2), (0, 3)))(x)
    assert torch.equal(cropped, x[:, 1:4, :2])
    assert cropped.untyped_storage().data_ptr() == x.untyped_storage().data_ptr()


@pytest.mark.parametrize(
    "layer", [ZeroPadding2D(((1, 0), (2, 3))), UpSampling2D((2, 3)), UpSampling2D(2, interpolation="bilinear")]
)
def test_images_keep_their_memory_order(layer):
    assert layer(torch.randn(2, 4, 5, 3)).is_contiguous()


def test_up_sampling_repeats_exactly_for_every_factor():
    x = torch.randn(1, 11, 2)
    for factor in range(1, 60):
        assert torch.equal(UpSampling1D(factor)(x), x.repeat_interleave(factor, 1))


def test_up_sampling_moves_no_bit():
    """Numbers that arithmetic would not keep: beyond the mantissa, not a number, infinite."""
    large = torch.full((1, 2, 2, 1), 2**60 + 1)
    assert torch.equal(UpSampling2D()(large), torch.full((1, 4, 4, 1), 2**60 + 1))
    odd = torch.tensor([float("nan"), float("inf")]).reshape(1, 2, 1)
    assert torch.equal(UpSampling1D()(odd).flatten().isnan(), torch.tensor([True, True, False, False]))


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "lanczos3", "lanczos5", "area"])
def test_up_sampling_is_resizing(interpolation):
    x = torch.randn(2, 4, 3, 2)
    expected = ops.image.resize(x, (8, 9), interpolation)
    torch.testing.assert_close(UpSampling2D((2, 3), interpolation=interpolation)(x), expected)
    first = UpSampling2D((2, 3), "channels_first", interpolation)(x.permute(0, 3, 1, 2))
    torch.testing.assert_close(first.permute(0, 2, 3, 1), expected)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Cropping1D((4, 5))(torch.zeros(2, 9, 3)), ValueError, "leaves nothing of axis 1"),
        (lambda: Cropping2D(((0, 0), (3, 4)))(torch.zeros(2, 9, 7, 3)), ValueError, "leaves nothing of axis 2"),
        (lambda: Cropping2D(2, "channels_first")(Input((3, 4, 9))), ValueError, "leaves nothing of axis 2"),
        (lambda: Cropping3D()(torch.zeros(2, 9, 7, 3)), ValueError, "ndim=5"),
        (lambda: Cropping1D(-1), ValueError, "`cropping` must be an integer >= 0"),
        (lambda: Cropping2D((1, 2, 3)), ValueError, "2 of them, or 2 pairs"),
        (lambda: Cropping2D(((1, 2), (1, 2, 3))), ValueError, "2 pairs"),
        (lambda: Cropping3D("abc"), ValueError, "3 pairs"),
        (lambda: ZeroPadding1D((1, -1)), ValueError, "`padding` must be an integer >= 0"),
        (lambda: ZeroPadding2D(1.5), ValueError, "`padding` must be an integer >= 0"),
        (lambda: ZeroPadding3D(1)(torch.zeros(2, 9, 7, 3)), ValueError, "ndim=5"),
        (lambda: UpSampling1D((2,)), TypeError, "`size` must be an integer"),
        (lambda: UpSampling1D(0), ValueError, "positive"),
        (lambda: UpSampling2D((2, 0)), ValueError, "`size` must be an integer >= 1 or 2"),
        (lambda: UpSampling2D(interpolation="cubic"), ValueError, "'bicubic'"),
        (lambda: UpSampling3D(2)(torch.zeros(2, 9, 7, 3)), ValueError, "ndim=5"),
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
