import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers._tpe.parzen_estimator import _ParzenEstimator, _ParzenEstimatorParameters
from optuna.samplers._tpe.sampler import default_weights
from optuna.trial import FrozenTrial, TrialState

from tune.samplers import _tpe
from tune.samplers._parzen import ParzenEstimator
from tune.samplers._tpe import Window, WindowedTPESampler
from tune.study import study
from tune.study.records import State

SPACE: dict[str, BaseDistribution] = {
    "model": CategoricalDistribution(["cnn", "rnn", "gru"]),
    "dropout": FloatDistribution(0, 0.5, step=0.1),
    "freeze": IntDistribution(0, 2000),
    "layers": IntDistribution(1, 9, step=2),
    "rate": FloatDistribution(1e-4, 1e-1, log=True),
    "size": IntDistribution(32, 256, log=True),
    "weight": FloatDistribution(0, 1),
}


def options(seed: int = 0) -> dict[str, Any]:
    return {"seed": seed, "multivariate": True, "constant_liar": True}


def search(sampler: optuna.samplers.BaseSampler, trials: int, direction: str) -> optuna.Study:
    study = optuna.create_study(direction=direction, sampler=sampler)
    for number in range(trials):
        trial = study.ask()
        value = trial.suggest_float("rate", 0, 1) + trial.suggest_float("size", 0, 1)
        trial.report(value, step=number % 3)
        if number % 3:
            study.tell(trial, state=TrialState.PRUNED)
        else:
            study.tell(trial, value)
    return study


def suggest(trial: optuna.Trial) -> dict[str, Any]:
    return {name: trial._suggest(name, known) for name, known in SPACE.items()}


def side_by_side(sampler: optuna.samplers.BaseSampler, trials: int, slots: int) -> optuna.Study:
    """Trials of every kind of parameter that end in any order and in every way."""
    study = optuna.create_study(direction="maximize", sampler=sampler)
    chance = random.Random(0)
    running: list[tuple[optuna.Trial, float]] = []
    for _ in range(trials):
        trial = study.ask()
        drawn = suggest(trial)
        if drawn["model"] == "cnn":
            drawn["filters"] = trial.suggest_int("filters", 8, 64)
        running.append(
            (trial, -abs(drawn["rate"] - 0.01) - abs(drawn["weight"] - drawn["dropout"]))
        )
        if len(running) == slots:
            ended, value = running.pop(chance.randrange(slots))
            ended.report(value, step=chance.randrange(3))
            state = chance.choice([TrialState.PRUNED, TrialState.PRUNED, None, TrialState.FAIL])
            study.tell(ended, value if state is None else None, state=state)
    return study


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_tpe, "RECENT", 30)
    monkeypatch.setattr(_tpe, "_SLACK", 10)


@pytest.mark.parametrize("slots", [1, 3, 20])
@pytest.mark.parametrize("group", [False, True])
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_a_short_search_is_plain_tpe(slots: int, group: bool) -> None:
    plain = side_by_side(optuna.samplers.TPESampler(**options(), group=group), 60, slots)
    ours = side_by_side(WindowedTPESampler(**options(), group=group), 60, slots)
    assert [trial.params for trial in ours.trials] == [trial.params for trial in plain.trials]


@pytest.mark.parametrize("observed", [0, 1, 25, 250])
@pytest.mark.parametrize("name", SPACE)
def test_the_density_is_optunas(name: str, observed: int) -> None:
    parameters = _ParzenEstimatorParameters(1.0, True, False, default_weights, True)
    space = {name: SPACE[name], "weight": SPACE["weight"]}
    draw = optuna.samplers.RandomSampler(seed=0)
    study = optuna.create_study(sampler=draw)

    def values(number: int) -> dict[str, Any]:
        rows = [study.ask(space).params for _ in range(number)]
        return {
            key: np.array([known.to_internal_repr(row[key]) for row in rows])
            for key, known in space.items()
        }

    seen, candidates = values(observed), values(24)
    ours = ParzenEstimator(seen, space, parameters).log_pdf(candidates)
    plain = _ParzenEstimator(seen, space, parameters).log_pdf(candidates)
    np.testing.assert_allclose(ours, plain, rtol=1e-9, atol=1e-9)


def test_a_density_ends_with_its_range() -> None:
    parameters = _ParzenEstimatorParameters(1.0, True, False, default_weights, True)
    space: dict[str, BaseDistribution] = {"weight": SPACE["weight"]}
    made = ParzenEstimator({"weight": np.array([0.2, 0.9])}, space, parameters)
    found = made.log_pdf({"weight": np.array([-0.1, 0.0, 1.0, 1.1])})
    assert np.isneginf(found).tolist() == [True, False, False, True]


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("sign", [1, -1])
def test_a_long_one_sees_the_best_and_the_latest(sign: int) -> None:
    direction = "maximize" if sign == 1 else "minimize"
    study = search(WindowedTPESampler(**options()), 150, direction)
    numbers = [trial.number for trial in Window(study).trials()]
    assert len(numbers) == 25 + 40
    assert numbers == sorted(set(numbers))
    assert numbers[25:] == list(range(110, 150))

    def place(trial: FrozenTrial) -> tuple[bool, float, float]:
        last = max(trial.intermediate_values)
        complete = trial.state == TrialState.COMPLETE
        return (not complete, 0 if complete else -last, -sign * trial.intermediate_values[last])

    best = sorted(study.trials[:110], key=place)[:25]
    assert set(numbers[:25]) == {trial.number for trial in best}


@pytest.mark.usefixtures("small")
def test_the_number_of_trials_seen_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    plain: Callable[..., list[FrozenTrial]] = Window.trials

    def counting(self: Window, asking: int | None = None) -> list[FrozenTrial]:
        found = plain(self, asking)
        seen.append(len(found))
        return found

    monkeypatch.setattr(Window, "trials", counting)
    search(WindowedTPESampler(**options()), 150, "maximize")
    assert max(seen) == 25 + 30 + 10


def test_a_proposal_reads_one_trial_and_one_more_for_each_that_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = study.create_study(
        tmp_path / "study.journal", "run", metric="accuracy", milestones=(1.0,),
        sampler=WindowedTPESampler(**options()),
    )  # fmt: skip
    numbers = [made.ask(suggest).number for _ in range(20)]
    for number in numbers[:14]:
        made.report(number, 0, {"accuracy": 0.5})
        made.end(number, State.COMPLETE)
    made.ask(suggest)
    storage = made._study._storage
    read: list[int] = []
    plain = storage.get_trial

    def counting(trial_id: int) -> FrozenTrial:
        read.append(trial_id)
        return plain(trial_id)

    monkeypatch.setattr(storage, "get_all_trials", None)
    for number in numbers[14:]:
        made.report(number, 0, {"accuracy": 0.5})
        made.end(number, State.COMPLETE)
        monkeypatch.setattr(storage, "get_trial", counting)
        made.ask(suggest)
        monkeypatch.setattr(storage, "get_trial", plain)
        assert len(set(read)) == 3  # itself, the one that ended, the one that was asked for before
        read.clear()


@pytest.mark.usefixtures("small")
def test_trials_that_run_do_not_push_out_those_that_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_tpe, "_RUNNING", 12)
    sampler = WindowedTPESampler(**options())
    study = search(sampler, 80, "maximize")
    asked = [study.ask() for _ in range(60)]
    for known in (sampler._seen(study), Window(study)):  # kept up, and read from the beginning
        seen = known.trials(asking=asked[-1].number)
        states = [trial.state == TrialState.RUNNING for trial in seen]
        assert (states.count(False), states.count(True)) == (25 + 36, 12)
        assert [trial.number for trial in seen[-12:]] == list(range(127, 139))


def test_many_that_run_leave_the_parameters_together() -> None:
    sampler = WindowedTPESampler(**options())
    study = optuna.create_study(sampler=sampler)
    running = [study.ask(SPACE) for _ in range(200)]
    for number, trial in enumerate(running[:20]):
        study.tell(trial, number)
    assert list(study.ask().relative_params) == sorted(SPACE)


@pytest.mark.parametrize("kind", [optuna.samplers.TPESampler, WindowedTPESampler])
def test_a_parameter_that_an_early_trial_lacks_is_drawn_by_itself(
    kind: type[optuna.samplers.TPESampler],
) -> None:
    study = optuna.create_study(sampler=kind(**options(), n_startup_trials=1))
    lacking = {name: known for name, known in SPACE.items() if name != "weight"}
    running = [study.ask(space) for space in (lacking, SPACE, SPACE)]
    study.tell(running[2], 0.5)
    assert list(study.ask().relative_params) == sorted(SPACE)
    study.tell(running[0], 0.5)
    assert list(study.ask().relative_params) == sorted(lacking)


def test_trials_added_amid_a_search_are_seen() -> None:
    sampler = WindowedTPESampler(**options())
    study = search(sampler, 3, "maximize")
    study.add_trials(search(WindowedTPESampler(**options(1)), 4, "maximize").trials)
    study.enqueue_trial({"rate": 0.5})
    study.add_trial(study.trials[0])
    waiting = study.ask()
    assert waiting.suggest_float("rate", 0, 1) == 0.5
    last = study.ask()
    assert (waiting.number, last.number) == (7, 9)
    seen = sampler._seen(study).trials(asking=last.number)
    assert [trial.number for trial in seen] == [0, 1, 2, 3, 4, 5, 6, 8, 7]
