"""Operations beyond what Keras can be compared with: Variables, gradients through them, probing, mixed torch graphs."""

import copy
import pickle

import numpy as np
import pytest
import torch

from torchkeras import layers, ops
from torchkeras.core.keras_tensor import KerasTensor
from torchkeras.core.variable import Variable
from torchkeras.layers import Input


def test_variables_are_operands_and_get_gradients():
    weight = Variable([[1.0, 2.0], [3.0, 4.0]])
    result = ops.sum(ops.square(ops.matmul(np.ones((1, 2), "float32"), weight)) * 2)
    assert type(result) is torch.Tensor
    result.backward()
    torch.testing.assert_close(weight.grad, torch.tensor([[16.0, 24.0], [16.0, 24.0]]))


def test_integer_variables_are_promoted():
    count = Variable([1, 2], dtype="int32", trainable=False)
    assert ops.add(count, 1.5).tolist() == [2.5, 3.5]
    assert ops.divide(count, 2).tolist() == [0.5, 1.0]


def test_operations_inside_a_layer_that_is_only_probed():
    class Scaled(layers.Layer):
        def call(self, x):
            table = np.arange(3, dtype="float32")
            return ops.concatenate([x * table, ops.zeros_like(x), ops.one_hot(ops.argmax(x, -1), 3)], axis=-1)

    out = Scaled()(Input((3,)))
    assert tuple(out.shape) == (None, 9)
    assert out.dtype == "float32"


def test_torch_functions_and_operations_mix_on_symbolic_tensors():
    x = Input((4, 6))
    y = torch.relu(ops.transpose(x, (0, 2, 1)) + 1)[:, ::2].reshape((-1, 12))
    assert isinstance(y, KerasTensor)
    assert tuple(y.shape) == (None, 12)
    assert tuple((np.ones((6,), "float32") * x).shape) == (None, 4, 6)


def test_scalar_numpy_numbers_do_not_widen():
    x = ops.ones((2,))
    for number in (np.float64(2.0), np.int64(2), np.mean([1.0, 3.0])):
        assert ops.multiply(x, number).dtype == torch.float32
        assert ops.multiply(number, x).dtype == torch.float32
        assert (Input((2,)) * number).dtype == "float32"


@pytest.mark.parametrize("axis", [None, 0, (0, 1), ()])
def test_no_axes_mean_no_reduction(axis):
    x = np.arange(6.0, dtype="float32").reshape(2, 3)
    for name in ("sum", "max", "mean", "prod", "logsumexp"):
        result = getattr(ops, name)(x, axis=axis)
        if name == "logsumexp":
            want = x if axis == () else np.log(np.sum(np.exp(x), axis=axis))
        else:
            want = getattr(np, name)(x, axis=axis)
        np.testing.assert_allclose(result, want, rtol=1e-6)


def test_rows_without_any_visible_key_attend_evenly():
    value = torch.arange(6.0).reshape(1, 3, 1, 2)
    query = torch.ones(1, 1, 1, 2)
    result = ops.dot_product_attention(query, value, value, mask=torch.zeros(1, 1, 1, 3, dtype=torch.bool))
    torch.testing.assert_close(result.flatten(), value.mean(1).flatten())


def test_sorting_keeps_equal_numbers_in_order():
    assert ops.argsort([2, 1, 2, 1]).tolist() == [1, 3, 0, 2]


def test_saturating_casts_at_the_limits():
    x = torch.tensor([-1e20, -1.5, 3e9, 1e20])
    assert ops.saturate_cast(x, "int32").tolist() == [-(2**31), -1, 2**31 - 1, 2**31 - 1]
    assert ops.saturate_cast(torch.tensor([-5, 300]), "uint8").tolist() == [0, 255]
    assert ops.saturate_cast(torch.tensor([1e9]), "float16").tolist() == [65504.0]


def test_operations_can_be_copied_and_pickled():
    assert pickle.loads(pickle.dumps(ops.sqrt)) is ops.sqrt
    assert copy.deepcopy(ops.softmax) is ops.softmax


def test_every_operation_has_a_text():
    assert [name for name in ops.__all__ if not getattr(ops, name).__doc__] == []


@pytest.mark.parametrize("shape", [(2, 5, 4), (2, 6, 6, 3), (1, 4, 4, 4, 2)], ids=str)
def test_both_data_formats_agree(shape):
    x = torch.randn(shape)
    window = (3,) * (len(shape) - 2)
    kernel = torch.randn(*window, shape[-1], 5)
    for padding in ("valid", "same"):
        last = ops.conv(x, kernel, padding=padding, data_format="channels_last")
        first = ops.conv(x.movedim(-1, 1), kernel, padding=padding, data_format="channels_first")
        torch.testing.assert_close(first.movedim(1, -1), last, rtol=1e-4, atol=1e-5)
        for pool in (ops.max_pool, ops.average_pool):
            last = pool(x, 2, padding=padding, data_format="channels_last")
            first = pool(x.movedim(-1, 1), 2, padding=padding, data_format="channels_first")
            torch.testing.assert_close(first.movedim(1, -1), last)


@pytest.mark.parametrize("mode", ["reflect", "symmetric", "edge", "wrap"])
def test_pad_repeats_as_numpy_does(mode):
    """Widths beyond the size of the axis too, and as one graph of torch.compile."""
    x = np.arange(12.0, dtype="float32").reshape(3, 4)
    compiled = torch.compile(lambda x, width: ops.pad(x, width, mode=mode), fullgraph=True, backend="eager")
    for width in (((0, 2), (1, 0)), ((7, 5), (9, 11))):
        expected = torch.tensor(np.pad(x, width, mode=mode))
        assert torch.equal(ops.pad(x, width, mode=mode), expected)
        assert torch.equal(compiled(torch.tensor(x), width), expected)
    one = np.ones((1, 2), "float32")
    assert torch.equal(ops.pad(one, ((2, 1), (0, 0)), mode=mode), torch.ones(4, 2))
    with pytest.raises(ValueError, match="nothing to repeat"):
        ops.pad(one[:0], ((1, 0), (0, 0)), mode=mode)


def test_pad_refuses_other_modes():
    with pytest.raises(ValueError, match="'mean'"):
        ops.pad(np.ones(3), 1, mode="mean")
