"""Variables stay Variables under every conversion of torch's: name, path, regularizer, constraint, flags, lists."""

import pytest
import torch

import torchkeras as keras

layers = keras.layers
FUTURE = ("set_overwrite_module_params_on_conversion", "set_swap_module_params_on_conversion")


class Rows(layers.Layer):
    """Weights in a list, in a tuple, under two attributes and in a sublayer."""

    def __init__(self):
        super().__init__()
        self.rows = [self.add_weight(shape=(2,), regularizer="l2", constraint="non_neg", name="first")]
        self.rows.append(self.add_weight(shape=(2,), trainable=False, name="second"))
        self.pair = (self.add_weight(shape=(2,), name="third"),)
        self.again = self.rows[0]
        self.dense = layers.Dense(2, kernel_regularizer="l2")
        self.dense.trainable = False

    def call(self, x):
        return self.dense(x * self.rows[0] + self.pair[0])


def to_empty(layer):
    layer.to("meta")
    layer.to_empty(device="cpu")


def zeros(layer):
    return {key: torch.zeros_like(value) for key, value in layer.state_dict().items()}


CONVERSIONS = {
    "double": lambda layer: layer.double(),
    "half": lambda layer: layer.half(),
    "meta": lambda layer: layer.to("meta"),
    "to_empty": to_empty,
    "load": lambda layer: layer.load_state_dict(zeros(layer)),
    "assign": lambda layer: layer.load_state_dict(zeros(layer), assign=True),
    "share_memory": lambda layer: layer.share_memory(),
}


def facts(layer):
    return [
        (type(v), v.path, v.name, v.trainable, v.requires_grad, v.regularizer, v.constraint, v.autocast)
        for v in layer.weights
    ]


@pytest.mark.parametrize("switch", [None, *FUTURE])
@pytest.mark.parametrize("convert", CONVERSIONS.values(), ids=CONVERSIONS)
def test_conversions(convert, switch):
    layer = Rows()
    layer(torch.ones(1, 2))
    before, keys = facts(layer), list(layer.state_dict())
    if switch is not None:
        getattr(torch.__future__, switch)(True)
    try:
        convert(layer)
    finally:
        if switch is not None:
            getattr(torch.__future__, switch)(False)
    assert facts(layer) == before and list(layer.state_dict()) == keys
    parameters = layer._parameters
    assert layer.rows[0] is parameters["rows_0"] is layer.again and layer.rows[1] is parameters["rows_1"]
    assert layer.pair[0] is parameters["pair_0"] and isinstance(layer.pair, tuple)
    assert len(layer.losses) == 1
    layer.rows.append(layer.add_weight(shape=(2,)))  # what was exchanged goes on being tracked
    assert len(layer.weights) == len(before) + 1


def test_a_model_made_without_memory_learns():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2, kernel_regularizer="l2"), layers.Dense(1)])
    to_empty(model)
    model.set_weights([torch.ones(weight.shape) for weight in model.weights])
    model.compile(keras.optimizers.SGD(0.01), "mse")
    x = torch.ones(4, 3)
    first, second = model.fit(x, x[:, :1], epochs=2, verbose=0).history["loss"]
    assert second < first
