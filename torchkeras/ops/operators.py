"""The operators of KerasTensor: `x + 1`, `x[0]`, `x < y` and the rest.

May import core and the rooms beside it. Publishes nothing.
"""

from torchkeras.core.keras_tensor import bind_operators
from torchkeras.ops.core import cast
from torchkeras.ops.elementwise import (
    absolute,
    add,
    floor_divide,
    greater,
    greater_equal,
    less,
    less_equal,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    mod,
    multiply,
    negative,
    not_equal,
    power,
    round,
    subtract,
    true_divide,
)
from torchkeras.ops.products import matmul
from torchkeras.ops.shaping import get_item, reshape, squeeze


def _reflected(function):
    return lambda self, other: function(other, self)


bind_operators(
    {
        "__add__": add,
        "__radd__": _reflected(add),
        "__sub__": subtract,
        "__rsub__": _reflected(subtract),
        "__mul__": multiply,
        "__rmul__": _reflected(multiply),
        "__truediv__": true_divide,
        "__rtruediv__": _reflected(true_divide),
        "__floordiv__": floor_divide,
        "__rfloordiv__": _reflected(floor_divide),
        "__mod__": mod,
        "__rmod__": _reflected(mod),
        "__pow__": power,
        "__rpow__": _reflected(power),
        "__matmul__": matmul,
        "__rmatmul__": _reflected(matmul),
        "__neg__": negative,
        "__abs__": absolute,
        "__invert__": logical_not,
        "__and__": logical_and,
        "__rand__": _reflected(logical_and),
        "__or__": logical_or,
        "__ror__": _reflected(logical_or),
        "__xor__": logical_xor,
        "__rxor__": _reflected(logical_xor),
        "__lt__": less,
        "__le__": less_equal,
        "__gt__": greater,
        "__ge__": greater_equal,
        "__ne__": not_equal,
        "__round__": round,
        "__getitem__": get_item,
        "reshape": lambda self, newshape: reshape(self, newshape),
        "squeeze": lambda self, axis=None: squeeze(self, axis),
        "cast_to": cast,
    }
)
