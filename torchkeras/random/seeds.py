"""Seeds: SeedGenerator, default seeds, and the one step from a seed to a torch generator.

May import core. Knows no distribution.

Numbers are those of Keras on its torch backend: a fresh `torch.Generator` per draw, seeded with the sum of the two
words of the seed. The words are mirrored on the host, so that drawing on a GPU waits for nothing; the tensor is read
again when someone else wrote to it.
"""

import operator
import random as python_random

import numpy as np
import torch

from torchkeras.core import scopes
from torchkeras.core.registry import published
from torchkeras.core.scopes import settings, state
from torchkeras.core.transforms import write
from torchkeras.core.variable import Variable


@published("seed generator", "keras.random")
class SeedGenerator:
    """A seed with a counter, kept in a variable: each draw that is given it yields new numbers, reproducibly.

    Args:
        seed: integer; None draws one from Python's `random`.
        name: name scope of the state variable.

    `state` holds the two words (seed, draws so far) as int64.

    Example:
        >>> seeds = SeedGenerator(seed=42)
        >>> a, b = (keras.random.normal((2,), seed=seeds) for _ in range(2))  # differ; the same pair in every run
    """

    _is_seed_generator = True

    def __init__(self, seed=None, name=None, **kwargs):
        kwargs.pop("backend", None)
        if kwargs:
            raise ValueError(f"SeedGenerator got unknown arguments {sorted(kwargs)}; it takes `seed` and `name`.")
        self.name = name or scopes.unique_name("seed_generator")
        self._initial_seed = seed
        seed = make_default_seed() if seed is None else _seed_word(seed)
        with scopes.name_scope(self.name):
            words = torch.tensor([seed, 0], dtype=torch.int64, device=_device_for_words())
            self.state = Variable(words, trainable=False, aggregation="none", name="seed_generator_state")
        self._mirror = None

    def next(self, ordered=True):
        """The two words before they are advanced, as a tensor. Advances nothing while shapes are inferred."""
        words = self.state.detach().clone()
        if state.probe is None:
            if ordered:
                self._advance()
            else:
                self._scramble()
        return words

    def take(self):
        """The 32-bit seed of the next draw as a Python integer; advances the counter."""
        first, second = self._words()
        self._advance()
        self._remember(first, second + 1)
        return (first + second) & 0xFFFFFFFF

    def _remember(self, *words):
        if state.stateless is None:
            self._mirror = (self.state._version, *words)

    def _words(self):
        if state.stateless is not None:  # the words of the scope, not the variable's
            return self.state.value.tolist()
        if self._mirror is None or self._mirror[0] != self.state._version:
            self._mirror = (self.state._version, *self.state.tolist())
        return self._mirror[1:]

    def _advance(self):
        with torch.no_grad():
            write(_count, self.state)

    def _scramble(self):
        """The step of the global generator, whose order of use is not defined: 32-bit arithmetic that wraps around."""
        words = [_wrap((word + 1) * 5387) % 933199 for word in self._words()]
        self.state.assign(torch.tensor(words, dtype=torch.int64))
        self._remember(*words)

    def take_scrambled(self):
        """As `take`, stepping as the global generator does."""
        first, second = self._words()
        self._scramble()
        return (first + second) & 0xFFFFFFFF

    def __getstate__(self):
        return {**self.__dict__, "_mirror": None}

    def get_config(self):
        return {"seed": self._initial_seed, "name": self.name}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


def _count(words):
    words[1].add_(1)


def _device_for_words():
    """Where new weights go; but a seed is a value, not a shape: no file brings it to a model made without data."""
    chosen = scopes.default_device()
    return torch.device("cpu") if torch.empty(0, device=chosen).is_meta else chosen


def _wrap(value):
    """The value of a signed 32-bit integer after overflow."""
    return ((value & 0xFFFFFFFF) ^ 0x80000000) - 0x80000000


def make_default_seed():
    """A seed from Python's `random` module: `random.seed(n)` alone makes unseeded initializers reproducible."""
    return python_random.randint(1, 1_000_000_000)


def global_seed_generator():
    """The generator behind `seed=None`; made when first needed, so `set_random_seed` determines it."""
    if settings.seed_generator is None:
        settings.seed_generator = SeedGenerator()
    return settings.seed_generator


def draw_seed(seed):
    """The two words of a seed given as integer, SeedGenerator or None (the global generator), as an int64 tensor."""
    if getattr(seed, "_is_seed_generator", False):
        return seed.next()
    if seed is None:
        return global_seed_generator().next(ordered=False)
    return torch.tensor([_seed_word(seed), 0], dtype=torch.int64, device=scopes.default_device())


def _seed_word(seed):
    try:
        return operator.index(seed)
    except TypeError:
        raise ValueError(
            f"`seed` must be an integer, a keras.random.SeedGenerator or None; got {type(seed).__name__} {seed!r}."
        ) from None


def seed_number(seed):
    """The 32-bit number that seeds one draw; advances generators, except where a function runs again (core/remat)."""
    if state.redrawn is not None:
        number = next(state.redrawn)
    elif getattr(seed, "_is_seed_generator", False):
        number = seed.take()
    elif seed is None:
        number = global_seed_generator().take_scrambled()
    else:
        number = _seed_word(seed) & 0xFFFFFFFF
    if state.drawn is not None:
        state.drawn.append(number)
    return number


def set_random_seed(seed):
    """Seeds Python's `random`, numpy and torch, and forgets the global SeedGenerator.

    After it, the same program makes the same weights, masks and shuffles.

    Raises `ValueError` unless `seed` is an integer.
    """
    if not isinstance(seed, (int, np.integer)):
        raise ValueError(f"set_random_seed needs an integer, got {seed!r} of type {type(seed).__name__}.")
    seed = int(seed)
    settings.random_seed, settings.seed_generator = seed, None
    python_random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
