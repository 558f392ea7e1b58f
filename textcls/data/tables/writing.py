"""Write tables a portion at a time: the columns that were read, and more behind them.

A file is written under another name and renamed when it is whole.
"""

import contextlib
import csv
import gzip
import io
import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, Protocol

from textcls.data.formats.compression import GZIP
from textcls.data.formats.csv_dialect import Dialect
from textcls.data.tables.reading import (
    ARRAY,
    COMMAS,
    LINES,
    MISSING,
    OBJECTS,
    PARQUET,
    TABS,
    WORKBOOK,
    Portion,
    Table,
    kind_of,
)
from textcls.exceptions import DataError

Added = Mapping[str, Sequence[Any]]
"""New columns by name: texts or floats, as many as the portion has rows."""


class TableWriter(Protocol):
    """Writes portions one after the other."""

    def write(self, portion: Portion, added: Added) -> None:
        """Write some rows with new columns behind their own.

        Args:
            portion: Rows of the table for which the writer was opened.
            added: The new columns; the same names, in the same order, in every portion.

        Raises:
            DataError: The values do not fit the types of Parquet columns. What else goes wrong, a
                full disk or a character that cannot be written, `open_writer` turns into a
                `DataError`.
        """

    def close(self) -> None:
        """Write what is left."""


@contextmanager
def open_writer(path: Path, table: Table) -> Iterator[TableWriter]:
    """Open a file for a table with more columns; its name's ending says its kind.

    The file appears under its name when the block ends, whole; where it ends by an error, nothing
    is left, and a file that was there before stays.

    Args:
        path: The file, in a folder that exists; one that is there is replaced.
        table: The table whose columns come first. A CSV file gets its separator.

    Yields:
        The writer; it is closed when the block ends.

    Raises:
        DataError: The kind is unknown or has no columns, the file cannot be written, or it cannot
            hold a value.
    """
    kind = kind_of(path)
    if kind in (LINES, WORKBOOK):
        what = "a text file has no columns" if kind == LINES else "workbooks are read, not written"
        raise DataError(f"{path}: {what}; expected a name that ends in such as .csv or .jsonl")
    beside = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    try:
        with _opened(beside, path, kind, table) as writer:
            yield writer
        beside.replace(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error.strerror or error}") from error
    except (UnicodeEncodeError, csv.Error) as error:
        reason = "it is not valid Unicode" if isinstance(error, UnicodeError) else error
        raise DataError(
            f"{path}: a value of {table.place} cannot be written there: {reason}; another kind of "
            "file may hold it, such as .jsonl"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)


@contextmanager
def _opened(beside: Path, path: Path, kind: str, table: Table) -> Iterator[TableWriter]:
    if kind == PARQUET:
        writer: TableWriter = _ParquetWriter(beside, table)
        try:
            yield writer
        finally:
            writer.close()
        return
    with contextlib.ExitStack() as stack:
        file: Any
        if path.suffix.lower() == GZIP:
            packed = stack.enter_context(gzip.open(beside, "wb", compresslevel=6))
            file = stack.enter_context(io.TextIOWrapper(packed, encoding="utf-8", newline=""))
        else:
            file = stack.enter_context(beside.open("w", encoding="utf-8", newline=""))
        if kind in (OBJECTS, ARRAY):
            objects = _ObjectWriter(file, table, array=kind == ARRAY)
            yield objects
            objects.close()
        else:
            yield _CsvWriter(file, table, kind)


class _CsvWriter:
    def __init__(self, file: Any, table: Table, kind: str) -> None:
        dialect = Dialect("\t" if kind == TABS else ",")
        if table.kind == kind and table.dialect is not None:
            dialect = table.dialect  # as it was: a semicolon stays one
        quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if dialect.quoted else csv.QUOTE_NONE
        self._writer = csv.writer(
            _PlainLines(file),
            delimiter=dialect.separator,
            lineterminator="\r\n",  # fields with either character in them are quoted then
            quoting=quoting,
            quotechar='"' if dialect.quoted else None,
        )
        self._table = table
        self._header = table.header or table.kind not in (COMMAS, TABS)

    def write(self, portion: Portion, added: Added) -> None:
        if self._header:
            self._writer.writerow([*self._table.names, *added])
            self._header = False
        columns = [[_figure(value) for value in values] for values in added.values()]
        rows = zip(_values(portion), *columns, strict=True)
        if self._table.dialect is not None:  # they were read from such fields
            self._writer.writerows([[*own, *new] for own, *new in rows])
        else:
            self._writer.writerows([[*map(_cell, own), *new] for own, *new in rows])

    def close(self) -> None:
        pass


class _PlainLines:
    """A file whose lines end as they do on this system."""

    def __init__(self, file: Any) -> None:
        self._write = file.write

    def write(self, line: str) -> None:
        """Write one line that ends in carriage return and newline."""
        self._write(line[:-2] + "\n")


class _ObjectWriter:
    """Writes objects, each on a line of its own; `array` puts brackets around them."""

    def __init__(self, file: Any, table: Table, *, array: bool) -> None:
        self._file, self._table = file, table
        self._before = "[\n" if array else ""
        self._between = ",\n" if array else "\n"
        self._array = array

    def write(self, portion: Portion, added: Added) -> None:
        columns = [
            [round(value, 6) if isinstance(value, float) else value for value in values]
            for values in added.values()
        ]
        lines = []
        for own, *new in zip(self._objects(portion), *columns, strict=True):
            values = {**own, **dict(zip(added, new, strict=True))}
            line = json.dumps(values, ensure_ascii=False, default=str)
            # Half a character can stand in JSON as an escape only.
            lines.append(line if _is_unicode(line) else json.dumps(values, default=str))
        if lines:
            self._file.write(self._before + self._between.join(lines))
            self._before = self._between

    def _objects(self, portion: Portion) -> Iterator[Mapping[str, Any]]:
        if portion.objects:
            yield from portion.objects
            return
        for row in _values(portion):
            yield dict(zip(self._table.names, row, strict=True))

    def close(self) -> None:
        if self._array and self._before == "[\n":
            self._file.write("[")
        self._file.write("\n]\n" if self._array else "\n" if self._before else "")


class _ParquetWriter:
    def __init__(self, path: Path, table: Table) -> None:
        self._path, self._table = path, table
        self._writer: Any = None

    def write(self, portion: Portion, added: Added) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            if portion.batch is not None:
                own = pa.Table.from_batches([portion.batch])
            else:
                columns = list(zip(*portion.rows, strict=True))
                arrays = [pa.array([_known(v) for v in values]) for values in columns]
                own = pa.Table.from_arrays(arrays, list(self._table.names))
            for name, values in added.items():
                own = own.append_column(name, pa.array(values, _arrow_type(values)))
            if self._writer is None:
                self._writer = pq.ParquetWriter(self._path, own.schema)
            self._writer.write_table(own.cast(self._writer.schema))
        except (pa.ArrowException, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise DataError(
                f"{self._table.place}: its values do not fit the types of Parquet columns "
                f"({reason}); write .jsonl or .csv instead"
            ) from error

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _values(portion: Portion) -> Sequence[Sequence[Any]]:
    """Return the rows as Python values."""
    if portion.batch is None:
        return portion.rows
    return list(zip(*(column.to_pylist() for column in portion.batch.columns), strict=True))


def _arrow_type(values: Sequence[Any]) -> Any:
    import pyarrow as pa

    return pa.string() if any(isinstance(value, str) for value in values) else pa.float32()


def _known(value: Any) -> Any:
    return None if value is MISSING else value


def _figure(value: Any) -> Any:
    return f"{value:.6f}" if isinstance(value, float) else value


def _cell(value: Any) -> Any:
    """Write a value into a CSV field: texts as they are, lists and objects as JSON."""
    if isinstance(value, str):
        return value
    if value is None or value is MISSING:
        return ""
    if isinstance(value, list | dict | bool):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)
