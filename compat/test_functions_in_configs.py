"""Every published function in every place of a config that takes functions: written as Keras writes it, and read back.

The manifest drives it: a function published later is covered without a new test.
"""

import keras as real
import numpy as np
import pytest

import torchkeras as ours
from compat import names

_NO_MEMBERS = {"get", "serialize", "deserialize"}


def functions_of(module):
    """The names of the functions that `keras.module` publishes and we have."""
    found = [name for name, entry in names.manifest().items() if entry["kind"] == "function"]
    found = [name for name in found if name.rpartition(".")[0] == f"keras.{module}" and names.find(name) is not None]
    return sorted({name.rpartition(".")[2] for name in found} - _NO_MEMBERS)


def compiled(keras, **arguments):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    model.compile(**{"optimizer": "sgd", "loss": "mse", **arguments})
    return model


def recompiled(keras, config):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    model.compile_from_config(config)
    return model


def layer(name, *arguments, **options):
    """How a function goes into a layer's config: make, describe, read back."""

    def make(keras, function):
        return getattr(keras.layers, name)(*arguments, **dict.fromkeys(options["slots"], function))

    def read(keras, config):
        return getattr(keras.layers, name).from_config(config)

    return (
        make,
        lambda made: {key: made.get_config()[key] for key in options["slots"]},
        read,
        lambda made: made.get_config(),
    )


def compiling(slot, wrap=lambda function: function):
    """How a function goes into the arguments of `compile`."""
    return (
        lambda keras, function: compiled(keras, **{slot: wrap(function)}),
        lambda made: made.get_compile_config()[slot],
        recompiled,
        lambda made: made.get_compile_config(),
    )


def wrapping(metric):
    """How a function goes into the metric that wraps one."""
    return (
        lambda keras, function: getattr(keras.metrics, metric)(function, name="wrapped"),
        lambda made: made.get_config()["fn"],
        lambda keras, config: getattr(keras.metrics, metric).from_config(config),
        lambda made: made.get_config(),
    )


METRIC_SLOTS = {
    "metrics": compiling("metrics", lambda function: [function]),
    "nested metrics": compiling("metrics", lambda function: [[function, "mae"]]),
    "metrics by output": compiling("metrics", lambda function: {"dense": function}),
    "weighted metrics": compiling("weighted_metrics", lambda function: [function]),
    "MeanMetricWrapper": wrapping("MeanMetricWrapper"),
}
LOSS_SLOTS = {
    "loss": compiling("loss"),
    "losses": compiling("loss", lambda function: [function]),
    "loss by output": compiling("loss", lambda function: {"dense": function}),
}
ACTIVATION_SLOTS = {
    "Dense": layer("Dense", 2, slots=["activation"]),
    "Activation": layer("Activation", slots=["activation"]),
    "Conv1D": layer("Conv1D", 2, 3, slots=["activation"]),
    "LSTM": layer("LSTM", 2, slots=["activation", "recurrent_activation"]),
    "GRUCell": layer("GRUCell", 2, slots=["activation", "recurrent_activation"]),
}
CASES = [
    (module, name, slot)
    for module, slots in (
        ("activations", ACTIVATION_SLOTS),
        ("losses", LOSS_SLOTS | METRIC_SLOTS),
        ("metrics", LOSS_SLOTS | METRIC_SLOTS),
    )
    for name in functions_of(module)
    for slot in slots
]
SLOTS = ACTIVATION_SLOTS | LOSS_SLOTS | METRIC_SLOTS


def unnumbered(config):
    """A config without the automatic names, which count on in each made object."""
    if isinstance(config, dict):
        return {key: unnumbered(value) for key, value in config.items() if key != "name"}
    return [unnumbered(value) for value in config] if isinstance(config, (list, tuple)) else config


@pytest.mark.parametrize(("module", "name", "slot"), CASES)
def test_a_published_function_survives(module, name, slot):
    make, shown, read, whole = SLOTS[slot]
    made = [make(library, getattr(getattr(library, module), name)) for library in (ours, real)]
    assert shown(made[0]) == shown(made[1])
    again = read(ours, whole(made[0]))
    assert unnumbered(whole(again)) == unnumbered(whole(made[0]))


def twice(x, *more, **options):
    return x


OWN_SLOTS = {
    "initializer": layer("Dense", 2, slots=["kernel_initializer", "bias_initializer"]),
    "regularizer": layer("Dense", 2, slots=["kernel_regularizer", "bias_regularizer"]),
    "constraint": layer("Dense", 2, slots=["kernel_constraint", "bias_constraint"]),
}


@pytest.mark.parametrize("slot", [*SLOTS, *OWN_SLOTS])
def test_a_function_of_the_users_survives_where_its_name_is_known(slot):
    make, shown, read, whole = (SLOTS | OWN_SLOTS)[slot]
    made = [make(library, twice) for library in (ours, real)]
    assert shown(made[0]) == shown(made[1])
    with ours.saving.custom_object_scope({"twice": twice}):
        again = read(ours, whole(made[0]))
    assert unnumbered(whole(again)) == unnumbered(whole(made[0]))
    with pytest.raises(ValueError, match="twice"):
        read(ours, whole(made[0]))


def test_a_metric_function_trains_alike_after_the_round_trip():
    x, y = np.ones((4, 2), "float32"), np.eye(2, dtype="float32")[[0, 1, 0, 1]]
    model = compiled(ours, loss=ours.losses.mae, metrics=[ours.metrics.categorical_accuracy])
    again = ours.models.model_from_json(model.to_json())
    again.set_weights(model.get_weights())
    assert model.evaluate(x, y, verbose=0, return_dict=True) == again.evaluate(x, y, verbose=0, return_dict=True)
