"""The events of the trials in a group, as its worker tells them to the search."""

from collections.abc import Mapping
from typing import NotRequired, TypedDict

from tune.study.records import State


class TrialEvent(TypedDict):
    """A trial has reached a rung, or has gone wrong; plain values, since Ray carries it."""

    number: int
    rung: NotRequired[int]
    metrics: NotRequired[dict[str, float]]
    outcome: NotRequired[str]
    """How the trial ended: a value of `State`; absent at a rung."""
    message: NotRequired[str]


def rung_event(number: int, rung: int, metrics: Mapping[str, float]) -> TrialEvent:
    """Return the event of a trial at a rung.

    Args:
        number: The trial's.
        rung: Counted from 0.
        metrics: What it has reached there, by name.
    """
    return {"number": number, "rung": rung, "metrics": dict(metrics)}


def end_event(number: int, state: State, message: str) -> TrialEvent:
    """Return the event of a trial that has gone wrong.

    Args:
        number: The trial's.
        state: How it ended.
        message: Why, for people.
    """
    return {"number": number, "outcome": state.value, "message": message}
