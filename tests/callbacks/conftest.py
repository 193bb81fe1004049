"""A standard output that tests can read, whose kind they choose."""

import io
import sys
import types

import pytest

from torchkeras.callbacks import console, progress


class Stream(io.StringIO):
    encoding = "utf-8"
    terminal = False

    def isatty(self):
        return self.terminal


@pytest.fixture
def stream(monkeypatch):
    """Standard output of the bar: a file until `stream.terminal = True`."""
    stream = Stream()
    # pytest puts its own sys.stdout in place between a fixture and its test, so the modules get theirs.
    for module in (console, progress):
        monkeypatch.setattr(module, "sys", types.SimpleNamespace(stdout=stream, modules=sys.modules))
    monkeypatch.setenv("TERM", "xterm")
    for name in ("NO_COLOR", "PYCHARM_HOSTED"):
        monkeypatch.delenv(name, raising=False)
    return stream
