"""BatchSource: what the kinds of data have in common that make batches by themselves, in any form.

May import core and this room.
"""

import dataclasses
import warnings
from collections.abc import Mapping

import torch

from torchkeras.core.conversion import is_array_like
from torchkeras.random.streams import set_streams, streams
from torchkeras.training.array_source import weighed
from torchkeras.training.data import GivenBatch, is_array, seen, unpack_x_y_sample_weight
from torchkeras.training.row_readers import is_sparse
from torchkeras.training.source import Source, Stream, Transfer, limited_steps

_END = object()
_PARTS = ("x", "y", "sample_weight")


class BatchSource(Source):
    """Batches of a thing that makes them: a class says how a pass over it begins.

    Args:
        x: the thing.
        y, sample_weight: must be None: they are part of the batches.
        class_weight: `{class: weight}`, multiplied into the weights of each batch.
        device: where the batches are wanted.
        steps: batches per epoch, where the user gave it; see `Source.batches`.
        what: in errors, whose data these are.
        ignored: batch size, order and workers are the thing's own business.
    """

    kind = "data"  # in errors
    restarts = True  # whether a new pass can begin
    fresh = False  # whether the tensors of a batch are nobody else's
    exact = False  # whether a pass ends after `length` batches, with nothing to ask for behind them

    def __init__(self, x, y=None, sample_weight=None, class_weight=None, device=None, steps=None, what=None, **ignored):
        for name, value in (("y", y), ("sample_weight", sample_weight)):
            if value is not None:
                raise ValueError(
                    f"`x` is {self.kind}, so `{name}` must not be given: its batches are (x, y) or "
                    "(x, y, sample_weight)."
                )
        self._data, self._class_weight, self.steps = x, class_weight, limited_steps(steps)
        self._transfer, self._what = Transfer(device or torch.device("cpu")), f"{what}: " if what else ""
        self._pass, self._taken = None, 0  # the running pass, and the batches since it began
        self._held = []  # a batch drawn ahead
        self._over = self._told = self._paid = False  # `_paid`: the random number of the next pass has been drawn
        self._stream, self._began = Stream(), None
        self.length = self._length()
        self.num_batches = self.length if self.steps is None else self.steps
        if self.length == 0:
            raise self._nothing()

    def _length(self):
        """Batches of a pass; None where that is not known."""
        return None

    def _open(self):
        """An iterator over the raw batches of a new pass."""
        return iter(self._data)

    # -- what the loops ask for ---------------------------------------------------------------------------------------

    def batches(self, restart=False):
        if restart and self.restarts and self._taken:
            self.close()
        count = 0
        while count != self.steps:
            raw = self._next()
            if raw is _END:
                if self.steps is None or not self._may_go_on(count):
                    break
                continue
            count += 1
            yield self.batch(raw)
        if self.length is not None and self._taken == self.length:
            self._end_pass()  # at once: what runs beside ends

    def first_batch(self):
        if not self._held:
            raw = self._next()
            if raw is _END:
                raise self._nothing()
            self._taken -= 1
            self._held.append(raw)
        return self.batch(self._held[0])

    def look(self):
        self._stream.draw()
        return self.first_batch()

    def ended(self):
        if self.restarts or self._held:
            return self._over
        raw = self._next()
        if raw is _END:
            self._tell("gave no more batches: the training ends here")
            return True
        self._taken -= 1
        self._held.append(raw)
        return False

    def position(self):
        return {
            "taken": self._taken,
            "paid": self._paid,
            "began": None if self._pass is None or not self.restarts else self._began,
            "own": self._own_streams(),
        }

    def go_to(self, position):
        if self.restarts:
            self.close()
            began = position["began"]
            if began is not None:
                set_streams(began["streams"])
                self._set_own_streams(began["own"])
                self._paid = began["paid"]
                self._begin()
        while self._taken < position["taken"] and self._next() is not _END:
            pass
        self._paid = position["paid"]
        self._set_own_streams(position["own"])

    def _own_streams(self):
        """States of random generators that belong to the thing itself."""
        return []

    def _set_own_streams(self, states):
        """Puts these back."""

    def close(self):
        running, self._pass, self._held, self._taken = self._pass, None, [], 0
        if self.restarts and hasattr(running, "close"):
            running.close()

    # -- passes -------------------------------------------------------------------------------------------------------

    def _next(self):
        """The next raw batch of the running pass, or of a new one; `_END` where it ends."""
        if self._held:
            self._taken += 1
            return self._held.pop()
        if self._pass is None:
            if self._over:
                return _END
            self._begin()
        raw = _END if self.exact and self._taken == self.length else next(self._pass, _END)
        if raw is not _END:
            self._taken += 1
            return raw
        if not self._taken:
            raise self._nothing()
        self._end_pass()
        return _END

    def _begin(self):
        if self.remembers:
            self._began = {"streams": streams(), "own": self._own_streams(), "paid": self._paid}
        self._begin_pass()

    def _begin_pass(self):
        if not self._paid:
            self._stream.draw()
        self._pass, self._taken, self._paid = self._open(), 0, False

    def _end_pass(self):
        self._over = not self.restarts
        self._pass, self._taken = None, 0 if self.restarts else self._taken
        if self.length is not None:
            self._pay()

    def _pay(self):
        """The random number for which Keras begins to read again at once; an epoch of so many steps goes on with that
        pass."""
        self._stream.draw()
        self._paid = self.steps is not None

    def _may_go_on(self, count):
        """Whether an epoch that came to the end of a pass begins a new one; else it is told that it ends there."""
        if self.restarts and not count:
            return True
        self._tell(f"ended after {count} of {self.steps} steps; the epoch ends here")
        return False

    def _tell(self, happened):
        if not self._told:
            advice = "leave out steps_per_epoch (or steps) to use all data in each epoch"
            if not self.restarts:
                advice = "an iterator runs once: let it go on for steps * epochs batches, or pass a PyDataset"
            warnings.warn(f"{self._what}The data ran out: {self.kind} {happened}. ({advice})", stacklevel=3)
        self._told = not self.restarts

    def _nothing(self):
        return ValueError(f"{self._what}`x` is {self.kind} that gave no batch at all.")

    # -- batches ------------------------------------------------------------------------------------------------------

    def batch(self, raw):
        """`(x, y, sample_weight)` from a batch as it came."""
        given = self._converted(raw)
        if isinstance(given, dict) and not isinstance(raw, Mapping) and "x" in given and set(given) <= set(_PARTS):
            given = tuple(given[name] for name in _PARTS if name in given)  # a dataclass that says which is which
        if isinstance(given, (list, tuple)) and not 1 <= len(given) <= 3:
            raise ValueError(
                f"{self._what}A batch must be x, (x, y) or (x, y, sample_weight); {self.kind} gave a "
                f"{type(raw).__name__} of {len(given)}. Several inputs go into a tuple or dict: ((a, b), y)."
            )
        x, y, sample_weight = unpack_x_y_sample_weight(given)
        if self._class_weight is not None:
            sample_weight = weighed(y, self._class_weight, sample_weight)
            given = (x, y, sample_weight)
        return GivenBatch((x, y, sample_weight), given)

    def _converted(self, value):
        """Tensors on the device in the structure of a raw batch; mappings and dataclasses become dicts."""
        if value is None:
            return None
        if isinstance(value, Mapping):
            return {key: self._converted(item) for key, item in value.items()}
        if isinstance(value, tuple):
            items = [self._converted(item) for item in value]
            return type(value)(*items) if hasattr(value, "_fields") else tuple(items)
        if isinstance(value, list) and not is_array(value):
            return [self._converted(item) for item in value]
        if dataclasses.is_dataclass(value) and not is_array_like(value):
            return {field.name: self._converted(getattr(value, field.name)) for field in dataclasses.fields(value)}
        if is_sparse(value):
            value = value.toarray()
        tensor = value if isinstance(value, torch.Tensor) else seen(value, f"a batch of {self.kind}", strings=True)
        return self._moved(tensor) if isinstance(tensor, torch.Tensor) else tensor

    def _moved(self, tensor):
        tensor = tensor.detach()
        moved = self._transfer(tensor)
        return moved.clone() if moved is tensor and not self.fresh else moved
