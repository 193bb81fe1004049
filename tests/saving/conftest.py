"""Fixtures of the tests of files."""

import os
import sys
import tempfile

import pytest


@pytest.fixture(scope="session")
def _warm(tmp_path_factory):
    """Whatever is imported or started when the first file is read is there."""
    from tests.saving.harness import warm_up

    warm_up(tmp_path_factory.mktemp("warm"))


@pytest.fixture
def place(tmp_path, monkeypatch, _warm):
    """A folder with canaries, which is the working folder and the first place for imports (see harness.py)."""
    from tests.saving.harness import Place

    found = Place(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", os.fspath(tmp_path / "temporary"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [os.fspath(tmp_path), *sys.path])
    return found
