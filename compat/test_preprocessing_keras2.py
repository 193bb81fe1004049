"""Keras 2's preprocessing beside what tf.keras 2 answered when it was asked, and that of texts and sequences beside the
copy that Keras 3 keeps for old programs; that of images is in test_preprocessing_images_keras2.py.

All draw from `random` and `np.random`: from one seed come the same numbers.
"""

import json
import random
import warnings
from pathlib import Path

import numpy as np
import pytest
from keras.src.legacy.preprocessing import sequence as their_sequence
from keras.src.legacy.preprocessing import text as their_text

from compat.preprocessing_cases import CASES, answer, make_folder
from torchkeras import preprocessing
from torchkeras.preprocessing import sequence, text

RECORDED = json.loads(Path(__file__).with_name("recorded").joinpath("preprocessing_keras2.json").read_text())
TEXTS = [
    "The cat sat on the mat, and the dog barked.",
    "Dogs & cats: they're not friends!  (Are they?)\tThe end.\n",
    "",
    "ÜBER straße; İstanbul the the THE",
]
TOKENS = [["The", "cat", "The"], ["a"], []]


def outcome(call):
    """What a call gives, or the kind of what it raises."""
    try:
        return call()
    except Exception as error:  # noqa: BLE001 - compared
        return type(error)


def same(call, sides=(their_text, text)):
    theirs, ours = (outcome(lambda side=side: call(side)) for side in sides)
    if isinstance(theirs, type):
        wanted = next(kind for kind in theirs.__mro__ if kind.__module__ == "builtins")
        assert isinstance(ours, type) and issubclass(ours, wanted), (theirs, ours)
    else:
        np.testing.assert_equal(ours, theirs)
    return ours


WORDS = {
    "plain": {},
    "as written": {"lower": False},
    "no filters": {"filters": ""},
    "list of filters": {"filters": ["t", "."]},
    "other separator": {"split": "the"},
    "empty separator": {"split": ""},
}


@pytest.mark.parametrize("case", WORDS)
@pytest.mark.parametrize("written", TEXTS)
def test_words_of_a_text(written, case):
    same(lambda side: side.text_to_word_sequence(written, **WORDS[case]))


HASHING = {
    "md5": (50, {"hash_function": "md5"}),
    "Python's": (50, {}),
    "own": (7, {"hash_function": len}),
    "analyzer": (9, {"hash_function": "md5", "analyzer": list}),
    "two": (2, {"hash_function": "md5"}),
    "filters": (1000, {"hash_function": "md5", "filters": "a", "lower": False, "split": "t"}),
}


@pytest.mark.parametrize("case", HASHING)
def test_hashing(case):
    size, arguments = HASHING[case]
    for written in TEXTS:
        same(lambda side, written=written: side.hashing_trick(written, size, **arguments))
        rest = {name: value for name, value in arguments.items() if name != "hash_function"}
        same(lambda side, written=written, rest=rest: side.one_hot(written, size, **rest))


TOKENIZERS = {
    "plain": {},
    "few": {"num_words": 4},
    "few and unknown": {"num_words": 4, "oov_token": "<o>"},
    "unknown": {"oov_token": "<o>"},
    "unknown in the texts": {"oov_token": "the"},
    "unknown alone": {"num_words": 1, "oov_token": "<o>"},
    "none": {"num_words": 0},
    "as written": {"lower": False},
    "characters": {"char_level": True},
    "characters as written": {"char_level": True, "lower": False, "num_words": 9, "oov_token": "?"},
    "filters": {"filters": "", "split": "t"},
    "analyzer": {"analyzer": lambda written: written[::-1].split()},
    "counted before": {"document_count": 3},
}


def everything(tokenizer, texts):
    """All that a tokenizer says of texts and of what it learnt."""
    sequences = tokenizer.texts_to_sequences([*texts, "unheard of cats", ["The", "new"]])
    matrices = [tokenizer.texts_to_matrix(texts, mode) for mode in ("binary", "count", "tfidf", "freq")]
    config = tokenizer.get_config()
    tables = [dict(json.loads(config.pop(name))) for name in list(config) if name.startswith(("word_", "index_"))]
    odd = tokenizer.sequences_to_texts([[1, 2, 300], [], [0, 3]])
    return sequences, matrices, config, tables, tokenizer.sequences_to_texts(sequences), odd, tokenizer.document_count


@pytest.mark.parametrize("texts", [TEXTS, TOKENS, [*TEXTS, *TOKENS]], ids=["texts", "tokens", "both"])
@pytest.mark.parametrize("case", TOKENIZERS)
def test_tokenizer(case, texts):
    def learnt_twice(side):
        tokenizer = side.Tokenizer(**TOKENIZERS[case])
        tokenizer.fit_on_texts(texts)
        once = everything(tokenizer, texts)
        tokenizer.fit_on_texts(iter(["new words, new cats"]))
        tokenizer.fit_on_sequences([[1, 2, 2], [3]])
        return once, everything(tokenizer, texts)

    same(learnt_twice)


@pytest.mark.parametrize("case", [name for name in TOKENIZERS if name != "analyzer"])
def test_json_of_either_side_is_read(case):
    written = []
    for side in (their_text, text):
        tokenizer = side.Tokenizer(**TOKENIZERS[case])
        tokenizer.fit_on_texts(TEXTS)
        written.append(tokenizer.to_json(indent=1))
    for document in written:
        same(lambda side, document=document: everything(side.tokenizer_from_json(document), TEXTS))
    assert [list(json.loads(document)["config"]) for document in written[1:]] == [
        list(json.loads(written[0])["config"])
    ]


REFUSED = {
    "no vocabulary": lambda side: side.Tokenizer().texts_to_matrix(["a"]),
    "no documents": lambda side: side.Tokenizer(num_words=3).sequences_to_matrix([[1]], "tfidf"),
    "no such mode": lambda side: side.Tokenizer(num_words=3).sequences_to_matrix([[1]], "x"),
    "no such argument": lambda side: side.Tokenizer(words=3),
    "number for a text": lambda side: side.Tokenizer().fit_on_texts(["a", float("nan")]),
    "number for a word": lambda side: side.Tokenizer().fit_on_texts([["a", 1]]),
    "not before learning": lambda side: side.Tokenizer(num_words=3).texts_to_sequences(["a"]),
    "matrix before learning": lambda side: side.Tokenizer(num_words=3).sequences_to_matrix([[1, 2, 5]]),
    "no JSON": lambda side: side.tokenizer_from_json("{"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals_of_texts(case):
    same(REFUSED[case])


SERIES = np.arange(40.0).reshape(20, 2)
WINDOWS = {
    "plain": {"length": 3},
    "sampled": {"length": 5, "sampling_rate": 2, "batch_size": 4},
    "strides": {"length": 4, "stride": 3, "batch_size": 2},
    "part": {"length": 3, "start_index": 2, "end_index": 12, "batch_size": 5},
    "reverse": {"length": 6, "sampling_rate": 4, "reverse": True, "batch_size": 3},
    "random": {"length": 3, "shuffle": True, "batch_size": 7},
    "one": {"length": 19},
    "exact": {"length": 4, "batch_size": 4},
    "too long": {"length": 20},
    "all": {"length": 2, "sampling_rate": 1, "stride": 2, "start_index": 1, "end_index": 17, "reverse": True},
}


def batches(windows):
    np.random.seed(3)
    found = [windows[index] for index in range(len(windows))]
    return len(windows), [(x, y, x.dtype, y.dtype) for x, y in found]


@pytest.mark.parametrize("kind", [np.asarray, np.ndarray.tolist, lambda x: x.astype("int32")])
@pytest.mark.parametrize("case", WINDOWS)
def test_windows(case, kind):
    data, targets = kind(SERIES), kind(SERIES[:, 0])
    both = (their_sequence, sequence)
    same(lambda side: batches(side.TimeseriesGenerator(data, targets, **WINDOWS[case])), both)


def test_targets_of_another_length():
    same(lambda side: side.TimeseriesGenerator(SERIES, SERIES[:3], length=2), (their_sequence, sequence))


@pytest.mark.parametrize(("size", "factor"), [(1, 1e-5), (10, 1e-5), (1000, 1e-3), (0, 1e-5)])
def test_sampling_table(size, factor):
    theirs, ours = (
        outcome(lambda side=side: side.make_sampling_table(size, sampling_factor=factor))
        for side in (their_sequence, sequence)
    )
    np.testing.assert_allclose(ours, theirs if size else [], rtol=1e-12)  # an IndexError there


PAIRS = {
    "plain": {},
    "near": {"window_size": 1},
    "no random ones": {"negative_samples": 0.0},
    "many random ones": {"negative_samples": 2.5},
    "in order": {"shuffle": False},
    "categories": {"categorical": True},
    "sampled": {"sampling_table": np.linspace(0, 1, 10)},
    "seed": {"seed": 5, "window_size": 2},
    "all": {"window_size": 3, "negative_samples": 0.5, "categorical": True, "shuffle": False, "seed": 3},
}


@pytest.mark.filterwarnings("ignore:non-integer arguments to randrange")  # theirs
@pytest.mark.parametrize("words", [[1, 5, 0, 2, 2, 7], [], [0, 0], [3]])
@pytest.mark.parametrize("case", PAIRS)
def test_pairs_of_words(case, words):
    def drawn(side):
        random.seed(11)
        arguments = {"seed": 4, **PAIRS[case]}  # theirs cannot draw one on today's Python
        return side.skipgrams(words, 10, **arguments), random.random()

    same(drawn, (their_sequence, sequence))


# -- tf.keras 2 -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_folder(tmp_path_factory.mktemp("recorded") / "images")


def assert_close(found, recorded, tolerance, where=""):
    if isinstance(recorded, (list, dict)):
        assert type(found) is type(recorded) and len(found) == len(recorded), where
        for key in recorded if isinstance(recorded, dict) else range(len(recorded)):
            assert_close(found[key], recorded[key], tolerance, f"{where}[{key!r}]")
    elif isinstance(recorded, float):
        assert abs(found - recorded) <= tolerance, (where, found, recorded)
    else:
        assert found == recorded, where


@pytest.mark.parametrize("case", CASES)
def test_answers_of_tf_keras(case, folder):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = answer(case, preprocessing, folder)
    assert_close(found, RECORDED[case], 2e-3 if "whitened" in case else 2e-4)


def test_every_answer_is_asked_for():
    assert set(RECORDED) == set(CASES)
