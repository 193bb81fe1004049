"""What changes learning rates: kinds of schedules, optimizers of torch's, words for misuse."""

import numpy as np
import pytest
import torch

import torchkeras as keras
from torchkeras.callbacks import LearningRateScheduler, ReduceLROnPlateau
from torchkeras.optimizers.schedules import ExponentialDecay

X, Y = np.ones((8, 3), "float32"), np.ones((8, 1), "float32")


def fitted(callback, optimizer="sgd", epochs=3):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile(optimizer, "mse")
    history = model.fit(X, Y, epochs=epochs, verbose=0, callbacks=[callback])
    return [round(rate, 6) for rate in history.history["learning_rate"]]


@pytest.mark.parametrize(
    "schedule",
    [
        lambda epoch, rate: torch.tensor(0.5) ** epoch,
        lambda epoch: np.array(0.5**epoch),
        ExponentialDecay(1.0, decay_steps=1, decay_rate=0.5),
    ],
    ids=["tensor", "array", "schedule"],
)
def test_schedules_of_other_kinds(schedule):
    assert fitted(LearningRateScheduler(schedule)) == [1.0, 0.5, 0.25]


def test_optimizers_of_torch():
    def sgd(parameters):
        return torch.optim.SGD(parameters, lr=0.4)

    assert fitted(LearningRateScheduler(lambda epoch, rate: rate / 2), sgd) == [0.2, 0.1, 0.05]
    assert fitted(ReduceLROnPlateau("loss", factor=0.5, patience=1, min_delta=9), sgd) == [0.4, 0.4, 0.2]


def test_an_error_inside_a_schedule_is_shown():
    def broken(epoch, rate):
        return rate + "x"

    with pytest.raises(TypeError, match="unsupported operand"):
        fitted(LearningRateScheduler(broken))


def test_scheduler_says_what_it_needs():
    with pytest.raises(ValueError, match="at epoch 0 it gave tensor"):
        fitted(LearningRateScheduler(lambda epoch: torch.ones(2)))
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    callback = LearningRateScheduler(lambda epoch: 0.1)
    callback.set_model(model)
    with pytest.raises(ValueError, match="an optimizer with a learning rate, got None"):
        callback.on_epoch_begin(0)


def test_arguments_of_plateaus():
    assert ReduceLROnPlateau(epsilon=0.5).min_delta == 0.5
    with pytest.warns(UserWarning, match="ignores: patients"):
        ReduceLROnPlateau(patients=3)
    with pytest.raises(ValueError, match="must be below 1"):
        ReduceLROnPlateau(factor=2)


def test_a_plateau_is_counted_anew_in_each_fit():
    reduce = ReduceLROnPlateau("loss", factor=0.5, patience=3, min_delta=9)
    for _ in range(2):
        assert fitted(reduce, epochs=4) == [0.01] * 4
    assert reduce.wait == 0 and reduce.best is not None
