"""Models: Model, Sequential, cloning. May import core, layers and training; the JSON reader is the saving room's."""

from torchkeras.models.cloning import clone_model
from torchkeras.models.functional import Functional
from torchkeras.models.model import Model
from torchkeras.models.sequential import Sequential

__all__ = ["Functional", "Model", "Sequential", "clone_model"]
