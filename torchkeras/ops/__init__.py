"""`keras.ops`: operations that work on tensors, arrays and KerasTensors alike.

May import core. Knows no layer.
"""

from torchkeras.ops.elementwise import *
from torchkeras.ops.nn_activations import *
