"""Run groups of trials with Ray Tune: to Ray a group is one trial, with one worker.

Ray tells a worker nothing while its trial runs, so the search leaves the group's members in a
small actor beside it (`_Mailbox`) before it lets the worker go on from a report.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from types import MappingProxyType
from typing import Any

import ray
from ray import tune as ray_tune
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler
from ray.tune.search import Searcher
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from tune.execution.groups import member_training
from tune.execution.groups.events import TrialEvent, end_event
from tune.execution.groups.recorder import GroupRecorder
from tune.execution.stop import StopSignal
from tune.execution.task import Task
from tune.execution.worker import (
    CannotWrite,
    Workload,
    error_message,
    hold_to_share,
    is_out_of_memory,
    log_to,
    take_up,
)
from tune.run_folder.disk_errors import forbids_writing
from tune.study.records import Interrupted, Proposal, State

_log = logging.getLogger(__name__)


class _Mailbox:
    """Holds, for each group, the trials that it trains; an actor."""

    def __init__(self) -> None:
        self._members: dict[int, list[Proposal]] = {}

    def put(self, group: int, members: list[Proposal]) -> None:
        self._members[group] = members

    def get(self, group: int) -> list[Proposal]:
        return self._members[group]

    def remove(self, group: int) -> None:
        self._members.pop(group, None)


class RayGroups:
    """The running groups, as Ray's adapters and its workers share them.

    Args:
        recorder: The search's account of its groups.
    """

    def __init__(self, recorder: GroupRecorder) -> None:
        # On this node: the search ends with it in any case.
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        actor = ray.remote(num_cpus=0)(_Mailbox)
        self.recorder = recorder
        self.mailbox: Any = actor.options(scheduling_strategy=here).remote()

    def begin(self) -> int | None:
        """Begin a group; return its number, None where no more trials come."""
        group = self.recorder.begin()
        if group is not None:
            self._hand_over(group, self.recorder.members(group))
        return group

    def record(self, group: int, events: Iterable[TrialEvent]) -> bool:
        """Record a group's events and hand its next trials over.

        Args:
            group: The group's number.
            events: What its worker has told, in order.

        Returns:
            Whether any of its trials goes on.
        """
        members = self.recorder.record(group, events)
        self._hand_over(group, members)
        return bool(members)

    def fail_those_behind(self, group: int, message: str) -> bool:
        """Record that the trials that a group's worker was training failed.

        Args:
            group: The group's number.
            message: What the records say of it.

        Returns:
            Whether any of its trials can go on, in a worker that is started again.
        """
        members = self.recorder.fail_those_behind(group, message)
        self._hand_over(group, members)
        return bool(members)

    def close(self) -> None:
        """End the actor."""
        ray.kill(self.mailbox)

    def _hand_over(self, group: int, members: list[Proposal]) -> None:
        if members:
            ray.get(self.mailbox.put.remote(group, members))
        else:
            ray.get(self.mailbox.remove.remote(group))


class GroupSearcher(Searcher):  # type: ignore[misc]  # ray has no types
    """Begin a group where Ray Tune asks for a trial."""

    def __init__(self, groups: RayGroups, stop: StopSignal) -> None:
        super().__init__()
        self._groups = groups
        self._stop = stop

    def suggest(self, trial_id: str) -> dict[str, Any] | str:  # noqa: ARG002
        """Return the next group, or Ray's mark that there is none.

        Args:
            trial_id: Ray's name for the group.
        """
        try:
            group = self._groups.begin()
        except Exception as error:
            self._stop.fault = error
            return str(Searcher.FINISHED)
        return str(Searcher.FINISHED) if group is None else {"number": group}

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Take no notice: trials end as their group reports.

        Args:
            trial_id: Ray's name for the group.
            result: Its last report.
            error: Whether its worker failed.
        """

    def save(self, checkpoint_path: str) -> None:
        """Save nothing: the study is the record.

        Args:
            checkpoint_path: Where Ray would have it.
        """


class GroupScheduler(FIFOScheduler):  # type: ignore[misc]  # ray has no types
    """Record what the trials of a group report; stop the group when none of them goes on."""

    def __init__(self, groups: RayGroups, stop: StopSignal) -> None:
        super().__init__()
        self._groups = groups
        self._stop = stop

    def choose_trial_to_run(self, _controller: Any) -> Trial | None:
        """Return None: Ray starts waiting groups in their order.

        Args:
            _controller: Ray's.
        """
        return None

    def on_trial_result(self, _controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """Record the events; stop after the last trial, and after a fault of the search.

        Args:
            _controller: Ray's.
            trial: The group, to Ray a trial.
            result: Its report, with the events of its trials.

        Returns:
            Ray's word for going on or stopping.
        """
        if self._stop.fault is not None:
            return str(self.STOP)
        try:
            goes_on = self._groups.record(trial.config["number"], result["events"])
            if "errno" in result:  # it could not write, and no other group could
                raise CannotWrite(result["errno"], result["message"], result["file"]).error()
            self._stop.given_up = self._groups.recorder.given_up
        except Exception as error:
            self._stop.fault = error
            return str(self.STOP)
        return str(self.CONTINUE if goes_on else self.STOP)


def run_group(config: dict[str, Any], workload: Workload, mailbox: Any) -> None:
    """Train a group in a Ray worker and report each rung of its trials to Ray Tune.

    Args:
        config: What Ray Tune hands to the trial: the group's number.
        workload: What all trials of the search share.
        mailbox: The actor that has the group's members.
    """
    members = _WorkerMembers(workload, mailbox, config["number"])
    with members:
        try:
            hold_to_share(workload.gpu)
            create = member_training.fused(workload.order_seed())
            member_training.train_members(members.fetch(), members.report, create)
        except Interrupted as error:
            members.end_all(State.INTERRUPTED, str(error))
        except OSError as error:
            if not forbids_writing(error, workload.folder.here().root):
                members.fail_all(error)
                return
            told = CannotWrite.of(error, workload.folder)
            members.end_all(State.INTERRUPTED, told.message, asdict(told))
        except Exception as error:
            members.fail_all(error)


class _WorkerMembers:
    """The members of a group in its worker, with their logs."""

    def __init__(self, workload: Workload, mailbox: Any, group: int) -> None:
        self._workload = workload
        self._mailbox = mailbox
        self._group = group
        self._numbers: list[int] = []
        self._tasks: dict[int, Task] = {}
        self._logs = dict[int, ExitStack]()
        self._level = logging.getLogger().level

    def __enter__(self) -> None:
        logging.getLogger().setLevel(logging.INFO)

    def __exit__(self, *_error: object) -> None:
        for number in list(self._logs):
            self._logs.pop(number).close()
        logging.getLogger().setLevel(self._level)

    def fetch(self) -> list[Task]:
        """Return the trials that the group trains now."""
        proposals: list[Proposal] = ray.get(self._mailbox.get.remote(self._group))
        self._numbers = [proposal.number for proposal in proposals]
        for number in self._tasks.keys() - set(self._numbers):
            self._logs.pop(number).close()
            del self._tasks[number]
        for proposal in proposals:
            if proposal.number not in self._tasks:
                self._tasks[proposal.number] = self._begun(proposal)
        return [self._tasks[number] for number in self._numbers]

    def report(self, events: Sequence[TrialEvent]) -> list[Task]:
        """Tell the search; return the trials that are trained on."""
        for event in events:
            if "outcome" in event:
                told = {"trial": event["number"]}
                _log.info("%s: %s", event["outcome"], event["message"], extra=told)
        for task in self._tasks.values():
            task.folder.publish_log()  # here: Ray ends a group amid its last report
        ray_tune.report({"events": list(events)})
        return self.fetch()

    def fail_all(self, error: Exception) -> None:
        """Tell the search that all trials failed with one error."""
        _log.exception("the group failed")
        message = error_message(error, 0.0)
        if is_out_of_memory(error):  # no trial's own fault, so the sampler is told nothing of it
            message = (
                f"a group of {len(self._numbers)} trials ran out of memory: lower resources.fuse "
                f"({type(error).__name__}: {error})"
            )
        self.end_all(State.FAILED, message.partition("\n")[0])

    def end_all(
        self, state: State, message: str, told: Mapping[str, object] = MappingProxyType({})
    ) -> None:
        """Tell the search that all trials ended alike, and what else it has to know."""
        events = [end_event(number, state, message) for number in self._numbers]
        ray_tune.report({"events": events, **told})

    def _begun(self, proposal: Proposal) -> Task:
        task = self._workload.task(proposal.number, proposal.origin, proposal.params)
        take_up(task.folder, self._workload.folder.here(), proposal.predecessors)
        log = self._logs[task.number] = ExitStack()
        log.enter_context(log_to(task.folder, only_of=task.number))
        where = {"trial": task.number}
        _log.info("trial %d, in group %d: %s", task.number, self._group, task.params, extra=where)
        return task
