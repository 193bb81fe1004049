"""What the rules are written with.

May import numpy only.
"""

import numpy as np

RULES, REFUSED = [], []


def rule(function):
    """Decorator: adds a function of the library to `RULES`."""
    RULES.append(function)
    return function


def refused(function):
    """Decorator of a rule that must raise."""
    REFUSED.append(function)
    return function


def facts(weights):
    return [(w.name, w.path, tuple(w.shape), w.trainable) for w in weights]


X = np.arange(8.0, dtype="float32").reshape(2, 4)


def scale_of(k):
    class Scale(k.layers.Layer):
        def __init__(self, factor=2.0, **kwargs):
            super().__init__(**kwargs)
            self.factor = factor

        def build(self, input_shape):
            self.gain = self.add_weight(name="gain", shape=(input_shape[-1],), initializer="ones")

        def call(self, inputs):
            return inputs * self.gain * self.factor

    return Scale
