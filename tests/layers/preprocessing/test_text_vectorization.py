"""TextVectorization: words of many texts against plain Python, and what surrounds the layer."""

import copy
import pickle
import re
from collections import Counter

import numpy as np
import pytest
import torch

import torchkeras as keras
from torchkeras.errors import UnsafeFileError
from torchkeras.layers import TextVectorization
from torchkeras.layers.preprocessing import text_vectorization, tokens

TEXTS = ["The cat sat on the mat.", "A dog; the DOG!", "", "ünïcode naïve café"]


def texts_of(count, seed=1, alphabet="abÄé,.!  \t\n'Z"):
    rng = np.random.default_rng(seed)
    letters = np.array(list(alphabet))
    return ["".join(rng.choice(letters, size)) for size in rng.integers(0, 60, count)]


def words_of(text):
    """The default way in plain Python."""
    lowered = re.sub("[A-Z]", lambda match: match[0].lower(), text)
    return re.findall(r"[^ \t\n\r\x0b\x0c]+", re.sub(r"[!-/:-@\[-`{-~]", "", lowered))


@pytest.mark.parametrize("portion", [1, 50, 1 << 18])
def test_words_numbers_and_order_are_those_of_plain_python(portion, monkeypatch):
    monkeypatch.setattr(text_vectorization, "_PORTION", portion)
    texts = texts_of(300)
    layer = TextVectorization()
    layer.adapt(texts)
    counts = Counter(word for text in texts for word in words_of(text))
    vocabulary = ["", "[UNK]", *sorted(counts, key=lambda word: (counts[word], word), reverse=True)]
    assert layer.get_vocabulary() == vocabulary
    numbers = {word: number for number, word in enumerate(vocabulary)}
    other = texts_of(100, seed=2)
    rows = [[numbers.get(word, 1) for word in words_of(text)] for text in other]
    longest = max(map(len, rows))
    assert layer(other).tolist() == [row + [0] * (longest - len(row)) for row in rows]


@pytest.mark.parametrize("widths", [2, 3, (3,), (2, 1)])
def test_ngrams_are_those_of_plain_python(widths):
    texts = texts_of(50)
    found = tokens.ngrams(tokens.tokens_of(texts, "lower"), range(1, widths + 1) if isinstance(widths, int) else widths)
    wanted = []
    for text in texts:
        words = text.replace("Z", "z").split()
        wanted += [
            " ".join(words[place : place + width])
            for width in (range(1, widths + 1) if isinstance(widths, int) else widths)
            for place in range(len(words) - width + 1)
        ]
    assert found.text.strings() == [each.encode() for each in wanted]
    assert int(found.counts.sum()) == len(wanted)


def test_very_long_and_empty_texts():
    long = "word " * 100_000 + "x" * 100_000
    layer = TextVectorization(vocabulary=["word", "x" * 100_000])
    found = layer([long, "", "word"])
    assert found.shape == (3, 100_001) and found[0, -1] == 3 and found[0, 0] == 2
    assert found[1].tolist()[:2] == [0, 0] and found[2].tolist()[:2] == [2, 0]


CONTAINERS = {
    "list": lambda texts: texts,
    "tuple": tuple,
    "column": lambda texts: [[text] for text in texts],
    "U": np.array,
    "S": lambda texts: np.array([text.encode() for text in texts]),
    "objects": lambda texts: np.array(texts, object),
    "StringDType": lambda texts: np.array(texts, np.dtypes.StringDType()),
    "pandas": lambda texts: pytest.importorskip("pandas").Series(texts),
    "Arrow": lambda texts: pytest.importorskip("pyarrow").array(texts),
}


@pytest.mark.parametrize("kind", CONTAINERS)
def test_containers(kind):
    given = CONTAINERS[kind](TEXTS)
    layer = TextVectorization()
    layer.adapt(given)
    plain = TextVectorization()
    plain.adapt(TEXTS)
    assert layer.get_vocabulary() == plain.get_vocabulary()
    assert torch.equal(layer(given), plain(TEXTS))


def batches():
    for start in range(0, 300, 7):
        yield np.array(texts_of(300)[start : start + 7])


@pytest.mark.parametrize("mode", ["int", "tf_idf"])
def test_adapt_of_batches_is_adapt_of_all(mode):
    made = []
    for data in (texts_of(300), batches(), keras.data.Dataset.from_tensor_slices(texts_of(300)).batch(11)):
        layer = TextVectorization(output_mode=mode, max_tokens=40)
        layer.adapt(data)
        made.append((layer.get_vocabulary(), layer(TEXTS)))
    layer = TextVectorization(output_mode=mode, max_tokens=40)
    layer.adapt(texts_of(300), batch_size=13)
    made.append((layer.get_vocabulary(), layer(TEXTS)))
    assert all(words == made[0][0] and torch.equal(found, made[0][1]) for words, found in made)


def test_states_of_several_layers_merge():
    whole, first, second = (TextVectorization(output_mode="tf_idf") for _ in range(3))
    whole.adapt(texts_of(60))
    first.update_state(texts_of(60)[:25])
    second.update_state(texts_of(60)[25:])
    first.merge_state([second])
    assert first.get_vocabulary() == whole.get_vocabulary()
    assert torch.allclose(first(TEXTS), whole(TEXTS))


def test_max_tokens_counts_padding_and_unknown_words():
    layer = TextVectorization(max_tokens=3)
    layer.adapt(["one two three"])
    assert len(layer.get_vocabulary()) == 3 and layer(["one two three"]).unique().tolist() in ([1, 2], [1])


def test_output_sequence_length_after_every_round_trip(tmp_path):
    layer = TextVectorization(output_sequence_length=3)
    layer.adapt(TEXTS)
    wanted = layer(TEXTS)
    assert wanted.shape == (4, 3)
    rebuilt = TextVectorization.from_config(pickle.loads(pickle.dumps(layer.get_config())))
    rebuilt.set_vocabulary(layer.get_vocabulary())
    model = keras.Sequential([keras.Input((1,), dtype="string"), layer])
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras").layers[-1]
    for each in (rebuilt, copy.deepcopy(layer), pickle.loads(pickle.dumps(layer)), loaded):
        assert torch.equal(each(TEXTS), wanted)


def test_ragged_rows_are_cut_and_not_filled():
    layer = TextVectorization(ragged=True, output_sequence_length=2, vocabulary=["the", "cat"])
    rows = layer(TEXTS)
    assert rows.is_nested and [row.tolist() for row in rows.unbind()] == [[2, 3], [1, 1], [], [1, 1]]


def halves(texts):
    return [[text[:2], text[2:]] for text in texts]


@keras.saving.register_keras_serializable("tests")
def upper(texts):
    return np.char.upper(texts)


def test_functions_get_arrays_of_strings(tmp_path):
    seen = []
    layer = TextVectorization(standardize=lambda texts: seen.append(texts) or np.char.lower(texts), split=halves)
    layer.adapt(np.array([["ABCD"], ["abxy"]]))
    assert layer.get_vocabulary() == ["", "[UNK]", "ab", "xy", "cd"]
    assert seen[0].dtype.kind == "U" and seen[0].shape == (2, 1)
    layer = TextVectorization(standardize=upper, split=np.char.split, vocabulary=["THE", "CAT"])
    assert layer(["the cat", "a"]).tolist() == [[2, 3], [1, 0]]
    layer = TextVectorization(standardize=upper, vocabulary=["THE"])
    model = keras.Sequential([keras.Input((1,), dtype="string"), layer])
    model.save(tmp_path / "m.keras")
    assert keras.models.load_model(tmp_path / "m.keras")(np.array([["the"]])).tolist() == [[2]]
    with pytest.raises(ValueError, match="a list of words for each"):
        TextVectorization(split=lambda texts: ["a"], vocabulary=["a"])(["a", "b"])


def test_vocabulary_files(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("the\ncat\ncafé\n", encoding="utf-8")
    layer = TextVectorization(vocabulary=str(path))
    assert layer.get_vocabulary() == ["", "[UNK]", "the", "cat", "café"]
    assert layer.get_config()["vocabulary"] == ["the", "cat", "café"]
    layer.save_assets(tmp_path)
    layer = TextVectorization()
    layer.adapt(TEXTS)
    (tmp_path / "assets").mkdir()
    layer.save_assets(str(tmp_path / "assets"))
    other = TextVectorization()
    other.load_assets(str(tmp_path / "assets"))
    assert other.get_vocabulary() == layer.get_vocabulary()


def test_configs_that_name_a_file_are_refused(tmp_path):
    path = tmp_path / "secret.txt"
    path.write_text("secret\n")
    config = TextVectorization().get_config()
    with pytest.raises(UnsafeFileError, match="names a file"):
        TextVectorization.from_config({**config, "vocabulary": str(path)})
    described = {"module": "keras.layers", "class_name": "TextVectorization", "registered_name": None}
    with pytest.raises(UnsafeFileError, match="names a file"):
        keras.layers.deserialize({**described, "config": {**config, "vocabulary": str(path)}})


def test_functions_of_the_library_are_not_taken_from_configs():
    function = {"module": "keras.utils", "class_name": "function", "config": "get_file", "registered_name": "get_file"}
    with pytest.raises((ValueError, TypeError)):
        TextVectorization.from_config({**TextVectorization().get_config(), "standardize": function})


def test_training_on_texts(tmp_path):
    texts = np.array(["good film", "bad film", "very good", "so bad"] * 8)
    labels = np.array([1.0, 0.0, 1.0, 0.0] * 8)
    vectorize = TextVectorization(output_sequence_length=4)
    vectorize.adapt(texts)
    model = keras.Sequential(
        [
            keras.Input((1,), dtype="string"),
            vectorize,
            keras.layers.Embedding(vectorize.vocabulary_size(), 4, mask_zero=True),
            keras.layers.GlobalAveragePooling1D(),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    assert model.output_shape == (None, 1)
    model.compile(keras.optimizers.Adam(0.1), "binary_crossentropy")
    model.fit(texts, labels, epochs=8, batch_size=8, verbose=0)
    found = model.predict(np.array(["good", "bad"]), verbose=0)
    assert found[0] > 0.5 > found[1]
    model.save(tmp_path / "m.keras")
    again = keras.models.load_model(tmp_path / "m.keras")
    assert np.allclose(again.predict(np.array(["good", "bad"]), verbose=0), found)


def test_a_sequential_without_an_input_finds_that_texts_come():
    texts = np.array(["good film", "bad film"] * 4)
    vectorize = TextVectorization(output_sequence_length=4)
    vectorize.adapt(texts)
    model = keras.Sequential([vectorize, keras.layers.Embedding(9, 2), keras.layers.Flatten(), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    model.fit(texts, np.zeros(8), verbose=0)
    assert model.input_shape == (None,) and model.predict(texts, verbose=0).shape == (8, 1)
    dataset = keras.data.Dataset.from_tensor_slices((texts, np.zeros(8))).batch(4)
    assert model.evaluate(dataset, verbose=0) == pytest.approx(model.evaluate(texts, np.zeros(8), verbose=0))


def test_training_on_a_folder_of_texts(tmp_path):
    for name, text in (("bad", "so bad"), ("good", "very good")):
        (tmp_path / name).mkdir()
        for number in range(4):
            (tmp_path / name / f"{number}.txt").write_text(text)
    dataset = keras.utils.text_dataset_from_directory(tmp_path, batch_size=4, verbose=False)
    vectorize = TextVectorization(output_mode="multi_hot")
    vectorize.adapt(dataset.map(lambda texts, labels: texts))
    assert sorted(vectorize.get_vocabulary()) == ["[UNK]", "bad", "good", "so", "very"]
    model = keras.Sequential([keras.layers.Dense(1, activation="sigmoid")])
    model.compile(keras.optimizers.Adam(0.5), "binary_crossentropy", metrics=["accuracy"])
    model.fit(dataset.map(lambda texts, labels: (vectorize(texts), labels)), epochs=5, verbose=0)
    assert model.evaluate(dataset.map(lambda texts, labels: (vectorize(texts), labels)), verbose=0)[1] == 1.0


def test_static_shapes_are_those_of_the_values():
    for config in ({}, {"output_sequence_length": 5}, {"output_mode": "count"}, {"split": None}, {"ngrams": 2}):
        for shape in ((4,), (4, 1)):
            layer = TextVectorization(vocabulary=["a", "b"], **config)
            texts = np.full(shape, "a c")
            static = layer(keras.Input(batch_shape=(None, *shape[1:]), dtype="string"))
            found = layer(texts)
            assert static.dtype == str(found.dtype).removeprefix("torch.")
            assert len(static.shape) == found.dim()
            assert all(size in (None, other) for size, other in zip(static.shape, found.shape, strict=True))


def test_errors():
    with pytest.raises(RuntimeError, match=r"adapt\(data\)"):
        TextVectorization()(["a"])
    with pytest.raises(ValueError, match="must be strings"):
        TextVectorization(vocabulary=["a"])(np.array([1.0]))
    with pytest.raises(ValueError, match="missing values"):
        TextVectorization(vocabulary=["a"])(np.array(["a", None], object))
    with pytest.raises(ValueError, match="a layer for each column"):
        TextVectorization(vocabulary=["a"])([["a", "b"]])
    with pytest.raises(ValueError, match="more than once"):
        TextVectorization(vocabulary=["a", "a"])
    with pytest.raises(ValueError, match="was given a vocabulary"):
        TextVectorization(vocabulary=["a"]).adapt(["b"])
    layer = TextVectorization(output_mode="count")
    layer.adapt(["a"])
    layer(["a"])
    with pytest.raises(RuntimeError, match="new layer"):
        layer.adapt(["a b"])
