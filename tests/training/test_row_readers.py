"""Memory maps: read batch by batch, of every number type and layout, never copied whole."""

import numpy as np
import pytest
import torch

import torchkeras as keras
from torchkeras.training.row_readers import RowReader, is_mapped, row_reader
from torchkeras.training.sources import source_of

ROWS, COLUMNS = 40000, 32  # 5 MB of float32, more than is read at once


def private_memory():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("RssAnon")) / 1024


@pytest.fixture
def mapped(tmp_path):
    def make(dtype="float32", mode="r", shape=(ROWS, COLUMNS)):
        path = tmp_path / f"{np.dtype(dtype).name}.npy"
        array = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
        array[:] = np.arange(shape[0]).reshape(-1, *[1] * (len(shape) - 1)) % 120
        array.flush()
        return np.load(path, mmap_mode=mode)

    return make


@pytest.mark.parametrize("dtype", ["float32", "float64", ">f4", ">f8", ">i4", "int64", "uint16", "float16"])
@pytest.mark.parametrize("shuffle", [False, True])
def test_batches_are_those_of_the_array(mapped, dtype, shuffle):
    array = mapped(dtype, shape=(ROWS, 4 * COLUMNS))
    held = np.array(array)
    batches = []
    for x in (array, held):
        keras.utils.set_random_seed(0)
        batches.append([batch[0] for batch in source_of(x, shuffle=shuffle, batch_size=6000).batches()])
    assert is_mapped(array) and not is_mapped(held)
    for one, other in zip(*batches, strict=True):
        assert one.dtype == other.dtype and torch.equal(one, other)


@pytest.mark.parametrize("view", [lambda a: a[::2], lambda a: a[:, ::-1], lambda a: a[5:], lambda a: np.asarray(a)])
def test_views(mapped, view):
    array = view(mapped(shape=(ROWS, 4 * COLUMNS)))
    assert is_mapped(array)
    np.testing.assert_array_equal(source_of(array, batch_size=len(array)).first_batch()[0].numpy(), array)


def test_small_maps_are_read_at_once(mapped):
    assert not is_mapped(mapped(shape=(100, 3)))


def test_parts_stay_in_the_file(mapped):
    array = row_reader(mapped(), torch.from_numpy)
    part = array.part(slice(10, 20))
    assert isinstance(part, RowReader) and part.shape == (10, COLUMNS) and len(list(array.in_parts())) == 2
    assert torch.equal(torch.cat(list(array.in_parts())), array[:])


@pytest.mark.parametrize("dtype", ["float32", "float64", ">f4"])
@pytest.mark.parametrize("mode", ["r", "r+", "c"])
def test_memory(mapped, dtype, mode):
    """40 MB and more of data, a few of private memory: fit of every form, evaluate, predict."""
    x = mapped(dtype, mode, (ROWS, 256))
    y = (np.arange(ROWS) % 3).astype("int64")
    model = keras.Sequential([keras.Input((256,)), keras.layers.Dense(3, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(np.zeros((500, 256), "float32"), y[:500], batch_size=500, verbose=0)
    before = private_memory()
    grown = []

    class Watch(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            grown.append(private_memory() - before)

        on_test_batch_end = on_predict_batch_end = on_train_batch_end

    options = {"batch_size": 500, "verbose": 0, "callbacks": [Watch()]}
    model.fit(x, y, validation_split=0.2, class_weight={0: 2.0}, **options)
    model.fit(x, y, steps_per_epoch=3, epochs=2, sample_weight=np.ones(ROWS), **options)
    model.evaluate(x, y, **options)
    model.predict(x, **options)
    assert max(grown) < 20


def test_class_weights_of_mapped_targets(mapped):
    labels = mapped("int64", shape=(ROWS * 16,))
    assert is_mapped(labels)
    x = np.zeros((len(labels), 1), "float32")
    for y in (labels, np.array(labels)):
        source = source_of(x, y, class_weight={1: 3.0}, batch_size=240)
        assert source.first_batch()[2][:3].tolist() == [1.0, 3.0, 1.0]
