from pathlib import Path
from typing import Any

import optuna
import pytest
from ray.tune.search import Searcher
from search_parts import Witness, suggest

from tune.execution._ray_adapters import RaySearcher
from tune.execution.controller import SearchController
from tune.execution.stop import StopSignal
from tune.run_folder import paths
from tune.study import study
from tune.study.records import State
from tune.study.study import SearchStudy

LAST = 2


@pytest.fixture
def made(tmp_path: Path) -> SearchStudy:
    sampler = optuna.samplers.RandomSampler(seed=0)
    return study.create_study(
        tmp_path / "study.journal", "run", metric="accuracy", milestones=(0.25, 0.75, 1.0),
        sampler=sampler,
    )  # fmt: skip


def searcher(made: SearchStudy, tmp_path: Path, stop: StopSignal | None = None) -> RaySearcher:
    folder = paths.RunFolder(tmp_path)
    controller = SearchController(made, suggest, None, 2, folder, Witness())
    return RaySearcher(controller, stop or StopSignal(), LAST)


def test_trials_until_there_are_no_more(made: SearchStudy, tmp_path: Path) -> None:
    asked = searcher(made, tmp_path)
    first = asked.suggest("a")
    assert isinstance(first, dict)
    assert first == {
        "number": 0, "params": made.record(0).params, "origin": 0, "predecessors": [],
    }  # fmt: skip
    asked.suggest("b")
    assert asked.suggest("c") == Searcher.FINISHED


@pytest.mark.parametrize(
    ("result", "state", "message"),
    [
        ({"rung": 2}, State.COMPLETE, ""),
        ({"rung": 1}, State.PRUNED, ""),
        ({"rung": 1, "outcome": "diverged", "message": "nan"}, State.DIVERGED, "nan"),
        ({"outcome": "failed", "message": "KeyError: 'x'"}, State.FAILED, "KeyError: 'x'"),
        (None, State.INTERRUPTED, "removed before its first report"),
    ],
)
def test_how_a_trial_ended(
    made: SearchStudy, tmp_path: Path, result: dict[str, Any] | None, state: State, message: str
) -> None:
    asked = searcher(made, tmp_path)
    asked.suggest("a")
    for rung in range(LAST + 1):
        made.report(0, rung, {"accuracy": 0.5})
    asked.on_trial_complete("a", result)
    assert (made.record(0).state, made.record(0).message) == (state, message)


def test_a_dead_worker_is_left_to_who_knows_why(made: SearchStudy, tmp_path: Path) -> None:
    asked = searcher(made, tmp_path)
    asked.suggest("a")
    asked.on_trial_complete("a", error=True)
    assert made.record(0).state == State.RUNNING


def test_a_fault_pulls_the_brake(made: SearchStudy, tmp_path: Path) -> None:
    stop = StopSignal()
    asked = searcher(made, tmp_path, stop)
    asked.suggest("a")
    made.end(0, State.FAILED, "somebody else ended it")
    asked.on_trial_complete("a", {"rung": 2})
    assert isinstance(stop.fault, KeyError)
    assert stop.should_stop()
