"""Train the best trials again on the cluster, with fresh seeds, and keep their results."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ray

from textcls.exceptions import DivergedError
from tune.config import optuna_space
from tune.config.search_file import SearchFile
from tune.execution import ray_cluster
from tune.execution.data import Corpora
from tune.execution.resources import ResourcePlan
from tune.execution.stop import StopSignal
from tune.execution.task import check_finite
from tune.execution.worker import CannotWrite, Workload
from tune.formatting import counted
from tune.results import _rerun_stats
from tune.results._rerun_stats import FIRST_SEED, Confirmation, Rerun
from tune.results.preference import choose_cheapest
from tune.results.winner import Trained, linear_value
from tune.run_folder.disk_errors import forbids_writing
from tune.run_folder.paths import RunFolder
from tune.study.records import TrialRecord
from tune.study.study import WORST

_log = logging.getLogger(__name__)
_LOOK_S = 0.2  # between two looks at the stop signal


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The winner among the trials that were trained again, and the run that is exported."""

    record: TrialRecord
    trained: Trained
    confirmation: Confirmation
    candidates: tuple[TrialRecord, ...] = ()
    """The trials that were trained again."""


@dataclass(frozen=True, slots=True)
class _Job:
    """One configuration, one seed."""

    number: int
    seed: int
    params: Mapping[str, Any]
    everything: bool = False
    """Whether the validation texts are trained on as well."""
    fold: int | None = None
    """The fold whose texts are set apart; None for the validation split."""


def rerun_best(
    config: SearchFile,
    records: Sequence[TrialRecord],
    workload: Workload,
    plan: ResourcePlan,
    stop: StopSignal,
    say: Callable[[str], None],
    corpora: Corpora,
) -> Confirmed | None:
    """Train the best trials again with fresh seeds; runs of an earlier call are kept.

    With `confirm.folds` each seed has other texts set apart (`workload.folds`). Seeds go before
    configurations, so that a budget that ends early leaves all with as many. One checkpoint of each
    configuration is kept, that of its best seed. A run that diverges or fails counts as the worst
    value. The winner's last training, where that is asked for, is outside of the budget.

    Args:
        config: The search; its section `confirm` says how many trials and seeds.
        records: The trials, best first.
        workload: What all trials of the search share.
        plan: The resources of a run and how many run at a time.
        stop: Says when to stop.
        say: Called with a sentence before each stage.
        corpora: The corpora of the trials, by which `search.prefer` knows what is cheap.

    Returns:
        The winner; None where the search was stopped before anything was trained, or where every
        run failed.

    Raises:
        OSError: The run folder cannot be written.
    """
    asked, folder = config.search.confirm, workload.folder
    chosen = {record.number: record for record in records[: asked.top]}
    reruns = _rerun_stats.read_reruns(folder)
    known = {(rerun.number, rerun.seed) for rerun in reruns}
    jobs = [_job(config, record, i) for i in range(asked.seeds) for record in chosen.values()]
    jobs = [job for job in jobs if (job.number, job.seed) not in known]
    if jobs:
        each = counted(asked.seeds, "seed") + (" each" if len(chosen) > 1 else "")
        runs = counted(len(jobs), "run")
        say(f"Confirming {counted(len(chosen), 'trial')} with {each}: {runs}.")
    for job, metrics in _trained(jobs, workload, plan, stop, say):
        reruns.append(Rerun(job.number, job.seed, metrics or {workload.metric: WORST}))
        _rerun_stats.write_reruns(folder, reruns)
        _keep_best(folder, reruns, workload.metric)
    # Once more: a store may have lost a request to delete, or an earlier search's last ones.
    _keep_best(folder, reruns, workload.metric)
    searched = [(record.number, record.value or 0.0) for record in chosen.values()]
    judged = _rerun_stats.judge_reruns(workload.metric, searched, reruns)
    if judged is None:
        return None
    trials = tuple(chosen.values())
    cheaper = choose_cheapest(config, corpora, trials, judged)
    record = chosen[judged.standings[0].number if cheaper is None else cheaper.chosen]
    best = best_rerun(reruns, record.number, workload.metric)
    if best.metrics == {workload.metric: WORST}:
        say("No run of the confirmation came to its end, so the search's own winner stays.")
        return None
    trained = Trained(_checkpoint(folder, best), best.metrics, best.seed)
    linear = _linear_mean(workload, _params(config, record), len(judged.standings[0].values))
    judged = replace(judged, linear=linear)
    stop.lift_deadline()
    if not asked.retrain or stop.should_stop():
        return Confirmed(record, trained, judged, trials)
    if linear is not None and linear >= judged.standing(record.number).mean:
        return Confirmed(
            record, replace(trained, everything=True), judged, trials
        )  # it needs no encoder
    say("Training the winner once more, on train and validation together.")
    job = _Job(record.number, best.seed, _params(config, record), everything=True)
    for _, metrics in _trained([job], workload, plan, stop, say):
        if not metrics:
            say("The winner stays as it was confirmed.")
            break
        checkpoint = folder.local(folder.retrained.checkpoint(0))
        trained = Trained(checkpoint, metrics, best.seed, everything=True)
    return Confirmed(record, trained, judged, trials)


def _linear_mean(workload: Workload, params: Mapping[str, Any], folds: int) -> float | None:
    """Return the mean over the folds of the linear classifier alone; None where it has no part."""
    model, embedding, _ = workload.configure(params)
    if model.linear_weight <= 0 or embedding not in workload.folds:
        return None
    found = [
        linear_value(arrays.splits["validation"], workload.metric, arrays.num_classes)
        for arrays in workload.folds[embedding][:folds]
    ]
    known = [value for value in found if value is not None]
    return sum(known) / len(known) if known else None


def _job(config: SearchFile, record: TrialRecord, index: int) -> _Job:
    params = _params(config, record)
    _, _, train = config.configuration(params)
    fold = index if config.search.confirm.folds else None
    return _Job(record.number, train.seed + FIRST_SEED + index, params, fold=fold)


def _params(config: SearchFile, record: TrialRecord) -> Mapping[str, Any]:
    return optuna_space.decode_params(optuna_space.searched(config), record.params)


def _trained(
    jobs: Sequence[_Job],
    workload: Workload,
    plan: ResourcePlan,
    stop: StopSignal,
    say: Callable[[str], None],
) -> Iterator[tuple[_Job, dict[str, float]]]:
    """Yield every job with its metrics, as they end; jobs that a stop cuts off are left out.

    Raises:
        RayLostError: Ray itself has died.
    """
    workload.folder.go_on()
    shared = ray.put(workload)
    remote = ray.remote(num_cpus=plan.cpu, num_gpus=plan.gpu, max_retries=2)(_train)
    waiting = list(reversed(jobs))
    running: dict[Any, _Job] = {}
    try:
        while (waiting or running) and not stop.should_stop():
            while waiting and len(running) < plan.concurrent:
                job = waiting.pop()
                running[remote.remote(shared, job)] = job
            for reference in ray.wait(list(running), timeout=_LOOK_S)[0]:
                yield running.pop(reference), _metrics(reference, workload.folder, say)
    finally:
        if ray_cluster.loss(workload.folder) is None:
            _stop(workload.folder, list(running))
    if stop.fault is not None:
        raise stop.fault


def _metrics(reference: Any, folder: RunFolder, say: Callable[[str], None]) -> dict[str, float]:
    """Return what a run reached; nothing of one that failed or whose worker died, which is said.

    Raises:
        OSError: The run folder cannot be written.
        RayLostError: Ray itself has died.
    """
    try:
        told = ray.get(reference)
    except ray.exceptions.RayError as error:
        if (lost := ray_cluster.loss(folder, ray_cluster.WORKER_FIRST_S)) is not None:
            raise lost from error
        told = f"its worker was lost ({str(error).strip().splitlines()[0]})"
    if isinstance(told, CannotWrite):
        raise told.error()
    if isinstance(told, str):
        say(f"A run of the confirmation failed: {told}")
        return {}
    found: dict[str, float] = told
    return found


def _train(workload: Workload, job: _Job) -> dict[str, float] | CannotWrite | str:
    """Train one job to its end, in a worker, and leave its checkpoint.

    Returns its metrics, or why the folder cannot be written, or the message of another failure.
    """
    try:
        task = workload.rerun(
            job.number, job.seed, job.params, everything=job.everything, fold=job.fold
        )
        task.folder.root.mkdir(parents=True, exist_ok=True)
        if task.folder.curve.exists():  # of a process that ended before it had stored all of it
            task.folder.publish(*task.folder.checkpoints())
        *_, last = workload.objective(task)
        check_finite(last, len(task.milestones) - 1)
    except DivergedError as error:
        return _failure(job, error)
    except OSError as error:
        if forbids_writing(error, workload.folder.here().root):
            return CannotWrite.of(error, workload.folder)
        return _failure(job, error)
    except Exception as error:
        return _failure(job, error)
    return dict(last)


def _failure(job: _Job, error: Exception) -> str:
    _log.exception("trial %d, seed %d failed", job.number, job.seed)
    first_line = f"{type(error).__name__}: {error}".partition("\n")[0]
    return f"trial {job.number} with seed {job.seed}: {first_line}"


def _checkpoint(folder: RunFolder, rerun: Rerun) -> Path:
    """Return a rerun's checkpoint; the first runs kept it as a file beside `runs.json`."""
    path = folder.rerun(rerun.number, rerun.seed).checkpoint(0)
    early = folder.reruns.with_name(f"{rerun.number}-{rerun.seed}.safetensors")
    return early if early.exists() else folder.local(path)


def _keep_best(folder: RunFolder, reruns: Sequence[Rerun], metric: str) -> None:
    """Delete the checkpoints of every seed but the best one of each configuration."""
    for rerun in reruns:
        best = best_rerun(reruns, rerun.number, metric)
        if rerun.seed != best.seed:
            folder.rerun(rerun.number, rerun.seed).tidy(set())


def best_rerun(reruns: Sequence[Rerun], number: int, metric: str) -> Rerun:
    """Return the rerun of a configuration with the highest value, the first of equals.

    Args:
        reruns: Of several configurations.
        number: The trial whose configuration it is; it was trained again at least once.
        metric: The metric that is maximised.

    Raises:
        ValueError: The configuration was not trained again.
    """
    mine = [rerun for rerun in reruns if rerun.number == number]
    return max(mine, key=lambda rerun: rerun.metrics[metric])


def _stop(folder: RunFolder, running: list[Any]) -> None:
    """End what still runs; it has a moment to notice before it is killed."""
    if not running:
        return
    folder.ask_to_stop()
    deadline = time.monotonic() + 5.0
    while running and time.monotonic() < deadline:
        _, running = ray.wait(running, timeout=_LOOK_S)
    for reference in running:
        ray.cancel(reference, force=True)
    folder.go_on()
