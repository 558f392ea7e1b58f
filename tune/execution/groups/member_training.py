"""Train the trials of a group in one process, each with its own rungs, curve and checkpoints.

Trials at one step are trained as one; the others wait. Always those that are furthest behind are
trained on, up to their next rung, where they join whoever waits there. So each trial sees the texts
in the order that it would see in any other group, a new trial may begin at any time, and a trial
goes on from its own checkpoint whatever the others do.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

from textcls.exceptions import BundleError, DivergedError
from tune.execution.groups.events import TrialEvent, end_event, rung_event
from tune.execution.objective import best_rung
from tune.execution.task import Task, check_finite
from tune.run_folder import atomic
from tune.run_folder.heartbeat import Heartbeat
from tune.study.records import Interrupted, State

if TYPE_CHECKING:
    from textcls.training.trainer import RungResult

_log = logging.getLogger(__name__)

Report = Callable[[Sequence[TrialEvent]], Iterable[Task]]
"""Takes the events of a group's trials; returns the trials that are trained on."""


class Members(Protocol):
    """The interface that a group uses of trainings; `FusedTraining` says what each part does."""

    members: list[int]
    diverged: dict[int, DivergedError]
    step: int
    steps_per_epoch: int

    @property
    def step_at(self) -> Callable[[float], int]:
        """Return the step of an epoch."""

    def fit(
        self, rungs: Sequence[float], progress: Callable[[int, int], None]
    ) -> "Iterator[dict[int, RungResult]]":
        """Train on and yield at each rung.

        Args:
            rungs: Epochs, ascending.
            progress: Called every few steps with the steps made and their total.

        Yields:
            The results by trial.
        """

    def leave(self, numbers: Sequence[int]) -> None:
        """Take trials out.

        Args:
            numbers: Those that leave; the others go on as they would have.
        """

    def join(self, other: Self) -> None:
        """Take in other trials at the same step.

        Args:
            other: The training of those trials, which is used up.
        """

    def scores(self) -> dict[int, dict[str, float]]:
        """Return each trial's metrics as it is now."""

    def save(self, number: int, path: Path) -> None:
        """Write a checkpoint.

        Args:
            number: One of the trials.
            path: The file.
        """

    def restore(self, number: int, path: Path) -> None:
        """Take up a checkpoint.

        Args:
            number: One of the trials.
            path: The file.
        """


Create = Callable[[Mapping[int, Task]], Members]
"""Makes the `Members` of some trials, at step 0."""


def fused(order_seed: int) -> Create:
    """Return what trains trials as one.

    Args:
        order_seed: The seed of the texts' order, one for all trials of a search.
    """

    def create(tasks: Mapping[int, Task]) -> Members:
        from textcls.training.fused import FusedTraining  # late: torch

        first = next(iter(tasks.values()))
        return FusedTraining(
            first.arrays.splits,
            first.arrays.embeddings,
            first.arrays.num_classes,
            {number: (task.model, task.train) for number, task in tasks.items()},
            order_seed=order_seed,
            device=first.device,
        )

    return create


def train_members(tasks: Iterable[Task], report: Report, create: Create) -> None:
    """Train a group of trials until none is left.

    At each rung every trial's curve is written, then its checkpoint; then the rung is reported. A
    trial whose folder holds a checkpoint reports its curve up to there first and goes on from it.

    Args:
        tasks: The trials.
        report: Called at each rung with what the trials have reached.
        create: Makes the training of some trials; see `fused`.

    Raises:
        OSError: The run folder cannot be written.
    """
    group = _Group(create)
    events = group.admit(tasks)
    while True:
        if events:
            going_on = {task.number: task for task in report(events)}
            group.keep(going_on)
            events = group.admit(going_on.values())
        elif group.is_empty:
            return
        else:
            events = group.advance()


@dataclass
class _Member:
    """A trial of a group."""

    task: Task
    curve: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        path = self.task.heartbeat
        self.heartbeat = Heartbeat(path) if path is not None else None

    def record(self, metrics: dict[str, Any]) -> TrialEvent:
        """Add a rung to the curve and return its event."""
        rung = len(self.curve)
        check_finite(metrics, rung)
        self.curve.append(metrics)
        _log.info("rung %d: %s", rung + 1, metrics, extra={"trial": self.task.number})
        return rung_event(self.task.number, rung, metrics)

    def tidy(self) -> None:
        """Delete the checkpoints that the trial does not need any more."""
        if self.curve:
            best = best_rung(self.curve, self.task.metric)
            self.task.folder.keep({len(self.curve) - 1, best})


@dataclass
class _Cohort:
    """Trials at one step, trained as one."""

    training: Members
    rung: int
    """The next rung."""
    results: "Iterator[dict[int, RungResult]] | None" = None


class _Group:
    def __init__(self, create: Create) -> None:
        self._create = create
        self._members: dict[int, _Member] = {}
        self._cohorts: list[_Cohort] = []

    @property
    def is_empty(self) -> bool:
        return not self._members

    def admit(self, tasks: Iterable[Task]) -> list[TrialEvent]:
        """Take in the trials that are not yet here; return the rungs that they have passed."""
        new = {task.number: task for task in tasks if task.number not in self._members}
        fresh, events = {}, []
        for number, task in new.items():
            member = self._members[number] = _Member(task)
            training = self._restored(member)
            if training is None:
                fresh[number] = task
                continue
            self._add(_Cohort(training, len(member.curve)))
            rungs = enumerate(member.curve)
            events += [rung_event(number, rung, metrics) for rung, metrics in rungs]
        if fresh:
            self._add(_Cohort(self._create(fresh), 0))
        return sorted(events, key=lambda event: (event["rung"], event["number"]))

    def keep(self, numbers: Iterable[int]) -> None:
        """Take out all other trials; tidy up behind those that go on."""
        going_on = set(numbers)
        for cohort in self._cohorts:
            cohort.training.leave([n for n in cohort.training.members if n not in going_on])
        self._cohorts = [cohort for cohort in self._cohorts if cohort.training.members]
        self._members = {n: each for n, each in self._members.items() if n in going_on}
        for member in self._members.values():
            member.tidy()

    def advance(self) -> list[TrialEvent]:
        """Train those that are furthest behind up to their next rung; return what they reached."""
        cohort = min(self._cohorts, key=lambda each: each.rung)
        self._cohorts.remove(cohort)
        events, measured = self._trained(cohort)
        for number, metrics in measured.items():
            member = self._members[number]
            try:
                events.append(member.record(metrics))
            except DivergedError as error:
                events.append(end_event(number, State.DIVERGED, str(error)))
                cohort.training.leave([number])
                continue
            atomic.write_json(member.task.folder.curve, member.curve)
            cohort.training.save(number, member.task.folder.checkpoint(cohort.rung))
            member.task.folder.publish(cohort.rung)
        cohort.rung += 1
        if cohort.training.members:
            self._add(cohort)
        return sorted(events, key=lambda event: event["number"])

    def _trained(self, cohort: _Cohort) -> tuple[list[TrialEvent], dict[int, dict[str, Any]]]:
        """Train up to a rung; return the trials that diverged, and the metrics of the others."""
        training = cohort.training
        task = self._members[training.members[0]].task
        if cohort.rung > 0 and training.step >= training.step_at(task.milestones[cohort.rung]):
            # With few texts two rungs may fall on one step; the later one has the same metrics.
            return [], {number: self._members[number].curve[-1] for number in training.members}
        if cohort.results is None:
            cohort.results = training.fit(task.milestones, self._ticker(training))
        began, known = time.perf_counter(), set(training.diverged)
        try:
            results = next(cohort.results)
        except Interrupted:
            if cohort.rung == 0 and task.is_evaluated_on_stop():
                self._leave_unfinished(training)
            raise
        seconds = time.perf_counter() - began
        diverged = [
            end_event(number, State.DIVERGED, str(error))
            for number, error in training.diverged.items()
            if number not in known
        ]
        return diverged, {
            number: self._timed(number, result.as_dict(), seconds)
            for number, result in results.items()
        }

    def _timed(self, number: int, metrics: dict[str, Any], seconds: float) -> dict[str, Any]:
        """Count the seconds in which a trial was trained and evaluated, not those of its waits."""
        curve = self._members[number].curve
        return {**metrics, "seconds": seconds + (curve[-1]["seconds"] if curve else 0.0)}

    def _add(self, cohort: _Cohort) -> None:
        """Let a cohort join the one that waits at its rung, if any."""
        for other in self._cohorts:
            if other.rung == cohort.rung:
                other.training.join(cohort.training)
                return
        self._cohorts.append(cohort)

    def _restored(self, member: _Member) -> Members | None:
        """Return the training of a trial at its latest readable checkpoint; None without one."""
        folder = member.task.folder
        curve = folder.read_curve()
        for rung, path in reversed(folder.checkpoints().items()):
            if rung >= len(curve):
                continue
            training = self._create({member.task.number: member.task})
            try:
                training.restore(member.task.number, path)
            except BundleError as error:
                place = {"trial": member.task.number}
                _log.warning("going on from before rung %d: %s", rung + 1, error, extra=place)
                continue
            member.curve = curve[: rung + 1]
            return training
        return None

    def _ticker(self, training: Members) -> Callable[[int, int], None]:
        """Return a function that checks for a stop and writes the heartbeats."""

        def tick(step: int, _total: int) -> None:
            members = [self._members[number] for number in training.members]
            members[0].task.check()
            for member in members:
                if member.heartbeat is not None:
                    member.heartbeat.beat(step / training.steps_per_epoch)

        return tick

    def _leave_unfinished(self, training: Members) -> None:
        """Evaluate trials before their first rung and leave their metrics, after their weights."""
        epoch = training.step / training.steps_per_epoch
        for number, scores in training.scores().items():
            metrics = {**scores, "epoch": epoch}
            folder = self._members[number].task.folder
            try:
                check_finite(metrics, 0)
            except DivergedError:
                continue
            training.save(number, folder.unfinished_checkpoint)
            atomic.write_json(folder.unfinished, {**metrics, "step": training.step})
            folder.store.publish(folder.unfinished_checkpoint, folder.unfinished)
