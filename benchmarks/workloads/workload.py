"""What every workload is: data, and the same network in two forms.

A Keras form is a function of the ``keras`` module it is given: torchkeras and Keras run the same text. Each side keeps
its own world's habits: torch losses take logits and images are NCHW; the Keras scripts end in softmax and use NHWC.
May import torch and numpy; runs inside a worker only; knows nothing of timing.
"""

import numpy as np
import torch
from torch import nn


class Workload:
    """Random rows of ``shape`` with ten classes, unless a workload says otherwise."""

    batch: int
    shape: tuple[int, ...]  # one row as Keras lays it out
    probabilities = True  # the Keras form ends in a softmax, which the other one adds where both only predict

    def data(self, rows):
        """``rows`` inputs in Keras's layout, float32, and their targets."""
        rng = np.random.default_rng(0)
        return rng.random((rows, *self.shape), dtype=np.float32), rng.integers(0, 10, rows)

    def torch_data(self, rows):
        """The same rows as torch tensors in torch's layout."""
        x, y = self.data(rows)
        return torch.from_numpy(x), torch.from_numpy(y)

    def torch_loss(self):
        return nn.CrossEntropyLoss()

    def by_hand(self):
        """The plain ``nn.Module``."""
        raise NotImplementedError(f"{type(self).__name__} has no hand-written form")

    def layers(self, keras):
        """The layers of a ``keras.Sequential``; a workload with branches overrides ``in_keras`` instead."""
        raise NotImplementedError(f"{type(self).__name__} has no Keras form")

    def callbacks(self, keras):
        """What ``fit`` gets as callbacks."""

    def in_keras(self, keras):
        """The compiled Keras model."""
        model = keras.Sequential([keras.Input(self.shape), *self.layers(keras)])
        model.compile(optimizer="adam", loss="sparse_categorical_crossentropy")
        return model
