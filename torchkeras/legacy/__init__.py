"""`keras.legacy`: names that Keras keeps for old code.

May import core.
"""

from torchkeras.legacy import saving

__all__ = ["saving"]
