"""Merging: ranks that differ, masks, functions, and what is refused."""

import pytest
import torch

from torchkeras import config, layers
from torchkeras.layers import Add, Concatenate, Dot, Input, Maximum, Subtract


def test_functions_are_the_layers():
    x, y = torch.tensor([[1.0, 5.0]]), torch.tensor([[3.0, 2.0]])
    assert layers.add([x, y]).tolist() == [[4.0, 7.0]]
    assert layers.subtract([x, y]).tolist() == [[-2.0, 3.0]]
    assert layers.multiply([x, y]).tolist() == [[3.0, 10.0]]
    assert layers.average([x, y]).tolist() == [[2.0, 3.5]]
    assert layers.maximum([x, y]).tolist() == [[3.0, 5.0]]
    assert layers.minimum([x, y]).tolist() == [[1.0, 2.0]]
    assert layers.concatenate([x, y], axis=0).tolist() == [[1.0, 5.0], [3.0, 2.0]]
    assert layers.dot([x, y], axes=1).tolist() == [[13.0]]
    symbolic = layers.add([Input((2,)), Input((2,))], name="sum")
    assert symbolic.shape == (None, 2)


def test_functions_in_a_compiled_call():
    class Mixed(layers.Layer):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(3)

        def call(self, x):
            y = self.dense(x)
            joined = [layers.concatenate([layers.add([x, y]), layers.multiply([y, y])]), layers.concatenate([x, y])]
            return layers.dot(joined, axes=1)

    layer, x = Mixed(), torch.randn(2, 3)
    expected = layer(x)
    torch.testing.assert_close(torch.compile(layer, fullgraph=True, backend="eager")(x), expected)


def test_functions_follow_the_policy_of_the_moment_and_refuse_what_does_not_fit():
    x = torch.ones(2, 3)
    assert layers.add([x, x]).dtype is torch.float32
    config.set_dtype_policy("mixed_bfloat16")
    try:
        assert layers.add([x, x]).dtype is torch.bfloat16
    finally:
        config.set_dtype_policy("float32")
    assert layers.concatenate([x, x], axis=0).shape == (4, 3)
    for _ in range(2):
        with pytest.raises(ValueError, match="concatenate"):
            layers.concatenate([x, torch.ones(2, 4)], axis=0)
        with pytest.raises(ValueError, match="subtract"):
            layers.subtract([x, x, x])


def test_lower_ranks_broadcast_behind_the_batch():
    outputs = Add()([torch.ones(2, 3), torch.zeros(2, 5, 3)])
    assert outputs.shape == (2, 5, 3)
    assert Add().compute_output_shape([(None, 3), (2, 5, 3)]) == (2, 5, 3)


def test_one_layer_serves_inputs_of_other_shapes_later():
    layer = Add()
    layer([torch.ones(2, 3), torch.ones(2, 3)])
    assert layer([torch.ones(2, 3), torch.ones(2, 4, 3)]).shape == (2, 4, 3)


def test_masked_entries_do_not_count_in_a_maximum():
    x, y = torch.tensor([[[9.0], [1.0]]]), torch.tensor([[[2.0], [3.0]]])
    x._keras_mask, y._keras_mask = torch.tensor([[False, True]]), torch.tensor([[True, True]])
    outputs = Maximum()([x, y])
    assert outputs.tolist() == [[[2.0], [3.0]]]
    assert outputs._keras_mask.tolist() == [[True, True]]


def test_integers_stay_integers():
    assert Add()([torch.tensor([[1]]), torch.tensor([[2]])]).dtype == torch.int64


@pytest.mark.parametrize("rows", [0, 1])
@pytest.mark.parametrize("name", ["Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate", "Dot"])
def test_batches_of_none_and_one(name, rows):
    layer = Dot(axes=1) if name == "Dot" else getattr(layers, name)()
    x = torch.ones(rows, 3)
    for inputs in ([x, x], [Input((3,)), Input((3,))]):
        outputs = layer(inputs)
        assert tuple(outputs.shape)[1:] == {"Dot": (1,), "Concatenate": (6,)}.get(name, (3,))
    assert layer([x, x]).shape[0] == rows


@pytest.mark.parametrize(
    ("layer", "shapes", "message"),
    [
        (Add(), [(2, 3), (2, 4)], "cannot combine"),
        (Add(), [(2, 3), (4, 3)], "batch"),
        (Subtract(), [(2, 3)], "exactly 2"),
        (Subtract(), [(2, 3)] * 3, "exactly 2"),
        (Dot(axes=1), [(2, 3), (2, 4)], "sizes must be equal"),
        (Dot(axes=0), [(2, 3), (2, 3)], "after the batch"),
        (Concatenate(), [(2, 3), (3, 3)], "all other axes must agree"),
        (Concatenate(), [(2, 3), (2, 3, 1)], "all other axes must agree"),
        (Concatenate(axis=2), [(2, 3), (2, 3)], "axis=2"),
    ],
)
def test_refuses(layer, shapes, message):
    with pytest.raises(ValueError, match=message):
        layer([torch.zeros(shape) for shape in shapes])


def test_refuses_a_single_tensor():
    for layer in (Add(), Concatenate(), Dot(axes=1)):
        with pytest.raises(ValueError, match="list of"):
            layer(torch.zeros(2, 3))
        with pytest.raises(ValueError, match="list of"):
            layer(Input((3,)))
    for axes, error in (("1", TypeError), ([1], ValueError), ([1, 2.0], ValueError)):
        with pytest.raises(error, match="axes"):
            Dot(axes)


def test_subtracts_bools_from_numbers():
    numbers, flags = torch.tensor([[2.0, 3.0]]), torch.tensor([[True, False]])
    assert layers.Subtract()([numbers, flags]).tolist() == [[1.0, 3.0]]
    assert layers.Subtract()([flags, numbers]).tolist() == [[-1.0, -3.0]]


def test_subclasses_may_merge_otherwise():
    class Reversed(Concatenate):
        def _merge_function(self, inputs):
            return super()._merge_function(inputs[::-1])

    class Doubled(Dot):
        def _merge_function(self, inputs):
            return 2 * super()._merge_function(inputs)

    x, y = torch.ones(1, 2), torch.zeros(1, 2)
    assert Reversed()([x, y]).tolist() == [[0.0, 0.0, 1.0, 1.0]] and Doubled(axes=1)([x, x]).tolist() == [[4.0]]
