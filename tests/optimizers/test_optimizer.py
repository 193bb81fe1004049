"""Optimizers as Keras programs of both generations use them."""

import copy
import pickle

import numpy as np
import pytest
import torch

import torchkeras.keras2.optimizers  # noqa: F401  (registers the old spellings)
from torchkeras import optimizers
from torchkeras.core import registry
from torchkeras.core.variable import Variable
from torchkeras.errors import NotBuiltError, UnknownArgumentError
from torchkeras.optimizers import SGD, Adam, LossScaleOptimizer, Optimizer, RMSprop, schedules

ALL = [SGD, Adam, RMSprop]


def descend(optimizer, steps=3, start=1.0):
    """Values of w after each step on w ** 2."""
    w = Variable(start)
    values = []
    for _ in range(steps):
        optimizer.apply_gradients([(2 * w.detach(), w)])
        values.append(round(w.item(), 4))
    return values


# -- learning rate ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", ALL)
def test_lr_argument_is_honoured(cls):
    assert float(cls(lr=0.01).learning_rate) == pytest.approx(0.01)
    with pytest.raises(TypeError, match="keep one"):
        cls(0.1, lr=0.01)


def test_decay_is_the_legacy_formula():
    optimizer = SGD(0.1, decay=0.5)
    assert descend(optimizer) == [0.8, 0.6933, 0.624]
    assert float(optimizer.lr) == pytest.approx(0.1)
    assert descend(SGD.from_config(optimizer.get_config())) == [0.8, 0.6933, 0.624]
    assert "decay" not in SGD().get_config()


@pytest.mark.parametrize("cls", [Adam, RMSprop])
def test_epsilon_none_is_the_global_epsilon(cls):
    optimizer = cls(epsilon=None)
    assert optimizer.epsilon == 1e-7
    assert descend(optimizer, 1)[0] < 1.0


@pytest.mark.parametrize("rate", [1, np.float32(1), np.float64(1), np.int64(1), torch.tensor(1.0), np.array(1.0)])
def test_learning_rate_takes_every_kind_of_number(rate):
    optimizer = Adam(learning_rate=rate)
    assert float(optimizer.learning_rate) == 1.0
    optimizer.learning_rate = rate
    assert optimizer.get_config()["learning_rate"] == 1.0


@pytest.mark.parametrize("rate", ["fast", [0.1], True, object()])
def test_other_learning_rates_are_refused(rate):
    with pytest.raises(ValueError, match="learning_rate"):
        SGD(learning_rate=rate)


def test_lr_is_read_and_written():
    optimizer = SGD(0.5)
    optimizer.lr = 0.125
    assert float(optimizer.learning_rate) == 0.125
    optimizer.learning_rate.assign(0.25)
    assert descend(optimizer, 1) == [0.5]
    assert optimizer.lr.numpy() == np.float32(0.25)
    assert optimizer.lr.numpy().shape == ()
    assert f"{optimizer.lr:.3f}" == "0.250"


def test_config_holds_the_rate_in_float32():
    assert Adam().get_config()["learning_rate"] == 0.0010000000474974513


def test_schedule_cannot_be_set_to_a_number_but_to_another_schedule():
    optimizer = SGD(schedules.ExponentialDecay(0.1, 1, 0.5))
    assert float(optimizer.learning_rate) == pytest.approx(0.1)
    assert descend(optimizer, 2) == [0.8, 0.72]
    assert float(optimizer.learning_rate) == pytest.approx(0.025)
    with pytest.raises(TypeError, match="schedule"):
        optimizer.learning_rate = 0.1
    optimizer.learning_rate = schedules.PiecewiseConstantDecay([100], [0.5, 0.1])
    assert descend(SGD(optimizer.learning_rate), 1) == [0.0]


def test_number_replaced_by_a_schedule_leaves_the_variables():
    optimizer = SGD(0.1)
    assert len(optimizer.variables) == 2
    optimizer.learning_rate = schedules.ExponentialDecay(0.5, 1, 1.0)
    assert [v.name for v in optimizer.variables] == ["iteration"]
    assert descend(optimizer, 1) == [0.0]


def test_callable_rates_get_nothing_or_the_step():
    assert descend(SGD(lambda: 0.25), 2) == [0.5, 0.25]
    assert descend(SGD(lambda step: 0.25 if step == 0 else 0.5), 2) == [0.5, 0.0]
    assert descend(SGD(lambda step=7: 0.25), 1) == [0.5]
    assert SGD(lambda: 0.25).learning_rate == 0.25


def test_users_schedule_sees_the_step_as_tensor():
    seen = []

    class Halving(schedules.LearningRateSchedule):
        def __call__(self, step):
            seen.append(int(step))
            return 0.5 * 0.5 ** step.to(torch.float32)

    assert descend(SGD(Halving()), 3) == [0.0, 0.0, 0.0]
    assert seen == [0, 1, 2]
    with pytest.raises(NotImplementedError, match="get_config"):
        SGD(Halving()).get_config()


def test_subclass_of_our_schedule_may_override_call():
    class Doubled(schedules.ExponentialDecay):
        def __call__(self, step):
            return 2 * super().__call__(step)

    assert descend(SGD(Doubled(0.125, 1, 1.0)), 1) == [0.5]


# -- arguments --------------------------------------------------------------------------------------------------------


def test_only_one_way_to_clip():
    with pytest.raises(ValueError, match="Only one"):
        SGD(clipnorm=1.0, clipvalue=1.0)


def test_unknown_arguments_are_both_kinds_of_error():
    for error in (TypeError, ValueError, UnknownArgumentError):
        with pytest.raises(error, match="momentun"):
            SGD(momentun=0.9)


@pytest.mark.parametrize(
    "arguments",
    [
        {"gradient_accumulation_steps": 1},
        {"use_ema": True, "ema_momentum": 1.5},
        {"use_ema": True, "ema_overwrite_frequency": 0.5},
    ],
)
def test_bad_arguments_are_refused(arguments):
    with pytest.raises(ValueError, match=f"`{list(arguments)[-1]}`"):
        Adam(**arguments)


def test_ftrl_needs_a_rate():
    with pytest.raises(ValueError, match="Ftrl divides by its learning rate"):
        descend(optimizers.Ftrl(schedules.CosineDecay(0.0, 10, warmup_target=0.1, warmup_steps=5)))


def test_momentum_must_be_a_share():
    with pytest.raises(ValueError, match="momentum"):
        SGD(momentum=1.5)


def test_default_names():
    from torchkeras.core import scopes

    scopes.clear_session(free_memory=False)
    assert [cls().name for cls in (Adam, Adam, RMSprop, SGD)] == ["adam", "adam_1", "rm_sprop", "sgd"]


@pytest.mark.parametrize("cls", ALL)
def test_from_config_takes_what_keras_2_wrote(cls):
    config = {**cls().get_config(), "jit_compile": True, "is_legacy_optimizer": False, "decay": 0.0}
    config["lr"] = config.pop("learning_rate")
    kept = dict(config)
    assert cls.from_config(config).get_config()["learning_rate"] == config["lr"]
    assert config == kept


# -- variables --------------------------------------------------------------------------------------------------------


def test_variables_weights_and_iterations():
    w = Variable([1.0, 2.0], name="w")
    optimizer = Adam()
    optimizer.build([w])
    names = [v.name for v in optimizer.variables]
    assert names == ["iteration", "learning_rate", "w_momentum", "w_velocity"]
    assert [v.name for v in optimizer.variables()] == names
    assert len(optimizer.get_weights()) == len(optimizer.weights) == 4
    assert int(optimizer.iterations) == 0
    counter = optimizer.apply_gradients([(torch.ones(2), w)])
    assert counter is optimizer.iterations
    assert int(counter) == 1
    assert counter.dtype == torch.int32
    optimizer.iterations = 5
    assert int(counter) == 5
    counter.assign(7)
    optimizer.apply([torch.ones(2)])
    assert int(optimizer.iterations.numpy()) == 8


def test_set_weights_restores_training():
    first, second = Variable([1.0]), Variable([1.0])
    one, two = Adam(0.1), Adam(0.3)
    one.apply([torch.tensor([2.0])], [first])
    two.build([second])
    two.set_weights(one.get_weights())
    second.assign(first)
    one.apply([torch.tensor([1.0])])
    two.apply([torch.tensor([1.0])])
    assert torch.equal(first, second)
    with pytest.raises(ValueError, match="4 variables, but 1"):
        two.set_weights([np.zeros(1)])
    with pytest.raises(ValueError, match="shape"):
        two.set_weights([np.zeros(2)] * 4)
    with pytest.raises(NotBuiltError, match="build"):
        Adam().set_weights([])


def test_loading_other_numbers_of_variables_warns_and_changes_nothing():
    optimizer = Adam()
    store = {}
    optimizer.save_own_variables(store)
    optimizer.build([Variable([1.0])])
    with pytest.warns(UserWarning, match="not loaded"):
        optimizer.load_own_variables({"0": np.array(3)})
    assert int(optimizer.iterations) == 0
    assert sorted(store) == ["0", "1"]


def test_add_variable_from_reference_in_both_generations():
    w = Variable(np.ones((2, 3), "float32"), name="w")
    optimizer = SGD(name="mine")
    optimizer.build([w])
    new = optimizer.add_variable_from_reference(w, "one")
    old = optimizer.add_variable_from_reference(
        model_variable=w, variable_name="two", initial_value=np.full((2, 3), 5.0)
    )
    other = optimizer.add_variable_from_reference(w, "three", (4,))
    drawn = optimizer.add_variable_from_reference(w, "four", initializer="ones")
    assert [v.path for v in (new, old, other)] == ["mine/w_one", "mine/w_two", "mine/w_three"]
    assert (new.numpy().sum(), old.numpy().sum(), tuple(other.shape), drawn.numpy().sum()) == (0, 30, (4,), 6)
    assert len(optimizer.variables) == 6
    with pytest.raises(TypeError, match="reference_variable"):
        optimizer.add_variable_from_reference(w, "five", colour="red")


# -- gradients --------------------------------------------------------------------------------------------------------


def test_apply_gradients_takes_a_zip_arrays_and_old_arguments():
    v = [Variable([1.0, 2.0]), Variable([[1.0]])]
    g = [np.array([1.0, 1.0]), torch.tensor([[2.0]], dtype=torch.float64)]
    SGD(0.5).apply_gradients(
        zip(g, v), name="x", skip_gradients_aggregation=True, experimental_aggregate_gradients=False
    )
    assert v[0].tolist() == [0.5, 1.5]
    assert v[1].tolist() == [[0.0]]
    with pytest.raises(TypeError, match="colour"):
        SGD().apply_gradients(zip(g, v), colour=1)
    with pytest.raises(ValueError, match="no pairs"):
        SGD().apply_gradients(zip([], []))


def test_gradients_that_do_not_fit():
    a, b = Variable([1.0], name="a"), Variable([1.0], name="b")
    optimizer = SGD(1.0)
    with pytest.raises(NotBuiltError, match="build"):
        optimizer.apply([torch.ones(1)])
    with pytest.raises(ValueError, match="all are None"):
        optimizer.apply_gradients([(None, a), (None, b)])
    with pytest.warns(UserWarning, match="'b"):
        optimizer.apply_gradients([(torch.ones(1), a), (None, b)])
    assert (float(a), float(b)) == (0.0, 1.0)
    with pytest.raises(ValueError, match="Unknown variable c"):
        optimizer.apply_gradients([(torch.ones(1), Variable([1.0], name="c"))])
    with pytest.raises(ValueError, match="1 gradients for 2"):
        optimizer.apply([torch.ones(1)])
    with pytest.raises(ValueError, match=r"shape \(3,\)"):
        optimizer.apply([torch.ones(3), torch.ones(1)])
    assert optimizer.apply([]) is None
    assert int(optimizer.iterations) == 1


def test_some_of_the_variables_may_be_updated():
    a, b = Variable([1.0]), Variable([1.0])
    optimizer = Adam(0.1)
    optimizer.build([a, b])
    optimizer.apply([torch.ones(1)], [b])
    assert float(a) == 1.0
    assert float(b) == pytest.approx(0.9, rel=1e-5)
    optimizer.apply([torch.ones(1), torch.ones(1)], [b, a])
    assert float(a) < 1.0


def test_minimize_and_compute_gradients():
    v = Variable([1.0, 2.0])
    SGD(0.1).minimize(lambda: (v**2).sum(), [v])
    np.testing.assert_allclose(v.numpy(), [0.8, 1.6], rtol=1e-6)
    optimizer = SGD(0.1)
    ((grad, variable),) = optimizer.compute_gradients((v**2).sum(), [v])
    assert variable is v
    np.testing.assert_allclose(grad.numpy(), [1.6, 3.2], rtol=1e-6)

    class Tape:
        def gradient(self, loss, variables):
            return [torch.full_like(each, loss) for each in variables]

    optimizer.minimize(1.0, [v], tape=Tape())
    np.testing.assert_allclose(v.numpy(), [0.7, 1.5], rtol=1e-6)


def test_minimize_skips_frozen_variables_and_unscales():
    v, frozen = Variable([2.0]), Variable([1.0], trainable=False)
    optimizer = SGD(0.1, loss_scale_factor=64.0)
    with pytest.warns(UserWarning, match="Gradients do not exist"):
        optimizer.minimize(lambda: (v * frozen).sum(), [v, frozen])
    assert (float(v), float(frozen)) == (pytest.approx(1.9), 1.0)


def test_stateless_apply_leaves_everything_alone():
    w = Variable([1.0, 2.0])
    optimizer = Adam(0.1)
    with pytest.raises(NotBuiltError, match="build"):
        optimizer.stateless_apply([], [torch.ones(2)], [w])
    optimizer.build([w])
    values = [v.numpy() for v in optimizer.variables]
    new, state = optimizer.stateless_apply(values, [torch.ones(2)], [np.array([5.0, 6.0], "float32")])
    np.testing.assert_allclose(new[0].numpy(), [4.9, 5.9], rtol=1e-6)
    assert int(state[0]) == 1
    assert w.tolist() == [1.0, 2.0]
    assert int(optimizer.iterations) == 0
    assert optimizer._iterations.host == 0
    new, state = optimizer.stateless_apply(state, [torch.ones(2)], new)
    np.testing.assert_allclose(new[0].numpy(), [4.8, 5.8], rtol=1e-5)
    with pytest.raises(ValueError, match="stateless_apply needs 4"):
        optimizer.stateless_apply([], [torch.ones(2)], [w])


# -- optimizers of users ----------------------------------------------------------------------------------------------


class Old(Optimizer):
    """tf.keras 2.11 style: name to the base, two arguments to the update."""

    def __init__(self, learning_rate=0.1, name="Old", **kwargs):
        super().__init__(name, **kwargs)
        self._learning_rate = self._build_learning_rate(learning_rate)

    def build(self, var_list):
        super().build(var_list)
        if hasattr(self, "_built") and self._built:
            return
        self._built = True
        self.sums = [self.add_variable_from_reference(model_variable=v, variable_name="sum") for v in var_list]

    def update_step(self, gradient, variable):
        total = self.sums[self._index_dict[self._var_key(variable)]]
        total.assign_add(gradient)
        variable.assign_add(-total * self.learning_rate)

    def get_config(self):
        config = super().get_config()
        config.update({"learning_rate": self._serialize_hyperparameter(self._learning_rate)})
        return config


class New(Adam):
    """Keras 3 style, calling its parent's update."""

    def update_step(self, gradient, variable, learning_rate):
        super().update_step(-gradient, variable, learning_rate)


def test_users_optimizers_of_both_generations_train():
    assert descend(Old(0.25), 2) == [0.5, -0.25]
    old = Old(0.25, weight_decay=0.1)
    assert (old.name, old.get_config()["learning_rate"], old.weight_decay) == ("Old", 0.25, 0.1)
    assert [v.name for v in old.variables] == ["iteration", "learning_rate"]
    assert descend(New(0.1), 1) == [1.1]


def test_users_optimizer_is_found_by_name():
    with registry.CustomObjectScope({"New": New}):
        assert isinstance(optimizers.get("New"), New)
        config = optimizers.serialize(New(0.5))
        assert optimizers.deserialize(config).get_config()["learning_rate"] == 0.5
    assert isinstance(optimizers.deserialize(config, custom_objects={"New": New}), New)


def test_forgotten_parts_are_named():
    class Empty(Optimizer):
        pass

    with pytest.raises(NotImplementedError, match="update_step"):
        descend(Empty(0.1))

    class Hasty(Optimizer):
        def __init__(self):
            self.extra = Variable(1.0)

    with pytest.raises(RuntimeError, match=r"super\(\).__init__"):
        Hasty()
    with pytest.raises(ValueError, match="no learning rate"):
        descend(Optimizer(name="x"))


# -- look-up ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("identifier", "cls"),
    [
        ("adam", Adam),
        ("Adam", Adam),
        ("SGD", SGD),
        ("sgd", SGD),
        ("rmsprop", RMSprop),
        ("RMSprop", RMSprop),
        (Adam, Adam),
        ({"class_name": "adam", "config": {"learning_rate": 0.5}}, Adam),
        ({"class_name": "Custom>RMSprop", "config": {"lr": 0.5, "decay": 0.0}}, RMSprop),
        (
            {
                "module": "keras.src.backend.torch.optimizers.torch_adam",
                "class_name": "Adam",
                "config": {},
                "registered_name": "Adam",
            },
            Adam,
        ),
    ],
)
def test_get(identifier, cls):
    assert type(optimizers.get(identifier)) is cls


def test_get_returns_instances_unchanged():
    own, plain = Adam(), torch.optim.AdamW([torch.nn.Parameter(torch.ones(1))])
    assert optimizers.get(own) is own
    assert optimizers.get(plain).torch_optimizer is plain
    assert optimizers.get(None) is None
    assert type(optimizers.get("sgd", use_legacy_optimizer=True)) is SGD
    assert registry.resolve("optimizer", own) is own


@pytest.mark.parametrize("identifier", ["adamm", 3, {"class_name": "Dense", "config": {}}, "mse"])
def test_get_refuses_the_rest(identifier):
    with pytest.raises(ValueError, match=r"is no optimizer|Unknown"):
        optimizers.get(identifier)


def test_written_module_is_the_public_one():
    assert optimizers.serialize(SGD(name="s"))["module"] == "keras.optimizers"
    nested = optimizers.serialize(SGD(schedules.CosineDecay(0.1, 10)))["config"]["learning_rate"]
    assert nested["module"] == "keras.optimizers.schedules"
    restored = optimizers.deserialize(optimizers.serialize(SGD(schedules.CosineDecay(0.1, 10))))
    assert isinstance(restored._learning_rate, schedules.CosineDecay)


# -- loss scale -------------------------------------------------------------------------------------------------------


def test_loss_scale_optimizer_in_both_generations():
    fixed = LossScaleOptimizer(SGD(0.1), dynamic=False, initial_scale=8.0)
    assert fixed.get_scaled_loss(1.0) == 8.0
    w = Variable([1.0])
    fixed.apply([torch.tensor([8.0])], [w])
    assert float(w) == pytest.approx(0.9)
    assert float(fixed.loss_scale) == 8.0
    assert fixed.get_unscaled_gradients([torch.tensor(16.0), None])[0] == 2.0
    assert LossScaleOptimizer.from_config(fixed.get_config()).dynamic is False
    assert LossScaleOptimizer(SGD(), False).dynamic is False
    with pytest.raises(ValueError, match="inner"):
        LossScaleOptimizer(SGD(), clipnorm=1.0)
    with pytest.raises(UnknownArgumentError, match="colour"):
        LossScaleOptimizer(SGD(), colour=1)


def test_loss_scale_optimizer_leaves_bad_steps_out():
    w = Variable([1.0])
    optimizer = LossScaleOptimizer(SGD(0.5), initial_scale=4.0, dynamic_growth_steps=1)
    optimizer.build([w])
    w.grad = torch.tensor([float("nan")])
    optimizer.step()
    assert (float(w), float(optimizer.dynamic_scale), int(optimizer.iterations)) == (1.0, 2.0, 0)
    w.grad = torch.tensor([2.0])
    optimizer.step()
    assert (float(w), float(optimizer.dynamic_scale), int(optimizer.iterations)) == (0.5, 4.0, 1)
    optimizer.learning_rate = 0.25
    assert float(optimizer.inner_optimizer.lr) == float(optimizer.lr) == optimizer.param_groups[0]["lr"] == 0.25
    assert optimizer.apply_gradients([(torch.tensor([4.0]), w)]) is optimizer.iterations
    assert float(w) == 0.25
    state = optimizer.state_dict()
    optimizer.step()
    optimizer.load_state_dict(state)
    assert (float(optimizer.dynamic_scale), int(optimizer.iterations)) == (8.0, 2)


# -- copies -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("copier", [copy.deepcopy, lambda each: pickle.loads(pickle.dumps(each))])
@pytest.mark.parametrize("arguments", [{}, {"weight_decay": 0.1, "use_ema": True, "clipnorm": 1.0}])
def test_copies_train_on_independently(copier, arguments):
    w = Variable(np.arange(6.0, dtype="float32").reshape(2, 3), name="w", memory_order=[1, 0])
    optimizer = Adam(0.1, **arguments)
    optimizer.exclude_from_weight_decay([w])
    optimizer.apply([torch.ones(2, 3)], [w])
    optimizer.learning_rate = 0.2
    v, twin = copier((w, optimizer))
    assert twin._trainable_variables[0] is v
    optimizer.apply([torch.ones(2, 3)])
    assert int(twin.iterations) == 1
    assert not torch.equal(v, w)
    twin.apply([torch.ones(2, 3)], [v])
    assert torch.equal(v, w)
    assert all(map(np.array_equal, twin.get_weights(), optimizer.get_weights()))
    assert float(twin.learning_rate) == pytest.approx(0.2)
    assert twin.get_config() == optimizer.get_config()
