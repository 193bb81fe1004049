"""A lambda as text and back: the byte code that Keras writes for functions without a name.

May import errors and core's registry. The only room that runs code from a config; it refuses unless the deserialization
around it, or the setting, says that code may run.
"""

import base64
import builtins
import dis
import marshal
import sys
import types
import warnings

from torchkeras.core import registry, scopes
from torchkeras.errors import UnsafeFileError

MARK = "__lambda__"


def is_safe(safe_mode=None):
    """Whether code is refused: what the call says, else the deserialization around it, else the thread's setting."""
    if safe_mode is not None:
        return bool(safe_mode)
    return not (scopes.state.unsafe_unless_told if scopes.state.unsafe is None else scopes.state.unsafe)


# -- writing ----------------------------------------------------------------------------------------------------------


def is_lambda(function):
    """Whether a function has no name to be written by."""
    return isinstance(function, types.FunctionType) and function.__name__ == "<lambda>"


def described_in_layer(function):
    """The description of a lambda in the config of a Lambda layer."""
    code, defaults, closure = _parts(function)
    return {"class_name": MARK, "config": {"code": code, "defaults": defaults, "closure": closure}}


def described(function):
    """The description of a lambda anywhere else. Warns: who reads it has to say that its code may run."""
    parts = _parts(function)
    warnings.warn(
        f"The lambda of {_place(function)} is saved as byte code, which only this version of Python reads "
        f"({_python()}), and only with safe_mode=False. A function with a name is saved by its name.",
        stacklevel=3,
    )
    return {"class_name": MARK, "config": {"value": parts}}


def _parts(function):
    """Byte code of this version of Python, default values, captured values."""
    code = base64.encodebytes(marshal.dumps(function.__code__)).decode("ascii")
    cells = function.__closure__
    return code, function.__defaults__, tuple(cell.cell_contents for cell in cells) if cells else None


def _place(function):
    return f"{function.__code__.co_filename}:{function.__code__.co_firstlineno}"


def _python():
    return f"{sys.version_info.major}.{sys.version_info.minor}"


# -- reading ----------------------------------------------------------------------------------------------------------


def rebuilt(config, what, safe_mode=None):
    """The lambda of a description. Names that its code looks up come from the custom objects that are known.

    Raises `UnsafeFileError` where code is refused, `ValueError` for code that this Python cannot read.
    """
    if is_safe(safe_mode):
        raise UnsafeFileError(
            f"The config of {what} holds the code of a lambda, which could do anything when it is run. If you trust "
            "where it comes from, pass safe_mode=False or call keras.config.enable_unsafe_deserialization(); to save "
            "such an object safely, give it a function with a name and register it with "
            "@keras.saving.register_keras_serializable()."
        )
    inner = config["config"]
    parts = inner["value"] if "value" in inner else [inner["code"], inner.get("defaults"), inner.get("closure")]
    text, defaults, closure = parts if isinstance(parts, (list, tuple)) else (parts, None, None)
    code = _code(text, what)
    wanted = _global_names(code) - set(dir(builtins))
    known = {name: registry.find_custom(name) for name in wanted}
    _warn(what, sorted(name for name, found in known.items() if found is None))
    return types.FunctionType(
        code,
        {"__builtins__": builtins, **{name: found for name, found in known.items() if found is not None}},
        code.co_name,
        None if defaults is None else tuple(defaults),
        None if closure is None else tuple(types.CellType(each) for each in closure),
    )


def _code(text, what):
    try:
        code = marshal.loads(base64.decodebytes(str(text).encode()))
    except (ValueError, EOFError, TypeError):
        code = None
    if not isinstance(code, types.CodeType) or any(_is_foreign(each) for each in _with_inner(code)):
        raise ValueError(
            f"The code of the lambda in the config of {what} cannot be read: byte code is for the version of Python "
            f"that wrote it, and this is {_python()}. Write the file again, with a function that has a name."
        )
    return code


def _with_inner(code):
    yield code
    for each in code.co_consts:
        if isinstance(each, types.CodeType):
            yield from _with_inner(each)


def _is_foreign(code):
    """Whether another version of Python wrote it, as far as that shows: instructions that this one does not have, or
    that lie elsewhere. Running such code could end the interpreter."""
    names = [instruction.opname for instruction in dis.get_instructions(code)]
    return any(name.startswith("<") or name == "CACHE" for name in names)


def _global_names(code):
    """Names that code looks up in the module around it, which no description holds."""
    found = (each for inner in _with_inner(code) for each in dis.get_instructions(inner))
    return {each.argval for each in found if each.opname in ("LOAD_GLOBAL", "LOAD_NAME")}


def _warn(what, unknown):
    text = (
        f"The code of a lambda in the config of {what} will be run. Byte code is for one version of Python: had "
        f"another than {_python()} written it, it could fail or end the interpreter."
    )
    if unknown:
        table = ", ".join(f"{name!r}: {name}" for name in unknown)
        text += f" It looks up {', '.join(unknown)}, which is not saved with it: pass custom_objects={{{table}}}."
    warnings.warn(text, stacklevel=3)
