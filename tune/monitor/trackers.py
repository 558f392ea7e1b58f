"""Send trials to TensorBoard, MLflow and Weights & Biases while they run.

Each is a `Callback` of the search, as the display is, and not a callback of Ray Tune: Ray's own
know neither a pruned nor an interrupted trial (to Ray both have ended well), and log our
bookkeeping as the parameters. An error in one is printed once, and the search goes on without it.
"""

import importlib.util
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, Protocol

from tune.exceptions import SearchError
from tune.monitor import mlflow_runs
from tune.run_folder.paths import RunFolder
from tune.study.callback import TrialCallback
from tune.study.records import Proposal, State, TrialRecord

PACKAGES = {
    "tensorboard": ("tensorboardX", "tensorboardX"),
    "mlflow": ("mlflow", "mlflow-skinny"),
    "wandb": ("wandb", "wandb"),
}
"""What to import for a tracker, and what to install for it."""

Say = Callable[[str], None]


class Tracker(TrialCallback, Protocol):
    """A callback that has to be closed."""

    def close(self) -> None:
        """Finish: nothing more will come."""


def check_trackers(names: Sequence[str]) -> None:
    """Check that the packages of some trackers are installed.

    Args:
        names: Keys of `PACKAGES`.

    Raises:
        SearchError: One is missing; the message says what to install.
    """
    for name in names:
        module, package = PACKAGES[name]
        if importlib.util.find_spec(module) is None:
            raise SearchError(f"--track {name} needs a package: pip install {package}")


class Tracked:
    """Pass each event on to a callback and to the trackers."""

    def __init__(
        self,
        watcher: TrialCallback,
        names: Sequence[str],
        folder: RunFolder,
        metric: str,
        say: Say,
    ) -> None:
        self._watcher = watcher
        self._say = say
        self._trackers: dict[str, Tracker] = {}
        for name in names:
            self._try(name, partial(self._add, name, folder, metric))

    def on_trial_start(self, proposal: Proposal) -> None:
        """Pass on that a trial was asked for, to the watcher and to each tracker.

        Args:
            proposal: Its number, name and parameters.
        """
        self._watcher.on_trial_start(proposal)
        self._tell(lambda tracker: tracker.on_trial_start(proposal))

    def on_trial_report(self, number: int, rung: int, metrics: Mapping[str, float]) -> None:
        """Pass on what a trial reached, to the watcher and to each tracker.

        Args:
            number: The trial's, from 0.
            rung: Counted from 0.
            metrics: By name, as the objective gave them.
        """
        self._watcher.on_trial_report(number, rung, metrics)
        self._tell(lambda tracker: tracker.on_trial_report(number, rung, metrics))

    def on_trial_end(self, record: TrialRecord) -> None:
        """Pass on how a trial ended, to the watcher and to each tracker.

        Args:
            record: The trial with its state and all its reports.
        """
        self._watcher.on_trial_end(record)
        self._tell(lambda tracker: tracker.on_trial_end(record))

    def close(self) -> None:
        """Have the trackers write what is left."""
        self._tell(lambda tracker: tracker.close())

    def _add(self, name: str, folder: RunFolder, metric: str) -> None:
        self._trackers[name] = _MAKERS[name](folder, metric, self._say)

    def _tell(self, what: Callable[[Tracker], None]) -> None:
        for name, tracker in list(self._trackers.items()):
            self._try(name, partial(what, tracker))

    def _try(self, name: str, what: Callable[[], None]) -> None:
        try:
            what()
        except Exception as error:
            self._trackers.pop(name, None)
            reason = f"{type(error).__name__}: {_first_line(error)}"
            self._say(f"--track {name} was switched off after an error: {reason}")


class _TensorBoard:
    """A folder of events per trial, below `track/tensorboard`."""

    def __init__(self, folder: RunFolder, metric: str, _say: Say) -> None:
        import tensorboardX  # late: it takes half a second, and most searches do without
        from tensorboardX.summary import hparams

        self._root = folder.track / "tensorboard"
        self._metric = metric
        self._make = tensorboardX.SummaryWriter
        self._hparams = hparams
        self._writers: dict[int, Any] = {}

    def on_trial_start(self, proposal: Proposal) -> None:
        self._writers[proposal.number] = self._make(str(self._root / f"trial-{proposal.number}"))

    def on_trial_report(self, number: int, rung: int, metrics: Mapping[str, float]) -> None:
        step = int(metrics.get("step", rung))
        for name, value in metrics.items():
            self._writers[number].add_scalar(name, value, step)
        self._writers[number].flush()

    def on_trial_end(self, record: TrialRecord) -> None:
        writer = self._writers.pop(record.number)
        params = {name: _plain(value) for name, value in record.params.items()}
        if record.value is not None:
            best = f"best_{self._metric}"
            writer.add_scalar(best, record.value)
            # Not `add_hparams`: its file has the name of ours and may replace it.
            for summary in self._hparams(params, {best: record.value}):
                writer.file_writer.add_summary(summary)
        writer.add_text("state", f"{record.state} {record.message}".strip())
        writer.close()

    def close(self) -> None:
        for writer in self._writers.values():
            writer.close()


class _MLflow:
    """A run for the search, in an experiment of its name, and a run below it for each trial."""

    _STATUS: ClassVar = {
        State.COMPLETE: "FINISHED",
        State.PRUNED: "FINISHED",
        State.DIVERGED: "FAILED",
        State.FAILED: "FAILED",
        State.INTERRUPTED: "KILLED",
    }

    def __init__(self, folder: RunFolder, metric: str, _say: Say) -> None:
        self._client = mlflow_runs.client_of(folder)
        self._metric = metric
        self._runs: dict[int, str] = {}
        self._experiment, is_old = mlflow_runs.experiment_of(self._client, folder)
        if is_old:
            self._close_cut_off()
        self._parent = mlflow_runs.parent_run(self._client, folder)
        self._client.update_run(self._parent, status="RUNNING")

    def _close_cut_off(self) -> None:
        """End the runs that a killed search left running."""
        query = "attributes.status = 'RUNNING'"
        for run in self._client.search_runs([self._experiment], query):
            self._client.set_terminated(run.info.run_id, "KILLED")

    def on_trial_start(self, proposal: Proposal) -> None:
        name = f"trial-{proposal.number}"
        tags = {mlflow_runs.PARENT: self._parent}
        made = self._client.create_run(self._experiment, run_name=name, tags=tags)
        self._runs[proposal.number] = made.info.run_id
        for key, value in proposal.params.items():
            self._client.log_param(made.info.run_id, key, _plain(value))

    def on_trial_report(self, number: int, rung: int, metrics: Mapping[str, float]) -> None:
        step = int(metrics.get("step", rung))
        for name, value in metrics.items():
            self._client.log_metric(self._runs[number], name, value, step=step)

    def on_trial_end(self, record: TrialRecord) -> None:
        run = self._runs.pop(record.number)
        self._client.set_tag(run, "state", record.state.value)
        if record.message:
            self._client.set_tag(run, "message", record.message)
        if record.value is not None:
            self._client.log_metric(run, f"best_{self._metric}", record.value)
        self._client.set_terminated(run, self._STATUS[record.state])

    def close(self) -> None:
        self._client.set_terminated(self._parent, "FINISHED")


class _WandB:
    """A run per trial, in a project of the search's name unless WANDB_PROJECT names another.

    Without a key of Weights & Biases, or with WANDB_MODE=offline, they lie in `track/wandb`.
    """

    def __init__(self, folder: RunFolder, metric: str, say: Say) -> None:
        import wandb  # late, as above

        self._wandb = wandb
        self._folder = folder
        self._metric = metric
        self._settings = wandb.Settings(silent=True, console="off", x_disable_stats=True)
        self._mode: Any = os.environ.get("WANDB_MODE") or self._reachable()
        self._runs: dict[int, Any] = {}
        folder.track.mkdir(exist_ok=True)
        if self._mode == "offline":
            say(
                f"--track wandb: offline; `wandb sync {folder.track}/wandb/offline-run-*` sends "
                "the trials, once `wandb login` has a key"
            )

    def _reachable(self) -> str:
        return "online" if self._wandb.login(prompt=False) else "offline"

    def on_trial_start(self, proposal: Proposal) -> None:
        self._runs[proposal.number] = self._wandb.init(
            project=os.environ.get("WANDB_PROJECT") or self._folder.name,
            group=self._folder.name,
            name=f"trial-{proposal.number}",
            dir=str(self._folder.track),
            config={name: _plain(value) for name, value in proposal.params.items()},
            mode=self._mode,
            reinit="create_new",  # trials run side by side
            settings=self._settings,
        )

    def on_trial_report(self, number: int, rung: int, metrics: Mapping[str, float]) -> None:
        self._runs[number].log(dict(metrics), step=int(metrics.get("step", rung)))

    def on_trial_end(self, record: TrialRecord) -> None:
        run = self._runs.pop(record.number)
        run.summary["state"] = record.state.value
        if record.message:
            run.summary["message"] = record.message
        if record.value is not None:
            run.summary[f"best_{self._metric}"] = record.value
        run.finish(exit_code=0 if record.state in (State.COMPLETE, State.PRUNED) else 1)

    def close(self) -> None:
        for run in self._runs.values():
            run.finish(exit_code=1)
        # `finish` asks wandb's process to close the run's file and does not wait for it; what is
        # still in its buffers would be lost with this process. `teardown` waits, and would end a
        # run of the user's own as well.
        if self._wandb.run is None:
            self._wandb.teardown()


_MAKERS: dict[str, Callable[[RunFolder, str, Say], Tracker]] = {
    "tensorboard": _TensorBoard,
    "mlflow": _MLflow,
    "wandb": _WandB,
}


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or ["no reason given"])[0]


def _plain(value: object) -> object:
    """Return a value that every tracker can show."""
    return value if isinstance(value, bool | int | float | str) else str(value)
