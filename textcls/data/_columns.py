"""Which columns of a file or hub set make the text and the label."""

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pyarrow as pa

from textcls.config.models import DataConfig
from textcls.data._faults import Fault, Unit, listed, quoted
from textcls.exceptions import DataError

LABEL = "label"
DEFAULT_TEXTS = (("text",), ("title", "description"))

Numbering = Callable[[Sequence[int]], list[int]]
"""Positions among the texts, ascending, to the line or row numbers (from 1) that people see."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The names of the columns that make the text, and of the label."""

    texts: tuple[str, ...]
    label: str

    @property
    def all(self) -> tuple[str, ...]:
        """The text columns, then the label."""
        return (*self.texts, self.label)


@dataclass(frozen=True, slots=True)
class Classes:
    """Classes known before the labels are read: label `first + i` is called `names[i]`."""

    names: tuple[str, ...]
    first: int = 0


@dataclass(frozen=True, slots=True)
class Columns:
    """What was read of one file: Arrow columns of the same length, not yet looked at."""

    place: str
    """The file or hub split, as messages call it."""
    unit: Unit
    chosen: Chosen
    texts: tuple[pa.ChunkedArray, ...]
    label: pa.ChunkedArray
    number: Numbering
    classes: Classes | None = None
    screened: tuple[Fault, ...] = ()
    """Faults of rows that could not even be parsed and are in no column."""


def row_numbers(positions: Sequence[int]) -> list[int]:
    """Number rows from 1, where there are no lines to name."""
    return [position + 1 for position in positions]


def choose_columns(place: str, present: Sequence[str], data: DataConfig, hint: str = "") -> Chosen:
    """Pick the columns that the configuration names, or else the usual ones.

    Raises DataError, with the columns that are there, when one is missing.
    """
    chosen = usual_columns(present, data)
    missing = [f"{name!r} (data.text_columns)" for name in chosen.texts if name not in present]
    if chosen.label not in present:
        missing.append(f"{chosen.label!r} (data.label_column)")
    if missing:
        noun = "column" if len(missing) == 1 else "columns"
        message = f"{place}: no {noun} {' and '.join(missing)}; its columns are {quoted(present)}"
        raise DataError(message + (_similar(chosen.all, present) or hint))
    twice = [name for name in chosen.all if present.count(name) > 1]
    if twice:
        raise DataError(f"{place}: more than one column is called {quoted(twice)}; expected one")
    return chosen


def usual_columns(present: Sequence[str], data: DataConfig) -> Chosen:
    """Return the columns to look for: those of the configuration, else the usual ones."""
    usual = (texts for texts in DEFAULT_TEXTS if set(texts) <= set(present))
    texts = data.text_columns or next(usual, DEFAULT_TEXTS[0])
    return Chosen(tuple(texts), data.label_column or LABEL)


def _similar(wanted: Sequence[str], present: Sequence[str]) -> str:
    """Ask about columns that look like the missing ones; "" where none does."""
    lower = {name.lower(): name for name in present}
    near = [
        lower[match]
        for name in wanted
        if name not in present
        for match in difflib.get_close_matches(name.lower(), lower, n=1, cutoff=0.75)
    ]
    return f"; did you mean {listed([repr(name) for name in near])}?" if near else ""
