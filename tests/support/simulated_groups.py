"""A simulated search whose trials are trained in groups: both sides of a group are the real ones.

`GroupRecorder` keeps the search's account and `member_training` trains; a training is a file with
three numbers in it, as in `simulated_training`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from simulated_machine import WorkerLost
from simulated_search import LOST_WORKERS, Simulation
from simulated_training import METRIC, STEPS_PER_EPOCH, SimulatedTraining

from textcls.exceptions import DivergedError
from tune.config.shapes import TrialShapes
from tune.execution.groups.events import TrialEvent, end_event
from tune.execution.groups.member_training import _Group
from tune.execution.groups.recorder import GroupRecorder
from tune.execution.task import Task
from tune.study.records import Interrupted, Proposal, State


@dataclass
class GroupWorker:
    """A group in a worker's process."""

    group: int
    training: _Group | None = None
    """None before it has begun, and after its process was lost."""
    tasks: dict[int, Task] = field(default_factory=dict)
    said: list[TrialEvent] | str | None = None
    """What its trials have reached, or why all of them failed; not yet heard by the search."""
    lost: int = 0
    host: str = ""


class SimulatedMembers:
    """Stands for `FusedTraining`: each trial's checkpoint is that of a `SimulatedTraining`."""

    steps_per_epoch = STEPS_PER_EPOCH

    def __init__(self, play: Simulation, tasks: Mapping[int, Task]) -> None:
        self._play = play
        self._of = {
            number: SimulatedTraining(task.train, device=task.device)
            for number, task in tasks.items()
        }
        self.members = list(tasks)
        self.diverged: dict[int, DivergedError] = {}
        self.step = 0

    @property
    def step_at(self) -> Callable[[float], int]:
        return lambda epoch: max(1, round(epoch * STEPS_PER_EPOCH))

    def fit(
        self, rungs: Sequence[float], progress: Callable[[int, int], None]
    ) -> Iterator[dict[int, Any]]:
        for rung, epoch in enumerate(rungs):
            step = self.step_at(epoch)
            if step <= self.step:
                continue
            progress(step, STEPS_PER_EPOCH)
            results: dict[int, Any] = {}
            for number in list(self.members):
                origin = self._of[number].origin
                self._play.truth.trains(origin, rung)
                if self._play.diverges(origin, rung):
                    self.diverged[number] = DivergedError("loss is nan")
                    self.members.remove(number)
                    continue
                self._of[number].reach(step, rung)
                reached = {METRIC: self._play.value(origin, rung), "step": step, "epoch": epoch}
                results[number] = SimpleNamespace(
                    as_dict=lambda found=reached: {**found, "seconds": 1.0}
                )
            self.step = step
            yield results

    def leave(self, numbers: Sequence[int]) -> None:
        self.members = [number for number in self.members if number not in numbers]

    def join(self, other: "SimulatedMembers") -> None:
        assert other.step == self.step
        self._of |= other._of
        self.members += other.members

    def scores(self) -> dict[int, dict[str, float]]:
        return {}

    def save(self, number: int, path: Path) -> None:
        self._of[number].save(path)

    def restore(self, number: int, path: Path) -> None:
        self._of[number].restore(path)
        self.step = self._of[number].step


class GroupSimulation(Simulation):
    """One search with groups of up to four trials."""

    workers: dict[int, Any]

    def _begin(self) -> None:
        super()._begin()
        self._tell_the_truth()
        refilled = self.salt % 2 == 0
        shapes, last_rung = TrialShapes(self.config), len(self.milestones) - 1
        self.recorder = GroupRecorder(
            self.controller, shapes, 2 + self.salt % 3, last_rung, refilled=refilled
        )

    def _tell_the_truth(self) -> None:
        """Have the books hear of all that the recorder does to the controller."""
        controller, truth = self.controller, self.truth
        begin, report, end = controller._begin, controller.report, controller.end

        def begun(proposal: Proposal) -> Proposal:
            proposal = begin(proposal)
            truth.started(proposal, alike=self._filling)
            self._filling = True
            self.say(f"trial {proposal.number} starts in place of {proposal.predecessors}")
            return proposal

        def reported(number: int, rung: int, metrics: Mapping[str, float]) -> bool:
            truth.reporting(number, rung, metrics[METRIC])
            goes_on = report(number, rung, metrics)
            self.say(f"trial {number}: rung {rung} {metrics[METRIC]}, goes on: {goes_on}")
            truth.reported(number, rung, metrics[METRIC], goes_on)
            return goes_on

        def ended(number: int, state: State, message: str = "") -> None:
            truth.ending(number, state)
            end(number, state, message)
            truth.ended(number, self.study.record(number).state)
            self.say(f"trial {number} is {state} {message}")

        controller._begin = begun  # type: ignore[method-assign]
        controller.report = reported  # type: ignore[method-assign]
        controller.end = ended  # type: ignore[method-assign]

    def _start(self) -> bool:
        self._filling = False
        group = self.recorder.begin()
        if group is None:
            self.truth.refused(self.controller)
            return False
        members = [each.number for each in self.recorder.members(group)]
        self.say(f"group {group} starts with {members}")
        self.workers[group] = GroupWorker(group)
        return True

    def _advance(self, worker: Any, *, lose: bool) -> None:
        """Have a worker train its group to the next rung, unless it is lost on the way."""
        if lose:
            moment = self.choices.one_of(("before", "after"))
            self.machine.arm(WorkerLost, self.choices.below(8), moment)
        members = self.recorder.members(worker.group)
        try:
            if worker.training is None and self.hosts is not None:
                worker.host = self.choices.one_of(self.hosts.training)
            on = nullcontext() if self.hosts is None else self.hosts.on(worker.host)
            with self.machine.worker(), on:
                worker.said = self._train(worker, members)
            self.say(f"group {worker.group} says {[each['number'] for each in worker.said]}")
        except Interrupted as error:
            worker.said = [
                end_event(each.number, State.INTERRUPTED, str(error)) for each in members
            ]
        except WorkerLost:
            worker.lost += 1
            worker.training = None
            self.say(f"group {worker.group} loses its worker")
            if worker.lost > LOST_WORKERS:
                worker.said = "its worker was lost"
        finally:
            self.machine.disarm(WorkerLost)

    def _train(self, worker: GroupWorker, members: Sequence[Proposal]) -> list[TrialEvent]:
        if worker.training is None:
            worker.training = _Group(lambda tasks: SimulatedMembers(self, tasks))
            worker.tasks.clear()
        known = worker.tasks
        worker.tasks = {each.number: known.get(each.number) or self._made(each) for each in members}
        worker.training.keep(worker.tasks)
        events = worker.training.admit(worker.tasks.values())
        while not events:
            events = worker.training.advance()
        return events

    def _hear(self, worker: Any) -> None:
        said, worker.said = worker.said, None
        if isinstance(said, str):
            self.recorder.fail(worker.group, said)
        elif self.recorder.record(worker.group, said):
            return
        del self.workers[worker.group]

    def diverges(self, origin: int, rung: int) -> bool:
        """Tell whether a trial diverges on its way to a rung, the same each time."""
        try:
            self.fate(origin, rung)
        except DivergedError:
            return True
        except RuntimeError:
            return False  # it would fail its whole group
        return False
