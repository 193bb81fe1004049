"""What quantization and LoRA will need: a layer reads another form of its weight and knows nothing of it."""

import copy
import pickle

import numpy as np
import pytest
import torch

import torchkeras as keras
from torchkeras.core.weight_reads import replace_read, restore_read


def with_low_rank(layer, kernel):
    return kernel.detach() + layer.lora_a @ layer.lora_b


def from_bytes(layer, kernel):
    return kernel.detach().round().clamp(-128, 127) * layer.kernel_scale


def add_low_rank(layer, rank=2):
    rows, columns = layer.kernel.shape
    layer.lora_a = layer.add_weight(shape=(rows, rank), name="lora_a")
    layer.lora_b = layer.add_weight(shape=(rank, columns), initializer="zeros", name="lora_b")
    replace_read(layer, "kernel", with_low_rank)
    layer.kernel_kept.trainable = False


@pytest.fixture
def model():
    keras.utils.set_random_seed(1)  # of four units that may all be dead, some live
    inputs = keras.Input((4,))
    made = keras.Model(inputs, keras.layers.Dense(3)(keras.layers.Dense(4, activation="relu")(inputs)))
    made.compile(keras.optimizers.SGD(0.1), "mse")
    return made


def test_low_rank_factors_train_and_the_kernel_does_not(model):
    x, y = torch.ones(8, 4), torch.zeros(8, 3)
    dense = model.layers[2]
    before, kept = model(x).detach().clone(), dense.kernel.detach().clone()
    add_low_rank(dense)
    torch.testing.assert_close(model(x), before)  # the second factor begins at zero
    model.compile(keras.optimizers.SGD(0.1), "mse")
    model.fit(x.numpy(), y.numpy(), epochs=2, verbose=0)
    assert torch.equal(dense.kernel_kept, kept)
    torch.testing.assert_close(dense.kernel, kept + dense.lora_a @ dense.lora_b)
    assert not torch.equal(dense.kernel, kept)


def test_the_weight_stays_where_it_was_among_the_weights(model):
    dense = model.layers[2]
    names = [weight.path for weight in model.weights]
    replace_read(dense, "kernel", with_low_rank)
    assert [weight.path for weight in model.weights] == names
    assert list(dense.state_dict()) == ["kernel_kept", "bias"]


@pytest.mark.parametrize("again", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_copies_read_their_own_weights(model, again):
    add_low_rank(model.layers[2])
    other = again(model)
    with torch.no_grad():
        other.layers[2].lora_b.fill_(1.0)
    assert not torch.equal(other.layers[2].kernel, model.layers[2].kernel)
    np.testing.assert_array_equal(model.layers[2].kernel.detach(), model.layers[2].kernel_kept.detach())


def test_a_form_with_fewer_bits_in_every_layer_that_reads_a_kernel():
    for layer, shape in ((keras.layers.Conv2D(2, 3), (1, 5, 5, 3)), (keras.layers.EinsumDense("ab,bc->ac", 2), (4, 3))):
        x = torch.randn(shape)
        layer(x)
        layer.kernel_scale = layer.add_weight(shape=(), initializer="ones", name="scale", trainable=False)
        with torch.no_grad():
            layer.kernel.mul_(10.0)
        expected = copy.deepcopy(layer)
        with torch.no_grad():
            expected.kernel.round_()
        replace_read(layer, "kernel", from_bytes)
        torch.testing.assert_close(layer(x), expected(x))


def test_mixed_precision_casts_what_is_read():
    layer = keras.layers.Dense(2, dtype="mixed_bfloat16")
    layer(torch.ones(1, 3))
    replace_read(layer, "kernel", lambda layer, kernel: kernel * 1.0)
    assert layer(torch.ones(1, 3)).dtype is torch.bfloat16
    assert layer.kernel.dtype is torch.float32


def test_it_compiles_as_one_graph(model):
    add_low_rank(model.layers[2])
    x = torch.randn(2, 4)
    torch.testing.assert_close(torch.compile(model, fullgraph=True, backend="eager")(x), model(x))


def test_restoring_and_refusing(model):
    dense = model.layers[2]
    kernel = dense.kernel
    replace_read(dense, "kernel", with_low_rank)
    restore_read(dense, "kernel")
    assert dense.kernel is kernel and list(dense.state_dict()) == ["kernel", "bias"]
    with pytest.raises(ValueError, match=r"'kernel'.*read as it is kept"):
        restore_read(dense, "kernel")
    with pytest.raises(ValueError, match=r"no weight 'kernels' of its own; there are: kernel, bias"):
        replace_read(dense, "kernels", with_low_rank)
