"""Source: what the loops ask of data, whatever kind these are.

May import core and this room's checks. Knows no kind of data.
"""

import warnings

import torch

from torchkeras.core import scopes
from torchkeras.training.arguments import positive_number


class Source:
    """What the loops ask of data: these members and a constructor, and nothing else.

    Constructor: `(x, y, sample_weight, batch_size, shuffle, class_weight, device, steps, may_be_empty, what, workers,
    use_multiprocessing, max_queue_size)`, all but `x` optional; the last three are those of Keras 2's `fit`. A kind
    that makes batches by itself raises `ValueError` for arguments that only arrays have.

    Attributes:
        num_batches: batches in an epoch; None while that is not known.
        rows: samples in an epoch; None where that is not known.
    """

    num_batches = rows = None
    remembers = False  # whether `position` will be asked

    @classmethod
    def accepts(cls, x):
        """Whether `x` is of this kind. Looks at its type only."""
        raise NotImplementedError(f"{cls.__name__} must say which data it accepts.")

    def batches(self, restart=False):
        """The batches of one epoch, each `(x, y, sample_weight)`: tensors on the wanted device (strings as numpy
        arrays), None, or structures of these. What is yielded may be changed by who takes it.

        An epoch of a limited number of steps goes on where the last one ended; `restart`: from the beginning.
        """
        raise NotImplementedError(f"{type(self).__name__} must define batches(restart).")

    def first_batch(self):
        """A batch to see shapes by. The batches to come are not disturbed."""
        raise NotImplementedError(f"{type(self).__name__} must define first_batch().")

    def look(self):
        """`first_batch`, at the price in random numbers that Keras pays for looking at the data after `compile`."""
        return self.first_batch()

    def ended(self):
        """Whether there is nothing left for another epoch: so with iterators, which run once."""
        return False

    def position(self):
        """Where the next epoch begins, for `go_to` of a source of the same data: numbers, texts, arrays, and dicts of
        them. Asked between epochs, of a source that `remembers`. A source whose epochs depend on nothing but the random
        streams at their beginning has nothing to tell."""
        return {}

    def go_to(self, position):
        """Goes where another source stood. The random streams may stand anywhere afterwards."""

    def close(self):
        """Ends what runs beside the loop. An iterator stays where it is."""


class Transfer:
    """Moves tensors to a device. To a GPU they go from pinned memory and on a stream of their own, so that a batch
    travels while the step before it runs."""

    def __init__(self, device):
        self.device = device
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None

    def __call__(self, tensor):
        """The tensor on the device; the same one if it is there."""
        if tensor.device == self.device:
            return tensor
        if self._stream is None or tensor.device.type != "cpu":
            return tensor.to(self.device)
        pinned = tensor if tensor.is_pinned() else tensor.pin_memory()
        with torch.cuda.stream(self._stream):
            moved = pinned.to(self.device, non_blocking=True)
        step = torch.cuda.current_stream(self.device)
        step.wait_stream(self._stream)
        moved.record_stream(step)  # its memory is given to nobody else before the step has read it
        return moved


class Stream:
    """Numbers of torch's random stream. Drawing them where Keras's loaders do keeps orders and dropout masks after
    `set_random_seed` equal to Keras's."""

    def __init__(self):
        self._number, self._generator = torch.empty((), dtype=torch.int64), None

    def draw(self, generator=None):
        """One number, or one of another stream."""
        return self._number.random_(generator=generator)

    def order(self, count):
        """A random order of so many, from a generator that one number seeds."""
        if self._generator is None:
            self._generator = torch.Generator()
        return torch.randperm(count, generator=self._generator.manual_seed(int(self.draw())))


def limited_steps(value):
    """Batches per epoch from what the user gave and `keras.config.set_max_steps_per_epoch`; None for all there are."""
    most = scopes.settings.max_steps_per_epoch
    if most and (value is None or most < value):
        warnings.warn(f"Limiting steps_per_epoch to {most}", stacklevel=4)
        return most
    if value is None:
        return None
    return positive_number("`steps_per_epoch` (`validation_steps`, `steps`)", value)
