"""Optimizers as tf.keras 2 programs make, read, write and extend them."""

import importlib
import inspect

import numpy as np
import pytest
import torch

import torchkeras as keras
from torchkeras import optimizers
from torchkeras.errors import UnknownArgumentError
from torchkeras.optimizers import SGD, Adam, LossScaleOptimizer, legacy, schedules

TODAYS = [
    each
    for each in vars(optimizers).values()
    if isinstance(each, type) and issubclass(each, optimizers.Optimizer) and "optimizer" not in each.__name__.lower()
]
OLDER = [getattr(legacy, name) for name in dir(legacy) if name[0].isupper() and name != "Optimizer"]


def descend(optimizer, steps=3, start=1.0):
    """Values of w after each step on w ** 2."""
    w = keras.Variable(start)
    values = []
    for _ in range(steps):
        optimizer.apply_gradients([(2 * w.detach(), w)])
        values.append(round(w.item(), 4))
    return values


def label(cls):
    return f"{cls.__module__.rpartition('.')[2]}.{cls.__name__}"


@pytest.mark.parametrize("cls", [*TODAYS, *OLDER], ids=label)
class TestEvery:
    def test_lr_is_the_learning_rate(self, cls):
        assert float(cls(lr=0.01).learning_rate) == pytest.approx(0.01)
        optimizer = cls(1)
        optimizer.lr = 0.125
        assert float(optimizer.learning_rate) == float(optimizer.lr) == 0.125
        assert cls.from_config({"lr": 0.5}).get_config()["learning_rate"] == 0.5

    def test_decay_lowers_the_rate(self, cls):
        """In every update, as `rate / (1 + decay * iterations)`; and again after a config."""
        plain, decayed = cls(0.1), cls(0.1, decay=0.5)
        for step in range(3):
            plain.learning_rate = 0.1 / (1 + 0.5 * step)
            pair = [keras.Variable([1.0, -2.0]) for _ in range(2)]
            for optimizer, variable in zip((plain, decayed), pair, strict=True):
                if not optimizer.built:
                    optimizer.build([variable])
                held = optimizer._trainable_variables[0]
                optimizer.apply([torch.tensor([0.5, -1.0]) * (step + 1)])
            torch.testing.assert_close(plain._trainable_variables[0].data, decayed._trainable_variables[0].data)
        assert held is decayed._trainable_variables[0]
        assert cls.from_config(decayed.get_config()).decay == decayed.decay == 0.5

    def test_epsilon_of_none(self, cls):
        if "epsilon" in inspect.signature(cls).parameters:
            optimizer = cls(epsilon=None)
            assert optimizer.epsilon == keras.backend.epsilon()
            v = keras.Variable(1.0)
            optimizer.apply([torch.tensor(2.0)], [v])
            assert v.item() < 1.0

    def test_configs_of_the_time(self, cls):
        config = {**cls().get_config(), "jit_compile": True, "is_legacy_optimizer": False, "decay": 0.0}
        config["lr"] = config.pop("learning_rate")
        made = cls.from_config(config)
        assert made.get_config()["learning_rate"] == config["lr"]
        spelled = {"class_name": f"Custom>{cls.__name__}", "config": config}
        assert type(optimizers.deserialize(spelled)).__name__ == cls.__name__

    def test_arguments_of_apply_gradients(self, cls):
        v = keras.Variable([1.0, 2.0])
        optimizer = cls()
        counter = optimizer.apply_gradients(zip([torch.ones(2)], [v]), name="x", experimental_aggregate_gradients=False)
        assert int(counter) == int(optimizer.iterations) == 1
        optimizer.apply_gradients([(torch.ones(2), v)], skip_gradients_aggregation=True)
        pairs = optimizer.compute_gradients(lambda: (v**2).sum(), [v])
        assert optimizer.aggregate_gradients(pairs) is pairs
        optimizer.minimize((v**2).sum(), [v], tape=None)
        assert int(optimizer.iterations) == 3
        optimizer.iterations = 7
        assert int(optimizer.iterations) == 7

    def test_weights(self, cls):
        one, two = cls(0.1), cls(0.1)
        v, w = keras.Variable([1.0, 2.0]), keras.Variable([1.0, 2.0])
        one.apply([torch.tensor([3.0, -1.0])], [v])
        two.build([w])
        two.set_weights(one.get_weights())
        w.assign(v)
        assert len(one.variables()) == len(one.weights) == len(one.get_weights())
        for optimizer in (one, two):
            optimizer.apply([torch.tensor([1.0, 5.0])])
        assert torch.equal(v, w)


def test_numbers_that_both_generations_have():
    v = keras.Variable(1.0)
    for cls in (Adam, legacy.Adam):
        v.assign(1.0)
        optimizer = cls(0.1)
        for _ in range(3):
            optimizer.apply_gradients([(2 * v.detach(), v)])
        assert float(v) == pytest.approx(0.70158863, abs=2e-7)
    assert descend(optimizers.Nadam(0.1))[-1] == pytest.approx(0.7547, abs=1e-4)
    assert descend(SGD(0.1, decay=0.5)) == descend(legacy.SGD(0.1, decay=0.5)) == [0.8, 0.6933, 0.624]


@pytest.mark.parametrize("name", ["adam", "Adam", "ADAM", "aDaM", "Custom>Adam"])
def test_names_in_any_case(name):
    assert type(optimizers.get(name)) is Adam
    assert type(optimizers.get({"class_name": name, "config": {"lr": 0.5}})) is Adam


def test_modules_that_configs_name():
    for module in (
        "keras.optimizers",
        "keras.optimizers.legacy",
        "keras.src.backend.torch.optimizers.torch_adam",
        "keras.optimizers.optimizer_v2.adam",
    ):
        config = {"module": module, "class_name": "Adam", "config": {"learning_rate": 0.5}, "registered_name": None}
        assert float(optimizers.deserialize(config).learning_rate) == 0.5
    assert optimizers.serialize(legacy.Adam())["module"] == "keras.optimizers"
    assert optimizers.serialize(legacy.Adam())["class_name"] == "Adam"
    assert type(optimizers.get("adam", use_legacy_optimizer=True)) is Adam


def test_configs_of_older_defaults():
    """Default rates changed after 2.3, and Nadam had a schedule's decay: configs name the numbers that count."""
    config = {"lr": 0.002, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-07, "schedule_decay": 0.004}
    assert optimizers.Nadam.from_config(config).get_config()["learning_rate"] == pytest.approx(0.002)
    assert optimizers.get({"class_name": "nadam", "config": config}).beta_1 == 0.9
    with pytest.raises(UnknownArgumentError, match="schedule_decay"):
        Adam(schedule_decay=0.004)


def test_values_through_the_backend():
    optimizer = SGD(0.5)
    if hasattr(keras.backend, "set_value"):
        keras.backend.set_value(optimizer.lr, 0.25)
        assert keras.backend.get_value(optimizer.lr) == 0.25
    optimizer.learning_rate.assign(0.125)
    assert float(optimizer.learning_rate) == optimizer.lr.numpy() == 0.125


# -- legacy -----------------------------------------------------------------------------------------------------------


def test_homes():
    assert importlib.import_module("torchkeras.optimizers.legacy") is legacy
    assert keras.optimizers.experimental.AdamW is optimizers.AdamW
    assert isinstance(legacy.Adam(), (legacy.Optimizer, Adam)) and isinstance(legacy.Adam(), Adam)
    assert issubclass(legacy.Adam, legacy.Optimizer) and not isinstance(Adam(), legacy.Optimizer)
    assert [legacy.Adam().name, legacy.Adam().name, legacy.SGD(name="mine").name] == ["Adam", "Adam", "mine"]


def test_what_legacy_optimizers_have_besides():
    v = keras.Variable([1.0, 2.0], name="v")
    optimizer = legacy.Adam(0.1, decay=0.5)
    assert (
        optimizer.get_config()["decay"] == optimizer._initial_decay == 0.5 and legacy.SGD().get_config()["decay"] == 0
    )
    optimizer.minimize(lambda: (v**2).sum(), [v])
    assert optimizer.get_slot(v, "m") is optimizer._momentums[0] and optimizer.get_slot_names() == [
        "momentum",
        "velocity",
    ]
    assert float(optimizer._decayed_lr(torch.float32)) == pytest.approx(0.1 / 1.5)
    np.testing.assert_allclose(optimizer.get_gradients((v**2).sum(), [v])[0], 2 * v.detach())
    with pytest.raises(KeyError):
        optimizer.get_slot(v, "nothing")
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile(legacy.RMSprop(0.01, momentum=0.5, centered=True), "mse")
    losses = model.fit(np.ones((8, 3)), np.ones((8, 1)), epochs=5, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


class OldMomentum(legacy.Optimizer):
    """Written for tf.keras 2.10 and earlier."""

    def __init__(self, learning_rate=0.01, momentum=0.5, name="OldMomentum", **kwargs):
        super().__init__(name, **kwargs)
        self._set_hyper("learning_rate", kwargs.get("lr", learning_rate))
        self._set_hyper("decay", self._initial_decay)
        self._set_hyper("momentum", momentum)

    def _create_slots(self, var_list):
        for var in var_list:
            self.add_slot(var, "velocity")

    def _resource_apply_dense(self, grad, var, apply_state=None):
        velocity = self.get_slot(var, "velocity")
        velocity.assign(self._get_hyper("momentum", var.dtype) * velocity - self._decayed_lr(var.dtype) * grad)
        var.assign_add(velocity)

    def get_config(self):
        config = super().get_config()
        config.update(
            {
                "learning_rate": self._serialize_hyperparameter("learning_rate"),
                "momentum": self._serialize_hyperparameter("momentum"),
            }
        )
        return config


def test_optimizers_that_people_wrote_for_it():
    own, ours = OldMomentum(0.1, decay=0.5), SGD(0.1, momentum=0.5, decay=0.5)
    assert descend(own, 5) == descend(ours, 5)
    assert own.name == "OldMomentum" and own.variables[-1].name.endswith("_velocity")
    again = OldMomentum.from_config(own.get_config())
    assert (again.get_config(), again.momentum, again.decay) == (own.get_config(), 0.5, 0.5)
    assert float(OldMomentum(lr=0.5).lr) == 0.5
    assert float(OldMomentum(schedules.ExponentialDecay(0.5, 1, 0.5))._get_hyper("learning_rate", torch.float32)) == 0.5
    with pytest.raises(NotImplementedError, match="_resource_apply_dense"):
        descend(legacy.Optimizer(name="x", learning_rate=0.1))
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile(OldMomentum(0.01), "mse")
    losses = model.fit(np.ones((8, 3)), np.ones((8, 1)), epochs=5, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


def test_loss_scale_in_both_generations():
    fixed = LossScaleOptimizer(legacy.SGD(0.1), dynamic=False, initial_scale=8.0)
    assert fixed.get_scaled_loss(1.0) == 8.0 and float(fixed.loss_scale) == 8.0
    v = keras.Variable([1.0])
    fixed.apply_gradients([(torch.tensor([8.0]), v)])
    assert float(v) == pytest.approx(0.9)
