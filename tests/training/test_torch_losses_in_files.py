"""Losses of torch go into files by name and arguments; what has no form leaves the file without compile's arguments."""

import functools
import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import torchkeras as keras
from torchkeras.errors import UnserializableError
from torchkeras.training.torch_losses_in_configs import NamedTorchLoss

X = np.ones((4, 3), "float32")


def network(loss, optimizer="adam"):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile(optimizer, loss)
    return model


@pytest.mark.parametrize("ending", ["keras", "h5"])
@pytest.mark.parametrize(
    "loss, target",
    [
        (torch.nn.MSELoss(), "reals"),
        (torch.nn.L1Loss, "reals"),
        (torch.nn.HuberLoss(reduction="sum", delta=0.2), "reals"),
        (torch.nn.CrossEntropyLoss(torch.tensor([1.0, 3.0]), label_smoothing=0.1, ignore_index=1), "classes"),
        (F.mse_loss, "reals"),
        (functools.partial(F.huber_loss, delta=0.3), "reals"),
        (F.cross_entropy, "classes"),
    ],
    ids=["object", "class", "arguments", "tensors", "function", "partial", "another name"],
)
def test_a_loss_of_torch_comes_back(tmp_path, loss, target, ending):
    y = {"reals": np.full((4, 2), 0.3, "float32"), "classes": np.array([0, 1, 0, 0])}[target]
    model = network(loss)
    model.fit(X, y, verbose=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.save(tmp_path / f"model.{ending}")
    again = keras.models.load_model(tmp_path / f"model.{ending}")
    assert again.evaluate(X, y, verbose=0) == model.evaluate(X, y, verbose=0)
    curves = [each.fit(X, y, epochs=2, shuffle=False, verbose=0).history for each in (model, again)]
    assert curves[0] == curves[1]


def test_losses_of_several_outputs(tmp_path):
    inputs = keras.Input((3,))
    model = keras.Model(inputs, {name: keras.layers.Dense(1, name=name)(inputs) for name in "ab"})
    model.compile("sgd", {"a": torch.nn.SmoothL1Loss(beta=0.5), "b": "mse"})
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.loss["a"].beta == 0.5 and again.loss["b"] == "mse"


class Own(torch.nn.Module):
    def forward(self, prediction, target):
        return (prediction - target).square().mean()


@pytest.mark.parametrize("ending", ["keras", "h5"])
@pytest.mark.parametrize("arguments", [(Own(),), ("mse", lambda parameters: torch.optim.SGD(parameters, lr=0.1))])
def test_a_training_is_not_lost_for_what_cannot_be_written(tmp_path, arguments, ending):
    model = network(*arguments)
    model.fit(X, X[:, :2], verbose=0)
    with pytest.raises(UnserializableError):
        model.get_compile_config()
    with pytest.warns(UserWarning, match=r"without the arguments of compile\(\).*Compile it again"):
        model.save(tmp_path / f"model.{ending}")
    again = keras.models.load_model(tmp_path / f"model.{ending}")
    assert not again.compiled and np.array_equal(again.predict(X, verbose=0), model.predict(X, verbose=0))


@pytest.mark.parametrize("name", ["relu", "Linear", "Module", "os.system", "_Loss.__init__", None, 3])
def test_nothing_but_losses_is_found(name):
    with pytest.raises(ValueError, match="torch has no loss"):
        NamedTorchLoss.from_config({"name": name, "arguments": {}})


def test_arguments_without_names_are_refused():
    with pytest.raises(UnserializableError, match="by name"):
        NamedTorchLoss(functools.partial(F.huber_loss, X)).get_config()
