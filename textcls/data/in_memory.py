"""Texts and labels that a program holds: lists, arrays, Arrow columns, pandas, `datasets`.

pandas and `datasets` are recognised by what their objects offer and are never imported here.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from textcls.config.models import IN_MEMORY, DataConfig
from textcls.data._assembly import TextDataset, assemble
from textcls.data._column_choice import choose_columns
from textcls.data._columns import Chosen, Columns, row_numbers
from textcls.data._row_checks import CheckedRows, check_rows, text_of
from textcls.data.dataset import Source
from textcls.data.formats.parquet_files import typed_columns
from textcls.exceptions import DataError

Rows = tuple[object, object]
"""Texts and their labels."""

_DIGEST_BYTES = 16
_LOOKED_AT = 2_000  # values of a column
_SAMPLE = 5  # values that an error about their type quotes


def memory_source(
    train: Rows,
    data: DataConfig,
    *,
    test: Rows | None = None,
    validation: Rows | None = None,
) -> Source:
    """Make a source of texts and labels in memory, as `locate` makes one of files.

    Args:
        train: The texts and labels to learn from; see `text_column` and `label_column`.
        data: How they are read; `name`, `text_columns` and `label_column` serve data frames and
            `datasets` whose columns are to be found.
        test: Texts and labels to measure on; without them `data.test_fraction` is split off.
        validation: Texts and labels to select on.

    Returns:
        A source whose `read` checks the rows, and whose name and content hash stand for the texts.

    Raises:
        DataError: Where texts and labels do not fit each other or are of another type.
    """
    given = {"train": train, "validation": validation, "test": test}
    columns = {
        split: columns_of_rows(rows, split, data)
        for split, rows in given.items()
        if rows is not None
    }
    name = "texts in memory" if data.name in (IN_MEMORY, DataConfig().name) else data.name

    def read(_: Path) -> tuple[dict[str, list[CheckedRows]], list[str]]:
        notices = [notice for each in columns.values() for notice in each.notices]
        return {split: [check_rows(each)] for split, each in columns.items()}, notices

    return Source(name, _content_hash(columns, data), (), data, read)


def memory_dataset(train: Rows, data: DataConfig) -> TextDataset:
    """Make a data set whose only split is train: nothing is split off.

    Args:
        train: Texts and their labels, as `columns_of_rows` takes them.
        data: Names the columns of a data frame, and says what becomes of rows that cannot be used
            (`bad_rows`). Its fractions are not heeded.

    Returns:
        The checked texts, in their order, with labels as numbers into its `label_names`.

    Raises:
        DataError: As `memory_source`, and for rows that cannot be used.
    """
    rows = check_rows(columns_of_rows(train, "train", data))
    return assemble("texts in memory", {"train": [rows]}, data, split_off=False)


def columns_of_rows(rows: Rows, split: str, data: DataConfig) -> Columns:
    """Turn texts and labels into Arrow columns of the same length.

    Args:
        rows: Texts and labels. A data frame or a `datasets.Dataset` brings its own column for the
            labels: they are then None, or the name of that column.
        split: The split's name, with which errors begin.
        data: `text_columns` and `label_column` say which columns of a frame to take; without them
            they are chosen by name and content.

    Returns:
        Columns whose labels keep their spelling, not yet checked row by row.

    Raises:
        DataError: Texts and labels differ in number, there are none, or they are of another type.
    """
    texts, labels = rows
    if labels is None or (isinstance(labels, str) and _column_names(texts)):
        return replace(_named_columns(texts, labels, split, data), as_written=True)
    column, codes = text_column(texts), label_column(labels)
    if len(column) != len(codes):
        raise DataError(
            f"{split}: {len(column):,} texts do not fit {len(codes):,} labels; "
            "expected one for each"
        )
    if not len(column):
        raise DataError(f"{split}: no texts; expected at least one for each of two classes")
    chosen = Chosen(("texts",), "labels")
    return Columns(split, "row", chosen, (column,), codes, row_numbers, as_written=True)


def text_column(texts: object) -> pa.ChunkedArray:
    """Turn texts into one Arrow column of strings.

    Args:
        texts: A list, tuple or other iterable of strings, a numpy array or pandas series of them,
            an Arrow column, or a data frame whose columns are joined by a space, row by row.

    Raises:
        DataError: Where something is not a text.
    """
    if names := _column_names(texts):
        return text_of([_strings(texts[name], name) for name in names])  # type: ignore[index]
    return _strings(texts, "texts")


def label_column(labels: object) -> pa.ChunkedArray:
    """Turn labels, of texts, integers or booleans, into an Arrow column.

    Args:
        labels: A list, array, Arrow column or pandas series. Floats pass where all are whole
            numbers, as pandas makes of integers with a gap; None and NaN stay missing.

    Returns:
        Strings of the same length: "1" for 1 and for 1.0, "True" for True.

    Raises:
        DataError: Where a label is of another type.
    """
    try:
        values = _plain(labels)
        known = [value for value in values if value is not None]
        if all(isinstance(value, float) and value.is_integer() for value in known):
            values = [None if value is None else int(value) for value in values]
        elif not all(isinstance(value, str | int) for value in known):
            raise _wrong("labels", "texts, integers or booleans", values)
        return pa.chunked_array([pa.array([_name(value) for value in values], pa.string())])
    except (TypeError, pa.ArrowException) as error:
        raise DataError(f"labels: cannot be used ({error})") from error


def original_labels(labels: object) -> dict[str, Any]:
    """Return the labels as they were given by their names: 1 for "1", True for "True".

    Args:
        labels: What `label_column` takes. For None and for the name of a column, which says nothing
            of the values, the result is empty.

    Returns:
        The distinct labels by their names without surrounding blanks; missing ones are left out.

    Raises:
        DataError: Where two labels are written alike, such as 1 and "1".
    """
    if labels is None or isinstance(labels, str):
        return {}
    found: dict[str, Any] = {}
    for value in _plain(labels):
        if value is None:
            continue
        if isinstance(value, float):
            value = int(value)  # `label_column` lets whole numbers pass
        name = str(value).strip()
        if found.setdefault(name, value) != value or type(found[name]) is not type(value):
            raise DataError(
                f"labels: {found[name]!r} and {value!r} are written alike; expected one of them"
            )
    return found


def _name(value: str | int | None) -> str | None:
    return None if value is None else str(value)


def _named_columns(table: object, label: str | None, split: str, data: DataConfig) -> Columns:
    update = {} if label is None else {"label_column": label}
    data = data.model_copy(update=update)
    if hasattr(table, "features") and hasattr(table, "column_names"):
        return typed_columns(table, split, data)
    names = _column_names(table)
    if not names:
        raise DataError(
            f"{split}: labels are missing; expected one for each text, or a data frame or "
            "datasets.Dataset with a column for them"
        )
    some = {name: _sampled(table[name]) for name in names}  # type: ignore[index]
    chosen = choose_columns(split, names, data, some)
    texts = tuple(_strings(table[name], name) for name in chosen.texts)  # type: ignore[index]
    labels = label_column(table[chosen.label])  # type: ignore[index]
    return Columns(split, "row", chosen, texts, labels, row_numbers, notices=chosen.notices)


def _sampled(values: object) -> list[str]:
    """Write some values of a column as texts, for the choice of columns to look at."""
    plain = _plain(values)
    step = -(-len(plain) // _LOOKED_AT) or 1
    return ["" if value is None else str(value) for value in plain[::step]]


def _column_names(table: object) -> list[str]:
    """Return the column names of a data frame or `datasets.Dataset`; none for anything else."""
    found = getattr(table, "column_names", None)
    if found is None:
        found = getattr(table, "columns", None)
    return [str(name) for name in found] if isinstance(found, Iterable) else []


def _strings(values: object, name: str) -> pa.ChunkedArray:
    if isinstance(values, str | bytes):
        raise _wrong(name, "a list of texts", [values])
    plain = _plain(values)
    if not all(value is None or isinstance(value, str) for value in plain):
        raise _wrong(name, "texts", plain)
    return pa.chunked_array([pa.array(plain, pa.string())])


def _plain(values: object) -> list[Any]:
    """Return a list of Python values; missing ones, NaN included, are None."""
    if isinstance(values, pa.Array | pa.ChunkedArray):
        listed: list[Any] = values.to_pylist()
        return listed
    if isinstance(values, np.ndarray):
        if values.ndim == 2 and values.shape[1] == 1:
            values = values[:, 0]
        if values.ndim != 1:
            raise DataError(f"expected one value for each row, but the shape is {values.shape}")
        listed = values.tolist()
    elif hasattr(values, "to_numpy"):  # a pandas series
        listed = values.to_numpy(dtype=object).tolist()
    elif isinstance(values, Iterable) and not isinstance(values, Mapping):
        listed = [value.item() if isinstance(value, np.generic) else value for value in values]
    else:
        raise DataError(f"expected a list of values, but is {type(values).__name__}")
    return [None if value is None or value != value else value for value in listed]


def _wrong(name: str, expected: str, values: Sequence[object]) -> DataError:
    odd = [value for value in values if not isinstance(value, str)] or list(values)
    quoted = ", ".join(repr(value)[:40] for value in odd[:_SAMPLE])
    return DataError(f"{name}: expected {expected}, but found {quoted}")


def _content_hash(columns: Mapping[str, Columns], data: DataConfig) -> str:
    """Name the content: the same rows in the same order, split in the same way, give the same."""
    digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    keys = {"bad_rows", "validation_fraction", "test_fraction", "seed"}
    digest.update(data.model_dump_json(include=keys).encode())
    for split, each in columns.items():
        for column in (*each.texts, each.label):
            digest.update(f"\0{split}\0{len(column)}\0".encode())
            for value in column.to_pylist():
                digest.update(b"\0" if value is None else f"{value}\1".encode(errors="replace"))
    return digest.hexdigest()
