"""Data that make their own batches, beside the installed Keras: the same steps, numbers, order and calls.

Each kind is a function of the library that gives `x`. What only torchkeras takes is in tests/training/test_sources.py.
"""

import h5py
import keras
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

import torchkeras
from compat.curves import run_both, seed_weights

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*(shuffle=True|ran out|data ended).*"),
]
RNG = np.random.default_rng(3)
X = RNG.normal(size=(22, 3)).astype("float32")
Y = (X.sum(axis=1, keepdims=True) + 0.1).astype("float32")
WEIGHTS = RNG.uniform(0.2, 2.0, size=22).astype("float32")
BATCHES = [slice(start, start + 4) for start in range(0, 22, 4)]


def generator(k, weights=False, dtype="float32", count=6):
    def batches():
        for where in BATCHES[:count]:
            batch = X[where].astype(dtype), Y[where].astype(dtype)
            yield (*batch, WEIGHTS[where]) if weights else batch

    return batches()


def repeating(k):
    while True:
        for where in BATCHES:
            yield X[where], Y[where]


def loader(k, **options):
    columns = [torch.from_numpy(X), torch.from_numpy(Y)]
    if options.pop("weights", False):
        columns.append(torch.from_numpy(WEIGHTS))
    if options.pop("double", False):
        columns = [column.double() for column in columns]
    return DataLoader(TensorDataset(*columns), **{"batch_size": 4, **options})


class Stream(IterableDataset):
    def __iter__(self):
        return iter(zip(X, Y))


def py_dataset(k, endless=False, weights=False, **options):
    class Data(k.utils.PyDataset):
        calls = []

        def __getitem__(self, index):
            where = BATCHES[index % len(BATCHES)]
            self.calls.append(index)
            return (X[where], Y[where], WEIGHTS[where]) if weights else (X[where], Y[where])

        @property
        def num_batches(self):
            return None if endless else len(BATCHES)

    return Data(**options)


class Calls:
    """A callback that writes down which hooks are called with what numbers."""

    @staticmethod
    def of(k):
        class Recorder(k.callbacks.Callback):
            def __init__(self):
                super().__init__()
                self.calls = []

        for hook in [name for name in dir(k.callbacks.Callback) if name.startswith("on_")]:
            if hook in ("on_batch_begin", "on_batch_end"):
                continue

            def record(self, *args, hook=hook, **kwargs):
                logs = args[1] if len(args) > 1 else kwargs.get("logs")
                self.calls.append((hook, args[0] if args and isinstance(args[0], int) else None, sorted(logs or ())))

            setattr(Recorder, hook, record)
        return Recorder()


def model_of(k):
    model = k.Sequential(
        [k.Input((3,)), k.layers.Dense(4, activation="tanh"), k.layers.Dropout(0.2), k.layers.Dense(1)]
    )
    model = seed_weights(model)
    model.compile(k.optimizers.SGD(0.05), "mse", metrics=["mae"], weighted_metrics=["mse"])
    return model


def trained(k, make, **arguments):
    k.utils.set_random_seed(11)
    model, recorder = model_of(k), Calls.of(k)
    data = make(k)
    history = model.fit(data, verbose=0, callbacks=[recorder], **{"epochs": 2, **arguments})
    state = int(torch.empty((), dtype=torch.int64).random_())
    return history.history, history.epoch, history.params, model.get_weights(), recorder.calls, state


FIT = {
    "generator": (generator, {"epochs": 1}),
    "generator with weights": (lambda k: generator(k, weights=True), {"epochs": 1}),
    "generator of float64": (lambda k: generator(k, dtype="float64"), {"epochs": 1}),
    "generator in steps": (generator, {"steps_per_epoch": 3}),
    "generator without end": (repeating, {"steps_per_epoch": 4, "epochs": 3}),
    "generator and arrays to validate": (repeating, {"steps_per_epoch": 4, "validation_data": (X, Y)}),
    "loader": (loader, {}),
    "loader of float64": (lambda k: loader(k, double=True), {}),
    "loader in random order": (lambda k: loader(k, shuffle=True), {"epochs": 3}),
    "loader with weights": (lambda k: loader(k, weights=True, shuffle=True), {}),
    "loader with a generator": (
        lambda k: loader(k, shuffle=True, generator=torch.Generator().manual_seed(5)), {"epochs": 3},
    ),
    "loader with a generator and a worker": (
        lambda k: loader(k, shuffle=True, num_workers=1, generator=torch.Generator().manual_seed(5)), {"epochs": 3},
    ),
    "loader without the last batch": (lambda k: loader(k, drop_last=True), {}),
    "loader in steps": (lambda k: loader(k, shuffle=True), {"steps_per_epoch": 3}),
    "loader with too many steps": (loader, {"steps_per_epoch": 8}),
    "loader of a stream": (lambda k: DataLoader(Stream(), batch_size=5), {"epochs": 1}),
    "PyDataset": (py_dataset, {"epochs": 3}),
    "PyDataset in order": (py_dataset, {"shuffle": False}),
    "PyDataset with weights": (lambda k: py_dataset(k, weights=True), {}),
    "PyDataset and class weights": (py_dataset, {"class_weight": {0: 2.0}}),
    "PyDataset in steps": (py_dataset, {"steps_per_epoch": 3, "epochs": 3, "shuffle": False}),
    "PyDataset with too many steps": (py_dataset, {"steps_per_epoch": 8, "shuffle": False}),
    "PyDataset without end": (lambda k: py_dataset(k, endless=True), {"steps_per_epoch": 4, "epochs": 3}),
    "PyDataset in batches of its own": (py_dataset, {"batch_size": 7, "shuffle": False}),
    "initial epoch": (py_dataset, {"initial_epoch": 1, "epochs": 3, "shuffle": False}),
    "validation by a loader": (loader, {"validation_data": "loader"}),
    "validation by some batches": (loader, {"validation_data": "loader", "validation_steps": 2, "epochs": 3}),
    "validation by a PyDataset": (loader, {"validation_data": "PyDataset", "validation_freq": 2, "epochs": 4}),
    "validation in some epochs": (loader, {"validation_data": "PyDataset", "validation_freq": [1, 3], "epochs": 4}),
}  # fmt: skip
# The random stream after it: not where a pass was broken off, as each library has begun a next one at another time.
UNEVEN = ("generator in steps", "PyDataset in steps", "loader with too many steps", "loader in steps")


@pytest.mark.parametrize("name", FIT)
def test_fit(name):
    make, arguments = FIT[name]

    def scenario(k):
        more = dict(arguments)
        if isinstance(kind := more.get("validation_data"), str):
            more["validation_data"] = {"loader": loader, "PyDataset": py_dataset}[kind](k)
        result = trained(k, make, **more)
        return result[:-1] if name in UNEVEN else result

    run_both(scenario)


@pytest.mark.parametrize("workers", [{"workers": 2}, {"workers": 3, "max_queue_size": 2}])
def test_workers_give_the_batches_in_order(workers):
    run_both(lambda k: trained(k, lambda k: py_dataset(k, **(workers if k is not keras else {})), shuffle=False)[:-1])


EVALUATE = {
    "generator": generator,
    "loader": loader,
    "loader with weights": lambda k: loader(k, weights=True),
    "PyDataset": py_dataset,
    "PyDataset by two threads": lambda k: py_dataset(k, workers=2 if k is not keras else 1),
}


@pytest.mark.parametrize("steps", [None, 3])
@pytest.mark.parametrize("name", EVALUATE)
def test_evaluate_and_predict(name, steps):
    def scenario(k):
        model, recorder = model_of(k), Calls.of(k)
        options = {"verbose": 0, "steps": steps, "callbacks": [recorder]}
        logs = model.evaluate(EVALUATE[name](k), return_dict=True, **options)
        return logs, model.predict(EVALUATE[name](k), **options), recorder.calls

    run_both(scenario)


def test_predict_of_inputs_alone():
    def scenario(k):
        model = model_of(k)
        loaded = DataLoader(TensorDataset(torch.from_numpy(X)), batch_size=5)
        return model.predict(((X[where],) for where in BATCHES), verbose=0), model.predict(loaded, verbose=0)

    run_both(scenario)


def test_several_inputs_and_outputs():
    class Rows(torch.utils.data.Dataset):
        def __len__(self):
            return len(X)

        def __getitem__(self, index):
            return {"a": X[index], "b": X[index] ** 2}, {"p": Y[index], "q": Y[index] * 2}

    def scenario(k):
        a, b = k.Input((3,), name="a"), k.Input((3,), name="b")
        hidden = k.layers.concatenate([a, b])
        outputs = {"p": k.layers.Dense(1, name="p")(hidden), "q": k.layers.Dense(1, name="q")(hidden)}
        model = seed_weights(k.Model({"a": a, "b": b}, outputs))
        model.compile("sgd", {"p": "mse", "q": "mae"})
        history = model.fit(DataLoader(Rows(), batch_size=5), epochs=2, verbose=0).history
        return history, model.predict(DataLoader(Rows(), batch_size=5), verbose=0)

    run_both(scenario)


ROWS = {
    "sparse matrix": lambda folder: scipy.sparse.csr_matrix(np.where(X > 0.5, X, 0)),
    "sparse array by columns": lambda folder: scipy.sparse.csc_array(np.where(X > 0.5, X, 0)),
    "HDF5": lambda folder: h5py.File(folder / "x.h5", "w").create_dataset("x", data=X),
    "memory map": lambda folder: np.memmap(folder / "x.bin", mode="w+", shape=X.shape, dtype="float32") + X,
    "data frame": lambda folder: pd.DataFrame(X, columns=list("abc")),
}


@pytest.mark.parametrize("arguments", [{}, {"batch_size": 5, "shuffle": False}, {"validation_split": 0.3}])
@pytest.mark.parametrize("kind", ROWS)
def test_rows(kind, arguments, tmp_path):
    x = ROWS[kind](tmp_path)
    if "validation_split" in arguments and kind in ("HDF5", "sparse matrix", "sparse array by columns"):
        x = X if kind == "HDF5" else np.where(X > 0.5, X, 0)  # Keras splits none of these

    def scenario(k):
        given = ROWS[kind](tmp_path) if k is not keras and kind != "HDF5" else x
        k.utils.set_random_seed(5)
        model = model_of(k)
        return model.fit(given, Y, verbose=0, epochs=2, **arguments).history, model.get_weights()

    run_both(scenario)


MISUSE = {
    "y beside": lambda model, data: model.fit(data, y=Y, verbose=0),
    "weights beside": lambda model, data: model.fit(data, sample_weight=WEIGHTS, verbose=0),
    "split": lambda model, data: model.fit(data, validation_split=0.2, verbose=0),
    "y beside, evaluated": lambda model, data: model.evaluate(data, y=Y, verbose=0),
}
KINDS = {"generator": generator, "loader": loader, "PyDataset": py_dataset}


@pytest.mark.parametrize("misuse", MISUSE)
@pytest.mark.parametrize("kind", KINDS)
def test_misuse(kind, misuse):
    def scenario(k):
        with pytest.raises(ValueError):
            MISUSE[misuse](model_of(k), KINDS[kind](k))

    run_both(scenario)


def test_batches_that_change_their_shape():
    def scenario(k):
        model = seed_weights(k.Sequential([k.Input((None, 3)), k.layers.SimpleRNN(2), k.layers.Dense(1)]))
        model.compile("sgd", "mse")
        batches = [(X[None, :size], np.ones((1, 1), "float32")) for size in (3, 7, 5)]
        history = model.fit((batch for batch in batches), verbose=0).history
        with pytest.raises((ValueError, RuntimeError)):
            model.fit(((x[:, :, :2], y) for x, y in batches), verbose=0)
        return history, model.get_weights()

    run_both(scenario)


def test_a_generator_of_nothing():
    def scenario(k):
        with pytest.raises(ValueError):
            model_of(k).fit((batch for batch in ()), verbose=0)

    run_both(scenario)


class Broken(Exception):
    """What the user's code raises."""


@pytest.mark.parametrize("kind", KINDS)
def test_what_raises_in_the_middle_comes_out_as_it_is(kind):
    def scenario(k):
        def rows():
            yield X[:4], Y[:4]
            yield X[4:8], Y[4:8]
            raise Broken

        class Data(k.utils.PyDataset):
            def __len__(self):
                return 4

            def __getitem__(self, index):
                if index == 2:
                    raise Broken
                return X[:4], Y[:4]

        class Rows(torch.utils.data.Dataset):
            def __len__(self):
                return 12

            def __getitem__(self, index):
                if index == 9:
                    raise Broken
                return X[index], Y[index]

        data = {"generator": rows, "PyDataset": Data, "loader": lambda: DataLoader(Rows(), batch_size=4)}[kind]()
        model, recorder = model_of(k), Calls.of(k)
        with pytest.raises(Broken):
            model.fit(data, shuffle=False, verbose=0, callbacks=[recorder])
        calls = [call for call in recorder.calls if "batch" in call[0]]
        # Keras reads a generator two batches ahead, so it has made one step less.
        return model.get_weights() if kind != "generator" else None, calls if kind != "generator" else None

    run_both(scenario)


# -- where Keras 3 does otherwise (compat/deviations.md) --------------------------------------------------------------


@pytest.mark.xfail(reason="Keras reads its first batches again")
def test_a_generator_that_ended_begins_again():
    history = model_of(torchkeras).fit(generator(torchkeras), epochs=2, verbose=0)
    assert len(history.epoch) == 2


@pytest.mark.xfail(reason="Keras refuses", raises=pytest.fail.Exception)
@pytest.mark.parametrize("kind", ["generator", "loader"])
def test_class_weights_are_for_arrays_only(kind):
    with pytest.raises(ValueError):
        model_of(torchkeras).fit(KINDS[kind](torchkeras), class_weight={0: 2.0}, verbose=0)


@pytest.mark.xfail(reason="Keras calls it once more before the training")
def test_a_py_dataset_hears_of_an_epoch_before_the_first():
    calls = []

    class Data(torchkeras.utils.PyDataset):
        def __len__(self):
            return 2

        def __getitem__(self, index):
            return X[:4], Y[:4]

        def on_epoch_end(self):
            calls.append("end")

    model_of(torchkeras).fit(Data(), epochs=2, verbose=0)
    assert len(calls) == 3


@pytest.mark.xfail(reason="Keras refuses", raises=pytest.fail.Exception)
@pytest.mark.parametrize("data", [lambda: iter([(X, Y)]), lambda: ([X, Y] for _ in range(1)), Stream])
def test_batches_come_from_generators_of_tuples_only(data):
    with pytest.raises(ValueError):
        model_of(torchkeras).fit(data(), verbose=0)
