from pathlib import Path
from types import SimpleNamespace

import optuna
import pytest
from ray.tune.schedulers import TrialScheduler
from search_parts import Witness, suggest

from tune.execution._ray_adapters import RayScheduler
from tune.execution.controller import SearchController
from tune.execution.stop import StopSignal
from tune.run_folder import paths
from tune.schedulers import SuccessiveHalving
from tune.study import study
from tune.study.study import SearchStudy

GO, STOP = TrialScheduler.CONTINUE, TrialScheduler.STOP


@pytest.fixture
def made(tmp_path: Path) -> SearchStudy:
    sampler = optuna.samplers.RandomSampler(seed=0)
    return study.create_study(
        tmp_path / "study.journal", "run", metric="accuracy", milestones=(0.25, 0.75, 1.0),
        sampler=sampler,
    )  # fmt: skip


@pytest.fixture
def scheduler(made: SearchStudy, tmp_path: Path) -> RayScheduler:
    controller = SearchController(
        made, suggest, SuccessiveHalving(3, 3), 9, paths.RunFolder(tmp_path), Witness()
    )
    for _ in range(3):
        controller.propose()
    return RayScheduler(controller, StopSignal(), last_rung=2)


def decide(scheduler: RayScheduler, number: int, rung: int, value: float) -> str:
    result = {"rung": rung, "reported": ["accuracy"], "accuracy": value, "pid": 1}
    return scheduler.on_trial_result(None, SimpleNamespace(config={"number": number}), result)


def test_who_goes_on(scheduler: RayScheduler, made: SearchStudy) -> None:
    assert decide(scheduler, 0, 0, 0.5) == GO
    assert decide(scheduler, 1, 0, 0.4) == STOP
    assert decide(scheduler, 2, 0, 0.6) == GO
    assert decide(scheduler, 2, 1, 0.7) == GO
    assert decide(scheduler, 2, 2, 0.8) == STOP  # it is complete
    assert made.record(2).values == (0.6, 0.7, 0.8)
    assert made.record(2).curve[0] == {"accuracy": 0.6}  # nothing of what Ray adds


def test_a_trial_that_says_how_it_went_wrong_stops(scheduler: RayScheduler) -> None:
    trial = SimpleNamespace(config={"number": 0})
    assert scheduler.on_trial_result(None, trial, {"outcome": "failed", "message": "x"}) == STOP


def test_a_fault_stops_everything(scheduler: RayScheduler, made: SearchStudy) -> None:
    assert decide(scheduler, 99, 0, 0.5) == STOP  # there is no such trial
    assert decide(scheduler, 0, 0, 0.5) == STOP
    assert made.record(0).values == ()
