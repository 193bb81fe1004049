"""Where printed text ends up: a terminal, a notebook or a plain file, and what each of them can show.

May import core's settings. Knows nothing of bars, tables or models.
"""

import logging
import os
import sys

from torchkeras.core.scopes import settings

# What to print where the stream's encoding has no such character (Windows code pages, LANG=C).
_PLAIN = str.maketrans(
    {
        **dict.fromkeys("━", "="),
        **dict.fromkeys("─", "-"),
        **dict.fromkeys("┃│", "|"),
        **dict.fromkeys("┏┳┓┡╇┩├┼┤└┴┘", "+"),
        "…": "~",
    }
)


def in_notebook():
    """Whether a Jupyter-like kernel runs this program. Looks at IPython only if something else has imported it."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if hasattr(ipython, "get_ipython") else None
    # Colab and others subclass the kernel's shell.
    return any(cls.__name__ == "ZMQInteractiveShell" for cls in type(shell).__mro__)


def is_kernel_stream(stream):
    """Whether the stream is a notebook kernel's own: no terminal, but one that obeys "\r" and colours."""
    return type(stream).__module__.partition(".")[0] in ("ipykernel", "pyodide_kernel")


def can_redraw(stream):
    """Whether a carriage return goes back to the line's start, so that a line may be drawn again in place."""
    if stream is None or not settings.interactive_logging:
        return False
    if (isatty := getattr(stream, "isatty", None)) is not None and isatty():
        return True
    return (in_notebook() and is_kernel_stream(stream)) or "PYCHARM_HOSTED" in os.environ


def can_colour(stream):
    """Whether escape sequences for bold and colours are understood and wanted (TERM=dumb and NO_COLOR say no)."""
    return can_redraw(stream) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") not in ("dumb", "unknown")


def columns(stream):
    """How many characters a line of a terminal has; None for what is no terminal, or does not say."""
    try:
        return os.get_terminal_size(stream.fileno()).columns or None
    except (AttributeError, OSError, ValueError):
        return None


def can_encode(stream, text):
    """Whether the stream's encoding has every character of `text`."""
    try:
        text.encode(getattr(stream, "encoding", None) or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def printable(text, stream):
    """The text as the stream can print it: unchanged, or with rules and corners in ASCII and "?" for the rest.

    One character stands for one, so columns stay where they are.
    """
    if can_encode(stream, text):
        return text
    encoding = stream.encoding if can_encode(stream, "") else "ascii"
    return text.translate(_PLAIN).encode(encoding, errors="replace").decode(encoding)


def write(text):
    """Writes to today's `sys.stdout` and flushes. Never fails for a character that the stream cannot encode.

    After `keras.config.disable_interactive_logging()` the text goes to the logger "keras" instead.
    """
    if not settings.interactive_logging:
        logging.getLogger("keras").info(text.rstrip("\n"))
        return
    stream = sys.stdout
    if stream is None:  # a windowed Python has no standard output
        return
    stream.write(printable(text, stream))
    stream.flush()
