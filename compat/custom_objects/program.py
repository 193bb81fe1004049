"""A program that has objects of the user's own: a model of them, what they are called, and data, for either library.

May import numpy only. A program is a function of the library (`keras` or `torchkeras`) that defines its classes and
functions and gives `(compiled model, custom objects)`; called again it is another session with the same source.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

PROGRAMS = []


@dataclass
class Program:
    """One program and its data.

    Attributes:
        function: `function(k) -> (model, custom_objects)`; the dict is None where all is registered.
        x: shape of the inputs without the batch, or a tuple of shapes, or a dict of them.
        y: shape of the targets, a dict of them, or None where the model needs none.
        whole: number of classes where the inputs are integers.
        classes: the same for targets.
        random: whether a step of training draws numbers, so that only a file's own model goes on equally.
        unsafe: whether the file holds code.
        refused: what Keras raises where it cannot open such a file.
    """

    function: Callable
    x: object
    y: object = (1,)
    whole: int | None = None
    classes: int | None = None
    random: bool = False
    unsafe: bool = False
    refused: type | None = None

    @property
    def title(self):
        return self.function.__name__

    def data(self, batch=8):
        rng = np.random.default_rng(len(self.title))

        def fill(shape, whole):
            if shape is None:
                return None
            if isinstance(shape, dict):
                return {key: fill(each, whole) for key, each in shape.items()}
            if shape and isinstance(shape[0], tuple):
                return [fill(each, whole) for each in shape]
            if whole:
                return rng.integers(0, whole, (batch, *shape)).astype("int32")
            return rng.random((batch, *shape), "float32")

        return fill(self.x, self.whole), fill(self.y, self.classes)


def program(x, y=(1,), **options):
    """Decorator: adds a function to `PROGRAMS`."""

    def decorate(function):
        PROGRAMS.append(Program(function, x, y, **options))
        return function

    return decorate


def stack(k, *layers, shape=(4,), loss="mse", optimizer="sgd", **compiled):
    """A compiled Sequential."""
    model = k.Sequential([k.Input(shape), *layers])
    model.compile(optimizer, loss, **compiled)
    return model


def named(*objects):
    """Custom objects under their own names."""
    return {each.__name__: each for each in objects}
