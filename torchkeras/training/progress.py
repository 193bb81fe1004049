"""The progress bar, under its training name.

The class lives beside the callback that draws it: callbacks may not import training.
"""

from torchkeras.callbacks.progress import Progbar

__all__ = ["Progbar"]
