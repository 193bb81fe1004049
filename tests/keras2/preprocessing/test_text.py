"""Keras 2's Tokenizer and its functions: what people stumbled over, and kinds of texts."""

import json
import pickle

import numpy as np
import pandas
import pytest
import torch

import torchkeras as keras
from torchkeras.preprocessing import text
from torchkeras.preprocessing.sequence import pad_sequences

TEXTS = ["the cat saw the dog", "the dog ran"]


def learnt(texts=TEXTS, **arguments):
    tokenizer = text.Tokenizer(**arguments)
    tokenizer.fit_on_texts(texts)
    return tokenizer


def test_the_unknown_word_is_1_and_words_follow():
    tokenizer = learnt(oov_token="<o>")
    assert tokenizer.word_index == {"<o>": 1, "the": 2, "dog": 3, "cat": 4, "saw": 5, "ran": 6}
    assert tokenizer.texts_to_sequences(["a dog"]) == [[1, 3]]


def test_num_words_keeps_one_word_less():
    assert learnt(num_words=3).texts_to_sequences(TEXTS) == [[1, 1, 2], [1, 2]]
    assert learnt(num_words=3).texts_to_matrix(TEXTS).shape == (2, 3)


def test_no_number_reaches_num_words():
    tokenizer = learnt(num_words=3, oov_token="<o>")
    sequences = tokenizer.texts_to_sequences([*TEXTS, "bird"])
    assert sequences == [[2, 1, 1, 2, 1], [2, 1, 1], [1]]
    padded = torch.as_tensor(pad_sequences(sequences))
    assert keras.layers.Embedding(3, 4)(padded).shape == (3, 5, 4)


def test_the_matrix_has_a_column_for_0():
    matrix = learnt().texts_to_matrix(TEXTS, "count")
    assert matrix.tolist() == [[0, 2, 1, 1, 1, 0], [0, 1, 1, 0, 0, 1]]


def test_padding_goes_to_the_front():
    padded = pad_sequences([[1], [1, 2, 3]], maxlen=2)
    assert padded.tolist() == [[0, 1], [2, 3]] and padded.dtype == np.int32


@pytest.mark.parametrize("kind", [tuple, np.array, pandas.Series, iter, lambda texts: np.array(texts, dtype=object)])
def test_kinds_of_texts(kind):
    tokenizer = learnt(kind(TEXTS))
    assert tokenizer.word_counts == learnt().word_counts and tokenizer.document_count == 2
    assert tokenizer.texts_to_sequences(kind(TEXTS)) == learnt().texts_to_sequences(TEXTS)
    words = [tuple("the cat".split()), np.array(["The", "dog"])]
    assert tokenizer.texts_to_sequences(words) == [[1, 3], [1, 2]]


@pytest.mark.parametrize("kind", [np.array, torch.tensor, list])
def test_kinds_of_sequences(kind):
    tokenizer, sequences = learnt(), [kind([1, 2]), kind([3, 99])]
    assert tokenizer.sequences_to_texts(sequences) == ["the dog", "cat"]
    assert tokenizer.sequences_to_matrix(sequences, "freq").tolist() == [[0, 0.5, 0.5, 0, 0, 0], [0, 0, 0, 0.5, 0, 0]]


def test_missing_texts_are_named():
    with pytest.raises(AttributeError, match=r"got nan \(float\).*fillna"):
        learnt(pandas.Series(["a", np.nan]))
    with pytest.raises(TypeError, match="got None"):
        learnt([["a", None]])


def test_learning_goes_on_after_reading_back():
    tokenizer = text.tokenizer_from_json(learnt().to_json())
    tokenizer.fit_on_texts(["the bird"])
    whole = learnt([*TEXTS, "the bird"])
    for name in ("word_index", "index_word", "word_counts", "word_docs", "index_docs", "document_count"):
        assert getattr(tokenizer, name) == getattr(whole, name)


def test_pickles():
    tokenizer = pickle.loads(pickle.dumps(learnt(oov_token="?")))
    assert tokenizer.texts_to_sequences(["the bird"]) == [[2, 1]]
    older = text.Tokenizer.__new__(text.Tokenizer)
    known = vars(learnt())
    older.__setstate__({name: known[name] for name in known if name not in ("analyzer", "oov_token", "index_word")})
    assert older.texts_to_sequences(["the bird"]) == [[1]]
    assert older.sequences_to_texts([[1, 2]]) == ["the dog"]


def test_older_names():
    with pytest.warns(DeprecationWarning, match="num_words") as told:
        assert text.Tokenizer(nb_words=3).num_words == 3
    assert told[0].filename == __file__
    assert text.text_to_word_sequence(text="A b") == ["a", "b"]
    assert len(text.one_hot(text="A b", n=5)) == 2


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda: text.hashing_trick("a", 1), ValueError, "`n` must be at least 2"),
        (lambda: text.hashing_trick("a", 5, "sha1"), TypeError, '`hash_function` must be None, "md5" or a function'),
        (lambda: text.Tokenizer(num_word=3), TypeError, "Did you mean `num_words`"),
        (lambda: text.Tokenizer().texts_to_matrix(["a"]), ValueError, "fit_on_texts"),
        (lambda: learnt().texts_to_matrix(["a"], "bin"), ValueError, "'binary', 'count', 'tfidf', 'freq'"),
        (lambda: text.tokenizer_from_json("[1]"), ValueError, "to_json"),
        (lambda: text.tokenizer_from_json('{"config": {"num_words": 3}}'), KeyError, "lacks word_counts"),
    ],
)
def test_refusals(call, kind, words):
    with pytest.raises(kind, match=words):
        call()


def test_json_keeps_letters_of_all_scripts():
    tokenizer = learnt(["ünï 猫"])
    assert text.tokenizer_from_json(tokenizer.to_json(ensure_ascii=False)).word_index == {"ünï": 1, "猫": 2}
    assert json.loads(tokenizer.to_json())["class_name"] == "Tokenizer"
