"""The rows of one file or hub split as they were read, with what is wrong with them.

Nothing is dropped and nothing is raised for a single row here: every check of a file adds its
faults, so that whoever reads the message sees all of them at once. Columns stay Arrow columns;
Python touches distinct labels and the first ten rows at fault, never each row.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from textcls.config.messages import has_control_character
from textcls.config.models import LONGEST_LABEL
from textcls.data._columns import Classes, Columns, Numbering, row_numbers
from textcls.data._faults import SHOWN_ROWS, Fault, FaultyFile, Unit, listed, quoted

# RE2's \s knows ASCII only; with this class a text is empty exactly where str.strip() leaves
# nothing of it, so a text that passes holds at least one token.
_VISIBLE = r"[^\s\v\x1c-\x1f\x{85}\p{Z}]"
# Longer digit strings stay texts: Python refuses to convert them, and no class is called so.
_INTEGER = re.compile(r"-?[0-9]{1,400}")
_WHOLE = re.compile(r"-?[0-9]{1,400}(\.0*)?")
_EXACT_FLOAT = 2.0**53
_JOINED_ROWS = 16_384

Codes = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(slots=True)
class CheckedRows:
    """Texts, labels as codes, and the faults found so far.

    `labels` (rows,) indexes `values`; -1 stands for a label that is missing or unknown. With
    `closed`, `values` is the whole list of classes in its order; without, it is what occurs.
    """

    place: str
    unit: Unit
    number: Numbering
    texts: pa.ChunkedArray
    labels: Codes
    values: tuple[str, ...]
    closed: bool
    faults: list[Fault]
    screened: int
    screened_labels: Mapping[str, int] = field(default_factory=dict)
    bad: Mask = field(init=False)

    def __post_init__(self) -> None:
        self.bad = np.zeros(len(self.texts), dtype=np.bool_)

    @classmethod
    def flawless(
        cls, place: str, texts: Sequence[str], labels: Codes, names: tuple[str, ...]
    ) -> "CheckedRows":
        """Make rows that need no check.

        Args:
            place: What messages call them.
            texts: The texts.
            labels: Positions among `names`, int64 (rows,).
            names: The classes.
        """
        chunks = pa.chunked_array([pa.array(texts, pa.string())])
        return cls(place, "row", row_numbers, chunks, labels, names, True, [], 0)

    def label_counts(self) -> dict[str, int]:
        """Count how many rows have each label."""
        counts = np.bincount(self.labels[self.labels >= 0], minlength=len(self.values))
        return {value: int(n) for value, n in zip(self.values, counts, strict=True) if n}

    def add_fault(self, mask: Mask, what: str, expected: str) -> None:
        """Record that some rows have the same fault.

        Args:
            mask: Which, bool (rows,); nothing is recorded where it is all False.
            what: What is wrong with them, as the message says it.
            expected: What was expected in its place.
        """
        count = int(mask.sum())
        if count:
            first = np.flatnonzero(mask)[:SHOWN_ROWS].tolist()
            self.faults.append(Fault(what, expected, count, tuple(self.number(first))))
            self.bad |= mask

    def as_faulty_file(self) -> FaultyFile | None:
        """Sum up the faults for a message; None where there is none."""
        if not self.faults:
            return None
        bad = self.screened + int(self.bad.sum())
        total = self.screened + len(self.texts)
        return FaultyFile(self.place, self.unit, bad, total, tuple(self.faults))


def check_rows(columns: Columns) -> CheckedRows:
    """Join the text columns, encode the labels and find the rows that have no text or no label."""
    texts = text_of(columns.texts)
    codes, values = codes_of(columns.label)
    if not columns.as_written:
        values = _one_spelling(values)
    rows = CheckedRows(
        columns.place,
        columns.unit,
        columns.number,
        texts,
        codes,
        values,
        closed=columns.classes is not None,
        faults=list(columns.screened),
        screened=sum(fault.count for fault in columns.screened),
        screened_labels=columns.screened_labels,
    )
    visible = numbers_of(pc.match_substring_regex(texts, _VISIBLE))
    expected = f"a visible character in {quoted(columns.chosen.texts)}"
    rows.add_fault(~visible, "an empty text", expected)
    strange = np.array([bool(v) and not is_class_name(v) for v in values] + [False])
    rows.add_fault(
        strange[codes],
        "a label with a control character, or a very long one",
        f"at most {LONGEST_LABEL:,} characters that can be shown in {columns.chosen.label!r}",
    )
    if columns.classes is None:
        rows.add_fault(codes < 0, "no label", f"a text or an integer in {columns.chosen.label!r}")
    else:
        _name_labels(rows, columns.classes, columns.chosen.label)
    return rows


def text_of(columns: Sequence[pa.ChunkedArray]) -> pa.ChunkedArray:
    """Join text columns row by row with a space; parts that are missing or empty leave no space."""
    strings = [column.cast(pa.string()) for column in columns]
    if len(strings) == 1:
        return pc.fill_null(strings[0], "") if strings[0].null_count else strings[0]
    table = pa.Table.from_arrays(strings, [str(i) for i in range(len(strings))])
    # Batch by batch, so that what the join needs in between stays small beside the texts.
    joined = [_join(batch.columns) for batch in table.to_batches(max_chunksize=_JOINED_ROWS)]
    return pa.chunked_array(joined, pa.string())


def _join(columns: Sequence[pa.Array]) -> pa.Array:
    # Not with null_handling="skip" in one call: it drops rows whose parts are all null.
    return reduce(_join_two, (pc.fill_null(column, "") for column in columns))


def _join_two(left: pa.Array, right: pa.Array) -> pa.Array:
    both = pc.and_(pc.greater(pc.binary_length(left), 0), pc.greater(pc.binary_length(right), 0))
    return pc.binary_join_element_wise(left, right, pc.if_else(both, " ", ""))


def codes_of(column: pa.ChunkedArray) -> tuple[Codes, tuple[str, ...]]:
    """Turn a label column into codes (rows,), -1 where the label is missing, and what they mean.

    Labels are compared as texts without the space around them, so 1, "1" and " 1" are one label.
    """
    if pa.types.is_floating(column.type):
        column = _whole_numbers(column)
    trimmed = pc.utf8_trim_whitespace(column.cast(pa.string()))
    encoded = pc.dictionary_encode(trimmed).unify_dictionaries()
    if not encoded.num_chunks:
        return np.zeros(0, dtype=np.int64), ()
    values = tuple(encoded.chunk(0).dictionary.to_pylist())
    indices = pa.chunked_array([chunk.indices for chunk in encoded.chunks])
    codes = numbers_of(pc.fill_null(indices, -1) if indices.null_count else indices)
    codes = codes.astype(np.int64)
    if "" in values:
        codes[codes == values.index("")] = -1
    return codes, values


def _one_spelling(values: tuple[str, ...]) -> tuple[str, ...]:
    """Write whole numbers and truth values in one way, where a column holds nothing else.

    So `1.0` in one file and `1` in another are one label, and `True` and `TRUE`, too.
    """
    some = [value for value in values if value]
    if some and all(_WHOLE.fullmatch(value) for value in some):
        return tuple(value.partition(".")[0] for value in values)
    if some and all(value.lower() in ("true", "false") for value in some):
        return tuple(value.lower() for value in values)
    return values


def _whole_numbers(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Integers that became floats because a row lacks one are integers again; NaN is missing."""
    column = pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
    whole = pc.all(pc.equal(pc.floor(column), column), min_count=0).as_py()
    exact = pc.all(pc.less(pc.abs(column), _EXACT_FLOAT), min_count=0).as_py()
    return column.cast(pa.int64()) if whole and exact else column


def _name_labels(rows: CheckedRows, classes: Classes, column: str) -> None:
    """Replace integer labels by positions among the classes and blame those that have none."""
    count, first = len(classes.names), classes.first
    meant = [int(v) - first if _INTEGER.fullmatch(v) else -1 for v in rows.values]
    position = np.array([m if 0 <= m < count else -1 for m in meant] + [-1], dtype=np.int64)
    expected = f"{first} to {first + count - 1} ({listed(classes.names)}) in {column!r}"
    missing = rows.labels < 0
    unknown = ~missing & (position[rows.labels] < 0)
    rows.add_fault(missing, "no label", expected)
    rows.add_fault(unknown, f"an unknown label ({quoted(seen(rows, unknown))})", expected)
    rows.labels, rows.values = position[rows.labels], classes.names


def seen(rows: CheckedRows, mask: Mask) -> list[str]:
    """Return the distinct labels under `mask` (rows,) in the order of their first occurrence."""
    codes, first = np.unique(rows.labels[mask], return_index=True)
    return [rows.values[code] for code in codes[np.argsort(first)]]


def is_class_name(label: str) -> bool:
    """Tell whether a label can name a class: not empty, not very long, no control character."""
    return 0 < len(label) <= LONGEST_LABEL and not has_control_character(label)


def in_order(labels: Sequence[str]) -> tuple[str, ...]:
    """Order label names: numerically when all are integers, else alphabetically."""
    if all(_INTEGER.fullmatch(label) for label in labels):
        return tuple(sorted(labels, key=lambda label: (int(label), label)))
    return tuple(sorted(labels))


def mask_of(rows: npt.NDArray[Any]) -> pa.BooleanArray:
    """Return a mask (rows,) as Arrow filters by it.

    `pyarrow.array` would import pandas, to look whether it was given something of it: a quarter to
    half a second of the processor, more than reading a small file takes.
    """
    bits = np.packbits(np.asarray(rows, np.bool_), bitorder="little")
    return pa.BooleanArray.from_buffers(pa.bool_(), len(rows), [None, pa.py_buffer(bits)])


def places_of(rows: npt.NDArray[Any]) -> pa.Int64Array:
    """Return row numbers as Arrow takes by them, without pandas like `mask_of`."""
    numbers = np.ascontiguousarray(rows, np.int64)
    return pa.Int64Array.from_buffers(pa.int64(), len(numbers), [None, pa.py_buffer(numbers)])


def numbers_of(column: pa.ChunkedArray) -> npt.NDArray[Any]:
    """Return numbers or truth values without nulls (rows,), without pandas like `mask_of`."""
    found: list[npt.NDArray[Any]] = [
        np.zeros(0, np.bool_ if pa.types.is_boolean(column.type) else np.int64)
    ]
    for chunk in column.chunks:
        content, start = chunk.buffers()[1], chunk.offset
        if pa.types.is_boolean(chunk.type):
            bits = np.unpackbits(np.frombuffer(content, np.uint8), bitorder="little")
            found.append(bits[start : start + len(chunk)].astype(np.bool_))
        else:
            kind = np.dtype(f"i{chunk.type.bit_width // 8}")
            found.append(np.frombuffer(content, kind)[start : start + len(chunk)])
    return np.concatenate(found)
