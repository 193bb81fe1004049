"""What a new file replaces goes in the background, and only that."""

import os
import threading

import pytest

from torchkeras.saving.replacing import replacing


def descriptors():
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0


@pytest.mark.parametrize("size", [10, 3 * 2**20])
def test_nothing_of_the_old_file_stays(size, tmp_path):
    path, before = tmp_path / "file", descriptors()
    for number in range(4):
        with replacing(path) as file:
            file.write(bytes([number]) * size)
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join(10)
    assert path.read_bytes() == bytes([3]) * size
    assert os.listdir(tmp_path) == ["file"] and descriptors() <= before


def test_an_old_file_that_nobody_may_read_is_replaced(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(bytes(2**21))
    os.chmod(path, 0)
    with replacing(path) as file:
        file.write(b"new")
    os.chmod(path, 0o600)
    assert path.read_bytes() == b"new"
