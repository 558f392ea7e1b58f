"""What the worker of a group tells the search when all of it goes wrong; Ray is left out."""

import errno
import logging
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[4] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))  # the benchmarks are scripts, not a package

import fused_search  # noqa: E402

from tune.config.search_file import SearchFile  # noqa: E402
from tune.execution.groups import ray_groups  # noqa: E402
from tune.execution.groups.ray_groups import run_group  # noqa: E402
from tune.study.records import Interrupted, Proposal  # noqa: E402


@dataclass
class Worker:
    """A worker of a group of two trials whose training is a function that raises."""

    search: Any
    told: list[dict[str, Any]] = field(default_factory=list)

    def run(self) -> dict[str, Any]:
        params = {
            "learning_rate": 0.01, "hidden_size": 4, "max_grad_norm": 1.0, "freeze_fraction": 0.0,
        }  # fmt: skip
        members = [Proposal(number, params, None, None, number) for number in (0, 1)]
        mailbox = SimpleNamespace(get=SimpleNamespace(remote=lambda _group: members))
        run_group({"number": 0}, self.search.workload, mailbox)
        (told,) = self.told
        return told

    def log(self, number: int) -> str:
        return str(self.search.folder.trial(number).log.read_text())


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Worker]:
    config: SearchFile = fused_search.search_file(2)
    made = Worker(fused_search.begin(tmp_path, config, 2, fused_search.made_up_arrays(64)))
    monkeypatch.setattr(ray_groups, "ray", SimpleNamespace(get=lambda value: value))
    monkeypatch.setattr(ray_groups, "ray_tune", SimpleNamespace(report=made.told.append))
    level, handlers = logging.getLogger().level, list(logging.getLogger().handlers)
    yield made
    assert (logging.getLogger().level, logging.getLogger().handlers) == (level, handlers)


def failing(error: Exception) -> Callable[..., None]:
    def train(*_arguments: object) -> None:
        raise error

    return train


def broken(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    monkeypatch.setattr(ray_groups.member_training, "fused", lambda _seed: failing(error))


def test_a_group_without_memory_is_not_held_against_its_trials(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken(monkeypatch, MemoryError("no room"))
    events = worker.run()["events"]
    message = "a group of 2 trials ran out of memory: lower resources.fuse (MemoryError: no room)"
    assert events == [
        {"number": number, "outcome": "failed", "message": message} for number in (0, 1)
    ]
    assert "MemoryError: no room" in worker.log(1)


def test_a_full_disk_ends_the_search_and_leaves_the_trials_to_go_on(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = str(worker.search.folder.root / "trials" / "0" / "curve.json")
    broken(monkeypatch, OSError(errno.ENOSPC, "No space left on device", file))
    told = worker.run()
    assert (told["errno"], told["message"]) == (errno.ENOSPC, "No space left on device")
    assert told["file"] == file
    assert {event["outcome"] for event in told["events"]} == {"interrupted"}


def test_a_file_elsewhere_fails_the_group_alone(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken(monkeypatch, FileNotFoundError(errno.ENOENT, "No such file", "/nowhere"))
    told = worker.run()
    assert "errno" not in told
    assert {event["outcome"] for event in told["events"]} == {"failed"}


def test_a_group_that_is_stopped_says_so(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    broken(monkeypatch, Interrupted("the search was stopped"))
    events = worker.run()["events"]
    assert {(event["outcome"], event["message"]) for event in events} == {
        ("interrupted", "the search was stopped")
    }
