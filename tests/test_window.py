from collections.abc import Callable
from typing import Any

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

from tune import window
from tune.window import WindowedTPESampler, _Window


def options() -> dict[str, Any]:
    return {"seed": 0, "multivariate": True, "constant_liar": True}


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


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window, "RECENT", 30)
    monkeypatch.setattr(window, "_SLACK", 10)


def test_a_short_search_is_plain_tpe() -> None:
    plain = search(optuna.samplers.TPESampler(**options()), 40, "maximize")
    ours = search(WindowedTPESampler(**options()), 40, "maximize")
    assert [trial.params for trial in ours.trials] == [trial.params for trial in plain.trials]


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("sign", [1, -1])
def test_a_long_one_sees_the_best_and_the_latest(sign: int) -> None:
    direction = "maximize" if sign == 1 else "minimize"
    study = search(WindowedTPESampler(**options()), 150, direction)
    seen = _Window(study)._get_trials(deepcopy=False, states=None)
    assert len(seen) == 25 + 30
    numbers = [trial.number for trial in seen]
    assert numbers == sorted(set(numbers))
    assert numbers[25:] == list(range(120, 150))

    def place(trial: FrozenTrial) -> tuple[bool, float, float]:
        last = max(trial.intermediate_values)
        complete = trial.state == TrialState.COMPLETE
        return (not complete, 0 if complete else -last, -sign * trial.intermediate_values[last])

    best = sorted(study.trials[:120], key=place)[:25]
    assert set(numbers[:25]) == {trial.number for trial in best}


@pytest.mark.usefixtures("small")
def test_the_number_of_trials_seen_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    plain: Callable[..., Any] = _Window._get_trials

    def counting(self: _Window, *given: Any, **named: Any) -> list[FrozenTrial]:
        found: list[FrozenTrial] = plain(self, *given, **named)
        seen.append(len(found))
        return found

    monkeypatch.setattr(_Window, "_get_trials", counting)
    search(WindowedTPESampler(**options()), 150, "maximize")
    assert max(seen) == 25 + 30 + 10 + 1  # the one that asks runs already


@pytest.mark.usefixtures("small")
def test_trials_that_run_do_not_push_out_those_that_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window, "_RUNNING", 12)
    study = search(WindowedTPESampler(**options()), 80, "maximize")
    for _ in range(60):
        study.ask()
    seen = _Window(study)._get_trials(deepcopy=False, states=None)
    states = [trial.state == TrialState.RUNNING for trial in seen]
    assert (states.count(False), states.count(True)) == (25 + 30, 12)
    assert [trial.number for trial in seen[-12:]] == list(range(128, 140))
