"""Models of old dialects (`compat/files/dialects.py`) train on as the same model, made by Keras 3.15.1 with the same
weights and the same state of its optimizer, does."""

import json

import keras as reference
import numpy as np
import pytest

import torchkeras as keras
from compat.files.dialects import DIALECTS, dense_stack, draw

STEPS = 4


def hard_sigmoid_keras2(x):
    return reference.ops.clip(0.2 * x + 0.5, 0.0, 1.0)


def in_keras(twin):
    """The same model of Keras's own, with the same weights."""
    name = "hard_sigmoid_keras2"
    function = {"module": "builtins", "class_name": "function", "config": name, "registered_name": "function"}
    text = in_32_bits(twin.to_json()).replace(f'"{name}"', json.dumps(function))
    model = reference.models.model_from_json(text, custom_objects={name: hard_sigmoid_keras2})
    model.set_weights(twin.get_weights())
    return model


def in_32_bits(text):
    """Kernels round bfloat16 at other places."""
    return text.replace("mixed_bfloat16", "float32")


def without_chance(model):
    """Dropout and noise of rate 0: the two libraries would draw other numbers."""
    for layer in model._flatten_layers():
        for name in ("rate", "stddev"):
            if hasattr(layer, name):
                setattr(layer, name, 0.0)
    return model


def losses(model, x, y):
    return [float(np.ravel(model.train_on_batch(x, y))[0]) for _ in range(STEPS)]


# -- every dialect ----------------------------------------------------------------------------------------------------

_LR = {"lr": 0.05, "decay": 0.0}
_ADAM = {**_LR, "beta_1": 0.9, "beta_2": 0.999}
TRAININGS = {  # by dialect, what the file says of the optimizer and the loss, and the same optimizer in today's words
    "keras_1_images": ("Adam", {**_ADAM, "epsilon": 1e-8}, "categorical_crossentropy", {"epsilon": 1e-8}),
    "keras_1_images_of_theano": (
        "SGD",
        {**_LR, "momentum": 0.9, "nesterov": True},
        "categorical_crossentropy",
        {"momentum": 0.9, "nesterov": True},
    ),
    "keras_1_graph": ("Adamax", {**_ADAM, "epsilon": 1e-8}, "binary_crossentropy", {"epsilon": 1e-8}),
    "keras_1_merged_stacks": ("RMSprop", {**_LR, "rho": 0.8, "epsilon": 1e-8}, "mse", {"rho": 0.8, "epsilon": 1e-8}),
    "keras_1_sequences": ("Adadelta", {**_LR, "rho": 0.9, "epsilon": 1e-8}, "mae", {"rho": 0.9, "epsilon": 1e-8}),
    "keras_2_0": ("RMSprop", {**_LR, "rho": 0.9, "epsilon": 1e-8}, "mean_squared_error", {"epsilon": 1e-8}),
    "keras_2_2": ("Adam", {**_ADAM, "epsilon": None, "amsgrad": True}, "mse", {"amsgrad": True}),
    "keras_2_3": ("Adagrad", {"learning_rate": 0.05, "decay": 0.0, "epsilon": 1e-7}, "logcosh", {"loss": "log_cosh"}),
    "tf_keras_2_1": ("Adam", {"name": "Adam", **_ADAM, "epsilon": 1e-7, "amsgrad": False}, "mse", {}),
    "tf_keras_2_6": ("SGD", {"name": "SGD", "learning_rate": 0.05, "decay": 0.0, "nesterov": False}, "mse", {}),
}
TRAININGS["tf_keras_2_1"][1]["learning_rate"] = TRAININGS["tf_keras_2_1"][1].pop("lr")


@pytest.mark.parametrize("name", DIALECTS)
def test_curves_of_every_dialect(name, tmp_path):
    written = DIALECTS[name]()
    optimizer, config, loss, today = TRAININGS[name]
    written.training = {
        "optimizer_config": {"class_name": optimizer, "config": config},
        "loss": loss,
        "metrics": [],
        "sample_weight_mode": None,
        "loss_weights": None,
    }
    written.config = json.loads(in_32_bits(json.dumps(written.config)))
    written.write(tmp_path / "model.h5")
    ours = without_chance(keras.models.load_model(tmp_path / "model.h5"))
    theirs = without_chance(in_keras(written.twin))
    today = {"loss": loss, "learning_rate": 0.05, **today}
    theirs.compile(loss=today.pop("loss"), optimizer=getattr(reference.optimizers, optimizer)(**today))
    y = theirs.predict_on_batch(written.x)
    y = reference.tree.map_structure(lambda each: np.abs(np.roll(np.asarray(each, "float32"), 1, 0)) / 2, y)
    wanted = losses(theirs, written.x, y)
    assert len({round(each, 4) for each in wanted}) == STEPS  # it learns
    np.testing.assert_allclose(losses(ours, written.x, y), wanted, 1e-5, 1e-6)


# -- every optimizer of every version, in the middle of a training ----------------------------------------------------

_BETAS = {"beta_1": 0.8, "beta_2": 0.99}
STATES = {  # by optimizer: its config, and the kinds of its state as Keras 3 and tf.keras 2 call them
    "SGD": ({"momentum": 0.9, "nesterov": True}, ["momentums"], ["momentum"]),
    "RMSprop": ({"rho": 0.8}, ["_velocities"], ["rms"]),
    "Adagrad": ({}, ["_accumulators"], ["accumulator"]),
    "Adadelta": ({"rho": 0.9}, ["_accumulated_grads", "_accumulated_delta_vars"], ["accum_grad", "accum_var"]),
    "Adam": (_BETAS, ["_momentums", "_velocities"], ["m", "v"]),
    "Adamax": (_BETAS, ["_m", "_u"], ["m", "v"]),
    "Nadam": (_BETAS, ["_momentums", "_velocities"], ["m", "v"]),
}
VERSIONS = ("1.2.2", "1.2.2 of Theano", "2.0.8", "2.2.4", "2.3.1", "2.2.4-tf", "2.6.0")
WITHOUT_COUNTER = ("RMSprop", "Adagrad", "Adadelta")  # before 2.3
COUNT = 7


def state_of(version, name, slots, weights):
    """`(names and arrays as the version wrote them, the count, arrays by kind)`."""
    rng = np.random.default_rng(len(name))
    kinds = [[rng.uniform(0.01, 0.1, each.shape).astype("float32") for each in weights] for _ in slots]
    early = version.startswith(("1.2", "2.0", "2.2.4")) and not version.endswith("-tf")
    counted = not (early and name in WITHOUT_COUNTER)
    head = [np.float32(COUNT) if version.startswith("1.") else np.int64(COUNT)] if counted else []
    arrays = [*head, *(array for kind in kinds for array in kind)]
    if version in ("2.2.4", "2.3.1") and name == "Adam":  # places for amsgrad
        arrays += [np.zeros(1, "float32") for _ in weights]
    if version.endswith("Theano"):
        names = [f"param_{place}" for place in range(len(arrays))]
    elif version == "1.2.2":
        names = ["Variable:0", *(f"Variable_{place}:0" for place in range(1, len(arrays)))]
    elif version in ("2.2.4-tf", "2.6.0"):
        paths = [f"{name}/{layer}/{weight}" for layer in ("one", "two") for weight in ("kernel", "bias")]
        names = [f"{name}/iter:0", *(f"{path}/{slot}:0" for slot in slots for path in paths)]
    else:
        stem = "accumulator" if version == "2.3.1" else "Variable"
        names = [f"{name}/iterations:0"] if counted else []
        names += [f"training/{name}/{stem}_{place}:0" for place in range(len(arrays) - len(names))]
    return dict(zip(names, arrays, strict=True)), COUNT if counted else 0, kinds


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", STATES)
def test_training_goes_on_from_the_state(name, version, tmp_path):
    options, attributes, slots = STATES[name]
    written = dense_stack(version.split(" ")[0])
    written.backend = "theano" if version.endswith("Theano") else "tensorflow"
    written.state, count, kinds = state_of(version, name, slots, written.twin.get_weights())
    rate = "learning_rate" if version in ("2.3.1", "2.2.4-tf", "2.6.0") else "lr"
    config = {rate: 0.02, "decay": 0.1, "epsilon": 1e-6, **options}
    if name == "SGD":
        del config["epsilon"]
    if name == "Nadam":
        config["schedule_decay"] = 0.004
        del config["decay"]
    written.training = {"optimizer_config": {"class_name": name, "config": config}, "loss": "mse", "metrics": []}
    written.write(tmp_path / "model.h5")
    ours = keras.models.load_model(tmp_path / "model.h5")

    today = {key: value for key, value in config.items() if key not in (rate, "decay", "schedule_decay")}
    today["learning_rate"] = 0.02
    if "decay" in config:
        today["learning_rate"] = reference.optimizers.schedules.InverseTimeDecay(0.02, 1, 0.1)
    theirs = in_keras(written.twin)
    theirs.compile(getattr(reference.optimizers, name)(**today), "mse")
    optimizer = theirs.optimizer
    optimizer.build(theirs.trainable_variables)
    optimizer.iterations.assign(count)
    for attribute, kind in zip(attributes, kinds, strict=True):
        for variable, array in zip(getattr(optimizer, attribute), kind, strict=True):
            variable.assign(array)
    if name == "Nadam":
        shares = [0.8 * (1 - 0.5 * 0.96**step) for step in range(1, COUNT + 1)]
        optimizer._u_product.assign(np.prod(shares))
    y = 0.5 * draw(5, 1)
    wanted = losses(theirs, written.x, y)
    np.testing.assert_allclose(losses(ours, written.x, y), wanted, 1e-5, 1e-6)
    assert int(ours.optimizer.iterations) == count + STEPS
    fresh = keras.models.load_model(tmp_path / "model.h5", compile=False)
    fresh.compile(type(ours.optimizer).from_config(ours.optimizer.get_config()), "mse")
    assert not np.allclose(losses(fresh, written.x, y), wanted, 1e-4)  # the state matters
