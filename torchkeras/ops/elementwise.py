"""Operations on each number and on pairs of numbers: the elementwise part of `keras.ops.numpy`.

May import core and the makers. numpy's function of the same name gives the same numbers; integers become `floatx()`
where a fraction can come out.
"""

import operator

import torch

from torchkeras.core.conversion import NUMBERS, as_tensor
from torchkeras.core.dtypes import torch_dtype
from torchkeras.core.keras_tensor import KerasTensor
from torchkeras.core.symbolic import operation
from torchkeras.ops._makers import binary, broadcast_shape, joint_type, promoted, same, shape_of, unary

__all__ = [
    "abs", "absolute", "add", "angle", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctan2", "arctanh",
    "bitwise_and", "bitwise_invert", "bitwise_left_shift", "bitwise_not", "bitwise_or", "bitwise_right_shift",
    "bitwise_xor", "cbrt", "ceil", "clip", "conj", "conjugate", "cos", "cosh", "deg2rad", "divide", "divide_no_nan",
    "equal", "exp", "exp2", "expm1", "fabs", "floor", "floor_divide", "fmax", "fmin", "fmod", "gcd", "greater",
    "greater_equal", "heaviside", "hypot", "i0", "imag", "isclose", "isfinite", "isinf", "isnan", "isneginf",
    "isposinf", "isreal", "lcm", "left_shift", "less", "less_equal", "log", "log10", "log1p", "log2", "logaddexp",
    "logaddexp2", "logical_and", "logical_not", "logical_or", "logical_xor", "maximum", "minimum", "mod", "multiply",
    "nan_to_num", "negative", "nextafter", "not_equal", "power", "rad2deg", "real", "reciprocal", "right_shift",
    "round", "sign", "signbit", "sin", "sinc", "sinh", "sqrt", "square", "subtract", "tan", "tanh", "true_divide",
    "trunc",
]  # fmt: skip

# -- one operand, real results ----------------------------------------------------------------------------------------

exp = unary("Exp", torch.exp, "The exponential function.", ints="floatx")
exp2 = unary("Exp2", torch.exp2, "`2**x`.", ints="floatx")
expm1 = unary("Expm1", torch.expm1, "`exp(x) - 1`, exact for small `x`.", ints="floatx")
log = unary("Log", torch.log, "Natural logarithm; NaN for negative numbers.", ints="floatx")
log2 = unary("Log2", torch.log2, "Logarithm to base 2.", ints="floatx")
log10 = unary("Log10", torch.log10, "Logarithm to base 10.", ints="floatx")
log1p = unary("Log1p", torch.log1p, "`log(1 + x)`, exact for small `x`.", ints="floatx")
sqrt = unary("Sqrt", torch.sqrt, "Square root; NaN for negative numbers.", ints="floatx")
cbrt = unary("Cbrt", lambda x: torch.sign(x) * torch.abs(x) ** (1.0 / 3.0), "Cube root.", ints="wide")
reciprocal = unary("Reciprocal", torch.reciprocal, "`1 / x`.", ints="floatx")
sin = unary("Sin", torch.sin, "Sine of an angle in radians.", ints="floatx")
cos = unary("Cos", torch.cos, "Cosine of an angle in radians.", ints="floatx")
tan = unary("Tan", torch.tan, "Tangent of an angle in radians.", ints="floatx")
arcsin = unary("Arcsin", torch.arcsin, "Inverse sine, in radians.", ints="floatx")
arccos = unary("Arccos", torch.arccos, "Inverse cosine, in radians.", ints="floatx")
arctan = unary("Arctan", torch.arctan, "Inverse tangent, in radians.", ints="floatx")
sinh = unary("Sinh", torch.sinh, "Hyperbolic sine.", ints="floatx")
cosh = unary("Cosh", torch.cosh, "Hyperbolic cosine.", ints="floatx")
tanh = unary("Tanh", torch.tanh, "Hyperbolic tangent.", ints="floatx")
arcsinh = unary("Arcsinh", torch.arcsinh, "Inverse hyperbolic sine.", ints="floatx")
arccosh = unary("Arccosh", torch.arccosh, "Inverse hyperbolic cosine.", ints="floatx")
arctanh = unary("Arctanh", torch.arctanh, "Inverse hyperbolic tangent.", ints="floatx")
sinc = unary("Sinc", torch.sinc, "`sin(pi * x) / (pi * x)`, one at zero.", ints="floatx")
deg2rad = unary("Deg2rad", torch.deg2rad, "Degrees to radians.", ints="wide")
rad2deg = unary("Rad2deg", torch.rad2deg, "Radians to degrees.", ints="wide")
floor = unary("Floor", torch.floor, "The next integer below, as a float.", ints="floatx")
ceil = unary("Ceil", torch.ceil, "The next integer above, as a float.", ints="floatx")
fabs = unary("Fabs", torch.abs, "The magnitude, as a float.", ints="floatx")
i0 = unary("I0", torch.i0, "Modified Bessel function of the first kind, order 0.", ints="wide")
angle = unary("Angle", torch.angle, "The phase of complex numbers; 0 or pi for real ones.", ints="floatx")

# -- one operand, same dtype or bool ----------------------------------------------------------------------------------


def _unless_bool(function):
    return lambda x: x if x.dtype == torch.bool else function(x)


absolute = unary("Absolute", _unless_bool(torch.abs), "The magnitude.")
negative = unary("Negative", torch.neg, "`-x`.")
sign = unary("Sign", torch.sign, "-1, 0 or 1.")
trunc = unary("Trunc", _unless_bool(torch.trunc), "The integer part.")
bitwise_not = unary("BitwiseNot", torch.bitwise_not, "Every bit flipped, for integers and bools.")
bitwise_invert = unary("BitwiseInvert", torch.bitwise_not, "Every bit flipped, for integers and bools.")
conjugate = unary("Conjugate", torch.conj_physical, "The complex conjugate.")
isfinite = unary("Isfinite", torch.isfinite, "True where neither infinite nor NaN.", dtype="bool")
isinf = unary("Isinf", torch.isinf, "True where infinite.", dtype="bool")
isnan = unary("Isnan", torch.isnan, "True where not a number.", dtype="bool")
isposinf = unary("Isposinf", torch.isposinf, "True where plus infinity.", dtype="bool")
isneginf = unary("Isneginf", torch.isneginf, "True where minus infinity.", dtype="bool")
isreal = unary("Isreal", torch.isreal, "True where there is no imaginary part.", dtype="bool")
signbit = unary("Signbit", torch.signbit, "True where the sign bit is set, also for -0.0.", dtype="bool")
logical_not = unary("LogicalNot", torch.logical_not, "True where zero or false.", dtype="bool")
abs, conj = absolute, conjugate


def _square_spec(x):
    return KerasTensor(x.shape, "int32" if x.dtype == "bool" else x.dtype)


@operation("Square", "numpy", output_spec=_square_spec)
def square(x):
    """`x * x`; bools count as int32."""
    x = as_tensor(x)
    return torch.square(x.int() if x.dtype == torch.bool else x)


_PARTS = {"complex64": "float32", "complex128": "float64"}


@operation("Real", "numpy", output_spec=lambda x: KerasTensor(x.shape, _PARTS.get(x.dtype, x.dtype)))
def real(x):
    """The real part."""
    x = as_tensor(x)
    return x.real if x.is_complex() else x


@operation("Imag", "numpy", output_spec=lambda x: KerasTensor(x.shape, _PARTS.get(x.dtype, x.dtype)))
def imag(x):
    """The imaginary part; zeros for real numbers."""
    x = as_tensor(x)
    return x.imag if x.is_complex() else torch.zeros_like(x)


@operation("Round", "numpy", output_spec=same)
def round(x, decimals=0):
    """Rounds to `decimals` places, halves to the even side. Integers are rounded where `decimals` is negative."""
    x = as_tensor(x)
    if x.is_floating_point():
        return torch.round(x, decimals=decimals)
    if decimals >= 0:
        return x
    return torch.round(x.to(torch.float64), decimals=decimals).to(x.dtype)


@operation("NanToNum", "numpy", output_spec=same)
def nan_to_num(x, nan=0.0, posinf=None, neginf=None):
    """Replaces NaN and infinities; by default by zero and the dtype's largest numbers."""
    x = as_tensor(x)
    return torch.nan_to_num(x, nan=nan, posinf=posinf, neginf=neginf) if x.is_floating_point() else x


# -- two operands -----------------------------------------------------------------------------------------------------

add = binary("Add", operator.add, "`x1 + x2`; a logical or for two bools.", numbers=True)
subtract = binary("Subtract", operator.sub, "`x1 - x2`.", numbers=True)
multiply = binary("Multiply", operator.mul, "`x1 * x2`; a logical and for two bools.", numbers=True)


def _power(x1, x2):
    if type(x2) is int and x2 < 0 and not (x1.is_floating_point() or x1.is_complex()):
        x2 = torch.tensor(x2, dtype=x1.dtype, device=x1.device)  # torch refuses such a number, but no such tensor
    return x1**x2


divide = binary("Divide", operator.truediv, "`x1 / x2`, always a float.", ints="floatx", numbers=True)
true_divide = binary("TrueDivide", operator.truediv, "`x1 / x2`, always a float.", ints="floatx", numbers=True)
floor_divide = binary(
    "FloorDivide", lambda a, b: torch.div(a, b, rounding_mode="floor"), "`floor(x1 / x2)`.", ints="int32"
)
mod = binary("Mod", torch.remainder, "The remainder of division, with the sign of `x2`.", ints="int32")
fmod = binary("Fmod", torch.fmod, "The remainder of division, with the sign of `x1`.", ints="int32")
power = binary("Power", _power, "`x1` to the power of `x2`.", ints="int32", numbers=True)
maximum = binary("Maximum", torch.maximum, "The larger number; NaN where one is NaN.")
minimum = binary("Minimum", torch.minimum, "The smaller number; NaN where one is NaN.")
fmax = binary("Fmax", torch.fmax, "The larger number, the other one where one is NaN.")
fmin = binary("Fmin", torch.fmin, "The smaller number, the other one where one is NaN.")
arctan2 = binary("Arctan2", torch.arctan2, "The angle of the point `(x2, x1)`, in radians.", ints="floatx")
hypot = binary("Hypot", torch.hypot, "`sqrt(x1**2 + x2**2)` without overflow.", ints="wide")
logaddexp = binary("Logaddexp", torch.logaddexp, "`log(exp(x1) + exp(x2))` without overflow.", ints="floatx")
logaddexp2 = binary("Logaddexp2", torch.logaddexp2, "`log2(2**x1 + 2**x2)` without overflow.", ints="floatx")
nextafter = binary("Nextafter", torch.nextafter, "The next float after `x1` towards `x2`.", ints="floatx")
gcd = binary("Gcd", torch.gcd, "Greatest common divisor.")
lcm = binary("Lcm", torch.lcm, "Least common multiple.")

equal = binary("Equal", operator.eq, "True where equal.", dtype="bool", numbers=True)
not_equal = binary("NotEqual", operator.ne, "True where not equal.", dtype="bool", numbers=True)
less = binary("Less", operator.lt, "True where `x1 < x2`.", dtype="bool", numbers=True)
less_equal = binary("LessEqual", operator.le, "True where `x1 <= x2`.", dtype="bool", numbers=True)
greater = binary("Greater", operator.gt, "True where `x1 > x2`.", dtype="bool", numbers=True)
greater_equal = binary("GreaterEqual", operator.ge, "True where `x1 >= x2`.", dtype="bool", numbers=True)

logical_and = binary("LogicalAnd", torch.logical_and, "True where both are not zero.", dtype="bool")
logical_or = binary("LogicalOr", torch.logical_or, "True where one is not zero.", dtype="bool")
logical_xor = binary("LogicalXor", torch.logical_xor, "True where exactly one is not zero.", dtype="bool")

bitwise_and = binary("BitwiseAnd", torch.bitwise_and, "Bits set in both.", names=("x", "y"))
bitwise_or = binary("BitwiseOr", torch.bitwise_or, "Bits set in one of them.", names=("x", "y"))
bitwise_xor = binary("BitwiseXor", torch.bitwise_xor, "Bits set in exactly one.", names=("x", "y"))
left_shift = binary("LeftShift", torch.bitwise_left_shift, "`x * 2**y`.", names=("x", "y"))
right_shift = binary("RightShift", torch.bitwise_right_shift, "`x` divided by `2**y`, rounded down.", names=("x", "y"))
bitwise_left_shift = binary("BitwiseLeftShift", torch.bitwise_left_shift, "`x * 2**y`.", names=("x", "y"))
bitwise_right_shift = binary("BitwiseRightShift", torch.bitwise_right_shift, "`x` by `2**y`.", names=("x", "y"))


def _step_type(values):
    name = joint_type(values)
    return name if name == "bool" else joint_type(values, ints="wide")


def _step_spec(x1, x2):
    return KerasTensor(broadcast_shape(shape_of(x1), shape_of(x2)), _step_type((x1, x2)))


@operation("Heaviside", "numpy", ("x1", "x2"), output_spec=_step_spec)
def heaviside(x1, x2):
    """0 below zero, 1 above, `x2` at zero."""
    dtype = torch_dtype(_step_type((x1, x2)))
    return torch.heaviside(*(x.to(dtype) for x in promoted(x1, x2)))


def _safe_quotient(x1, x2):
    zero = x2 == 0
    return torch.where(zero, torch.zeros_like(x2), x1 / torch.where(zero, torch.ones_like(x2), x2))


divide_no_nan = binary("DivideNoNan", _safe_quotient, "`x1 / x2`, zero where `x2` is zero.", ints="floatx")


def _close_spec(x1, x2, *tolerance, equal_nan):
    return KerasTensor(broadcast_shape(shape_of(x1), shape_of(x2)), "bool")


@operation("Isclose", "numpy", ("x1", "x2", "rtol", "atol"), output_spec=_close_spec)
def _isclose(x1, x2, rtol, atol, equal_nan):
    return torch.isclose(*promoted(x1, x2), rtol=rtol, atol=atol, equal_nan=equal_nan)


def isclose(x1, x2, rtol=1e-5, atol=1e-8, equal_nan=False):
    """True where `abs(x1 - x2) <= atol + rtol * abs(x2)`."""
    return _isclose(x1, x2, rtol, atol, equal_nan)


def _clip_spec(x, x_min, x_max):
    values = [value for value in (x, x_min, x_max) if value is not None]
    return KerasTensor(broadcast_shape(*map(shape_of, values)), joint_type(values, ints="int32"))


@operation("Clip", "numpy", output_spec=_clip_spec)
def clip(x, x_min, x_max):
    """Numbers below `x_min` and above `x_max` become those bounds; a bound of None is none."""
    x = as_tensor(x)
    given = [bound for bound in (x_min, x_max) if bound is not None]
    x = x.to(torch_dtype(joint_type((x, *given), ints="int32")))
    if not given:
        return x
    if not all(isinstance(bound, NUMBERS) for bound in given):
        x_min, x_max = (None if bound is None else as_tensor(bound, x.dtype, x.device) for bound in (x_min, x_max))
    return torch.clamp(x, x_min, x_max)


# -- special functions (of keras.ops itself) --------------------------------------------------------------------------
