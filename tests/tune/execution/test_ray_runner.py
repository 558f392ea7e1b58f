"""Real Ray, trivial objectives: every way in which a trial can end, in one search."""

import os
import signal
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import psutil
import pytest
from search_parts import Witness

from textcls.config.models import EmbeddingConfig, ModelConfig, TrainConfig
from textcls.exceptions import DivergedError
from tune.execution.controller import SearchController
from tune.execution.ray_runner import run_trials
from tune.execution.resources import plan_resources
from tune.execution.stop import StopSignal
from tune.execution.task import Arrays, Objective, Task
from tune.execution.worker import Workload
from tune.run_folder import paths
from tune.schedulers import SuccessiveHalving
from tune.study import study
from tune.study.study import SearchStudy

pytestmark = pytest.mark.usefixtures("two_cpus")

MILESTONES = (0.25, 0.75, 1.0)
KINDS = (
    "good", "diverges", "raises", "not a number", "ends early", "poor", "dies once", "dies",
)  # fmt: skip


class Search:
    """A search over the kinds of an objective, in the order of KINDS."""

    def __init__(
        self,
        root: Path,
        objective: Objective,
        samples: int,
        stop: StopSignal,
        witness: Witness | None = None,
        trial_timeout_s: float | None = None,
        gpu: float = 0.0,
        concurrent: int | None = None,
        factor: float = 1.0,  # nothing is pruned, in whatever order equal trials report
    ) -> None:
        from tune.execution import ray_cluster

        self.folder = paths.create(root, "run")
        sampler = optuna.samplers.RandomSampler(seed=0)
        self.study: SearchStudy = study.create_study(
            self.folder.journal, "run", metric="accuracy", milestones=MILESTONES, sampler=sampler
        )
        for kind in KINDS[:samples]:
            self.study.enqueue({"kind": kind})
        self.witness = witness or Witness()
        self.controller = SearchController(
            self.study,
            self.suggest,
            SuccessiveHalving(3, factor),
            samples,
            self.folder,
            self.witness,
        )
        load = Workload(
            objective,
            lambda _params: (ModelConfig(), EmbeddingConfig(), TrainConfig()),
            {EmbeddingConfig(): Arrays({}, np.zeros((1, 1)), 2)},
            MILESTONES, "accuracy", self.folder, 1, "cpu", gpu,
        )  # fmt: skip
        with ray_cluster.session() as joined:
            run_trials(
                self.controller,
                stop,
                load,
                plan_resources(1, 0, joined.nodes, concurrent),
                trial_timeout_s,
            )

    @staticmethod
    def suggest(trial: optuna.Trial) -> dict[str, Any]:
        return {"kind": trial.suggest_categorical("kind", KINDS)}


def every_kind() -> Objective:
    def train(task: Task) -> Iterator[Mapping[str, float]]:  # sent by value: a nested function
        kind = task.params["kind"]
        first_time = not task.folder.curve.exists()
        task.folder.curve.touch()
        for rung, epoch in enumerate(task.milestones):
            if rung == 1:
                if kind == "diverges":
                    raise DivergedError("diverged: the loss is nan")
                if kind == "raises":
                    raise KeyError("x")
                if kind == "ends early":
                    return
                if kind == "dies" or (kind == "dies once" and first_time):
                    os._exit(1)
            value = 0.1 if kind == "poor" else 0.5 + rung / 10 + task.number / 1000
            yield {"accuracy": float("nan") if kind == "not a number" else value, "epoch": epoch}

    return train


def test_every_end_of_a_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Each lost worker costs the start of another.
    monkeypatch.setattr("tune.execution.ray_runner.LOST_WORKERS", 1)
    # One after another: of values that ascend by number all are among the best when they come.
    done = Search(tmp_path, every_kind(), len(KINDS), StopSignal(), concurrent=1, factor=3)
    records = {record.params["kind"]: record for record in done.study.records()}
    ends = {kind: (records[kind].state, len(records[kind].values)) for kind in KINDS}
    assert ends == {
        "good": ("complete", 3),
        "poor": ("pruned", 1),
        "diverges": ("diverged", 1),
        "raises": ("failed", 1),
        "not a number": ("diverged", 0),
        "ends early": ("failed", 1),
        "dies once": ("complete", 3),
        "dies": ("failed", 1),
    }
    assert records["raises"].message == "KeyError: 'x'"
    assert records["dies"].message.startswith("its worker was lost: The actor died")
    log = done.folder.trial(records["raises"].number).log.read_text()
    assert "Traceback" in log
    assert sorted(number for what, number in done.witness.seen if what == "started") == list(
        range(len(KINDS))
    )


def test_a_worker_that_fails_outside_of_the_objective_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A share of a card is asked for, which the machine lacks or this build of torch cannot use."""
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("the card that the trial is to miss is here")
    with pytest.raises((AssertionError, RuntimeError)) as raised:
        torch.cuda.get_device_properties(0)
    monkeypatch.setattr("tune.execution.ray_runner.LOST_WORKERS", 0)
    done = Search(tmp_path, every_kind(), 2, StopSignal(), gpu=0.5, concurrent=1)
    said = f"{raised.type.__name__}: {raised.value}".splitlines()[0]
    ends = [(record.state, record.message) for record in done.study.records()]
    assert ends == [("failed", said)] * 2


def test_the_time_budget_stops_trials_that_run(tmp_path: Path) -> None:
    def slow() -> Objective:
        def train(task: Task) -> Iterator[Mapping[str, float]]:
            for epoch in task.milestones:
                for _ in range(0 if epoch == task.milestones[0] else 600):
                    time.sleep(0.1)
                    task.check()
                yield {"accuracy": 0.5, "epoch": epoch}

        return train

    stop = StopSignal()

    class Clock(Witness):
        def on_trial_report(self, *report: Any) -> None:
            super().on_trial_report(*report)
            if len([what for what, _ in self.seen if what == "rung 0"]) == 2:
                stop.deadline = time.monotonic() + 0.2

    done = Search(tmp_path, slow(), 2, stop, Clock())
    assert stop.deadline is not None
    done.controller.interrupt("the time budget was spent")
    assert {record.state for record in done.study.records()} == {"interrupted"}
    assert [record.values for record in done.study.records()] == [(0.5,), (0.5,)]


def test_a_budget_that_ends_before_any_rung_has_trials_evaluated(tmp_path: Path) -> None:
    def endless() -> Objective:
        def train(task: Task) -> Iterator[Mapping[str, float]]:
            task.folder.root.joinpath("runs").touch()
            while not task.stop.exists():
                time.sleep(0.05)
            task.folder.root.joinpath("asked").write_text(str(task.is_evaluated_on_stop()))
            task.check()
            yield {}

        return train

    class OnceItRuns(StopSignal):
        def should_stop(self) -> bool:
            if list(tmp_path.glob("run/trials/*/runs")):
                self.deadline = time.monotonic()
            return super().should_stop()

    Search(tmp_path, endless(), 1, OnceItRuns())
    assert [path.read_text() for path in tmp_path.glob("run/trials/*/asked")] == ["True"]


def test_a_fault_of_the_search_itself_comes_out_as_it_was(tmp_path: Path) -> None:
    class FullDisk(Witness):
        def on_trial_report(self, *_report: object) -> None:
            raise OSError(28, "No space left on device")

    def steady() -> Objective:
        def train(task: Task) -> Iterator[Mapping[str, float]]:
            for epoch in task.milestones:
                yield {"accuracy": 0.5, "epoch": epoch}

        return train

    with pytest.raises(OSError, match="No space left"):
        Search(tmp_path, steady(), 2, StopSignal(), FullDisk(), concurrent=1)


def test_a_trial_that_hangs_times_out_and_the_search_goes_on(tmp_path: Path) -> None:
    def hanging() -> Objective:
        def train(task: Task) -> Iterator[Mapping[str, float]]:
            for epoch in task.milestones:
                if task.params["kind"] == "diverges" and epoch == task.milestones[1]:
                    task.folder.root.joinpath("process").write_text(str(os.getpid()))
                    time.sleep(600)  # looks at no clock and at no stop file
                yield {"accuracy": 0.5, "epoch": epoch}

        return train

    done = Search(tmp_path, hanging(), 4, StopSignal(), trial_timeout_s=3)
    records = done.study.records()
    states = [record.state for record in records]
    assert [state == "failed" for state in states] == [False, True, False, False]
    assert not {"running", "interrupted"} & set(states)
    assert records[1].message == "timed out: no report for 3 s"
    assert records[1].values == (0.5,)
    process = int(done.folder.trial(1).root.joinpath("process").read_text())
    assert ended_within(process, seconds=20), "the worker of the trial that hung is still alive"


def test_a_worker_killed_from_outside_goes_on_from_its_rung(tmp_path: Path) -> None:
    def noted() -> Objective:
        def train(task: Task) -> Iterator[Mapping[str, float]]:
            workers = task.folder.root / "workers"
            first_time = not workers.exists()
            with workers.open("a") as file:
                file.write(f"{os.getpid()}\n")
            for rung, epoch in enumerate(task.milestones):
                if rung == 1 and first_time:
                    time.sleep(600)  # until it is killed
                yield {"accuracy": 0.5 + rung / 10, "epoch": epoch}

        return train

    class Killer(Witness):
        def on_trial_report(self, number: int, rung: int, metrics: Mapping[str, float]) -> None:
            super().on_trial_report(number, rung, metrics)
            if rung == 0:
                workers = tmp_path / "run" / "trials" / str(number) / "workers"
                os.kill(int(workers.read_text()), signal.SIGKILL)

    done = Search(tmp_path, noted(), 1, StopSignal(), Killer())
    (record,) = done.study.records()
    assert (record.state, record.values) == ("complete", (0.5, 0.6, 0.7))
    workers = done.folder.trial(0).root.joinpath("workers").read_text().split()
    assert len(set(workers)) == len(workers) == 2
    seen = ["started", "rung 0", "rung 1", "rung 2", "complete"]
    assert done.witness.seen == [(what, 0) for what in seen]  # rung 0 counted once


def test_a_trial_that_cannot_write_ends_the_search_and_waits_to_go_on(tmp_path: Path) -> None:
    def full() -> Objective:
        def train(task: Task) -> Iterator[Mapping[str, float]]:
            yield {"accuracy": 0.5, "epoch": task.milestones[0]}
            raise OSError(28, "No space left on device")

        return train

    with pytest.raises(OSError, match="No space left on device"):
        Search(tmp_path, full(), 8, StopSignal())
    made = study.resume_study(
        tmp_path / "run" / "study.journal", "run", lambda _: optuna.samplers.RandomSampler()
    )
    made.end_cut_off()
    states = {record.state for record in made.records()}
    assert states == {"interrupted"}  # none of them failed


def ended_within(process: int, seconds: float) -> bool:
    """Whether a process is gone, or dead and only not yet collected, before the time is up."""
    try:
        psutil.Process(process).wait(timeout=seconds)
    except psutil.NoSuchProcess:
        return True
    except psutil.TimeoutExpired:
        return psutil.Process(process).status() == psutil.STATUS_ZOMBIE
    return True
