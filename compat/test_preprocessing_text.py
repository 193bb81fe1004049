"""TextVectorization beside what Keras on TensorFlow answered to the same calls."""

import json
from pathlib import Path

import pytest

import torchkeras as keras
from compat.recorded.shown import answer
from compat.text_cases import CASES

RECORDED = json.loads(Path(__file__).with_name("recorded").joinpath("text.json").read_text())


def test_every_case_is_recorded():
    assert list(RECORDED) == list(CASES)


BEFORE_ADAPT = ("FailedPreconditionError", "RuntimeError")  # what Keras on TensorFlow raises, by mode
STATIC = (
    "graph of counts",
    "graph of counts of a vector",
    "graph of padded counts",
    "graph of learned counts",
    "graph without split",
    "graph without split of counts",
    "output shapes",
)
DEVIATIONS = (*STATIC, "max_tokens of 2", "weights without a vocabulary")  # lines of compat/deviations.md
deviation = pytest.mark.xfail(reason="a line of compat/deviations.md", strict=True, raises=AssertionError)


@pytest.mark.parametrize("name", [name for name in CASES if name not in DEVIATIONS])
def test_answers(name):
    recorded = RECORDED[name]
    if recorded == "ValueError":
        with pytest.raises(ValueError, match=r"`|Layer"):
            CASES[name](keras)
    elif recorded in BEFORE_ADAPT:
        with pytest.raises(RuntimeError, match=r"adapt\(data\)"):
            CASES[name](keras)
    else:
        assert answer(CASES[name], keras) == recorded


@deviation
@pytest.mark.parametrize("name", STATIC)
def test_static_shapes(name):
    assert answer(CASES[name], keras) == RECORDED[name]


@deviation
def test_a_vocabulary_without_room_for_words_is_refused():
    assert answer(CASES["max_tokens of 2"], keras) == RECORDED["max_tokens of 2"]


@deviation
def test_weights_without_a_vocabulary_are_taken():
    name = "weights without a vocabulary"
    assert answer(CASES[name], keras) == RECORDED[name]
