"""Rows whose columns have types: Parquet files and hub sets. Class names in them are kept."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from textcls.config.models import DataConfig
from textcls.data._column_choice import Sample, choose_columns
from textcls.data._columns import Classes, Columns, row_numbers
from textcls.data._faults import SHOWN_ROWS, Fault
from textcls.data._row_checks import mask_of, places_of
from textcls.data.formats.hf_builders import BuilderError, columns_of, load, reason
from textcls.exceptions import DataError

_SAMPLE = 2_000  # rows
_LABEL_TYPES = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean)


def read_parquet(path: Path, place: str, data: DataConfig) -> Columns:
    """Read a Parquet file.

    Args:
        path: The file.
        place: What messages call it.
        data: The columns where they are set.

    Returns:
        As `typed_columns`.

    Raises:
        DataError: It is no Parquet file, has no row, lacks a column or has one of a useless type.
    """
    try:
        if not pq.read_metadata(path).num_rows:
            raise DataError(f"{place}: no row in the file; expected a row for each text")
        dataset = load("parquet", path)
    except (BuilderError, pa.ArrowException, OSError) as error:
        raise DataError(f"{place}: cannot be read as Parquet: {reason(error)}") from error
    return typed_columns(dataset, place, data)


def typed_columns(dataset: Any, place: str, data: DataConfig) -> Columns:
    """Take the text and label columns out of a `datasets.Dataset`.

    Args:
        dataset: All rows of one split.
        place: What messages call it.
        data: The columns where they are set; else they are chosen by name and content.

    Returns:
        Texts and labels, numbered by row. The names of a `ClassLabel` are kept as classes, whose -1
        counts as a missing label.

    Raises:
        DataError: A column is missing, or holds neither texts nor, for the label, numbers or
            booleans.
    """
    hint = "; name the right ones in data.text_columns and data.label_column"
    chosen = choose_columns(place, dataset.column_names, data, sample_rows(dataset), hint)
    *texts, label = columns_of(dataset, chosen.all)
    for name, column in zip(chosen.texts, texts, strict=True):
        if not _holds_text(column.type):
            raise DataError(f"{place}: column {name!r} holds {column.type}; expected texts")
    if not _holds_text(label.type) and not any(test(label.type) for test in _LABEL_TYPES):
        raise DataError(
            f"{place}: column {chosen.label!r} holds {label.type}; expected texts or integers"
        )
    names = getattr(dataset.features[chosen.label], "names", None)
    if names:
        # The hub's way to say that a row has no label is -1.
        label = pc.if_else(pc.equal(label, -1), pa.scalar(None, label.type), label)
    classes = Classes(tuple(names)) if names else None
    columns = Columns(
        place, "row", chosen, tuple(texts), label, row_numbers, classes, notices=chosen.notices
    )
    return _without_undecodable(columns)


def sample_rows(dataset: Any) -> Sample:
    """Return values from all over a data set, for the choice of columns to look at.

    Args:
        dataset: A `datasets.Dataset`.

    Returns:
        Some thousand values as texts for each column that holds texts or may hold labels; other
        columns are left out.
    """
    table = dataset.data
    step = max(1, len(dataset) // _SAMPLE)
    places = places_of(np.arange(0, len(dataset), step))
    found = {}
    for name in dataset.column_names:
        kind = table.column(name).type
        if _holds_text(kind) or any(test(kind) for test in _LABEL_TYPES):
            values = table.column(name).take(places)
            if _holds_text(kind):  # which may be damaged
                values = values.cast(pa.string()).cast(pa.binary())
            found[name] = [_written(value) for value in values.to_pylist()]
    return found


def _written(value: bytes | bool | int | float | None) -> str:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def _holds_text(kind: Any) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind)
    )


def _without_undecodable(columns: Columns) -> Columns:
    """Screen out rows whose texts or labels are not UTF-8, which Parquet readers let pass."""
    parts = [column for column in (*columns.texts, columns.label) if _is_damaged(column)]
    if not parts:
        return columns
    good = np.logical_and.reduce([_decodable(column) for column in parts])
    bad = np.flatnonzero(~good)
    fault = Fault(
        "bytes that are not UTF-8",
        "UTF-8 throughout",
        len(bad),
        tuple(row_numbers(bad[:SHOWN_ROWS].tolist())),
    )
    mask = mask_of(good)
    return replace(
        columns,
        texts=tuple(column.filter(mask) for column in columns.texts),
        label=columns.label.filter(mask),
        number=partial(_numbers_among, np.flatnonzero(good)),
        screened=(fault,),
    )


def _is_damaged(column: pa.ChunkedArray) -> bool:
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        return True
    return False


def _decodable(column: pa.ChunkedArray) -> npt.NDArray[np.bool_]:
    """Tell row by row whether the bytes are UTF-8."""
    return np.array([_is_text(value) for value in column.cast(pa.binary()).to_pylist()])


def _is_text(value: bytes | None) -> bool:
    try:
        (value or b"").decode()
    except UnicodeDecodeError:
        return False
    return True


def _numbers_among(kept: npt.NDArray[np.int64], positions: Sequence[int]) -> list[int]:
    return [int(kept[position]) + 1 for position in positions]
