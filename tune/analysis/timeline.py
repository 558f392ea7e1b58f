"""Reconstruct when each trial ran, on which slot, and what had been reached by then."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tune.analysis.run_data import RUNNING, RunData
from tune.study.records import CUT_OFF_MESSAGE, State, TrialRecord

PAUSE_S = 60.0  # a longer time without any trial is an interruption, not the search at work


@dataclass(frozen=True, slots=True)
class Span:
    """The time of one trial, in seconds since the first was asked for, without pauses."""

    record: TrialRecord
    lane: int
    """One of as many as trials ran at a time, from 0; which worker it was is not recorded."""
    asked: float
    began: float
    ended: float


@dataclass(frozen=True, slots=True)
class Report:
    """A trial's value at a rung, with the time and training that the search had spent by then."""

    number: int
    rung: int
    value: float
    seconds: float
    epochs: float
    """Trained by all trials together."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """A search in the order of time."""

    spans: tuple[Span, ...]
    reports: tuple[Report, ...]
    pauses: tuple[tuple[float, float], ...]
    """Where the search stood still, and for how many seconds."""

    @property
    def seconds(self) -> float:
        """Seconds from the first trial's proposal to the last trial's end, without pauses."""
        return max((span.ended for span in self.spans), default=0.0)

    @property
    def lanes(self) -> int:
        """Number of trials that ran at a time, at most."""
        return max((span.lane for span in self.spans), default=-1) + 1

    @property
    def busy_seconds(self) -> float:
        """Seconds of all trials together."""
        return sum(span.ended - span.began for span in self.spans)

    @property
    def epochs(self) -> float:
        """Epochs trained by all trials together."""
        return self.reports[-1].epochs if self.reports else 0.0

    def leaders(self) -> list[Report]:
        """Return the reports that raised the best value so far."""
        best = float("-inf")
        found = []
        for report in self.reports:
            if report.value > best:
                best = report.value
                found.append(report)
        return found


def build_timeline(run: RunData) -> Timeline:
    """Put the trials of a search in the order of time.

    Args:
        run: A search, ended or not.

    Returns:
        When each trial ran, in seconds of the search and on which slot, and each report. Time in
        which the search did not run is cut out and listed as a pause.
    """
    carried = carried_rungs(run.records)
    times = [_times(record, carried[record.number], run) for record in run.records]
    clock = _Clock([(asked, ended) for asked, _, ended in times])
    lanes = _lanes([(began, ended) for _, began, ended in times])
    spans = tuple(
        Span(record, lane, clock(asked), clock(began), clock(ended))
        for record, lane, (asked, began, ended) in zip(run.records, lanes, times, strict=True)
    )
    return Timeline(spans, tuple(_reports(spans, carried)), tuple(clock.pauses))


def carried_rungs(records: Sequence[TrialRecord]) -> dict[int, int]:
    """Count each trial's rungs that were taken over from an interrupted one, not trained again.

    Args:
        records: All trials.

    Returns:
        By number; 0 for a trial that continues no other.
    """
    numbered = {record.number: record for record in records}
    found = {}
    for record in records:
        before = numbered[record.continues].curve if record.continues in numbered else ()
        same = [mine == theirs for mine, theirs in zip(record.curve, before, strict=False)]
        found[record.number] = same.index(False) if False in same else len(same)
    return found


def _times(record: TrialRecord, carried: int, run: RunData) -> tuple[datetime, datetime, datetime]:
    """Return when a trial was asked for, when it began to train and when it ended.

    Only the first and the last are recorded. A trial that ended at a rung began as many seconds
    earlier as its training took; any other one is taken to have begun when it was asked for.
    """
    asked = (record.started or run.read_at).astimezone(UTC)
    trained = timedelta(seconds=_trained(record, carried))
    ended = record.ended.astimezone(UTC) if record.ended else asked + trained
    if record.message == CUT_OFF_MESSAGE:  # its end was recorded when the search was resumed
        ended = asked + trained
    if record.state == State.RUNNING and run.state == RUNNING:
        ended = max(ended, run.read_at)
    if record.state in (State.COMPLETE, State.PRUNED):
        return asked, max(asked, ended - trained), ended
    return asked, asked, ended


def _trained(record: TrialRecord, carried: int) -> float:
    """Return the seconds of training, evaluation included, up to the last rung."""
    if not record.curve:
        return 0.0
    before = record.curve[carried - 1]["seconds"] if carried else 0.0
    return max(0.0, record.curve[-1]["seconds"] - before)


class _Clock:
    """Seconds since the search began, without the time in which nothing ran."""

    def __init__(self, spans: Sequence[tuple[datetime, datetime]]) -> None:
        self.pauses: list[tuple[float, float]] = []
        self._gaps: list[tuple[datetime, float]] = []
        self._zero = min((begin for begin, _ in spans), default=datetime.now(UTC))
        busy_until = self._zero
        for begin, end in sorted(spans):
            gap = (begin - busy_until).total_seconds()
            if gap > PAUSE_S:
                self._gaps.append((begin, gap))
                self.pauses.append((self(busy_until), gap))
            busy_until = max(busy_until, end)

    def __call__(self, at: datetime) -> float:
        skipped = sum(gap for end, gap in self._gaps if at >= end)
        return (at - self._zero).total_seconds() - skipped


def _lanes(spans: Sequence[tuple[datetime, datetime]]) -> list[int]:
    """Give each trial the lowest lane that is free when it begins to train."""
    free_at: list[datetime] = []
    lanes = [0] * len(spans)
    for index in sorted(range(len(spans)), key=lambda index: (spans[index], index)):
        begin, end = spans[index]
        lane = next((lane for lane, free in enumerate(free_at) if free <= begin), len(free_at))
        if lane == len(free_at):
            free_at.append(end)
        free_at[lane] = end
        lanes[index] = lane
    return lanes


def _reports(spans: Sequence[Span], carried: dict[int, int]) -> list[Report]:
    found = []
    for span in spans:
        record, taken_over = span.record, carried[span.record.number]
        before = record.curve[taken_over - 1] if taken_over else {"seconds": 0.0, "epoch": 0.0}
        epoch = before["epoch"]
        for rung in range(taken_over, len(record.curve)):
            reached = record.curve[rung]
            seconds = span.began + reached["seconds"] - before["seconds"]
            seconds = min(seconds, span.ended)
            found.append((seconds, record.number, rung, record.values[rung],
                          reached["epoch"] - epoch))  # fmt: skip
            epoch = reached["epoch"]
    total = 0.0
    reports = []
    for seconds, number, rung, value, epochs in sorted(found):
        total += epochs
        reports.append(Report(number, rung, value, seconds, total))
    return reports
