"""Nodes of TensorFlow's own graph in old files: what `TensorFlowOpLayer` of Keras 2.0 to 2.3 holds.

May import nothing. A node has an operation by TensorFlow's name, attributes in the JSON form of protocol buffers
(`{"i": "1"}`, `{"b": true}`), inputs by place, some of them constants.
"""


class NoCounterpart(Exception):
    """A function of TensorFlow's for which there is no operation here; the text names it."""


def of_node(config, inputs):
    """`(TensorFlow's name of the operation, function that makes ours or None, its arguments)`."""
    node = config.get("node_def")
    if not isinstance(node, dict):
        return "operation in an unreadable form", None, {}
    inputs = list(inputs) if isinstance(inputs, list) else [inputs]
    constants = config.get("constants") or {}
    for place in sorted(constants, key=int):
        inputs.insert(int(place), constants[place])
    attributes = {key: _plain(value) for key, value in (node.get("attr") or {}).items()}
    make = NODES.get(node.get("op"))
    return str(node.get("op")), make, {"inputs": inputs, "of": attributes} if make else {}


def _plain(attribute):
    """The value of an attribute."""
    kind, value = next(iter(attribute.items()), (None, None))
    if kind == "i":
        return int(value)
    if kind == "list":
        return [int(item) for item in next(iter(value.values()), ())]
    return value


def _of(keras_class, count):
    return lambda ops, inputs, of: ops(keras_class, *inputs[:count])


def _over(keras_class):
    return lambda ops, inputs, of: ops(keras_class, inputs[0], axis=inputs[1], keepdims=bool(of.get("keep_dims")))


def _product(first, second):
    """A matrix product, whose attributes say what is transposed."""

    def make(ops, inputs, of):
        a, b = (
            ops("Swapaxes", each, axis1=-2, axis2=-1) if of.get(flag) else each
            for each, flag in zip(inputs, (first, second), strict=False)
        )
        return ops("Matmul", a, b)

    return make


def _strided_slice(ops, inputs, of):
    x, begin, end, steps = inputs
    parts = []
    for place in range(len(begin)):
        bit = {name: bool(of.get(f"{name}_mask", 0) >> place & 1) for name in _MASKS}
        if bit["ellipsis"]:
            parts.append({"class_name": "__ellipsis__", "config": {}})
        elif bit["new_axis"]:
            parts.append(None)
        elif bit["shrink_axis"]:
            parts.append(begin[place])
        else:
            start, stop = None if bit["begin"] else begin[place], None if bit["end"] else end[place]
            parts.append({"class_name": "__slice__", "config": {"start": start, "stop": stop, "step": steps[place]}})
    return ops("GetItem", x, parts)


_MASKS = ("begin", "end", "ellipsis", "new_axis", "shrink_axis")


def _cast(ops, inputs, of):
    dtype = _DTYPES.get(of.get("DstT"))
    if dtype is None:
        raise NoCounterpart(f"TensorFlow's Cast to {of.get('DstT')}")
    return ops("Cast", inputs[0], dtype=dtype)


_DTYPES = {
    "DT_FLOAT": "float32",
    "DT_DOUBLE": "float64",
    "DT_HALF": "float16",
    "DT_BFLOAT16": "bfloat16",
    "DT_INT32": "int32",
    "DT_INT64": "int64",
    "DT_UINT8": "uint8",
    "DT_BOOL": "bool",
}

NODES = {
    **{name: _of(keras_class, 1) for name, keras_class in {
        "Abs": "Absolute", "Neg": "Negative", "Exp": "Exp", "Log": "Log", "Log1p": "Log1p", "Sqrt": "Sqrt",
        "Rsqrt": "Rsqrt", "Square": "Square", "Sin": "Sin", "Cos": "Cos", "Tanh": "Tanh", "Sigmoid": "Sigmoid",
        "Softplus": "Softplus", "Relu": "Relu", "Relu6": "Relu6", "Elu": "Elu", "Selu": "Selu", "Sign": "Sign",
        "Floor": "Floor", "Ceil": "Ceil", "Round": "Round", "Reciprocal": "Reciprocal", "Softmax": "Softmax",
        "LogSoftmax": "LogSoftmax", "LogicalNot": "LogicalNot", "Identity": "Copy", "StopGradient": "StopGradient",
        "ZerosLike": "ZerosLike", "OnesLike": "OnesLike",
    }.items()},
    **{name: _of(keras_class, 2) for name, keras_class in {
        "Add": "Add", "AddV2": "Add", "BiasAdd": "Add", "Sub": "Subtract", "Mul": "Multiply", "RealDiv": "TrueDivide",
        "Div": "TrueDivide", "FloorDiv": "FloorDivide", "FloorMod": "Mod", "Pow": "Power", "Maximum": "Maximum",
        "Minimum": "Minimum", "Greater": "Greater", "GreaterEqual": "GreaterEqual", "Less": "Less",
        "LessEqual": "LessEqual", "Equal": "Equal", "NotEqual": "NotEqual", "LogicalAnd": "LogicalAnd",
        "LogicalOr": "LogicalOr",
    }.items()},
    **{name: _over(name) for name in ("Sum", "Mean", "Max", "Min", "Prod", "Any", "All")},
    "Select": _of("Where", 3),
    "SelectV2": _of("Where", 3),
    "AddN": lambda ops, inputs, of: ops("Sum", ops("Stack", inputs, axis=0), axis=0, keepdims=False),
    "SquaredDifference": lambda ops, inputs, of: ops("Square", ops("Subtract", *inputs)),
    "LeakyRelu": lambda ops, inputs, of: ops("LeakyRelu", inputs[0], negative_slope=of.get("alpha", 0.2)),
    "ClipByValue": lambda ops, inputs, of: ops("Minimum", ops("Maximum", *inputs[:2]), inputs[2]),
    "MatMul": _product("transpose_a", "transpose_b"),
    "BatchMatMul": _product("adj_x", "adj_y"),
    "BatchMatMulV2": _product("adj_x", "adj_y"),
    "ConcatV2": lambda ops, inputs, of: ops("Concatenate", inputs[:-1], axis=inputs[-1]),
    "Pack": lambda ops, inputs, of: ops("Stack", inputs, axis=of.get("axis", 0)),
    "Unpack": lambda ops, inputs, of: ops("Unstack", inputs[0], num=of.get("num"), axis=of.get("axis", 0)),
    "Split": lambda ops, inputs, of: ops(
        "Split", inputs[1], indices_or_sections=of.get("num_split"), axis=inputs[0]
    ),
    "Reshape": lambda ops, inputs, of: ops("Reshape", inputs[0], newshape=inputs[1]),
    "Transpose": lambda ops, inputs, of: ops("Transpose", inputs[0], axes=inputs[1]),
    "ExpandDims": lambda ops, inputs, of: ops("ExpandDims", inputs[0], axis=inputs[1]),
    "Squeeze": lambda ops, inputs, of: ops("Squeeze", inputs[0], axis=of.get("squeeze_dims") or None),
    "Tile": lambda ops, inputs, of: ops("Tile", inputs[0], repeats=inputs[1]),
    "Pad": lambda ops, inputs, of: ops("Pad", inputs[0], 0, pad_width=inputs[1], mode="constant"),
    "GatherV2": lambda ops, inputs, of: ops("Take", *inputs[:2], axis=inputs[2]),
    "ArgMax": lambda ops, inputs, of: ops("Argmax", inputs[0], axis=inputs[1]),
    "StridedSlice": _strided_slice,
    "Cast": _cast,
}  # fmt: skip
