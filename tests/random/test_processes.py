"""Seeds across processes: a fresh interpreter gives the same numbers for a seed, and others for another one."""

import json
import os
import subprocess
import sys

import pytest

# Everything that draws, as lists of exact numbers. Runs in an interpreter of its own.
PROGRAM = """
import json, sys
import numpy as np
import torch
import torchkeras as keras

seed = int(sys.argv[1])
torch.set_num_threads(1)
keras.utils.set_random_seed(seed)
out, draw, layers = {}, keras.random, keras.layers

out["draws"] = [
    draw.normal((3,), seed=seed), draw.uniform((3,), seed=seed), draw.truncated_normal((3,), seed=seed),
    draw.randint((5,), 0, 10**6, seed=seed), draw.gamma((3,), 2.0, seed=seed), draw.beta((3,), 2.0, 3.0, seed=seed),
    draw.binomial((5,), 1000.0, 0.4, seed=seed), draw.shuffle(keras.ops.arange(50), seed=seed),
    draw.dropout(keras.ops.ones(64), 0.5, seed=seed), draw.categorical(keras.ops.zeros((1, 1000)), 5, seed=seed),
]
out["global draws"] = [draw.normal((3,)), draw.uniform((2,)), draw.shuffle(keras.ops.arange(50))]
generator = draw.SeedGenerator(seed)
out["generator"] = [draw.normal((2,), seed=generator) for _ in range(3)]
names = "RandomNormal RandomUniform TruncatedNormal VarianceScaling GlorotUniform GlorotNormal HeUniform HeNormal "
names += "LecunUniform LecunNormal Orthogonal"
for name in names.split():
    kind = getattr(keras.initializers, name)
    out[name] = [kind(seed=seed)((4, 3)), kind()((4, 3))]  # with a seed, and one drawn from the global stream

model = keras.Sequential([
    keras.Input((6,)), layers.Dense(8, activation="relu"), layers.Dropout(0.3), layers.GaussianNoise(0.1),
    layers.Dense(3, kernel_initializer="orthogonal"), layers.Dense(1),
])
out["first weights"] = model.get_weights()
model.compile(keras.optimizers.Adam(0.01), "mse")
x = np.random.rand(64, 6).astype("float32")
out["numpy"] = [x]
history = model.fit(x, x.sum(1, keepdims=True), epochs=3, batch_size=8, verbose=0)
out["fit"] = [np.asarray(history.history["loss"])]
out["last weights"] = model.get_weights()
print(json.dumps({key: [np.asarray(value).tolist() for value in values] for key, values in out.items()}))
"""


def run(seed, hash_seed):
    """The numbers of the program in a fresh interpreter; `hash_seed` changes the order of sets of strings."""
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(seed)], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def numbers():
    return {"first": run(11, "1"), "again": run(11, "2"), "other": run(12, "1")}


def test_the_same_seed_gives_the_same_bits(numbers):
    assert len(numbers["first"]) == 18
    assert numbers["first"] == numbers["again"]


def test_another_seed_gives_other_numbers(numbers):
    for key, values in numbers["first"].items():
        for number, value in enumerate(values):
            if key in ("first weights", "last weights") and not any(_flat(value)):
                continue  # biases start at zero
            assert value != numbers["other"][key][number], f"{key} {number}"


def _flat(value):
    return [number for item in value for number in _flat(item)] if isinstance(value, list) else [value]


def test_what_was_drawn_is_not_trivial(numbers):
    losses = numbers["first"]["fit"][0]
    assert losses[2] < losses[0]
    for key, values in numbers["first"].items():
        assert len(set(_flat(values))) > 2, key


def test_unseeded_processes_differ():
    """Without a seed, each process draws its own."""
    program = (
        "import torchkeras as k; print(k.random.normal((4,)).tolist(), k.initializers.HeNormal()((2, 2)).tolist())"
    )
    results = {
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    }
    assert len(results) == 2
