"""Trainings that are killed at any moment: what is on the disk loads, and what goes on ends as if nothing had happened.

The trainings run in children that a process forks which has everything imported; `main` is that process.
"""

import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import torch
from torch.utils.data import DataLoader, TensorDataset

import torchkeras as keras

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3)).astype("float32")
Y = (X[:, :1] * X[:, 1:2] > 0).astype("float32")


def run_apart(name, folder):
    """One of the functions below in an interpreter of its own; gives what it printed."""
    command = [sys.executable, "-m", "tests.saving.test_broken_off", name, os.fspath(folder)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.split("\n")[:-1]


def model_of():
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((3,)), layers.Dense(8, activation="relu"), layers.BatchNormalization(), layers.Dropout(0.3),
            layers.GaussianNoise(0.1), layers.Dense(1, activation="sigmoid"),
        ]
    )  # fmt: skip
    model.compile(keras.optimizers.Adam(0.01), "binary_crossentropy", metrics=["accuracy", "AUC"])
    return model


# -- BackupAndRestore -------------------------------------------------------------------------------------------------


class Rows(keras.utils.PyDataset):
    def __len__(self):
        return 5

    def __getitem__(self, index):
        return X[index * 8 :][:8], Y[index * 8 :][:8]


def generated():
    order = np.random.default_rng(5)
    while True:
        rows = order.permutation(40)[:8]
        yield X[rows], Y[rows]


def loader():
    rows = TensorDataset(torch.from_numpy(X), torch.from_numpy(Y))
    return DataLoader(rows, 8, shuffle=True, generator=torch.Generator().manual_seed(3))


TRAININGS = {
    "arrays, epochs": ("epoch", lambda: {"x": X, "y": Y, "batch_size": 8, "validation_split": 0.2}),
    "arrays, batches": (3, lambda: {"x": X, "y": Y, "batch_size": 8, "validation_data": (X, Y)}),
    "arrays, steps": (2, lambda: {"x": X, "y": Y, "batch_size": 4, "steps_per_epoch": 5}),
    "data set": (1, lambda: {"x": Rows()}),
    "loader": (2, lambda: {"x": loader(), "validation_data": loader()}),
    "generator": (4, lambda: {"x": generated(), "steps_per_epoch": 5}),
}


def train(name, folder, result=None):
    """A training that goes on from its backup if there is one, and writes down how it ended."""
    save_freq, data = TRAININGS[name]
    keras.utils.set_random_seed(7)
    model = model_of()
    watched = "loss"
    history = model.fit(
        epochs=6,
        verbose=0,
        callbacks=[
            keras.callbacks.BackupAndRestore(os.path.join(folder, "backup"), save_freq, double_checkpoint=True),
            keras.callbacks.ReduceLROnPlateau(watched, patience=1, min_delta=0.02),
            keras.callbacks.EarlyStopping(watched, patience=3, restore_best_weights=True),
        ],
        **data(),
    )
    logs = {key: values[-1] for key, values in history.history.items()}  # none where only the end was missing
    np.savez(os.path.join(folder, "part.npz"), *model.get_weights(), **logs)
    os.rename(os.path.join(folder, "part.npz"), os.path.join(folder, "result.npz"))


def in_a_child(function, *args):
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        function(*args)
        code = 0
    finally:
        os._exit(code)


def ended(child):
    """Waits; whether it ended by itself, which must be well."""
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return not os.WIFSIGNALED(status)


def broken_off(folder):
    """50 kills: several for each training, until it has ended."""
    rng, kills = random.Random(0), dict.fromkeys(TRAININGS, 0)
    wanted, duration = {}, {}
    for name in TRAININGS:
        os.mkdir(where := os.path.join(folder, f"whole {name}"))
        start = time.perf_counter()
        assert ended(in_a_child(train, name, where))
        duration[name] = time.perf_counter() - start
        wanted[name] = dict(np.load(os.path.join(where, "result.npz")))
        assert os.listdir(where) == ["result.npz"]  # the backup is gone
    number = 0
    while sum(kills.values()) < 50 or not all(kills.values()):
        name = list(TRAININGS)[number % len(TRAININGS)]
        os.mkdir(where := os.path.join(folder, str(number)))
        number += 1
        for _ in range(3):
            child = in_a_child(train, name, where)
            time.sleep(rng.random() * duration[name])
            os.kill(child, signal.SIGKILL)
            if ended(child):
                break
            kills[name] += 1
        if not os.path.exists(os.path.join(where, "result.npz")):
            assert ended(in_a_child(train, name, where))
        found = dict(np.load(os.path.join(where, "result.npz")))
        assert {key for key in wanted[name] if key.startswith("arr")} <= set(found) <= set(wanted[name])
        other = [key for key, value in found.items() if not np.array_equal(wanted[name][key], value)]
        print(name, other or "same", sep=": ")
    print(sum(kills.values()))


def test_50_kills_do_not_change_what_a_training_ends_with(tmp_path):
    *told, kills = run_apart("broken_off", tmp_path)
    assert int(kills) >= 50
    assert {line for line in told if not line.endswith(": same")} == set()
    assert {line.partition(":")[0] for line in told} == set(TRAININGS)


# -- ModelCheckpoint --------------------------------------------------------------------------------------------------

KILLS = {"model.keras": 80, "model.weights.h5": 80, "model.h5": 40}


def go_on(path):
    """In a child: takes the model as the file has it, and trains and saves until it is killed."""
    weights = path.endswith(".weights.h5")
    model = model_of() if weights or not os.path.exists(path) else keras.models.load_model(path)
    if weights and os.path.exists(path):
        model.optimizer.build(model.trainable_variables)
        model.load_weights(path)
    save = keras.callbacks.ModelCheckpoint(path, save_weights_only=weights, save_freq=1)
    model.fit(X, Y, batch_size=8, epochs=10**9, verbose=0, callbacks=[save])


def steps_in(path):
    """How many steps the model in a file has made; its weights must be numbers."""
    if path.endswith(".weights.h5"):
        model = model_of()
        model.optimizer.build(model.trainable_variables)
        model.load_weights(path)
    else:
        model = keras.models.load_model(path)
    assert all(np.isfinite(weight).all() for weight in model.get_weights())
    return int(model.optimizer.iterations)


def checkpointed(folder):
    rng = random.Random(1)
    for name, kills in KILLS.items():
        path, steps, in_the_middle, further = os.path.join(folder, name), 0, 0, 0
        for _ in range(kills):
            child = in_a_child(go_on, path)
            before = os.stat(path).st_ino if os.path.exists(path) else None
            end = time.monotonic() + 20
            while time.monotonic() < end and before == (os.stat(path).st_ino if os.path.exists(path) else None):
                time.sleep(0.002)  # the training has begun to save
            time.sleep(rng.random() * 0.02)
            os.kill(child, signal.SIGKILL)
            assert not ended(child)
            found = steps_in(path)
            assert found >= steps  # it goes on from where it was
            further += found > steps
            steps = found
            for left in set(os.listdir(folder)) - set(KILLS):
                in_the_middle += 1
                os.unlink(os.path.join(folder, left))
        print(name, kills, in_the_middle, further)


def test_200_kills_leave_a_file_from_which_training_goes_on(tmp_path):
    told = [line.split() for line in run_apart("checkpointed", tmp_path)]
    assert [line[0] for line in told] == list(KILLS) and sum(int(line[1]) for line in told) == 200
    for _, kills, in_the_middle, further in told:
        assert int(in_the_middle) > int(kills) // 10 and int(further) > int(kills) // 2


if __name__ == "__main__":
    {"broken_off": broken_off, "checkpointed": checkpointed}[sys.argv[1]](sys.argv[2])
