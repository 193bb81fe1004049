"""Converters: what a field accepts, and as what it keeps it.

May import errors. Each function makes a converter for one argument, whose name stands in the error. Numbers may come in
every box that holds one number: Python's, numpy's, a tensor's.
"""

import math
import operator

from torchkeras.errors import InvalidArgumentError


def as_number(value):
    """A Python number of one in any box, bools included; None for what is no number."""
    if isinstance(value, (int, float)):
        return value
    shape = getattr(value, "shape", None)
    if shape is not None and hasattr(value, "item") and math.prod(shape) == 1:
        value = value.item()
        return value if isinstance(value, (int, float)) else None
    try:
        return operator.index(value)
    except TypeError:
        return None


def positive_int(name):
    """Accepts integers from 1 up; integral floats too (Keras 2 wrote `Dense(2.0)`)."""

    def convert(value):
        if type(value) is int and value > 0:  # the usual case
            return value
        found = as_number(value)
        if found is None or not math.isfinite(found) or int(found) != found or found <= 0:
            raise InvalidArgumentError(f"`{name}` must be a positive integer, got {value!r}.")
        return int(found)

    return convert


def number(name):
    """Accepts any number."""

    def convert(value):
        found = as_number(value)
        if found is None:
            raise InvalidArgumentError(f"`{name}` must be a number, got {value!r}.")
        return found

    return convert


def above_zero(name):
    """Accepts numbers above zero."""
    convert_any = number(name)

    def convert(value):
        found = convert_any(value)
        if not found > 0:
            raise InvalidArgumentError(f"`{name}` must be above zero, got {value!r}.")
        return found

    return convert


def between(name, least, most=math.inf):
    """Accepts numbers from `least` to `most`, both inclusive."""
    convert_any = number(name)

    def convert(value):
        found = convert_any(value)
        if not least <= found <= most:
            wanted = f">= {least}" if most == math.inf else f"between {least} and {most}"
            wanted = f"<= {most}" if least == -math.inf else wanted
            raise InvalidArgumentError(f"`{name}` must be {wanted}, got {value!r}.")
        return found

    return convert


def flag(name):
    """Accepts True and False, numpy's too."""

    def convert(value):
        found = as_number(value)
        if not isinstance(found, bool):
            raise InvalidArgumentError(f"`{name}` must be True or False, got {value!r}.")
        return found

    return convert


def one_of(name, *choices):
    """Accepts one of a few strings, in any case."""

    def convert(value):
        lowered = value.lower() if isinstance(value, str) else value
        if lowered not in choices:
            raise InvalidArgumentError(f"`{name}` must be one of {', '.join(map(repr, choices))}; got {value!r}.")
        return lowered

    return convert


def tuple_of(name, rank, allow_zero=False):
    """Accepts one integer or `rank` of them, each at least 1 (or 0): `3` -> `(3, 3)`."""
    least = 0 if allow_zero else 1

    def convert(value):
        single = as_number(value)
        items = [single] * rank if single is not None else list(value) if hasattr(value, "__iter__") else []
        try:
            found = tuple(operator.index(item) for item in items)
        except TypeError:
            found = ()
        if len(found) != rank or min(found) < least:
            raise InvalidArgumentError(f"`{name}` must be an integer >= {least} or {rank} of them, got {value!r}.")
        return found

    return convert


def pairs_of(name, rank):
    """Accepts one integer >= 0, `rank` of them, or `rank` pairs: `1` -> `((1, 1), (1, 1))`."""
    convert_pair = tuple_of(name, 2, allow_zero=True)

    def convert(value):
        single = as_number(value)
        items = [single] * rank if single is not None else list(value) if hasattr(value, "__len__") else []
        try:
            found = tuple(convert_pair(item) for item in items)
        except InvalidArgumentError:
            found = ()
        if len(found) != rank:
            raise InvalidArgumentError(
                f"`{name}` must be an integer >= 0, {rank} of them, or {rank} pairs (before, after); got {value!r}."
            )
        return found

    return convert
