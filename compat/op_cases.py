"""The cases of the differential test of `keras.ops`: one line for each call that is compared.

May import numpy. Knows neither library: a case names an operation and holds arrays.
"""

import numpy as np

_random = np.random.default_rng(0)


class Case:
    """One call: the operation's name, positional arguments (arrays stand for tensors) and keywords.

    Attributes:
        symbolic: whether the call is also compared on KerasTensors with unknown batch size.
        config: whether class name and config are compared too (Keras writes some of its own results differently).
        gradient: whether input gradients are compared.
    """

    def __init__(self, name, *args, symbolic=True, config=True, gradient=True, **kwargs):
        self.name, self.args, self.kwargs = name, args, kwargs
        self.symbolic, self.config, self.gradient = symbolic, config, gradient

    def __repr__(self):
        parts = [_brief(value) for value in self.args] + [f"{k}={_brief(v)}" for k, v in self.kwargs.items()]
        return f"{self.name}({', '.join(parts)})"


def _brief(value):
    if isinstance(value, np.ndarray):
        return f"{value.dtype.name}{list(value.shape)}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_brief, value))}]"
    return repr(value)


def restart(seed):
    """Makes the numbers of a table independent of the tables that were imported before it."""
    global _random
    _random = np.random.default_rng(seed)


def f(*shape, low=-2.0, high=2.0):
    """Random floats."""
    return _random.uniform(low, high, shape).astype("float32")


def i(*shape, low=0, high=5):
    """Random integers."""
    return _random.integers(low, high, shape).astype("int32")


def b(*shape):
    """Random bools."""
    return _random.random(shape) < 0.5


# What torch.compile(fullgraph=True) cannot follow, and why.
NOT_TRACED = {
    "bincount": "the length of the result is read from the data",
    "ctc_loss": "torch's kernel reads the lengths from the data",
    "lstsq": "torch's default method has no kernel for traced tensors",
    "unique": "the length of the result is read from the data",
}


def visible(*shape):
    """A mask for attention; where a query sees no key at all, the gradient depends on how the kernel rounds."""
    mask = b(*shape)
    mask[..., 0] = True
    return mask


_POSITIVE = {"low": 0.1, "high": 2.0}
_UNIT = {"low": -0.9, "high": 0.9}

_UNARY = (
    "abs absolute angle arcsinh arctan cbrt ceil cos cosh deg2rad exp exp2 expm1 fabs floor i0 isfinite isinf "
    "isnan isneginf isposinf isreal logical_not negative nan_to_num rad2deg real round sign signbit sin sinc sinh "
    "square tan tanh trunc erf erfc relu relu6 sigmoid silu softplus softsign selu log_sigmoid hard_sigmoid "
    "hard_silu hard_tanh tanh_shrink sparse_plus sparse_sigmoid leaky_relu elu celu gelu soft_shrink hard_shrink "
    "squareplus softmax log_softmax conj conjugate ravel copy zeros_like ones_like sort argsort flip transpose "
    "stop_gradient normalize layer_normalization rms_normalization"
).split()
_UNARY_POSITIVE = "log log10 log1p log2 sqrt reciprocal rsqrt".split()
_UNARY_UNIT = "arcsin arccos arctanh erfinv".split()

_BINARY = (
    "add subtract multiply divide true_divide maximum minimum fmax fmin arctan2 hypot logaddexp logaddexp2 equal "
    "not_equal less less_equal greater greater_equal logical_and logical_or logical_xor divide_no_nan mod fmod "
    "isclose"
).split()
_BINARY_INT = (
    "bitwise_and bitwise_or bitwise_xor gcd lcm left_shift right_shift bitwise_left_shift bitwise_right_shift".split()
)
_REDUCTIONS = "sum mean prod all any amax amin max min ptp var std logsumexp nansum nanmean median".split()

CASES = [
    *(Case(name, f(3, 4)) for name in _UNARY),
    *(Case(name, f(3, 4, **_POSITIVE)) for name in _UNARY_POSITIVE),
    *(Case(name, f(3, 4, **_UNIT)) for name in _UNARY_UNIT),
    *(Case(name, f(3, 4), f(4, **_POSITIVE)) for name in _BINARY),
    *(Case(name, f(3, 4), f(3, 4, **_POSITIVE)) for name in _BINARY),
    *(Case(name, f(3, 4, **_POSITIVE), 2.0, symbolic=name != "hypot") for name in _BINARY),
    *(Case(name, i(3, 4, low=1), i(3, 4, low=1)) for name in _BINARY_INT),
    *(Case(name, f(3, 4, 2)) for name in _REDUCTIONS),
    *(Case(name, f(3, 4, 2), axis=1) for name in _REDUCTIONS),
    *(Case(name, f(3, 4, 2), axis=(1, -1), keepdims=True) for name in _REDUCTIONS),
    Case("power", f(3, 4, **_POSITIVE), f(3, 4)),
    Case("power", f(3, 4), 2),
    Case("floor_divide", f(3, 4), f(3, 4, **_POSITIVE), gradient=False),
    Case("floor_divide", f(3, 4), 0.5, gradient=False),
    Case("bitwise_not", i(3, 4)),
    Case("bitwise_invert", i(3, 4)),
    Case("nextafter", f(3, 4), f(3, 4), gradient=False),
    # Keras's static dtype of these two is complex.
    Case("imag", (f(3, 4) + 1j * f(3, 4)).astype("complex64"), symbolic=False),
    Case("real", (f(3, 4) + 1j * f(3, 4)).astype("complex64"), symbolic=False),
    Case("heaviside", f(3, 4), f(3, 4), gradient=False),
    Case("arccosh", f(3, 4, low=1.1, high=3.0)),
    Case("round", f(3, 4), decimals=1),
    Case("clip", f(3, 4), -0.5, 1),
    Case("clip", i(3, 4), 1, 3),
    Case("max", f(3, 4), axis=1, initial=1.0),
    Case("min", f(3, 4), axis=1, initial=-1.0),
    Case("count_nonzero", i(3, 4), axis=(1,)),
    Case("average", f(3, 4), axis=1, weights=f(4, **_POSITIVE), config=False),
    Case("argmax", f(3, 4)),
    Case("argmax", f(3, 4), axis=1),
    Case("argmin", f(3, 4), axis=1, keepdims=True),
    Case("sort", f(3, 4), axis=0),
    Case("top_k", f(3, 6), 2),
    Case("in_top_k", i(3), f(3, 5), 2, config=False),
    Case("cumsum", f(3, 4), axis=1),
    Case("cumsum", f(3, 4)),
    Case("cumprod", f(3, 4), axis=0),
    Case("diff", f(3, 4), axis=1),
    Case("quantile", f(3, 4), 0.3, axis=1),
    Case("quantile", f(3, 4), np.array([0.1, 0.5], "float32"), axis=1, keepdims=True),
    Case("reshape", f(3, 4), (-1, 2, 2)),
    Case("reshape", f(3, 4), (12,), symbolic=False),
    Case("transpose", f(3, 4, 2), (0, 2, 1)),
    Case("expand_dims", f(3, 4), 1),
    Case("expand_dims", f(3, 4), (1, -1)),
    Case("squeeze", f(3, 1, 4), 1),
    Case("squeeze", f(3, 1, 4, 1), (1, 3)),
    Case("swapaxes", f(3, 4, 2), 1, 2),
    Case("moveaxis", f(3, 4, 2), 1, 2),
    Case("flip", f(3, 4), axis=1),
    Case("roll", f(3, 4), 1, axis=1),
    Case("roll", f(3, 4), 2),
    Case("rot90", f(3, 4), symbolic=False),
    Case("broadcast_to", f(1, 4), (3, 4), symbolic=False),
    Case("tile", f(3, 4), (1, 2)),
    Case("repeat", f(3, 4), 2, axis=1),
    Case("repeat", f(3, 2), np.array([1, 2]), axis=1, symbolic=False),
    Case("concatenate", [f(3, 4), f(3, 2)], axis=1),
    Case("concatenate", [f(3, 4), i(3, 2)], axis=-1),
    Case("stack", [f(3, 4), f(3, 4)], axis=1),
    Case("hstack", [f(3, 4), f(3, 2)]),
    Case("vstack", [f(3, 4), f(2, 4)]),
    Case("dstack", [f(3, 4), f(3, 4)]),
    Case("append", f(3, 4), f(3, 2), axis=1),
    Case("split", f(3, 4), 2, axis=1),
    Case("split", f(3, 6), [1, 3], axis=1),
    Case("array_split", f(3, 5), 2, axis=1),
    Case("pad", f(3, 4), ((0, 0), (1, 2))),
    Case("pad", f(3, 4), ((0, 0), (1, 2)), mode="reflect"),
    Case("pad", f(3, 4), ((0, 0), (1, 2)), constant_values=3.0, config=False),
    Case("where", b(3, 4), f(3, 4), f(3, 4)),
    Case("where", b(3, 4), f(3, 4), 0),
    Case("where", b(3, 4), 1.5, 0),
    Case("take", f(3, 4), i(2, 2, high=4), axis=1),
    Case("take", f(3, 4), np.array([0, -1]), axis=0, symbolic=False),
    Case("take", f(3, 4), i(2, 2), symbolic=False),
    Case("take_along_axis", f(3, 4), i(3, 1, high=4), axis=1),
    Case("get_item", f(3, 4, 2), (slice(None), slice(1, 3)), config=False),
    Case("get_item", f(3, 4), (slice(None), 2), config=False),
    Case("argpartition", np.array([[3, 1, 2], [0, 5, 4]], "int32"), 1),
    Case("tril", f(3, 4)),
    Case("triu", f(3, 4), k=1),
    Case("diag", f(4), symbolic=False),
    Case("diagonal", f(3, 4, 4), axis1=1, axis2=2),
    Case("trace", f(3, 4, 4), axis1=1, axis2=2),
    Case("meshgrid", f(3), f(4), symbolic=False),
    Case("full_like", f(3, 4), 2.0),
    Case("array", f(3, 4)),
    Case("linspace", f(3), f(3), num=5, config=False),
    Case("linspace", 0.0, 1.0, num=5, endpoint=False, symbolic=False),
    Case("linspace", 0, 10, num=4, dtype="int32", symbolic=False),
    Case("logspace", 0.0, 2.0, num=3, symbolic=False),
    Case("arange", 5, symbolic=False),
    Case("arange", 1, 7, 2, symbolic=False),
    Case("arange", 0.0, 1.0, 0.25, symbolic=False),
    Case("eye", 3, 4, symbolic=False),
    Case("eye", 3, k=1, symbolic=False),
    Case("identity", 3, symbolic=False),
    Case("tri", 3, 4, symbolic=False),
    Case("zeros", (2, 3), symbolic=False),
    Case("ones", (2, 3), dtype="int32", symbolic=False),
    Case("full", (2, 3), 1.5, symbolic=False),
    Case("matmul", f(3, 4), f(4, 5)),
    Case("matmul", f(3, 2, 4), f(3, 4, 5)),
    Case("matmul", f(3, 4), f(4)),
    Case("dot", f(3, 4), f(4, 5)),
    Case("tensordot", f(3, 4, 2), f(2, 5), axes=[[2], [0]]),
    Case("tensordot", f(3, 4, 2), f(4, 2, 5), axes=2),
    Case("inner", f(3, 4), f(2, 4)),
    Case("outer", f(3), f(4), symbolic=False),
    Case("vdot", f(3), f(3)),
    Case("cross", f(4, 3), f(4, 3)),
    Case("einsum", "bij,jk->bik", f(3, 4, 2), f(2, 5)),
    Case("einsum", "bi,bi->b", f(3, 4), f(3, 4)),
    Case("norm", f(3, 4), axis=1),
    Case("norm", f(3, 4), ord=1, axis=1, keepdims=True),
    Case("norm", f(3, 4, 4), ord="fro", axis=(1, 2)),
    Case("det", f(3, 4, 4)),
    Case("inv", f(3, 4, 4)),
    Case("solve", f(3, 4, 4), f(3, 4, 2)),
    Case("qr", f(3, 4, 2), gradient=False),
    Case("svd", f(3, 4, 2), compute_uv=False, config=False, gradient=False),
    Case("cast", f(3, 4), "int32", gradient=False),
    Case("saturate_cast", f(3, 4, low=-300.0, high=300.0), "uint8", gradient=False),
    Case("saturate_cast", i(3, 4, low=-3000, high=3000), "int8"),
    Case("convert_to_tensor", f(3, 4)),
    Case("slice", f(3, 4), [0, 1], [3, 2], symbolic=False),
    Case("slice_update", f(3, 4), [0, 1], f(3, 2), symbolic=False),
    Case("scatter", np.array([[0], [2]]), f(2, 3), (4, 3), symbolic=False),
    Case("scatter_update", f(4, 3), np.array([[0], [2]]), f(2, 3), symbolic=False),
    Case("scatter_update", f(4, 3), np.array([[0], [0]]), f(2, 3), reduction="add", symbolic=False),
    Case("scatter_update", f(4, 3), np.array([[0], [0]]), f(2, 3), reduction="max", symbolic=False, gradient=False),
    Case("unstack", f(3, 4), axis=1),
    Case("softmax", f(3, 4, 2), axis=(1, 2)),
    Case("softmax", f(3, 4), axis=None, symbolic=False),
    Case("threshold", f(3, 4), 0.5, 1.0),
    Case("glu", f(3, 4)),
    Case("sparsemax", f(3, 4)),
    Case("gelu", f(3, 4), approximate=False),
    Case("one_hot", i(3, 2), 5),
    Case("one_hot", i(3, 2), 5, axis=1, dtype="int32"),
    Case("multi_hot", i(3, 2), 5, symbolic=False),  # Keras's static dtype is int32, its tensor float32
    Case("moments", f(3, 4, 2), axes=[1]),
    Case("moments", f(3, 4), axes=[0], keepdims=True),
    Case("batch_normalization", f(3, 4), f(4), f(4, **_POSITIVE), -1),
    Case("batch_normalization", f(3, 4, 2), f(4), f(4, **_POSITIVE), 1, f(4), f(4), 1e-2),
    Case("layer_normalization", f(3, 4, 2), f(4, 2), f(4, 2), axis=(1, 2)),
    Case("layer_normalization", f(3, 4), f(4), f(4), epsilon=1e-2),
    Case("rms_normalization", f(3, 4), f(4), config=False),
    Case("normalize", f(3, 4), order=1),
    Case("dot_product_attention", f(2, 3, 2, 4), f(2, 5, 2, 4), f(2, 5, 2, 4), config=False),
    Case("dot_product_attention", f(2, 3, 2, 4), f(2, 3, 2, 4), f(2, 3, 2, 4), is_causal=True, config=False),
    Case(
        "dot_product_attention", f(2, 3, 4, 4), f(2, 5, 2, 4), f(2, 5, 2, 4), mask=visible(2, 1, 3, 5), symbolic=False
    ),
    Case("dot_product_attention", f(2, 3, 2, 4), f(2, 5, 2, 4), f(2, 5, 2, 4), bias=f(2, 2, 3, 5), symbolic=False),
    Case("conv", f(2, 7, 3), f(3, 3, 4), strides=2, padding="same"),
    Case("conv", f(2, 7, 6, 4), f(3, 2, 2, 4), padding="same", dilation_rate=2, symbolic=False),
    Case("conv", f(2, 3, 7, 6), f(3, 2, 3, 4), data_format="channels_first"),
    Case("conv", f(1, 5, 5, 5, 2), f(2, 2, 2, 2, 3)),
    Case("depthwise_conv", f(2, 7, 6, 3), f(3, 3, 3, 2), padding="same"),
    Case("separable_conv", f(2, 7, 6, 3), f(3, 3, 3, 2), f(1, 1, 6, 4)),
    Case("max_pool", f(2, 7, 6, 3, low=-2.0, high=-1.0), 2, padding="same"),
    Case("max_pool", f(2, 8, 3), 3, 2),
    Case("max_pool", f(2, 3, 7, 6), (2, 3), data_format="channels_first"),
    Case("average_pool", f(2, 6, 6, 3), 2),
    Case("average_pool", f(2, 6, 6, 3), 3, 1, "same"),
    Case("adaptive_average_pool", f(2, 6, 6, 3), 2, symbolic=False),
    Case("adaptive_max_pool", f(2, 6, 6, 3), (2, 3), symbolic=False),
    Case("binary_crossentropy", f(3, 4, low=0.0, high=1.0), f(3, 4, low=0.05, high=0.95)),
    Case("binary_crossentropy", f(3, 4, low=0.0, high=1.0), f(3, 4), from_logits=True),
    Case("categorical_crossentropy", f(3, 4, low=0.0, high=1.0), f(3, 4, low=0.05, high=0.95)),
    Case("categorical_crossentropy", f(3, 4, low=0.0, high=1.0), f(3, 4), from_logits=True),
    Case("sparse_categorical_crossentropy", i(3, high=4), f(3, 4, low=0.05, high=0.95)),
    Case("sparse_categorical_crossentropy", i(3, 2, high=4), f(3, 4, 2), from_logits=True, axis=1),
]
