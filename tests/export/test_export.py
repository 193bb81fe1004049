"""Exported programs give the model's numbers for every size that was left open, and say what they cannot do."""

import importlib.util
import os

import numpy as np
import pytest
import safetensors.torch
import torch

import torchkeras as keras
from torchkeras import layers

ROWS = (1, 2, 7)


def sequential():
    return keras.Sequential([keras.Input((4,)), layers.Dense(3), layers.BatchNormalization(), layers.Dropout(0.5)])


def images():
    return keras.Sequential(
        [keras.Input((12, 12, 3)), layers.Conv2D(4, 3, padding="same", strides=2), layers.MaxPooling2D(),
         layers.DepthwiseConv2D(3), layers.GlobalAveragePooling2D()]
    )  # fmt: skip


def images_of_any_size():
    convolution = layers.Conv2D(4, 3, padding="same", strides=2)  # what it adds depends on the size
    return keras.Sequential([keras.Input((None, None, 3)), convolution, layers.GlobalAveragePooling2D()])


def several_inputs():
    one, two = keras.Input((4,)), keras.Input((4,))
    return keras.Model([one, two], [layers.Concatenate()([one, two]), layers.Dense(2)(one)])


def named_inputs():
    one, two = keras.Input((4,), name="one"), keras.Input((2,), name="two")
    return keras.Model({"b": one, "a": two}, {"sum": layers.Dense(2)(one) + two, "one": layers.Dense(1)(one)})


def recurrent(kind):
    def make():
        return keras.Sequential([keras.Input((3, 4)), kind(3, return_sequences=True), layers.Bidirectional(kind(2))])

    return make


def attention():
    inputs = keras.Input((None, 8))
    x = layers.LayerNormalization()(layers.MultiHeadAttention(2, 4)(inputs, inputs))
    return keras.Model(inputs, layers.Dense(3)(x))


def tokens():
    inputs = keras.Input((4,), dtype="int32")
    x = layers.LSTM(3)(layers.Embedding(10, 4, mask_zero=True)(inputs))
    return keras.Model(inputs, layers.Dense(2)(x))


def ops():
    inputs = keras.Input((None, 3))
    return keras.Model(inputs, keras.ops.mean(keras.ops.exp(inputs) * 2, axis=1))


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.first, self.second = layers.Dense(3), layers.Dense(2)

    def call(self, x, training=None):
        return {"out": self.second(torch.relu(self.first(x)))}


def subclassed():
    model = Subclassed()
    model(torch.ones(2, 4))
    return model


def rows(shape):
    return lambda count: torch.rand(count, *shape)


CASES = {
    "sequential": (sequential, rows((4,))),
    "images": (images, rows((12, 12, 3))),
    "images of any size": (images_of_any_size, lambda count: torch.rand(count, 9 + count, 20, 3)),
    "several inputs": (several_inputs, lambda count: [torch.rand(count, 4), torch.rand(count, 4)]),
    "named inputs": (named_inputs, lambda count: {"b": torch.rand(count, 4), "a": torch.rand(count, 2)}),
    "LSTM": (recurrent(layers.LSTM), rows((3, 4))),
    "GRU": (recurrent(layers.GRU), rows((3, 4))),
    "attention": (attention, lambda count: torch.rand(count, count + 3, 8)),
    "tokens": (tokens, lambda count: torch.randint(0, 10, (count, 4), dtype=torch.int32)),
    "ops": (ops, lambda count: torch.rand(count, 2 * count, 3)),
    "subclassed": (subclassed, rows((4,))),
}


def assert_same(found, expected):
    found, expected = keras.tree.flatten(found), keras.tree.flatten(expected)
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("case", CASES)
def test_the_same_numbers_for_other_sizes(tmp_path, case):
    make, data = CASES[case]
    model = make()
    for weight in model.weights:  # statistics too: those of a fresh BatchNormalization change nothing
        weight.assign(torch.rand_like(weight) + 0.1)
    model.export(tmp_path / "m.pt2", format="torch", verbose=False)
    program = torch.export.load(tmp_path / "m.pt2").module()
    for count in ROWS:
        inputs = data(count)
        assert_same(program(inputs), model(inputs))
    assert not model.training and os.listdir(tmp_path) == ["m.pt2"]


def test_a_model_in_training_mode_is_exported_for_inference(tmp_path):
    model = sequential()
    model.train()
    model.export(tmp_path / "m.pt2", verbose=False)
    assert model.training and model.layers[0].training
    x = torch.rand(3, 4)
    assert_same(torch.export.load(tmp_path / "m.pt2").module()(x), model(x, training=False))


def test_the_state_has_the_names_of_the_model(tmp_path):
    model = sequential()
    model.export(tmp_path / "m.pt2", verbose=False)
    assert torch.export.load(tmp_path / "m.pt2").state_dict.keys() == model.state_dict().keys()


SIGNATURES = {
    "spec": [keras.InputSpec(shape=(None, 4), dtype="float32")],
    "tensor": [torch.ones(2, 4)],
    "array": [np.ones((2, 4), "float32")],
    "symbolic": [keras.KerasTensor((None, 4))],
    "shape": [(None, 4)],
    "no list": keras.InputSpec(shape=(None, 4)),
    "a shape alone": (None, 4),
}


@pytest.mark.parametrize("kind", SIGNATURES)
def test_signatures(tmp_path, kind):
    model = Subclassed()
    model.build((None, 4))
    model.export(tmp_path / "m.pt2", input_signature=SIGNATURES[kind], verbose=False)
    x = torch.rand(5, 4)
    assert_same(torch.export.load(tmp_path / "m.pt2").module()(x), model(x))


def test_a_signature_with_inputs_side_by_side(tmp_path):
    model = several_inputs()
    model.export(tmp_path / "m.pt2", input_signature=[(None, 4), (None, 4)], verbose=False)
    x = [torch.rand(5, 4), torch.rand(5, 4)]
    assert_same(torch.export.load(tmp_path / "m.pt2").module()(x), model(x))


def test_options_of_torch(tmp_path):
    model = sequential()
    batch = torch.export.Dim("batch", min=2, max=64)
    for shapes in ({0: batch}, ({0: batch},), [({0: batch},)]):
        model.export(tmp_path / "m.pt2", format="pt2", dynamic_shapes=shapes, verbose=False)
        program = torch.export.load(tmp_path / "m.pt2")
        assert [str(limit) for limit in program.range_constraints.values()] == ["VR[2, 64]"]
    with pytest.raises(ValueError, match=r"\['opset'\]; it takes .*dynamic_shapes"):
        model.export(tmp_path / "m.pt2", opset=3)


def test_what_is_printed(tmp_path, capsys):
    sequential().export(tmp_path / "m.pt2")
    assert "Saved PyTorch ExportedProgram at" in capsys.readouterr().out
    sequential().export(tmp_path / "m.pt2", verbose=False)
    assert capsys.readouterr().out == ""


# -- errors -----------------------------------------------------------------------------------------------------------


def test_formats(tmp_path):
    model = sequential()
    for form, word in {"tf_saved_model": "TensorFlow", "litert": "litert_torch", "openvino": "openvino"}.items():
        with pytest.raises(NotImplementedError, match=rf'(?s){word}.*model.export\("model.pt2"\)'):
            model.export(tmp_path / "m", format=form)
    with pytest.raises(NotImplementedError, match="SavedModel"):
        model.export(tmp_path / "m")
    with pytest.raises(ValueError, match="'savedmodel' is not known; Keras has 'tf_saved_model'"):
        model.export(tmp_path / "m", format="savedmodel")
    with pytest.raises(ValueError, match=r"ends in `\.pt2`"):
        model.export(tmp_path / "m", format="torch")
    assert os.listdir(tmp_path) == []


def test_models_that_are_not_ready(tmp_path):
    with pytest.raises(ValueError, match="has not been built"):
        keras.Sequential([layers.Dense(2)]).export(tmp_path / "m.pt2")
    model = sequential()
    with pytest.raises(TypeError, match=r"consists of keras\.InputSpec"):
        model.export(tmp_path / "m.pt2", input_signature=["float32"])
    with pytest.raises(ValueError, match="shape of an input must be given"):
        model.export(tmp_path / "m.pt2", input_signature=[keras.InputSpec(ndim=2)])


def test_what_torch_cannot_follow_leaves_the_old_file(tmp_path):
    class Looks(layers.Layer):
        def call(self, x):
            return x * 2 if x.sum() > 0 else x

    (tmp_path / "m.pt2").write_text("old")
    with pytest.raises(RuntimeError, match="cannot follow 'sequential"):
        keras.Sequential([keras.Input((3,)), Looks()]).export(tmp_path / "m.pt2")
    with pytest.raises(RuntimeError, match=r"recurrent layers.*input_signature=\[keras.InputSpec"):
        keras.Sequential([keras.Input((None, 3)), layers.LSTM(2)]).export(tmp_path / "m.pt2")
    assert (tmp_path / "m.pt2").read_text() == "old"


# -- archives ---------------------------------------------------------------------------------------------------------


def test_an_archive_of_several_endpoints(tmp_path, capsys):
    model = sequential()
    model.compile("adam", "mse")
    model.fit(np.ones((4, 4)), np.ones((4, 3)), verbose=0)
    archive = keras.export.ExportArchive()
    archive.track(model)
    served = archive.add_endpoint("serve", model.call, [keras.InputSpec(shape=(None, 4), dtype="float32")])
    archive.add_endpoint("scaled", fn=lambda x, y: model(x) * y, input_signature=[(None, 4), (None, 3)])
    archive.track_and_add_endpoint("model", model, None)
    archive.add_variable_collection("optimizer", model.optimizer.variables)
    archive.write_out(tmp_path / "out")
    assert "serve, scaled, model" in capsys.readouterr().out
    assert sorted(os.listdir(tmp_path / "out")) == ["model.pt2", "optimizer.safetensors", "scaled.pt2", "serve.pt2"]
    x, y = torch.rand(5, 4), torch.rand(5, 3)
    for name, inputs, expected in (
        ("serve", (x,), model(x)),
        ("model", (x,), model(x)),
        ("scaled", (x, y), model(x) * y),
    ):
        assert_same(torch.export.load(tmp_path / "out" / f"{name}.pt2").module()(*inputs), expected)
    assert_same(served(x), model(x))
    state = safetensors.torch.load_file(tmp_path / "out" / "optimizer.safetensors")
    for variable in model.optimizer.variables:
        assert torch.equal(state[variable.path], variable.detach())
    assert len(archive.variables) == len(model.variables)
    assert len(archive.trainable_variables) == 4 and len(archive.non_trainable_variables) > 1


def test_one_endpoint_in_one_file(tmp_path):
    layer = layers.Dense(2)
    layer.build((None, 3))
    archive = keras.export.ExportArchive(format="torch")
    archive.track_and_add_endpoint("serve", layer, [(None, 3)])
    archive.write_out(tmp_path / "m.pt2", verbose=False)
    x = torch.rand(4, 3)
    assert_same(torch.export.load(tmp_path / "m.pt2").module()(x), layer(x))


def test_errors_of_archives(tmp_path):
    archive, model = keras.export.ExportArchive(), sequential()
    with pytest.raises(ValueError, match="no endpoint yet"):
        archive.write_out(tmp_path / "m")
    with pytest.raises(ValueError, match="has not been built"):
        archive.track(layers.Dense(2))
    with pytest.raises(ValueError, match="can be tracked"):
        archive.track(3)
    with pytest.raises(ValueError, match="needs input_signature"):
        archive.add_endpoint("serve", model.call)
    with pytest.raises(ValueError, match="is a callable"):
        archive.add_endpoint("serve", 3, [(None, 4)])
    with pytest.raises(ValueError, match="Expected a Keras layer"):
        archive.track_and_add_endpoint("serve", torch.nn.Linear(2, 2), [(None, 2)])
    archive.track_and_add_endpoint("serve", model, None)
    for name, error in {"serve": "already taken", "../serve": "leads out", "a/b": "no slashes"}.items():
        with pytest.raises(ValueError, match=error):
            archive.add_endpoint(name, model)
    with pytest.raises(ValueError, match="must be a list"):
        archive.add_variable_collection("v", model.weights[0])
    with pytest.raises(ValueError, match=r"keras\.Variable only, got int"):
        archive.add_variable_collection("v", [3])
    with pytest.raises(ValueError, match="is not known"):
        keras.export.ExportArchive(format="neptune_model")
    archive.add_variable_collection("v", model.weights)
    with pytest.raises(ValueError, match="holds one endpoint"):
        archive.write_out(tmp_path / "m.pt2")
    with pytest.raises(ValueError, match="TensorFlow's"):
        archive.write_out(tmp_path / "m", options=3)


# -- ONNX -------------------------------------------------------------------------------------------------------------

HAS_ONNX = all(importlib.util.find_spec(name) for name in ("onnx", "onnxscript"))
HAS_RUNTIME = HAS_ONNX and importlib.util.find_spec("onnxruntime")


@pytest.mark.skipif(not HAS_RUNTIME, reason="needs the packages of the extra `onnx`: onnx, onnxscript, onnxruntime")
@pytest.mark.parametrize("case", CASES)
def test_onnx(tmp_path, case):
    import onnxruntime

    make, data = CASES[case]
    model = make()
    model.export(tmp_path / "m.onnx", format="onnx", verbose=False)
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx")
    for count in ROWS:
        inputs = data(count)
        flat = list(inputs.values()) if isinstance(inputs, dict) else inputs if isinstance(inputs, list) else [inputs]
        feed = {slot.name: value.numpy() for slot, value in zip(session.get_inputs(), flat, strict=True)}
        found = session.run(None, feed)
        expected = torch.utils._pytree.tree_leaves(model(inputs))
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(a, b.detach().numpy(), atol=1e-4)
    if case == "named inputs":
        assert [slot.name for slot in session.get_inputs()] == ["one", "two"]


@pytest.mark.skipif(HAS_ONNX, reason="the packages are here")
def test_onnx_says_which_packages_it_needs(tmp_path):
    with pytest.raises(ImportError, match="pip install onnx"):
        sequential().export(tmp_path / "m.onnx", format="onnx")


@pytest.mark.parametrize("augment", [keras.layers.RandomFlip, lambda: keras.layers.RandomBrightness(0.5)])
def test_layers_that_augment_do_nothing_in_programs(augment, tmp_path):
    inside = keras.Sequential([augment()])
    model = keras.Sequential([keras.Input((4, 5, 3)), inside, augment(), keras.layers.Rescaling(0.5)])
    model.export(tmp_path / "model.pt2", format="torch", verbose=False)
    x = torch.rand(3, 4, 5, 3)
    found = torch.export.load(tmp_path / "model.pt2").module()(x)
    assert torch.equal(found, 0.5 * x)
