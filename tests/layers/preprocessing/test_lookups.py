"""Lookups as layers among others: kinds of strings, graphs, training, files, copies."""

import copy
import pickle

import numpy as np
import pytest
import torch

import torchkeras as keras
from torchkeras.errors import NotAdaptedError, UnsafeFileError

_COLOURS = ["red", "green", "blue"]


@pytest.mark.parametrize(
    "strings",
    [
        ["blue", "pink"],
        ("blue", "pink"),
        [b"blue", "pink"],
        np.array(["blue", "pink"]),
        np.array([b"blue", b"pink"]),
        np.array(["blue", "pink"], dtype=object),
        np.array([b"blue", "pink"], dtype=object),
        [np.str_("blue"), np.array("pink")],
    ],
)
def test_every_kind_of_strings(strings):
    assert keras.layers.StringLookup(vocabulary=_COLOURS)(strings).tolist() == [3, 0]


def test_bytes_are_utf8():
    layer = keras.layers.StringLookup(vocabulary=["rot", "grün"])
    assert layer(np.array(["grün".encode()])).tolist() == [2]


@pytest.mark.parametrize(
    ("inputs", "text"),
    [
        ([1, 2], "numbers"),
        (torch.tensor([1, 2]), "tensor of int64"),
        (np.array(["red", None], dtype=object), "missing values"),
        (np.array(["red", float("nan")], dtype=object), "missing values"),
        ([["red"], ["red", "blue"]], "ragged"),
    ],
)
def test_what_is_no_string_is_refused(inputs, text):
    with pytest.raises(ValueError, match=text):
        keras.layers.StringLookup(vocabulary=_COLOURS)(inputs)


@pytest.mark.parametrize("layer", ["StringLookup", "IntegerLookup"])
def test_without_a_vocabulary(layer):
    layer = getattr(keras.layers, layer)()
    with pytest.raises(NotAdaptedError, match=r"adapt\(data\)"):
        layer(np.zeros(2, str if "String" in layer.name.title().replace("_", "") else int))


def _model():
    inputs = keras.Input((2,), dtype="string")
    x = keras.layers.StringLookup(vocabulary=_COLOURS, output_mode="multi_hot")(inputs)
    return keras.Model(inputs, keras.layers.Dense(1)(x))


@pytest.mark.parametrize("dtype", [str, object])
def test_strings_train_a_model(dtype):
    x = np.array([["red", "blue"], ["green", "pink"], ["red", "red"], ["pink", "blue"], ["green", "red"]], dtype=dtype)
    y = np.array([[1.0], [0.0], [1.0], [0.0], [1.0]])
    model = _model()
    model.compile(keras.optimizers.Adam(0.1), "mse")
    losses = model.fit(x, y, epochs=30, batch_size=2, verbose=0).history["loss"]
    assert losses[-1] < losses[0] / 4
    assert model.predict(x, verbose=0).shape == (5, 1)
    assert model.evaluate(x, y, verbose=0) < losses[0]


def test_strings_come_out():
    inputs = keras.Input((), dtype="int64")
    model = keras.Model(inputs, keras.layers.StringLookup(vocabulary=_COLOURS, invert=True)(inputs))
    assert model.output.dtype == "string"
    assert model.predict(np.array([1, 0, 3, 9] * 10), verbose=0, batch_size=7)[:4].tolist() == [
        "red",
        "[UNK]",
        "blue",
        "[UNK]",
    ]


@pytest.mark.parametrize("mode", ["int", "tf_idf", "count"])
def test_what_was_adapted_is_saved(mode, tmp_path):
    layer = keras.layers.StringLookup(output_mode=mode, num_oov_indices=1, mask_token="")
    layer.adapt([["a", "b"], ["a", "c"], ["", "b"]])
    inputs = keras.Input((2,), dtype="string")
    model = keras.Model(inputs, layer(inputs))
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    x = np.array([["a", "q"], ["", "c"]])
    np.testing.assert_array_equal(again(x), model(x))
    assert again.layers[-1].get_vocabulary() == layer.get_vocabulary()


def test_an_empty_last_token_and_other_encodings_are_saved(tmp_path):
    lookup = keras.layers.StringLookup(encoding="latin-1", output_mode="one_hot")
    lookup.adapt(np.array(["ünï", "ünï", ""]))
    model = keras.Sequential([keras.Input((1,), dtype="string"), lookup])
    model.save(tmp_path / "m.keras")
    again = keras.models.load_model(tmp_path / "m.keras")
    assert again.layers[0].get_vocabulary() == ["[UNK]", "ünï", ""]


def test_copies_know_the_vocabulary():
    layer = keras.layers.StringLookup(vocabulary=_COLOURS)
    for again in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer)), type(layer).from_config(layer.get_config())):
        assert again(["blue"]).tolist() == [3]


@pytest.mark.parametrize("mode", ["int", "tf_idf"])
def test_a_state_dict_holds_the_vocabulary(mode, tmp_path):
    def model():
        return torch.nn.Sequential(keras.layers.StringLookup(output_mode=mode), torch.nn.Identity())

    one, other = model(), model()
    one[0].adapt([["a", "b"], ["a", "c"]])
    torch.save(one.state_dict(), tmp_path / "state.pt")
    other.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    assert other[0].get_vocabulary() == ["[UNK]", "a", "c", "b"]
    assert torch.equal(other([["b", "q"]]), one([["b", "q"]]))
    numbers = keras.layers.IntegerLookup(vocabulary=[5, 2**40])
    again = keras.layers.IntegerLookup()
    again.load_state_dict(numbers.state_dict())
    assert again([2**40, 1]).tolist() == [2, 0]


def test_a_config_names_no_file(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("red\nblue\n")
    layer = keras.layers.StringLookup(vocabulary=str(path))
    assert layer.get_vocabulary() == ["[UNK]", "red", "blue"]
    assert layer.get_config()["vocabulary"] == ["red", "blue"]
    with pytest.raises(UnsafeFileError, match="names a file"):
        keras.layers.StringLookup.from_config({"vocabulary": str(path)})


def test_states_merge():
    layers = [keras.layers.StringLookup(output_mode="tf_idf") for _ in range(3)]
    rows = np.array([["a", "b"], ["a", "c"], ["d", "b"], ["a", "a"]])
    for layer, part in zip(layers, np.split(rows, [1, 3]), strict=True):
        layer.adapt(part)
    layers[0].merge_state(layers[1:])
    whole = keras.layers.StringLookup(output_mode="tf_idf")
    whole.adapt(rows)
    assert layers[0].get_vocabulary() == whole.get_vocabulary()
    np.testing.assert_array_equal(layers[0].idf_weights, whole.idf_weights)


def test_what_fails_leaves_the_vocabulary():
    layer = keras.layers.StringLookup()
    layer.adapt(_COLOURS)
    with pytest.raises(ValueError, match="numbers"):
        layer.adapt(iter([["a"], [1]]))
    assert layer.get_vocabulary() == ["[UNK]", "red", "green", "blue"]


def test_integers_are_compiled():
    layer = keras.layers.IntegerLookup(vocabulary=[30, 10, 20], num_oov_indices=2, mask_token=0)
    x = torch.tensor([10, 0, 31, 30, 32])
    assert layer(x).tolist() == [4, 0, 2, 3, 1]
    assert torch.equal(torch.compile(layer, fullgraph=True, backend="eager")(x), layer(x))


def test_spellings_of_keras_2():
    layer = keras.layers.IntegerLookup(max_values=5, mask_value=0, oov_value=-7)
    assert (layer.max_tokens, layer.mask_token, layer.oov_token) == (5, 0, -7)
    old = keras.layers.StringLookup(None, 1, None, "[UNK]", _COLOURS, None, "latin-1", False, "count", False, False)
    assert (old.encoding, old.output_mode, old.invert) == ("latin-1", "count", False)


@pytest.mark.parametrize("again", [keras.models.clone_model, lambda model: type(model).from_config(model.get_config())])
def test_a_model_made_again_knows_how_wide_vectors_will_be(again):
    """The copy of a lookup that has adapted has no vocabulary, yet the layer behind it can be built."""
    lookup = keras.layers.StringLookup(output_mode="multi_hot", name="lookup")
    lookup.adapt(_COLOURS)
    text = keras.layers.TextVectorization(output_mode="count", name="text")
    text.adapt(_COLOURS)
    inputs = keras.Input((1,), dtype="string")
    both = keras.layers.Concatenate()([keras.ops.cast(layer(inputs), "float32") for layer in (lookup, text)])
    model = keras.Model(inputs, keras.layers.Dense(2)(both))
    copied = again(model)
    assert copied.count_params() == model.count_params()
    assert copied.get_layer("lookup").get_config() == {**lookup.get_config(), "name": "lookup"}
    assert copied.get_layer("text").get_config() == text.get_config()
    with pytest.raises(NotAdaptedError):
        copied(np.array([["red"]]))
    fresh = keras.layers.StringLookup.from_config(keras.layers.StringLookup(output_mode="one_hot").get_config())
    assert fresh.compute_output_shape((None,)) == (None, None)


def test_one_number():
    layer = keras.layers.IntegerLookup(vocabulary=[12, 36])
    assert [layer(12).tolist(), layer(1).tolist()] == [1, 0]
    assert keras.layers.IntegerLookup(vocabulary=[12, 36], invert=True)(2).item() == 36


def test_whole_numbers_are_floats_of_a_feature_space():
    space = keras.utils.FeatureSpace({"age": "float", "height": "float_rescaled"})
    found = space({"age": [2, 4], "height": [1, 2]})
    assert found.dtype == torch.float32
    assert found.tolist() == [[2.0, 1.0], [4.0, 2.0]]


@pytest.mark.parametrize(
    "layer",
    [
        lambda: keras.layers.Hashing(4),
        lambda: keras.layers.IntegerLookup(vocabulary=[1], num_oov_indices=2, oov_method="farmhash", salt=3),
    ],
)
def test_hashes_run_between_graphs(layer):
    layer, x = layer(), torch.tensor([[1, 2], [3, 400]])
    expected = layer(x)
    assert torch.equal(torch.compile(layer, backend="eager")(x), expected)


def test_crossed_features_run_between_graphs():
    layer, x = keras.layers.HashedCrossing(5), [torch.tensor([1, 2]), torch.tensor([3, 400])]
    expected = layer(x)
    assert torch.equal(torch.compile(layer, backend="eager")(x), expected)
