"""The printed page: the machine, the table (plain or Markdown), and the errors under it. Knows only ``Row``."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version

from .worker import HAND

WIDTHS = (36, 12, 12, 14, 7, 13, 7, 4, 7)


def machine(facts, keras):
    """One line: what the numbers were measured on. ``keras`` is Keras's state in words, or its version."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return (
        f"{cores} cores ({platform.machine()}), device {facts['device']}, float32, Python {platform.python_version()}, "
        f"torch {facts['torch']} with {facts['threads']} threads, Keras {keras}"
    )


def version_of(distribution):
    """The installed version, or ``None``."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


class Table:
    """Prints rows as they come, in fixed columns or as Markdown.

    Args:
        ours: the module measured, also its column's title.
        markdown: whether to print a Markdown table.
    """

    def __init__(self, ours, markdown):
        self.ours, self.markdown = ours, markdown

    def head(self):
        titles = ["measure", self.ours, "hand", "Keras on torch", "ratio", "quartiles", "wanted", "ok", "Keras"]
        self._line(titles)
        self._line(["-" * (3 if self.markdown else width) for width in WIDTHS])

    def row(self, row):
        ratio, spread, keras = row.ratio(self.ours), row.spread(self.ours), row.ratio("keras")
        self._line([
            row.title,
            *(self._value(row, contender) for contender in (self.ours, HAND, "keras")),
            "" if ratio is None else f"{ratio:.2f}",
            "" if spread is None else f"{spread[0]:.2f}-{spread[1]:.2f}",
            self._wanted(row),
            {None: "", True: "yes", False: "NO"}[row.accepted(self.ours)],
            "" if keras is None else f"{keras:.2f}",
        ])  # fmt: skip

    def _wanted(self, row):
        if row.wanted is None:
            return ""
        return f"<= {row.wanted}" + (f"+{row.allowance:g}{row.unit}" if row.allowance else "")

    def _value(self, row, contender):
        if contender in row.errors:
            return "failed"
        return f"{row.values[contender]:.4g} {row.unit}" if contender in row.values else ""

    def _line(self, cells):
        if self.markdown:
            print("| " + " | ".join(cells) + " |", flush=True)
        else:
            print("  ".join(f"{cell:<{width}}" for cell, width in zip(cells, WIDTHS, strict=True)).rstrip(), flush=True)
