"""Rules of mixed precision.

May import numpy and torch; no library but the one that a rule is given.
"""

import torch

from compat.custom_layers.rules.rule import X, rule


@rule
def tied_weights_in_mixed_precision(k):
    """Another layer's weight is cast too while this one computes; outside it is what it is."""

    class Tied(k.layers.Layer):
        def __init__(self, source, **kwargs):
            super().__init__(**kwargs)
            self.source = source

        def call(self, inputs):
            return torch.matmul(inputs, k.ops.transpose(self.source.kernel))

    dense = k.layers.Dense(3, dtype="mixed_bfloat16")
    tied = Tied(dense, dtype="mixed_bfloat16")
    out = tied(dense(X))
    return str(out.dtype), tuple(out.shape), str(dense.kernel.dtype).split(".")[-1]


def weights_are_assigned_in_mixed_precision(k):
    """Trained or not, of this layer or another."""

    class Normalizes(k.layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.inner = k.layers.Dense(2, kernel_initializer="ones")

        def build(self, input_shape):
            self.inner.build(input_shape)
            self.own = self.add_weight(shape=(2,), name="own", initializer="ones")
            self.count = self.add_weight(shape=(), name="count", initializer="zeros", trainable=False)

        def call(self, inputs):
            self.inner.kernel.assign(self.inner.kernel / 4)
            self.own.assign_sub(k.ops.ones((2,)) * 0.5)
            self.count.assign_add(1.0)
            return self.inner(inputs) * self.own

    layer = Normalizes(dtype="mixed_bfloat16")
    out = layer(X)
    return str(out.dtype), [float(w.numpy().max()) for w in layer.weights], [float(v) for v in out[1]]
