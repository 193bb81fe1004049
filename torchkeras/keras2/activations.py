"""What Keras 1 and 2 called `hard_sigmoid`: another curve than today's, for models that were trained with it.

May import core. Found by its name in configs, where `saving/old_names.py` puts it when it reads an old file. It is no
name of Keras's: a model that holds it, saved again, says so to whoever reads it, instead of computing something else.
"""

import torch
from torch.nn import functional as F

from torchkeras.core import registry
from torchkeras.core.conversion import as_tensor
from torchkeras.core.keras_tensor import KerasTensor


@registry.published("activation", "torchkeras.keras2.activations")
def hard_sigmoid_keras2(x):
    """`clip(0.2 x + 0.5, 0, 1)`: 0 below -2.5 and 1 above 2.5, where today's `hard_sigmoid` goes from -3 to 3.

    Example:
        >>> keras.activations.get("hard_sigmoid_keras2")(torch.tensor([-2.7, 0.0, 1.0]))
        tensor([0.0000, 0.5000, 0.7000])
    """
    x = x if isinstance(x, (torch.Tensor, KerasTensor)) else as_tensor(x)
    return F.hardtanh(0.2 * x + 0.5, 0.0, 1.0)
