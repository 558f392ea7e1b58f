"""Read new texts, predict them and measure them, a portion at a time."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from textcls.analysis import drift
from textcls.analysis.drift import Measured
from textcls.data.formats.json_objects import written_label
from textcls.data.tables.prediction import PORTION, predicted, trained_columns
from textcls.data.tables.reading import MISSING, Portion, Table, open_table
from textcls.exceptions import DataError
from textcls.runtime.predictor import EnsemblePredictor, Predictor

_LABEL_NAMES = ("label", "labels", "class", "category", "target", "topic")
Array = np.ndarray[Any, Any]
MISTAKES = 5
"""The most confident mistakes that are shown."""
_AG_NEWS = ("World", "Sports", "Business", "Sci/Tech")


@dataclass(frozen=True, slots=True)
class NewTexts:
    """What is known of the texts of a file.

    predictions: int64 (texts,). labels: int64 (texts,), -1 for one that the classifier does not
    have; None where the file has no labels. unknown: those labels, each once. measured: None where
    the bundle has nothing to compare with.
    """

    predictions: np.ndarray[Any, Any]
    labels: np.ndarray[Any, Any] | None
    label_column: str | None
    unknown: tuple[str, ...]
    measured: Measured | None
    mistakes: tuple["NewMistake", ...] = ()
    """The most confident first, of texts with known labels."""


@dataclass(frozen=True, slots=True)
class NewMistake:
    """A text that is labelled wrongly, and how probable the prediction was."""

    probability: float
    text: str
    label: str
    prediction: str


class _Surest:
    """The mistakes with the highest probabilities so far."""

    def __init__(self, label_names: Sequence[str], numbers: Mapping[str, int]) -> None:
        self._names, self._numbers = label_names, numbers
        self.found: list[NewMistake] = []

    def add(self, texts: Sequence[str], rows: Array, labels: Sequence[str]) -> None:
        """Look at a portion: probabilities (texts, classes) and the labels as they are written."""
        known = np.array([self._numbers.get(label, -1) for label in labels])
        best = rows.argmax(axis=1)
        wrong = np.flatnonzero((known >= 0) & (known != best))
        sure = rows[wrong, best[wrong]]
        for at in wrong[np.argsort(-sure, kind="stable")[:MISTAKES]].tolist():
            label, guess = self._names[known[at]], self._names[best[at]]
            self.found.append(NewMistake(float(rows[at, best[at]]), texts[at], label, guess))
        self.found = sorted(self.found, key=lambda each: -each.probability)[:MISTAKES]


def examine(
    predictor: Predictor | EnsemblePredictor,
    source: Path,
    *,
    columns: Sequence[str] | None = None,
    label: str | None = None,
    with_labels: bool = True,
    encoding: str | None = None,
    say: Callable[[str], None] = print,
) -> NewTexts:
    """Predict the texts of a file and measure them.

    Args:
        predictor: The classifier.
        source: A file as `predict --input` reads it.
        columns: The columns that make the text; by default those of the training, else guessed.
        label: The column of the labels; by default that of the training, else one with a usual
            name, else none.
        with_labels: Whether labels are looked for.
        encoding: The encoding of the file; by default told by its content.
        say: Gets each notice.

    Raises:
        DataError: The file cannot be read, has no texts, or no label that the classifier knows.
    """
    with TemporaryDirectory(prefix="textcls-", ignore_cleanup_errors=True) as scratch:
        table = open_table(
            source,
            Path(scratch),
            columns=columns,
            trained=trained_columns(predictor),
            encoding=encoding,
        )
        for notice in table.notices:
            say(notice)
        column = _label_column(table, predictor, label) if with_labels else None
        # Of an ensemble, words and lengths are held against the first member's reference.
        files = (
            predictor.members[0] if isinstance(predictor, EnsemblePredictor) else predictor
        ).files
        names = _numbers(predictor)
        surest = _Surest(predictor.label_names, names)
        guesses, values, measured = [], [], []
        for portion, rows in predicted(predictor, table, PORTION, None):
            guesses.append(rows.argmax(axis=1))
            if column is not None:
                written = _values(portion, table, column)
                surest.add(portion.texts, rows, written)
                values += written
            if files.description.reference is not None:
                measured.append(drift.measure_texts(files, portion.texts, rows))
    if not guesses:
        raise DataError(f"{source}: has no texts; expected at least one row")
    found: np.ndarray[Any, Any] | None = None
    unknown: tuple[str, ...] = ()
    if column is not None:
        found = np.array([names.get(value, -1) for value in values], np.int64)
        unknown = tuple(dict.fromkeys(value for value in values if value not in names))
        if (found < 0).all():
            raise DataError(
                f"{source}: the column {column!r} has no label of the classifier: it has "
                f"{_some(unknown)}, the classifier {_some(predictor.label_names)}; name another "
                "column with --label, or leave labels aside with --no-labels"
            )
    whole = drift.joined(measured) if measured else None
    return NewTexts(np.concatenate(guesses), found, column, unknown, whole, tuple(surest.found))


def _label_column(
    table: Table, predictor: Predictor | EnsemblePredictor, asked: str | None
) -> str | None:
    if asked is not None:
        if asked not in table.names:
            raise DataError(f"{table.place}: has no column {asked!r}; it has {_some(table.names)}")
        return asked
    configuration = predictor.about.get("configuration") or {}
    trained = (configuration.get("data") or {}).get("label_column")
    if isinstance(trained, str) and trained in table.names:
        return trained
    if not table.header and table.names and table.names[0] not in table.texts:
        return table.names[0] if len(table.names) > len(table.texts) else None
    by_name = {name.lower(): name for name in reversed(table.names) if name not in table.texts}
    return next((by_name[name] for name in _LABEL_NAMES if name in by_name), None)


def _values(portion: Portion, table: Table, column: str) -> list[str]:
    """Return a column's values as texts."""
    if portion.batch is not None:
        values = portion.batch.column(column).to_pylist()
    else:
        at = table.names.index(column)
        values = [row[at] for row in portion.rows]
    return ["" if value is MISSING else written_label(value).strip() for value in values]


def _numbers(predictor: Predictor | EnsemblePredictor) -> dict[str, int]:
    """Return the number of each label, by its name and as it was written in the training data."""
    names = predictor.label_names
    found = {name: at for at, name in enumerate(names)}
    written = list(predictor.about.get("classes") or [])
    if tuple(names) == _AG_NEWS:  # whose files have the numbers 1 to 4
        written = [1, 2, 3, 4]
    if len(written) == len(names):
        for at, value in enumerate(written):
            found.setdefault(str(value), at)
    return found


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:4])
    return shown + (f" and {len(names) - 4:,} more" if len(names) > 4 else "")
