"""Run a search's trials with Ray Tune: searcher, scheduler and worker put together."""

import logging
import time
from contextlib import suppress
from typing import Any

from ray import tune as ray_tune

from tune.config.shapes import TrialShapes
from tune.exceptions import RayLostError
from tune.execution import _ray_private, ray_cluster
from tune.execution._ray_adapters import RayScheduler, RaySearcher
from tune.execution.controller import SearchController
from tune.execution.groups.ray_groups import GroupScheduler, GroupSearcher, RayGroups, run_group
from tune.execution.groups.recorder import GroupRecorder
from tune.execution.resources import ResourcePlan
from tune.execution.stop import StopSignal
from tune.execution.worker import Workload, run_trial
from tune.formatting import format_params
from tune.run_folder.paths import RunFolder
from tune.study.records import State

LOST_WORKERS = 3  # as often a trial is started again, from its last rung, when its worker dies

_log = logging.getLogger(__name__)


def run_trials(
    controller: SearchController,
    stop: StopSignal,
    workload: Workload,
    plan: ResourcePlan,
    trial_timeout_s: float | None = None,
    shapes: TrialShapes | None = None,
) -> None:
    """Run trials until the controller has no more or is told to stop.

    Trials that still run are left open; the caller ends them.

    Args:
        controller: Proposes the trials and records them.
        stop: Says when to stop.
        workload: What all trials share.
        plan: The resources of a trial and how many run at a time.
        trial_timeout_s: Seconds without a report after which a trial ends as failed; its worker is
            killed. Of a group: without a report of any of its trials; those that were being
            trained end, and those that waited for them go on.
        shapes: Which trials can be trained as one; needed where the plan fuses trials.

    Raises:
        RayLostError: Ray itself has died. The trials that ran are left open, as at any other stop.
        BaseException: An error of the search's own bookkeeping, such as a full disk, as it was.
    """
    workload.folder.go_on()
    if plan.fuse > 1 and shapes is not None:
        runner: _TrialRunner | _GroupRunner = _GroupRunner(
            controller, stop, workload, plan.fuse, shapes
        )
    else:
        runner = _TrialRunner(controller, stop, workload)
    try:
        # `Tuner` would pickle searcher and scheduler for a resume that is not ours.
        with _ray_private.quick_starts():
            ray_tune.run(
                ray_tune.with_resources(runner.trainable, {"cpu": plan.cpu, "gpu": plan.gpu}),
                name="ray",
                storage_path=str(workload.folder.scratch),
                search_alg=runner.searcher,
                scheduler=runner.scheduler,
                stop=_SignalStopper(stop, workload.folder, controller),
                callbacks=[_CrashRecorder(runner, stop, workload.folder, trial_timeout_s)],
                num_samples=-1,  # the searcher says when there are no more
                max_concurrent_trials=plan.processes,
                max_failures=LOST_WORKERS,
                raise_on_failed_trial=False,
                reuse_actors=True,
                trial_name_creator=_name,
                trial_dirname_creator=_name,
                progress_reporter=_NoReporter(),
                verbose=0,
            )
    except _RayLost:
        pass  # the fault says it
    finally:
        # What fails once Ray has died, such as a question to an actor, fails for that reason.
        stop.fault = ray_cluster.loss(workload.folder) or stop.fault
        if not isinstance(stop.fault, RayLostError):
            runner.close()
        workload.folder.go_on()
        if stop.fault is not None:
            raise stop.fault


class _RayLost(BaseException):
    """Ends Ray Tune's loop where Ray has died; an `Exception` would have it stop each actor."""


def _name(trial: Any) -> str:
    return f"trial-{trial.config['number']}"


class _TrialRunner:
    """What Ray Tune runs where each trial has a worker of its own."""

    def __init__(self, controller: SearchController, stop: StopSignal, workload: Workload) -> None:
        last_rung = len(workload.milestones) - 1
        self._controller = controller
        self.searcher = RaySearcher(controller, stop, last_rung)
        self.scheduler = RayScheduler(controller, stop, last_rung)
        self.trainable = ray_tune.with_parameters(run_trial, workload=workload)

    def label(self, config: dict[str, Any]) -> str:
        """Return what Ray's dashboard shows of a worker."""
        return f"trial {config['number']}: {format_params(config['params'])}"

    def fail(self, config: dict[str, Any], message: str) -> str | None:
        """Record the end of a trial whose worker died; return why the search ends, if it does."""
        self._controller.end(config["number"], State.FAILED, message)
        return self._controller.given_up

    def time_out(self, config: dict[str, Any], message: str) -> bool:  # noqa: ARG002
        """Return False: with the trial all ends that its worker trains; `fail` records it."""
        return False

    def close(self) -> None:
        """Do nothing: no process runs beside the trials."""


class _GroupRunner:
    """What Ray Tune runs where a worker trains several trials as one."""

    def __init__(
        self,
        controller: SearchController,
        stop: StopSignal,
        workload: Workload,
        size: int,
        shapes: TrialShapes,
    ) -> None:
        last_rung = len(workload.milestones) - 1
        refilled = workload.device != "cpu"
        self._groups = RayGroups(
            GroupRecorder(controller, shapes, size, last_rung, refilled=refilled)
        )
        self.searcher = GroupSearcher(self._groups, stop)
        self.scheduler = GroupScheduler(self._groups, stop)
        self.trainable = ray_tune.with_parameters(
            run_group, workload=workload, mailbox=self._groups.mailbox
        )

    def label(self, config: dict[str, Any]) -> str:
        """Return what Ray's dashboard shows of a worker."""
        numbers = [each.number for each in self._groups.recorder.members(config["number"])]
        return f"group of trials {', '.join(map(str, numbers))}"

    def fail(self, config: dict[str, Any], message: str) -> str | None:
        """Record the end of a group whose worker died; return why the search ends, if it does."""
        self._groups.recorder.fail(config["number"], message)
        return self._groups.recorder.given_up

    def time_out(self, config: dict[str, Any], message: str) -> bool:
        """Record the end of the trials that were trained; return whether others of it go on."""
        return self._groups.fail_those_behind(config["number"], message)

    def close(self) -> None:
        """End what runs beside the trials."""
        self._groups.close()


class _NoReporter(ray_tune.ProgressReporter):  # type: ignore[misc]  # ray has no types
    """Report nothing: Ray's own reporter for notebooks clears the output of the cell."""

    def setup(self, *_args: Any, **_settings: Any) -> None:
        """Take no notice."""

    def should_report(self, _trials: Any, done: bool = False) -> bool:  # noqa: ARG002
        """Decline."""
        return False

    def report(self, *_args: Any) -> None:
        """Print nothing."""


class _SignalStopper(ray_tune.Stopper):  # type: ignore[misc]  # ray has no types
    """Tell Ray Tune, which asks between any two events, whether to stop."""

    def __init__(self, stop: StopSignal, folder: RunFolder, controller: SearchController) -> None:
        self._stop = stop
        self._folder = folder
        self._controller = controller

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:  # noqa: ARG002
        return False

    def __reduce__(self) -> tuple[Any, ...]:
        """Leave all of it out of Ray's snapshot, which is never read again."""
        return ray_tune.stopper.NoopStopper, ()

    def stop_all(self) -> bool:
        if not self._stop.should_stop():
            return False
        if isinstance(self._stop.fault, RayLostError):
            raise _RayLost
        in_vain = self._stop.out_of_time and not self._controller.has_result
        with suppress(OSError):  # of a full disk, which is told by now; Ray ends the trials itself
            self._folder.ask_to_stop(evaluate=in_vain)
        return True


class _CrashRecorder(ray_tune.Callback):  # type: ignore[misc]  # ray has no types
    """Record the end of trials whose worker died: only here Ray says why.

    Kill the worker of a trial that has not reported for too long, so that it dies as well.
    """

    def __init__(
        self,
        runner: _TrialRunner | _GroupRunner,
        stop: StopSignal,
        folder: RunFolder,
        timeout_s: float | None,
    ) -> None:
        self._runner = runner
        self._stop = stop
        self._folder = folder
        self._timeout_s = timeout_s
        self._heard_at: dict[Any, float] = {}
        self._timed_out: set[Any] = set()

    def on_trial_start(self, *, trial: Any, **_info: Any) -> None:
        """Start the trial's timeout: a worker has taken it."""
        self._heard_at[trial] = time.monotonic()
        _ray_private.name_tasks(trial, self._runner.label(trial.config))

    def on_trial_result(self, *, trial: Any, **_info: Any) -> None:
        """Restart the trial's timeout."""
        self._heard_at[trial] = time.monotonic()

    def on_trial_complete(self, *, trial: Any, **_info: Any) -> None:
        """Stop the trial's timeout."""
        self._heard_at.pop(trial, None)

    def on_step_begin(self, **_info: Any) -> None:
        """Kill the workers of trials whose timeout is over; Ray then reports that they died."""
        if self._timeout_s is None:
            return
        latest = time.monotonic() - self._timeout_s
        for trial in [each for each, heard_at in self._heard_at.items() if heard_at < latest]:
            del self._heard_at[trial]
            if _ray_private.has_worker(trial):
                self._time_out(trial)

    def _time_out(self, trial: Any) -> None:
        try:
            goes_on = self._runner.time_out(trial.config, self._timeout_message())
        except Exception as fault:
            self._stop.fault = fault
            return
        if not goes_on:
            self._timed_out.add(trial)
        _ray_private.kill_worker(trial, again=goes_on)

    def _timeout_message(self) -> str:
        return f"timed out: no report for {self._timeout_s:g} s"

    def on_trial_error(self, *, trial: Any, **_info: Any) -> None:
        """Record a failed trial, with the reason that Ray knows, unless Ray itself has died."""
        self._heard_at.pop(trial, None)
        if (lost := ray_cluster.loss(self._folder, ray_cluster.WORKER_FIRST_S)) is not None:
            self._stop.fault = lost
            return
        failure = _ray_private.last_failure(trial)
        _log.error("%s failed: %s", trial, failure.text)
        message = failure.message
        if trial in self._timed_out:
            message = self._timeout_message()
        try:
            self._stop.given_up = self._runner.fail(trial.config, message)
        except Exception as fault:
            self._stop.fault = fault
