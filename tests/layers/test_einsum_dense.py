"""EinsumDense: one matrix product where the equation is one, and errors that say what does not fit."""

import pytest
import torch

from torchkeras import layers


@pytest.mark.parametrize(
    ("equation", "sizes", "linear"),
    [
        ("ab,bc->ac", 5, True),
        ("abc,cde->abde", (None, 2, 6), True),
        ("abc,ced->abde", (None, 2, 6), True),
        ("abcd,dce->abe", (None, 6), True),
        ("...x,xy->...y", 6, True),
        ("abc,bcd->abd", (4, 6), False),
        ("ab...,bc->ac...", 6, False),
        ("abc,cd->adb", (6, None), False),
    ],
)
def test_linear_equations_use_the_kernel_in_place(equation, sizes, linear):
    shape = {"ab": (3, 4), "abc": (3, 4, 5), "abcd": (3, 4, 5, 2), "...x": (3, 4, 5), "ab...": (3, 4, 5)}[
        equation.split(",")[0]
    ]
    layer, x = layers.EinsumDense(equation, sizes), torch.randn(shape)
    found = layer(x)
    weight = layer.matrix(layer.kernel)
    assert (weight is not None) == linear
    if linear:
        assert weight.is_contiguous() and weight.data_ptr() == layer.kernel.data_ptr()
    torch.testing.assert_close(found, torch.einsum(equation, x, layer.kernel))


def test_bias_along_some_axes():
    layer = layers.EinsumDense("abc,cde->abde", (None, 2, 6), bias_axes="e", bias_initializer="ones")
    x = torch.randn(3, 4, 5)
    assert layer(x).shape == (3, 4, 2, 6) and layer.bias.shape == (6,)
    torch.testing.assert_close(layer(x), torch.einsum("abc,cde->abde", x, layer.kernel) + 1)


def test_axes_under_the_dots_keep_their_order():
    layer = layers.EinsumDense("...x,xy->...y", 6)
    assert layer.compute_output_shape((2, 3, 4, 5)) == (2, 3, 4, 6)
    assert layer(torch.ones(2, 3, 4, 5)).shape == (2, 3, 4, 6)


def test_integers_are_cast():
    layer = layers.EinsumDense("ab,bc->ac", 2, kernel_initializer="ones")
    assert layer(torch.ones(1, 3, dtype=torch.int64)).tolist() == [[3.0, 3.0]]


@pytest.mark.parametrize(
    ("equation", "sizes", "text"),
    [
        ("ab->ac", 4, "inputs,kernel->outputs"),
        ("...b,bc->bc...", 4, "inputs,kernel->outputs"),
        ("abc,cd->abe", (None, 4), "in neither the inputs nor the kernel"),
        ("abc,cdf->abd", (None, 4), "in neither the inputs nor the outputs"),
        ("abcd,de->abce", (None, None, 4), "does not fit inputs of shape"),
        ("abc,cd->abd", (7, 4), "give None"),
        ("abc,cd->abd", 4, "Leave out the batch axis"),
    ],
)
def test_what_does_not_fit(equation, sizes, text):
    with pytest.raises(ValueError, match=text):
        layers.EinsumDense(equation, sizes)(torch.ones(2, 3, 4))


def test_unknown_bias_axis():
    with pytest.raises(ValueError, match="not among the output's axes"):
        layers.EinsumDense("ab,bc->ac", 4, bias_axes="x")(torch.ones(2, 3))
