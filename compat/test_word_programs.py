"""Models that take words: trained, asked, saved and put around others, beside what Keras on TensorFlow gave."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import torchkeras
from compat import word_programs as programs
from torchkeras.core import tree

RECORDED = json.loads(Path(__file__).with_name("recorded").joinpath("word_programs.json").read_text())
LOSSES = {"words_in_the_model": "mse", "texts_in_the_model": "binary_crossentropy"}


def same(found, expected):
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_words_are_trained_on_asked_and_saved(name, tmp_path):
    model, x, y, new = getattr(programs, name)(torchkeras)
    found, expected = programs.trained(torchkeras, model, x, y, LOSSES[name]), RECORDED[name]
    for what in found:
        same(found[what], expected[what])
    same(model.predict(new, verbose=0), expected["predicted"])
    model.save(tmp_path / "model.keras")
    again = torchkeras.models.load_model(tmp_path / "model.keras")
    same(again.predict(new, verbose=0), expected["predicted"])
    same(again.evaluate(x, y, verbose=0), expected["evaluated"])


def test_a_model_around_a_trained_one_takes_raw_words(tmp_path):
    inner, x, y, job = programs.words_before_the_model(torchkeras)
    found, expected = programs.trained(torchkeras, inner, x, y), RECORDED["words_before_the_model"]
    for what in found:
        same(found[what], expected[what])
    outer, new = programs.with_words_outside(torchkeras, inner, job), programs.NEW["job"][:, None]
    same(outer.predict(new, verbose=0), expected["predicted"])
    outer.save(tmp_path / "outer.keras")
    same(torchkeras.models.load_model(tmp_path / "outer.keras").predict(new, verbose=0), expected["predicted"])


def _frame(columns):
    return pytest.importorskip("pandas").DataFrame({name: column[:, 0] for name, column in columns.items()})


def _arrow(columns):
    arrow = pytest.importorskip("pyarrow")
    return {name: arrow.array(column[:, 0]) for name, column in columns.items()}


BOXES = {
    "columns of pandas": lambda columns: {name: _frame(columns)[name] for name in columns},
    "columns of pyarrow": _arrow,
    "flat arrays": lambda columns: {name: column[:, 0] for name, column in columns.items()},
    "objects": lambda columns: {n: c.astype(object) if c.dtype.kind == "U" else c for n, c in columns.items()},
    "bytes": lambda columns: {n: np.char.encode(c) if c.dtype.kind == "U" else c for n, c in columns.items()},
}


@pytest.mark.parametrize("box", BOXES)
def test_words_in_any_column(box):
    model, x, y, new = programs.words_in_the_model(torchkeras)
    found, expected = programs.trained(torchkeras, model, BOXES[box](x), y), RECORDED["words_in_the_model"]
    for what in found:
        same(found[what], expected[what])
    same(model.predict(BOXES[box](new), verbose=0), expected["predicted"])


class Batches(torchkeras.utils.PyDataset):
    def __init__(self, x, y):
        super().__init__()
        self.x, self.y = x, y

    def __len__(self):
        return 4

    def __getitem__(self, place):
        rows = slice(6 * place, 6 * place + 6)
        return tree.map_structure(lambda each: each[rows], self.x), self.y[rows]


@pytest.mark.parametrize("kind", ["PyDataset", "generator", "Dataset"])
def test_words_in_batches(kind):
    model, x, y, new = programs.words_in_the_model(torchkeras)
    programs.with_known_weights(model).compile(torchkeras.optimizers.SGD(0.05), "mse")
    batches = Batches(x, y)
    source = {
        "PyDataset": lambda: batches,
        "generator": lambda: (batches[step % 4] for step in range(12)),
        "Dataset": lambda: torchkeras.data.Dataset.from_tensor_slices((x, y)).batch(6),
    }[kind]()
    model.fit(source, epochs=3, steps_per_epoch=4, shuffle=False, verbose=0)
    same(model.predict(new, verbose=0), RECORDED["words_in_the_model"]["predicted"])


def test_what_is_behind_the_words_is_exported(tmp_path):
    """torch.export has no strings: lookups stay in Python, the rest runs without torchkeras."""
    inner, x, y, job = programs.words_before_the_model(torchkeras)
    programs.trained(torchkeras, inner, x, y)
    outer, new = programs.with_words_outside(torchkeras, inner, job), programs.NEW["job"][:, None]
    with pytest.raises(ValueError, match="strings"):
        outer.export(tmp_path / "outer.pt2")
    inner.export(tmp_path / "inner.pt2", verbose=False)
    served = torch.export.load(tmp_path / "inner.pt2").module()
    same(served(job(new).float()).detach().numpy(), outer.predict(new, verbose=0))
