"""A terminal as standard output, and what a user sees on its screen.

Knows neither library.
"""

import os
import pty
import re
import struct
import sys
import termios
import threading
from fcntl import ioctl


class Terminal:
    """A pseudo terminal as standard output; `screen` is what a user sees after the block, `sent` what was sent."""

    def __init__(self, columns=120, encoding="utf-8"):
        self.columns, self.encoding, self.sent = columns, encoding, ""

    def __enter__(self):
        self._master, slave = pty.openpty()
        ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, self.columns, 0, 0))
        self._stream, self._before = os.fdopen(slave, "w", encoding=self.encoding), sys.stdout
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        sys.stdout = self._stream
        return self

    def __exit__(self, *_):
        sys.stdout = self._before
        self._stream.write("\0")
        self._stream.close()
        self._reader.join()
        os.close(self._master)
        self.screen = shown(self.sent, self.columns)

    def _read(self):
        data = b""
        while not data.endswith(b"\0"):
            data += os.read(self._master, 65536)
        self.sent = data[:-1].decode(self.encoding)


def shown(text, columns):
    """The lines of a screen of that width after a text with control characters, without colours."""
    lines, row, column = [[]], 0, 0
    for character in without_colours(text).replace("\r\n", "\n"):  # a terminal makes two of one
        if character == "\r":
            column = 0
        elif character == "\b":
            column = max(column - 1, 0)
        elif character == "\n":
            row, column = row + 1, 0
        else:
            if column == columns:
                row, column = row + 1, 0
            while len(lines) <= row:
                lines.append([])
            lines[row] += [" "] * (column + 1 - len(lines[row]))
            lines[row][column] = character
            column += 1
    return ["".join(line).rstrip() for line in lines]


def without_colours(text):
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def masked(lines):
    """Lines of progress bars without their times, which differ from run to run."""
    return [re.sub(r"\d+(ms|us|s)(?=/step)|(?<=[━─=.-] )\d+s(?= )", "T", line) for line in lines]
