"""Run one trial inside a Ray worker.

The worker lives through many trials; the arrays come out of the object store without a copy. A
trial that goes wrong ends in a report like any other, so that its worker is kept and the search
goes on.
"""

import errno
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ray import tune as ray_tune

from textcls.config.models import EmbeddingConfig, ModelConfig, TrainConfig
from textcls.exceptions import DivergedError
from textcls.text.encoding import concatenated
from tune.execution.task import Arrays, Objective, Task, check_finite
from tune.run_folder.disk_errors import forbids_writing
from tune.run_folder.paths import RunFolder
from tune.run_folder.trial_folder import TrialFolder
from tune.study.records import OUT_OF_MEMORY, Interrupted, State

_log = logging.getLogger(__name__)

Configure = Callable[[Mapping[str, Any]], tuple[ModelConfig, EmbeddingConfig, TrainConfig]]


@dataclass(frozen=True, slots=True)
class Workload:
    """The parts that all trials of a search share; sent to each worker once by the object store."""

    objective: Objective
    configure: Configure
    arrays: dict[EmbeddingConfig, Arrays]
    milestones: tuple[float, ...]
    metric: str
    folder: RunFolder
    threads: int
    device: str
    gpu: float = 0.0
    """The share of a card that a trial may use; 1 or more is all of it."""
    folds: dict[EmbeddingConfig, list[Arrays]] = field(default_factory=dict)
    """For a confirmation in folds: the arrays of each."""
    session: str = ""
    """What `RunFolder.begin_session` returned; empty where there are no copies."""

    def task(self, number: int, origin: int, params: Mapping[str, Any]) -> Task:
        """Make one trial of the search.

        Args:
            number: The trial's.
            origin: The first of its chain of interrupted trials, whose number its seed is counted
                from: the trial that continues another has its seed.
            params: Its parameters, as a configuration means them.

        Returns:
            Everything that the objective needs, with the folder on the machine that asks.
        """
        folder = self.here()
        _, _, train = self.configure(params)
        made = self._task(number, params, train.seed + origin, folder.trial(number))
        return replace(made, heartbeat=folder.heartbeat(number))

    def order_seed(self) -> int:
        """Return the seed of the texts' order in groups of trials: one for all of them."""
        _, _, train = self.configure({})
        return train.seed

    def here(self) -> RunFolder:
        """Return the run folder on the machine that asks, with nothing of another session in it."""
        folder = self.folder.here()
        if self.session:
            folder.store.join_session(self.session)
        return folder

    def rerun(
        self,
        number: int,
        seed: int,
        params: Mapping[str, Any],
        *,
        everything: bool = False,
        fold: int | None = None,
    ) -> Task:
        """Make a trial's configuration a task of its own with another seed, up to its end.

        Args:
            number: The trial's.
            seed: The fresh seed.
            params: Its parameters, as a configuration means them.
            everything: Whether the validation texts are among those that are trained on.
            fold: The fold whose texts are the validation texts; None for the validation split.

        Returns:
            A task with one rung, its end, in a folder below `confirm/`.
        """
        folder = self.here()
        place = folder.retrained if everything else folder.rerun(number, seed)
        made = self._task(number, params, seed, place)
        arrays = with_validation(made.arrays) if everything else made.arrays
        if fold is not None:
            _, embedding, _ = self.configure(params)
            arrays = self.folds[embedding][fold]
        return replace(made, arrays=arrays, milestones=self.milestones[-1:])

    def _task(self, number: int, params: Mapping[str, Any], seed: int, folder: TrialFolder) -> Task:
        model, embedding, train = self.configure(params)
        update = {"seed": seed, "threads": train.threads or self.threads}
        return Task(
            number=number,
            params=params,
            model=model,
            train=train.model_copy(update=update),
            arrays=self.arrays[embedding],
            milestones=self.milestones,
            metric=self.metric,
            folder=folder,
            stop=self.folder.here().stop,
            device=self.device,
        )


@dataclass(frozen=True, slots=True)
class CannotWrite:
    """An error of the run folder's disk or store, as a worker tells it to the search."""

    errno: int
    message: str
    file: str

    @classmethod
    def of(cls, error: OSError, folder: RunFolder) -> "CannotWrite":
        """Take down an error that says that the run cannot be written.

        Args:
            error: Of this machine's files or of a store, which may give neither number nor file.
            folder: The run, which is named where the error names no file.
        """
        message = error.strerror or str(error)
        return cls(error.errno or errno.EIO, message, str(error.filename or folder.root))

    def error(self) -> OSError:
        """Return the error to raise in the search's own process."""
        return OSError(self.errno, self.message, self.file)


def with_validation(arrays: Arrays) -> Arrays:
    """Return the arrays with the validation texts among those of train.

    Args:
        arrays: Have a validation split.

    Returns:
        Splits without "validation"; train has no linear scores.
    """
    both = concatenated(arrays.splits["train"], arrays.splits["validation"])
    rest = {name: split for name, split in arrays.splits.items() if name != "validation"}
    return Arrays({**rest, "train": both}, arrays.embeddings, arrays.num_classes)


def run_trial(config: dict[str, Any], workload: Workload) -> None:
    """Run the objective and report each rung, or how it went wrong, to Ray Tune.

    Args:
        config: What Ray Tune hands to the trial: its number, origin, parameters and predecessors.
        workload: What all trials share.
    """
    try:
        task = workload.task(config["number"], config["origin"], config["params"])
        take_up(task.folder, workload.folder.here(), config["predecessors"])
        _run_logged(task, workload)
        task.folder.publish_log()
    except OSError as error:
        told = CannotWrite.of(error, workload.folder)
        ray_tune.report({"outcome": State.INTERRUPTED.value, **asdict(told)})
    except Exception as error:  # of the same kind in every worker, so another would not help
        _log.exception("the trial failed outside of its objective")
        message = error_message(error, workload.gpu).partition("\n")[0]
        ray_tune.report({"outcome": State.FAILED.value, "message": message})


def take_up(trial: TrialFolder, folder: RunFolder, predecessors: Sequence[int]) -> None:
    """Bring what an earlier worker left of a trial or, where there is nothing, of its chain.

    Args:
        trial: The trial's folder on this machine.
        folder: The run.
        predecessors: The numbers of the interrupted trials that it continues, the latest first. It
            starts from the one that got furthest, since a later one may not have begun.

    Raises:
        OSError: The store does not answer, or the disk cannot be written.
    """
    trial.fetch()
    earlier = [folder.trial(number) for number in predecessors]
    for each in earlier:
        each.fetch()
    if earlier and (best := max((trial, *earlier), key=_worth)) is not trial:  # first of equals
        trial.adopt(best)
    if trial.curve.exists():  # a worker that was lost may not have stored all of it
        trial.publish(*trial.checkpoints())


def _worth(trial: TrialFolder) -> tuple[int, int]:
    """Sort trials of a chain by how far they are, then by how much was stored or kept of them."""
    return trial.rungs(), len(trial.checkpoints())


def _run_logged(task: Task, workload: Workload) -> None:
    with log_to(task.folder):
        _log.info("trial %d: %s", task.number, dict(task.params))
        hold_to_share(workload.gpu)
        outcome = run_objective(workload.objective, task, ray_tune.report, workload.gpu)
        if outcome is not None:
            state, message = outcome
            _log.info("%s: %s", state, message)
            ray_tune.report({"outcome": state.value, "message": message})


def run_objective(
    objective: Objective,
    task: Task,
    report: Callable[[dict[str, Any]], None],
    gpu: float = 0.0,
) -> tuple[State, str] | None:
    """Run an objective and report each rung.

    Args:
        objective: Yields the metrics of a trial at each rung.
        task: The trial.
        report: Called with the metrics of each rung.
        gpu: The trial's share of a card, for the message when its memory runs out.

    Returns:
        The state and the message of a trial that went wrong, else None.

    Raises:
        OSError: The run folder cannot be written: no other trial would do better.
    """
    rungs = 0
    try:
        for rung, metrics in enumerate(objective(task)):
            check_finite({task.metric: float(metrics[task.metric]), **metrics}, rung)
            _log.info("rung %d: %s", rung + 1, dict(metrics))
            task.folder.publish_log()  # here: Ray ends a trial amid its last report
            report({"rung": rung, "reported": list(metrics), **metrics})
            rungs += 1
    except DivergedError as error:
        return State.DIVERGED, str(error)
    except Interrupted as error:
        return State.INTERRUPTED, str(error)
    except Exception as error:
        root = task.folder.root.parent.parent  # the run folder
        if isinstance(error, OSError) and forbids_writing(error, root):
            raise
        _log.exception("the trial failed")
        return State.FAILED, error_message(error, gpu)
    if rungs == len(task.milestones):
        return None
    return State.FAILED, f"ended after {rungs} of {len(task.milestones)} rungs"


def hold_to_share(share: float) -> None:
    """Limit this process to its share of a card's memory.

    Args:
        share: From 0 to 1; nothing is limited at 0, without a card, and at 1 or more.
    """
    if 0 < share < 1:
        import torch  # late: a trial without a card may not need it

        from tune.execution.gpu_share import allocator_fraction

        card = torch.cuda.get_device_properties(0).total_memory
        torch.cuda.set_per_process_memory_fraction(allocator_fraction(share, card))


def error_message(error: Exception, gpu: float) -> str:
    """Return what an exception of a trial means, as one message.

    Args:
        error: The exception.
        gpu: The trial's share of a card, for the message when its memory runs out.
    """
    text = f"{type(error).__name__}: {error}".strip()
    # torch has an error of its own on a GPU and a mere RuntimeError on the CPU.
    on_card = type(error).__name__ == "OutOfMemoryError"
    if on_card and 0 < gpu < 1:
        return f"{OUT_OF_MEMORY}: it had {gpu:.3g} of a card; raise resources.gpu ({text})"
    if is_out_of_memory(error):
        return f"{OUT_OF_MEMORY} ({text})"
    return text


def is_out_of_memory(error: Exception) -> bool:
    """Tell whether an exception says that there is no memory left, on a card or beside it.

    Args:
        error: What a trial raised, by torch, numpy or Python.
    """
    if type(error).__name__ == "OutOfMemoryError" or isinstance(error, MemoryError):
        return True
    return "can't allocate memory" in str(error)


@contextmanager
def log_to(folder: TrialFolder, only_of: int | None = None) -> Iterator[None]:
    """Write what this process logs into a trial's log.

    Args:
        folder: The trial's.
        only_of: The trial's number, in a process with several: what is logged with the number of
            another one (`extra={"trial": NUMBER}`) is left out.
    """
    folder.root.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(folder.log, encoding="utf-8")
    formatter = logging.Formatter("%(asctime)s %(levelname)s %(message)s")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    if only_of is not None:
        handler.addFilter(lambda record: getattr(record, "trial", only_of) == only_of)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
        handler.close()
