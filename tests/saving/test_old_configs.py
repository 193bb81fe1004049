"""Configs of older Keras: what is recognized, what is refused in words, what stays as it is."""

import base64
import inspect
import json
import marshal
import sys

import numpy as np
import pytest
import torch

import torchkeras as keras
from torchkeras import layers
from torchkeras.core import scopes
from torchkeras.errors import UnsafeFileError
from torchkeras.saving import old_graphs, old_names, tf_functions, tf_nodes


def sequential(*entries, version="2.4.0", **more):
    """A text of tf.keras 2 for a Sequential of these `(class, config)` with an input of two numbers."""
    listed = [
        {"class_name": name, "config": {"name": f"layer_{place}", **config}}
        for place, (name, config) in enumerate(entries)
    ]
    listed[0]["config"].setdefault("batch_input_shape", [None, 2])
    return {"class_name": "Sequential", "config": {"name": "s", "layers": listed}, "keras_version": version, **more}


def graph(*entries, outputs):
    """The config of an old functional model with the input `x` of 3 by 2 numbers."""
    first = {
        "class_name": "InputLayer",
        "config": {"batch_input_shape": [None, 3, 2], "name": "x"},
        "name": "x",
        "inbound_nodes": [],
    }
    ends = {"input_layers": [["x", 0, 0]], "output_layers": outputs}
    return {
        "class_name": "Functional",
        "config": {"name": "g", "layers": [first, *entries], **ends},
        "keras_version": "2.4.0",
    }


def function(name, *nodes, label="f", class_name="TFOpLambda"):
    return {
        "class_name": class_name,
        "config": {"name": label, "function": name},
        "name": label,
        "inbound_nodes": list(nodes),
    }


def loaded(config, **options):
    return keras.models.model_from_json(json.dumps(config), **options)


# -- what is old ------------------------------------------------------------------------------------------------------


def some_models():
    inputs = keras.Input((4,), dtype="int32")
    x = layers.LSTM(2)(layers.Embedding(5, 3, mask_zero=True)(inputs))
    yield keras.Model(inputs, layers.Dense(1, activation="hard_sigmoid")(x * 2.0))
    yield keras.Sequential([keras.Input((3,)), layers.Dense(2)])
    yield keras.Sequential([layers.Dense(2)])


@pytest.mark.parametrize("model", some_models())
def test_configs_of_keras_3_come_back_as_they_are(model):
    described = json.loads(model.to_json())
    assert old_names.modernized(described) is described
    assert old_names.modernized(described["config"]) is described["config"]
    assert old_names.modernized(described, "3.0.0") is described


@pytest.mark.parametrize(
    "version, old", [("1.2.2", True), ("2.2.4-tf", True), ("2.15.0", True), ("3.0.0", False), ("3.15.1", False)]
)
def test_versions_decide_where_they_are_known(version, old):
    assert old_names.is_old({"class_name": "Sequential", "config": {"layers": []}}, version) is old


def test_reading_leaves_the_config_alone():
    config = sequential(
        ("Dense", {"output_dim": 3, "W_regularizer": {"name": "L1L2Regularizer", "l1": 0.1, "l2": 0.0}})
    )
    before = json.dumps(config)
    keras.models.model_from_json(before)
    keras.Sequential.from_config(config["config"])
    assert json.dumps(config) == before


# -- words for what is gone -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(old_names.GONE))
def test_layers_without_successor_say_so(name):
    with pytest.raises(ValueError, match=f"{name!r}.*{old_names.GONE[name][:20]}"):
        loaded(sequential(("Dense", {"units": 2}), (name, {})))


def test_a_class_of_the_user_may_have_such_a_name():
    class Highway(layers.Layer):
        def call(self, x):
            return x + 1

    model = loaded(sequential(("Dense", {"units": 2}), ("Highway", {})), custom_objects={"Highway": Highway})
    assert type(model.layers[1]) is Highway


@pytest.mark.parametrize(
    "entry, words",
    [
        (function("strings.lower", ["x", 0, 0, {}]), r"tf\.strings\.lower"),
        (
            function("image.resize", ["x", 0, 0, {"size": [2, 2], "preserve_aspect_ratio": True}]),
            "preserve_aspect_ratio",
        ),
        (
            function("math.add", ["x", 0, 0, {"y": 1.0, "extra": 2}]),
            r"tf\.math\.add with the arguments \['extra', 'y'\]",
        ),
        (function("ragged.stack", ["x", 0, 0, {}], class_name="ClassMethod"), "a class method of TensorFlow's"),
        (
            function("shape", ["x", 0, 0, {}], class_name="InstanceProperty"),
            "the property of a TensorFlow tensor shape",
        ),
        (
            function("to_list", ["x", 0, 0, {}], class_name="InstanceMethod"),
            "the method of a TensorFlow tensor to_list",
        ),
    ],
)
def test_functions_without_counterpart_name_themselves(entry, words):
    with pytest.raises(ValueError, match=words) as caught:
        loaded(graph(entry, outputs=[["f", 0, 0]]))
    assert "'f'" in str(caught.value) and "keras.ops" in str(caught.value)


def test_nodes_without_counterpart_name_themselves():
    node = {"name": "n", "node_def": {"op": "Bessel", "attr": {}}, "constants": {}}
    entry = {"class_name": "TensorFlowOpLayer", "config": node, "name": "n", "inbound_nodes": [[["x", 0, 0, {}]]]}
    with pytest.raises(ValueError, match="TensorFlow's Bessel"):
        loaded(graph(entry, outputs=[["n", 0, 0]]))


# -- functions of TensorFlow ------------------------------------------------------------------------------------------

# What calls of a function need besides the first tensor.
_X = ["x", 0, 0]
NEEDED = {"x": _X, "y": _X, "b": _X, "dtype": "int32", "alpha": 0.3, "depth": 3, "shape": [-1, 6], "axis": 1}
NEEDED |= {
    "repeats": 2,
    "multiples": [1, 2, 1],
    "num_or_size_splits": 1,
    "paddings": [[0, 0], [1, 1], [0, 0]],
    "indices": [0, 1],
}
NEEDED |= {"clip_value_min": 0.0, "clip_value_max": 1.0, "bias": [1.0, 2.0], "axes": [[1, 2], [1, 2]], "shift": 1}
NEEDED |= {"slice_spec": {"start": 1, "stop": None, "step": None}, "ksize": 1, "block_size": 2, "size": [2, 2]}
BY_NAME = {"matmul": {"transpose_b": True}, "squeeze": {"axis": None}, "where": {"x": ["x", 0, 0], "y": ["x", 0, 0]}}
BY_NAME |= {"broadcast_to": {"shape": [2, 3, 2]}, "expand_dims": {"axis": 1}}
# Of whole numbers, of conditions, of images.
TYPES = {
    "one_hot": "int32",
    "logical_not": "bool",
    "logical_and": "bool",
    "logical_or": "bool",
    "logical_xor": "bool",
    "where": "bool",
}
TYPES |= {"reduce_any": "bool", "reduce_all": "bool"}
IMAGES = ("resize", "flip_left_right", "flip_up_down", "depth_to_space", "space_to_depth", "max_pool", "avg_pool")


@pytest.mark.parametrize("name", sorted(tf_functions.FUNCTIONS))
def test_every_function_becomes_operations_that_run(name):
    make = tf_functions.FUNCTIONS[name]
    parameters = list(inspect.signature(make).parameters.values())[2:]
    kwargs = {
        each.name: NEEDED.get(each.name)
        for each in parameters
        if each.default is each.empty and each.kind == each.POSITIONAL_OR_KEYWORD
    }
    kwargs |= BY_NAME.get(name, {})
    several = name in ("concat", "concatenate", "stack", "add_n", "accumulate_n")
    node = ["x", 0, 0, kwargs]
    config = graph(function(name, [node, node] if several else node), outputs=[["f", 0, 0]])
    first = config["config"]["layers"][0]["config"]
    first["dtype"] = TYPES.get(name, "float32")
    shape = [2, 3, 2]
    if name in IMAGES or name[-2:] in ("1d", "2d", "3d"):
        shape = [2, *[2] * {"1d": 1, "3d": 3}.get(name[-2:], 2), 4]
    first["batch_input_shape"] = shape
    model = loaded(config)
    result = model(torch.rand(shape).to(getattr(torch, first["dtype"])))
    found = result if isinstance(result, (list, tuple)) else [result]
    assert [each.shape for each in found] == [tuple(each.shape) for each in model.outputs]
    again = keras.models.model_from_json(model.to_json())  # in today's form by then
    assert [type(layer) for layer in again._operations] == [type(layer) for layer in model._operations]


def test_every_node_names_operations_that_exist():
    """Nodes of TensorFlow's graphs: the operation of each is one of ours."""
    x = {"class_name": "__keras_tensor__", "config": {"keras_history": ["x", 0, 0]}}
    for name, make in tf_nodes.NODES.items():
        ops = tf_functions._Operations("n")
        make(ops, [x, [1], [2], [1]], {"DstT": "DT_INT32", "num_split": 2})
        assert ops.entries and ops.entries[-1]["module"].startswith("keras.src.ops"), name


def test_a_function_that_is_called_twice_becomes_two_operations():
    call = function("math.multiply", ["x", 0, 0, {"y": 2.0}], ["f", 0, 0, {"y": 5.0}])
    model = loaded(graph(call, outputs=[["f", 1, 0]]))
    assert torch.equal(model(torch.ones(1, 3, 2)), torch.full((1, 3, 2), 10.0))


# -- code and names ---------------------------------------------------------------------------------------------------

CODE = base64.encodebytes(marshal.dumps((lambda x: x * 3).__code__)).decode("ascii")
LAMBDA = {"function": [CODE, None, None], "function_type": "lambda", "module": "__main__", "output_shape": None}
LAMBDA |= {"output_shape_type": "raw", "output_shape_module": None, "arguments": {}}


@pytest.mark.parametrize(
    "read",
    [
        lambda config: loaded(config),
        lambda config: keras.Sequential.from_config(config["config"]),
        lambda config: layers.deserialize(config["config"]["layers"][0]),
        lambda config: keras.saving.deserialize_keras_object(config),
    ],
)
def test_code_is_refused_however_it_is_read(read):
    with pytest.raises(UnsafeFileError, match="safe_mode=False"):
        read(sequential(("Lambda", LAMBDA)))


def test_code_runs_for_those_who_ask():
    with pytest.warns(UserWarning, match="one version of Python"):
        model = loaded(sequential(("Lambda", LAMBDA)), safe_mode=False)
    assert model(torch.ones(1, 2)).tolist() == [[3.0, 3.0]]
    keras.config.enable_unsafe_deserialization()
    try:
        with pytest.warns(UserWarning, match="one version of Python"):
            assert loaded(sequential(("Lambda", LAMBDA)))(torch.ones(1, 2)).tolist() == [[3.0, 3.0]]
        with pytest.raises(ValueError, match="safe_mode=False"):
            loaded(sequential(("Lambda", LAMBDA)), safe_mode=True)
    finally:
        scopes.state.unsafe_unless_told = False


def test_a_function_by_name_is_looked_up_and_never_imported():
    named = {**LAMBDA, "function": "wave", "function_type": "function", "module": "wave"}
    sys.modules.pop("wave", None)
    with pytest.raises(ValueError, match="wave"):
        loaded(sequential(("Lambda", named)))
    assert "wave" not in sys.modules
    model = loaded(sequential(("Lambda", named)), custom_objects={"wave": lambda x: x - 1})
    assert model(torch.ones(1, 2)).tolist() == [[0.0, 0.0]]


# -- numbers that other versions had ----------------------------------------------------------------------------------


def test_hard_sigmoid_keeps_the_curve_of_its_file():
    """clip(x / 5 + 1 / 2) before Keras 3, clip(x / 6 + 1 / 2) since."""
    x = torch.tensor([[-2.7, 1.0]])
    for activation in ("hard_sigmoid", {"class_name": "function", "config": "hard_sigmoid"}):
        model = loaded(sequential(("Activation", {"activation": activation})))
        np.testing.assert_allclose(model(x), [[0.0, 0.7]], atol=1e-6)
        np.testing.assert_allclose(keras.models.model_from_json(model.to_json())(x), [[0.0, 0.7]], atol=1e-6)
    alone = layers.deserialize({"class_name": "Activation", "config": {"activation": "hard_sigmoid"}})
    np.testing.assert_allclose(alone(x), [[0.05, 2 / 3]], atol=1e-6)  # nothing says that it is old
    today = keras.Sequential([keras.Input((2,)), layers.Activation("hard_sigmoid")])
    np.testing.assert_allclose(keras.models.model_from_json(today.to_json())(x), [[0.05, 2 / 3]], atol=1e-6)


@pytest.mark.parametrize(
    "version, activation, after",
    [("2.1.6", "hard_sigmoid_keras2", False), ("2.2.4", "hard_sigmoid_keras2", False), ("2.3.1", "sigmoid", False)],
)
def test_what_recurrent_layers_leave_out_depends_on_the_version(version, activation, after):
    model = loaded(sequential(("GRU", {"units": 2, "batch_input_shape": [None, 3, 2]}), version=version))
    assert model.layers[0].recurrent_activation.__name__ == activation
    assert model.layers[0].reset_after is after


# -- single spellings -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [*sorted(old_graphs._MERGES), "cos"])
def test_every_mode_of_merge(mode):
    merge = {"mode": mode, "mode_type": "raw", "concat_axis": -1, "dot_axes": -1, "name": "m"}
    entry = {"class_name": "Merge", "config": merge, "name": "m", "inbound_nodes": [[["a", 0, 0], ["a", 0, 0]]]}
    flat = {"class_name": "Flatten", "config": {"name": "a"}, "name": "a", "inbound_nodes": [[["x", 0, 0]]]}
    x = torch.rand(2, 3, 2)
    rows = x.reshape(2, 6)
    wanted = {"sum": 2 * rows, "mul": rows**2, "ave": rows, "max": rows, "concat": torch.cat([rows, rows], -1)}
    wanted |= {"dot": (rows * rows).sum(-1, keepdim=True), "cos": torch.ones(2, 1)}
    torch.testing.assert_close(loaded(graph(flat, entry, outputs=[["m", 0, 0]]))(x), wanted[mode])


def test_a_merge_by_a_function_is_refused():
    merge = {"mode": "<lambda>", "mode_type": "lambda", "name": "m"}
    entry = {"class_name": "Merge", "config": merge, "name": "m", "inbound_nodes": [[["x", 0, 0], ["x", 0, 0]]]}
    with pytest.raises(ValueError, match="'m' joins its inputs by '<lambda>'"):
        loaded(graph(entry, outputs=[["m", 0, 0]]))


def test_inputs_of_stacks_have_the_names_of_keras_2():
    model = loaded(sequential(("Dense", {"units": 3})))
    assert model.input_names == ["layer_0_input"]
    assert model.predict_on_batch({"layer_0_input": np.ones((1, 2), "float32")}).shape == (1, 3)


def test_slashes_leave_names():
    entry = {
        "class_name": "Dense",
        "config": {"name": "a/b", "units": 1},
        "name": "a/b",
        "inbound_nodes": [[["x", 0, 0, {}]]],
    }
    assert loaded(graph(entry, outputs=[["a/b", 0, 0]])).get_layer("a_b").units == 1
    assert loaded(sequential(("Dense", {"units": 3, "name": "p/q"}))).layers[0].name == "p_q"


@pytest.mark.parametrize(
    "dtype, name",
    [
        ("float32", "float32"),
        ({"class_name": "Policy", "config": {"name": "mixed_float16"}}, "mixed_float16"),
        ({"class_name": "PolicyV1", "config": {"name": "mixed_bfloat16", "loss_scale": None}}, "mixed_bfloat16"),
        (
            {
                "module": "keras.mixed_precision",
                "class_name": "Policy",
                "config": {"name": "float64"},
                "registered_name": None,
            },
            "float64",
        ),
    ],
)
def test_dtypes_of_every_form(dtype, name):
    assert loaded(sequential(("Dense", {"units": 1, "dtype": dtype}))).layers[0].dtype_policy.name == name


@pytest.mark.parametrize("axis, wanted", [([1], 1), ([-1], -1), (1, 1)])
def test_axes_of_normalization(axis, wanted):
    assert loaded(sequential(("BatchNormalization", {"axis": axis}))).layers[0].axis == wanted


def test_modes_of_normalization_that_are_gone():
    with pytest.raises(ValueError, match="mode=1"):
        loaded(sequential(("BatchNormalization", {"mode": 1}), version="1.2.2"))


def test_structures_of_inputs_and_outputs():
    entry = {"class_name": "Flatten", "config": {"name": "a"}, "name": "a", "inbound_nodes": [[["x", 0, 0, {}]]]}
    x = np.ones((2, 3, 2), "float32")
    assert loaded(graph(entry, outputs=[["a", 0, 0]])).predict_on_batch(x).shape == (2, 6)
    assert loaded(graph(entry, outputs=["a", 0, 0])).predict_on_batch(x).shape == (2, 6)
    assert [each.shape for each in loaded(graph(entry, outputs=[["a", 0, 0], ["x", 0, 0]])).predict_on_batch(x)] == [
        (2, 6),
        (2, 3, 2),
    ]
    assert list(loaded(graph(entry, outputs={"k": ["a", 0, 0]})).predict_on_batch(x)) == ["k"]


NO_MODELS = [
    *("", "[]", "{}", "null", "{", '{"class_name": 3}', '{"class_name": "Model"}'),
    '{"class_name": "Sequential", "config": [3]}',
    '{"class_name": "Functional", "config": {"layers": [{}], "input_layers": 3, "output_layers": 3}}',
    '{"class_name": "Dense", "config": {"units": 2}}',
]


@pytest.mark.parametrize("text", NO_MODELS)
def test_what_is_no_model_is_refused_in_our_words(text):
    with pytest.raises((ValueError, TypeError)):
        keras.models.model_from_json(text)


def test_a_cycle_is_refused():
    a, b = (
        {"class_name": "Flatten", "config": {"name": n}, "name": n, "inbound_nodes": [[[o, 0, 0, {}]]]}
        for n, o in ("ab", "ba")
    )
    with pytest.raises(ValueError, match="cannot be wired"):
        loaded(graph(a, b, outputs=[["a", 0, 0]]))
