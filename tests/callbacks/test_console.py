"""Where text goes and what it may contain: terminals, pipes, notebooks, streams with small alphabets."""

import io
import sys
import types

import pytest

from torchkeras.callbacks import console


class Stream(io.StringIO):
    def __init__(self, encoding="utf-8", terminal=False):
        super().__init__()
        self._encoding, self._terminal = encoding, terminal

    @property
    def encoding(self):
        return self._encoding

    def isatty(self):
        return self._terminal

    def write(self, text):
        text.encode(self._encoding or "utf-8")  # as a real stream would fail
        return super().write(text)


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch):
    for name in ("NO_COLOR", "PYCHARM_HOSTED"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delitem(sys.modules, "IPython", raising=False)


def notebook(monkeypatch, shell_name="ZMQInteractiveShell"):
    shell = type("Shell", (type(shell_name, (), {}),), {})()
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))


def kernel_stream():
    return type("OutStream", (Stream,), {"__module__": "ipykernel.iostream"})()


def test_terminal_and_pipe(monkeypatch):
    assert console.can_redraw(Stream(terminal=True)) and console.can_colour(Stream(terminal=True))
    assert not console.can_redraw(Stream()) and not console.can_colour(Stream())
    assert not console.can_redraw(None)
    monkeypatch.setenv("NO_COLOR", "1")
    assert console.can_redraw(Stream(terminal=True)) and not console.can_colour(Stream(terminal=True))


def test_dumb_terminal_gets_no_colour(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    assert not console.can_colour(Stream(terminal=True))


def test_notebook_is_seen_without_importing_ipython(monkeypatch):
    assert not console.in_notebook()
    assert "IPython" not in sys.modules
    notebook(monkeypatch, "TerminalInteractiveShell")
    assert not console.in_notebook()
    assert not console.can_redraw(kernel_stream())
    notebook(monkeypatch)
    assert console.in_notebook()
    assert console.can_redraw(kernel_stream()) and console.can_colour(kernel_stream())
    assert not console.can_redraw(Stream())  # redirected inside the notebook


@pytest.mark.parametrize(
    "encoding, expected",
    [
        ("utf-8", "┏━┳┓│é…\n"),
        (None, "┏━┳┓│é…\n"),
        ("ascii", "+=++|?~\n"),
        ("latin-1", "+=++|é~\n"),
        ("no such encoding", "+=++|?~\n"),
    ],
)
def test_printable_keeps_what_the_stream_has(encoding, expected):
    stream = types.SimpleNamespace(encoding=encoding)
    assert console.printable("┏━┳┓│é…\n", stream) == expected
    assert len(expected) == len("┏━┳┓│é…\n")


def test_write(monkeypatch):
    stream = Stream("ascii")
    monkeypatch.setattr("sys.stdout", stream)
    console.write("│ 日本 │\n")
    assert stream.getvalue() == "| ?? |\n"
    monkeypatch.setattr("sys.stdout", None)
    console.write("nobody reads this")
