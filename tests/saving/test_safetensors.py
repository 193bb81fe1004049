"""`.safetensors` and `.npz`: weights under their paths, names and shapes of torch's modules, files that lie."""

import io
import json
import os
import re
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
import safetensors
import safetensors.torch
import torch

import torchkeras as keras
from torchkeras import layers
from torchkeras.errors import CorruptFileError, ResourceLimitError, UnsafeFileError
from torchkeras.saving import safetensors_file

FLAT = pytest.mark.parametrize("ending", [".safetensors", ".npz"])


def network():
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(4, 3, name="first"),
            layers.BatchNormalization(),
            layers.DepthwiseConv2D(3),
            layers.SeparableConv2D(3, 2),
            layers.Conv2DTranspose(2, 3),
            layers.Flatten(),
            layers.Dense(3),
            layers.Dense(2),
        ]
    )


def randomized(model):
    generator = np.random.default_rng(0)
    model.set_weights([generator.random(np.shape(weight)) for weight in model.get_weights()])
    return model


def assert_equal(model, other):
    for ours, theirs in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


# -- ours -------------------------------------------------------------------------------------------------------------


def test_the_library_reads_paths_and_shapes(tmp_path):
    model = randomized(network())
    model.save_weights(tmp_path / "m.safetensors")
    found = safetensors.torch.load_file(tmp_path / "m.safetensors")
    assert found.keys() == {weight.path for weight in model.weights}
    for weight in model.weights:
        assert torch.equal(found[weight.path], weight.detach())
    with safetensors.safe_open(tmp_path / "m.safetensors", "pt") as file:
        assert file.metadata()["format"] == "keras"


@FLAT
@pytest.mark.parametrize("layout", ["keras", "torch"])
def test_another_model_of_the_same_code(tmp_path, ending, layout):
    """Its automatic names have other numbers."""
    model = randomized(network())
    model.save_weights(tmp_path / f"m{ending}", layout=layout)
    other = network()
    assert [w.path for w in other.weights] != [w.path for w in model.weights]
    other.load_weights(tmp_path / f"m{ending}", layout=layout)
    assert_equal(other, model)


def test_the_file_says_its_layout(tmp_path):
    model = randomized(network())
    model.save_weights(tmp_path / "m.safetensors", layout="torch")
    other = network()
    other.load_weights(tmp_path / "m.safetensors")
    assert_equal(other, model)


def test_many_layers_go_by_number_and_not_by_letter(tmp_path):
    def deep():
        return keras.Sequential([keras.Input((2,)), *[layers.Dense(2) for _ in range(12)]])

    model = randomized(deep())
    model.save_weights(tmp_path / "m.safetensors")
    other = deep()
    other.load_weights(tmp_path / "m.safetensors")
    assert_equal(other, model)


@FLAT
@pytest.mark.parametrize("layout", ["keras", "torch"])
def test_names_that_do_not_fit_tell_of_key_map(tmp_path, ending, layout):
    def named(name):
        return keras.Sequential([keras.Input((2,)), layers.Dense(2, name=name)], name="net")

    named("one").save_weights(tmp_path / f"m{ending}", layout=layout)
    with pytest.raises(ValueError, match=r"Where only names differ: key_map=\{'\S*one\S+': '\S*two\S+', \.\.\.\}\."):
        named("two").load_weights(tmp_path / f"m{ending}", layout=layout)


def swapped():
    """Two layers of one shape, made in another order than they stand in."""
    second, first = layers.Dense(2), layers.Dense(2)
    return keras.Sequential([keras.Input((2,)), first, second])


def in_order():
    return keras.Sequential([keras.Input((2,)), layers.Dense(2), layers.Dense(2)])


@FLAT
@pytest.mark.parametrize("pair", [(swapped, in_order), (in_order, swapped)])
def test_layers_made_in_another_order_than_they_stand(pair, tmp_path, ending):
    model, other = randomized(pair[0]()), pair[1]()
    model.save_weights(tmp_path / f"m{ending}")
    with pytest.warns(UserWarning, match="mean different weights.*Loaded by the order of the layers.*key_map"):
        other.load_weights(tmp_path / f"m{ending}")
    assert_equal(other, model)


@FLAT
def test_layers_of_one_code_are_not_doubted(tmp_path, ending, recwarn):
    model = randomized(swapped())
    model.save_weights(tmp_path / f"m{ending}")
    for other in (swapped(), model):
        other.load_weights(tmp_path / f"m{ending}")
        assert_equal(other, model)
    assert not recwarn.list


def test_a_foreign_file_does_not_say_in_which_order_layers_stood(tmp_path):
    model, other = randomized(in_order()), swapped()
    safetensors.torch.save_file({w.path: w.detach() for w in model.weights}, tmp_path / "m.safetensors")
    with pytest.warns(UserWarning, match="Loaded by the numbers in the names.*key_map"):
        other.load_weights(tmp_path / "m.safetensors")
    other.load_weights(
        tmp_path / "m.safetensors",
        key_map={ours.path: theirs.path for ours, theirs in zip(model.weights, other.weights)},
    )
    assert_equal(other, model)


def test_shapes_decide_where_they_can(tmp_path, recwarn):
    def network(swap):
        made = [layers.Dense(2) for _ in range(2)]  # whose biases have one shape
        return keras.Sequential([keras.Input((3,)), *(reversed(made) if swap else made)])

    model, other = randomized(network(False)), network(True)
    model.save_weights(tmp_path / "m.safetensors")
    safetensors.torch.save_file({w.path: w.detach() for w in model.weights}, tmp_path / "foreign.safetensors")
    for name in ("m", "foreign"):
        other.set_weights([np.zeros(weight.shape) for weight in other.weights])
        other.load_weights(tmp_path / f"{name}.safetensors")
        assert_equal(other, model)
    assert not recwarn.list


def test_given_names_are_not_counted_away(tmp_path):
    def named(*names):
        return keras.Sequential([keras.Input((2,)), *[layers.Dense(2, name=name) for name in names]], name="net")

    named("block_1", "block_2").save_weights(tmp_path / "m.safetensors")
    with pytest.raises(ValueError, match=r"(?s)block_3.*took what the file has for net/block_2/bias"):
        named("block_1", "block_3").load_weights(tmp_path / "m.safetensors")
    with pytest.raises(ValueError, match="net/block_2/bias, net/block_2/kernel"):
        named("block_1").load_weights(tmp_path / "m.safetensors")  # nothing of it lacks, and yet not all is taken


@FLAT
def test_shared_weights_stand_once(tmp_path, ending):
    inputs = keras.Input((4,))
    shared = layers.Dense(4)
    inner = keras.Sequential([shared, layers.Dense(2)])
    model = randomized(keras.Model(inputs, [inner(inputs), shared(inputs)]))
    model.save_weights(tmp_path / f"m{ending}")
    before = model.get_weights()
    model.set_weights([weight * 0 for weight in before])
    model.load_weights(tmp_path / f"m{ending}")
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    if ending == ".safetensors":
        assert len(safetensors.torch.load_file(tmp_path / f"m{ending}")) == 4


def test_paths_that_two_weights_have(tmp_path):
    first = keras.Sequential([keras.Input((2,)), layers.Dense(2, name="same")], name="a")
    second = keras.Sequential([keras.Input((2,)), layers.Dense(2, name="same")], name="a")
    model = randomized(Pair(first, second))
    model.save_weights(tmp_path / "m.safetensors")
    assert {"a/same/kernel", "a/same/kernel_1"} <= safetensors.torch.load_file(tmp_path / "m.safetensors").keys()
    before = model.get_weights()
    model.set_weights([weight * 0 for weight in before])
    model.load_weights(tmp_path / "m.safetensors")
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


class Pair(keras.Model):
    def __init__(self, first, second):
        super().__init__()
        self.first, self.second = first, second
        self(torch.ones(1, 2))

    def call(self, x):
        return self.second(self.first(x))


@FLAT
@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float64", "mixed_bfloat16"])
def test_dtypes(tmp_path, ending, dtype):
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2, dtype=dtype), layers.Dense(1, dtype="float32")])
    model.save_weights(tmp_path / f"m{ending}")
    before = [weight.detach().clone() for weight in model.weights]
    model.set_weights([np.zeros(weight.shape) for weight in model.weights])
    model.load_weights(tmp_path / f"m{ending}")
    assert all(torch.equal(a, b) and a.dtype == b.dtype for a, b in zip(before, model.weights))


def test_halves_become_floats(tmp_path):
    safetensors.torch.save_file(
        {"d/kernel": torch.ones(3, 2).half(), "d/bias": torch.ones(2)}, tmp_path / "m.safetensors"
    )
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2, name="d")])
    model.load_weights(tmp_path / "m.safetensors", key_map={"d": "d"})
    assert model.get_weights()[0].dtype == "float32" and (model.get_weights()[0] == 1).all()


@FLAT
def test_the_optimizer_comes_when_asked_for(tmp_path, ending):
    def trained():
        model = keras.Sequential([keras.Input((3,)), layers.Dense(2), layers.Dense(1)])
        model.compile("adam", "mse")
        model.fit(np.ones((4, 3)), np.ones((4, 1)), verbose=0)
        return model

    model, path = trained(), tmp_path / f"m{ending}"
    model.save_weights(path)
    other = trained()
    state = [value.clone() for value in other.optimizer.variables]
    other.load_weights(path)
    assert_equal(other, model)
    assert all(torch.equal(a, b) for a, b in zip(state, other.optimizer.variables, strict=True))
    model.save_weights(path, include_optimizer=True)
    again = trained()
    again.fit(np.zeros((4, 3)), np.ones((4, 1)), verbose=0)
    again.load_weights(path)
    assert_equal(again, model)
    for ours, theirs in zip(model.optimizer.variables, again.optimizer.variables, strict=True):
        assert torch.equal(ours, theirs)
    bare = keras.Sequential([keras.Input((3,)), layers.Dense(2), layers.Dense(1)])
    bare.load_weights(path)  # which has no optimizer
    assert_equal(bare, model)


def test_torch_modules_inside(tmp_path):
    def mixed():
        parts = [torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4)]
        wrapped = [layers.TorchModuleWrapper(part, output_shape=(None, 4)) for part in parts]
        return keras.Sequential([keras.Input((3,)), layers.Dense(3), *wrapped])

    model = mixed()
    for weight in model.parameters():
        torch.nn.init.normal_(weight)
    model.save_weights(tmp_path / "m.safetensors")
    other = mixed()
    other.load_weights(tmp_path / "m.safetensors")
    for ours, theirs in zip(model.state_dict().values(), other.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs)


def test_get_weights_in_a_row(tmp_path):
    model = randomized(network())
    np.savez(tmp_path / "m.npz", *model.get_weights())
    other = network()
    other.load_weights(tmp_path / "m.npz")
    assert_equal(other, model)
    np.savez(tmp_path / "m.npz", *model.get_weights()[1:])
    with pytest.raises(ValueError, match=r"16 arrays.*17 weights"):
        other.load_weights(tmp_path / "m.npz")


# -- errors -----------------------------------------------------------------------------------------------------------


@FLAT
def test_an_error_lists_all_layers_and_changes_nothing(tmp_path, ending):
    def sized(*units):
        return keras.Sequential([keras.Input((3,)), *[layers.Dense(each) for each in units]])

    path = tmp_path / f"m{ending}"
    sized(4, 5, 2).save_weights(path)
    model = sized(4, 6, 3)
    before = model.get_weights()
    with pytest.raises(ValueError, match=r"(?s)\(4, 6\).*\(4, 5\).*\(6, 3\).*\(5, 2\).*skip_mismatch=True"):
        model.load_weights(path)
    assert all((a == b).all() for a, b in zip(before, model.get_weights()))
    with pytest.warns(UserWarning, match="Dense"):
        model.load_weights(path, skip_mismatch=True)
    changed = [bool((a != b).any()) for a, b in zip(before, model.get_weights())]
    assert changed == [True, False, False, False, False, False]


def test_what_is_refused_when_writing(tmp_path):
    model = network()
    with pytest.raises(TypeError, match="by_name"):
        model.save_weights(tmp_path / "m.safetensors", by_name=True)
    with pytest.raises(ValueError, match="layout='tf'"):
        model.save_weights(tmp_path / "m.safetensors", layout="tf")
    with pytest.raises(FileExistsError):
        (tmp_path / "m.npz").touch()
        model.save_weights(tmp_path / "m.npz", overwrite=False)
    with pytest.raises(ValueError, match="no weights yet"):
        keras.Sequential([layers.Dense(2)]).save_weights(tmp_path / "x.safetensors")
    assert os.listdir(tmp_path) == ["m.npz"]


# -- torch's ----------------------------------------------------------------------------------------------------------


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 4, 3)
        self.norm = torch.nn.BatchNorm2d(4)
        self.up = torch.nn.ConvTranspose2d(4, 6, 3)
        self.deep = torch.nn.Conv2d(6, 12, 3, groups=6)
        self.head = torch.nn.Linear(12 * 36, 5)

    def forward(self, x):
        x = self.deep(self.up(torch.relu(self.norm(self.conv(x)))))
        return self.head(x.permute(0, 2, 3, 1).flatten(1))


def keras_net():
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(4, 3, name="conv"),
            layers.BatchNormalization(name="norm", epsilon=1e-5),
            layers.ReLU(),
            layers.Conv2DTranspose(6, 3, name="up"),
            layers.DepthwiseConv2D(3, depth_multiplier=2, name="deep"),
            layers.Flatten(),
            layers.Dense(5, name="head"),
        ]
    )


@pytest.fixture
def net():
    torch.manual_seed(0)
    net = Net()
    net(torch.rand(4, 3, 8, 8))  # statistics
    return net.eval()


IMAGES = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("prefix", ["", "module."])
def test_a_torch_module_becomes_a_keras_model(tmp_path, net, prefix):
    state = {f"{prefix}{key}": value.contiguous() for key, value in net.state_dict().items()}
    safetensors.torch.save_file(state, tmp_path / "net.safetensors")
    model = keras_net()
    key_map = (lambda name: name.removeprefix(prefix)) if prefix else None
    model.load_weights(tmp_path / "net.safetensors", layout="torch", key_map=key_map)
    torch.testing.assert_close(model(IMAGES.permute(0, 2, 3, 1)), net(IMAGES), atol=1e-5, rtol=1e-5)


def test_a_keras_model_becomes_a_torch_module(tmp_path, net):
    model = randomized(keras_net())
    model.save_weights(tmp_path / "net.safetensors", layout="torch")
    net.load_state_dict(safetensors.torch.load_file(tmp_path / "net.safetensors"))
    torch.testing.assert_close(model(IMAGES.permute(0, 2, 3, 1)), net(IMAGES), atol=1e-3, rtol=1e-4)


def test_attention_heads_are_linear_maps(tmp_path):
    torch.manual_seed(0)
    state = {f"self.{name}_proj.{leaf}": torch.rand((8, 8) if leaf == "weight" else (8,))
             for name in ("q", "k", "v", "out") for leaf in ("weight", "bias")}  # fmt: skip
    safetensors.torch.save_file(state, tmp_path / "m.safetensors")
    inputs = keras.Input((5, 8))
    layer = layers.MultiHeadAttention(2, 4, name="mha")
    model = keras.Model(inputs, layer(inputs, inputs))
    model.load_weights(
        tmp_path / "m.safetensors",
        layout="torch",
        key_map={"self.q_proj": "mha.query", "self.k_proj": "mha.key", "self.v_proj": "mha.value",
                 "self.out_proj": "attention_output"},
    )  # fmt: skip
    attention = torch.nn.MultiheadAttention(8, 2, batch_first=True)
    parts = [state[f"self.{name}_proj.weight"] for name in "qkv"], [state[f"self.{name}_proj.bias"] for name in "qkv"]
    out = {f"out_proj.{leaf}": state[f"self.out_proj.{leaf}"] for leaf in ("weight", "bias")}
    attention.load_state_dict({"in_proj_weight": torch.cat(parts[0]), "in_proj_bias": torch.cat(parts[1]), **out})
    x = torch.rand(2, 5, 8)
    torch.testing.assert_close(model(x), attention(x, x, x)[0], atol=1e-5, rtol=1e-5)


def test_recurrent_weights_through_functions(tmp_path):
    lstm = torch.nn.LSTM(4, 3, batch_first=True)
    state = {key: value for key, value in lstm.state_dict().items() if key != "bias_hh_l0"}
    state["bias_ih_l0"] = state["bias_ih_l0"] + lstm.bias_hh_l0.detach()
    safetensors.torch.save_file({**state, "other": torch.zeros(2)}, tmp_path / "m.safetensors")
    model = keras.Sequential([keras.Input((5, 4)), layers.LSTM(3)])
    turned = torch.Tensor.t
    key_map = {
        "weight_ih_l0": ("lstm_cell/kernel", turned),
        "weight_hh_l0": ("recurrent_kernel", turned),
        "bias_ih_l0": "bias",
        "other": None,
    }
    model.load_weights(tmp_path / "m.safetensors", key_map=key_map)
    x = torch.rand(2, 5, 4)
    torch.testing.assert_close(model(x), lstm(x)[0][:, -1], atol=1e-6, rtol=1e-5)


def test_one_tensor_for_several_weights(tmp_path):
    both = torch.rand(4, 6)
    safetensors.torch.save_file({"both": both}, tmp_path / "m.safetensors")
    inputs = keras.Input((4,))
    model = keras.Model(inputs, [layers.Dense(3, use_bias=False, name=name)(inputs) for name in "ab"])
    parts = [("a/kernel", lambda w: w[:, :3]), ("b/kernel", lambda w: w[:, 3:])]
    model.load_weights(tmp_path / "m.safetensors", key_map={"both": parts})
    np.testing.assert_array_equal(np.concatenate(model.get_weights(), 1), both)


def test_errors_of_key_maps(tmp_path, net):
    safetensors.torch.save_file({k: v.contiguous() for k, v in net.state_dict().items()}, tmp_path / "n.safetensors")
    model = keras_net()
    with pytest.raises(ValueError, match=r"'conv.bias' to 'first.bias'. The model has conv.weight, conv.bias"):
        model.load_weights(tmp_path / "n.safetensors", layout="torch", key_map={"conv": "first"})
    with pytest.raises(ValueError, match="Several weights of the model end so"):
        model.load_weights(tmp_path / "n.safetensors", layout="torch", key_map={"conv.weight": "kernel"})
    with pytest.raises(ValueError, match=r"both 'head.weight' and 'up.weight' are to be"):
        model.load_weights(
            tmp_path / "n.safetensors", layout="torch", key_map={"head.weight": "up.weight", "head.bias": None}
        )
    with pytest.raises(ValueError, match=r"such as 'conv.bias': pass layout='torch'.* The model has .*/conv/kernel"):
        model.load_weights(tmp_path / "n.safetensors")
    with pytest.raises(ValueError, match="key_map"):
        model.save_weights(tmp_path / "n.weights.h5")
        model.load_weights(tmp_path / "n.weights.h5", key_map={})


# -- files that lie ---------------------------------------------------------------------------------------------------


def raw(path, header, data=b"", length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + data)
    return path


def entry(shape, start, end, dtype="F32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


KERNEL = entry([3, 2], 0, 24)
ONE = json.dumps(entry([1], 0, 1, "U8")).encode()
BAD_HEADERS = {
    "duplicate keys": (b'{"a":%s,"a":%s}' % (ONE, ONE), 1, CorruptFileError, "twice"),
    "no JSON": (b"{nonsense", 0, CorruptFileError, "no JSON|brackets"),
    "a list": (b"[]", 0, CorruptFileError, "no table"),
    "deep": (b"[" * 200_000, 0, CorruptFileError, "deep|JSON"),
    "no UTF-8": (b'{"\xff\xfe":1}', 0, CorruptFileError, "JSON"),
    "overlap": ({"a": KERNEL, "b": entry([3, 2], 12, 36)}, 36, CorruptFileError, "gap"),
    "gap": ({"a": KERNEL, "b": entry([3, 2], 32, 56)}, 56, CorruptFileError, "gap"),
    "beyond the end": ({"a": KERNEL}, 20, CorruptFileError, "cut short"),
    "rest": ({"a": KERNEL}, 30, CorruptFileError, "bytes"),
    "wrong size": ({"a": entry([3, 3], 0, 24)}, 24, CorruptFileError, "needs 36 bytes"),
    "backwards": ({"a": entry([3, 2], 24, 0)}, 24, CorruptFileError, "place"),
    "negative": ({"a": entry([-3, -2], 0, 24)}, 24, CorruptFileError, "shape"),
    "no number": ({"a": entry([3.0, 2], 0, 24)}, 24, CorruptFileError, "shape"),
    "bool": ({"a": entry([True, 6], 0, 24)}, 24, CorruptFileError, "shape"),
    "zero times all": ({"a": entry([0, 2**62, 2**62], 0, 0)}, 0, ResourceLimitError, "no memory"),
    "huge": ({"a": entry([2**40, 2**40], 0, 24)}, 24, ResourceLimitError, "no memory"),
    "huge integer": (b'{"a":{"dtype":"U8","shape":[' + b"9" * 5000 + b'],"data_offsets":[0,1]}}', 1, ValueError, None),
    "dtype": ({"a": entry([3, 2], 0, 24, "P64")}, 24, CorruptFileError, "P64"),
    "no entry": ({"a": 3}, 0, CorruptFileError, "no dtype"),
    "more keys": ({"a": {**KERNEL, "path": "/etc"}}, 24, CorruptFileError, "no dtype"),
    "many": ({str(i): entry([0], 0, 0) for i in range(101)}, 0, ResourceLimitError, "tensors"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_HEADERS)
def test_headers_that_lie(tmp_path, monkeypatch, case):
    monkeypatch.setattr(safetensors_file, "MAX_TENSORS", 100)
    header, size, error, text = BAD_HEADERS[case]
    path = raw(tmp_path / "m.safetensors", header, bytes(size))
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2)])
    before = model.get_weights()
    with pytest.raises(error, match=text):
        model.load_weights(path)
    assert all((a == b).all() for a, b in zip(before, model.get_weights()))


@pytest.mark.parametrize("length", [2**63, 2**64 - 1, 10**9, 1000])
def test_a_header_longer_than_the_file(tmp_path, length):
    path = raw(tmp_path / "m.safetensors", {"a": KERNEL}, bytes(24), length)
    with pytest.raises(CorruptFileError, match="header ends behind the file"):
        network().load_weights(path)


@pytest.mark.parametrize("part", [0, 0.1, 0.3, 0.9, 0.999])
@FLAT
def test_cut_files(tmp_path, ending, part):
    path = tmp_path / f"m{ending}"
    network().save_weights(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * part)])
    with pytest.raises(CorruptFileError):
        network().load_weights(path)


def test_names_are_never_paths(tmp_path):
    names = ["../../x", "/etc/passwd", "a\0b", "", "..", "C:\\x"]
    header = {name: entry([1], i, i + 1, "U8") for i, name in enumerate(names)}
    path = raw(tmp_path / "m.safetensors", header, bytes(6))
    with pytest.raises(ValueError, match=re.escape("../../x")):
        network().load_weights(path)
    assert os.listdir(tmp_path) == ["m.safetensors"]


def npz(path, **members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return path


def npy(shape, descr="<f4", data=b""):
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": descr, "fortran_order": False, "shape": shape})
    return file.getvalue() + data


CODE = b"__import__('os').system('touch x')"
BAD_ARRAYS = {
    "pickle": (npy((1,), "|O", b"cos\nsystem\n(S'touch x'\ntR."), UnsafeFileError, "pickled"),
    "bomb": (npy((2**30, 2**10)), CorruptFileError, "says it is"),
    "overflow": (npy((2**62, 4, 4)), CorruptFileError, "says it is"),
    "negative": (npy((-4, -1), data=bytes(16)), CorruptFileError, None),
    "strings": (npy((2,), "<U3", bytes(24)), CorruptFileError, "no numbers"),
    "records": (npy((2,), [("a", "<f4")], bytes(8)), CorruptFileError, "no numbers"),
    "code for a header": (
        b"\x93NUMPY\x01\x00v\x00" + b"__import__('os').system('touch x')".ljust(118),
        CorruptFileError,
        None,
    ),
    "no array": (b"something else", CorruptFileError, None),
    "version": (b"\x93NUMPY\x09\x00" + bytes(100), CorruptFileError, "version"),
}


@pytest.mark.parametrize("case", BAD_ARRAYS)
def test_arrays_that_lie(tmp_path, case):
    content, error, text = BAD_ARRAYS[case]
    path = npz(tmp_path / "m.npz", a=content)
    tracemalloc.start()
    with pytest.raises(error, match=text):
        network().load_weights(path)
    assert tracemalloc.get_traced_memory()[1] < 20_000_000
    tracemalloc.stop()
    assert os.listdir(tmp_path) == ["m.npz"]


def test_a_bomb_of_zeros(tmp_path):
    with zipfile.ZipFile(tmp_path / "m.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open("a.npy", "w", force_zip64=True) as part:
            part.write(npy((300 * 2**20,), "|u1"))
            for _ in range(300):
                part.write(bytes(2**20))
    with pytest.raises(ResourceLimitError):
        network().load_weights(tmp_path / "m.npz")


# -- memory -----------------------------------------------------------------------------------------------------------


def test_values_go_straight_into_the_weights(tmp_path):
    model = keras.Sequential([keras.Input((512,)), *[layers.Dense(512) for _ in range(4)]])
    model.save_weights(tmp_path / "m.safetensors")
    where = [weight.data_ptr() for weight in model.weights]
    with torch.profiler.profile(profile_memory=True) as profile:
        model.load_weights(tmp_path / "m.safetensors")
    taken = sum(event.self_cpu_memory_usage for event in profile.key_averages() if event.self_cpu_memory_usage > 0)
    assert taken < 1e6 and where == [weight.data_ptr() for weight in model.weights]
