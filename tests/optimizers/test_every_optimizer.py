"""What holds for every published optimizer: looking at it in any state, copies, life and death, flags of any kind."""

import copy
import gc
import inspect
import io
import json
import pickle
import weakref

import numpy as np
import pytest
import torch

from torchkeras import optimizers
from torchkeras.core import registry
from torchkeras.core.variable import Variable
from torchkeras.optimizers import SGD, LossScaleOptimizer, MultiOptimizer, Optimizer

CLASSES = []
for each in dict.fromkeys(found for name in dir(optimizers) if callable(found := getattr(optimizers, name))):
    entry = registry.entry_of(each)
    if entry is not None and entry.kind == "optimizer" and each not in (LossScaleOptimizer, MultiOptimizer):
        CLASSES.append(each)
MADE = [*CLASSES, lambda **options: LossScaleOptimizer(SGD(), **options)]


def stepped(optimizer, steps=3):
    variable = Variable([1.0, -2.0], name="w")
    for step in range(steps):
        optimizer.apply([torch.tensor([0.5, -1.0]) * (step + 1)], [variable])
    return variable


def test_all_are_found():
    assert len(CLASSES) >= 14


@pytest.mark.parametrize("make", MADE)
def test_looking_raises_nothing(make):
    optimizer = make()
    blank = object.__new__(type(optimizer))
    built = make()
    stepped(built)
    for each in (blank, optimizer, built):
        inspect.getmembers(each)
        assert not hasattr(each, "no_such_thing")
    inspect.getmembers(Optimizer(None))


@pytest.mark.parametrize("options", [{}, {"use_ema": True}, {"gradient_accumulation_steps": 2}], ids=str)
@pytest.mark.parametrize("cls", CLASSES)
def test_copies_go_on_alone_and_nothing_is_kept(cls, options):
    gc.collect(1)
    gc.freeze()  # what was there before is not looked through below
    optimizer = cls(0.1, **options)
    variable = stepped(optimizer)
    for other in (copy.deepcopy(optimizer), pickle.loads(pickle.dumps(optimizer))):
        before = [value.clone() for value in optimizer.variables]
        (own,) = other._trainable_variables
        own.grad = torch.ones(2)
        other.step()
        assert not torch.equal(own, variable) or options.get("gradient_accumulation_steps")
        for now, then in zip(optimizer.variables, before, strict=True):
            assert torch.equal(now, then)
    alive = weakref.ref(optimizer)
    del optimizer, other
    gc.collect()
    gc.unfreeze()
    assert alive() is None


@pytest.mark.parametrize("cls", CLASSES)
def test_flags_and_numbers_of_any_kind(cls):
    """Truth by any value, numbers of numpy and torch: the same step as with Python's own."""
    for name, parameter in inspect.signature(cls).parameters.items():
        if isinstance(parameter.default, bool):
            for given in (1, np.bool_(True)):
                torch.testing.assert_close(stepped(cls(**{name: given})), stepped(cls(**{name: True})))
            for given in (0, None):
                torch.testing.assert_close(stepped(cls(**{name: given})), stepped(cls(**{name: False})))
    for rate in (np.float32(0.5), np.float64(0.5), torch.tensor(0.5), np.array(0.5), Variable(0.5)):
        optimizer = cls(rate)
        torch.testing.assert_close(stepped(optimizer), stepped(cls(0.5)))
        assert optimizer.get_config()["learning_rate"] == 0.5
        optimizer.learning_rate = rate
        assert float(optimizer.learning_rate) == 0.5


@pytest.mark.parametrize("cls", CLASSES)
def test_partial_configs(cls):
    for config in ({}, {"learning_rate": 0.5}, {"clipnorm": 1.0}):
        made = cls.from_config(config).get_config()
        assert {key: made[key] for key in config} == config
    for description in ({"class_name": cls.__name__}, {"class_name": cls.__name__.lower(), "config": None}):
        assert type(optimizers.deserialize(description)) is cls


def run(optimizer, variables, steps):
    for step in steps:
        generator = torch.Generator().manual_seed(step)
        optimizer.apply([torch.randn(v.shape, generator=generator) for v in variables], variables)


OPTIONS = [
    {},
    {"weight_decay": 0.1, "clipnorm": 0.5},
    {"use_ema": True, "ema_momentum": 0.8, "ema_overwrite_frequency": 2},
    {"gradient_accumulation_steps": 3},
    {"gradient_accumulation_steps": 2, "use_ema": True, "loss_scale_factor": 4.0, "global_clipnorm": 1.0},
    {"decay": 0.5, "clipvalue": 0.5},
    {"learning_rate": "schedule"},
    {"own": True},
]
OWN = {
    "momentum": 0.5,
    "nesterov": True,
    "amsgrad": True,
    "centered": True,
    "warmup_steps": 4,
    "exclude_layers": ["matrix"],
}


def made_with(cls, options):
    options = dict(options)
    if options.get("learning_rate") == "schedule":
        options["learning_rate"] = optimizers.schedules.CosineDecay(0.2, 20, warmup_target=0.3, warmup_steps=2)
    if options.pop("own", False):
        known = inspect.signature(cls).parameters
        options.update({name: value for name, value in OWN.items() if name in known})
    optimizer = cls(**{"learning_rate": 0.1, **options})
    optimizer.exclude_from_weight_decay(var_names=["vector"])
    return optimizer


def through_torch_save(state):
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def through_config(optimizer):
    return optimizers.deserialize(json.loads(json.dumps(optimizers.serialize(optimizer))))


def own_variables(optimizer):
    store = {}
    optimizer.save_own_variables(store)
    return {key: value.copy() for key, value in store.items()}


WAYS = {
    "state_dict": lambda one, two: two.load_state_dict(one.state_dict()),
    "torch.save": lambda one, two: two.load_state_dict(through_torch_save(one.state_dict())),
    "set_weights": lambda one, two: two.set_weights(one.get_weights()),
    "own variables": lambda one, two: two.load_own_variables(own_variables(one)),
}


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("cls", [cls for cls in CLASSES if cls is not Optimizer], ids=lambda cls: cls.__name__)
def test_state_restored_in_the_middle_continues_bit_by_bit(cls, options):
    """After four steps, which lie in the middle of a round of accumulation; and the run goes on as if never left."""
    variables = [Variable(torch.ones(3, 2), name="matrix"), Variable([1.0, -2.0], name="vector"), Variable(0.5)]
    first = made_with(cls, options)
    run(first, variables, range(4))
    if not callable(first._learning_rate) or isinstance(first._learning_rate, torch.Tensor):
        first.learning_rate = 0.07
    twins = {"deepcopy": copy.deepcopy((first, variables)), "pickle": pickle.loads(pickle.dumps((first, variables)))}
    for way, restore in WAYS.items():
        others = [Variable(v.detach().clone(), name=v.name) for v in variables]
        second = through_config(first) if way == "own variables" else made_with(cls, options)
        second.exclude_from_weight_decay(var_names=["vector"])
        second.build(others)
        restore(first, second)
        twins[way] = second, others
    for optimizer, held in ((first, variables), *twins.values()):
        run(optimizer, held, range(4, 9))
        optimizer.finalize_variable_values(held)
    for way, (second, others) in twins.items():
        for one, two in zip([*variables, *first.variables], [*others, *second.variables], strict=True):
            assert torch.equal(one, two), (way, one.path)
