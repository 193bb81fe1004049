"""Configs that name what they may not, or ask for too much: through files and through every door for bare configs."""

import copy
import json
import os
import threading
import time
import zipfile

import numpy as np
import pytest
import torch

import torchkeras as keras
from tests.saving.harness import small_model
from torchkeras import layers
from torchkeras.core import function_code, registry, scopes
from torchkeras.errors import CorruptFileError, ResourceLimitError, UnsafeFileError
from torchkeras.models.functional_config import RUN_FUNCTIONS
from torchkeras.saving import guards

U, R, C = UnsafeFileError, ResourceLimitError, CorruptFileError
REFUSED = (ValueError, TypeError)


def described(name, config=None, module="keras.layers", /, **more):
    return {"module": module, "class_name": name, "config": config or {}, "registered_name": None, **more}


def function(name, module="builtins"):
    return {"module": module, "class_name": "function", "config": name, "registered_name": "function"}


def code_of(place):
    """A lambda whose code writes the marker, as Keras describes it."""
    marker = os.fspath(place.marker)
    return function_code.described_in_layer(eval(f"lambda x: open({marker!r}, 'w') and x"))


def sequential(*entries, **more):
    start = described("InputLayer", {"batch_shape": [None, 4], "dtype": "float32", "name": "start"})
    return described("Sequential", {"name": "s", "layers": [start, *entries]}, "keras", **more)


def keras_file(place, config):
    """A `.keras` file with this config, and weights of a small model."""
    path = place.own / "m.keras"
    small_model().save(path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    text = config if isinstance(config, (str, bytes)) else json.dumps(config)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, text if name == "config.json" else content)
    return path


def h5_file(place, config):
    """A whole model in the format of Keras 2 with this config."""
    import h5py

    path = place.own / "m.h5"
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(config)
        new = '"module"' in file.attrs["model_config"]
        file.attrs["keras_version"] = "3.15.1" if new else "2.15.0"
        file.create_group("model_weights").attrs["layer_names"] = []
    return path


def _without_model(config):
    """The first layer behind the input, for doors that take layers."""
    return config["config"]["layers"][1]


DOORS = {
    "keras": lambda place, config: keras.models.load_model(keras_file(place, config)),
    "h5": lambda place, config: keras.models.load_model(h5_file(place, config)),
    "json": lambda place, config: keras.models.model_from_json(json.dumps(config)),
    "from_config": lambda place, config: keras.Sequential.from_config(config["config"]),
    "layers.deserialize": lambda place, config: layers.deserialize(_without_model(config)),
    "deserialize": lambda place, config: keras.saving.deserialize_keras_object(config),
    "list": lambda place, config: keras.Sequential.from_config(config["config"]["layers"]),
}


def refused_everywhere(place, entry, types, doors=DOORS):
    for name in doors:
        text = place.refused(DOORS[name], place, copy.deepcopy(sequential(entry)), types=types)
        assert text is not None, name


# -- code -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("slot", ["function", "output_shape", "mask"])
def test_code_of_lambdas(place, slot):
    config = {"name": "l", "function": function("relu"), "arguments": {}, slot: code_of(place)}
    refused_everywhere(place, described("Lambda", config), U)
    without_module = {"class_name": "Lambda", "config": config}
    refused_everywhere(place, without_module, U)
    place.refused(layers.Lambda.from_config, config, types=U)


def test_code_in_the_form_of_keras_2(place):
    code = code_of(place)["config"]
    old = {"name": "l", "function": [code["code"], None, None], "function_type": "lambda"}
    start = {"class_name": "InputLayer", "config": {"batch_input_shape": [None, 4], "name": "start"}}
    config = {"name": "s", "layers": [start, {"class_name": "Lambda", "config": old}]}
    config = {"class_name": "Sequential", "config": config}
    for door in ("keras", "h5", "json", "from_config", "deserialize"):
        place.refused(DOORS[door], place, copy.deepcopy(config), types=U)


@pytest.mark.parametrize("slot", ["activation", "kernel_initializer", "kernel_regularizer", "bias_constraint", "units"])
def test_code_in_other_slots(place, slot):
    refused_everywhere(place, described("Dense", {"units": 2, slot: code_of(place)}), REFUSED)


def test_code_in_compile_arguments_and_calls(place):
    for key in ("loss", "optimizer", "metrics"):
        place.refused(DOORS["keras"], place, sequential(compile_config={key: code_of(place)}), types=REFUSED)
    dense = described("Dense", {"units": 2}, name="d", inbound_nodes=[{"args": [code_of(place)], "kwargs": {}}])
    place.refused(DOORS["keras"], place, functional(dense), types=REFUSED)


def test_the_switch_is_out_of_reach(place):
    for name in ("enable_unsafe_deserialization", "keras.config.enable_unsafe_deserialization", "set_floatx"):
        for module in ("keras.config", "keras.src.config", "builtins", None):
            refused_everywhere(place, described("Lambda", {"function": function(name, module)}), REFUSED)
            refused_everywhere(place, described(name, {}, module), REFUSED)
    assert not scopes.state.unsafe_unless_told


def test_an_explicit_true_wins_in_every_thread(place):
    config, outcomes = sequential(described("Lambda", {"function": code_of(place)})), []
    path = keras_file(place, config)

    def read():
        keras.config.enable_unsafe_deserialization()
        for mode in (True, None):
            try:
                keras.models.load_model(path, **({} if mode is None else {"safe_mode": mode}))
            except ValueError as error:
                outcomes.append(type(error))

    thread = threading.Thread(target=read)
    thread.start()
    thread.join()
    assert outcomes == [U, U]  # load_model says True where the user says nothing
    place.refused(DOORS["deserialize"], place, config, types=U)  # the other thread's setting is its own


def test_clones_run_no_code_either(place):
    model = keras.Sequential([keras.Input((4,)), layers.Dense(2)])
    config = model.get_config()
    config["layers"].append(described("Lambda", {"function": code_of(place)}))
    place.refused(keras.Sequential.from_config, config, types=U)
    own = keras.Sequential([keras.Input((4,)), layers.Lambda(lambda x: x)])
    place.refused(keras.models.clone_model, own, types=U)  # as in Keras


# -- names ------------------------------------------------------------------------------------------------------------

STRANGERS = [
    ("os", "system"),
    ("os", "getcwd"),
    ("builtins", "eval"),
    ("builtins", "exec"),
    ("builtins", "open"),
    ("subprocess", "Popen"),
    ("planted_module", "run"),
    ("planted_module", "Dense"),
    ("torch", "load"),
    ("torch.nn", "Linear"),
    ("torchkeras.saving.guards", "Budget"),
    ("torchkeras.core.scopes", "state"),
    ("keras.utils", "get_file"),
    ("keras.src.utils.file_utils", "get_file"),
    ("keras.datasets.mnist", "load_data"),
    ("keras.config", "set_floatx"),
    ("keras.utils", "pad_sequences"),
    ("keras_hub.models", "Backbone"),
    ("keras_cv.layers", "Augmenter"),
    ("tensorflow.python.framework", "load_library"),
]


@pytest.mark.parametrize(("module", "name"), STRANGERS)
def test_names_of_strangers(place, module, name):
    """As a layer, under every key that could name it, and as the function of a Lambda or an activation."""
    for registered in (None, name, f"{module}.{name}", f"{module}>{name}"):
        entry = described(name, {"args": ["touch marker"]}, module, registered_name=registered)
        refused_everywhere(place, entry, REFUSED, ("keras", "from_config", "layers.deserialize", "h5"))
    for told in (name, f"{module}.{name}", f"{module}>{name}"):
        entry = described("Lambda", {"function": function(told, module)})
        refused_everywhere(place, entry, REFUSED, ("keras", "from_config", "h5"))
        for slot in ("activation", "kernel_initializer", "kernel_regularizer", "kernel_constraint"):
            refused_everywhere(place, described("Dense", {"units": 2, slot: told}), REFUSED, ("from_config",))
            entry = described("Dense", {"units": 2, slot: function(told, module)})
            refused_everywhere(place, entry, REFUSED, ("from_config",))
    for key in ("loss", "optimizer"):
        config = sequential(compile_config={key: function(name, module), "optimizer": "adam"} | {key: name})
        place.refused(DOORS["deserialize"], place, config, types=REFUSED)


WRONG_KINDS = {
    "activation": ["Adam", "glorot_uniform", "L2", "MeanMetricWrapper", "mean_squared_error", "Cond", "SeedGenerator"],
    "kernel_initializer": ["relu", "Adam", "L2", "Dense", "mean_squared_error", "Sequential"],
    "kernel_regularizer": ["relu", "Adam", "GlorotUniform", "Dense", "Sequential", "NonNeg"],
    "kernel_constraint": ["relu", "Adam", "GlorotUniform", "Dense", "L2"],
}


@pytest.mark.parametrize("slot", WRONG_KINDS)
def test_each_slot_takes_its_own_kind(place, slot):
    for name in WRONG_KINDS[slot]:
        for value in (described(name, {}, "keras"), function(name), described(name, None, None)):
            refused_everywhere(place, described("Dense", {"units": 2, slot: value}), REFUSED, ("from_config", "keras"))


def test_nested_layers_are_layers(place):
    for name in ("Adam", "relu", "L2", "Mean", "MeanSquaredError", "DTypePolicy"):
        inner = described(name, {"name": "x"}, "keras")
        for outer in ("TimeDistributed", "Bidirectional", "RNN", "SpectralNormalization"):
            key = "cell" if outer == "RNN" else "layer"
            refused_everywhere(place, described(outer, {key: inner}), REFUSED, ("from_config", "layers.deserialize"))


def test_functions_that_a_file_may_name_only_compute():
    """What has another effect than its result is published under no kind that a slot takes."""
    rooms = {
        target.__module__.split(".")[1]
        for entries in registry._by_name.values()
        for target in (entry.target for entry in entries)
        if not isinstance(target, type)
    }
    assert rooms <= {"activations", "losses", "metrics", "ops", "keras2"}


def test_spoofed_registered_names(place):
    for name in ("keras>Dense", "Custom>os", "builtins>eval", "keras.layers>Lambda", "../x", ""):
        entry = described("system", {}, "os", registered_name=name)
        refused_everywhere(place, entry, REFUSED, ("keras", "from_config", "layers.deserialize"))
    for odd in ([], {}, 3, ["Dense"], True):
        for key in ("registered_name", "module", "class_name"):
            refused_everywhere(place, {**described("Dense", {"units": 2}), key: odd}, REFUSED, ("keras", "deserialize"))


@pytest.mark.parametrize("config", [[], "text", 3, True, [["units", 2]]])
def test_configs_that_are_no_dicts(place, config):
    refused_everywhere(place, {**described("Dense"), "config": config}, TypeError, ("layers.deserialize", "keras"))


# -- layers and operations with a danger of their own -----------------------------------------------------------------

# Layers that read what a config names, with the config that does it. Those that are not there are unknown classes.
DANGEROUS = {
    "TFSMLayer": {"filepath": "/tmp/model", "call_endpoint": "serve"},
    "TorchModuleWrapper": {"module": "gASVKAAAAAAAAACMBXBvc2l4lIwGc3lzdGVtlJOU"},
    "JaxLayer": {"call_fn": "os.system"},
    "FlaxLayer": {"module": "os"},
    "StringLookup": {"vocabulary": "/etc/passwd"},
    "IntegerLookup": {"vocabulary": "file:///etc/passwd"},
    "TextVectorization": {"vocabulary": "gs://bucket/words.txt"},
}


@pytest.mark.parametrize("name", DANGEROUS)
def test_layers_that_reach_out(place, name):
    refused_everywhere(place, described(name, DANGEROUS[name]), REFUSED)
    without_module = {"class_name": name, "config": DANGEROUS[name]}
    refused_everywhere(place, without_module, REFUSED, ("from_config", "layers.deserialize"))
    if name in ("StringLookup", "IntegerLookup", "TextVectorization") and hasattr(layers, name):
        refused_everywhere(place, described(name, {"vocabulary": os.fspath(place.canary)}), U)


def functional(*entries, output=None, start=(None, 4)):
    begin = described("InputLayer", {"batch_shape": list(start), "name": "start"}, name="start", inbound_nodes=[])
    output = output or [entries[-1]["name"] if entries else "start", 0, 0]
    return described(
        "Functional",
        {"name": "f", "layers": [begin, *entries], "input_layers": [["start", 0, 0]], "output_layers": [output]},
        "keras.src.models.functional",
    )


def tensor(name, node=0, index=0):
    return {
        "class_name": "__keras_tensor__",
        "config": {"shape": [], "dtype": "f", "keras_history": [name, node, index]},
    }


def operation(name, config, args, room="core", **kwargs):
    return described(
        name,
        {"name": "op", **config},
        f"keras.src.ops.{room}",
        name="op",
        inbound_nodes=[{"args": args, "kwargs": kwargs}],
    )


def test_operations_that_run_functions(place):
    named = function("relu")
    for name in RUN_FUNCTIONS:
        config = functional(operation(name, {"function": named}, [named, tensor("start")]))
        place.refused(DOORS["keras"], place, config, types=U)
        place.refused(keras.Model.from_config, config["config"], types=U)
    path = keras_file(place, functional(operation("Map", {}, [named, tensor("start")])))
    try:
        keras.models.load_model(path, safe_mode=False)
    except ValueError as error:
        assert not isinstance(error, U)  # only the weights of the file do not fit


def test_every_operation_that_takes_a_function_is_known():
    import inspect

    takers = set()
    for entry in registry._by_object.values():
        if entry.kind == "operation":
            names = set(inspect.signature(entry.target.compute).parameters)
            if names & {"f", "function", "body", "body_fun", "true_fn", "branches", "pyfunc", "fn", "call_fn"}:
                takers.add(entry.name)
    assert takers == RUN_FUNCTIONS


def test_nothing_is_computed_while_a_graph_is_wired(place):
    """An operation without a tensor of the graph would run at once, as large as its arguments say."""
    for name, config, args, room in [
        ("Zeros", {"shape": [10**5, 10**6]}, [], "numpy"),
        ("Tile", {"repeats": [10**9, 10]}, [[1.0]], "numpy"),
        ("Repeat", {"repeats": 10**11}, [[1.0]], "numpy"),
        ("Arange", {}, [10**11], "numpy"),
        ("OneHot", {"num_classes": 10**11}, [[1]], "nn"),
    ]:
        config = functional(operation(name, config, args, room))
        place.refused(DOORS["keras"], place, config, types=ValueError)


# -- too much ---------------------------------------------------------------------------------------------------------


def quickly(place, door, config, types=ValueError, seconds=5, mib=300):
    start = time.perf_counter()
    error = place.refused(DOORS[door], place, config, types=types, mib=mib)
    assert time.perf_counter() - start < seconds
    return error


@pytest.mark.parametrize(
    "entry",
    [
        described("Dense", {"units": 10**9}),
        described("Dense", {"units": 10**18}),
        described("Dense", {"units": 10**400}),
        described("Embedding", {"input_dim": 10**9, "output_dim": 10**6}),
        described("Dense", {"units": 2, "kernel_initializer": described("Orthogonal", {}, "keras.initializers")}),
        described("MelSpectrogram", {"num_mel_bins": 10**9}),
        described("Reshape", {"target_shape": [10**12, 4]}),
        described("Dense", {"units": 2, "dtype": "V50000000"}),
    ],
    ids=str,
)
def test_sizes_that_the_weights_do_not_have(place, entry):
    quickly(place, "keras", sequential(entry))


@pytest.mark.parametrize(
    "metric",
    [
        described("AUC", {"num_thresholds": 10**8}, "keras.metrics"),
        described("SensitivityAtSpecificity", {"specificity": 0.5, "num_thresholds": 10**9}, "keras.metrics"),
        described("MeanIoU", {"num_classes": 10**5}, "keras.metrics"),
        described("MeanIoU", {"num_classes": 10**9}, "keras.metrics"),
    ],
    ids=str,
)
def test_sizes_of_metrics(place, metric):
    model = small_model()
    path = place.own / "m.keras"
    model.save(path)
    config = json.loads(zipfile.ZipFile(path).read("config.json"))
    config["compile_config"]["metrics"] = [metric]
    quickly(place, "keras", config, R)


def test_parts_of_unstack(place):
    for start in ((None, 4), (None, None)):
        config = functional(operation("Unstack", {"num": 10**9, "axis": 1}, [tensor("start")]), start=start)
        quickly(place, "keras", config)


@pytest.mark.parametrize(
    "dtype", ["V50000000", "O", "U99999999", "datetime64", "object", "f4,f4", [["a", "f4"]], None, 3]
)
def test_dtypes_of_arrays(place, dtype):
    for name in ("__numpy__", "__tensor__"):
        value = {"class_name": name, "config": {"value": [1, 2], "dtype": dtype}}
        for door in ("deserialize", "keras"):
            config = sequential(described("Dense", {"units": value}))
            quickly(place, door, config, REFUSED)


def test_a_million_layers(place):
    text = ",".join(['{"class_name":"A","config":{}}'] * 10**6)
    text = '{"class_name":"Sequential","config":{"layers":[' + text + "]}}"
    quickly(place, "keras", text, R, mib=1200)


def test_graphs_in_any_order_and_in_circles(place):
    def node(number, before):
        return described(
            "Activation",
            {"name": f"a{number}", "activation": "relu"},
            name=f"a{number}",
            inbound_nodes=[{"args": [tensor(before)], "kwargs": {}}],
        )

    chain = [node(number, f"a{number - 1}" if number else "start") for number in range(300)]
    backwards = functional(*reversed(chain), output=["a299", 0, 0])
    assert keras.Model.from_config(backwards["config"]).output_shape == (None, 4)
    for entries in ([node(0, "a1"), node(1, "a0")], [node(0, "a0")], [node(0, "nobody")], [chain[0], chain[0]]):
        quickly(place, "keras", functional(*entries))
    for history in (
        ["start"],
        ["start", 5, 0],
        ["start", 0, 7],
        [[], 0, 0],
        ["start", -1, 0],
        ["start", "0", 0],
        None,
        3,
    ):
        entry = node(0, "start")
        entry["inbound_nodes"][0]["args"][0]["config"]["keras_history"] = history
        quickly(place, "keras", functional(entry), ValueError)


def test_objects_that_hold_themselves(place):
    inner = described("TimeDistributed", {"layer": None}, shared_object_id=1)
    entry = described("TimeDistributed", {"layer": described("TimeDistributed", inner, shared_object_id=1)})
    quickly(place, "keras", sequential(entry, described("Dense", {"units": 2}, shared_object_id=1)))
    itself = described("Sequential", {"name": "s", "layers": []}, "keras")
    itself["config"]["layers"].append(itself)
    for read in (keras.saving.deserialize_keras_object, lambda config: keras.Sequential.from_config(config["config"])):
        with place.unharmed(), pytest.raises((ValueError, RecursionError)):
            read(itself)


def test_deep_configs(place):
    for opening, closing in (('{"class_name":"TimeDistributed","config":{"layer":', "}}"), ("[", "]"), ('{"a":', "}")):
        text = opening * 900 + "1" + closing * 900
        quickly(place, "keras", '{"class_name":"Sequential","config":' + text + "}", C)
    model = keras.Sequential([keras.Input((4,)), layers.Dense(1)])
    config = keras.saving.serialize_keras_object(model)
    for _ in range(300):
        config = described("Sequential", {"name": "s", "layers": [config]}, "keras")
    for read in (keras.saving.deserialize_keras_object, keras.models.model_from_json):
        with place.unharmed(), pytest.raises((ValueError, RecursionError)):
            read(config if read is keras.saving.deserialize_keras_object else json.dumps(config))


# -- JSON -------------------------------------------------------------------------------------------------------------

BAD_JSON = {
    "no UTF-8": b'{"class_name": "\xff\xfe"}',
    "UTF-16": '{"class_name": "Dense"}'.encode("utf-16"),
    "a key twice": b'{"class_name": "Dense", "class_name": "Lambda", "config": {}}',
    "a key twice inside": b'{"class_name": "Dense", "config": {"units": 1, "units": 2}}',
    "many digits": b'{"class_name": "Dense", "config": ' + b"9" * 5000 + b"}",
    "200,000 brackets": b"[" * 200_000,
    "200,000 pairs": b"[" * 200_000 + b"]" * 200_000,
    "900 deep": b'{"a":' * 900 + b"1" + b"}" * 900,
    "brackets that do not match": b'{"class_name": [}',
    "nothing": b"",
    "a number": b"3",
    "a list": b"[]",
    "null": b"null",
    "no class": b"{}",
    "Python": b"{'class_name': 'Dense'}",
    "a comment": b'{"class_name": "Dense" /* */}',
    "a surrogate as a class": b'{"class_name": "\\ud800", "config": {}}',
    "NaN as a class": b'{"class_name": NaN, "config": Infinity}',
}


@pytest.mark.parametrize("case", BAD_JSON)
def test_json(place, case):
    types = ValueError if case == "a surrogate as a class" else C
    assert "m.keras" in str(quickly(place, "keras", BAD_JSON[case], types)) or types is ValueError
    place.refused(keras.models.model_from_json, BAD_JSON[case].decode("latin-1"), types=ValueError)


def test_infinities_are_numbers_of_configs(tmp_path):
    """Keras writes them as `Infinity` and `NaN`: a graph that fills with minus infinity is an ordinary one."""
    inputs = keras.Input((4,))
    model = keras.Model(inputs, keras.ops.where(inputs > 0, inputs, float("-inf")))
    model.save(tmp_path / "m.keras")
    assert keras.models.load_model(tmp_path / "m.keras")(torch.zeros(1, 4)).max() == float("-inf")


def test_depth_is_found_whatever_the_texts_hold():
    rng = np.random.default_rng(0)

    def depth(value):
        items = value.values() if isinstance(value, dict) else value
        return 1 + max(map(depth, items), default=0) if isinstance(value, (dict, list)) else 0

    def made(most):
        if not most or rng.random() < 0.2:
            return ['a"]\\', '\\\\"[', "", "{", 1, None, '"'][rng.integers(7)]
        if rng.random() < 0.5:
            return [made(most - 1) for _ in range(rng.integers(3))]
        return {f'{number}"\\[{{': made(most - 1) for number in range(rng.integers(3))}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(guards, "MAX_DEPTH", 5)
        for _ in range(1500):
            value = made(rng.integers(9))
            text = json.dumps(value)
            if depth(value) <= 5:
                assert guards.read_json(text) == value
            else:
                with pytest.raises(C, match="deep"):
                    guards.read_json(text)


def test_a_large_config_is_read_fast():
    entry = json.dumps(described("Dense", {"name": 'quote " [ \\', "units": 3, "k": {"a": [1, [2]]}}))
    text = "[" + ",".join([entry] * 15_000) + "]"
    times = {}
    for name, read in (("plain", json.loads), ("ours", guards.read_json)):
        times[name] = []
        for _ in range(3):
            start = time.process_time()
            read(text)
            times[name].append(time.process_time() - start)
    assert min(times["ours"]) < 8 * min(times["plain"])
