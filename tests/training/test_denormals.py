"""Steps make zeros of denormal numbers, in all threads; what runs around them computes as ever."""

import multiprocessing
import sys

import numpy as np
import pytest
import torch

import torchkeras as keras
from torchkeras.core.processor import flushes

X, Y = np.ones((4, 2), "float32"), np.ones((4, 1), "float32")
TINY = 1e-39
MANY = 200_000  # numbers that torch shares out to its threads

METHODS = {
    "fit": lambda model: model.fit(X, Y, verbose=0),
    "evaluate": lambda model: model.evaluate(X, Y, verbose=0),
    "predict": lambda model: model.predict(X, verbose=0),
    "train_on_batch": lambda model: model.train_on_batch(X, Y),
    "test_on_batch": lambda model: model.test_on_batch(X, Y),
    "predict_on_batch": lambda model: model.predict_on_batch(X),
    "make_train_function": lambda model: model.make_train_function()(iter([(X, Y)])),
    "make_test_function": lambda model: model.make_test_function()(iter([(X, Y)])),
    "make_predict_function": lambda model: model.make_predict_function()(iter([(X,)])),
}


class Looking(keras.layers.Layer):
    """Notes which share of denormal numbers comes out of an operation on many of them."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def call(self, x):
        if x.device.type != "meta":
            self.seen.append(share_kept())
        return x


def share_kept():
    return (torch.full((MANY,), TINY) * 1.5 != 0).float().mean().item()


def looking_model():
    looking = Looking()
    model = keras.Sequential([keras.Input((2,)), looking, keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    looking.seen.clear()
    return model, looking


@pytest.fixture(params=[1, 2], ids="{0} threads".format)
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize("method", METHODS)
def test_steps_flush_in_all_threads_and_leave_none_behind(method, threads):
    assert share_kept() == 1
    model, looking = looking_model()
    METHODS[method](model)
    assert looking.seen and set(looking.seen) == {0.0}
    assert share_kept() == 1 and not flushes()


def test_a_step_that_fails_leaves_the_threads_as_they_were(threads):
    model, looking = looking_model()
    looking.call = lambda x: 1 / 0
    with pytest.raises(ZeroDivisionError):
        model.fit(X, Y, verbose=0)
    assert share_kept() == 1 and not flushes()


def test_it_can_be_switched_off(threads):
    assert keras.config.is_flush_denormals_enabled()
    keras.config.disable_flush_denormals()
    try:
        assert not keras.config.is_flush_denormals_enabled()
        model, looking = looking_model()
        model.fit(X, Y, verbose=0)
        assert set(looking.seen) == {1.0}
    finally:
        keras.config.enable_flush_denormals()


def test_a_flag_of_the_user_stays(threads):
    model, looking = looking_model()
    torch.set_flush_denormal(True)
    try:
        model.fit(X, Y, verbose=0)
        assert set(looking.seen) == {0.0} and flushes()
    finally:
        torch.set_flush_denormal(False)
        model.fit(X, Y, verbose=0)  # gives this thread's state to the others
    assert share_kept() == 1


def test_callbacks_and_data_compute_as_ever(threads):
    flushing = []

    class Look(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            flushing.append(flushes())

        def on_epoch_end(self, epoch, logs=None):
            flushing.append(flushes())
            inner.evaluate(X, Y, verbose=0)  # a loop inside the loop, which goes on flushing

    inner, _ = looking_model()
    model, looking = looking_model()
    model.fit(X, Y, batch_size=1, epochs=2, callbacks=[Look()], verbose=0)
    assert len(flushing) == 10 and not any(flushing)
    assert set(looking.seen) == {0.0}


def test_moments_of_a_unit_without_gradient_end_in_zero(threads):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, activation="relu"), keras.layers.Dense(1)])
    optimizer = keras.optimizers.Adam(1e-6, beta_1=0.5, beta_2=0.5)
    model.compile(optimizer, "mse")
    model.fit(X, Y, verbose=0)
    model.layers[0].set_weights([np.full((2, 3), -1.0), np.zeros(3)])  # no unit lives on
    model.fit(np.tile(X, (50, 1)), np.tile(Y, (50, 1)), batch_size=1, verbose=0)
    for moments in optimizer._momentums[:2] + optimizer._velocities[:2]:
        assert moments.abs().max() == 0


@pytest.mark.skipif(sys.platform != "linux", reason="fork is Linux's")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_process_whose_threads_stayed_behind_goes_on(threads):
    model, _ = looking_model()
    model.predict(X, verbose=0)
    child = multiprocessing.get_context("fork").Process(target=_predict_and_leave, args=(model,))
    child.start()
    child.join(60)
    alive = child.is_alive()
    child.kill()
    assert not alive and child.exitcode == 0


def _predict_and_leave(model):
    model.layers[0].call = lambda x: x  # nothing here is large enough for torch's own threads
    keras.Model.predict(model, X, verbose=0)
