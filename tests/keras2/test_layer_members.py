"""Members that Keras 2's layers have."""

import numpy as np
import pytest
import torch

import torchkeras as keras
from torchkeras import layers


@pytest.fixture
def graph():
    x = keras.Input((4,))
    dense = layers.Dense(3)
    y = dense(x)
    return x, dense, y, keras.Model(x, y)


def test_shapes(graph):
    _, dense, _, model = graph
    assert (dense.input_shape, dense.output_shape) == ((None, 4), (None, 3))
    assert model.layers[0].input_shape == [(None, 4)] == model.layers[0].output_shape
    assert (model.input_shape, model.output_shape) == ((None, 4), (None, 3))
    x = graph[0]
    add = layers.Add()
    add([x, x])
    assert add.input_shape == [(None, 4), (None, 4)]


def test_calls_by_number(graph):
    x, dense, y, model = graph
    z = keras.Input((5, 4))
    dense(z)
    assert dense.input is x
    assert dense.get_input_at(0) is x
    assert dense.get_input_at(1) is z
    assert dense.get_output_at(0) is y
    assert dense.get_output_shape_at(1) == (None, 5, 3)
    assert model.layers[0].get_input_at(0) is x is model.layers[0].input
    assert len(dense.inbound_nodes) == 2
    assert dense.get_input_mask_at(0) is None is dense.output_mask
    with pytest.raises(AttributeError, match="get_output_shape_at"):
        _ = dense.output_shape
    with pytest.raises(ValueError, match="9"):
        dense.get_input_at(9)


def test_layer_that_was_never_called():
    dense = layers.Dense(2)
    for name in ("output_shape", "input", "output"):
        with pytest.raises(AttributeError, match="never called"):
            getattr(dense, name)
    assert not hasattr(dense, "output_shape")


def test_constants(graph):
    _, dense, _, model = graph
    assert dense.updates == []
    assert dense.dynamic is False
    assert (dense.stateful, model.stateful) == (False, False)
    assert layers.LSTM(2, stateful=True).stateful
    assert model.submodules == tuple(model.layers)
    dense.add_update([1])
    dense.finalize_state()
    assert dense.compute_output_signature(keras.KerasTensor((2, 4))).shape == (2, 3)


def test_attributes_of_these_names_are_the_users():
    class Mine(layers.Layer):
        def __init__(self):
            super().__init__()
            self.output_shape, self.input_shape, self.stateful, self.updates = (3,), 4, True, [1]

        @layers.Layer.with_name_scope
        def make(self):
            return keras.Variable(1.0, name="q").path

    mine = Mine()
    assert (mine.output_shape, mine.input_shape, mine.stateful, mine.updates) == ((3,), 4, True, [1])
    assert mine.make() == f"{mine.name}/q"


def test_shapes_know_as_list(graph):
    _, dense, y, _ = graph
    seen = []

    class Notes(layers.Layer):
        def build(self, shape):
            seen.append(shape.as_list())

        def call(self, x):
            return x

        def compute_output_shape(self, shape):
            return shape.as_list()

    Notes()(torch.ones(2, 3))
    Notes().build((2, 3))
    Notes()(keras.Input((3,)))
    assert seen == [[2, 3], [2, 3], [None, 3]]
    for shape in (dense.compute_output_shape((None, 4)), Notes().compute_output_shape([None, 3]), y.get_shape()):
        assert isinstance(shape, tuple)
        assert shape.as_list() == [None, 3]
        assert shape.rank == shape.ndims == 2
    assert y.type_spec is y
    assert y.node is dense.inbound_nodes[0]


def test_variables(graph):
    kernel = graph[1].kernel
    assert kernel.read_value().shape == kernel.get_shape() == (4, 3)
    assert (kernel.name, kernel.path.split("/")[-1]) == ("kernel", "kernel")


def test_lists_of_numbers_are_data():
    dense = layers.Dense(1)
    dense.build((None, 2))
    dense.set_weights([[[1.0], [2.0]], [3.0]])
    assert dense([[1.0, 1.0]]).tolist() == [[6.0]]
    assert dense(np.ones((1, 2))).tolist() == [[6.0]]
