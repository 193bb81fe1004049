"""The random streams of a program, as values: Python's, numpy's, torch's on every device, and the global SeedGenerator.

May import core. Knows no distribution.
"""

import random

import numpy as np
import torch

from torchkeras.core.scopes import settings
from torchkeras.random.seeds import global_seed_generator


def streams():
    """Where all streams stand: a dict of numbers, texts, lists and arrays, for `set_streams`. Draws nothing."""
    version, words, gauss = random.getstate()
    kind, keys, place, has_gauss, cached = np.random.get_state()
    seeds = settings.seed_generator
    return {
        "python": [version, np.array(words, np.int64), gauss],
        "numpy": [kind, keys.copy(), place, has_gauss, cached],
        "torch": torch.get_rng_state().numpy(),
        "devices": [state.numpy() for state in _device_states()],
        "seeds": None if seeds is None else seeds.state.detach().cpu().numpy().copy(),
    }


def set_streams(state):
    """Puts all streams where they stood. Devices that are not there now are left out."""
    if state["seeds"] is None:
        settings.seed_generator = None
    else:
        global_seed_generator().state.assign(torch.from_numpy(np.array(state["seeds"])))
    version, words, gauss = state["python"]
    random.setstate((version, tuple(int(word) for word in words), gauss))
    np.random.set_state(tuple(state["numpy"]))
    torch.set_rng_state(torch.from_numpy(np.array(state["torch"])))
    for device, values in zip(range(torch.cuda.device_count()), state["devices"]):
        torch.cuda.set_rng_state(torch.from_numpy(np.array(values)), device)


def _device_states():
    return torch.cuda.get_rng_state_all() if torch.cuda.is_available() and torch.cuda.is_initialized() else []
