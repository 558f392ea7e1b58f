"""Describe which rows are wrong and why: one error for all of it, or a notice."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from textcls.exceptions import DataError

SHOWN_ROWS = 10
SHOWN_VALUES = 10
_VALUE_LENGTH = 40
_SKIP = "--set data.bad_rows=skip (in a file, bad_rows: skip under data)"

Unit = Literal["line", "row", "file"]


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault in one file: `count` rows have it; the first ten by line, row or file."""

    what: str
    """Completes "3 rows have ..."."""
    expected: str
    count: int
    numbers: tuple[int | str, ...]


@dataclass(frozen=True, slots=True)
class FaultyFile:
    """The faults of one file; `bad` of its `total` rows have at least one."""

    place: str
    unit: Unit
    bad: int
    total: int
    faults: tuple[Fault, ...]


def complain(files: Sequence[FaultyFile], uneven: str = "") -> DataError:
    """Make the one error that lists every kind of fault of every file.

    Args:
        files: Those with rows at fault.
        uneven: What leaving the rows out would do to the classes, where that is not advised.
    """
    lines = []
    for file in files:
        of = counted(file.total, "row")
        lines.append(f"{file.place}: {file.bad:,} of {of} cannot be used")
        lines += [f"  {_sentence(fault, file.unit)}" for fault in file.faults]
    advice = f"Fix them, or leave them out with {_SKIP}"
    if uneven:
        advice = f"Fix them; with data.bad_rows: skip, {uneven}"
    return DataError("\n".join([*lines, advice]))


def left_out(file: FaultyFile) -> str:
    """Say which rows of a file are left out and why, for a notice."""
    faults = file.faults
    kinds = [f"{f.count:,} with {f.what} ({_numbered(f, file.unit)})" for f in faults]
    of = counted(file.total, "row")
    return f"{file.place}: left out {file.bad:,} of {of}: {'; '.join(kinds)}"


def counted(count: int, noun: str) -> str:
    """Write a count with its noun: "1 row", "1,200 rows"."""
    return f"{count:,} {noun if count == 1 else noun + 's'}"


def listed(values: Sequence[str]) -> str:
    """Join values by commas, the first ten of them, and say how many more there are."""
    hidden = len(values) - SHOWN_VALUES
    shown = ", ".join(values[:SHOWN_VALUES])
    return f"{shown} and {hidden:,} more" if hidden > 0 else shown


def quoted(values: Sequence[str]) -> str:
    """List values in quotes, long ones cut."""
    cut = [v if len(v) <= _VALUE_LENGTH else v[: _VALUE_LENGTH - 3] + "..." for v in values]
    return listed([repr(value) for value in cut])


def _sentence(fault: Fault, unit: Unit) -> str:
    have = "has" if fault.count == 1 else "have"
    rows = counted(fault.count, "row")
    return f"{rows} {have} {fault.what} ({_numbered(fault, unit)}); expected {fault.expected}"


def _numbered(fault: Fault, unit: Unit) -> str:
    """Say where: "line 3", "lines 3, 9" or "the first ten at lines 3, 9, ..."."""
    numbers = ", ".join(str(number) for number in fault.numbers)
    if fault.count > len(fault.numbers):
        return f"the first ten at {unit}s {numbers}"
    return f"{unit if fault.count == 1 else unit + 's'} {numbers}"
