"""Modules and programs of other makers as layers: torch modules, and what only another framework can run."""

import numpy as np
import pytest
import torch

from torchkeras import Sequential, layers
from torchkeras.errors import UnsafeFileError

Wrapper = layers.TorchModuleWrapper


class Sum(torch.nn.Module):
    def forward(self, a, b=None, *, scale=1.0):
        return {"sum": (a if b is None else a + b) * scale, "parts": [a, b]}


def test_the_mode_of_a_module_lasts_as_long_as_the_call():
    module = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Dropout(0.5))
    layer, x = Wrapper(module), torch.ones(50, 3)
    assert (layer(x, training=True) == 0).any() and not (layer(x) == 0).any()
    assert not (layer(x, training=False) == 0).any()
    assert not any(part.training for part in module.modules())


def test_modules_take_and_give_what_they_like():
    layer = Wrapper(Sum())
    out = layer(torch.ones(2, 3), torch.ones(2, 3), scale=2.0)
    assert out["sum"].tolist() == [[4.0] * 3] * 2 and len(out["parts"]) == 2
    assert layer(layers.Input((3,)), layers.Input((3,)))["sum"].shape == (None, 3)
    assert Wrapper(torch.nn.Embedding(5, 2))(np.array([[1, 2]])).shape == (1, 2, 2)


def test_the_shape_that_is_given_is_the_whole_shape():
    given = Wrapper(torch.nn.Linear(3, 4), output_shape=(None, 4))
    assert given.compute_output_shape((2, 3)) == (None, 4)
    assert given(layers.Input((3,))).shape == (None, 4)
    assert Wrapper(torch.nn.Linear(3, 4)).compute_output_shape((2, 3)) == (2, 4)
    assert Wrapper(torch.nn.LazyLinear(4))(layers.Input((3,))).shape == (None, 4)


def test_weights_of_a_module_are_the_layers():
    module = torch.nn.Linear(3, 3)
    module.bias.requires_grad_(False)
    layer = Wrapper(module)
    assert (len(layer.trainable_weights), len(layer.non_trainable_weights)) == (1, 1)
    assert Sequential([layers.Input((3,)), layer, Wrapper(module)]).count_params() == 12
    layer.trainable = False
    assert not any(parameter.requires_grad for parameter in module.parameters())


def test_a_mask_ends_with_a_warning():
    x = torch.ones(2, 3)
    x._keras_mask = torch.ones(2, dtype=torch.bool)
    layer = Wrapper(torch.nn.Linear(3, 4))
    with pytest.warns(UserWarning, match="destroy the mask"):
        assert getattr(layer(x), "_keras_mask", None) is None


def test_what_is_no_module():
    with pytest.raises(TypeError, match=r"needs a torch\.nn\.Module, got function"):
        Wrapper(lambda x: x)
    with pytest.raises(NotImplementedError, match="Linear has no config"):
        Wrapper(torch.nn.Linear(3, 4)).get_config()


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: layers.JaxLayer(lambda inputs: inputs), ValueError, "JaxLayer runs a JAX function.*KERAS_BACKEND=jax"),
        (lambda: layers.FlaxLayer(object(), variables={}), ValueError, "FlaxLayer runs a Flax module.*add_weight"),
        (lambda: layers.TFSMLayer("folder"), NotImplementedError, "SavedModel 'folder', which needs TensorFlow"),
        (lambda: layers.TFSMLayer.from_config({"filepath": "f"}), UnsafeFileError, "never loaded"),
        (lambda: layers.TFSMLayer.from_config({"filepath": "f"}, safe_mode=False), NotImplementedError, "TensorFlow"),
        (lambda: layers.TFSMLayer(3), TypeError, "PathLike"),
    ],
)
def test_programs_of_other_frameworks(make, error, words):
    with pytest.raises(error, match=words):
        make()
