"""Names that Keras keeps private, as layers and loops written for Keras read them."""

import numpy as np

import torchkeras as keras
from torchkeras import layers
from torchkeras.core.layer_views import LayerViews, View

DATA = np.ones((2, 3), "float32")


class Block(layers.Layer):
    def __init__(self):
        super().__init__()
        self.inner = layers.Dense(2, kernel_regularizer="l2")
        self.count = self.add_weight(shape=(), trainable=False, name="count")
        self.scale = self.add_weight(shape=(2,), initializer="ones", name="scale")

    def call(self, x, mask=None):
        self.add_loss(x.sum())
        return self.inner(x) * self.scale


def test_own_weights_and_losses():
    block = Block()
    block(DATA)
    assert block._trainable_variables[0] is block.scale and len(block._trainable_variables) == 1
    assert block._non_trainable_variables[0] is block.count and len(block._non_trainable_variables) == 1
    assert [float(loss) for loss in block._get_own_losses()] == [6.0] == [float(loss) for loss in block._losses]
    assert len(block._get_regularization_losses()) == 1 and len(block.losses) == 2
    block._clear_losses()
    assert block._losses == [] and len(block.losses) == 1


def test_what_call_takes():
    assert (Block()._call_has_training_arg, Block()._call_has_mask_arg) == (False, True)
    assert layers.Dropout(0.5)._call_has_training_arg


def test_the_names_are_free_for_subclasses():
    class Own(layers.Layer):
        def __init__(self):
            super().__init__()
            self._losses = [1.0]
            self._trainable_variables = "mine"

    layer = Own()
    assert layer._losses == [1.0] and layer._trainable_variables == "mine" and layer.losses == []


def test_a_tracker_of_the_users_own_under_a_private_name():
    class Model(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(1)
            self._loss_tracker = keras.metrics.Mean(name="mine")

        def call(self, x):
            return self.dense(x)

    model = Model()
    model.compile("sgd", "mse")
    model.fit(DATA, DATA[:, :1], verbose=0)
    assert model._loss_tracker.name == "mine" and [metric.name for metric in model.metrics] == ["loss", "mine"]


def test_a_layer_without_its_constructor_has_none():
    layer, views = Block.__new__(Block), [name for name, view in vars(LayerViews).items() if isinstance(view, View)]
    assert len(views) == 5
    for name in views:
        hasattr(layer, name)
