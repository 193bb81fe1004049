"""Initializers and `keras.random` against the installed Keras on torch: the same seeds give the same bits."""

import inspect
import random as python_random

import keras
import numpy as np
import pytest
import torch

from torchkeras import initializers, random
from torchkeras.core import scopes

CASES = [
    ("Zeros", {}),
    ("Ones", {}),
    ("Constant", {"value": 2.5}),
    ("Identity", {}),
    ("RandomNormal", {"mean": 1.0, "stddev": 0.5}),
    ("RandomUniform", {"minval": -1.0, "maxval": 2.0}),
    ("TruncatedNormal", {"stddev": 0.2}),
    ("VarianceScaling", {}),
    ("VarianceScaling", {"scale": 2.0, "mode": "fan_avg", "distribution": "uniform"}),
    ("VarianceScaling", {"mode": "fan_out", "distribution": "untruncated_normal"}),
    ("VarianceScaling", {"mode": "fan_out", "distribution": "normal"}),
    ("VarianceScaling", {"input_axes": [0], "output_axes": [1]}),
    ("GlorotUniform", {}),
    ("GlorotNormal", {}),
    ("HeUniform", {}),
    ("HeNormal", {}),
    ("LecunUniform", {}),
    ("LecunNormal", {}),
    ("Orthogonal", {"gain": 1.5}),
]
SHAPES = [(4, 6), (6, 4), (3, 3, 4, 5)]


def _pair(name, config):
    return getattr(keras.initializers, name)(**config), getattr(initializers, name)(**config)


@pytest.mark.parametrize("dtype", ["float32", "float16", "float64"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(("name", "config"), CASES, ids=str)
def test_values_are_keras_bit_for_bit(name, config, shape, dtype):
    if name == "Identity" and len(shape) != 2:
        with pytest.raises(ValueError, match="two entries"):
            initializers.Identity()(shape)
        return
    if name == "Orthogonal" and dtype == "float16":
        assert initializers.Orthogonal(seed=1)(shape, dtype=dtype).dtype == torch.float16  # Keras has no result here
        return
    seeded = {} if name in ("Zeros", "Ones", "Constant", "Identity") else {"seed": 11}
    theirs, ours = _pair(name, {**config, **seeded})
    want, have = theirs(shape, dtype=dtype), ours(shape, dtype=dtype)
    assert have.dtype == want.dtype
    assert torch.equal(have, want)
    assert initializers.serialize(ours) == keras.initializers.serialize(theirs)
    assert initializers.deserialize(keras.initializers.serialize(theirs)).get_config() == theirs.get_config()


@pytest.mark.parametrize(("name", "config"), CASES, ids=str)
def test_default_seeds_come_from_pythons_random(name, config):
    """The same number of draws at the same moments, so that whole models get Keras's weights."""
    python_random.seed(3)
    theirs = getattr(keras.initializers, name)(**config)
    want, after = theirs((4, 4)), python_random.random()
    python_random.seed(3)
    ours = getattr(initializers, name)(**config)
    assert torch.equal(ours((4, 4)), want)
    assert python_random.random() == after
    assert torch.equal(ours((4, 4)), want)  # an instance gives the same numbers at each call
    assert ours.get_config() == theirs.get_config()


def test_a_clone_without_a_seed_draws_one_of_its_own():
    original = initializers.GlorotUniform()
    assert not torch.equal(original.clone()((3, 3)), original((3, 3)))
    seeded = initializers.GlorotUniform(seed=4)
    assert torch.equal(seeded.clone()((3, 3)), seeded((3, 3)))


def test_a_generator_as_seed_gives_new_numbers_at_each_call():
    theirs = keras.initializers.HeNormal(seed=keras.random.SeedGenerator(5))
    ours = initializers.HeNormal(seed=random.SeedGenerator(5))
    for _ in range(3):
        assert torch.equal(ours((2, 3)), theirs((2, 3)))


@pytest.mark.parametrize("side", ["real", "imag"])
@pytest.mark.parametrize("scaling", ["density", "spectrum", None])
@pytest.mark.parametrize("window", ["hann", None])
def test_stft(side, scaling, window):
    pytest.importorskip("scipy")
    theirs = keras.initializers.STFT(side, window, scaling)
    ours = initializers.STFT(side, window, scaling)
    np.testing.assert_allclose(ours((8, 1, 5)).numpy(), theirs((8, 1, 5)).numpy(), atol=1e-6)
    assert ours.get_config() == theirs.get_config()


@pytest.mark.parametrize("name", sorted(n for n in dir(keras.initializers) if not n.startswith("_")))
def test_public_names_and_signatures(name):
    theirs, ours = getattr(keras.initializers, name), getattr(initializers, name)
    if isinstance(theirs, type) and name != "Initializer":
        assert str(inspect.signature(ours)) == str(inspect.signature(theirs))
        if name.lower() != "constant":  # Keras 3 cannot resolve this name, Keras 2 could
            assert keras.initializers.get(name).get_config() == initializers.get(name).get_config()


def test_identifiers():
    assert initializers.get(None) is None
    assert isinstance(initializers.get("zeros"), initializers.Zeros)
    assert isinstance(initializers.get("normal"), initializers.RandomNormal)
    assert isinstance(initializers.get(initializers.Ones), initializers.Ones)
    assert initializers.get("constant")((2,)).tolist() == [0, 0]  # Keras 2's default value
    assert initializers.get({"class_name": "Constant", "config": {"value": 3}})((2,)).tolist() == [3, 3]
    assert initializers.get(np.arange(3))((3,), dtype="float32").tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match=r"shape \(3,\), the weight needs \(2,\)"):
        initializers.get(np.arange(3))((2,))
    function = lambda shape, dtype=None: torch.ones(shape)
    assert initializers.get(function) is function
    with pytest.raises(ValueError, match="glorot_uniform"):
        initializers.get("glorot_unifrom")
    with pytest.raises(ValueError, match="no initializer"):
        initializers.get(3)
    with pytest.raises(ValueError, match="seed"):
        initializers.GlorotUniform(seed="one")


def test_a_gain_of_identity_survives_saving():
    """Keras writes none; it reads it all the same."""
    config = initializers.serialize(initializers.Identity(gain=3.0))
    assert keras.initializers.deserialize(config).gain == 3.0
    assert initializers.deserialize(config)((2, 2)).tolist() == [[3, 0], [0, 3]]


# -- keras.random -----------------------------------------------------------------------------------------------------

DRAWS = [
    ("normal", ((3, 4), 1.0, 2.0)),
    ("normal", ((),)),
    ("uniform", ((3, 4), -1.0, 3.0)),
    ("uniform", ((),)),
    ("truncated_normal", ((5,), 1.0, 0.5)),
    ("randint", ((5,), 2, 10)),
    ("categorical", (np.log(np.array([[0.1, 0.9], [0.8, 0.2]], "float32")), 6)),
    ("gamma", ((5,), 2.0)),
    ("binomial", ((5,), 10.0, 0.3)),
    ("beta", ((4,), 2.0, 3.0)),
    ("shuffle", (np.arange(12).reshape(4, 3),)),
    ("shuffle", (np.arange(12).reshape(4, 3), 1)),
    ("dropout", (np.ones((4, 5), "float32"), 0.4)),
    ("dropout", (np.ones((4, 5), "float32"), 0.4, (4, 1))),
    ("dropout", (np.ones((4, 5), "float32"), 0.4, (None, 1))),
]


def _tensors(args):
    return [torch.tensor(value) if isinstance(value, np.ndarray) else value for value in args]


@pytest.mark.parametrize(("name", "args"), DRAWS, ids=lambda v: v if isinstance(v, str) else "")
@pytest.mark.parametrize("seed", ["integer", "generator", "global", "unseeded generator"])
def test_draws_are_keras_bit_for_bit(name, args, seed):
    def draws(library, set_random_seed):
        set_random_seed(3)
        seeds = {
            "integer": 5,
            "generator": library.SeedGenerator(9),
            "global": None,
            "unseeded generator": library.SeedGenerator(),
        }
        return [getattr(library, name)(*_tensors(args), seed=seeds[seed]) for _ in range(3)], python_random.random()

    want, after = draws(keras.random, keras.utils.set_random_seed)
    have, then = draws(random, random.set_random_seed)
    for ours, theirs in zip(have, want, strict=True):
        assert ours.dtype == theirs.dtype
        assert torch.equal(ours, theirs)
    assert then == after


RATES = torch.tensor([[0.5], [2.0], [7.0]])


@pytest.mark.parametrize(
    ("name", "args", "dtypes"),
    [
        ("normal", ((2, 3), 1.0, 2.0), ("float16", "bfloat16", "float64")),
        ("uniform", ((2, 3), -1.0, 2.0), ("float16", "bfloat16", "float64")),
        ("truncated_normal", ((2, 3),), ("float16", "bfloat16", "float64")),
        ("gamma", ((3, 2), RATES), ("float16", "float32", "float64")),
        ("beta", ((3, 2), RATES, 2.0), ("float16", "float32", "float64")),
        ("binomial", ((3, 2), RATES * 10, 0.3), ("float16", "float32", "float64")),
        ("randint", ((7,), 0, 100), ("int8", "uint8", "int16", "int64")),
        ("categorical", (torch.zeros(2, 9), 5), ("int64", "uint8")),
        ("uniform", ((0, 3),), ("float32",)),
        ("randint", ((), 5, 6), ("int32",)),
    ],
    ids=str,
)
def test_draws_of_other_dtypes_and_shapes(name, args, dtypes):
    for dtype in dtypes:
        want = getattr(keras.random, name)(*args, dtype=dtype, seed=21)
        have = getattr(random, name)(*args, dtype=dtype, seed=21)
        assert have.dtype == want.dtype
        assert torch.equal(have, want)


@pytest.mark.parametrize("name", sorted(n for n in dir(keras.random) if not n.startswith("_")))
def test_random_signatures(name):
    theirs = str(inspect.signature(getattr(keras.random, name)))
    assert str(inspect.signature(getattr(random, name))) == theirs


def test_seed_generators_count_as_keras_does():
    theirs, ours = keras.random.SeedGenerator(9), random.SeedGenerator(9)
    for ordered in (True, True, False, True):
        assert ours.next(ordered).tolist() == theirs.next(ordered).tolist()
    assert ours.state.tolist() == theirs.state.value.tolist()
    assert ours.get_config() == {"seed": 9, "name": ours.name}
    assert not ours.state.trainable


def test_a_seed_state_that_is_loaded_counts():
    seeds = random.SeedGenerator(1)
    first = random.normal((3,), seed=seeds)
    random.normal((3,), seed=seeds)
    seeds.state.assign([1, 0])
    assert torch.equal(random.normal((3,), seed=seeds), first)


def test_compiled_draws_are_the_eager_ones():
    eager, compiled = random.SeedGenerator(9), random.SeedGenerator(9)
    function = torch.compile(lambda x: random.dropout(x, 0.5, seed=compiled), fullgraph=True, backend="aot_eager")
    x = torch.ones(8, requires_grad=True)
    for _ in range(3):
        assert torch.equal(function(x), random.dropout(x, 0.5, seed=eager))
    assert compiled.state.tolist() == eager.state.tolist() == [9, 3]


def test_clear_session_forgets_the_global_generator():
    random.set_random_seed(1)
    first = random.normal((2,))
    python_random.seed(1)
    scopes.clear_session(free_memory=False)
    assert torch.equal(random.normal((2,)), first)


def test_wrong_arguments():
    with pytest.raises(ValueError, match="floating point"):
        random.uniform((2,), dtype="int32")
    with pytest.raises(ValueError, match="integer dtype"):
        random.randint((2,), 0, 3, dtype="float32")
    with pytest.raises(ValueError, match="must be an integer"):
        random.SeedGenerator("seed")
    with pytest.raises(ValueError, match="SeedGenerator or None"):
        random.normal((2,), seed="seed")
    with pytest.raises(ValueError, match="needs an integer"):
        random.set_random_seed("1")
    with pytest.raises(ValueError, match=r"\(batch, classes\)"):
        random.categorical(torch.ones(3), 1)
