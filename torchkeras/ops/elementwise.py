"""Operations on each number, and on pairs of numbers: the elementwise part of `keras.ops.numpy`.

May import core and the makers.
"""

import operator

import torch

from torchkeras.core.symbolic import KerasTensor, operation
from torchkeras.ops._makers import as_tensor, binary, unary

# -- one operand ------------------------------------------------------------------------------------------------------

exp = unary("Exp", torch.exp, "The exponential function.", ints="floatx")
expm1 = unary("Expm1", torch.expm1, "`exp(x) - 1`, exact for small `x`.", ints="floatx")
tanh = unary("Tanh", torch.tanh, "The hyperbolic tangent.", ints="floatx")
