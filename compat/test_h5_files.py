"""HDF5 files in Keras 2's layout: what tf.keras 2 wrote (`compat/files/`) and what Keras 3 writes here open, predict
the same and train on; what torchkeras writes opens in Keras."""

import h5py
import keras as reference
import numpy as np
import pytest
import torch

import torchkeras
from compat import files
from compat.test_old_files import compare, loaded

# The two Nadams: tf.keras's own follow another
# schedule of momentum than Keras 3's, so they go on otherwise from the same state.
TOLERANCE = {"mixed_precision": 2e-2}
OTHER_SCHEDULE = ("optimizer_nadam", "optimizer_legacy_nadam")


@pytest.mark.parametrize("name", [name for name in files.names() if name != "subclassed"])  # only its weights
def test_models_of_tf_keras_predict_and_train_on(name, tmp_path):
    written = files.Written(name, tmp_path)
    model = loaded(written, "model.h5")
    compare(model, written, TOLERANCE.get(name, 1e-6))
    if written.losses is None or name in OTHER_SCHEDULE:
        return
    found = [float(np.ravel(model.train_on_batch(written.x, written.y))[0]) for _ in written.losses]
    np.testing.assert_allclose(found, written.losses, rtol=TOLERANCE.get(name, 2e-6))


@pytest.mark.parametrize("name", OTHER_SCHEDULE)
def test_nadam_of_tf_keras_keeps_moments_and_counter(name, tmp_path):
    written = files.Written(name, tmp_path)
    optimizer = loaded(written, "model.h5").optimizer
    with h5py.File(written.path("model.h5")) as file:
        stored = file["optimizer_weights/Nadam"]
        moments = stored["m/dense/kernel:0"] if "m" in stored else stored["dense/kernel/m:0"]
        np.testing.assert_array_equal(optimizer._momentums[0].numpy(), moments[:])
    assert int(optimizer.iterations) == 3
    assert 0 < float(optimizer._u_product) < 0.2


@pytest.mark.parametrize("file", ["weights.h5", "model.h5", "new.weights.h5"])
@pytest.mark.parametrize("name", ["cnn", "recurrent_kinds", "nested_in_sequential", "partly_frozen", "slopes"])
def test_weights_of_tf_keras_load_into_a_built_model(name, file, tmp_path):
    written = files.Written(name, tmp_path)
    model = loaded(written, "model.h5")
    for weight in model.weights:
        weight.assign(torch.full_like(weight, 0.5))
    model.load_weights(written.path(file))
    compare(model, written)


# -- Keras 3's --------------------------------------------------------------------------------------------------------


def a_stack(k):
    inner = k.Sequential([k.layers.Input((4,)), k.layers.Dense(3, activation="tanh"), k.layers.BatchNormalization()])
    return k.Sequential([k.layers.Input((4,)), inner, k.layers.Dense(3, kernel_regularizer="l2"), k.layers.Dense(1)])


def a_shared_layer(k):
    left, right = k.Input((4,), name="left"), k.Input((4,), name="right")
    shared = k.layers.Dense(3, name="shared")
    joined = k.layers.Concatenate()([shared(left), shared(right), k.layers.Dense(2)(left)])
    return k.Model([left, right], [k.layers.Dense(1, name="a")(joined), k.layers.Dense(2, name="b")(joined)])


def a_model_called_twice(k):
    inside = k.Input((4,))
    inner = k.Model(inside, k.layers.BatchNormalization()(k.layers.Dense(3)(inside)), name="inner")
    left, right = k.Input((4,), name="left"), k.Input((4,), name="right")
    return k.Model([left, right], k.layers.Dense(1)(k.layers.Add()([inner(left), inner(right)])))


def a_part_frozen(k):
    model = k.Sequential([k.layers.Input((4,)), k.layers.Dense(3), k.layers.BatchNormalization(), k.layers.Dense(1)])
    model.layers[0].trainable = False
    return model


def operations(k):
    x = k.Input((4,))
    return k.Model(x, k.layers.Dense(1)(k.ops.relu(k.layers.Dense(4)(x)) * 2.0 + x[:, :1]))


FORMS = [a_stack, a_shared_layer, a_model_called_twice, a_part_frozen, operations]
OTHERS = ("Optimizer", "LossScaleOptimizer", "MultiOptimizer", "OptimizerMap")
OTHERS += ("Adafactor",)  # Keras cannot write it here: two of its variables have one name
OPTIMIZERS = [name for name in dir(reference.optimizers) if name[0].isupper() and name not in OTHERS]


def trained(k, make, optimizer="Adam"):
    """A compiled model after two steps, and what it was trained on."""
    model = make(k)
    model.compile(getattr(k.optimizers, optimizer)(0.01), ["mse"] * len(model.outputs), metrics=None)
    random = np.random.default_rng(3)
    x = [random.normal(size=(6, 4)).astype("float32") for _ in model.inputs]
    y = [random.normal(size=(6, output.shape[-1])).astype("float32") for output in model.outputs]
    x, y = (each[0] if len(each) == 1 else each for each in (x, y))
    for _ in range(2):
        model.train_on_batch(x, y)
    return model, x, y


def equal_state(mine, theirs):
    for pair in ((mine.weights, theirs.weights), (mine.optimizer.variables, theirs.optimizer.variables)):
        assert len(pair[0]) == len(pair[1])
        for ours, other in zip(*pair, strict=True):
            np.testing.assert_array_equal(ours.numpy(), np.asarray(other))


def goes_on_alike(mine, theirs, x, y):
    for _ in range(2):
        ours, other = (np.ravel(model.train_on_batch(x, y))[0] for model in (mine, theirs))
        np.testing.assert_allclose(ours, other, rtol=2e-5)


@pytest.mark.parametrize("make", FORMS)
def test_models_of_keras_come_with_their_state(make, tmp_path):
    theirs, x, y = trained(reference, make)
    theirs.save(tmp_path / "m.h5")
    mine = torchkeras.models.load_model(tmp_path / "m.h5")
    equal_state(mine, theirs)
    goes_on_alike(mine, theirs, x, y)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_of_keras_goes_on(optimizer, tmp_path):
    theirs, x, y = trained(reference, a_part_frozen, optimizer)
    theirs.save(tmp_path / "m.h5")
    mine = torchkeras.models.load_model(tmp_path / "m.h5")
    equal_state(mine, theirs)
    if optimizer != "ScheduleFreeAdamW":  # Keras's own goes wrong from its first step: compat/optimizer_cases.py
        goes_on_alike(mine, theirs, x, y)
