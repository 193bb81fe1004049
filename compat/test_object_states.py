"""Everything published in every state: attributes, copies, pickles, memory, a place in lists and dicts, conversions.

Driven by the manifest: a class that is published later is swept without a new test. One that needs arguments and has
no line in `ARGUMENTS` (or, a layer, in layer_cases/) fails here.
"""

import copy
import gc
import inspect
import pickle
import tempfile
import warnings
import weakref

import numpy as np
import pytest
import torch

import torchkeras
from compat.layer_cases import first_cases
from compat.names import find, manifest
from compat.needed import needed
from tests.layers.test_citizenship import inputs_of, named

layers = torchkeras.layers
CASES = first_cases()
BY_CLASS = {getattr(layers, case.layer): case for case in CASES}


def schedule(*arguments):
    return lambda cls: cls(0.1, *arguments)


def editor(cls):
    with tempfile.TemporaryDirectory() as folder:
        torchkeras.Sequential([torchkeras.Input((2,)), layers.Dense(1)]).save(f"{folder}/model.keras")
        return cls(f"{folder}/model.keras")


ARGUMENTS = {
    "AWQDTypePolicy": lambda cls: cls("awq/4/128", source_name="float32"),
    "BackupAndRestore": lambda cls: cls("backup"),
    "CSVLogger": lambda cls: cls("log.csv"),
    "CosineDecay": schedule(10),
    "CosineDecayRestarts": schedule(10),
    "CustomObjectScope": lambda cls: cls({}),
    "ExponentialDecay": schedule(10, 0.9),
    "FeatureSpace": lambda cls: cls({"price": "float"}),
    "Function": lambda cls: cls(x := torchkeras.KerasTensor((None, 2)), x * 2),
    "GPTQDTypePolicy": lambda cls: cls("gptq/4/128", source_name="float32"),
    "HashedCrossing": lambda cls: cls(8),
    "Hashing": lambda cls: cls(8),
    "InputLayer": lambda cls: cls((3,)),
    "Int4DTypePolicy": lambda cls: cls("int4/128", source_name="float32"),
    "InverseTimeDecay": schedule(10, 0.9),
    "KerasTensor": lambda cls: cls((None, 2)),
    "KerasFileEditor": editor,
    "LearningRateScheduler": lambda cls: cls(abs),
    "LossScaleOptimizer": lambda cls: cls(torchkeras.optimizers.SGD(0.1)),
    "ModelCheckpoint": lambda cls: cls("model.keras"),
    "MultiOptimizer": lambda cls: cls(torchkeras.optimizers.OptimizerMap(torchkeras.optimizers.SGD(0.1))),
    "OptimizerMap": lambda cls: cls(torchkeras.optimizers.SGD(0.1)),
    "MeanMetricWrapper": lambda cls: cls(torchkeras.losses.mean_squared_error),
    "PiecewiseConstantDecay": lambda cls: cls([2], [0.1, 0.2]),
    "PolynomialDecay": schedule(10),
    "Progbar": lambda cls: cls(3),
    "QuantizedDTypePolicy": lambda cls: cls("int8", source_name="float32"),
    "QuantizedFloat8DTypePolicy": lambda cls: cls("float8", source_name="float32"),
    "TorchModuleWrapper": lambda cls: cls(torch.nn.Linear(3, 2)),
    "Wrapper": lambda cls: cls(layers.Dense(2)),
    "Variable": lambda cls: cls([1.0, 2.0]),
    "name_scope": lambda cls: cls("scope"),
}


NEVER_MADE = {"FlaxLayer", "JaxLayer", "OrbaxCheckpoint", "TFSMLayer"}  # their constructors say what they would need


def published_classes():
    found = {}
    for name in sorted(manifest()):
        cls = find(name)
        if inspect.isclass(cls) and not issubclass(cls, BaseException) and cls.__name__ not in NEVER_MADE:
            found.setdefault(cls, name)
    return list(found)


CLASSES = published_classes()
EVERY_CLASS = pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
EVERY_LAYER = pytest.mark.parametrize("case", CASES, ids=named)


def make(cls):
    if cls in BY_CLASS:
        return cls(**BY_CLASS[cls].constructor_arguments(layers))
    return ARGUMENTS.get(cls.__name__, lambda cls: cls(**needed(cls)))(cls)


def called(case):
    layer = getattr(layers, case.layer)(**case.constructor_arguments(layers))
    layer(*inputs_of(case))
    return layer


def small_model():
    return torchkeras.Sequential([layers.Dense(2), layers.BatchNormalization(), torch.nn.Linear(2, 1)])


def model_in(state):
    model = small_model()
    data = np.ones((4, 3), "float32"), np.ones((4, 1), "float32")
    if state in ("built", "compiled", "trained"):
        model.build((None, 3))
    if state in ("compiled", "trained"):
        model.compile("adam", "mse", metrics=["mae"])
    if state == "trained":
        model.fit(*data, verbose=0)
    if state == "functional":
        inputs = torchkeras.Input((3,))
        model = torchkeras.Model(inputs, model(inputs))
    return model


MODEL_STATES = ("unbuilt", "built", "compiled", "trained", "functional")


def assert_attributes_can_be_asked_for(thing):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in dir(thing):
            hasattr(thing, name)
        inspect.getmembers(thing)


# -- attributes -------------------------------------------------------------------------------------------------------


@EVERY_CLASS
def test_attributes_of_a_fresh_object(cls):
    assert_attributes_can_be_asked_for(make(cls))


@EVERY_CLASS
def test_attributes_before_the_constructor(cls):
    if cls is not torchkeras.Variable:  # torch makes a tensor in one step
        assert_attributes_can_be_asked_for(cls.__new__(cls))


@EVERY_LAYER
def test_attributes_of_a_called_layer(case):
    assert_attributes_can_be_asked_for(called(case))


@pytest.mark.parametrize("state", MODEL_STATES)
def test_attributes_of_models(state):
    assert_attributes_can_be_asked_for(model_in(state))


# -- copies and memory ------------------------------------------------------------------------------------------------


@EVERY_CLASS
def test_copies_and_pickles_of_a_fresh_object(cls):
    thing = make(cls)
    for other in (copy.deepcopy(thing), pickle.loads(pickle.dumps(thing))):
        assert type(other) is type(thing)


@EVERY_LAYER
def test_copies_and_pickles_of_a_called_layer(case):
    layer = called(case)
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert [tuple(w.shape) for w in other.weights] == [tuple(w.shape) for w in layer.weights]
        assert list(other.state_dict()) == list(layer.state_dict())
        assert len(other.variables) == len(layer.variables) and len(other.metrics) == len(layer.metrics)
        other(*inputs_of(case))


@EVERY_CLASS
def test_fresh_objects_are_freed(cls):
    thing = make(cls)
    seen = weakref.ref(thing)
    del thing
    gc.collect()
    assert seen() is None


@EVERY_LAYER
def test_called_layers_are_freed(case):
    layer = called(case)
    seen = weakref.ref(layer)
    del layer
    gc.collect()
    assert seen() is None


@pytest.mark.parametrize("state", MODEL_STATES)
def test_models_and_their_weights_are_freed(state):
    model = model_in(state)
    seen = [weakref.ref(thing) for thing in (model, *model.modules(), *model.parameters())]
    del model
    gc.collect()
    assert [each() for each in seen if each() is not None] == []


# -- held by a model --------------------------------------------------------------------------------------------------


@EVERY_LAYER
def test_layers_in_lists_and_dicts_of_a_model(case):
    class Holder(torchkeras.Model):
        def __init__(self):
            super().__init__()
            self.rows, self.by_name, self.pair = [], {}, (getattr(layers, case.layer)(**arguments()), [])

        def call(self, *args):
            return [layer(*args) for layer in (*self.rows, *self.by_name.values(), self.pair[0], *self.pair[1])]

    def arguments():
        return case.constructor_arguments(layers)

    model = Holder()
    model.rows.append(getattr(layers, case.layer)(**arguments()))
    model.by_name["x"] = getattr(layers, case.layer)(**arguments())
    model.pair[1].append(getattr(layers, case.layer)(**arguments()))
    model(*inputs_of(case))
    alone = called(case)
    assert len(model.layers) == 4
    for name in ("weights", "variables", "trainable_variables", "losses", "metrics"):
        assert len(getattr(model, name)) == 4 * len(getattr(alone, name)), name
    assert len(model.state_dict()) == 4 * len(alone.state_dict())
    heads = {key.split(".")[0] for key in model.state_dict()}
    assert heads <= {"rows_0", "by_name_x", "pair_0", "pair_1_0"} and len(heads) in (0, 4)
    model.rows += model.pair[1]
    model.by_name, model.pair = None, model.pair[:1]
    assert len(model.layers) == 3


# -- conversions ------------------------------------------------------------------------------------------------------


@EVERY_LAYER
def test_weights_stay_variables_without_memory(case):
    layer = called(case)
    before = [(type(w), w.path, w.trainable, w.requires_grad, tuple(w.shape), w.dtype) for w in layer.weights]
    layer.to("meta")
    layer.to_empty(device="cpu")
    after = [(type(w), w.path, w.trainable, w.requires_grad, tuple(w.shape), w.dtype) for w in layer.weights]
    assert after == before
    layer.load_state_dict(called(case).state_dict(), assign=True)
    assert [type(weight) for weight in layer.weights] == [kind for kind, *_ in before]
