"""Fixtures of the tests of files."""

import os
import sys
import tempfile

import pytest


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with canaries, which is the working folder and the first place for imports (see harness.py)."""
    from tests.saving.harness import Place

    found = Place(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", os.fspath(tmp_path / "temporary"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [os.fspath(tmp_path), *sys.path])
    return found
