"""The objective of a search: train a classifier, rung by rung, each with its checkpoint."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from textcls.exceptions import BundleError, DivergedError
from textcls.training.importing import paused_collection
from tune.execution.task import Task, check_finite
from tune.run_folder import atomic
from tune.run_folder.heartbeat import Heartbeat
from tune.study.records import Interrupted

if TYPE_CHECKING:
    from textcls.training.trainer import Training

_log = logging.getLogger(__name__)


def train_classifier(task: Task) -> Iterator[dict[str, float]]:
    """Train one configuration and yield its metrics at each rung.

    At each rung the curve is written first, then the checkpoint, so that the checkpoint is never
    ahead of the curve; then the metrics are yielded. A trial whose folder holds a checkpoint yields
    its curve up to there again and goes on. Only the latest checkpoint and that of the best rung
    are kept; older ones are deleted after the caller has taken the metrics, since the best rung
    that it knows of until then may be one of them.

    A trial that is stopped before its first rung is evaluated where it stands if the search asks
    for that, which it does when its time budget ends without a result.

    Args:
        task: The configuration, its texts, its rungs in epochs and its folder.

    Yields:
        Loss, accuracy, macro F1 and balanced accuracy of each split, with the epoch, steps and
        seconds, by names such as `val_accuracy`.

    Raises:
        DivergedError: The loss of training, or a metric, is no longer finite.
        Interrupted: The search has to stop.
    """
    with paused_collection():
        import torch  # late: the process that only sends this does without

        from textcls.training.trainer import Training

    if task.train.threads:
        torch.set_num_threads(task.train.threads)
    arrays = task.arrays
    training = Training(
        arrays.splits,
        arrays.embeddings,
        arrays.num_classes,
        task.model,
        task.train,
        device=task.device,
    )
    curve = _restored(training, task)
    before_s = curve[-1]["seconds"] if curve else 0.0
    yield from list(curve)
    if curve:  # a worker that died had no time to
        task.folder.keep({len(curve) - 1, best_rung(curve, task.metric)})
    _log.info("ready: step %d of %d", training.step, training.total_steps)
    results = training.fit(task.milestones, _ticker(task, training.steps_per_epoch))
    for rung in range(len(curve), len(task.milestones)):
        # With few texts two rungs may fall on one step; the later one then has the same metrics.
        if not curve or curve[-1]["step"] < _step_at(training, task.milestones[rung]):
            try:
                result = next(results)
            except DivergedError:
                _write_steps(training, task)
                raise
            except Interrupted:
                if not curve and task.is_evaluated_on_stop():
                    _leave_unfinished(training, task)
                raise
            curve.append(result.as_dict())
            curve[-1]["seconds"] += before_s
        else:
            curve.append(curve[-1])
        check_finite(curve[-1], rung)
        _write_steps(training, task)
        atomic.write_json(task.folder.curve, curve)
        training.save(task.folder.checkpoint(rung))
        task.folder.publish(rung)
        yield curve[-1]
        task.folder.keep({rung, best_rung(curve, task.metric)})


def _leave_unfinished(training: "Training", task: Task) -> None:
    """Evaluate a trial before its first rung and leave its metrics, after its weights."""
    metrics = {**training.scores(), "epoch": training.step / training.steps_per_epoch}
    check_finite(metrics, 0)
    folder = task.folder
    training.save(folder.unfinished_checkpoint)
    atomic.write_json(folder.unfinished, {**metrics, "step": training.step})
    folder.store.publish(folder.unfinished_checkpoint, folder.unfinished)


def _write_steps(training: "Training", task: Task) -> None:
    if training.log is not None:
        from textcls.training.step_log import points_as_csv

        atomic.write_text(task.folder.steps, points_as_csv(training.log.points))


def _ticker(task: Task, steps_per_epoch: int) -> Callable[[int, int], None]:
    """Return a function that checks for a stop and writes the heartbeat, for every few steps."""
    heartbeat = Heartbeat(task.heartbeat) if task.heartbeat is not None else None

    def tick(step: int, _total: int) -> None:
        task.check()
        if heartbeat is not None:
            heartbeat.beat(step / steps_per_epoch)

    return tick


def _step_at(training: "Training", epoch: float) -> int:
    return min(training.total_steps, max(1, round(epoch * training.steps_per_epoch)))


def _restored(training: "Training", task: Task) -> list[dict[str, Any]]:
    """Restore the latest readable checkpoint into `training`; return the curve up to there."""
    curve = task.folder.read_curve()
    for rung, path in reversed(task.folder.checkpoints().items()):
        if rung >= len(curve):
            continue
        try:
            training.restore(path)
        except BundleError as error:
            _log.warning("going on from before rung %d: %s", rung + 1, error)
            continue
        if training.log is not None:
            from textcls.training.step_log import StepPoint

            points = [StepPoint(**each) for each in task.folder.read_steps()]
            training.log.restore(points, training.step)
        return curve[: rung + 1]
    return []


def best_rung(curve: Sequence[Mapping[str, Any]], metric: str) -> int:
    """Return the rung with the highest value of a metric, the earliest of equals.

    Args:
        curve: The metrics of each rung, at least one.
        metric: Counts as 0 where a rung lacks it.

    Returns:
        The rung, from 0.
    """
    # What is trained on the validation texts as well has no metric of theirs.
    return max(range(len(curve)), key=lambda rung: (curve[rung].get(metric, 0.0), -rung))
