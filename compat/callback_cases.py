"""Configurations of every callback, as functions of the library (`k`), and the models and fits around them.

May import nothing of either library. Files are named relative to the folder in which a case runs.
"""

import os
from dataclasses import dataclass, field

import numpy as np


@dataclass
class Case:
    """One configuration.

    Args:
        make: `make(k)` gives the callback, or a list of callbacks.
        model: which of `MODELS`.
        fit: arguments of `fit` besides the data.
        raises: the exception that making the callback or `fit` ends with.
        fits: how often the model is fitted, with the same callbacks.
        files: what lies in the folder before: name -> text.
    """

    make: object
    model: str = "plain"
    fit: dict = field(default_factory=dict)
    raises: type | tuple = ()
    fits: int = 1
    files: dict = field(default_factory=dict)


def data(model):
    """24 rows for one of `MODELS`."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(24, 3)).astype("float32")
    y = (x.sum(axis=1, keepdims=True) > 0).astype("float32")
    return x, {"arrays": np.concatenate([y, 1 - y], axis=1), "two outputs": {"a": y, "b": y}}.get(model, y)


def recorder(k):
    """A callback that writes down every call, with copies of the logs."""
    calls = []

    def hook(name):
        def called(self, *args, **keywords):
            calls.append((name, *(dict(arg) if isinstance(arg, dict) else arg for arg in (*args, *keywords.values()))))

        return called

    hooks = {name: hook(name) for name in dir(k.callbacks.Callback) if name.startswith("on_")}
    return type("Recorder", (k.callbacks.Callback,), hooks)(), calls


def _network(k, **compiled):
    model = k.Sequential(
        [k.Input((3,)), k.layers.Dense(4, activation="tanh", name="a"), k.layers.Dense(1, name="b")], name="net"
    )
    model.compile(**{"optimizer": k.optimizers.SGD(0.1), "loss": "mse", "metrics": ["mae"], **compiled})
    return model


def _with_schedule(k):
    return _network(k, optimizer=k.optimizers.SGD(k.optimizers.schedules.ExponentialDecay(0.1, 3, 0.5)))


def _loss_scaled(k):
    return _network(k, optimizer=k.optimizers.LossScaleOptimizer(k.optimizers.SGD(0.1), initial_scale=8.0))


def _by_parts(k):
    parts = k.optimizers.OptimizerMap(k.optimizers.SGD(0.1, name="rest"), {"net/b/.*": k.optimizers.Adam(0.01)})
    return _network(k, optimizer=k.optimizers.MultiOptimizer(parts))


def _two_columns(k):
    model = k.Sequential([k.Input((3,)), k.layers.Dense(2, activation="sigmoid")])
    model.compile("sgd", "binary_crossentropy", metrics=[k.metrics.F1Score(threshold=0.5)])
    return model


def _two_outputs(k):
    inputs = k.Input((3,))
    outputs = {"a": k.layers.Dense(1, name="a")(inputs), "b": k.layers.Dense(1, name="b")(inputs)}
    model = k.Model(inputs, outputs)
    model.compile("sgd", "mse", metrics={"a": ["mae"], "b": ["mse"]})
    return model


def _own_step(k):
    class Own(k.Model):
        def __init__(self):
            super().__init__()
            self.dense = k.layers.Dense(1)

        def call(self, x):
            return self.dense(x)

        def train_step(self, data):
            x, y = data
            y_pred = self(x, training=True)
            loss = self.compute_loss(x=x, y=y, y_pred=y_pred)
            self.zero_grad()
            loss.backward()
            self.optimizer.apply([v.value.grad for v in self.trainable_weights], self.trainable_weights)
            return {"loss": loss, "twice": loss * 2}

    model = Own()
    model(np.zeros((1, 3), "float32"))
    model.compile(k.optimizers.SGD(0.1), "mse")
    return model


MODELS = {
    "plain": _network,
    "many metrics": lambda k: _network(k, metrics=["mae", "accuracy", k.metrics.RootMeanSquaredError(name="rms")]),
    "arrays": _two_columns,
    "schedule": _with_schedule,
    "loss scale": _loss_scaled,
    "parts": _by_parts,
    "diverging": lambda k: _network(k, optimizer=k.optimizers.SGD(1e20)),
    "two outputs": _two_outputs,
    "own step": _own_step,
}


def _lambda_rate(function, verbose=0):
    return lambda k: k.callbacks.LearningRateScheduler(function, verbose=verbose)


def _plateau(**arguments):
    return lambda k: k.callbacks.ReduceLROnPlateau(**{"monitor": "loss", **arguments})


def _nan(**arguments):
    return lambda k: k.callbacks.TerminateOnNaN(**arguments)


def _csv(*args, **arguments):
    return lambda k: k.callbacks.CSVLogger(*args, **arguments)


def _early(**arguments):
    return lambda k: k.callbacks.EarlyStopping(**arguments)


def _printing(*names):
    """A LambdaCallback that prints the arguments of the named hooks."""

    def say(name):
        return lambda *args, **logs: print(name, args, sorted(logs.items()))

    return lambda k: k.callbacks.LambdaCallback(**{name: say(name) for name in names})


def _stopping(k):
    """Stops in the middle of the second epoch."""

    class Stop(k.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.epoch = epoch

        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = self.epoch == 1 and batch == 1

    return Stop()


def _stopping_in(hook):
    """Asks for the end in one hook, when it is called for the second time."""

    def make(k):
        calls = []

        def stop(self, *args, **keywords):
            calls.append(hook)
            if len(calls) == 2 or hook == "on_train_begin":
                self.model.stop_training = True

        return type("Stop", (k.callbacks.Callback,), {hook: stop})()

    return make


def _cyclic_rate(k):
    """Another rate for each batch, set in the two ways that people use."""

    class Cycle(k.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            self.model.optimizer.learning_rate = 0.1 / (batch + 1)

        def on_train_batch_end(self, batch, logs=None):
            self.model.optimizer.learning_rate.assign(0.3)
            print(batch, round(float(self.model.optimizer.learning_rate), 6))

    return Cycle()


def _looking(k):
    """Predicts in the middle of an epoch, evaluates at its end, and looks at weights and the optimizer's counter."""

    class Look(k.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 1:
                self.look(logs)

        def on_epoch_end(self, epoch, logs=None):
            print(np.round(self.model.evaluate(*data("plain"), verbose=0), 4))
            self.look(logs)

        def look(self, logs):
            predicted = self.model.predict(data("plain")[0][:2], verbose=0)
            print(np.round(predicted.sum(), 4), {name: round(value, 4) for name, value in logs.items()})
            print(int(self.model.optimizer.iterations), np.round(self.model.get_weights()[0].sum(), 4))

    return Look()


def _changing_weights(k):
    """Clips the weights after each batch, and freezes a layer after the second epoch."""

    class Clip(k.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.set_weights([np.clip(weight, -0.3, 0.3) for weight in self.model.get_weights()])

    return Clip()


def _raising(k):
    def fail(epoch, logs):
        raise ArithmeticError("enough")

    return [k.callbacks.CSVLogger("log.csv"), k.callbacks.LambdaCallback(on_epoch_end=fail)]


def _adding(k):
    class Adding(k.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["added"] = epoch * 10.0

    return [Adding(), k.callbacks.CSVLogger("log.csv")]


def _old_hooks(k):
    class Old(k.callbacks.Callback):
        def on_batch_begin(self, batch, logs=None):
            print("begin", batch, logs)

        def on_batch_end(self, batch, logs=None):
            print("end", batch, sorted(logs))

    return Old()


def _own_list(k):
    return k.callbacks.CallbackList([k.callbacks.TerminateOnNaN()], add_history=True)


VALIDATED = {"validation_split": 0.25}

CASES = {
    "Callback": [
        Case(lambda k: k.callbacks.Callback()),
        Case(_old_hooks),
        Case(_stopping, fit=VALIDATED),
        *(
            Case(_stopping_in(hook), fit=VALIDATED)
            for hook in (
                "on_train_begin", "on_epoch_begin", "on_train_batch_begin", "on_train_batch_end", "on_batch_end",
                "on_test_begin", "on_test_batch_begin", "on_test_batch_end", "on_test_end", "on_epoch_end",
            )
        ),
        Case(_cyclic_rate),
        Case(_looking, fit=VALIDATED),
        Case(_changing_weights),
        Case(_raising, raises=ArithmeticError),
        Case(lambda k: k.callbacks.Callback, raises=(TypeError, AttributeError)),
        Case(lambda k: "history", raises=(TypeError, AttributeError)),
    ],
    "CallbackList": [
        Case(_own_list),
        Case(_own_list, fit=VALIDATED),
        Case(lambda k: [k.callbacks.TerminateOnNaN(), k.callbacks.CSVLogger("log.csv")]),
        Case(lambda k: [k.callbacks.History(), k.callbacks.CSVLogger("log.csv")]),
        Case(lambda k: [k.callbacks.CSVLogger("a.csv"), k.callbacks.LearningRateScheduler(lambda e: 0.5)]),
        Case(lambda k: [k.callbacks.LearningRateScheduler(lambda e: 0.5), k.callbacks.CSVLogger("a.csv")]),
        Case(lambda k: [_plateau(min_delta=9, patience=1)(k), _lambda_rate(lambda epoch, rate: rate)(k)]),
        Case(lambda k: [_lambda_rate(lambda epoch: 0.05)(k), _plateau(min_delta=9, patience=1)(k)]),
    ],
    "CSVLogger": [
        Case(_csv("log.csv")),
        Case(_csv("log.csv"), fit=VALIDATED),
        Case(_csv("log.csv", separator=";"), model="many metrics"),
        Case(_csv("log.csv", separator="\t", append=True), fits=2),
        Case(_csv("log.csv", append=True), files={"log.csv": "epoch,loss\n"}),
        Case(_csv("log.csv", append=True), files={"log.csv": ""}),
        Case(_csv("log.csv"), files={"log.csv": "something longer than what is to come\n" * 90}, fits=2),
        Case(_csv("log.csv"), fit={**VALIDATED, "validation_freq": 2}),
        Case(_csv("log.csv"), fit={**VALIDATED, "validation_freq": [1]}),
        Case(_csv("log.csv"), model="arrays"),
        Case(_csv("log.csv"), model="parts", fit={"initial_epoch": 2}),
        Case(_adding),
        Case(_csv(os.path.join("no", "folder.csv")), raises=FileNotFoundError),
        Case(_csv("log.csv", separator="--"), raises=TypeError),
    ],
    "EarlyStopping": [
        Case(_early(), fit=VALIDATED),
        Case(_early(monitor="loss", patience=1, min_delta=0.02, verbose=1)),
        Case(_early(baseline=0.01, patience=2, min_delta=0.05), fit=VALIDATED),
        Case(_early(monitor="mae", mode="max", patience=2, verbose=1, restore_best_weights=True)),
        Case(_early(monitor="loss", min_delta=10, start_from_epoch=3)),
        Case(_early(monitor="val_mae", min_delta=0.1, restore_best_weights=True), fit=VALIDATED),
        Case(_early(monitor="loss", mode="max", patience=50, restore_best_weights=True, verbose=1)),
        Case(_early(monitor="nothing", mode="min")),
        Case(_early(monitor="accuracy", mode="upwards", patience=1), model="many metrics"),
        Case(_early(monitor="loss", min_delta=-0.05, patience=1), fits=2),
        Case(_early(monitor="val_loss", mode="max", patience=1), fit={**VALIDATED, "validation_freq": 2}),
        Case(_early(monitor="loss", patience=0, verbose=1), model="diverging"),
    ],
    "History": [
        Case(lambda k: k.callbacks.History()),
        Case(lambda k: k.callbacks.History(), fit=VALIDATED, model="many metrics"),
        Case(lambda k: k.callbacks.History(), fits=2),
        Case(lambda k: k.callbacks.History(), model="two outputs"),
        Case(lambda k: k.callbacks.History(), model="own step"),
    ],
    "LambdaCallback": [
        Case(lambda k: k.callbacks.LambdaCallback()),
        Case(_printing("on_epoch_begin", "on_epoch_end"), fit=VALIDATED),
        Case(_printing("on_train_begin", "on_train_end")),
        Case(lambda k: k.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: print(batch, sorted(logs)))),
        Case(lambda k: k.callbacks.LambdaCallback(on_train_batch_begin=lambda batch, logs: print(batch, logs))),
        Case(lambda k: k.callbacks.LambdaCallback(on_batch_begin=lambda batch, logs: print(batch, logs))),
        Case(lambda k: k.callbacks.LambdaCallback(on_test_batch_end=lambda batch, logs: print(batch)), fit=VALIDATED),
        Case(_printing("on_test_begin", "on_test_end"), fit=VALIDATED),
        Case(lambda k: k.callbacks.LambdaCallback(None, lambda epoch, logs: logs.update(mine=float(epoch)))),
        Case(lambda k: k.callbacks.LambdaCallback(lambda epoch: None), raises=TypeError),
        Case(lambda k: k.callbacks.LambdaCallback(on_epoch_end=3), raises=TypeError),
    ],
    "LearningRateScheduler": [
        Case(_lambda_rate(lambda epoch, rate: rate * 0.5)),
        Case(_lambda_rate(lambda epoch: 0.1 / (epoch + 1), verbose=1)),
        Case(_lambda_rate(lambda epoch, rate=9.0: float(np.float32(rate) / 2), verbose=1), fit=VALIDATED),
        Case(_lambda_rate(lambda *args: np.float32(0.25), verbose=2), fits=2),
        Case(_lambda_rate(lambda epoch, rate: np.float64(rate))),
        Case(_lambda_rate(lambda epoch, rate: rate + 0.01, verbose=1), model="parts"),
        Case(_lambda_rate(lambda epoch, rate: rate / 2), model="loss scale"),
        Case(_lambda_rate(lambda epoch: 0.3), fit={"initial_epoch": 2, **VALIDATED}),
        Case(_lambda_rate(lambda epoch: 0.3), model="schedule", raises=TypeError),
        Case(_lambda_rate(lambda epoch: 1), raises=ValueError),
        Case(_lambda_rate(lambda epoch: None), raises=ValueError),
        Case(_lambda_rate(lambda epoch: "0.1"), raises=ValueError),
        Case(_lambda_rate(lambda: 0.1), raises=TypeError),
        Case(_lambda_rate(0.1), raises=TypeError),
    ],
    "ProgbarLogger": [Case(lambda k: k.callbacks.ProgbarLogger(), fit={"verbose": 0})],
    "ReduceLROnPlateau": [
        Case(_plateau(monitor="val_loss", patience=1, min_delta=0.5), fit=VALIDATED),
        Case(_plateau(factor=0.5, patience=2, verbose=1, min_delta=1)),
        Case(_plateau(factor=0.5, patience=1, verbose=1, min_delta=1, cooldown=2)),
        Case(_plateau(factor=0.1, patience=1, verbose=1, min_delta=1, min_lr=0.003)),
        Case(_plateau(patience=0, min_delta=1), fits=2),
        Case(_plateau(monitor="mae", mode="max", patience=1, verbose=1)),
        Case(_plateau(monitor="accuracy", mode="auto", patience=1, verbose=1), model="many metrics"),
        Case(_plateau(monitor="loss", mode="strange", patience=1)),
        Case(_plateau(monitor="nothing", mode="min")),
        Case(_plateau(patience=1, min_delta=1, verbose=1), model="parts"),
        Case(_plateau(patience=1, min_delta=1, verbose=1), model="loss scale"),
        Case(_plateau(patience=1, min_delta=-1), model="plain"),
        Case(_plateau(patience=1, min_delta=1, min_lr=0.1, verbose=1)),
        Case(_plateau(patience=3), model="schedule"),
        Case(_plateau(patience=1, verbose=1), model="diverging"),
        Case(lambda k: [_plateau(patience=1, min_delta=1, verbose=1)(k), _cyclic_rate(k)]),
        Case(_plateau(patience=1, min_delta=1), model="schedule", raises=TypeError),
        Case(_plateau(factor=1.0), raises=ValueError),
    ],
    "TerminateOnNaN": [
        Case(_nan()),
        Case(_nan(), model="diverging"),
        Case(_nan(), model="diverging", fit=VALIDATED),
        Case(_nan(), model="diverging", fit={"batch_size": 2}),
        Case(_nan(), model="diverging", fits=2),
        Case(_nan(raise_error=True)),
        Case(_nan(raise_error=True), model="diverging", raises=RuntimeError),
        Case(_nan(), model="own step"),
        Case(lambda k: [k.callbacks.TerminateOnNaN(), k.callbacks.CSVLogger("log.csv")], model="diverging"),
    ],
}  # fmt: skip
