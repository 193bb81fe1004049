"""The same run in Keras and in torchkeras: equal weights, then results compared whole.

May import both libraries. A scenario is a function of the library (`k`): it makes a model, does things,
and returns what it saw.
"""

import keras
import numpy as np
import torch

import torchkeras

SIDES = (keras, torchkeras)


def seed_weights(model, seed=0):
    """Gives a model weights that depend on their shapes alone, the same in both libraries."""
    rng = np.random.default_rng(seed)
    model.set_weights(
        [np.abs(0.4 * rng.normal(size=w.shape)).astype("float32") - 0.1 * (w.ndim > 1) for w in model.get_weights()]
    )
    return model


def plain(value):
    """Tensors, arrays and numpy numbers of either library as arrays, inside lists and dicts."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(plain(item) for item in value)
    if isinstance(value, keras.Variable):
        value = value.value
    if isinstance(value, torch.Tensor):
        return value.detach().numpy()
    return value


def assert_same(theirs, ours, place="result", tolerance=1e-5):
    """Same structure, types of containers, keys and their order; numbers within the tolerance, all else equal."""
    if isinstance(theirs, dict):
        assert isinstance(ours, dict), f"{place}: {type(ours)}"
        assert list(ours) == list(theirs), place
        for key in theirs:
            assert_same(theirs[key], ours[key], f"{place}[{key!r}]", tolerance)
    elif isinstance(theirs, (list, tuple)):
        assert type(ours) is type(theirs) and len(ours) == len(theirs), f"{place}: {ours} instead of {theirs}"
        for index, pair in enumerate(zip(theirs, ours)):
            assert_same(*pair, f"{place}[{index}]", tolerance)
    elif isinstance(theirs, np.ndarray):
        assert isinstance(ours, np.ndarray), f"{place}: {type(ours)}"
        assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape), place
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance, err_msg=place)
    elif isinstance(theirs, (float, np.floating)):
        assert isinstance(ours, (float, np.floating)), f"{place}: {ours!r} instead of {theirs!r}"
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance, err_msg=place)
    else:
        assert ours == theirs, place


def run_both(scenario, tolerance=1e-5):
    """Runs a scenario in Keras and here, asserts equal results, and returns ours."""
    results = []
    for side in SIDES:
        side.utils.set_random_seed(1)
        side.utils.clear_session(free_memory=False)
        results.append(plain(scenario(side)))
    assert_same(*results, tolerance=tolerance)
    return results[1]
