"""The state of a running search: everything that a display needs, nothing about how to show it.

One thread writes and others read, so a reader copies a collection before going through it.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from textcls.output import one_line, printable
from tune import pareto
from tune.config.search_file import StopWhenConfig
from tune.execution.resources import Capacity
from tune.formatting import params_as_used
from tune.monitor import eta
from tune.study.front import cost_of
from tune.study.further_gain import FurtherGain
from tune.study.records import Proposal, State, TrialRecord

_RANKED = (State.COMPLETE, State.PRUNED, State.RUNNING)
_FAULTS = (State.FAILED, State.DIVERGED)
_KEPT = 100  # ended trials: whoever looks wants the best few, and often
_SPEEDS = 8  # latest reports: as many tell the speed of the trials that have not reported yet


@dataclass(frozen=True, slots=True)
class SearchPlan:
    """The facts about a search that are known before its first trial."""

    metric: str
    samples: int
    milestones: tuple[float, ...] = ()
    """The epochs of the rungs."""
    slots: int = 1
    """Trials at a time."""
    budget_s: float | None = None
    """Seconds that are left of the time budget."""
    capacity: Capacity | None = None
    """Resources of the cluster, and the share of a trial."""
    stop_rule: StopWhenConfig | None = None
    """When the search is not worth going on with."""
    cost: str | None = None
    """What is minimised beside the metric."""
    used_vectors: Mapping[str, str] = field(default_factory=dict)
    """The vectors that took the place of others, by the name of those."""

    def shown(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return a trial's parameters for people: with the vectors that are really used.

        Args:
            params: As a configuration means them.
        """
        return params_as_used(params, self.used_vectors)


@dataclass(slots=True)
class TrialView:
    """The present state of one trial."""

    number: int
    name: str | None
    params: Mapping[str, Any]
    state: State = State.RUNNING
    continues: bool = False
    """Whether it continues an interrupted trial."""
    epoch: float = 0.0
    """Trained when it reached its last rung."""
    live: float = 0.0
    """Epochs trained by now, where its worker tells; otherwise 0."""
    values: tuple[float, ...] = ()
    """The metric at rungs 0, 1, ..."""
    began: float = 0.0
    reached: float = 0.0
    """When it reached its last rung."""
    cost: float | None = None
    """What is minimised beside the metric, once the trial has reported."""
    first: int | None = None
    """The first rung that it reported; not 0 where it takes up an earlier trial."""
    message: str = ""

    @property
    def value(self) -> float | None:
        """The highest value at any rung."""
        return max(self.values, default=None)


@dataclass
class SearchState:
    """The running trials, the best, the trials at each rung, the speed and the time left."""

    plan: SearchPlan
    now: Callable[[], float] = time.monotonic
    heartbeats: Callable[[list[int]], Mapping[int, float]] = lambda _numbers: {}
    """The epochs that running trials say they have trained, by number, for those that do."""
    ended: int = field(default=0, init=False)
    reached: list[int] = field(init=False)
    """Number of trials that reached each rung."""
    faults: list[TrialView] = field(default_factory=list, init=False)
    """Failed and diverged trials."""
    changes: int = field(default=0, init=False)
    """Grows with every event."""

    def __post_init__(self) -> None:
        self._began = self.now()
        self._running: dict[int, TrialView] = {}
        self._over: list[TrialView] = []
        self._runs: list[eta.Run] = []
        self._speeds: list[float] = []
        self.reached = [0] * len(self.plan.milestones)
        rule = self.plan.stop_rule
        self.further_gain = None if rule is None else FurtherGain(rule, self.plan.slots)
        """What further trials may add; None where nothing depends on it."""

    def recall(self, records: Sequence[TrialRecord]) -> None:
        """Add the trials of an earlier run; one that was interrupted will be tried again.

        Args:
            records: All trials of the run that is resumed.
        """
        for record in records:
            if record.state != State.INTERRUPTED:
                self._count(record)
                self._runs += _earlier(record)
                for rung in range(len(record.values)):
                    self._reach(rung)

    def on_trial_start(self, proposal: Proposal) -> None:
        """Add a trial that was proposed.

        Args:
            proposal: Its number, name and parameters.
        """
        self.changes += 1
        self._running[proposal.number] = TrialView(
            proposal.number,
            _shown(proposal.name),
            self.plan.shown(proposal.params),
            continues=proposal.continues is not None,
            began=self.now(),
        )

    def on_trial_report(self, number: int, rung: int, metrics: Mapping[str, float]) -> None:
        """Record that a trial reached a rung.

        Args:
            number: A trial that runs.
            rung: Counted from 0.
            metrics: By name, the search's metric among them.

        Raises:
            KeyError: The trial does not run, or the metric is missing.
        """
        self.changes += 1
        standing = self._running[number]
        standing.values = (*standing.values, metrics[self.plan.metric])
        standing.epoch = metrics.get("epoch", standing.epoch)
        standing.cost = metrics.get(self.plan.cost or "")
        standing.reached = self.now()
        standing.first = rung if standing.first is None else standing.first
        if (speed := metrics.get("texts_per_second")) is not None:
            self._speeds = [*self._speeds[1 - _SPEEDS :], speed]
        self._reach(rung)

    def on_trial_end(self, record: TrialRecord) -> None:
        """Record the end of a trial.

        Args:
            record: The trial; one that was interrupted will be tried again, and counts only then.
        """
        self.changes += 1
        standing = self._running.pop(record.number, None)
        if record.state != State.INTERRUPTED:
            if standing is not None:
                self._runs.append(self._run(standing))
            self._count(record)

    @property
    def running(self) -> list[TrialView]:
        """Running trials, by number, each with its present epoch."""
        found = sorted(self._running.values(), key=lambda each: each.number)
        said = self.heartbeats([each.number for each in found])
        return [replace(each, live=said.get(each.number, 0.0)) for each in found]

    def best(self, count: int) -> list[TrialView]:
        """Return the best trials by highest value, running ones included.

        With a cost beside the metric those are the trials of the front, by value too.

        Args:
            count: How many; of trials that have ended only the best hundred are kept, where there
                is no cost.
        """
        found = _ranked([*self._over, *self._running.values()])
        if self.plan.cost is None:
            return found[:count]
        points = [(each.value or 0.0, each.cost or 0.0) for each in found]
        numbers = pareto.front_numbers(points)
        return [each for each, front in zip(found, numbers, strict=True) if front == 0][:count]

    @property
    def texts_per_second(self) -> float:
        """Texts per second of all running trials together; 0 before the first report."""
        speeds = self._speeds
        return len(self._running) * sum(speeds) / len(speeds) if speeds else 0.0

    @property
    def elapsed_s(self) -> float:
        """Seconds since the first trial could start."""
        return self.now() - self._began

    @property
    def left(self) -> eta.Left | None:
        """Estimated time until the end, at most the rest of the budget; None when not yet known."""
        running = [self._run(each) for each in self.running]
        waiting = self.plan.samples - self.ended - len(running)
        milestones = self.plan.milestones or (1.0,)
        left = eta.time_left(list(self._runs), running, waiting, self.plan.slots, milestones)
        budget_s = self.budget_left_s
        return left if left is None or budget_s is None else left.at_most(budget_s)

    @property
    def budget_left_s(self) -> float | None:
        """Seconds left of the time budget; None without one."""
        budget_s = self.plan.budget_s
        return None if budget_s is None else max(0.0, budget_s - self.elapsed_s)

    @property
    def done(self) -> float:
        """Share that is done, 0 to 1: of the trials or of the budget, whichever is further."""
        share = self.ended / max(1, self.plan.samples)
        if self.plan.budget_s:
            share = max(share, self.elapsed_s / self.plan.budget_s)
        return min(1.0, share)

    def _run(self, standing: TrialView) -> eta.Run:
        seconds, first = self.now() - standing.began, standing.first
        if first is None:
            return eta.Run(seconds, since=0.0 if standing.continues else standing.live)
        rungs = first + len(standing.values)
        epochs = (0.0, *self.plan.milestones)
        if rungs >= len(epochs):
            return eta.Run(seconds, rungs)
        trained, since = epochs[rungs] - epochs[first], max(0.0, standing.live - epochs[rungs])
        return eta.Run(seconds, rungs, standing.reached - standing.began, trained, since)

    def _count(self, record: TrialRecord) -> None:
        self.ended += 1
        if self.further_gain is not None:
            self.further_gain.add(record)
        epoch = record.curve[-1].get("epoch", 0.0) if record.curve else 0.0
        over = TrialView(
            record.number, _shown(record.name), self.plan.shown(record.params), record.state,
            epoch=epoch, values=record.values, message=printable(record.message),
            cost=cost_of(record, self.plan.cost or ""),
        )  # fmt: skip
        self._over.append(over)
        if len(self._over) > 2 * _KEPT and self.plan.cost is None:
            self._over = _ranked(self._over)[:_KEPT]
        if record.state in _FAULTS:
            self.faults.append(over)

    def _reach(self, rung: int) -> None:
        self.reached += [0] * (rung + 1 - len(self.reached))
        self.reached[rung] += 1


def _shown(name: str | None) -> str | None:
    return None if name is None else one_line(name)


def _earlier(record: TrialRecord) -> Iterator[eta.Run]:
    """Yield the run of a trial that ended before this search was resumed."""
    if record.started is None or record.ended is None:
        return
    seconds = (record.ended - record.started).total_seconds()
    if record.continues is None and record.curve:
        trained = record.curve[-1].get("epoch", 0.0)
        yield eta.Run(seconds, len(record.values), seconds, trained)
    elif not record.curve:
        yield eta.Run(seconds)


def _ranked(standings: Sequence[TrialView]) -> list[TrialView]:
    ranked = [each for each in standings if each.state in _RANKED and each.values]
    return sorted(ranked, key=lambda each: (-max(each.values), each.number))
