"""Weights that wait for a file: who makes something of them in `build`, where and on which device that happens."""

import threading

import keras
import numpy as np
import pytest
import torch

import torchkeras
from compat.file_cases import array, facts, load, made, scatter, waiting_in
from torchkeras import initializers, layers

X = np.random.default_rng(0).random((2, 4), "float32")


def arrays_given(k):
    x, ids = k.Input((4,)), k.Input((3,), dtype="int32")
    rows = np.arange(20, dtype="float32").reshape(5, 4)
    embedded = k.layers.Embedding(5, 4, embeddings_initializer=k.initializers.Constant(0.5))
    dense = k.layers.Dense(4, kernel_initializer="identity", bias_initializer="random_normal")
    model = k.Model([x, ids], [dense(x), embedded(ids)])
    embedded.set_weights([rows])
    return model


def values_of_the_constructor(k):
    layer = k.layers.SpectralNormalization(k.layers.Dense(3, kernel_initializer="orthogonal"), power_iterations=2)
    norm = k.layers.BatchNormalization(renorm=True) if k is torchkeras else k.layers.BatchNormalization()
    return k.Sequential([k.Input((4,)), layer, norm, k.layers.PReLU(alpha_initializer="ones")])


def subclasses(k):
    class Counting(k.layers.Dense):
        """Looks at its weights as soon as there are some."""

        def build(self, shape):
            super().build(shape)
            self.norm = float(k.ops.sum(self.kernel**2))
            self.kernel.assign(self.kernel / self.norm)

    k.saving.get_custom_objects()["Counting"] = Counting
    return k.Sequential([k.Input((4,)), Counting(3), k.layers.Dense(2)])


MAKERS = (arrays_given, values_of_the_constructor, subclasses)


@pytest.fixture(autouse=True)
def no_custom_objects():
    yield
    for library in (keras, torchkeras):
        library.saving.get_custom_objects().pop("Counting", None)


@pytest.fixture
def saved(tmp_path):
    """A file, and the model that was written."""
    model = made(torchkeras, values_of_the_constructor)
    scatter(model)
    model.save(tmp_path / "model.keras")
    return tmp_path / "model.keras", model


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
def test_layers_that_assign_while_they_are_built(make, tmp_path):
    model = made(torchkeras, make)
    scatter(model)
    model.save(tmp_path / "model.keras")
    again = load(torchkeras, tmp_path / "model.keras")
    assert not [*waiting_in(again)] and facts(again) == facts(model)
    if make is subclasses:
        assert again.layers[0].norm > 0


@pytest.mark.parametrize("make", [arrays_given, subclasses], ids=lambda make: make.__name__)
def test_new_layers_after_loading_have_the_weights_that_keras_gives(make, tmp_path):
    made(keras, make).save(tmp_path / "model.keras")
    found = []
    for library in (keras, torchkeras):
        make(library)
        load(library, tmp_path / "model.keras")
        dense = library.layers.Dense(3)
        dense.build((None, 2))
        found.append((array(dense.kernel).tolist(), array(library.random.uniform((2,))).tolist()))
    assert found[0] == found[1]


def test_what_a_file_does_not_fill_is_initialized_as_the_seed_says(tmp_path):
    """LoRA's factors are in no file."""
    model = torchkeras.Sequential([torchkeras.Input((4,)), layers.Dense(3, lora_rank=2)])
    model.save(tmp_path / "model.keras")
    made_here = []
    for _ in range(2):
        torchkeras.utils.set_random_seed(1)
        again = torchkeras.saving.load_model(tmp_path / "model.keras")
        made_here.append(again.layers[0].lora_kernel_a.numpy())
    assert (made_here[0] == made_here[1]).all() and made_here[0].any()
    np.testing.assert_array_equal(again(X).detach(), model(X).detach())


SURROUNDINGS = {
    "torch.device": lambda: torch.device("cpu"),
    "keras.device": lambda: torchkeras.device("cpu"),
    "StatelessScope": lambda: torchkeras.StatelessScope(),
    "no_grad": torch.no_grad,
    "name_scope": lambda: torchkeras.name_scope("outer"),
}


@pytest.mark.parametrize("name", SURROUNDINGS)
def test_whatever_is_around(name, saved):
    path, model = saved
    with SURROUNDINGS[name]():
        again = load(torchkeras, path)
    assert not [*waiting_in(again)]
    assert facts(again, paths=name != "name_scope") == facts(model, paths=name != "name_scope")
    assert [w.requires_grad for w in again.weights] == [w.requires_grad for w in model.weights]
    again.compile("sgd", "mse")
    again.fit(X, np.ones((2, 3)), verbose=0)


def test_threads(saved):
    path, model = saved
    found, errors = [], []

    def read():
        try:
            found.append(torchkeras.saving.load_model(path))
        except Exception as error:  # noqa: BLE001 - shown below
            errors.append(error)

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    for each in found:
        assert [array(w).tobytes() for w in each.weights] == [array(w).tobytes() for w in model.weights]


def test_a_model_that_is_made_while_another_thread_loads(saved):
    """Weights wait in the thread that reads, and in no other."""
    path, _ = saved
    stop, faults = threading.Event(), []

    def make():
        while not stop.is_set():
            dense = layers.Dense(3)
            dense.build((None, 2))
            faults.extend([dense] if dense.kernel.is_meta else [])

    thread = threading.Thread(target=make)
    thread.start()
    for _ in range(5):
        torchkeras.saving.load_model(path)
    stop.set()
    thread.join()
    assert not faults


def test_an_error_while_loading_leaves_nothing_behind(saved):
    path, _ = saved
    with pytest.raises(ValueError, match="Counting"):
        made(torchkeras, subclasses).save(path)
        torchkeras.saving.get_custom_objects().pop("Counting")
        torchkeras.saving.load_model(path)
    dense = layers.Dense(3, kernel_initializer=initializers.Ones())
    dense.build((None, 2))
    assert dense.kernel.numpy().all()
