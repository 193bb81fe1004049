"""Progbar: the line of text that shows how far a loop has come.

Imports torch, numpy and the console. Knows nothing of models or callbacks.
"""

import sys
import time

import numpy as np
import torch

from torchkeras.callbacks import console

# In a terminal too narrow for a line its bar may shrink to this; what is still too long then loses its end.
_SHORTEST_BAR = 5
_BOLD, _GREEN, _GREY, _RESET = "\x1b[1m", "\x1b[32m", "\x1b[37m", "\x1b[0m"


class Progbar:
    """A progress bar on standard output.

    In a terminal or notebook the line is drawn again in place; where a terminal is too narrow for it, with a shorter
    bar and, if need be, without its end. The finished line is always whole. Elsewhere (a file, a pipe) only the
    finished line is printed, without control characters.

    Args:
        target: number of units in all; None if unknown.
        width: length of the bar in characters.
        verbose: 0 silent, 1 (or "auto") a bar, 2 one line without a bar when it is finished.
        interval: shortest time between two drawings, in seconds.
        stateful_metrics: names of values to show as given; all others are averaged over the units.
        stateless_metrics: the other way round: names of values to average; all others are shown as given.
        unit_name: what one unit is called.

    Raises:
        ValueError: both `stateful_metrics` and `stateless_metrics` are given.

    Example:
        >>> bar = Progbar(target=10, verbose=0)
        >>> for step in range(10):
        ...     bar.update(step + 1, values=[("loss", 0.5)])
    """

    def __init__(
        self,
        target,
        width=20,
        verbose=1,
        interval=0.05,
        stateful_metrics=None,
        stateless_metrics=None,
        unit_name="step",
    ):
        if stateful_metrics is not None and stateless_metrics is not None:
            raise ValueError("Progbar got stateful_metrics and stateless_metrics; one implies the other, pass one.")
        self.target = target
        self.width = width
        self.verbose = 1 if verbose == "auto" else verbose
        self.interval = interval
        self.unit_name = unit_name
        self.stateful_metrics = None if stateless_metrics is not None else set(stateful_metrics or ())
        self.stateless_metrics = None if stateless_metrics is None else set(stateless_metrics)
        self._redraws = console.can_redraw(sys.stdout)
        self._colours = console.can_colour(sys.stdout)
        self._done, self._left = _glyphs(sys.stdout, self._colours)
        self._values = {}  # name -> [sum over units, units]
        self._seen_so_far = 0
        self._start = time.time()
        self._after_first = None
        self.last_update = 0
        self._drawn_width = 0

    def update(self, current, values=None, finalize=None):
        """Sets the number of units done, and draws the bar when it is due.

        Args:
            current: units done so far.
            values: pairs `(name, value)`; or a function that returns them, called only if the bar is drawn now, so that
                values still being computed on a device are not waited for.
            finalize: whether this is the last call: the line is completed, and shows exactly these values.
                None means: when `current` has reached `target`.
        """
        if finalize is None:
            finalize = self.target is not None and current >= self.target
        due = finalize or (self._redraws and self.verbose == 1 and time.time() - self.last_update >= self.interval)
        if not callable(values):
            self._take(values or (), current, finalize)
        elif due and self.verbose:
            self._take(values(), current, finalize)
        self._seen_so_far = current
        now = time.time()
        seconds = self._seconds_per_unit(current, now)
        if not due:
            return
        if self.verbose == 1:
            self._draw_bar(current, now, seconds, finalize)
        elif self.verbose == 2 and self.target:
            console.write(self._line(current, now, seconds) + "\n")
        self.last_update = now

    def add(self, n, values=None):
        """As `update`, with the number of units done since the last call."""
        self.update(self._seen_so_far + n, values)

    def _take(self, values, current, finalize):
        for name, value in values:
            if isinstance(value, torch.Tensor):
                value = value.detach()  # a sum kept for the bar must not keep the graph
            if finalize or not self._averaged(name):
                self._values[name] = [value, 1]
                continue
            units = max(current - self._seen_so_far, 1)
            total, count = self._values.get(name, (0, 0))
            self._values[name] = [total + value * units, count + units]

    def _averaged(self, name):
        if self.stateless_metrics is not None:
            return name in self.stateless_metrics
        return name not in self.stateful_metrics

    def _seconds_per_unit(self, current, now):
        """Mean time of a unit. The first one, slower than the rest, is left out as soon as there are others."""
        if not current:
            return 0
        if self._after_first is not None and current > 1:
            return (now - self._after_first) / (current - 1)
        if current == 1:
            self._after_first = now
        return (now - self._start) / current

    def _draw_bar(self, current, now, seconds, finalize):
        if self.target and not finalize:
            clock = _remaining(seconds * (self.target - current))
        else:
            clock = f"{now - self._start:.0f}s"
        rest = f" {_per_unit(seconds, self.unit_name)}{self._shown_values(abs)}"
        room = console.columns(sys.stdout) if self._redraws and not finalize else None
        taken = len(f" {clock}{rest}")
        pieces = [*self._bar(current, None if room is None else room - 1 - taken), (" ", None), (clock, _BOLD)]
        pieces = _cut([*pieces, (rest, None)], room)
        width = sum(len(text) for text, _ in pieces)
        text = "".join(self._styled(*piece) for piece in pieces)
        if self._redraws:
            text = "\b" * self._drawn_width + "\r" + text + " " * max(self._drawn_width - width, 0)
        self._drawn_width = width
        console.write(text + "\n" * finalize)

    def _bar(self, current, room):
        """The count and the bar in pieces of one style. The bar is shorter where there is no room for all of it."""
        if not self.target:
            return [(f"{int(current):7d}/Unknown", None)]
        count = self._count(current)
        width = self.width if room is None else min(self.width, max(room - len(count) - 1, _SHORTEST_BAR))
        done = min(int(width * current / self.target), width)
        bar = [(self._done * done, _GREEN)] if done else []
        return [(count, _BOLD), (" ", None), *bar, (self._left * (width - done), _GREY)]

    def _line(self, current, now, seconds):
        elapsed = f"{now - self._start:.0f}s"
        # Keras writes every negative value of this line in exponent form, unlike in the bar.
        values = self._shown_values(lambda value: value)
        return f"{self._count(current)} - {elapsed} - {_per_unit(seconds, self.unit_name)}{values}"

    def _count(self, current):
        return f"{int(current):{len(str(int(self.target)))}d}/{int(self.target)}"

    def _styled(self, text, style):
        return f"{style}{text}{_RESET}" if style and self._colours else text

    def _shown_values(self, size):
        return "".join(f" - {name}: {_number(*entry, size)}" for name, entry in self._values.items())


def _cut(pieces, columns):
    """Pieces of a line that fits in a terminal with so many columns, an ellipsis at the end of one that was longer.

    The last column stays free: some terminals go to the next line as soon as it is filled.
    """
    room = None if columns is None else columns - 1
    if room is None or sum(len(text) for text, _ in pieces) <= room:
        return pieces
    fitting = []
    for text, style in pieces:
        fitting.append((text[: max(room - 1, 0)], style))
        room -= len(text)
    return [*fitting, ("…", None)]


def _glyphs(stream, colours):
    """Characters for the part done and the part left; alike where colours tell them apart."""
    if not console.can_encode(stream, "━─"):
        return "=", "."
    return "━", "━" if colours else "─"


def _number(total, count, size):
    if isinstance(total, torch.Tensor):
        total = total.cpu().numpy()
    if isinstance(total, str) or total is None:
        return str(total)
    mean = np.mean(total) / max(1, count)
    return f"{mean:.4f}" if size(mean) > 1e-3 else f"{mean:.4e}"


def _remaining(seconds):
    if seconds > 3600:
        return f"{int(seconds // 3600)}:{int(seconds % 3600 // 60):02d}:{int(seconds % 60):02d}"
    if seconds > 60:
        return f"{int(seconds // 60)}:{int(seconds % 60):02d}"
    return f"{int(seconds)}s"


def _per_unit(seconds, unit):
    if seconds >= 1 or seconds == 0:
        return f"{seconds:.0f}s/{unit}"
    if seconds >= 1e-3:
        return f"{seconds * 1e3:.0f}ms/{unit}"
    return f"{seconds * 1e6:.0f}us/{unit}"
