"""Optimizers that scale the loss cross in files, bit by bit: Keras loses sight of some variables inside of them, so the
files have fewer than those of the inner optimizer alone."""

import keras as reference
import numpy as np
import pytest
import torch

import torchkeras

OPTIMIZERS = ["Adam", "Nadam", "Adafactor", "SGD"]


def trained(k, optimizer):
    model = k.Sequential([k.layers.Input((3,)), k.layers.Dense(2)])
    model.compile(k.optimizers.LossScaleOptimizer(getattr(k.optimizers, optimizer)(0.1), initial_scale=8.0), "mse")
    for _ in range(3):
        model.train_on_batch(np.ones((4, 3)), np.ones((4, 2)))
    return model


def state(model):
    return [torch.as_tensor(getattr(each, "value", each)).detach().numpy() for each in model.optimizer.variables]


def equal(mine, theirs):
    for ours, other in zip(state(mine), state(theirs), strict=True):
        np.testing.assert_array_equal(ours, other)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize(("writer", "reader"), [(reference, torchkeras), (torchkeras, reference)])
def test_both_read_the_others(writer, reader, optimizer, tmp_path):
    source = trained(writer, optimizer)
    source.save(tmp_path / "m.keras")
    equal(reader.models.load_model(tmp_path / "m.keras"), source)
    source.save_weights(tmp_path / "m.weights.h5")
    other = trained(reader, optimizer)
    other.load_weights(tmp_path / "m.weights.h5")
    equal(other, source)


def test_the_product_of_nadam_is_worked_out_again(tmp_path):
    source = trained(torchkeras, "Nadam")
    source.save(tmp_path / "m.keras")
    inner = torchkeras.models.load_model(tmp_path / "m.keras").optimizer.inner_optimizer
    assert float(inner._u_product) == float(source.optimizer.inner_optimizer._u_product) != 1.0
