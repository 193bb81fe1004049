"""Seeds beyond what Keras can be compared with: copies, probing, devices."""

import copy
import pickle

import numpy as np
import pytest
import torch

from torchkeras import layers, random
from torchkeras.layers import Input


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda seeds: pickle.loads(pickle.dumps(seeds))])
def test_a_copy_goes_on_where_the_original_stands(duplicate):
    seeds = random.SeedGenerator(3)
    random.normal((2,), seed=seeds)
    twin = duplicate(seeds)
    assert twin.state is not seeds.state
    assert torch.equal(random.normal((4,), seed=twin), random.normal((4,), seed=seeds))
    random.normal((2,), seed=twin)
    assert seeds.state.tolist() == [3, 2]
    assert twin.state.tolist() == [3, 3]


def test_inferring_shapes_draws_nothing():
    seeds = random.SeedGenerator(3)

    class Noisy(layers.Layer):
        def call(self, x):
            seeds.next()
            return x + random.normal(x.shape, seed=seeds) + random.uniform((1,), seed=seeds)

    assert tuple(Noisy()(Input((4,))).shape) == (None, 4)
    assert seeds.state.tolist() == [3, 0]


def test_seeds_of_64_bits():
    assert random.SeedGenerator(2**40).state.tolist() == [2**40, 0]
    assert random.normal((2,), seed=2**40).shape == (2,)


def test_sampling_leaves_torchs_own_generator_alone():
    torch.manual_seed(0)
    want = torch.rand(2)
    torch.manual_seed(0)
    random.gamma((3,), 2.0, seed=1)
    random.normal((3,), seed=1)
    assert torch.equal(torch.rand(2), want)


def test_shuffle_keeps_the_entries_whatever_the_axis():
    x = torch.arange(24).reshape(2, 3, 4)
    for axis in range(-3, 3):
        mixed = random.shuffle(x, axis=axis, seed=3)
        assert torch.equal(mixed.flatten().sort().values, x.flatten())
        assert torch.equal(mixed, random.shuffle(x, axis=axis % 3, seed=3))
    with pytest.raises(ValueError, match="axis"):
        random.shuffle(x, axis=3)


@pytest.mark.parametrize("rate", [0, 0.5, 1])
@pytest.mark.parametrize("seed", [None, 3])
def test_dropout_of_what_is_no_tensor(rate, seed):
    for inputs in ([[1.0, 1.0]], np.ones((1, 2), ">f4")[::-1]):
        result = random.dropout(inputs, rate, seed=seed)
        assert result.dtype == torch.float32 and set(result.flatten().tolist()) <= {0.0, 1.0, 2.0}
