"""Rules of `Layer` that users lean on: each a small program that gives plain facts, or raises; one file per subject.

May import numpy and torch; no library but the one that a rule is given.
"""

from compat.custom_layers.rules import building, calls, cells, classes, configs, precision, weights
from compat.custom_layers.rules.rule import REFUSED, RULES

__all__ = ["REFUSED", "RULES", "building", "calls", "cells", "classes", "configs", "precision", "weights"]
