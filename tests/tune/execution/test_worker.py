from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from textcls.config.models import EmbeddingConfig, ModelConfig, TrainConfig
from textcls.exceptions import DivergedError
from tune.execution import worker
from tune.execution.gpu_share import CONTEXT_BYTES
from tune.execution.task import Arrays, Objective, Task
from tune.execution.worker import Workload, run_objective
from tune.run_folder.paths import RunFolder


class OutOfMemoryError(RuntimeError):
    """Named as torch names its own."""


def objective(*events: float | Exception) -> Objective:
    def train(task: Task) -> Iterator[Mapping[str, float]]:
        for event in events:
            if isinstance(event, Exception):
                raise event
            yield {"test_accuracy": event, "epoch": task.milestones[0]}

    return train


def workload(folder: Path, train: Objective, threads: int = 2) -> Workload:
    def configure(params: Mapping[str, Any]) -> tuple[ModelConfig, EmbeddingConfig, TrainConfig]:
        return ModelConfig(), EmbeddingConfig(), TrainConfig(seed=7).model_copy(update=params)

    arrays = {EmbeddingConfig(): Arrays({}, np.zeros((1, 1)), 2)}
    return Workload(
        train, configure, arrays, (0.5, 1.0), "test_accuracy", RunFolder(folder), threads, "cpu"
    )


@pytest.mark.parametrize(
    ("events", "rungs", "outcome"),
    [
        ((0.5, 0.6), 2, None),
        ((0.5, DivergedError("loss is nan at step 3")), 1, ("diverged", "loss is nan at step 3")),
        ((float("nan"), 0.5), 0, ("diverged", "test_accuracy at rung 1 is nan")),
        ((0.5, KeyError("x")), 1, ("failed", "KeyError: 'x'")),
        ((MemoryError(),), 0, ("failed", "out of memory (MemoryError:)")),
        ((OutOfMemoryError("CUDA"),), 0, ("failed", "out of memory (OutOfMemoryError: CUDA)")),
        (
            (RuntimeError("DefaultCPUAllocator: can't allocate memory"),),
            0,
            (
                "failed",
                "out of memory (RuntimeError: DefaultCPUAllocator: can't allocate memory)",
            ),
        ),
        ((0.5,), 1, ("failed", "ended after 1 of 2 rungs")),
    ],
)
def test_what_becomes_of_a_trial(
    tmp_path: Path, events: tuple[Any, ...], rungs: int, outcome: tuple[str, str] | None
) -> None:
    reports: list[dict[str, Any]] = []
    load = workload(tmp_path, objective(*events))
    assert run_objective(load.objective, load.task(0, 0, {}), reports.append) == outcome
    assert [report["rung"] for report in reports] == list(range(rungs))
    assert all(report["reported"] == ["test_accuracy", "epoch"] for report in reports)


def test_each_trial_has_its_own_seed_and_the_threads_of_its_cores(tmp_path: Path) -> None:
    load = workload(tmp_path, objective())
    seeds = [load.task(number, number, {}).train.seed for number in range(3)]
    assert seeds == [7, 8, 9]
    assert load.task(5, 1, {}).train.seed == 8  # 5 takes the place of 1
    assert load.task(0, 0, {}).train.threads == 2
    assert load.task(0, 0, {"threads": 1}).train.threads == 1


def test_out_of_memory_says_which_share_the_trial_had(tmp_path: Path) -> None:
    load = workload(tmp_path, objective(OutOfMemoryError("CUDA")))
    outcome = run_objective(load.objective, load.task(0, 0, {}), lambda _report: None, 0.25)
    message = "out of memory: it had 0.25 of a card; raise resources.gpu (OutOfMemoryError: CUDA)"
    assert outcome == ("failed", message)


def test_a_share_of_a_card_is_held_to(monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[float] = []
    monkeypatch.setattr("torch.cuda.set_per_process_memory_fraction", held.append)
    card = SimpleNamespace(total_memory=8 * CONTEXT_BYTES)
    monkeypatch.setattr("torch.cuda.get_device_properties", lambda _index: card)
    for share in (0.0, 0.25, 1.0, 2.0):
        worker.hold_to_share(share)
    assert held == [0.125]  # the other half is what CUDA keeps for each process
