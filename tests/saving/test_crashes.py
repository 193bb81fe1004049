"""Saving over a file that is there: killed at any moment, on a full disk, beside others that write and read, one
complete version is left.

What must not happen to the tests' own process runs in one of its own (the functions that take a folder).
"""

import os
import pathlib
import random
import resource
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import torchkeras as keras

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
KILLS = {"model.keras": 80, "model.weights.h5": 40, "model.h5": 40, "model.weights.json": 40}


def model_of(value):
    """A model whose numbers are all the same, so that a mixture of two versions shows."""
    model = keras.Sequential([keras.Input((40,)), keras.layers.Dense(60), keras.layers.Dense(20)])
    set_all(model, value)
    model.compile("sgd", "mse")
    return model


def set_all(model, value):
    model.set_weights([np.full(weight.shape, value, "float32") for weight in model.get_weights()])


def save(model, path):
    if path.endswith(".json"):
        model.save_weights(path, max_shard_size=10_000 / 2**30)
    else:
        (model.save_weights if ".weights." in path else model.save)(path)


def values_in(path, other):
    """The numbers in a file, which must be a whole one."""
    if ".weights." in path:
        other.load_weights(path)
    else:
        other = keras.models.load_model(path)
    return {float(number) for weight in other.get_weights() for number in np.unique(weight)}


def save_for_ever(model, path, first):
    """In a child: alternates two versions until it is killed."""
    try:
        for number in range(first, 10**9):
            set_all(model, float(number % 2))
            save(model, path)
    finally:
        os._exit(1)  # it never leaves by itself


def run_apart(name, folder):
    """One of the functions below in an interpreter of its own; gives what it printed."""
    command = [sys.executable, "-m", "tests.saving.test_crashes", name, os.fspath(folder)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}  # children of a fork have no thread but their own
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.split()


# -- kill -9 ----------------------------------------------------------------------------------------------------------


def killed(folder):
    rng, model, other = random.Random(0), model_of(0.0), model_of(5.0)
    for name, kills in KILLS.items():
        path, in_the_middle = os.path.join(folder, name), 0
        start = time.perf_counter()
        save(model, path)
        save(model, path)
        once = (time.perf_counter() - start) / 2
        for number in range(kills):
            child = os.fork()
            if not child:
                save_for_ever(model, path, number)
            time.sleep(0.002 + rng.random() * 3 * once)
            os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
            assert os.WTERMSIG(status) == signal.SIGKILL
            assert values_in(path, other) in ({0.0}, {1.0})
            for left in [each for each in os.listdir(folder) if each.endswith(".tmp")]:
                in_the_middle += 1
                os.unlink(os.path.join(folder, left))
        print(name, kills, in_the_middle)


def test_a_file_outlives_200_kills(tmp_path):
    told = run_apart("killed", tmp_path)
    assert told[::3] == list(KILLS) and sum(map(int, told[1::3])) == 200
    assert all(int(middle) >= int(kills) // 5 for kills, middle in zip(told[1::3], told[2::3]))  # really in the middle


# -- a full disk ------------------------------------------------------------------------------------------------------


def contents(folder):
    return {path.name: path.read_bytes() for path in pathlib.Path(folder).iterdir()}


def full(folder):
    model = model_of(3.0)
    for name in KILLS:
        path = os.path.join(folder, name)
        set_all(model, 3.0)
        save(model, path)
        old = contents(folder)
        size = os.path.getsize(path)
        set_all(model, 0.0)
        for part in (0, 0.001, 0.1, 0.5, 0.9, 0.99, 0.9999):
            resource.setrlimit(resource.RLIMIT_FSIZE, (int(size * part), resource.RLIM_INFINITY))
            try:
                save(model, path)
            except OSError as error:
                print("refused", str(error).replace(" ", "_"))
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            assert contents(folder) == old
        save(model, path)  # once there is room again
        assert values_in(path, model_of(7.0)) == {0.0}


def test_a_full_disk_leaves_the_old_file(tmp_path):
    told = run_apart("full", tmp_path)
    assert told[::2] == ["refused"] * 7 * len(KILLS)
    assert all("large" in text and "model" in text for text in told[1::2])


# -- several at once --------------------------------------------------------------------------------------------------


SINGLE = [name for name in KILLS if not name.endswith(".json")]  # a table and its files are one writer's


def crowd(folder):
    model, other = model_of(0.0), model_of(5.0)
    for name in SINGLE:
        path = os.path.join(folder, name)
        save(model, path)
        children = []
        for first in (0, 1):
            child = os.fork()
            if not child:
                save_for_ever(model, path, first)
            children.append(child)
        try:
            seen, end = [], time.monotonic() + 10
            while len(seen) < 40 or ({0.0, 1.0} - set(seen) and time.monotonic() < end):
                (value,) = values_in(path, other)
                seen.append(value)
        finally:
            for child in children:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
        print(name, len(seen), *sorted(set(seen)))


def test_two_writers_and_a_reader(tmp_path):
    told = run_apart("crowd", tmp_path)
    assert told[0::4] == SINGLE and told[2::4] == ["0.0"] * len(SINGLE) and told[3::4] == ["1.0"] * len(SINGLE)


def test_writers_in_threads(tmp_path):
    path, models = os.path.join(tmp_path, "model.keras"), [model_of(float(number)) for number in range(2)]
    threads = [threading.Thread(target=lambda model=m: [save(model, path) for _ in range(5)]) for m in models]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert values_in(path, None) in ({0.0}, {1.0}) and os.listdir(tmp_path) == ["model.keras"]


# -- what takes the place of what -------------------------------------------------------------------------------------


def test_the_place_of_a_file(tmp_path):
    model = model_of(1.0)
    path, link = tmp_path / "model.keras", tmp_path / "link.keras"
    model.save(path)
    os.chmod(path, 0o640)
    link.symlink_to(path)
    set_all(model, 2.0)
    model.save(link)
    assert link.is_symlink() and values_in(os.fspath(path), None) == {2.0}
    assert os.stat(path).st_mode & 0o777 == 0o640
    os.mkfifo(tmp_path / "pipe.keras")
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(OSError, match="pipe"):
        model.save(tmp_path / "pipe.keras")
    with pytest.raises(IsADirectoryError):
        os.mkdir(tmp_path / "folder.weights.h5")
        model.save_weights(tmp_path / "folder.weights.h5")
    with pytest.raises(FileNotFoundError, match="does not exist"):
        model.save(tmp_path / "nowhere" / "model.keras")
    assert sorted(set(os.listdir(tmp_path)) - {"folder.weights.h5"}) == before


@pytest.mark.parametrize("ending", [".keras", ".h5", ".weights.h5", ".safetensors", ".npz"])
def test_names_that_are_an_ending_only(ending, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model, whole = model_of(1.0), ending in (".keras", ".h5")
    (model.save if whole else model.save_weights)(ending)
    assert os.listdir() == [ending]
    other = keras.models.load_model(ending) if whole else model_of(2.0)
    other.load_weights(ending)
    assert {float(number) for number in np.unique(other.get_weights()[0])} == {1.0}


@pytest.mark.parametrize("name", KILLS)
def test_a_path_through_a_folder_that_is_not_there(name, tmp_path):
    """What was saved under a name can be loaded by it; whole `.h5` files make their folder, as in Keras."""
    path, model = os.path.join(tmp_path, "x", "..", name), model_of(1.0)
    if name == "model.h5":
        save(model, path)
        assert values_in(path, model_of(2.0)) == {1.0}
        return
    with pytest.raises(FileNotFoundError, match="does not exist: make it before saving"):
        save(model, path)
    assert os.listdir(tmp_path) == []


if __name__ == "__main__":
    {"killed": killed, "full": full, "crowd": crowd}[sys.argv[1]](sys.argv[2])
