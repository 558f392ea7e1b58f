"""Columns of texts and labels as read from a file or hub split, not yet checked."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from textcls.data._faults import Fault, Unit

if TYPE_CHECKING:
    import pyarrow as pa

Numbering = Callable[[Sequence[int]], Sequence[int | str]]
"""Positions among the texts, ascending, to the line or row numbers (from 1) or files they see."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The names of the columns that make the text, and of the label."""

    texts: tuple[str, ...]
    label: str
    notices: tuple[str, ...] = field(default=(), compare=False)
    """How they were chosen, where nobody named them."""

    @property
    def all(self) -> tuple[str, ...]:
        """The text columns, then the label."""
        return (*self.texts, self.label)

    def as_settings(self) -> dict[str, object]:
        """Return the choice as settings of a `DataConfig`, for the files that follow."""
        return {"text_columns": self.texts, "label_column": self.label}


@dataclass(frozen=True, slots=True)
class Classes:
    """Classes known before the labels are read: label `first + i` is called `names[i]`."""

    names: tuple[str, ...]
    first: int = 0


@dataclass(frozen=True, slots=True)
class Columns:
    """Arrow columns of the same length as read from one file, not yet checked."""

    place: str
    """The file or hub split, as messages call it."""
    unit: Unit
    chosen: Chosen
    texts: "tuple[pa.ChunkedArray, ...]"
    label: "pa.ChunkedArray"
    number: Numbering
    classes: Classes | None = None
    screened: tuple[Fault, ...] = ()
    """Faults of rows that could not even be parsed and are in no column."""
    screened_labels: Mapping[str, int] = field(default_factory=dict)
    """How many of those rows have which label, where it can be read."""
    notices: tuple[str, ...] = ()
    """What there is to say about how the file was read."""
    as_written: bool = False
    """Labels keep their spelling: `1.0` is not `1`."""
    bare: bool = False
    """No header, and a label first: AG's layout, if the labels are 1 to 4."""


def row_numbers(positions: Sequence[int]) -> list[int]:
    """Number rows from 1, where there are no lines to name."""
    return [position + 1 for position in positions]
