"""Read a CSV file whose records all have the same number of fields, as a stream, with Arrow.

A GB takes seconds and little memory, and neither pandas nor `datasets` is imported. Any other file
is left to `textcls.data.formats.screening`, which fills short records up and names long ones.
"""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

import pyarrow as pa
from pyarrow import csv

from textcls.data.formats.csv_dialect import Dialect

_BLOCK = 8 << 20  # bytes; no record may be longer
_END = "\0end"


def read_regular_csv(
    path: Path, names: Sequence[str], needed: Sequence[str], *, header: bool, dialect: Dialect
) -> tuple[pa.ChunkedArray, ...] | None:
    """Return the columns `needed` of a UTF-8 file whose columns are `names`, as they are written.

    The columns are mapped from a temporary file that has no name any more.

    Args:
        path: The file.
        names: Its columns, distinct.
        needed: The columns to return.
        header: Whether the first record is a header, which is left out.
        dialect: The separator and how fields are quoted.

    Returns:
        The columns; None where a record has more or fewer fields than `names`, or is very long, or
        the file holds bytes that are no text.
    """
    if len(dialect.separator.encode()) != 1:
        return None
    reading = csv.ReadOptions(
        column_names=list(names), skip_rows=dialect.skipped, block_size=_BLOCK, use_threads=False
    )
    parsing = csv.ParseOptions(
        delimiter=dialect.separator,
        quote_char='"' if dialect.quoted else False,
        newlines_in_values=dialect.quoted,
    )
    converting = csv.ConvertOptions(
        column_types={name: pa.string() for name in needed},
        include_columns=list(dict.fromkeys(needed)),
        strings_can_be_null=False,
        null_values=[],
    )
    try:
        with (
            TemporaryDirectory(prefix="textcls-", ignore_cleanup_errors=True) as folder,
            path.open("rb") as file,
        ):
            copy = Path(folder) / "columns.arrow"
            ended = _Ended(file, dialect.separator.join([_END] * len(names)))
            with (
                csv.open_csv(pa.PythonFile(ended, "r"), reading, parsing, converting) as reader,
                pa.ipc.new_stream(copy, reader.schema) as writer,
            ):
                for batch in reader:
                    writer.write_batch(batch)
            table = pa.ipc.open_stream(pa.memory_map(str(copy))).read_all()
    except (pa.ArrowInvalid, _ZeroByteError):
        return None
    columns = [table.column(name) for name in needed]
    if not all(len(column) and column[-1].as_py() == _END for column in columns):
        return None  # swallowed by a quote that is never closed
    first = 1 if header else 0
    return tuple(column.slice(first, len(column) - 1 - first) for column in columns)


class _ZeroByteError(ValueError):
    """The file holds a zero byte, at which readers of CSV differ."""


class _Ended:
    """A file to read, and behind its end a record that no file without zero bytes holds."""

    def __init__(self, file: BinaryIO, record: str) -> None:
        self._file = file
        self._rest = f"\n{record}\n".encode()
        self.closed = False

    def read(self, size: int = -1) -> bytes:
        """Return at most so many bytes."""
        block = self._file.read(size)
        if b"\0" in block:
            raise _ZeroByteError
        if not block:
            block, self._rest = self._rest[:size], self._rest[size:]
        return block

    def close(self) -> None:
        """Take note that nobody reads on."""
        self.closed = True
