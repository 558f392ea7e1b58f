"""CSV files: with a header, or without one in the layout of AG News (label, title, description).

The builder of `datasets` reads them. Where it would stop, or misread in silence (bytes that are not
UTF-8, records with more fields than the header), the file is first screened with Python's csv
module, which knows the line of each record.
"""

import csv
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

from textcls.config.models import DataConfig
from textcls.data._columns import LABEL, Chosen, Classes, Columns, choose_columns
from textcls.data._faults import counted, quoted
from textcls.data._hf_builders import BuilderError, load_csv
from textcls.data._screening import Reason, Record, is_utf8, screen, unencodable
from textcls.exceptions import DataError

AG_CLASSES = ("World", "Sports", "Business", "Sci/Tech")
CLASSES_FILE = "classes.txt"

_END = ("\0end", "\0end")  # follows the last line; a quote that is never closed swallows it
_SWALLOWED = ",".join(_END)
_LONGEST_FIELD = 2**31 - 1  # csv stops at 128 KiB unless told otherwise


@dataclass(frozen=True, slots=True)
class _Layout:
    """How the fields of a CSV file are to be understood."""

    header: bool
    names: tuple[str, ...]
    chosen: Chosen
    classes: Classes | None = None


def read_csv(path: Path, place: str, data: DataConfig) -> Columns:
    """Read a CSV file; `place` is what messages call it.

    Raises DataError when the file is empty, lacks a column or cannot be read as CSV at all.
    """
    clean = is_utf8(path, place)
    layout = _layout(path, place, data)
    chosen, classes = layout.chosen, layout.classes
    if clean:
        try:
            *texts, label = load_csv(path, layout.names, chosen.all, header=layout.header)
            lines = partial(_line_numbers, path, layout.header)
            return Columns(place, "line", chosen, tuple(texts), label, lines, classes)
        except BuilderError:
            pass  # the screening finds out where
    passed, (*texts, label) = screen(place, chosen, _screened(path, layout))
    faults = passed.faults()
    return Columns(place, "line", chosen, tuple(texts), label, passed.number, classes, faults)


def _layout(path: Path, place: str, data: DataConfig) -> _Layout:
    with _records(path) as records:
        first, second = next(records, None), next(records, None)
    if first is None:
        raise DataError(f"{place}: the file is empty; expected a header and a row for each text")
    names = tuple(name.strip() for name in first[1])
    known = {data.label_column or LABEL, *(data.text_columns or ("text", "title", "description"))}
    if names[0].isascii() and names[0].isdecimal() and not known & set(names):
        return _headerless(path, place, len(names), data)
    hint = "; name the right ones, or give a file without a header the line text,label"
    if len(names) == 1 and any(other in names[0] for other in ";\t|"):
        hint = "; expected a comma between columns"
    chosen = choose_columns(place, names, data, hint)
    if second is None:
        raise DataError(f"{place}: a header and no row; expected a row for each text")
    # Columns that nobody asked for may share a name, which pandas would refuse.
    unique = (name if name in chosen.all else f" {i}" for i, name in enumerate(names))
    return _Layout(True, tuple(unique), chosen)


def _headerless(path: Path, place: str, width: int, data: DataConfig) -> _Layout:
    """AG's layout: the label first, counted from 1; then title and description, or one text."""
    if width not in (2, 3):
        raise DataError(
            f"{place}: no header and {counted(width, 'column')}; expected label,title,description "
            "or label,text, or a header with the columns text and label"
        )
    texts = ("text",) if width == 2 else ("title", "description")
    names = (LABEL, *texts)
    chosen = choose_columns(place, names, data)
    return _Layout(False, names, chosen, Classes(_class_names(path.parent, place), first=1))


def _class_names(folder: Path, place: str) -> tuple[str, ...]:
    """AG's classes, or the lines of the `classes.txt` beside the file."""
    path = folder / CLASSES_FILE
    if not path.is_file():
        return AG_CLASSES
    shown = str(Path(place).with_name(CLASSES_FILE))
    if not is_utf8(path, shown):
        raise DataError(f"{shown}: not UTF-8; expected the name of a class on each line")
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    names = tuple(line.strip() for line in lines if line.strip())
    if len(names) < 2:
        raise DataError(
            f"{shown}: {counted(len(names), 'name')}; expected one a line, at least two"
        )
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if twice:
        raise DataError(f"{shown}: {quoted(twice)} more than once; expected a name for each class")
    return names


def _screened(path: Path, layout: _Layout) -> Iterator[Record]:
    width = len(layout.names)
    picked = [layout.names.index(name) for name in layout.chosen.all]
    with _records(path) as records:
        if layout.header:
            next(records)
        for line, fields in records:
            fault = _fault(fields, width)
            fields += [""] * (width - len(fields))
            yield line, fault or [fields[i] for i in picked]


def _fault(fields: list[str], width: int) -> Reason | None:
    if fields[-1].endswith(_SWALLOWED):
        return Reason("a quote that is never closed", "a closing quote")
    if any(fields[width:]):
        expected = f"{width} (a text with a comma in it belongs between double quotes)"
        return Reason("too many fields", expected, f"{len(fields)} in the first")
    return unencodable("".join(fields))


def _line_numbers(path: Path, header: bool, positions: Sequence[int]) -> list[int]:
    """Find the lines on which the records at `positions` (ascending) start."""
    wanted, found = set(positions), []
    with _records(path) as records:
        for position, (line, _) in enumerate(records, start=-1 if header else 0):
            if position in wanted:
                found.append(line)
                if len(found) == len(wanted):
                    break
    return found


@contextmanager
def _records(path: Path) -> Iterator[Iterator[tuple[int, list[str]]]]:
    """Iterate over the records that pandas would see, each with the line it starts on, from 1."""
    limit = csv.field_size_limit(_LONGEST_FIELD)
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            yield _numbered(chain(file, [_SWALLOWED]))
    finally:
        csv.field_size_limit(limit)


def _numbered(lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    last = ""

    def noted() -> Iterator[str]:
        nonlocal last
        for line in lines:
            last = line
            yield line

    reader = csv.reader(noted())
    start = 1
    for fields in reader:
        if last.strip(" \t\r\n") and tuple(fields) != _END:
            yield start, fields
        start = reader.line_num + 1
