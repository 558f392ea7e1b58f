"""Files with columns: separated by commas, tabs, semicolons or bars, with a header or without.

Arrow reads them. Where it would stop, or misread in silence (bytes that are not UTF-8, records with
more or fewer fields than the header), the file is first screened with Python's csv module, which
knows the line of each record. The path is that of a file in UTF-8 or one with damaged
bytes; `textcls.data.formats.encodings` makes one of any other.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from textcls.config.models import DataConfig
from textcls.data._column_choice import KNOWN_NAMES, LABEL, Sample, choose_columns
from textcls.data._columns import Chosen, Classes, Columns
from textcls.data._faults import counted, quoted
from textcls.data.formats.arrow_csv import read_regular_csv
from textcls.data.formats.csv_dialect import (
    NAMES,
    SEPARATORS,
    Dialect,
    detect_dialect,
    has_header,
    records_of,
    take_sample,
    without_titles,
)
from textcls.data.formats.encodings import is_utf8
from textcls.data.formats.screening import Reason, Record, screen, unencodable
from textcls.exceptions import DataError

AG_CLASSES = ("World", "Sports", "Business", "Sci/Tech")
CLASSES_FILE = "classes.txt"


@dataclass(frozen=True, slots=True)
class _Layout:
    """How the fields of a CSV file are to be understood."""

    dialect: Dialect
    header: bool
    names: tuple[str, ...]
    chosen: Chosen
    classes: Classes | None = None
    bare: bool = False
    notices: tuple[str, ...] = ()


def read_csv(path: Path, place: str, data: DataConfig) -> Columns:
    """Read a file with columns.

    Args:
        path: A file in UTF-8 or one with damaged bytes.
        place: What messages call it.
        data: The columns and the separator where they are set. What is not set is told by the
            header and the content.

    Returns:
        Texts and labels, numbered by their lines. Rows that cannot be parsed are counted in
        `screened`.

    Raises:
        DataError: The file is empty, lacks a column or cannot be read as CSV at all.
    """
    layout = _layout(path, place, data)
    chosen, dialect = layout.chosen, layout.dialect
    notices = (*layout.notices, *chosen.notices)
    regular = None
    if is_utf8(path):
        regular = read_regular_csv(
            path, layout.names, chosen.all, header=layout.header, dialect=dialect
        )
    if regular is not None:
        *texts, label = regular
        lines = partial(_line_numbers, path, layout)
        return Columns(
            place,
            "line",
            chosen,
            tuple(texts),
            label,
            lines,
            layout.classes,
            notices=notices,
            bare=layout.bare,
        )
    passed, (*texts, label) = screen(place, chosen, _screened(path, layout))
    return Columns(
        place,
        "line",
        chosen,
        tuple(texts),
        label,
        passed.number,
        layout.classes,
        passed.faults(),
        passed.labels,
        notices,
        layout.bare,
    )


def sample_csv(path: Path, place: str, data: DataConfig) -> tuple[Chosen, Sample]:
    """Look at a file: the columns that would be read, and rows from all over it.

    Needs neither pandas nor `datasets`, whose import takes a second.

    Args:
        path: A file in UTF-8 or one with damaged bytes.
        place: What messages call it.
        data: The columns and the separator where they are set.

    Returns:
        The names of the chosen columns, and the values of every column in the sample by its name.

    Raises:
        DataError: As `read_csv`, but for rows outside the sample.
    """
    layout = _layout(path, place, data)
    with records_of(path, layout.dialect) as records:
        if layout.header:
            next(records)
        rows = take_sample(records)
    return layout.chosen, _columns_of(layout.names, rows)


def _layout(path: Path, place: str, data: DataConfig) -> _Layout:
    named = {name.lower() for name in (*(data.text_columns or ()), data.label_column or LABEL)}
    known = named | KNOWN_NAMES
    dialect = detect_dialect(path, known, data.separator)
    first, rows = _sampled(path, dialect)
    if first is None:
        raise DataError(f"{place}: the file is empty; expected a header and a row for each text")
    spoken = []
    if len(first) == 1 and first[0].strip() not in (data.text_columns or ()):
        title, before = first[0], dialect.skipped
        dialect = without_titles(path, dialect)
        if dialect.skipped == before:
            raise DataError(_one_column(place, title, data))
        first, rows = _sampled(path, dialect)
        above = "the line" if dialect.skipped == 1 else f"the {dialect.skipped} lines"
        spoken = [f"{place}: left out {above} above its columns, such as {quoted([title.strip()])}"]
    if first is None:  # not after another first record
        raise DataError(f"{place}: no row; expected a row for each text")
    spoken += [] if dialect.separator == "," else [_how(place, dialect)]
    if not has_header(first, rows, known):
        return _headerless(path, place, dialect, [first, *rows], data, spoken)
    names = tuple(name.strip() for name in first)
    if not rows:
        raise DataError(f"{place}: a header and no row; expected a row for each text")
    chosen = choose_columns(place, names, data, _columns_of(names, rows))
    # Columns that nobody asked for may share a name, which pandas would refuse.
    unique = (name if name in chosen.all else f" {i}" for i, name in enumerate(names))
    return _Layout(dialect, True, tuple(unique), chosen, notices=tuple(spoken))


def _sampled(path: Path, dialect: Dialect) -> tuple[list[str] | None, list[list[str]]]:
    """Return the first record, None without one, and a sample of the others."""
    with records_of(path, dialect) as records:
        first = next(records, None)
        return None if first is None else first[1], take_sample(records)


def _one_column(place: str, first: str, data: DataConfig) -> str:
    shown = quoted([first.strip()])
    if data.separator is not None:
        return (
            f"{place}: {NAMES.get(data.separator, repr(data.separator))} (data.separator) makes "
            f"one column of the first line, {shown}; expected a text and a label in each row"
        )
    known = ", ".join(NAMES[separator] for separator in SEPARATORS)
    return (
        f"{place}: one column, the first line is {shown}; expected a text and a label in each row, "
        f"separated by one of: {known} (data.separator names another)"
    )


def _how(place: str, dialect: Dialect) -> str:
    quotes = "" if dialect.quoted else ", quotes are part of the text"
    separator = NAMES.get(dialect.separator, repr(dialect.separator))
    return f"{place}: read with {separator} between the columns{quotes}"


def _columns_of(names: Sequence[str], rows: Sequence[Sequence[str]]) -> Sample:
    return {name: [row[i] if i < len(row) else "" for row in rows] for i, name in enumerate(names)}


def _headerless(
    path: Path,
    place: str,
    dialect: Dialect,
    rows: Sequence[Sequence[str]],
    data: DataConfig,
    spoken: Sequence[str],
) -> _Layout:
    """AG's layout (label, title, description or label, text), else columns by their numbers."""
    width = len(rows[0])
    bare = width in (2, 3) and all(row[0].strip().isdecimal() for row in rows[:1])
    if bare:
        texts = ("text",) if width == 2 else ("title", "description")
        names = (LABEL, *texts)
        classes = class_names(path.parent, place)
        chosen = choose_columns(place, names, data, _columns_of(names, rows))
        named = None if classes is None else Classes(classes, first=1)
        return _Layout(dialect, False, names, chosen, named, classes is None, tuple(spoken))
    names = tuple(str(i + 1) for i in range(width))
    hint = f"; the file has no header, so the columns are called 1 to {width}"
    chosen = choose_columns(place, names, data, _columns_of(names, rows), hint)
    said = f"{place}: no header; the columns are called 1 to {width}, in their order"
    return _Layout(dialect, False, names, chosen, notices=(*spoken, said))


def class_names(folder: Path, place: str) -> tuple[str, ...] | None:
    """Return the class names that the `classes.txt` beside a file lists.

    Args:
        folder: The file's folder.
        place: What messages call the file; those of this function name `classes.txt` in its place.

    Returns:
        The names by line, blank lines left out; None where there is no `classes.txt`.

    Raises:
        DataError: It is not UTF-8, has fewer than two names, or has one of them twice.
    """
    path = folder / CLASSES_FILE
    if not path.is_file():
        return None
    shown = str(Path(place).with_name(CLASSES_FILE))
    if not is_utf8(path):
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
    with records_of(path, layout.dialect) as records:
        if layout.header:
            next(records)
        for line, fields in records:
            fault = _fault(fields, width, layout.dialect)
            fields += [""] * (width - len(fields))
            chosen = [fields[i] for i in picked]
            yield line, chosen if fault is None else fault.with_label(chosen[-1])


def _fault(fields: list[str], width: int, dialect: Dialect) -> Reason | None:
    if fields[-1].endswith(dialect.end):
        return Reason("a quote that is never closed", "a closing quote")
    if any(fields[width:]):
        name = NAMES.get(dialect.separator, "the separator")
        expected = f"{width} (a text with {name} in it belongs between double quotes)"
        return Reason("too many fields", expected, f"{len(fields)} in the first")
    return unencodable("".join(fields))


def _line_numbers(path: Path, layout: _Layout, positions: Sequence[int]) -> list[int]:
    """Find the lines on which the records at `positions` (ascending) start."""
    wanted, found = set(positions), []
    with records_of(path, layout.dialect) as records:
        for position, (line, _) in enumerate(records, start=-1 if layout.header else 0):
            if position in wanted:
                found.append(line)
                if len(found) == len(wanted):
                    break
    return found
