"""How the fields of a text file with columns are told apart, and whether it has a header.

The separator is the one that a header with known column names uses, else the one that gives the
most records the same number of fields. Files with tabs often have no quoting at all, so a lone
quote is a character of the text there.
"""

import csv
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _csv import Reader

SEPARATORS = (",", "\t", ";", "|")
NAMES = {",": "a comma", "\t": "a tab", ";": "a semicolon", "|": "a vertical bar"}

_END = ("\0end", "\0end")  # follows the last line; a quote that is never closed swallows it
_LONGEST_FIELD = 2**31 - 1  # csv stops at 128 KiB unless told otherwise
_EXCEL = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)
_RECORDS = 200
_LONGEST_RECORD = 1 << 20  # characters of a sample record; a quote that is never closed ends here
SAMPLE = 4_000
"""Rows that are kept to look at, from all over what is read."""
_CHARACTERS = 1 << 25  # read at most for the sample: some tenths of a second
_LONGEST_NAME = 60
_MOST_WORDS = 6
_MOST_TITLES = 20


@dataclass(frozen=True, slots=True)
class Dialect:
    """A separator, and whether double quotes enclose fields that hold it."""

    separator: str = ","
    quoted: bool = True
    skipped: int = 0
    """Lines before the first record: Excel writes `sep=;` there, reports have a title."""

    @property
    def end(self) -> str:
        """What is read after the file's last line; a field that ends so was never closed."""
        return self.separator.join(_END)

    def reader(self, lines: Iterable[str]) -> "Reader":
        """Return a reader of Python's csv module for records in this dialect.

        Args:
            lines: The lines with their ends, from the first record on; `skipped` is not applied
                here.

        Returns:
            Iterates over lists of fields.
        """
        if self.quoted:
            return csv.reader(lines, delimiter=self.separator)
        return csv.reader(lines, delimiter=self.separator, quoting=csv.QUOTE_NONE)


COMMA = Dialect()


def detect_dialect(path: Path, known: Collection[str], asked: str | None) -> Dialect:
    """Tell the dialect of a file by its first lines.

    Args:
        path: A file in UTF-8, of which a few bytes may be damaged.
        known: Column names in lower case; a separator that gives the first line two of them is
            taken.
        asked: The separator where it is set; None to tell it by the content.

    Returns:
        The separator, whether quotes enclose fields, and whether a line `sep=;` is skipped. Titles
        above the table are left to `without_titles`.
    """
    lines = _first_lines(path)
    if lines and (excel := _EXCEL.fullmatch(lines[0])):
        return Dialect(asked or excel[1], _is_quoted(lines[1:], excel[1]), skipped=1)
    if asked is not None:
        return Dialect(asked, _is_quoted(lines, asked))
    for separator in SEPARATORS:
        if lines and len({name for name in _split(lines[0], separator) if name in known}) > 1:
            return Dialect(separator, _is_quoted(lines, separator))
    best = max(SEPARATORS, key=lambda separator: _consistency(lines, separator))
    return Dialect(best, _is_quoted(lines, best))


def without_titles(path: Path, dialect: Dialect) -> Dialect:
    """Return the dialect that skips the lines above a table which are one field each.

    Args:
        path: A file in UTF-8.
        dialect: The dialect of its table.

    Returns:
        The dialect itself where the file begins with the table, where more than 20 lines stand
        above it, or where one of them may begin a quoted field of several lines.
    """
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        lines = list(islice((line[:_LONGEST_RECORD] for line in file), _MOST_TITLES + 1))
    for number, line in enumerate(lines):
        if '"' in line and len(_split(line, dialect.separator)) == 1:
            return dialect  # a quoted field may go on in the next line
        if len([field for field in _split(line, dialect.separator) if field]) > 1:
            return replace(dialect, skipped=number)
    return dialect


@contextmanager
def records_of(path: Path, dialect: Dialect) -> Iterator[Iterator[tuple[int, list[str]]]]:
    """Iterate over the records that pandas would see: quoted fields may hold line breaks.

    Args:
        path: A file in UTF-8. Damaged bytes come out as lone surrogates (`surrogateescape`).
        dialect: How its fields are told apart; its skipped lines are skipped.

    Yields:
        An iterator over pairs of the line on which a record starts, from 1, and its fields. It is
        good until the block ends.
    """
    limit = csv.field_size_limit(_LONGEST_FIELD)
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            lines = islice(file, dialect.skipped, None)
            yield _numbered(chain(lines, [dialect.end]), dialect)
    finally:
        csv.field_size_limit(limit)


def _numbered(lines: Iterable[str], dialect: Dialect) -> Iterator[tuple[int, list[str]]]:
    last = ""

    def noted() -> Iterator[str]:
        nonlocal last
        for line in lines:
            last = line
            yield line

    # Pandas skips a line of blanks, and one of tabs where tabs separate nothing.
    blank = " \r\n" if dialect.separator == "\t" else " \t\r\n"
    reader = dialect.reader(noted())
    start = 1 + dialect.skipped
    for fields in reader:
        if last.strip(blank) and tuple(fields) != _END:
            yield start, fields
        start = reader.line_num + 1 + dialect.skipped


def _first_lines(path: Path) -> list[str]:
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        found = (line[:_LONGEST_RECORD] for line in file if not line.isspace())
        return list(islice(found, _RECORDS))


def _split(line: str, separator: str) -> list[str]:
    fields = next(csv.reader([line], delimiter=separator), [])
    return [field.strip().lower() for field in fields]


def _consistency(lines: Sequence[str], separator: str) -> tuple[bool, float, bool]:
    """Measure how well a separator fits: columns at all, the share of records alike, no comma.

    A comma stands in many a text, so another separator that fits as well is meant.
    """
    widths = Counter(_widths(lines, Dialect(separator, _is_quoted(lines, separator))))
    several = {width: count for width, count in widths.items() if width > 1}
    if not several or not widths:
        return False, 0.0, separator == ","
    share = max(several.values()) / widths.total()
    return share > 0.5, round(share, 2), separator != ","


def _widths(lines: Sequence[str], dialect: Dialect) -> list[int]:
    limit = csv.field_size_limit(_LONGEST_FIELD)
    try:
        return [len(fields) for fields in dialect.reader(lines) if fields]
    finally:
        csv.field_size_limit(limit)


def _is_quoted(lines: Sequence[str], separator: str) -> bool:
    """Tell whether quotes enclose fields.

    With a comma they always may. Elsewhere they do not where every line has as many fields
    without them, and some field begins with a quote that it does not end with.
    """
    if separator != "\t":
        return True
    plain = Dialect(separator, quoted=False)
    if len(set(_widths(lines, plain))) > 1:
        return True
    fields = chain.from_iterable(plain.reader(lines))
    opened = [field for field in fields if field.startswith('"')]
    return all(len(field) > 1 and field.endswith('"') for field in opened)


def take_sample(records: Iterator[tuple[int, list[str]]]) -> list[list[str]]:
    """Keep every row, then every second, every fourth, ... of the first 32 million characters.

    A file that is sorted by label shows all of its labels that way.

    Args:
        records: Line numbers and fields, as `records_of` gives them; they are read from here on.

    Returns:
        The fields of at most `SAMPLE` rows, evenly spread.
    """
    kept: list[list[str]] = []
    step, read = 1, 0
    for i, (_, fields) in enumerate(records):
        read += sum(map(len, fields))
        if read > _CHARACTERS:
            break
        if i % step == 0:
            kept.append(fields)
            if len(kept) > SAMPLE:
                kept, step = kept[::2], 2 * step
    return kept


def has_header(first: Sequence[str], rows: Sequence[Sequence[str]], known: Collection[str]) -> bool:
    """Tell whether the first record names the columns.

    Args:
        first: The fields of the first record.
        rows: Fields of records behind it.
        known: Column names in lower case that speak for a header.

    Returns:
        True where one of the names is a known one that does not occur below it. Else False where a
        name is a number, long, missing throughout or there twice, or is one of few values that its
        column repeats, as a label would be.

    Example:
        >>> has_header(["label", "text"], [["1", "a late goal"]], {"label", "text"})
        True
    """
    names = [name.strip() for name in first]
    columns = [[row[i].strip() for row in rows if i < len(row)] for i in range(len(names))]
    if any(
        name.lower() in known and name not in column
        for name, column in zip(names, columns, strict=True)
    ):
        return True
    filled = [name for name in names if name]
    if not filled or len(set(filled)) < len(filled):
        return False
    if any(_is_number(name) or _is_long(name) for name in filled):
        return False
    return not any(
        name in column and len(set(column)) <= max(2, len(column) // 2)
        for name, column in zip(names, columns, strict=True)
        if name
    )


def _is_number(name: str) -> bool:
    try:
        float(name)
    except ValueError:
        return False
    return True


def _is_long(name: str) -> bool:
    return (
        len(name) > _LONGEST_NAME or len(name.split()) > _MOST_WORDS or name.endswith((".", "。"))
    )
