"""Sequential: when it is built, from what, and what may stand in it."""

import warnings

import numpy as np
import pytest
import torch
from torch import nn

import torchkeras as keras
from torchkeras import layers


@pytest.mark.parametrize(
    "make, shape",
    [
        (lambda: layers.Dense(2, input_shape=(3,)), (None, 3)),
        (lambda: layers.Dense(2, input_shape=[3]), (None, 3)),
        (lambda: layers.Dense(2, input_shape=3), (None, 3)),
        (lambda: layers.Dense(2, input_dim=3), (None, 3)),
        (lambda: layers.Dense(2, batch_input_shape=(2, 3)), (2, 3)),
        (lambda: layers.Dense(2, input_shape=(3,), batch_size=4), (4, 3)),
        (lambda: layers.Embedding(10, 4, input_length=5), (None, 5)),
        (lambda: layers.Embedding(10, 4, input_shape=(6,)), (None, 6)),
        (lambda: layers.LSTM(3, batch_input_shape=(2, 4, 2), stateful=True), (2, 4, 2)),
        (lambda: layers.LSTM(3, input_length=4, input_dim=2), (None, 4, 2)),
    ],
)
def test_declared_input(make, shape):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = keras.Sequential([make()])
    assert model.built
    assert model.input_shape == shape
    assert model.get_config()["layers"][0]["class_name"] == "InputLayer"


@pytest.mark.parametrize(
    "first",
    [
        lambda: keras.Input((3,)),
        lambda: keras.Input(3),
        lambda: layers.InputLayer(shape=(3,)),
        lambda: layers.InputLayer(input_shape=(3,)),
        lambda: layers.InputLayer(batch_shape=(None, 3)),
    ],
)
def test_input_objects(first):
    model = keras.Sequential([first(), layers.Dense(2)])
    assert model.input_shape == (None, 3)
    assert len(model.layers) == 1


def test_layers_judge_sizes_for_themselves():
    model = keras.Sequential([keras.Input((12, 2)), layers.GlobalMaxPooling1D(), layers.Dense(2)])
    x = torch.rand(3, 16, 2)
    assert torch.equal(model(x), model.layers[1](x.amax(1)))
    with pytest.raises(ValueError, match="expected axis -1 of input shape to have value 2, found 3"):
        model(torch.rand(3, 12, 3))
    with pytest.raises(ValueError, match=r"expected shape=\(None, 12, 2\), found shape=\(3, 2\)"):
        model(torch.rand(3, 2))


def test_embedding_alone_waits_for_data():
    assert not keras.Sequential([layers.Embedding(10, 4)]).built


def test_single_layer_and_empty():
    model = keras.Sequential(layers.Dense(2))
    assert model(torch.ones(2, 3)).shape == (2, 2)
    assert keras.Sequential().layers == []
    assert keras.Sequential([keras.Input((3,))]).layers == []


def test_first_values_from_keras2_argument():
    model = keras.Sequential([layers.Dense(2, input_shape=(3,), weights=[np.ones((3, 2)), np.zeros(2)])])
    assert model(torch.ones(1, 3)).tolist() == [[3.0, 3.0]]
    with pytest.raises(ValueError, match="shape"):
        keras.Sequential([layers.Dense(2, input_shape=(3,), weights=[np.ones((9, 9)), np.zeros(2)])])


def test_first_layer_of_several_tensors():
    model = keras.Sequential([layers.Concatenate(), layers.Dense(2)])
    assert model([torch.ones(2, 3), torch.ones(2, 4)]).shape == (2, 2)
    assert model([torch.ones(5, 3), torch.ones(5, 4)]).shape == (5, 2)
    assert len(model.weights) == 2


def test_layer_of_several_outputs_inside():
    class Two(layers.Layer):
        def call(self, x):
            return x, x + 1

    class Total(layers.Layer):
        def call(self, pair):
            return pair[0] + pair[1]

    model = keras.Sequential([keras.Input((3,)), Two(), Total()])
    assert model.output_shape == (None, 3)
    assert model(torch.zeros(2, 3)).tolist() == [[1.0] * 3] * 2
    first, second = keras.Sequential([keras.Input((3,)), Two()])(torch.zeros(2, 3))
    assert (second - first).sum() == 6


def test_torch_modules_inside():
    model = keras.Sequential([nn.Linear(3, 4), nn.ReLU(), layers.Dense(2)])
    assert model(torch.ones(2, 3)).shape == (2, 2)
    assert len(model.weights) == 4


def test_wrong_features_after_building():
    model = keras.Sequential([layers.Dense(2)])
    model(torch.ones(2, 3))
    with pytest.raises(ValueError, match="shape"):
        model(torch.ones(2, 4))
    assert model(torch.ones(7, 3)).shape == (7, 2)


def test_last_axis_of_one_is_dropped():
    assert keras.Sequential([keras.Input((3,)), layers.Dense(2)])(torch.ones(2, 3, 1)).shape == (2, 2)


def test_names_that_torch_cannot_tell_apart():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2, name="a.b"), layers.Dense(2, name="a_b")])
    assert len(list(model.parameters())) == 4
    model.pop()
    assert [layer.name for layer in model.layers] == ["a.b"]
    assert len(list(model.parameters())) == 2


def test_subclasses():
    class Double(keras.Sequential):
        def __init__(self):
            super().__init__()
            self.add(layers.Dense(2))
            self.add(layers.Dense(3))

        def call(self, x, training=None):
            return super().call(x) * 2

    model, data = Double(), torch.ones(1, 2)
    for _ in range(2):
        output = model(data)
        torch.testing.assert_close(output, 2 * model.layers[1](model.layers[0](data)))

    class Named(keras.Sequential):
        pass

    copy = Named.from_config(Named([layers.Dense(2)]).get_config())
    assert type(copy) is Named


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: keras.Sequential([3]),
        lambda: keras.Sequential([layers.Dense(2), keras.Input((3,))]),
        lambda: keras.Sequential([layers.Dense(2, name="a"), layers.Dense(2, name="a")]),
        lambda: keras.Sequential().pop(),
        lambda: keras.Sequential().build((None, 3)),
    ],
)
def test_errors(wrong):
    with pytest.raises((ValueError, TypeError)):
        wrong()


def test_views_before_building():
    with pytest.raises(AttributeError, match="build"):
        _ = keras.Sequential([layers.Dense(2)]).input_shape


def test_a_size_that_stands_for_an_unknown_one_is_none_of_the_model():
    """A model of layers that builds while shapes are inferred sees None where the inference tries sizes."""

    class Outer(keras.Model):
        def __init__(self):
            super().__init__()
            self.inner = keras.Sequential([layers.Rescaling(2.0), layers.Dense(3)])

        def call(self, x):
            return self.inner(x)

    model = Outer()
    assert model(keras.Input((4,))).shape == (None, 3)
    assert (model.inner.input_shape, model.inner.output_shape) == ((None, 4), (None, 3))
    trained = Outer()
    trained.compile("sgd", "mse")
    trained.fit(np.zeros((5, 4)), np.zeros((5, 3)), verbose=0)
    assert trained.inner.output_shape == (None, 3)
