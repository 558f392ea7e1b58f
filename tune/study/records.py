"""Records of a trial: what was proposed, what it reached, how it ended, whether it may win."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

OUT_OF_MEMORY = "out of memory"
"""Start of the message of a failure that is the configuration's own fault."""


class State(StrEnum):
    """State of a trial; all but RUNNING are ends."""

    RUNNING = "running"
    COMPLETE = "complete"
    PRUNED = "pruned"
    DIVERGED = "diverged"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


class Interrupted(Exception):  # noqa: N818  # not an error: what the trial was told to do
    """A trial was asked to end where it was."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A trial that is to run."""

    number: int
    params: dict[str, Any]
    name: str | None
    continues: int | None
    """The number of the interrupted trial whose place this one takes."""
    origin: int
    """The first trial of a chain of interrupted ones; its own number for all others."""


@dataclass(frozen=True, slots=True)
class TrialRecord:
    """Everything that the study knows of a trial."""

    number: int
    state: State
    params: dict[str, Any]
    name: str | None
    continues: int | None
    message: str
    curve: tuple[dict[str, float], ...]
    """What was reported at rungs 0, 1, ...: the metrics, epoch, step, seconds."""
    values: tuple[float, ...]
    """The metric at rungs 0, 1, ..."""
    started: datetime | None
    ended: datetime | None

    @property
    def best_rung(self) -> int | None:
        """The rung of the highest value, the earliest of equals."""
        if not self.values:
            return None
        return max(range(len(self.values)), key=lambda rung: (self.values[rung], -rung))

    @property
    def value(self) -> float | None:
        """The highest value at any rung."""
        return max(self.values, default=None)


WITH_CLASSIFIER = (State.COMPLETE, State.PRUNED, State.INTERRUPTED)
"""States whose best rung is a classifier that may win."""


def may_win(record: TrialRecord) -> bool:
    """Tell whether a trial has a classifier, whichever way it ended."""
    return record.state in WITH_CLASSIFIER and bool(record.values)


def rank(record: TrialRecord) -> tuple[float, bool, int]:
    """Return the sort key of a trial: best value first, then complete trials, then by number."""
    value = record.value if record.value is not None else float("-inf")
    return (-value, record.state != State.COMPLETE, record.number)


def ranked(records: list[TrialRecord]) -> list[TrialRecord]:
    """Return the trials that may win, best first: by value, then complete ones, then by number.

    An interrupted trial whose place another one took is left out.
    """
    replaced = {record.continues for record in records}
    candidates = [record for record in records if may_win(record) and record.number not in replaced]
    return sorted(candidates, key=rank)
