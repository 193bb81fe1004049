"""Which callbacks a CallbackList calls, with what, and what it leaves alone."""

import numpy as np
import pytest
import torch

from torchkeras.callbacks import Callback, CallbackList, History, ProgbarLogger
from torchkeras.callbacks.logs import python_logs

BATCH_FLAGS = [f"has_{phase}_batch_{when}" for phase in ("train", "test", "predict") for when in ("begin", "end")]


class Recorder(Callback):
    """Writes down every call of every hook."""

    def __init__(self, calls):
        super().__init__()
        self.calls = calls


for name in [name for name in vars(Callback) if name.startswith("on_")]:
    setattr(Recorder, name, lambda self, *args, _name=name: self.calls.append((_name, *args)))


class Model:
    stop_training = False


def flags(callbacks):
    return [flag for flag in BATCH_FLAGS if getattr(callbacks, flag)]


def test_nothing_to_do_per_batch_without_batch_hooks():
    class Epochs(Callback):
        def on_epoch_end(self, epoch, logs=None):
            pass

    callbacks = CallbackList([Epochs(), Callback()], add_history=True, model=Model(), epochs=1, steps=1, verbose=0)
    assert flags(callbacks) == []
    callbacks.on_train_batch_end(0, lambda: pytest.fail("logs were read"))


@pytest.mark.parametrize(
    "hook, flag",
    [
        ("on_train_batch_begin", "has_train_batch_begin"),
        ("on_batch_begin", "has_train_batch_begin"),
        ("on_train_batch_end", "has_train_batch_end"),
        ("on_batch_end", "has_train_batch_end"),
        ("on_test_batch_begin", "has_test_batch_begin"),
        ("on_test_batch_end", "has_test_batch_end"),
        ("on_predict_batch_begin", "has_predict_batch_begin"),
        ("on_predict_batch_end", "has_predict_batch_end"),
    ],
)
def test_overriding_a_batch_hook_is_noticed(hook, flag):
    calls = []
    overriding = type("Mine", (Callback,), {hook: lambda self, b, l: calls.append((b, l))})()
    on_instance = Callback()
    setattr(on_instance, hook, lambda b, l: calls.append((b, l)))
    for callback in (overriding, on_instance):
        callbacks = CallbackList([callback])
        assert flags(callbacks) == [flag]
        getattr(callbacks, "on_" + flag.removeprefix("has_"))(3, {"loss": 1.0})
        assert calls.pop() == (3, {"loss": 1.0})


def test_hooks_come_with_positional_arguments_in_order():
    first, second = [], []
    callbacks = CallbackList([Recorder(first), [Recorder(second)]], epochs=1)
    callbacks.on_train_begin()
    callbacks.on_epoch_begin(0)
    callbacks.on_train_batch_begin(0)
    callbacks.on_train_batch_end(0, {"loss": 2})
    callbacks.on_test_begin()
    callbacks.on_test_batch_begin(0)
    callbacks.on_test_batch_end(0, lambda: {"loss": 3})
    callbacks.on_test_end({"loss": 3})
    callbacks.on_epoch_end(0, {"loss": torch.tensor(0.5)})
    callbacks.on_train_end({"loss": 0.5})
    assert first == second == [
        ("on_train_begin", {}),
        ("on_epoch_begin", 0, {}),
        ("on_train_batch_begin", 0, {}),
        ("on_train_batch_end", 0, {"loss": 2.0}),
        ("on_test_begin", {}),
        ("on_test_batch_begin", 0, {}),
        ("on_test_batch_end", 0, {"loss": 3.0}),
        ("on_test_end", {"loss": 3.0}),
        ("on_epoch_end", 0, {"loss": 0.5}),
        ("on_train_end", {"loss": 0.5}),
    ]  # fmt: skip


def test_train_batch_hooks_call_the_older_names():
    calls = []

    class Old(Callback):
        def on_batch_begin(self, batch, logs=None):
            calls.append(("begin", batch, logs))

        def on_batch_end(self, batch, logs=None):
            calls.append(("end", batch, logs))

    callbacks = CallbackList(Old())
    callbacks.on_train_batch_begin(1)
    callbacks.on_train_batch_end(1, {"loss": 1.0})
    assert calls == [("begin", 1, {}), ("end", 1, {"loss": 1.0})]


def test_logs_are_made_once_and_shared():
    made, seen = [], []

    class Mutating(Callback):
        def on_train_batch_end(self, batch, logs=None):
            logs["seen"] = logs.get("seen", 0) + 1
            seen.append(logs)

    def logs():
        made.append(1)
        return {"b": torch.tensor(1.5), "a": torch.tensor(2)}

    CallbackList([Mutating(), Mutating()]).on_train_batch_end(0, logs)
    assert len(made) == 1
    assert seen[0] is seen[1]
    assert list(seen[0].items()) == [("a", 2.0), ("b", 1.5), ("seen", 2)]


def test_lazy_readers_get_the_function_and_their_subclasses_a_dict():
    got = []

    class Lazy(Callback):
        reads_logs_lazily = True

        def on_train_batch_end(self, batch, logs=None):
            got.append(logs)

    class Eager(Lazy):
        def on_train_batch_end(self, batch, logs=None):
            super().on_train_batch_end(batch, logs)

    def logs():
        return {"loss": 1}

    CallbackList([Lazy(), Eager(), Lazy()]).on_train_batch_end(0, logs)
    assert got == [logs, {"loss": 1.0}, {"loss": 1.0}]
    assert got[1] is got[2]


def test_outputs_of_predict_are_an_array_where_there_is_one_and_else_as_they_are():
    got = []
    outputs = torch.ones(1, 1)
    callback = type("Mine", (Callback,), {"on_predict_batch_end": lambda self, b, logs: got.append(logs)})()
    for given in (outputs, [outputs, outputs]):
        CallbackList([callback]).on_predict_batch_end(0, {"outputs": given})
    assert isinstance(got[0]["outputs"], np.ndarray) and got[0]["outputs"].shape == (1, 1)
    assert got[1]["outputs"][1] is outputs


def test_mutation_at_the_end_of_an_epoch_shows_in_history():
    """For the callbacks that come before it."""

    class Adding(Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["foo"] = epoch * 10

    model = Model()
    callbacks = CallbackList([Adding()], add_history=True, model=model, epochs=2)
    assert model.history is callbacks.callbacks[-1]
    for epoch in range(2):
        callbacks.on_epoch_end(epoch, {"loss": 1})
    assert model.history.history == {"loss": [1.0, 1.0], "foo": [0, 10]}


def test_parameters_and_model_reach_everyone():
    model, callback, late = Model(), Callback(), Callback()
    callbacks = CallbackList(
        [callback], add_history=True, add_progbar=True, model=model, verbose=1, epochs=3, steps=None
    )
    callbacks.append(late)
    for each in callbacks:
        assert each.model is model
        assert each.params == {"verbose": 1, "epochs": 3, "steps": None}
    assert [type(each) for each in callbacks] == [Callback, History, ProgbarLogger, Callback]


def test_given_history_and_logger_are_not_doubled():
    given = [ProgbarLogger("samples", stateful_metrics=["a"]), History()]
    assert CallbackList(given, add_history=True, add_progbar=True).callbacks == given


def test_append_makes_batch_hooks_known():
    callbacks = CallbackList()
    assert flags(callbacks) == []
    callbacks.append(Recorder([]))
    assert flags(callbacks) == BATCH_FLAGS


def test_callback_without_super_init():
    class Careless(Callback):
        def __init__(self):
            self.mine = 1

        def on_epoch_end(self, e, l):
            self.model.stop_training = True

    model = Model()
    callbacks = CallbackList([Careless()], model=model)
    callbacks.on_epoch_end(0)
    assert model.stop_training is True
    assert Careless().model is None and Careless().params is None and Careless().validation_data is None


def test_set_model_of_tf_keras_code():
    class Old(Callback):
        def set_model(self, model):
            self.model = model

    model = Model()
    assert CallbackList([Old()], model=model).callbacks[0].model is model


def test_model_is_unwrapped(monkeypatch):
    class Wrapper:
        module = Model()

    monkeypatch.setattr("torchkeras.callbacks.callback.DistributedDataParallel", Wrapper)
    callback = Callback()
    callback.set_model(Wrapper())
    assert callback.model is Wrapper.module


def test_what_is_no_callback_is_refused():
    with pytest.raises(TypeError, match=r"pass an instance: History\(\)"):
        CallbackList([History])
    with pytest.raises(TypeError, match=r"'tensorboard' of type str"):
        CallbackList(["tensorboard"])
    with pytest.raises(TypeError, match=r"pass an instance"):
        CallbackList().append(History)


def test_python_logs():
    logs = python_logs(
        {
            "z": torch.tensor([1.5], requires_grad=True),
            "a": np.float32(0.5),
            "m": {"inner": np.array(3), "flag": True},
            "f1": torch.tensor([1.0, 2.0], dtype=torch.bfloat16),
            "text": "up",
        }
    )
    assert list(logs) == ["a", "f1", "flag", "inner", "text", "z"]
    f1 = logs.pop("f1")
    assert logs == {"a": 0.5, "flag": 1.0, "inner": 3.0, "text": "up", "z": 1.5}
    assert all(type(logs[name]) is float for name in ("a", "flag", "inner", "z"))
    assert isinstance(f1, np.ndarray)
    np.testing.assert_array_equal(f1, np.array([1.0, 2.0], "float32"))
    assert python_logs(None) == {}
