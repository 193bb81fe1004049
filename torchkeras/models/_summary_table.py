"""Draws a table in box characters: column widths, wrapping, and the same lines plain, coloured or as HTML.

Imports the standard library only. Knows nothing of models.
"""

import html
import re
import unicodedata
from itertools import zip_longest
from math import ceil

# Mark of a character -> (escape sequence, CSS). The colours are Keras's, from the 256-colour palette.
_STYLES = {
    "b": ("1", "font-weight: bold"),
    "n": ("38;5;34", "color: #00af00"),
    "0": ("38;5;45", "color: #00d7ff"),
    "s": ("38;5;33", "color: #0087ff"),
    "Y": ("1;38;5;34", "color: #00af00; font-weight: bold"),
    "N": ("1;38;5;9", "color: #ff0000; font-weight: bold"),
}


class Text:
    """A string and, for every character of it, a mark: " " for none, "b" bold, "n" number, "0" None, "s" symbol,
    "Y" and "N" answers."""

    __slots__ = ("marks", "plain")

    def __init__(self, plain="", mark=" "):
        self.plain = plain
        self.marks = mark * len(plain)

    def __add__(self, other):
        if isinstance(other, str):
            other = Text(other)
        joined = Text(self.plain + other.plain)
        joined.marks = self.marks + other.marks
        return joined

    def __radd__(self, other):
        return Text(other) + self

    def __getitem__(self, piece):
        cut = Text(self.plain[piece])
        cut.marks = self.marks[piece]
        return cut

    def stripped(self):
        return self[: len(self.plain.rstrip())]

    def runs(self):
        """Pieces of equal mark, as pairs (text, mark)."""
        for match in re.finditer(r"(.)\1*", self.marks):
            yield self.plain[match.start() : match.end()], match.group(1)


def join(separator, texts):
    joined = Text()
    for i, text in enumerate(texts):
        joined = joined + separator + text if i else joined + text
    return joined


def to_ansi(text):
    return "".join(piece if mark == " " else f"\x1b[{_STYLES[mark][0]}m{piece}\x1b[0m" for piece, mark in text.runs())


def to_html(text):
    return "".join(
        html.escape(piece) if mark == " " else f'<span style="{_STYLES[mark][1]}">{html.escape(piece)}</span>'
        for piece, mark in text.runs()
    )


def draw(header, rows, alignments, widths, line_length):
    """The table's lines.

    Args:
        header: column names. rows: lists of `Text`, one per column.
        alignments: "left", "right" or "center" per column.
        widths: wanted characters per column, without the space on either side.
        line_length: characters of a whole line; the columns are shrunk or widened to fill it.
    """
    widths = fill_line([width + 2 for width in widths], line_length - len(widths) - 1)
    lines = [_rule("┏━┳┓", widths)]
    lines += _row([Text(name, "b") for name in header], alignments, widths, "┃", pad="b", align_bottom=True)
    lines.append(_rule("┡━╇┩", widths))
    for i, row in enumerate(rows):
        if i:
            lines.append(_rule("├─┼┤", widths))
        lines += _row(row, alignments, widths, "│")
    lines.append(_rule("└─┴┘", widths))
    return lines


def fill_line(widths, total):
    """Column widths, spaces included, that sum to `total`.

    Too much is taken off all columns evenly; too little is shared out in proportion, each share rounded up in turn.
    """
    excess = sum(widths) - total
    result = []
    if excess > 0:
        for i, width in enumerate(widths):
            cut = min(width, round(excess / (len(widths) - i)))
            result.append(width - cut)
            excess -= cut
        return result
    rest = sum(widths)
    for width in widths:
        share = ceil(width * -excess / rest)
        result.append(width + share)
        excess += share
        rest -= width
    return result


def _rule(characters, widths):
    left, line, cross, right = characters
    return Text(left + cross.join(line * width for width in widths) + right)


def _row(cells, alignments, widths, border, pad=" ", align_bottom=False):
    columns = [_wrap(cell, width - 2) for cell, width in zip(cells, widths)]
    if align_bottom:
        height = max(map(len, columns))
        columns = [[Text()] * (height - len(column)) + column for column in columns]
    lines = []
    for pieces in zip_longest(*columns, fillvalue=Text()):
        cells = [_aligned(piece, *column, pad) for piece, column in zip(pieces, zip(alignments, widths))]
        lines.append(border + join(border, cells) + border)
    return lines


def _wrap(text, width):
    """Lines of at most `width`, broken between words; a word that is longer ends in an ellipsis."""
    breaks, used = [], 0
    for match in re.finditer(r"\s*\S+\s*", text.plain):
        word, start = match.group(), match.start()
        length = _width(word.rstrip())
        if length <= width - used:
            used += _width(word)
        else:
            # Nothing to break off while the line is empty.
            if start and (used or length > width):
                breaks.append(start)
            used = _width(word)
    ends = [*breaks, len(text.plain)]
    return [_cut(text[start:end].stripped(), width) for start, end in zip([0, *breaks], ends)]


def _cut(text, width):
    if _width(text.plain) <= width:
        return text
    if width < 1:
        return Text()
    keep = len(text.plain)
    while _width(text.plain[:keep]) > width - 1:
        keep -= 1
    missing = width - 1 - _width(text.plain[:keep])  # half of a wide character
    mark = text.marks[keep]
    return text[:keep] + " " * missing + Text("…", mark)


def _aligned(text, alignment, width, pad):
    """The text in a cell of the full width, with at least one space on either side."""
    space = width - 2 - _width(text.plain)
    left = {"left": 0, "right": space, "center": space // 2}[alignment]
    return Text(" " * (left + 1), pad) + text + Text(" " * (space - left + 1), pad)


def _width(text):
    """Columns on the screen: two for East Asian wide characters, none for combining ones."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
