"""Functions of TensorFlow in the graphs of old files, as operations of `keras.ops`.

May import core. Works on JSON values alone: from the name of a function and its arguments to the entries of one or
several operations. Keras 2 wrote a function in a graph as `TFOpLambda` or `SlicingOpLambda`, by its name in TensorFlow;
before 2.4 as `TensorFlowOpLayer`, by its node in TensorFlow's own graph.
"""

import inspect

from torchkeras.core import registry
from torchkeras.errors import UnknownObjectError
from torchkeras.saving import tf_nodes
from torchkeras.saving.tf_nodes import NoCounterpart

# The layers that were functions, and what the name in them is.
_CALLS = {
    "TFOpLambda": "tf.",
    "SlicingOpLambda": "tf.",
    "TensorFlowOpLayer": "TensorFlow's ",
    "ClassMethod": "a class method of TensorFlow's, ",
    "InstanceMethod": "the method of a TensorFlow tensor ",
    "InstanceProperty": "the property of a TensorFlow tensor ",
}
CLASSES = tuple(_CALLS)
_FAMILIES = (
    "math.",
    "nn.",
    "linalg.",
    "image.",
    "__operators__.",
    "compat.v1.",
    "compat.v2.",
    "keras.backend.",
    "raw_ops.",
)


def operations(entry, name, inputs, kwargs):
    """The entries that take the place of one call of a function; the last of them gives its result, under `name`.

    Args:
        entry: the layer's entry in the old config.
        name: what the last operation is called.
        inputs: its first argument, with tensors as configs name them.
        kwargs: its further arguments.

    Raises `UnknownObjectError` (a `ValueError`) for a function that has no counterpart.
    """
    kind, config, ops = entry["class_name"], entry["config"], _Operations(name)
    if kind == "TensorFlowOpLayer":
        what, make, kwargs = tf_nodes.of_node(config, inputs)
        args = ()
    else:
        what = str(config.get("function") or config.get("method_name") or config.get("attr_name"))
        make = _find(what) if kind in ("TFOpLambda", "SlicingOpLambda") else None
        args, kwargs = (inputs,), {key: value for key, value in kwargs.items() if key != "name"}
    try:
        if make is None:
            raise NoCounterpart(f"{_CALLS[kind]}{what}")
        if not _fits(make, args, kwargs):
            raise NoCounterpart(f"{_CALLS[kind]}{what} with the arguments {sorted(kwargs)}")
        make(ops, *args, **kwargs)
    except NoCounterpart as error:
        raise UnknownObjectError(
            f"Layer {name!r} of the file calls {error}, for which there is no operation here. Make the model anew with "
            "functions of keras.ops in that place, and load the weights with load_weights()."
        ) from None
    return ops.finished()


def _fits(make, args, kwargs):
    try:
        inspect.signature(make).bind(None, *args, **kwargs)
    except TypeError:
        return False
    return True


def _find(function):
    short = function
    while True:
        family = next((each for each in _FAMILIES if short.startswith(each)), None)
        if family is None:
            return FUNCTIONS.get(short)
        short = short.removeprefix(family)


class _Operations:
    """The operations that one function becomes."""

    def __init__(self, name):
        self.name, self.entries = name, []

    def __call__(self, keras_class, *args, **config):
        """Appends an operation; gives its first output, as an argument of the next."""
        function = registry.find(keras_class, ("operation",))
        module = registry.entry_of(function).module
        label = f"{self.name}.{len(self.entries)}"
        if keras_class != "GetItem":
            args = [_constant(arg) for arg in args]
        call = {"args": list(args), "kwargs": {}}
        config = {"name": label, **config}
        self.entries.append(
            {
                "module": module,
                "class_name": keras_class,
                "config": config,
                "registered_name": keras_class,
                "name": label,
                "inbound_nodes": [call],
            }
        )
        return {"class_name": "__keras_tensor__", "config": {"keras_history": [label, 0, 0]}}

    def finished(self):
        """All entries, the last one under the name of the whole."""
        last = self.entries[-1]
        last["name"] = last["config"]["name"] = self.name
        return self.entries


def _constant(value):
    """An array of numbers, as configs hold it; anything else as it is."""
    leaves = [value]
    while any(isinstance(leaf, list) for leaf in leaves):
        leaves = [item for leaf in leaves for item in (leaf if isinstance(leaf, list) else [leaf])]
    if not isinstance(value, list) or not all(isinstance(leaf, (int, float)) for leaf in leaves):
        return value
    dtype = "float32" if any(isinstance(leaf, float) for leaf in leaves) else "int32"
    return {"class_name": "__numpy__", "config": {"value": value, "dtype": dtype}}


# -- functions by name ------------------------------------------------------------------------------------------------


def _same(keras_class):
    """One tensor in, one out."""
    return lambda ops, x: ops(keras_class, x)


def _pair(keras_class):
    return lambda ops, x, y: ops(keras_class, x, y)


def _over(keras_class):
    """A reduction."""

    def make(ops, input_tensor, axis=None, keepdims=False, keep_dims=None, reduction_indices=None):
        axis = reduction_indices if axis is None else axis
        return ops(keras_class, input_tensor, axis=axis, keepdims=bool(keepdims if keep_dims is None else keep_dims))

    return make


def _matmul(ops, a, b, transpose_a=False, transpose_b=False, adjoint_a=False, adjoint_b=False, **options):
    if any(options.values()):
        raise NoCounterpart(f"tf.matmul with {sorted(options)}")
    a = ops("Swapaxes", a, axis1=-2, axis2=-1) if transpose_a or adjoint_a else a
    b = ops("Swapaxes", b, axis1=-2, axis2=-1) if transpose_b or adjoint_b else b
    return ops("Matmul", a, b)


def _split(ops, value, num_or_size_splits, axis=0, num=None):
    if isinstance(num_or_size_splits, list):
        ends = [sum(num_or_size_splits[: place + 1]) for place in range(len(num_or_size_splits) - 1)]
        return ops("Split", value, indices_or_sections=ends, axis=axis)
    return ops("Split", value, indices_or_sections=num_or_size_splits, axis=axis)


def _pad(ops, tensor, paddings, mode="CONSTANT", constant_values=0):
    mode = mode.lower()
    fixed = {"pad_width": paddings, "mode": mode}
    return ops("Pad", tensor, constant_values, **fixed) if mode == "constant" else ops("Pad", tensor, **fixed)


def _gather(ops, params, indices, validate_indices=None, axis=None, batch_dims=0):
    if batch_dims:
        raise NoCounterpart("tf.gather with batch_dims")
    return ops("Take", params, indices, axis=axis or 0)


def _l2_normalize(ops, x, axis=None, epsilon=1e-12, dim=None):
    squares = ops("Sum", ops("Square", x), axis=dim if axis is None else axis, keepdims=True)
    return ops("Multiply", x, ops("Rsqrt", ops("Maximum", squares, epsilon)))


def _resize(ops, images, size, method="bilinear", preserve_aspect_ratio=False, antialias=False):
    if preserve_aspect_ratio or not isinstance(size, list):
        raise NoCounterpart("tf.image.resize with preserve_aspect_ratio, or to a computed size")
    return ops("Resize", images, size=size, interpolation=method, antialias=antialias, data_format="channels_last")


def _pool(keras_class):
    def make(ops, input, ksize, strides=None, padding="VALID", data_format=None):
        if data_format not in (None, "NHWC", "NWC", "NDHWC"):
            raise NoCounterpart(f"tf.nn pooling of {data_format} data")
        ksize, strides = _inner(ksize), _inner(ksize if strides is None else strides)
        return ops(
            keras_class, input, pool_size=ksize, strides=strides, padding=padding.lower(), data_format="channels_last"
        )

    return make


def _inner(window):
    """A window without the axes of batch and channels, which TensorFlow takes too."""
    return window[1:-1] if isinstance(window, list) and len(window) > 3 else window


def _sum_of(ops, inputs):
    total = inputs[0]
    for each in inputs[1:]:
        total = ops("Add", total, each)
    return ops("Copy", total) if len(inputs) == 1 else total


def _concat(ops, values, axis=0):
    return ops("Concatenate", values, axis=axis)


def _getitem(ops, x, slice_spec):
    """Torch knows no negative steps: such an axis is turned round first."""
    spec = [_slice(part) for part in (slice_spec if isinstance(slice_spec, list) else [slice_spec])]
    dots = next((place for place, part in enumerate(spec) if _is(part, "__ellipsis__")), len(spec))
    for place, part in enumerate(spec):
        bounds = part["config"] if _is(part, "__slice__") else {}
        if not isinstance(bounds.get("step"), int) or bounds["step"] > 0:
            continue
        if bounds["start"] is not None or bounds["stop"] is not None:
            raise NoCounterpart("a slice from an end to a beginning")
        before = sum(each is not None for each in spec[:place])
        after = sum(each is not None for each in spec[place:])
        x = ops("Flip", x, axis=before if place < dots else -after)
        spec[place] = {"class_name": "__slice__", "config": {**bounds, "step": -bounds["step"]}}
    return ops("GetItem", x, spec)


def _is(part, kind):
    return isinstance(part, dict) and part.get("class_name") == kind


def _slice(part):
    if not isinstance(part, dict) or part.get("class_name") == "__keras_tensor__":
        return part
    if part.get("class_name") == "__ellipsis__":
        return {"class_name": "__ellipsis__", "config": {}}
    return {"class_name": "__slice__", "config": {key: part.get(key) for key in ("start", "stop", "step")}}


def _one_hot(ops, indices, depth, on_value=None, off_value=None, axis=None, dtype=None):
    if on_value not in (None, 1) or off_value not in (None, 0):
        raise NoCounterpart("tf.one_hot with values of its own")
    return ops("OneHot", indices, num_classes=depth, axis=-1 if axis is None else axis, dtype=dtype or "float32")


def _like(keras_class):
    def make(ops, input, dtype=None, layout=None):
        filled = ops(keras_class, input)
        return filled if dtype is None else ops("Cast", filled, dtype=dtype)

    return make


def _blocks(keras_class):
    def make(ops, input, block_size, data_format="NHWC"):
        if data_format != "NHWC":
            raise NoCounterpart(f"depth and space of {data_format} images")
        return ops(keras_class, input, block_size=block_size)

    return make


FUNCTIONS = {
    # one tensor
    **{name: _same(keras_class) for name, keras_class in {
        "abs": "Absolute", "negative": "Negative", "neg": "Negative", "exp": "Exp", "log": "Log", "log1p": "Log1p",
        "expm1": "Expm1", "sqrt": "Sqrt", "rsqrt": "Rsqrt", "square": "Square", "sin": "Sin", "cos": "Cos",
        "tan": "Tan", "asin": "Arcsin", "acos": "Arccos", "atan": "Arctan", "sinh": "Sinh", "cosh": "Cosh",
        "tanh": "Tanh", "asinh": "Arcsinh", "acosh": "Arccosh", "atanh": "Arctanh", "sigmoid": "Sigmoid",
        "softplus": "Softplus", "softsign": "Softsign", "relu": "Relu", "relu6": "Relu6", "elu": "Elu", "selu": "Selu",
        "sign": "Sign",
        "floor": "Floor", "ceil": "Ceil", "round": "Round", "reciprocal": "Reciprocal", "erf": "Erf",
        "logical_not": "LogicalNot", "is_nan": "Isnan", "is_inf": "Isinf", "is_finite": "Isfinite",
        "identity": "Copy", "stop_gradient": "StopGradient", "log_sigmoid": "LogSigmoid",
    }.items()},
    # two tensors
    **{name: _pair(keras_class) for name, keras_class in {
        "add": "Add", "subtract": "Subtract", "multiply": "Multiply", "divide": "TrueDivide", "truediv": "TrueDivide",
        "realdiv": "TrueDivide", "floordiv": "FloorDivide", "floormod": "Mod", "mod": "Mod", "pow": "Power",
        "maximum": "Maximum", "minimum": "Minimum", "greater": "Greater", "greater_equal": "GreaterEqual",
        "less": "Less", "less_equal": "LessEqual", "equal": "Equal", "not_equal": "NotEqual",
        "floor_div": "FloorDivide",
        "logical_and": "LogicalAnd", "logical_or": "LogicalOr", "logical_xor": "LogicalXor",
        "divide_no_nan": "DivideNoNan",
    }.items()},
    # over axes
    **{f"reduce_{name}": _over(keras_class) for name, keras_class in {
        "sum": "Sum", "mean": "Mean", "max": "Max", "min": "Min", "prod": "Prod", "any": "Any", "all": "All",
        "std": "Std", "variance": "Var", "logsumexp": "Logsumexp",
    }.items()},
    "argmax": lambda ops, input, axis=None, output_type=None, dimension=None: ops("Argmax", input, axis=axis or 0),
    "argmin": lambda ops, input, axis=None, output_type=None, dimension=None: ops("Argmin", input, axis=axis or 0),
    "softmax": lambda ops, logits, axis=-1, dim=None: ops("Softmax", logits, axis=-1 if axis is None else axis),
    "log_softmax": lambda ops, logits, axis=-1: ops("LogSoftmax", logits, axis=-1 if axis is None else axis),
    "cumsum": lambda ops, x, axis=0: ops("Cumsum", x, axis=axis),
    "cumprod": lambda ops, x, axis=0: ops("Cumprod", x, axis=axis),
    "l2_normalize": _l2_normalize,
    "norm": lambda ops, tensor, ord="euclidean", axis=None, keepdims=False: ops(
        "Norm", tensor, ord=None if ord == "euclidean" else ord, axis=axis, keepdims=bool(keepdims)
    ),
    "sort": lambda ops, values, axis=-1: ops("Sort", values, axis=axis),
    "argsort": lambda ops, values, axis=-1, stable=False: ops("Argsort", values, axis=axis),
    "top_k": lambda ops, input, k=1, sorted=True: ops("TopK", input, k=k, sorted=sorted),
    # functions with numbers of their own
    "leaky_relu": lambda ops, features, alpha=0.2: ops("LeakyRelu", features, negative_slope=alpha),
    "gelu": lambda ops, features, approximate=False: ops("Gelu", features, approximate=approximate),
    "silu": lambda ops, features, beta=1.0: ops("Silu", features) if beta == 1.0 else ops(
        "Multiply", features, ops("Sigmoid", ops("Multiply", features, beta))
    ),
    "clip_by_value": lambda ops, t, clip_value_min, clip_value_max: ops(
        "Minimum", ops("Maximum", t, clip_value_min), clip_value_max
    ),
    "atan2": lambda ops, y, x: ops("Arctan2", y, x),
    "squared_difference": lambda ops, x, y: ops("Square", ops("Subtract", x, y)),
    "bias_add": lambda ops, value, bias, data_format=None: ops("Add", value, bias),
    "add_n": _sum_of,
    "accumulate_n": _sum_of,
    "matmul": _matmul,
    "tensordot": lambda ops, a, b, axes: ops("Tensordot", a, b, axes=axes),
    "where": lambda ops, condition, x, y: ops("Where", condition, x, y),
    "cast": lambda ops, x, dtype: ops("Cast", x, dtype=dtype),
    "one_hot": _one_hot,
    "zeros_like": _like("ZerosLike"),
    "ones_like": _like("OnesLike"),
    # shapes
    "reshape": lambda ops, tensor, shape: ops("Reshape", tensor, newshape=shape),
    "transpose": lambda ops, a, perm=None, conjugate=False: ops("Transpose", a, axes=perm),
    "expand_dims": lambda ops, input, axis=None, dim=None: ops("ExpandDims", input, axis=dim if axis is None else axis),
    "squeeze": lambda ops, input, axis=None, squeeze_dims=None: ops(
        "Squeeze", input, axis=squeeze_dims if axis is None else axis
    ),
    "concat": _concat,
    "concatenate": _concat,
    "stack": lambda ops, values, axis=0: ops("Stack", values, axis=axis),
    "unstack": lambda ops, value, num=None, axis=0: ops("Unstack", value, num=num, axis=axis),
    "split": _split,
    "tile": lambda ops, input, multiples: ops("Tile", input, repeats=multiples),
    "repeat": lambda ops, input, repeats, axis=None: ops("Repeat", input, repeats=repeats, axis=axis),
    "pad": _pad,
    "gather": _gather,
    "reverse": lambda ops, tensor, axis: ops("Flip", tensor, axis=axis),
    "roll": lambda ops, input, shift, axis: ops("Roll", input, shift=shift, axis=axis),
    "broadcast_to": lambda ops, input, shape: ops("BroadcastTo", input, shape=shape),
    "getitem": _getitem,
    # images
    "resize": _resize,
    "flip_left_right": lambda ops, image: ops("Flip", image, axis=-2),
    "flip_up_down": lambda ops, image: ops("Flip", image, axis=-3),
    "depth_to_space": _blocks("DepthToSpace"),
    "space_to_depth": _blocks("SpaceToDepth"),
    **{f"{kind}{rank}": _pool(keras_class) for kind, keras_class in {
        "max_pool": "MaxPool", "avg_pool": "AveragePool",
    }.items() for rank in ("", "1d", "2d", "3d")},
}  # fmt: skip
FUNCTIONS["swish"] = FUNCTIONS["silu"]
FUNCTIONS["sub"], FUNCTIONS["mul"] = FUNCTIONS["subtract"], FUNCTIONS["multiply"]
