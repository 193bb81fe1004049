"""Data that make their own batches: the forms that batches have, how far sources are read, and what ends them."""

import collections
import dataclasses
import threading
import types

import h5py
import numpy as np
import pytest
import scipy.sparse
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

import torchkeras as keras
from torchkeras.training.row_readers import RowReader
from torchkeras.training.sources import source_of

RNG = np.random.default_rng(0)
X = RNG.normal(size=(20, 3)).astype("float32")
Y = X.sum(axis=1, keepdims=True)
WEIGHTS = RNG.uniform(0.2, 2, size=20).astype("float32")
Pair = collections.namedtuple("Pair", "inputs targets")


@dataclasses.dataclass
class Batch:
    x: object
    y: object
    sample_weight: object = None


@dataclasses.dataclass
class Named:
    pixels: object
    size: object


class Rows(Dataset):
    def __len__(self):
        return len(X)

    def __getitem__(self, index):
        return X[index], Y[index]


class Stream(IterableDataset):
    def __iter__(self):
        return iter(zip(X, Y))


class Again:
    """Can be iterated over again and again; has no length."""

    def __iter__(self):
        return batches()


class Data(keras.utils.PyDataset):
    def __init__(self, **options):
        super().__init__(**options)
        self.calls = []

    def __len__(self):
        return 5

    def __getitem__(self, index):
        self.calls.append(index)
        return X[4 * index : 4 * index + 4], Y[4 * index : 4 * index + 4]

    def on_epoch_end(self):
        self.calls.append("end")


class OfKeras2:
    """Has the methods of a Sequence, and no base class."""

    def __len__(self):
        return 5

    def __getitem__(self, index):
        return X[4 * index : 4 * index + 4], Y[4 * index : 4 * index + 4]

    def on_epoch_end(self):
        pass


def batches(form=lambda x, y: (x, y)):
    for start in range(0, 20, 4):
        yield form(X[start : start + 4], Y[start : start + 4])


def model(**arguments):
    keras.utils.set_random_seed(1)
    network = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    network.compile("sgd", "mse", **arguments)
    return network


def losses(data, epochs=1, **arguments):
    return model().fit(data, epochs=epochs, verbose=0, shuffle=False, **arguments).history["loss"]


def expected(epochs=1, **arguments):
    return model().fit(X, Y, batch_size=4, shuffle=False, verbose=0, epochs=epochs, **arguments).history["loss"]


ONCE = {
    "list iterator": lambda: iter(list(batches())),
    "lists of two": lambda: batches(lambda x, y: [x, y]),
    "numbers in lists": lambda: batches(lambda x, y: (x.tolist(), y.tolist())),
    "tensors": lambda: batches(lambda x, y: (torch.from_numpy(x), torch.from_numpy(y))),
    "named tuple": lambda: batches(Pair),
    "data class": lambda: batches(Batch),
    "zip": lambda: zip(X.reshape(5, 4, 3), Y.reshape(5, 4, 1)),
    "sparse": lambda: batches(lambda x, y: (scipy.sparse.csr_array(x), y)),
    "stream": Stream,
}
AGAIN = {
    "iterable": Again,
    "list in a class": lambda: collections.UserList(batches()),
    "Keras 2": OfKeras2,
    "PyDataset": Data,
    "threads": lambda: Data(workers=2),
    "processes": lambda: Data(workers=2, use_multiprocessing=True),
    "loader": lambda: DataLoader(Rows(), batch_size=4),
    "loader of batches": lambda: DataLoader(list(batches()), batch_size=None),
    "loader with processes": lambda: DataLoader(Rows(), batch_size=4, num_workers=2),
    "rows": Rows,
    "tensors": lambda: TensorDataset(torch.from_numpy(X), torch.from_numpy(Y)),
}


@pytest.mark.parametrize("kind", [*ONCE, *AGAIN])
def test_every_kind_trains_as_arrays_do(kind):
    data = {**ONCE, **AGAIN}[kind]()
    epochs = 2 if kind in AGAIN else 1
    np.testing.assert_allclose(losses(data, epochs, batch_size=4), expected(epochs), rtol=1e-6)


def test_batches_of_all_lengths():
    uneven = [(X[:7], Y[:7]), (X[7:8], Y[7:8]), (X[8:], Y[8:])]
    history = model().fit(iter(uneven), verbose=0)
    assert history.params["steps"] is None and len(history.history["loss"]) == 1
    assert model().predict(iter([(x,) for x, _ in uneven]), verbose=0).shape == (20, 1)


@pytest.mark.parametrize("workers", [{}, {"workers": 2}, {"workers": 2, "use_multiprocessing": True}])
def test_batches_bring_their_weights_and_take_those_of_classes(workers):
    class Weighted(Data):
        def __getitem__(self, index):
            where = slice(4 * index, 4 * index + 4)
            return X[where], Y[where] > 0, WEIGHTS[where]

    found = losses(Weighted(**workers), class_weight={0: 3.0})
    wanted = model().fit(X, Y > 0, sample_weight=WEIGHTS, class_weight={0: 3.0}, batch_size=4, shuffle=False, verbose=0)
    np.testing.assert_allclose(found, wanted.history["loss"], rtol=1e-6)


SEEN = []


@pytest.fixture(autouse=True)
def nothing_seen():
    SEEN.clear()


class Sees(keras.Model):
    """Keeps what its steps are given. Not in an attribute, whose containers would be tracked."""

    def train_step(self, data):
        SEEN.append(data)
        return {"loss": torch.tensor(0.0)}

    test_step = train_step


FORMS = {
    "mapping": (lambda x, y: types.MappingProxyType({"pixels": x, "size": y}), dict),
    "data class of its own": (lambda x, y: Named(x, y), dict),
    "data class": (lambda x, y: Batch(x, y, WEIGHTS[:4]), tuple),
    "named tuple": (Pair, Pair),
    "pair": (lambda x, y: (x, y), tuple),
    "list": (lambda x, y: [x, y], list),
    "x": (lambda x, y: x, torch.Tensor),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_step_of_the_users_gets_what_the_source_gave(form):
    make, kind = FORMS[form]
    network = Sees()
    network.compile("sgd")
    network.fit(batches(make), verbose=0)
    network.evaluate(batches(make), verbose=0)
    assert len(SEEN) == 10
    for data in SEEN:
        assert type(data) is kind
        for leaf in keras.tree.flatten(data):
            assert type(leaf) is torch.Tensor and leaf.dtype == torch.float32
    if kind is dict:
        assert list(SEEN[0]) == ["pixels", "size"]


def test_strings_come_as_numpy():
    network = Sees()
    network.compile("sgd")
    network.fit(iter([(np.array(["a", "b"]), np.ones((2, 1)))]), verbose=0)
    assert isinstance(SEEN[0][0], np.ndarray) and SEEN[0][1].dtype == torch.float64


def test_methods_for_one_batch_take_arrays():
    for method in ("train_on_batch", "test_on_batch", "predict_on_batch"):
        with pytest.raises(ValueError, match="`x` is of type list_iterator"):
            getattr(model(), method)(iter([(X, Y)]))


def test_no_graph_comes_with_a_batch():
    factor = torch.nn.Parameter(torch.ones(3))
    model().fit(batches(lambda x, y: (torch.from_numpy(x) * factor, y)), verbose=0)
    assert factor.grad is None


def test_memory_of_the_users_is_never_changed():
    before = X.copy()
    network = keras.Sequential([torch.nn.ReLU(inplace=True), keras.layers.Dense(1)])
    network.compile("sgd", "mse")
    cached = [(torch.from_numpy(X), torch.from_numpy(Y))]
    for data in (batches(), iter(cached), OfKeras2()):
        network.fit(data, verbose=0)
        network.predict(batches(lambda x, y: x), verbose=0)
    np.testing.assert_array_equal(X, before)


# -- how far a source is read -----------------------------------------------------------------------------------------


class Counted:
    def __init__(self, count=1000):
        self.left, self.drawn = count, 0

    def __iter__(self):
        return self

    def __next__(self):
        if not self.left:
            raise StopIteration
        self.left -= 1
        self.drawn += 1
        return X[:4], Y[:4]


def test_a_generator_is_read_as_far_as_the_steps_need():
    source, network = Counted(), model()
    network.fit(source, steps_per_epoch=3, epochs=2, verbose=0)
    assert source.drawn == 6
    network.fit(source, steps_per_epoch=2, verbose=0)
    network.evaluate(source, steps=2, verbose=0)
    network.predict(source, steps=1, verbose=0)
    assert source.drawn == 11


def test_one_batch_is_read_ahead_to_see_shapes():
    source = Counted()
    seen = []

    class First(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            seen.append(source.drawn)

    model().fit(source, steps_per_epoch=3, verbose=0, callbacks=[First()])
    assert seen == [1] and source.drawn == 3


def test_a_generator_that_ends_early_ends_the_training():
    with pytest.warns(UserWarning, match="ended after 1 of 2 steps.*runs once"):
        history = model().fit(Counted(3), steps_per_epoch=2, epochs=3, verbose=0)
    assert len(history.history["loss"]) == 2 and history.epoch == [0, 1]
    with pytest.warns(UserWarning, match="gave no more batches: the training ends here"):
        history = model().fit(batches(), epochs=3, verbose=0)
    assert history.epoch == [0]


def test_a_generator_that_ends_is_told_once_to_those_who_validate():
    with pytest.warns(UserWarning, match="^validation_data: .*gave no more batches") as caught:
        history = model().fit(X, Y, validation_data=batches(), epochs=4, verbose=0)
    assert len(caught) == 1 and len(history.history["val_loss"]) == 1 and len(history.history["loss"]) == 4


def test_data_that_begin_again_are_validated_from_their_start():
    for data in (Again(), Data(), DataLoader(Rows(), batch_size=4)):
        history = model().fit(X[:4], Y[:4], validation_data=data, validation_steps=2, epochs=3, verbose=0)
        assert len(history.history["val_loss"]) == 3
    seen = Data()
    model().fit(X[:4], Y[:4], validation_data=seen, validation_steps=2, epochs=2, verbose=0)
    assert seen.calls == [0, 1, "end", 0, 1, "end"]


def test_epochs_of_some_steps_go_on_where_the_last_ended():
    data = Data()
    network = model()
    network.predict(X, verbose=0)
    with pytest.warns(UserWarning, match="ended after 1 of 2 steps"):
        network.fit(data, steps_per_epoch=2, epochs=4, verbose=0, shuffle=False)
    assert data.calls == [0, 0, 1, "end", 2, 3, "end", 4, "end", 0, 1, "end"]  # the first to see shapes, as in Keras
    data.calls.clear()
    network.fit(data, epochs=2, verbose=0, shuffle=False)
    assert data.calls == [0, 1, 2, 3, 4, "end"] * 2  # nothing to be learned from a look now


def test_order_changes_in_fit_only_and_never_within_a_batch():
    data = Data()
    network = model()
    network.fit(data, verbose=0)
    order = data.calls[1:-1]
    assert sorted(order) == list(range(5)) != order
    data.calls.clear()
    network.evaluate(data, verbose=0)
    network.predict(data, verbose=0)
    assert data.calls == [0, 1, 2, 3, 4, "end"] * 2


def test_arguments_of_keras2_go_to_a_py_dataset():
    threads = set()

    class Where(Data):
        def __getitem__(self, index):
            threads.add(threading.current_thread())
            return super().__getitem__(index)

    network = model()
    network.fit(X, Y, verbose=0, workers=4, use_multiprocessing=True, max_queue_size=3)
    network.fit(Where(), verbose=0, workers=3, max_queue_size=3, validation_data=Where())
    assert len(threads - {threading.main_thread()}) >= 2
    threads.clear()
    network.evaluate(Where(workers=3), verbose=0, workers=1)
    assert threads == {threading.main_thread()}


def test_a_callback_may_end_an_epoch():
    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = batch == 1

    data, source = Data(), Counted()
    model().fit(data, epochs=3, verbose=0, callbacks=[Stop()], shuffle=False)
    assert data.calls == [0, 0, 1, "end"]
    model().fit(source, epochs=3, verbose=0, callbacks=[Stop()])
    assert source.drawn == 2


# -- rows of files and matrices ---------------------------------------------------------------------------------------

LARGE = np.arange(60000 * 20, dtype="float32").reshape(60000, 20) % 97  # more than is read at once


def hdf5(folder, array=LARGE, **options):
    return h5py.File(folder / "x.h5", "w").create_dataset("x", data=array, **options)


READ = {
    "HDF5": hdf5,
    "HDF5 in chunks": lambda folder: hdf5(folder, chunks=(1000, 20), compression="gzip"),
    "HDF5, big-endian": lambda folder: hdf5(folder, LARGE.astype(">f4")),
    "sparse": lambda folder: scipy.sparse.csr_matrix(LARGE),
    "sparse by columns": lambda folder: scipy.sparse.csc_array(LARGE),
    "sparse pairs": lambda folder: scipy.sparse.coo_array(LARGE),
}


@pytest.mark.parametrize("shuffle", [False, True, "batch"])
@pytest.mark.parametrize("kind", READ)
def test_rows_are_those_of_the_array(kind, shuffle, tmp_path):
    x = READ[kind](tmp_path)
    found = []
    for data in (x, LARGE):
        keras.utils.set_random_seed(0)
        source = source_of({"x": data}, shuffle=shuffle, batch_size=9000)
        found.append([batch[0]["x"] for batch in source.batches()])
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


@pytest.mark.parametrize("kind", ["HDF5", "sparse"])
def test_the_last_rows_can_be_kept_for_validation(kind, tmp_path):
    x = READ[kind](tmp_path)
    network = keras.Sequential([keras.Input((20,)), keras.layers.Dense(1)])
    network.compile("sgd", "mse")
    history = network.fit(x, LARGE[:, :1], validation_split=0.25, batch_size=15000, verbose=0)
    assert history.params["steps"] == 3 and "val_loss" in history.history
    reader = source_of(x)._arrays[0]
    assert isinstance(reader, RowReader) and torch.equal(
        reader.part(slice(59990, 60000))[2:4], torch.tensor(LARGE[59992:59994])
    )


def test_small_data_sets_are_read_at_once(tmp_path):
    for x in (hdf5(tmp_path, X), scipy.sparse.csr_array(X)):
        np.testing.assert_array_equal(source_of(x)._arrays[0], X)
