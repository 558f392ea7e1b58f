"""Lines in fastText's layout: `__label__name` and a text, or the text first."""

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from textcls.data._columns import Chosen, Columns
from textcls.data.formats.screening import Reason, Record, screen, unencodable

PREFIX = "__label__"
_CHOSEN = Chosen(("text",), "label")
_LABEL = re.compile(r"__label__(\S+)")
_LINES = 50


def is_fasttext(path: Path) -> bool:
    """Tell whether most of a file's first lines hold a `__label__`.

    Args:
        path: A text file.

    Returns:
        False also for a file without a line.
    """
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        lines = [line for line in islice(file, _LINES) if line.strip()]
    marked = sum(line.startswith(PREFIX) or f" {PREFIX}" in line for line in lines)
    return marked > len(lines) / 2


def read_fasttext(path: Path, place: str) -> Columns:
    """Read a file of labelled lines.

    Args:
        path: Lines of a `__label__NAME` and a text, in either order. Several labels of a line
            become one, joined by commas.
        place: What messages call the file.

    Returns:
        Texts and labels, numbered by their lines; a line without a label has an empty one. Lines
        that are not UTF-8 are counted in `screened`.
    """
    passed, (text, label) = screen(place, _CHOSEN, _rows(path))
    faults = passed.faults()
    notice = f"{place}: read as fastText lines, {PREFIX}NAME and a text"
    return Columns(
        place, "line", _CHOSEN, (text,), label, passed.number, None, faults, notices=(notice,)
    )


def _rows(path: Path) -> Iterator[Record]:
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="\n") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield number, _fields(line)


def _fields(line: str) -> list[str] | Reason:
    labels = _LABEL.findall(line)
    text = " ".join(_LABEL.sub(" ", line).split())
    return unencodable(line) or [text, ",".join(labels)]
