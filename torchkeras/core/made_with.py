"""What an object of a class without a `get_config` was made with, as far as it can stand in a config.

May import core. A layer keeps the plain arguments of its constructor and nothing else: no function, lock, array or
data set outlives the constructor because a config might once be asked for.
"""

import inspect

import numpy as np

from torchkeras.core import tree


def plain_arguments(cls, args, kwargs, without):
    """`(values, refused)`: the arguments of a call that are plain, defaults included, and the names of the others.

    `without` are names that the object says itself. None for a call that does not fit the signature: the constructor
    itself raises for it.
    """
    signature = inspect.signature(cls.__init__)
    try:
        bound = signature.bind(None, *args, **kwargs)
    except TypeError:
        return None
    bound.apply_defaults()
    values, by_place = {}, set()
    for name, value in list(bound.arguments.items())[1:]:
        kind = signature.parameters[name].kind
        if kind is inspect.Parameter.VAR_KEYWORD:
            values.update(value)
        elif kind is not inspect.Parameter.VAR_POSITIONAL or value:
            values[name] = value
            if kind in (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.VAR_POSITIONAL):
                by_place.add(name)  # `cls(**config)` could not say it
    values = {name: value for name, value in values.items() if name not in without}
    refused = [name for name, value in values.items() if name in by_place or not is_plain(value)]
    return {name: _copy(value) for name, value in values.items() if name not in refused}, refused


def writes_name(cls):
    """Whether an automatic config holds the name: Keras's rule is that the constructor lists `name` or `**kwargs`."""
    parameters = inspect.signature(cls.__init__).parameters
    rest = parameters.get("kwargs")
    return "name" in parameters or (rest is not None and rest.kind is rest.VAR_KEYWORD)


def is_plain(value):
    """Whether a value can stand in JSON as it is: a number, text, bool or None, or a structure of them."""
    if isinstance(value, (str, int, float, bool, type(None), np.generic)):
        return True
    return tree.is_nested(value) and all(is_plain(leaf) for leaf in tree.flatten(value))


def _copy(value):
    """Structures are copied: a list that the caller goes on to change is no longer the argument."""
    return tree.map_structure(lambda leaf: leaf, value) if tree.is_nested(value) else value
