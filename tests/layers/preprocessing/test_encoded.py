"""Whole numbers as vectors: modes, ranks, weights, what is out of range, and torch's own tools."""

import pytest
import torch

from torchkeras.layers.preprocessing.encoded import encoded, encoded_shape

X = torch.tensor([[2, 0, 2], [1, 1, 1]])


def test_modes_of_rows():
    assert encoded(X, "int", 3, "int64") is X
    assert encoded(X, "one_hot", 3).shape == (2, 3, 3)
    assert encoded(X, "multi_hot", 3).tolist() == [[1, 0, 1], [0, 1, 0]]
    assert encoded(X, "count", 4, "int32").tolist() == [[1, 0, 2, 0], [0, 3, 0, 0]]
    assert encoded(X, "tf_idf", 3, weights=torch.tensor([0.5, 2.0, 1.0])).tolist() == [[0.5, 0, 2], [0, 6, 0]]


def test_weights_add_up():
    weights = torch.tensor([[0.5, 1.0, 2.0], [1.0, 1.0, 4.0]])
    assert encoded(X, "count", 3, weights=weights).tolist() == [[1.0, 0.0, 2.5], [0.0, 6.0, 0.0]]
    assert encoded(X[0], "count", 3, weights=weights[0]).tolist() == [1.0, 0.0, 2.5]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_counts_in_half_precision_do_not_stop(dtype):
    assert encoded(torch.zeros(4096, dtype=torch.int32), "count", 2, dtype).tolist() == [4096, 0]


@pytest.mark.parametrize("mode", ["one_hot", "multi_hot", "count"])
@pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 1), (2, 3), (0, 3), (2, 0), (2, 3, 4), (2, 3, 1)])
def test_shapes_are_told_beforehand(mode, shape):
    assert encoded(torch.ones(shape, dtype=torch.int64), mode, 5).shape == encoded_shape(shape, mode, 5)


@pytest.mark.parametrize("mode", ["one_hot", "multi_hot", "count"])
def test_out_of_range(mode):
    negative = encoded(torch.tensor([[-1, 2, -5]]), mode, 3)
    assert negative.reshape(-1, 3).sum(0).tolist() == [0, 0, 1]
    for kind in (ValueError, RuntimeError):
        with pytest.raises(kind, match="Layer 'a' takes whole numbers from 0 to 2, got numbers up to 3"):
            encoded(torch.tensor([[0, 3]]), mode, 3, owner="Layer 'a'")


@pytest.mark.parametrize("mode", ["one_hot", "multi_hot", "count"])
def test_torch_tools(mode):
    def function(x):
        return encoded(x, mode, 3)

    expected = function(X)
    assert torch.equal(torch.vmap(function)(X), expected)
    assert torch.equal(torch.compile(function, fullgraph=True, backend="aot_eager")(X), expected)
    assert function(X.to("meta")).shape == expected.shape


def test_weights_have_a_gradient():
    weights = torch.ones(2, 3, requires_grad=True)
    encoded(X, "count", 3, weights=weights)[:, 1].sum().backward()
    assert weights.grad.tolist() == [[0, 0, 0], [1, 1, 1]]
