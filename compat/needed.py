"""Values for arguments that classes cannot be made without, by the argument's name.

Imports nothing of either library: torchkeras and Keras are given the same.
"""

import inspect

NEEDED = {
    "num_classes": 8,
    "target_class_ids": [0, 2],
    "specificity": 0.5,
    "sensitivity": 0.5,
    "precision": 0.5,
    "recall": 0.5,
    "q": 0.5,
}


def needed(cls):
    """The arguments without a default of a class or function, but for data."""
    parameters = inspect.signature(cls).parameters.values()
    return {p.name: NEEDED[p.name] for p in parameters if p.default is p.empty and p.name in NEEDED}
