"""A whole small search in this process, Ray left out: trials, confirmation, ensemble, report.

`tune.run_search.run` and all that it calls are the real ones, down to Ray's adapters; where Ray
would run a trial or a rerun in a worker, it is run here, one after the other.
"""

import io
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

from faulty_disk import FaultyDisk, Killed
from rich.console import Console

from textcls import bundle, ensemble
from textcls.exceptions import TextclsError
from tune import run_search
from tune.config.search_file import SearchFile
from tune.config.shapes import TrialShapes
from tune.execution import kernels, ray_cluster, ray_connect, ray_runner, worker
from tune.execution._ray_adapters import RayScheduler, RaySearcher
from tune.execution.controller import SearchController
from tune.execution.objective import train_classifier
from tune.execution.ray_cluster import Cluster
from tune.execution.resources import Node, ResourcePlan
from tune.execution.stop import StopSignal
from tune.execution.worker import Workload
from tune.monitor.progress import Progress
from tune.results import rerun
from tune.run_folder import environment, paths
from tune.run_folder.paths import RunFolder
from tune.run_search import Outcome, Request
from tune.study import study
from tune.study.records import State, TrialRecord, current_trials

POINTS = (0.003, 0.01, 0.03)
SEARCH: Mapping[str, Any] = {
    "model": {"name": "gru", "hidden_size": 4, "linear_weight": 2.0},
    "data": {
        "name": "synthetic", "train_size": 64, "test_size": 32, "validation_fraction": 0.25,
    },
    "embeddings": {"name": "random", "dim": 4},
    "train": {"epochs": 2.0, "batch_size": 16},
    "space": {"learning_rate": {"type": "float", "low": 1e-3, "high": 1e-1}},
    "points": [{"learning_rate": rate} for rate in POINTS],
    "search": {
        "samples": len(POINTS),
        "sampler": "random",
        "metric": "val_accuracy",
        "scheduler": {"name": "asha", "grace_period": 1.0, "reduction_factor": 2},
        "ensemble": 2,
        "confirm": {"top": 2, "seeds": 2, "retrain": True},
    },
}  # fmt: skip
HURRIED: Mapping[str, Any] = SEARCH | {
    "model": {"name": "gru", "hidden_size": 4},
    "search": {"samples": len(POINTS), "time_budget": 1e-9, "sampler": "random"},
}
"""A search whose time is up before its first trial."""
EXPECTED = {
    ".lock", "space.yaml", "environment.json", "study.journal", "leaderboard.csv", "result.json",
    "report.html", "next.yaml", "search.log", "best", "ensemble", "trials", "confirm",
    "learnt_texts.npy",
}  # fmt: skip
_ENDED = (State.COMPLETE, State.PRUNED)


class _Stopped(BaseException):
    """Ray ends a trial amid its report."""


def _run_trials(
    controller: SearchController,
    stop: StopSignal,
    workload: Workload,
    plan: ResourcePlan,  # noqa: ARG001
    trial_timeout_s: float | None = None,  # noqa: ARG001
    shapes: TrialShapes | None = None,  # noqa: ARG001
) -> None:
    """Stand for `ray_runner.run_trials`."""
    workload.folder.go_on()
    last_rung = len(workload.milestones) - 1
    searcher = RaySearcher(controller, stop, last_rung)
    scheduler = RayScheduler(controller, stop, last_rung)
    while not stop.should_stop():
        config = searcher.suggest("trial")
        if isinstance(config, str):
            break
        said: dict[str, Any] = {}

        def report(told: dict[str, Any], config: Any = config, said: Any = said) -> None:
            said.clear()
            said.update(told)
            trial = SimpleNamespace(config=config)
            if scheduler.on_trial_result(None, trial, told) == scheduler.STOP:  # type: ignore[arg-type]
                raise _Stopped

        stand_in = SimpleNamespace(report=report)
        with mock.patch.object(worker, "ray_tune", stand_in), suppress(_Stopped):
            worker.run_trial(config, workload)
        searcher.on_trial_complete("trial", said)
    try:
        workload.folder.go_on()
    finally:
        if stop.fault is not None:
            raise stop.fault


@dataclass(eq=False)
class _Reference:
    """Stands for the reference to a remote function's result."""

    result: Any


@dataclass
class _Remote:
    """Stands for a remote function: runs it when it is called."""

    function: Callable[..., Any]

    def remote(self, *arguments: Any) -> _Reference:
        return _Reference(self.function(*arguments))


_RAY = SimpleNamespace(
    put=lambda value: value,
    remote=lambda **_resources: _Remote,
    wait=lambda running, timeout: (running[:1], running[1:]),  # noqa: ARG005
    get=lambda reference: reference.result,
    exceptions=SimpleNamespace(RayError=ConnectionError),
)


@contextmanager
def without_ray() -> Iterator[None]:
    """Have searches of this process run their trials here."""

    @contextmanager
    def session(*_address: object, **_settings: object) -> Iterator[Cluster]:
        yield Cluster((Node(1.0, 0.0),), None, None)

    with ExitStack() as stack:
        for place, name, stand_in in (
            (ray_connect, "configure_ray", lambda *_given, **_options: []),
            (ray_cluster, "session", session),
            (ray_runner, "run_trials", _run_trials),
            (rerun, "ray", _RAY),
            (kernels, "compile_ahead", lambda *_given: nullcontext()),
            (environment, "revision", lambda _folder: None),
        ):
            stack.enter_context(mock.patch.object(place, name, stand_in))
        yield


@dataclass
class Ended:
    """How a process of the search ended."""

    outcome: Outcome | None
    message: str = ""
    """Of an error; empty where there was none."""


def run_once(
    root: Path,
    disk: FaultyDisk | None = None,
    runs_dir: str | None = None,
    search: Mapping[str, Any] = SEARCH,
) -> Ended:
    """Be one process of the search: it begins the run, or goes on with it.

    Args:
        root: Where the run folder is.
        disk: Where something may go wrong.
        runs_dir: The address of an object store instead.
        search: What is searched.

    Raises:
        Killed: The disk has killed it.
        AssertionError: It ended with anything but a result or one message.
    """
    config = SearchFile.model_validate(search)
    with without_ray(), (disk or FaultyDisk(root / "none")).mounted():
        try:
            folder = paths.named(runs_dir or root, "run")
            resumed = paths.began(folder)
            if not resumed:
                folder = paths.create(runs_dir or root, "run")
            request = Request(config, folder, ("python",), resumed=resumed)
            progress = Progress(quiet=True, console=Console(file=io.StringIO()))
            outcome = run_search.run(request, progress, train_classifier)
        except TextclsError as error:
            return Ended(None, str(error))
    return Ended(outcome)


def records_of(folder: RunFolder) -> list[TrialRecord]:
    """The trials as the journal has them; none where it never began."""
    if not paths.began(folder):
        return []
    return study.read_study(folder.study, folder.study_name).records()


def reruns_of(folder: RunFolder) -> list[dict[str, Any]]:
    """What the confirmation has recorded."""
    if not folder.reruns.exists():
        return []
    found: list[dict[str, Any]] = json.loads(folder.reruns.read_text())
    return found


def count_operations(root: Path, search: Mapping[str, Any] = SEARCH) -> int:
    """Return how many operations an undisturbed search has."""
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    disk = FaultyDisk(root)
    run_once(root, disk, search=search)
    return len(disk.operations)


def play_hurried(root: Path, fault: str, at: int) -> str | None:
    """Do as `play` does with a search whose time is up before its first trial."""
    return play(root, fault, at, HURRIED)


def play(root: Path, fault: str, at: int, search: Mapping[str, Any] = SEARCH) -> str | None:
    """Spoil one operation of a search, go on, and return what does not hold; None if all does."""
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    folder = RunFolder(root / "run")
    disk = FaultyDisk(root, fault, at)
    try:
        ended = run_once(root, disk, search=search)
        if ended.message and str(folder.root) not in ended.message:
            return f"a message without the folder: {ended.message}"
    except Killed:
        pass
    except Exception as error:
        return f"{_operation(disk)}: ended in {type(error).__name__}: {error}"
    try:
        if disk.secured:
            kept = folder.journal.read_bytes()
            assert kept.startswith(disk.secured), "the journal has lost records"
        before, told = records_of(folder), reruns_of(folder)
        ended = run_once(root, search=search)
        if ended.outcome is None:
            return f"{_operation(disk)}: does not go on: {ended.message}"
        if search is HURRIED:
            _check_hurried(folder, ended.outcome)
        else:
            check(folder, ended.outcome, before, told)
    except Exception as error:
        return f"{_operation(disk)}: {type(error).__name__}: {error}"
    return None


def _operation(disk: FaultyDisk) -> str:
    if 0 <= disk.at < len(disk.operations):
        return f"{disk.fault} at {disk.at}, {disk.operations[disk.at]}"
    return f"{disk.fault} at {disk.at}"


def check(
    folder: RunFolder, outcome: Outcome, before: list[TrialRecord], reruns: list[dict[str, Any]]
) -> None:
    """Check what must hold in the end."""
    after = records_of(folder)
    for record in before:
        if record.state in _ENDED:
            assert after[record.number] == record, f"trial {record.number} is no longer as it was"
        assert record.state != State.FAILED, f"trial {record.number} failed: {record.message}"
    latest = current_trials(after)
    assert len(latest) == len(POINTS), f"{len(latest)} trials for {len(POINTS)}"
    assert {record.state for record in latest} <= set(_ENDED), [r.state for r in latest]
    rates = sorted(record.params["learning_rate"] for record in latest)
    assert rates == sorted(POINTS), rates
    assert reruns_of(folder)[: len(reruns)] == reruns, "reruns were repeated or lost"
    assert len(reruns_of(folder)) == 4
    result = json.loads(folder.result.read_text())
    assert result["state"] == "complete"
    assert outcome.winner is not None
    assert result["best"]["number"] == outcome.winner.as_dict()["number"]
    told = result["trials"]
    assert (told["total"], told["records"]) == (len(latest), len(after)), f"result.json: {told}"
    about = bundle.load_bundle(folder.best).about
    assert about["search"]["trial"] == result["best"]["number"]
    assert len(ensemble.load_ensemble(folder.ensemble).members) == 2  # type: ignore[union-attr]
    assert "Confirmed with fresh seeds" in folder.report.read_text()
    _check_files(folder)


def _check_hurried(folder: RunFolder, outcome: Outcome) -> None:
    """Check that the linear classifier has won alone, and that the folder is whole."""
    best = json.loads(folder.result.read_text())["best"]
    assert outcome.exit_code == 0
    assert best["number"] is None
    assert bundle.load_bundle(folder.best).about["search"]["trial"] is None
    assert best["fallback"]["reason"] in folder.report.read_text()
    found = {path.name for path in folder.root.iterdir()}
    assert found == EXPECTED - {"ensemble", "confirm", "next.yaml"}, found


def _check_files(folder: RunFolder) -> None:
    found = {path.name for path in folder.root.iterdir()} - {".session"}  # of a store's copy alone
    assert found == EXPECTED, f"left over or missing: {found ^ EXPECTED}"
    inside = [path for path in folder.root.rglob("*") if path.is_file()]
    stray = [p for p in inside if p.suffix in {".tmp", ".part", ".old"} or "unfinished" in p.name]
    assert not stray, stray
    checkpoints = [path for path in inside if path.name.startswith("rung-")]
    trials = [path for path in checkpoints if path.is_relative_to(folder.root / "trials")]
    reruns = [path for path in checkpoints if path.is_relative_to(folder.root / "confirm")]
    assert len(trials) <= 2, trials
    assert len(reruns) <= 3, reruns
