"""One model built by several threads at once, and training beside other work."""

import concurrent.futures
import sys
import threading

import numpy as np
import pytest
import torch

import torchkeras as keras
from torchkeras.core import scopes

layers = keras.layers
X = np.arange(24.0, dtype="float32").reshape(8, 3) / 24
THREADS = 6


@pytest.fixture(autouse=True)
def often():
    """Threads change places after nearly every instruction, so that what can meet does."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def together(*functions):
    """Results of functions that run at once. Raises what one of them raised, and fails if one never ends."""
    barrier = threading.Barrier(len(functions))

    def run(function):
        barrier.wait()
        return function()

    threads = concurrent.futures.ThreadPoolExecutor(len(functions))
    running = [threads.submit(run, function) for function in functions]
    try:
        return [each.result(timeout=120) for each in running]
    finally:
        threads.shutdown(wait=False)


class Early(layers.Layer):
    """Says that it is built before it is, as many layers do."""

    def build(self, input_shape):
        self.built = True
        self.first = self.add_weight(shape=(input_shape[-1],), initializer="ones")
        self.dense = layers.Dense(3)
        self.dense.build(input_shape)
        self.second = self.add_weight(shape=(3,), initializer="ones")

    def call(self, x):
        return self.dense(x * self.first) * self.second


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.blocks = [Early(), layers.Dense(4, activation="relu"), layers.BatchNormalization()]
        self.head = layers.Dense(2)

    def call(self, x, training=False):
        for block in self.blocks:
            x = block(x)
        return self.head(x)


MODELS = {
    "sequential": (lambda: keras.Sequential([Early(), layers.Dense(4), layers.Dense(2)]), 8),
    "subclass": (Subclassed, 12),
    "nested": (lambda: keras.Sequential([keras.Sequential([layers.Dense(4), Early()]), layers.Dense(2)]), 8),
}


@pytest.mark.parametrize(("make", "count"), MODELS.values(), ids=MODELS)
def test_first_calls_of_one_model(make, count):
    for _ in range(8):
        model = make()
        outputs = together(*[lambda model=model: model(X)] * THREADS)
        assert len(model.weights) == len(list(model.parameters())) == count
        assert len({weight.path for weight in model.weights}) == count
        for output in outputs:
            torch.testing.assert_close(output, model(X))


def test_one_layer_built_directly():
    for _ in range(20):
        layer = layers.Dense(2)
        together(*[lambda layer=layer: layer.build((None, 3))] * THREADS)
        assert len(layer.weights) == 2 and layer.kernel is layer.weights[0]


def test_names_stay_unique():
    found = together(*[lambda: [layers.Dense(1).name for _ in range(200)]] * THREADS)
    names = [name for each in found for name in each]
    assert len(set(names)) == len(names)


def test_models_made_beside_each_other():
    def make():
        inputs = keras.Input((3,))
        x = layers.Dense(4)(inputs)
        for _ in range(10):
            x = layers.Add()([x, torch.nn.ReLU()(layers.Dense(4)(x))])
        return keras.Model(inputs, x)

    for model in together(*[make] * 4):
        assert len(model.weights) == 22 and model(X).shape == (8, 4)


def trained(model, epochs=30):
    model.compile(keras.optimizers.SGD(0.05), "mse", metrics=["mae"])
    return model.fit(X, X[:, :2], batch_size=4, epochs=epochs, shuffle=False, verbose=0).history


def ready(penalty):
    class Penalized(Subclassed):
        def call(self, x, training=False):
            if penalty:
                self.add_loss(penalty * x.sum())
            return super().call(x)

    keras.utils.set_random_seed(1)
    model = Penalized()
    model(X)
    return model


def assert_equal_histories(found, expected):
    assert found.keys() == expected.keys()
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-5, err_msg=name)


@pytest.mark.parametrize("penalty", [0.1, 0.0])
def test_prediction_beside_training_of_the_same_model(penalty):
    expected = trained(ready(penalty))
    model, done = ready(penalty), threading.Event()

    def train():
        try:
            return trained(model)
        finally:
            done.set()

    def predict():
        shapes = set()
        while not done.is_set():
            shapes.add(model.predict(X, verbose=0).shape)
            if not penalty:  # a bare call renews what the model says in `losses`
                shapes.add(tuple(model(X).shape))
        return shapes

    found, shapes = together(train, predict)
    assert shapes == {(8, 2)}
    assert_equal_histories(found, expected)


def test_two_models_trained_at_once():
    expected = [trained(ready(penalty)) for penalty in (0.1, 0.2)]
    models = [ready(0.1), ready(0.2)]
    for history, alone in zip(together(*[lambda m=m: trained(m) for m in models]), expected, strict=True):
        assert_equal_histories(history, alone)


def test_a_forked_process_waits_for_no_lock_of_its_parent():
    with scopes.process.building:
        queue = torch.multiprocessing.get_context("fork").SimpleQueue()
        child = torch.multiprocessing.get_context("fork").Process(
            target=lambda: queue.put(tuple(layers.Dense(2)(X).shape)), daemon=True
        )
        child.start()
        child.join(timeout=60)
    assert child.exitcode == 0 and queue.get() == (8, 2)
