"""Programs with custom objects, as books and tutorials have them; one file per subject.

May import numpy and torch; no library but the one that a program is given.
"""

from compat.custom_objects import layers, models, parts, training
from compat.custom_objects.program import PROGRAMS

__all__ = ["PROGRAMS", "layers", "models", "parts", "training"]
