"""Every published layer in every kind of model, beside the installed Keras's: description, configs, outputs, ten steps.

Driven by compat/layer_cases/: a layer that is published later is swept without a line here.
"""

import json

import keras
import numpy as np
import pytest
import torch
from keras import tree

import torchkeras
from compat.harness import random_weights, rewind_seeds
from compat.layer_cases import SPARING
from compat.layer_models import KINDS, Setting, chosen_cases
from compat.test_models import both

STEPS = 10
# Its outputs have another shape where it does not train, in Keras too: no model learns from both.
OF_TWO_SHAPES = {"RandomCrop"}
# Outputs that the layer computes, and what ten steps leave of them: (absolute and relative) by compute dtype.
TOLERANCES = {"float32": (1e-5, 2e-4), "float64": (1e-5, 2e-4), "float16": (1e-2, 3e-2), "bfloat16": (5e-2, 1e-1)}


def places():
    """The plainest case of a layer in all kinds of models, the others in one each."""
    found, turn = [], {}
    for case in chosen_cases():
        if case.layer in OF_TWO_SHAPES | SPARING | {"Equalization"}:  # the last has no slope to learn by
            continue
        kinds = [kind for kind in KINDS if kind != "sequential" or Setting(case).alone]
        turn[case.layer] = turn.get(case.layer, -1) + 1
        if turn[case.layer]:
            kinds = [kinds[turn[case.layer] % len(kinds)]]
        if case.layer == "Normalization":  # Keras keeps its statistics on torch's meta device there
            kinds = [kind for kind in kinds if kind != "subclassed"]
        found += [(kind, case) for kind in kinds]
    return found


def named(place):
    kind, case = place
    return f"{case.title}-{kind}"


@pytest.fixture(autouse=True)
def wide_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")


class Pair:
    """The same model in both libraries, with equal weights."""

    def __init__(self, kind, case):
        self.kind, self.case, self.setting = kind, case, Setting(case)
        self.theirs, self.ours = both(lambda k: KINDS[kind](k, self.setting))
        self.models = (self.theirs, self.ours)
        self.start = random_weights(self.theirs)
        for model in self.models:
            model.set_weights(self.start)

    @property
    def masks_in_graph(self):
        """Whether Keras's graph has nodes that make masks; here masks travel with the data (compat/deviations.md)."""
        return self.kind in ("functional", "nested") and any(self.setting.masked)

    @property
    def tolerance(self):
        policies = {layer.compute_dtype for layer in self.ours._flatten_layers()}
        narrow = [TOLERANCES[policy] for policy in policies]
        return max(narrow)

    def assert_close(self, what, theirs, ours, steps=False):
        expected, found = (np.asarray(_array(value), "float64") for value in (theirs, ours))
        tolerance = self.tolerance[steps] * self.case.loose
        np.testing.assert_allclose(found, expected, tolerance, tolerance, err_msg=what)

    def assert_same_outputs(self, theirs, ours, training):
        data = tree.map_structure(torch.tensor, self.setting.data)
        expected, found = (tree.flatten(model(data, training=training)) for model in (theirs, ours))
        for a, b in zip(expected, found, strict=True):
            assert (a.dtype, tuple(a.shape)) == (b.dtype, tuple(b.shape))
            if self.case.values and self.case.repeatable:
                self.assert_close(f"outputs, training={training}", a, b)


def _array(value):
    return value.detach().double() if isinstance(value, torch.Tensor) else value


def described(model):
    weights = [(w.path, tuple(w.shape), keras.backend.standardize_dtype(w.dtype), w.trainable) for w in model.weights]
    return weights, [w.path for w in model.trainable_weights], model.count_params()


def table(model):
    """The cells of the summary, row by row."""
    lines = []
    model.summary(print_fn=lambda text, line_break=False: lines.append(text), line_length=150, show_trainable=True)
    return [[cell.strip() for cell in line.split("│")] for line in "\n".join(lines).split("\n")]


def assert_same_tables(theirs, ours):
    """Where Keras does not know the shape of an output, ours may stand."""
    for expected, found in zip(table(theirs), table(ours), strict=True):
        if "?" in expected:
            found[expected.index("?")] = "?"
        if not expected[0].startswith(("┏", "┡", "├", "└")):
            assert found == expected


def plain(model):
    """The JSON; an array given to a call is a tensor here by the time that it is written."""
    return json.loads(model.to_json().replace('"__numpy__"', '"__tensor__"'))


def assert_configs_cross(pair):
    """Each library reads the other's JSON; the model made computes the same."""
    if not pair.masks_in_graph:
        assert plain(pair.ours) == plain(pair.theirs)
    for model in pair.models:
        model.set_weights(pair.start)
    for reader, writer in ((torchkeras, pair.theirs), (keras, pair.ours), (torchkeras, pair.ours)):
        made = reader.models.model_from_json(writer.to_json())
        made.set_weights(pair.start)
        pair.assert_same_outputs(pair.theirs, made, training=False)


def assert_learns_alike(pair):
    """Ten steps of SGD with momentum give equal losses and equal weights, statistics and seeds."""
    data = pair.setting.data
    outputs = tree.flatten(pair.theirs(data))
    if not pair.theirs.trainable_weights or not all(out.requires_grad for out in outputs):
        return
    rng = np.random.default_rng(5)
    targets = [rng.standard_normal(tuple(out.shape)).astype("float32") for out in outputs]
    losses = []
    for lib, model in zip((keras, torchkeras), pair.models, strict=True):
        model.set_weights(pair.start)
        rewind_seeds(model)
        losses.append(_train(lib, model, data, targets, by_fit=pair.kind == "nested"))
    pair.assert_close("losses", *losses, steps=True)
    for a, b in zip(pair.theirs.weights, pair.ours.weights, strict=True):
        pair.assert_close(a.path, a.value, b, steps=True)


def _train(lib, model, data, targets, by_fit):
    loss = ["mse"] * len(targets) if len(targets) > 1 else "mse"
    y = targets if len(targets) > 1 else targets[0]
    model.compile(lib.optimizers.SGD(0.01, momentum=0.9), loss)
    if by_fit:
        return model.fit(data, y, batch_size=len(targets[0]), epochs=STEPS, shuffle=False, verbose=0).history["loss"]
    return [np.ravel(model.train_on_batch(data, y))[0] for _ in range(STEPS)]


@pytest.mark.parametrize("place", places(), ids=named)
def test_layer_in_a_model(place):
    pair = Pair(*place)
    for theirs, ours in zip(*map(described, pair.models), strict=True):
        assert ours == theirs
    if not pair.masks_in_graph:
        assert_same_tables(*pair.models)
    for training in (False, True):
        pair.assert_same_outputs(*pair.models, training)
    if pair.kind != "subclassed":
        assert_configs_cross(pair)
    if pair.kind != "sequential" and pair.case.values and pair.case.repeatable:  # a nested model has one inside
        assert_learns_alike(pair)
