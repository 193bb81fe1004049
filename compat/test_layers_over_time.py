"""What a layer carries from one call to the next, and what it stops carrying when it is frozen, beside the installed
Keras: moving statistics, seeds, states of sequences, vectors of spectral normalization; `trainable` of every layer.

Driven by compat/layer_cases/: a layer that is published later is swept without a line here.
"""

import inspect

import keras
import numpy as np
import pytest
import torch
from keras import tree

import torchkeras
from compat.harness import arrays_of, random_weights
from compat.layer_cases import SPARING, first_cases
from compat.layer_models import Setting, chosen_cases, functional
from compat.test_models import both

FIRST = first_cases()
LEARNING = [case for case in FIRST if case.values and case.repeatable]


def parameters(case):
    return inspect.signature(getattr(torchkeras.layers, case.layer)).parameters


def made(lib, case, **more):
    """The layer, built, with the same weights in both libraries and the first draw to come."""
    lib.utils.clear_session(free_memory=False)
    arguments = {**case.constructor_arguments(lib.layers), **more}
    if "seed" in parameters(case):
        arguments.setdefault("seed", 3)
    layer = getattr(lib.layers, case.layer)(**arguments)
    shapes = tree.map_structure(torch.tensor, arrays_of(case))
    layer(*shapes, **case.kwargs)
    layer.set_weights(random_weights(layer))
    return layer


def assert_close(what, theirs, ours, loose=1.0):
    assert len(theirs) == len(ours), what
    for a, b in zip(theirs, ours, strict=True):
        wide = {torch.float16: 5e-3, torch.bfloat16: 4e-2}.get(b.dtype, 2e-5) * loose
        torch.testing.assert_close(
            b.detach().double(), a.detach().double(), atol=wide, rtol=wide, msg=lambda m: f"{what}: {m}"
        )


def state_of(layer):
    """Everything that no optimizer moves; of seeds how many draws there were."""
    found = []
    for variable in layer.non_trainable_variables:
        value = torch.as_tensor(np.asarray(keras.ops.convert_to_numpy(variable)))
        found.append(value[1:] if "seed_generator" in variable.path else value)
    return found


STATEFUL = [
    case
    for case in chosen_cases(most=6)
    if case.values
    and case.repeatable
    and case.layer not in SPARING
    and ("seed" in parameters(case) or "moving" in str(parameters(case)) or "training" in case.title)
]


@pytest.mark.parametrize("case", STATEFUL, ids=lambda case: case.title)
def test_three_calls_in_training_and_one_after(case):
    theirs, ours = made(keras, case), made(torchkeras, case)
    takes = "training" in inspect.signature(type(ours).call).parameters
    for step in range(4):
        given = tree.map_structure(lambda a, step=step: torch.tensor(a) * (step + 1), arrays_of(case))
        if step == 0:
            given = tree.map_structure(torch.tensor, arrays_of(case))
        mode = {"training": step < 3} if takes else {}
        outputs = [tree.flatten(layer(*given, **case.kwargs, **mode)) for layer in (theirs, ours)]
        assert_close(f"outputs of call {step}", *outputs, case.loose)
        assert_close(f"state after call {step}", state_of(theirs), state_of(ours), case.loose)


SEQUENCES = [case for case in chosen_cases(most=3) if "stateful" in parameters(case) and case.values]


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("case", SEQUENCES, ids=lambda case: case.title)
def test_states_go_on_between_batches(case, masked):
    x = arrays_of(case)[0]
    steps = torch.tensor(np.arange(x.shape[1])[None, :] < (1 + np.arange(len(x)) % x.shape[1])[:, None])
    kwargs = {"mask": steps} if masked else {}
    layers = []
    for lib in (keras, torchkeras):
        lib.utils.clear_session(free_memory=False)
        layer = getattr(lib.layers, case.layer)(**{**case.constructor_arguments(lib.layers), "stateful": True})
        layer.build(x.shape)
        layer.set_weights(random_weights(layer))
        layers.append(layer)
    for step in range(4):
        if step == 2:
            for layer in layers:
                layer.reset_state()
        with torch.no_grad():
            outputs = [tree.flatten(layer(torch.tensor(x) * (step + 1), **kwargs)) for layer in layers]
        assert_close(f"batch {step}", *outputs, case.loose)


WRAPPED = {
    "both directions": lambda k: k.layers.Bidirectional(k.layers.LSTM(2, stateful=True, return_sequences=True)),
    "a model": lambda k: k.Sequential(
        [k.Input((5, 3), batch_size=4), k.layers.GRU(2, stateful=True, return_sequences=True), k.layers.SimpleRNN(3)]
    ),
}


@pytest.mark.parametrize("name", WRAPPED)
def test_states_of_wrapped_layers(name):
    """Over batches, and over a reset."""
    x = torch.tensor(np.random.default_rng(2).standard_normal((4, 5, 3)), dtype=torch.float32)
    layers = both(WRAPPED[name])
    for layer in layers:
        layer.build(x.shape)
        layer.set_weights(random_weights(layer))
    for step in range(4):
        if step == 2:
            for layer in layers:
                for each in [layer] if hasattr(layer, "reset_state") else layer.layers:
                    getattr(each, "reset_state", lambda: None)()
        with torch.no_grad():
            assert_close(f"batch {step}", *([layer(x * (step + 1))] for layer in layers))


# -- trainable --------------------------------------------------------------------------------------------------------


# Layers whose constructor takes no `trainable` in Keras.
NO_FLAG = {"Discretization", "Pipeline", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D"}


def lists_of(layer):
    names = ("trainable_weights", "non_trainable_weights", "trainable_variables", "non_trainable_variables")
    return {name: [w.path for w in getattr(layer, name)] for name in names}


@pytest.mark.parametrize("case", FIRST, ids=lambda case: case.layer)
def test_lists_of_weights_follow_the_flag(case):
    found = []
    flag = {} if case.layer in NO_FLAG else {"trainable": False}
    for lib in (keras, torchkeras):
        frozen = made(lib, case, **flag)
        lists = [frozen.trainable, lists_of(frozen), frozen.get_config().get("trainable")]
        frozen.trainable = True
        lists += [lists_of(frozen), frozen.get_config().get("trainable")]
        layer = made(lib, case)
        layer.trainable = False
        found.append([*lists, layer.trainable, lists_of(layer), [w.trainable for w in layer.weights]])
    assert found[1] == found[0]


@pytest.mark.parametrize("case", LEARNING, ids=lambda case: case.layer)
def test_frozen_and_released_in_a_model(case):
    """Two steps each: as it is, frozen, released; `compile` between them."""
    setting = Setting(case)
    if not _learns(case, setting):
        return
    theirs, ours = both(lambda k: functional(k, setting))
    start = random_weights(theirs)
    found = []
    for lib, model in ((keras, theirs), (torchkeras, ours)):
        model.set_weights(start)
        found.append(_steps(lib, model, setting, case))
    for stage, (expected, got) in enumerate(zip(*found, strict=True)):
        np.testing.assert_allclose(got, expected, 2e-4, 2e-4, err_msg=f"stage {stage}")


def _learns(case, setting):
    layer = made(torchkeras, case)
    outputs = tree.flatten(layer(*tree.map_structure(torch.tensor, arrays_of(case)), **case.kwargs))
    return bool(layer.trainable_weights) and all(out.is_floating_point() for out in outputs)


def _steps(lib, model, setting, case):
    """Losses and weights after each stage, as one list of numbers."""
    cls = getattr(lib.layers, case.layer)
    layer = [each for each in model.layers if isinstance(each, cls)][-1]  # behind the Dense layers that feed it
    rng = np.random.default_rng(5)
    targets = [rng.standard_normal(out.shape).astype("float32") for out in _outputs(model, setting)]
    y = targets if len(targets) > 1 else targets[0]
    found = []
    for trainable in (True, False, True):
        layer.trainable = trainable
        model.compile(lib.optimizers.SGD(0.01, momentum=0.9), ["mse"] * len(targets))
        losses = [np.ravel(model.train_on_batch(setting.data, y))[0] for _ in range(2)]
        weights = [np.ravel(value) for value in model.get_weights()]
        found.append(np.concatenate([losses, *weights]))
        found.append(np.array([len(model.trainable_weights), len(layer.trainable_weights)]))
    return found


def _outputs(model, setting):
    data = tree.map_structure(torch.tensor, setting.data)
    return [out.detach() for out in tree.flatten(model(data))]
