"""Read CSV, JSON, Parquet, workbooks and plain lines a portion at a time, with all columns."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from textcls.data._column_choice import KNOWN_NAMES, Sample, choose_texts
from textcls.data.formats.compression import inner_name
from textcls.data.formats.csv_dialect import NAMES, Dialect, detect_dialect, has_header, records_of
from textcls.data.formats.json_objects import flat
from textcls.data.tables._opening import open_lines, open_objects, open_packed, open_workbook
from textcls.exceptions import DataError

COMMAS, TABS, OBJECTS, PARQUET, LINES = "csv", "tsv", "jsonl", "parquet", "txt"
ARRAY, WORKBOOK = "json", "xlsx"
KINDS = {
    ".csv": COMMAS,
    ".tsv": TABS,
    ".tab": TABS,
    ".jsonl": OBJECTS,
    ".ndjson": OBJECTS,
    ".json": ARRAY,
    ".xlsx": WORKBOOK,
    ".xlsm": WORKBOOK,
    ".parquet": PARQUET,
    ".txt": LINES,
}
"""The kinds of tables by their files' endings; a plain text file has a text on each line."""
COLUMN_NAMES = KNOWN_NAMES
"""The usual names of columns of texts and labels, in lower case."""
_SAMPLE = 2_000  # rows


class _Missing:
    """Stands for the value of a key that an object lacks."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING = _Missing()


@dataclass(frozen=True, slots=True)
class Portion:
    """Some rows of a table: their texts, and the values of all columns.

    batch: the rows as an Arrow record batch, where the file has types; `rows` is empty then.
    objects: the rows as they stand in a file of JSON, with objects in objects.
    """

    texts: list[str]
    rows: list[list[Any]]
    batch: Any = None
    objects: Sequence[dict[str, Any]] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """A file that was looked at: its columns, and which of them make the text.

    names: of the columns, in order. texts: those that make the text, joined by a space. header:
    whether the file has names at all. dialect: how its fields are told apart, of CSV. count: its
    rows, where that is known. notices: what there is to say about how it is read. unit: "line" or
    "row", what messages count.
    """

    path: Path
    place: str
    kind: str
    names: tuple[str, ...]
    texts: tuple[str, ...]
    header: bool = True
    dialect: Dialect | None = None
    count: int | None = None
    notices: tuple[str, ...] = ()
    unit: str = "line"

    def portions(self, size: int) -> Iterator[Portion]:
        """Read the table from its start.

        Args:
            size: Rows in a portion; the last one may have fewer.

        Yields:
            The rows' texts and all of their columns.

        Raises:
            DataError: A row cannot be read; the message names it.
        """
        read = {PARQUET: _read_parquet, OBJECTS: _read_objects, LINES: _read_lines}
        try:
            yield from read.get(self.kind, _read_csv)(self, size)
        except OSError as error:
            raise DataError(f"{self.place}: cannot be read: {error.strerror or error}") from error


@dataclass(frozen=True, slots=True)
class _Look:
    """What is known of a file before its columns are: where it lies, and what was asked for."""

    path: Path
    place: str
    kind: str
    columns: Sequence[str] | None
    trained: Sequence[str] | None
    notices: tuple[str, ...]
    unit: str

    def chosen(self, names: Sequence[str], sample: Sample, **known: Any) -> Table:
        """Choose the columns of texts; `known` are further fields of the table."""
        texts, said = choose_texts(self.place, names, self.columns, self.trained, sample)
        notices = (*self.notices, said) if said else self.notices
        where = (self.path, self.place, self.kind)
        return Table(*where, tuple(names), texts, notices=notices, unit=self.unit, **known)


def kind_of(path: Path) -> str:
    """Return the kind of table that a file's name says.

    Args:
        path: Need not exist; of `rows.csv.gz`, the ending before `.gz` counts.

    Returns:
        One of the values of `KINDS`.

    Raises:
        DataError: It is none that can be read and written.
    """
    suffix = Path(inner_name(path)).suffix.lower()
    if suffix not in KINDS:
        raise DataError(
            f"{path}: a file of an unknown kind; expected a name that ends in {', '.join(KINDS)}"
        )
    return KINDS[suffix]


def open_table(
    path: Path,
    scratch: Path,
    *,
    columns: Sequence[str] | None = None,
    trained: Sequence[str] | None = None,
    encoding: str | None = None,
) -> Table:
    """Look at a file and choose its text columns.

    Args:
        path: The file; `.gz` behind its name is unpacked.
        scratch: A folder for unpacked and re-encoded copies, which stays while the table is read.
        columns: The columns that make the text; None to take those of the training, or guess.
        trained: The columns that the training read.
        encoding: The encoding of the file; by default told by its content.

    Returns:
        The table, which can be read a portion at a time, as often as the scratch folder stays.

    Raises:
        DataError: The file cannot be read, or its text column is not clear.
    """
    place, kind = str(path), kind_of(path)
    try:
        if not path.is_file():
            what = "is a folder" if path.is_dir() else "no such file"
            raise DataError(f"{place}: {what}; expected a file of texts")
        if not path.stat().st_size:
            raise DataError(f"{place}: the file is empty; expected a text in each row")
        if kind == WORKBOOK:
            opened, kind = open_workbook(path, scratch), COMMAS
        elif kind in (OBJECTS, ARRAY):
            opened, kind = open_objects(path, scratch, encoding), OBJECTS
        elif kind == PARQUET:
            opened = open_packed(path, scratch)
        else:
            opened = open_lines(path, scratch, encoding)
        looks = {PARQUET: _look_at_parquet, OBJECTS: _look_at_objects, LINES: _look_at_lines}
        where = (opened.path, opened.place, kind)
        look = _Look(*where, columns, trained, opened.notices, opened.unit)
        return looks.get(kind, _look_at_csv)(look)
    except OSError as error:
        raise DataError(f"{place}: cannot be read: {error.strerror or error}") from error


def _look_at_csv(look: _Look) -> Table:
    place, notices = look.place, look.notices
    known = {name.lower() for name in (*(look.columns or ()), *(look.trained or ()))} | KNOWN_NAMES
    dialect = detect_dialect(look.path, known, "\t" if look.kind == TABS else None)
    with records_of(look.path, dialect) as records:
        first = next(records, None)
        rows = [fields for _, fields in islice(records, _SAMPLE)]
    if first is None:
        raise DataError(f"{place}: the file is empty; expected a text in each row")
    _check_unicode(look, ["".join(first[1])], [first[0]])
    if dialect.separator != "," and look.kind == COMMAS:
        separator = NAMES.get(dialect.separator, repr(dialect.separator))
        notices = (*notices, f"{place}: read with {separator} between the columns")
    header = has_header(first[1], rows, known)
    names = tuple(name.strip() for name in first[1])
    columns = look.columns
    if not header:
        names = tuple(str(i + 1) for i in range(len(first[1])))
        rows = [first[1], *rows]
        if len(names) > 1:
            said = f"{place}: no header; the columns are called 1 to {len(names)}, in their order"
            notices = (*notices, said)
        if columns is None and look.trained is None and _is_agnews(rows[0]):
            columns = names[1:]
    sample = {
        name: [row[i] if i < len(row) else "" for row in rows] for i, name in enumerate(names)
    }
    look = replace(look, columns=columns, notices=notices)
    table = look.chosen(names, sample, header=header, dialect=dialect)
    twice = [name for name in table.texts if names.count(name) > 1]
    if twice:
        raise DataError(f"{place}: more than one column is called {twice[0]!r}; expected one")
    return table


def _is_agnews(first: Sequence[str]) -> bool:
    """Tell whether a first row without a header is a label's number, then the texts."""
    return len(first) in (2, 3) and first[0].strip().isdecimal()


def _read_csv(table: Table, size: int) -> Iterator[Portion]:
    dialect, width = table.dialect or Dialect(), len(table.names)
    picked = [table.names.index(name) for name in table.texts]
    with records_of(table.path, dialect) as records:
        if table.header:
            next(records, None)
        while some := list(islice(records, size)):
            rows = []
            for line, fields in some:
                if len(fields) != width or fields[-1].endswith(dialect.end):
                    fields = _mended(table, line, fields, dialect)
                rows.append(fields)
            texts = [_joined([row[i] for i in picked]) for row in rows]
            _check_unicode(table, map("".join, rows), [line for line, _ in some])
            if rows:
                yield Portion(texts, rows)


def _mended(table: Table, line: int, fields: list[str], dialect: Dialect) -> list[str]:
    """Fill up a short record; raise DataError for one that cannot be understood."""
    width = len(table.names)
    if fields[-1].endswith(dialect.end):
        raise DataError(f"{table.place}: {table.unit} {line}: a quote that is never closed")
    if any(fields[width:]):
        name = NAMES.get(dialect.separator, "the separator")
        raise DataError(
            f"{table.place}: {table.unit} {line}: {len(fields)} fields; expected {width} (a "
            f"text with {name} in it belongs between double quotes)"
        )
    return [*fields[:width], *[""] * (width - len(fields))]


def _check_unicode(file: _Look | Table, texts: Iterable[str], lines: Sequence[int]) -> None:
    """Raise DataError for a text or record with bytes that are not of the file's encoding."""
    for line, text in zip(lines, texts, strict=False):
        if not text.isascii():
            try:
                text.encode()
            except UnicodeEncodeError as error:
                raise DataError(
                    f"{file.place}: {file.unit} {line}: not UTF-8 behind "
                    f"{text[max(0, error.start - 10) : error.start]!r}; --encoding names the "
                    "file's encoding"
                ) from error


def _joined(parts: Sequence[str]) -> str:
    """Join columns as training does: by a space, without those that are empty."""
    return parts[0] if len(parts) == 1 else " ".join(part for part in parts if part)


def _look_at_lines(look: _Look) -> Table:
    if look.columns is not None:
        raise DataError(f"{look.place}: has a text on each line and no columns; leave --text out")
    where = (look.path, look.place, look.kind)
    return Table(*where, ("text",), ("text",), header=False, notices=look.notices)


def _read_lines(table: Table, size: int) -> Iterator[Portion]:
    number = 1
    with table.path.open(encoding="utf-8-sig", errors="surrogateescape", newline="\n") as file:
        while some := [line.rstrip("\r\n") for line in islice(file, size)]:
            _check_unicode(table, some, range(number, number + len(some)))
            yield Portion(some, [[line] for line in some])
            number += len(some)


def _look_at_objects(look: _Look) -> Table:
    names: dict[str, list[str]] = {}
    count = 0
    for _, found, _ in _objects(look):
        for key in found:
            names.setdefault(key, [])
        if count < _SAMPLE:
            for key, values in names.items():
                value = found.get(key)
                values.append(value if isinstance(value, str) else "")
        count += 1
    if not count:
        raise DataError(f"{look.place}: the file is empty; expected an object on each line")
    return look.chosen(tuple(names), names, count=count)


def _objects(file: _Look | Table) -> Iterator[tuple[int, dict[str, Any], dict[str, Any]]]:
    """Yield each line's number and the object on it: with inner objects' fields, and as it is."""
    where = f"{file.place}: {file.unit}"
    with file.path.open(encoding="utf-8-sig", errors="surrogateescape", newline="\n") as lines:
        for number, line in enumerate(lines, start=1):
            if line.isspace():
                continue
            try:
                found = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise DataError(f"{where} {number}: no valid JSON object") from error
            if not isinstance(found, dict):
                raise DataError(
                    f'{where} {number}: must be an object such as {{"text": "..."}}, but is '
                    f"{type(found).__name__}"
                )
            yield number, flat(found), found


def _read_objects(table: Table, size: int) -> Iterator[Portion]:
    objects = _objects(table)
    while some := list(islice(objects, size)):
        texts = [_text_of(table, number, found) for number, found, _ in some]
        _check_unicode(table, texts, [number for number, *_ in some])
        rows = [[found.get(name, MISSING) for name in table.names] for _, found, _ in some]
        yield Portion(texts, rows, objects=[plain for *_, plain in some])


def _text_of(table: Table, number: int, found: dict[str, Any]) -> str:
    parts = []
    for name in table.texts:
        value = found.get(name)
        if value is not None and not isinstance(value, str):
            raise DataError(
                f"{table.place}: {table.unit} {number}: {name!r} must be a text, but is "
                f"{json.dumps(value)[:60]}"
            )
        parts.append(value or "")
    return _joined(parts)


def _look_at_parquet(look: _Look) -> Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(look.path)
        schema, count = file.schema_arrow, file.metadata.num_rows
        strings = [field.name for field in schema if _is_text(field.type)]
        first = next(file.iter_batches(batch_size=_SAMPLE, columns=strings), None)
        sample = {name: first.column(name).to_pylist() for name in strings} if first else {}
    except (pa.ArrowException, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{look.place}: cannot be read as Parquet: {reason}") from error
    values = {name: [value or "" for value in each] for name, each in sample.items()}
    table = look.chosen(schema.names, values, count=count)
    for name in table.texts:
        if name not in strings:
            raise DataError(
                f"{look.place}: the column {name!r} holds {schema.field(name).type}; expected texts"
            )
    return table


def _is_text(kind: Any) -> bool:
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _read_parquet(table: Table, size: int) -> Iterator[Portion]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    row = 1
    try:
        for batch in pq.ParquetFile(table.path).iter_batches(batch_size=size):
            columns = [batch.column(name).to_pylist() for name in table.texts]
            texts = [
                _joined([part or "" for part in parts]) for parts in zip(*columns, strict=True)
            ]
            yield Portion(texts, [], batch)
            row += len(texts)
    except (pa.ArrowException, UnicodeDecodeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{table.place}: from row {row:,} on: cannot be read: {reason}") from error
