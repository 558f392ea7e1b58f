"""Trials in the order of fronts, as TPE is shown them where a cost is minimised."""

import copy

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from tune.samplers import _tpe
from tune.samplers._front_order import best_first, with_places
from tune.samplers._tpe import WindowedTPESampler


def trial(
    number: int, value: float, cost: float, *steps: int, ends: str = "COMPLETE"
) -> FrozenTrial:
    """A trial with its cost as its only parameter, which reached these steps."""
    made = create_trial(
        state=TrialState[ends],
        value=value if ends == "COMPLETE" else None,
        params={"cost": cost},
        distributions={"cost": FloatDistribution(0.0, 1000.0)},
        intermediate_values=dict.fromkeys(steps, value),
    )
    made.number = number
    return made


def price(of: FrozenTrial) -> float:
    return float(of.params["cost"])


TRIALS = [
    trial(0, 0.9, 100.0),
    trial(1, 0.8, 100.0),
    trial(2, 0.5, 1.0),
    trial(3, 0.99, 100.0, 250, ends="PRUNED"),
    trial(4, 0.6, 100.0, 250, 750, ends="PRUNED"),
    trial(5, 0.5, 10.0, 250, 750, ends="PRUNED"),
    trial(6, 0.4, 20.0, 250, 750, ends="PRUNED"),
    trial(7, 0.0, 1.0, ends="PRUNED"),
]
"""Complete: 0 and 2 are the front. Stopped at 750: 4 and 5 are, and 6 is not."""


def test_fronts_come_in_their_order_within_each_stage() -> None:
    expected = [0, 2, 1, 4, 5, 6, 3, 7]
    assert [each.number for each in best_first(TRIALS, price, 1.0)] == expected
    turned = [copy.copy(each) for each in TRIALS]
    for each in turned:
        each.intermediate_values = {s: -v for s, v in each.intermediate_values.items()}
        if each.state == TrialState.COMPLETE and each.value is not None:
            each.value = -each.value
    assert [each.number for each in best_first(turned, price, -1.0)] == expected


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_tpe_takes_the_places_for_values(direction: str) -> None:
    from optuna.samplers._tpe.sampler import _split_trials

    study = optuna.create_study(direction=direction)
    sign = 1.0 if direction == "maximize" else -1.0
    running = trial(8, 0.0, 5.0, ends="RUNNING")
    shown = with_places([*TRIALS, running], price, sign)
    assert shown[-1] is running
    order = [each.number for each in best_first(TRIALS, price, sign)]
    for count in range(1, 8):
        good, _ = _split_trials(study, shown[:-1], count)
        assert sorted(each.number for each in good) == sorted(order[:count])
    assert TRIALS[0].value == 0.9  # what is stored stays as it is


def test_old_cheap_trials_stay_among_the_good_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_tpe, "RECENT", 10)
    monkeypatch.setattr(_tpe, "_SLACK", 5)
    sampler = WindowedTPESampler(price, seed=0, multivariate=True, constant_liar=True)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    for number in range(60):
        study.enqueue_trial({"cost": float(1 + number if number < 5 else 500 + number)})
        study.tell(study.ask({"cost": FloatDistribution(0.0, 1000.0)}), 0.5 + number / 1000)
    shown = {each.number for each in sampler._seen(study).trials()}
    assert len(shown) < 45
    assert {0, 1, 2, 3, 4} <= shown  # each dearer than the one before, and better
