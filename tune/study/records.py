"""Records of a trial, and of a chain of trials that continue each other."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

OUT_OF_MEMORY = "out of memory"
"""Start of the message of a failure that is the configuration's own fault."""


CUT_OFF_MESSAGE = "the search was cut off"
"""Message of a trial that a killed search left running, which ended at an unknown time."""


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
    predecessors: tuple[int, ...] = ()
    """The interrupted trials of its chain, the latest first."""


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
    """Tell whether a trial has a classifier, whichever way it ended.

    Args:
        record: Its record.

    Returns:
        True for one that ended with a value of its metric at one rung at least.
    """
    return record.state in WITH_CLASSIFIER and bool(record.values)


@dataclass(frozen=True, slots=True)
class Chain:
    """A trial and those that continued it after interruptions: to the search, one trial.

    All members but the latest are interrupted. A member begins by reporting again what its
    predecessor had reached, so until it has caught up the predecessor stands for the chain.
    """

    members: tuple[TrialRecord, ...]
    """At least one, by number."""

    @property
    def origin(self) -> int:
        """The number of the first member."""
        return self.members[0].number

    @property
    def latest(self) -> TrialRecord:
        """The member that nobody has continued."""
        return self.members[-1]

    @property
    def is_open(self) -> bool:
        """Whether the chain runs or waits to be continued."""
        return self.latest.state in (State.RUNNING, State.INTERRUPTED)

    @property
    def furthest(self) -> TrialRecord:
        """The member whose checkpoints stand for the chain.

        The latest once that has ended; until then the one that recorded most rungs, the latest of
        equals.
        """
        if not self.is_open:
            return self.latest
        return max(self.members, key=lambda each: (len(each.values), each.number))

    @property
    def values(self) -> tuple[float, ...]:
        """The metric at every rung that the chain has passed."""
        return max((each.values for each in self.members), key=len)

    @property
    def candidate(self) -> TrialRecord | None:
        """The member whose best rung may win; None for a chain without a classifier."""
        return self.furthest if may_win(self.furthest) else None

    def continued_by(self, record: TrialRecord) -> "Chain":
        """Return the chain with a new last member, or with a newer record of its last one.

        Args:
            record: Of a trial that continues the last member, or of that member itself.
        """
        earlier = [each for each in self.members if each.number != record.number]
        return Chain((*earlier, record))


def chains_of(records: Iterable[TrialRecord]) -> list[Chain]:
    """Group trials into chains, by the number of the first; most chains have one member.

    Args:
        records: Trials in any order. One whose predecessor is not among them begins a chain.

    Returns:
        A chain for each trial that the search counts, in the order of their first members.
    """
    origins: dict[int, int] = {}
    members: dict[int, list[TrialRecord]] = {}
    for record in sorted(records, key=lambda each: each.number):
        origin = record.number
        if record.continues is not None:
            origin = origins.get(record.continues, origin)
        origins[record.number] = origin
        members.setdefault(origin, []).append(record)
    return [Chain(tuple(found)) for found in members.values()]


def current_trials(records: Iterable[TrialRecord]) -> list[TrialRecord]:
    """Return the trials as the search counts them: of a chain of interrupted ones, the latest.

    So many trials were asked for, and so they are counted for people.

    Args:
        records: All records, in any order.
    """
    return [chain.latest for chain in chains_of(records)]


def ranked_chains(chains: Iterable[Chain]) -> list[Chain]:
    """Return the chains that may win, best first: by value, complete ones, then by origin.

    Args:
        chains: In any order; those without a trial that has a classifier are left out.
    """

    def key(chain: Chain) -> tuple[float, bool, int]:
        value = chain.furthest.value
        complete = chain.furthest.state == State.COMPLETE
        return (float("inf") if value is None else -value, not complete, chain.origin)

    return sorted((chain for chain in chains if chain.candidate is not None), key=key)


def ranked(records: Sequence[TrialRecord]) -> list[TrialRecord]:
    """Return the trials that may win, best first: by value, then complete ones, then by number.

    Args:
        records: All records.

    Returns:
        Of a chain of interrupted trials only the member that got furthest.
    """
    return [chain.furthest for chain in ranked_chains(chains_of(records))]
