"""What a program hears when it asks for a TensorFlow name that is not here.

Lives here: the text and the module-level `__getattr__` that raises it. May import: the standard library.
Must not know: which names there are.
"""

from __future__ import annotations

import sys


def explain_missing(module: str):
    """A `__getattr__` for the module that stands for `module`, such as "tensorflow.random".

    It raises AttributeError, and ImportError for `from module import name`.
    """

    def __getattr__(name: str):
        if name.startswith("__"):
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        text = (
            f"{module}.{name} is not available: torchkeras answers for tensorflow and has only what Keras scripts "
            "commonly use. Write this part with torch or keras.ops, or run the program with TensorFlow itself."
        )
        # `from module import name` asks through the import system, which would hide this text behind its own.
        if sys._getframe(1).f_globals.get("__name__") == "importlib._bootstrap":
            raise ImportError(text, name=f"{module}.{name}")
        raise AttributeError(text, name=name)

    return __getattr__
