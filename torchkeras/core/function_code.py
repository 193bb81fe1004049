"""A lambda as text and back: the byte code that Keras writes for the functions of Lambda layers.

May import core. The only room that runs code from a config; it refuses unless the deserialization around it, or the
setting, says that code may run.
"""

import base64
import builtins
import marshal
import types

from torchkeras.core import registry, serialization
from torchkeras.errors import UnsafeFileError

_MARK = "__lambda__"


def is_lambda(function):
    """Whether a function has no name to be written by."""
    return isinstance(function, types.FunctionType) and function.__name__ == "<lambda>"


def described(function):
    """The description of a lambda: byte code of this version of Python, default values, captured values."""
    cells = function.__closure__
    return {
        "class_name": _MARK,
        "config": {
            "code": base64.encodebytes(marshal.dumps(function.__code__)).decode("ascii"),
            "defaults": function.__defaults__,
            "closure": tuple(cell.cell_contents for cell in cells) if cells else None,
        },
    }


def is_described(value):
    """Whether a value of a config is what `described` gave."""
    return isinstance(value, dict) and value.get("class_name") == _MARK


def rebuilt(value, what):
    """The lambda of a description. Names that its code looks up come from the custom objects that are known.

    Raises `UnsafeFileError` where code is refused, `ValueError` for code that this Python cannot read.
    """
    if serialization.is_safe():
        raise UnsafeFileError(
            f"The config of {what} holds the code of a lambda, which could do anything when it is run. If you trust "
            "where it comes from, pass safe_mode=False or call keras.config.enable_unsafe_deserialization(); to save "
            "such a layer safely, give it a function with a name and register it with "
            "@keras.saving.register_keras_serializable()."
        )
    inner = value["config"]
    code = _code(inner["code"], what)
    known = {name: registry.find_custom(name) for name in code.co_names}
    names = {name: found for name, found in known.items() if found is not None}
    defaults, closure = inner["defaults"], inner["closure"]
    return types.FunctionType(
        code,
        {"__builtins__": builtins, **names},
        code.co_name,
        None if defaults is None else tuple(defaults),
        None if closure is None else tuple(types.CellType(each) for each in closure),
    )


def _code(text, what):
    try:
        code = marshal.loads(base64.decodebytes(str(text).encode()))
    except (ValueError, EOFError, TypeError):
        code = None
    if not isinstance(code, types.CodeType):
        raise ValueError(
            f"The code of the lambda in the config of {what} cannot be read: byte code is for the version of Python "
            "that wrote it. Write the layer again, with a function that has a name."
        )
    return code
