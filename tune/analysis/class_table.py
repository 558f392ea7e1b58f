"""Each class of the winner's predictions as a row of a table, for the terminal and the report."""

from collections.abc import Sequence
from typing import Literal

from textcls.training.metrics import ClassScore
from tune.formatting import NONE

HEAD = ("class", "texts", "precision", "recall", "F1")
SHOWN = 12
"""Classes that a terminal shows in their own order; of more, as many of the worst."""


def class_rows(scores: Sequence[ClassScore]) -> list[list[str]]:
    """Return a table of the winner's classes, as texts.

    Args:
        scores: The classes in the order of the rows.

    Returns:
        For each class its name, its texts, and precision, recall and F1 with their 95 % intervals.
    """
    return [
        [
            each.name if each.name.isprintable() else ascii(each.name),
            f"{each.texts:,}",
            *(_cell(value, each.interval(of)) for of, value in _measures(each)),
        ]
        for each in scores
    ]


def few_classes(scores: Sequence[ClassScore]) -> tuple[list[ClassScore], str | None]:
    """Choose the classes that a terminal has room for.

    Args:
        scores: All classes.

    Returns:
        Up to `SHOWN` in their own order, else those with the lowest F1, the worst first; and a
        sentence about those left out, None where there are none.
    """
    if len(scores) <= SHOWN:
        return list(scores), None
    worst = sorted(scores, key=lambda each: (each.f1, each.name))[:SHOWN]
    return worst, f"These are the {SHOWN} of {len(scores):,} classes with the lowest F1."


def _measures(each: ClassScore) -> tuple[tuple[Literal["precision", "recall", "f1"], float], ...]:
    return ("precision", each.precision), ("recall", each.recall), ("f1", each.f1)


def _cell(value: float, interval: tuple[float, float] | None) -> str:
    if interval is None:  # nothing was predicted, or no text is of the class
        return NONE
    return f"{value:.2f} ({interval[0]:.2f} to {interval[1]:.2f})"
