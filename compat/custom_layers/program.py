"""A program: layers as a user writes them, and a small model of them, for either library.

May import numpy only. A program is a function of the library (`keras` or `torchkeras`) and symbolic inputs that defines
its classes and gives the model's outputs; both libraries run the same text.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

PROGRAMS = []


@dataclass
class Program:
    """One program and its data.

    Attributes:
        function: `function(k, *inputs) -> outputs`.
        inputs: shapes of the inputs without the batch, or arrays.
        whole: vocabulary size where the inputs are integers.
        scale: of the random weights.
        configs: False where the layers have no config that could be read back.
        compiled: whether `torch.compile` is tried too, which takes its time.
    """

    function: Callable
    inputs: tuple
    whole: int | None = None
    scale: float = 0.3
    configs: bool = True
    compiled: bool = False

    @property
    def title(self):
        return self.function.__name__

    def arrays(self, batch=4):
        rng = np.random.default_rng(len(self.title))
        found = []
        for shape in self.inputs:
            if self.whole:
                found.append(rng.integers(0, self.whole, (batch, *shape)).astype("int32"))
            else:
                found.append(rng.standard_normal((batch, *shape)).astype("float32"))
        return found

    def model(self, k):
        """The functional model of the program in a library."""
        dtype = "int32" if self.whole else "float32"
        inputs = [k.Input(shape, dtype=dtype, name=f"input_{index}") for index, shape in enumerate(self.inputs)]
        return k.Model(inputs[0] if len(inputs) == 1 else inputs, self.function(k, *inputs))


def program(*inputs, **options):
    """Decorator: adds a function to `PROGRAMS`."""

    def decorate(function):
        PROGRAMS.append(Program(function, inputs, **options))
        return function

    return decorate
