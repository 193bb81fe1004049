"""Custom layers as tutorials and repositories write them, one file per field; `PROGRAMS` has them all.

May import numpy and torch; no library but the one that a program is given.
"""

from compat.custom_layers import generative, recurrent, rules, sequences, tabular, vision
from compat.custom_layers.program import PROGRAMS, Program
from compat.custom_layers.rules import REFUSED, RULES

__all__ = [
    "PROGRAMS",
    "REFUSED",
    "RULES",
    "Program",
    "generative",
    "recurrent",
    "rules",
    "sequences",
    "tabular",
    "vision",
]
