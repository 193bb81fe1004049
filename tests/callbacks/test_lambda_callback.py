"""LambdaCallback: hooks given as functions."""

import pytest

from torchkeras.callbacks import CallbackList, LambdaCallback


@pytest.mark.parametrize("name", [name for name in dir(CallbackList) if name.startswith("on_")])
def test_every_hook_can_be_given(name):
    seen = []
    callbacks = CallbackList([LambdaCallback(**{name: lambda *args: seen.append(args)})])
    args = (3,) if "batch" in name or "epoch" in name else ()
    getattr(callbacks, name)(*args, {"loss": 1.0})
    assert seen == [(*args, {"loss": 1.0})]


def test_only_what_is_given_costs_something():
    callbacks = CallbackList([LambdaCallback(on_epoch_end=print, on_test_end=None)])
    assert callbacks.batch_hooks("train") == [None, None]
    callbacks.on_test_end()


def test_other_names():
    assert LambdaCallback(note="mine").note == "mine"
    with pytest.warns(UserWarning, match="on_epoch_ends=, which is no hook"):
        LambdaCallback(on_epoch_ends=print)
