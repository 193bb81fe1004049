"""`keras.preprocessing.sequence`."""

from torchkeras.utils import pad_sequences

__all__ = ["pad_sequences"]
