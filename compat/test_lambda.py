"""Lambda layers of lambdas beside Keras: the code that each writes, read by the other."""

import copy
import json

import keras
import pytest
import torch

import torchkeras

CAPTURED = 3
FUNCTIONS = {
    "plain": lambda x: x * 2,
    "default": lambda x, factor=3: x * factor,
    "captured": (lambda amount: lambda x: x + amount)(CAPTURED),
    "of arguments": lambda x, factor: x * factor,
}
ARGUMENTS = {"of arguments": {"factor": 4}}


def made(lib, name, **options):
    lib.utils.clear_session(free_memory=False)
    return lib.layers.Lambda(FUNCTIONS[name], arguments=ARGUMENTS.get(name), **options)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_code_is_written_and_read_alike(name):
    theirs, ours = (made(lib, name, output_shape=lambda shape: shape) for lib in (keras, torchkeras))
    assert theirs.get_config() == ours.get_config()
    assert keras.layers.serialize(theirs) == torchkeras.layers.serialize(ours)
    x = torch.ones(2, 3)
    for layer, cls in ((theirs, torchkeras.layers.Lambda), (ours, keras.layers.Lambda)):
        config = layer.get_config()
        with pytest.raises(ValueError, match="enable_unsafe_deserialization"):
            cls.from_config(copy.deepcopy(config))
        if cls is torchkeras.layers.Lambda:  # Keras itself does not read lists of defaults
            config = json.loads(json.dumps(config))
        again = cls.from_config(config, safe_mode=False)
        assert torch.equal(again(x), layer(x))
        assert again.compute_output_shape((None, 3)) == (None, 3)


@pytest.mark.parametrize("options", [{}, {"safe_mode": True}])
def test_reading_is_refused_by_default(options):
    for lib in (keras, torchkeras):
        config = made(lib, "plain").get_config()
        with pytest.raises(ValueError):
            lib.layers.Lambda.from_config(config, **options)


def test_output_shape_is_believed_in_graphs_only():
    for lib in (keras, torchkeras):
        layer = lib.layers.Lambda(lambda x: x**2, output_shape=(6,))
        assert layer.compute_output_shape((None, 2)) == (None, 6)
        assert layer(lib.Input((2,))).shape == (None, 6)
        assert layer(torch.ones(3, 2)).shape == (3, 2)


@pytest.mark.parametrize("function", [lambda x: x.reshape(x.shape[0], -1), lambda x: x.mean(1), lambda x: x[:, 1:]])
def test_shapes_with_unknown_sizes(function):
    theirs, ours = (lib.layers.Lambda(function)(lib.Input((None, 3))).shape for lib in (keras, torchkeras))
    assert tuple(theirs) == tuple(ours)
