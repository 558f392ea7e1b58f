"""Going through a file that its builder cannot read, record by record, to say which are at fault.

This is the slow way, some microseconds a record, taken only by files that have such records. What
passes is written to a regular file and read as such, so both ways give the same rows.
"""

import csv
from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa

from textcls.data._columns import Chosen
from textcls.data._faults import SHOWN_ROWS, Fault
from textcls.data.formats.hf_builders import BuilderError, load_csv
from textcls.exceptions import DataError


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a record is dropped; records with the same `what` are counted together."""

    what: str
    expected: str
    detail: str = ""
    """Said of the first such record only."""
    label: str = ""
    """The record's label, where it can be read."""

    def with_label(self, label: str) -> "Reason":
        """Return the same reason for a record whose label can be read.

        Args:
            label: The label as it is written; it shows later whether one class lost many rows.
        """
        return replace(self, label=label)


Record = tuple[int, Sequence[str] | Reason]
"""A line or row number, from 1, with the fields in the order of the columns chosen, or a fault."""


@dataclass(slots=True)
class Screen:
    """The numbers of the records that passed, and the faults of those that did not."""

    passed: "array[int]" = field(default_factory=lambda: array("q"))
    dropped: "dict[str, tuple[Reason, array[int]]]" = field(default_factory=dict)
    labels: "Counter[str]" = field(default_factory=Counter)
    """How many of the dropped records have which label, where that can be read."""

    def drop(self, number: int, reason: Reason) -> None:
        """Count a record among those at fault.

        Args:
            number: Its line or row, from 1.
            reason: Why; its `detail` is kept of the first record with the same `what` only.
        """
        self.dropped.setdefault(reason.what, (reason, array("q")))[1].append(number)
        if reason.label.strip():
            self.labels[reason.label.strip()] += 1

    def number(self, positions: Sequence[int]) -> list[int]:
        """Turn positions among the records that passed into their line or row numbers.

        Args:
            positions: From 0, in any order.

        Returns:
            As many numbers, from 1.
        """
        return [self.passed[position] for position in positions]

    def faults(self) -> tuple[Fault, ...]:
        """Sum up the records that were dropped, by what is wrong with them."""
        return tuple(
            Fault(
                f"{reason.what}, {reason.detail}" if reason.detail else reason.what,
                reason.expected,
                len(numbers),
                tuple(numbers[:SHOWN_ROWS]),
            )
            for reason, numbers in self.dropped.values()
        )


def screen(
    place: str, chosen: Chosen, records: Iterable[Record]
) -> tuple[Screen, tuple[pa.ChunkedArray, ...]]:
    """Sort out the records at fault, and return the others as columns.

    Args:
        place: What messages call the file.
        chosen: The columns; each record has one field for each of `chosen.all`.
        records: Numbered fields, or the reason why a record cannot be used.

    Returns:
        The faults with the numbers of what passed, and the columns of what passed, in the order of
        `chosen.all`; they have no rows where nothing passed.

    Raises:
        DataError: What passed cannot be read back, which no record is known to cause.
    """
    result = Screen()
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        path = Path(folder) / "passed.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\n")
            for number, fields in records:
                if isinstance(fields, Reason):
                    result.drop(number, fields)
                else:
                    writer.writerow(fields)
                    result.passed.append(number)
        if not result.passed:
            return result, tuple(pa.chunked_array([], pa.string()) for _ in chosen.all)
        try:
            return result, load_csv(path, chosen.all, chosen.all, header=False)
        except BuilderError as error:
            raise DataError(f"{place}: cannot be read: {error}") from error


def unencodable(text: str) -> Reason | None:
    """Return the fault of a text that is not proper Unicode.

    Args:
        text: Decoded with `surrogateescape`, so that bytes which are not UTF-8 are lone surrogates.

    Returns:
        The reason to drop its record, which quotes the first such byte or half of a pair; None
        where the text can be encoded.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        code = ord(text[error.start])
        if 0xDC80 <= code <= 0xDCFF:
            byte = f"the first 0x{code - 0xDC00:02x}"
            return Reason("bytes that are not UTF-8", "UTF-8 throughout", byte)
        return Reason("half a surrogate pair", "whole characters", f"the first \\u{code:04x}")
    return None
