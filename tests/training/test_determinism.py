"""One seed, one result, to the last bit: in one process, and in two."""

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

import torchkeras as keras

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
X = np.random.default_rng(0).normal(size=(48, 8, 8, 3)).astype("float32")
Y = (X.mean(axis=(1, 2, 3), keepdims=False) > 0).astype("float32")[:, None]


def network():
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)), layers.GaussianNoise(0.1), layers.Conv2D(4, 3, activation="relu"),
            layers.BatchNormalization(), layers.SpatialDropout2D(0.2), layers.Reshape((9, 16)),
            layers.LSTM(5, dropout=0.1, recurrent_dropout=0.1), layers.Dropout(0.3), layers.Dense(1, "sigmoid"),
        ]
    )  # fmt: skip
    model.compile("adam", "binary_crossentropy", metrics=["accuracy", "AUC"])
    return model


class Flipped(keras.utils.PyDataset):
    """Images that are changed at random on their way."""

    def __len__(self):
        return 6

    def __getitem__(self, index):
        rows = slice(8 * index, 8 * index + 8)
        return X[rows, :: np.random.choice([-1, 1])] + keras.random.normal((1,)).item(), Y[rows]


def loader():
    rows = torch.utils.data.TensorDataset(torch.from_numpy(X), torch.from_numpy(Y))
    return torch.utils.data.DataLoader(rows, 8, shuffle=True)


DATA = {
    "arrays": lambda: {"x": X, "y": Y, "batch_size": 8, "validation_split": 0.25},
    "steps": lambda: {"x": X, "y": Y, "batch_size": 8, "steps_per_epoch": 4, "validation_data": (X, Y)},
    "data set": lambda: {"x": Flipped()},
    "threads": lambda: {"x": Numbered(workers=3), "validation_data": Numbered()},
    "loader": lambda: {"x": loader(), "validation_data": loader()},
}


class Numbered(keras.utils.PyDataset):
    def __len__(self):
        return 6

    def __getitem__(self, index):
        return X[8 * index :][:8], Y[8 * index :][:8]


def outcome(name):
    """A digest of the weights, the logs and a prediction of a training."""
    keras.utils.set_random_seed(11)
    model = network()
    history = model.fit(epochs=3, verbose=0, **DATA[name]())
    parts = [repr(sorted(history.history.items())).encode(), model.predict(X, verbose=0).tobytes()]
    parts += [weight.tobytes() for weight in model.get_weights()]
    return hashlib.sha256(b"".join(parts)).hexdigest()


@pytest.fixture(scope="module")
def in_another_process():
    environment = {**os.environ, "PYTHONHASHSEED": "77", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, "-m", "tests.training.test_determinism", str(torch.get_num_threads())]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(zip(DATA, done.stdout.split(), strict=True))


@pytest.mark.skipif(torch.cuda.is_available(), reason="kernels of a GPU may add up in any order")
@pytest.mark.parametrize("name", DATA)
def test_one_seed_one_result(name, in_another_process):
    first = outcome(name)
    assert first == outcome(name)
    assert first == in_another_process[name]


def test_another_seed_another_result():
    digests = set()
    for seed in (11, 12):
        keras.utils.set_random_seed(seed)
        model = network()
        model.fit(X, Y, verbose=0)
        digests.add(model.get_weights()[0].tobytes())
    assert len(digests) == 2


if __name__ == "__main__":
    torch.set_num_threads(int(sys.argv[1]))
    for each in DATA:
        print(outcome(each))
