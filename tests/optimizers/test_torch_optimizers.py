"""Optimizers of torch's own in `compile`: every class of `torch.optim`, as an object and as what makes one."""

import copy
import functools
import json
import pickle

import numpy as np
import pytest
import torch

import torchkeras as keras
from torchkeras import optimizers
from torchkeras.errors import NotBuiltError
from torchkeras.optimizers import LossScaleOptimizer

X = np.random.default_rng(0).random((16, 3), "float32")
Y = X.sum(1, keepdims=True)
CLASSES = [
    each
    for each in vars(torch.optim).values()
    if isinstance(each, type) and issubclass(each, torch.optim.Optimizer) and each is not torch.optim.Optimizer
]
SPECIAL = {"LBFGS": "closure", "SparseAdam": "sparse", "Muon": "2D"}  # -> why they cannot train Dense layers in `fit`
PLAIN = [each for each in CLASSES if each.__name__ not in SPECIAL]


def network(**arguments):
    keras.utils.set_random_seed(3)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4, activation="tanh"), keras.layers.Dense(1)])
    if arguments:
        model.compile(**{"loss": "mse", **arguments})
    return model


def small_sgd(parameters):
    return torch.optim.SGD(parameters, lr=0.05, momentum=0.9)


def fitted(model, epochs=2):
    model.fit(X, Y, batch_size=4, epochs=epochs, shuffle=False, verbose=0)
    return [weight.copy() for weight in model.get_weights()]


def by_hand(cls, epochs=2):
    model = network()
    optimizer = cls(model.parameters())
    for _ in range(epochs):
        for start in range(0, 16, 4):
            optimizer.zero_grad()
            loss = torch.nn.functional.mse_loss(
                model(torch.tensor(X[start : start + 4])), torch.tensor(Y[start : start + 4])
            )
            loss.backward()
            optimizer.step()
    return model.get_weights()


def test_all_are_here():
    assert len(CLASSES) >= 15 and set(SPECIAL) <= {each.__name__ for each in CLASSES}


@pytest.mark.parametrize("cls", PLAIN)
def test_fit_steps_as_a_loop_of_torch(cls):
    """The class, a partial of it and a function before there are weights to give it; an object after."""
    expected = by_hand(cls)
    for make in (cls, functools.partial(cls), lambda parameters: cls(parameters)):
        for found, wanted in zip(fitted(network(optimizer=make)), expected, strict=True):
            np.testing.assert_allclose(found, wanted, rtol=2e-5, atol=1e-6)
    model = network()
    model.compile(cls(model.parameters()), "mse")
    for found, wanted in zip(fitted(model), expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("cls", PLAIN)
def test_state_restored_in_the_middle_continues_bit_by_bit(cls):
    model = network(optimizer=cls)
    fitted(model)
    store, state, values = {}, copy.deepcopy(model.optimizer.state_dict()), model.get_weights()
    model.optimizer.save_own_variables(store)
    twins = {}
    for way in ("state_dict", "torch", "store", "set_weights", "deepcopy", "pickle", "config"):
        twins[way] = other = network(optimizer=cls)
        other.set_weights(values)
        if way == "deepcopy":
            twins[way] = copy.deepcopy(model)
            continue
        if way == "pickle":
            twins[way] = pickle.loads(pickle.dumps(model))
            continue
        if way == "set_weights":
            fitted(other)
            other.set_weights(values)
        if way == "config":
            config = json.loads(json.dumps(optimizers.serialize(model.optimizer)))
            other.compile(optimizers.deserialize(config), "mse")
        other.optimizer.build(other.trainable_variables)
        if way == "state_dict":
            other.optimizer.load_state_dict(state)
        elif way == "torch":
            other.optimizer.load_state_dict(copy.deepcopy(model.optimizer.torch_optimizer.state_dict()))
        elif way == "set_weights":
            other.optimizer.set_weights(model.optimizer.get_weights())
        else:
            other.optimizer.load_own_variables(dict(store))
    expected, steps = fitted(model), int(model.optimizer.iterations)
    for way, twin in twins.items():
        for found, wanted in zip(fitted(twin), expected, strict=True):
            np.testing.assert_array_equal(found, wanted, err_msg=way)
        if way != "torch":  # which does not count steps
            assert int(twin.optimizer.iterations) == steps, way


def test_the_rate_is_one_from_both_sides():
    model = network()
    plain = torch.optim.SGD([{"params": [model.weights[0]]}, {"params": model.weights[1:], "lr": 0.01}], lr=0.1)
    model.compile(plain, "mse")
    optimizer = model.optimizer
    assert float(optimizer.learning_rate) == pytest.approx(0.1) and optimizer.param_groups is plain.param_groups
    optimizer.learning_rate = 0.5
    assert float(optimizer.lr) == 0.5
    assert [group["lr"] for group in plain.param_groups] == pytest.approx([0.5, 0.05])
    optimizer.learning_rate.assign(0.25)
    fitted(model, 1)
    assert [group["lr"] for group in plain.param_groups] == pytest.approx([0.25, 0.025])
    plain.param_groups[0]["lr"] = 0.125
    assert float(optimizer.learning_rate) == 0.125 and plain.param_groups[1]["lr"] == pytest.approx(0.025)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
    plain.step()
    scheduler.step()
    assert float(optimizer.learning_rate) == 0.0625
    optimizer.learning_rate = optimizers.schedules.ExponentialDecay(1.0, 1, 0.5)
    assert float(optimizer.learning_rate) == 0.5 ** int(optimizer.iterations)
    fitted(model, 1)
    assert plain.param_groups[0]["lr"] == 0.5 ** (int(optimizer.iterations) - 1)


class Halving(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        self.model.optimizer.learning_rate = float(self.model.optimizer.learning_rate) / 2


def test_a_rate_in_a_tensor_is_read_when_it_was_written(monkeypatch):
    """It may lie on a device, where each look is a wait."""
    parameter = torch.nn.Parameter(torch.ones(2))
    optimizer = optimizers.get(torch.optim.Adam([parameter], lr=torch.tensor(0.5), foreach=False))
    rate, looks, plain = optimizer.param_groups[0]["lr"], [], torch.Tensor.__float__
    monkeypatch.setattr(torch.Tensor, "__float__", lambda self: looks.append(self is rate) or plain(self))
    parameter.grad = torch.ones(2)
    optimizer.step()
    looks.clear()
    for _ in range(3):
        optimizer.step()
    assert not any(looks)
    rate.fill_(0.25)
    assert float(optimizer.learning_rate) == 0.25
    optimizer.learning_rate = 0.125
    optimizer.step()
    assert rate.item() == 0.125


@pytest.mark.parametrize(
    "make",
    [lambda p: torch.optim.SGD(p, lr=0.8), functools.partial(torch.optim.SGD, lr=0.8)],
    ids=["function", "partial"],
)
def test_callbacks_turn_the_rate(make):
    model = network(optimizer=make)
    model.build((None, 3))
    model.optimizer.build(model.trainable_variables)
    model.fit(X, Y, epochs=3, verbose=0, callbacks=[Halving()])
    assert model.optimizer.torch_optimizer.param_groups[0]["lr"] == pytest.approx(0.1)


def test_a_rate_set_before_there_are_weights_counts():
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile(functools.partial(torch.optim.SGD, lr=0.5), "mse")
    assert float(model.optimizer.learning_rate) == 0.5
    model.optimizer.learning_rate = 0.0
    model.fit(X, Y, verbose=0)
    before = model.get_weights()
    model.fit(X, Y, verbose=0)
    np.testing.assert_array_equal(before[0], model.get_weights()[0])


def test_apply_and_keras_training_loops():
    model = network(optimizer=small_sgd)
    x, y = torch.tensor(X), torch.tensor(Y)
    held = model.trainable_variables
    for variable in held:
        variable.grad = torch.full_like(variable, 7.0)
    grads = torch.autograd.grad(((model(x) - y) ** 2).mean(), held)
    before = [v.detach().clone() for v in held]
    model.optimizer.apply_gradients(zip(grads, held))
    for variable, old, grad in zip(held, before, grads, strict=True):
        torch.testing.assert_close(variable.detach(), old - 0.05 * grad)
        assert (variable.grad == 7.0).all()
    assert int(model.optimizer.iterations) == 1
    model.optimizer.minimize(lambda: ((model(x) - y) ** 2).mean(), held)
    with pytest.raises(ValueError, match="all are None"):
        model.optimizer.apply([None] * 4, held)
    with pytest.raises(ValueError, match="Unknown variable"):
        model.optimizer.apply([torch.ones(1)], [keras.Variable([1.0])])


def test_loss_scale_around_it():
    model = network()
    scaled = LossScaleOptimizer(optimizers.get(small_sgd), initial_scale=8.0)
    model.compile(scaled, "mse")
    plain = network(optimizer=small_sgd)
    for found, wanted in zip(fitted(model), fitted(plain), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)
    assert scaled.param_groups is scaled.inner_optimizer.torch_optimizer.param_groups
    assert int(scaled.iterations) == 8


def test_an_optimizer_that_takes_the_place_of_another():
    model = network(optimizer="sgd")
    fitted(model, 1)
    model.optimizer = plain = torch.optim.SGD(model.parameters(), lr=0.1)
    model.optimizer.learning_rate = 0.0
    before = model.get_weights()
    np.testing.assert_array_equal(before[0], fitted(model, 1)[0])
    assert model.optimizer.torch_optimizer is plain and plain.param_groups[0]["lr"] == 0.0


def test_part_of_a_model():
    model = network()
    model.compile(torch.optim.SGD(model.layers[-1].parameters(), lr=0.1), "mse")
    before, after = model.get_weights(), fitted(model)
    np.testing.assert_array_equal(before[0], after[0])
    assert not np.array_equal(before[2], after[2])


def test_sparse_gradients_and_their_optimizer():
    table = torch.nn.Embedding(5, 2, sparse=True)
    model = keras.Sequential([keras.Input((1,), dtype="int64"), table, keras.layers.Flatten()])
    model.compile(torch.optim.SparseAdam, "mse")
    before = table.weight.detach().clone()
    model.fit(np.array([[0], [3]]), np.ones((2, 2)), verbose=0)
    assert (table.weight != before).any(1).tolist() == [True, False, False, True, False]


def test_what_does_not_fit_says_so():
    model = network(optimizer=torch.optim.LBFGS)
    with pytest.raises(TypeError, match=r"optimizer\.step\(closure\)"):
        model.fit(X, Y, verbose=0)
    x, y = torch.tensor(X), torch.tensor(Y)

    def closure():
        model.optimizer.zero_grad()
        loss = ((model(x) - y) ** 2).mean()
        loss.backward()
        return loss

    losses = [float(model.optimizer.step(closure).detach()) for _ in range(4)]
    assert losses[-1] < losses[0]
    with pytest.raises(RuntimeError, match="dense"):
        network(optimizer=torch.optim.SparseAdam).fit(X, Y, verbose=0)
    with pytest.raises(ValueError, match="2D"):
        network(optimizer=torch.optim.Muon).fit(X, Y, verbose=0)
    for strange in (
        lambda parameters: 3,
        lambda parameters: keras.optimizers.SGD(),
        lambda parameters: torch.optim.SGD,
    ):
        with pytest.raises(TypeError, match=r"was to make a torch\.optim optimizer"):
            network(optimizer=strange).fit(X, Y, verbose=0)
    for recipe in (lambda: torch.optim.SGD(model.parameters()), lambda parameters, lr: None):
        with pytest.raises(TypeError, match=r"from a list of parameters alone.*functools\.partial"):
            network(optimizer=recipe)
    for strange in (optimizers.schedules.CosineDecay(0.1, 10), 3, object(), keras.losses.MeanSquaredError()):
        with pytest.raises(ValueError, match="is no optimizer"):
            network(optimizer=strange)
    fresh = optimizers.get(torch.optim.Adam)
    for attempt in (
        lambda: fresh.load_state_dict({}),
        lambda: fresh.load_own_variables({}),
        lambda: fresh.set_weights([]),
    ):
        with pytest.raises((NotBuiltError, ValueError)):
            attempt()
    with pytest.raises(ValueError, match="group"):
        fresh.exclude_from_weight_decay(var_names=["bias"])
    with pytest.raises(NotImplementedError):
        fresh.stateless_apply([], [], [])


def test_configs():
    for make, name in ((torch.optim.AdamW, "AdamW"), (functools.partial(torch.optim.SGD, lr=0.5, momentum=0.9), "SGD")):
        config = json.loads(json.dumps(optimizers.serialize(optimizers.get(make))))
        again = optimizers.deserialize(config)
        assert config["config"]["optimizer"] == name and again.get_config() == optimizers.get(make).get_config() | {
            "name": again.name
        }
    model = network(optimizer=functools.partial(torch.optim.SGD, lr=0.5, momentum=0.9))
    other = network()
    other.compile_from_config(json.loads(json.dumps(model.get_compile_config())))
    assert other.optimizer.torch_optimizer.param_groups[0]["momentum"] == 0.9
    config = optimizers.serialize(optimizers.get(small_sgd))
    assert optimizers.deserialize(config, custom_objects={"small_sgd": small_sgd}).source is small_sgd
    with pytest.raises(ValueError, match="small_sgd"):
        optimizers.deserialize(config)
    with pytest.raises(ValueError, match="cannot be saved"):
        optimizers.get(lambda p: torch.optim.SGD(p)).get_config()
    groups = torch.optim.SGD([{"params": [each]} for each in network().parameters()], lr=0.1)
    with pytest.raises(ValueError, match="several groups"):
        optimizers.get(groups).get_config()
    with pytest.raises(ValueError, match="'lr_scheduler'"):
        optimizers.deserialize({**config, "config": {"optimizer": "lr_scheduler", "settings": {}}})


def test_torchs_tools_on_the_wrapper():
    model = network(optimizer=small_sgd)
    optimizer, seen = model.optimizer, []
    optimizer.register_step_post_hook(lambda *_: seen.append("early"))
    optimizer.build(model.trainable_variables)
    optimizer.register_step_pre_hook(lambda *_: seen.append("late"))
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    scaler.scale(model(torch.tensor(X)).sum()).backward()
    scaler.unscale_(optimizer)
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    scaler.step(optimizer)
    scaler.update()
    assert seen == ["late", "early"] and isinstance(optimizer, torch.optim.Optimizer)
    optimizer.zero_grad()
    assert all(variable.grad is None for variable in model.trainable_variables)
