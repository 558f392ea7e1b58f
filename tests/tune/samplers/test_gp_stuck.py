"""The sampler where most of a space teaches nothing: it must go on exploring."""

from collections.abc import Callable
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

from tune.config import optuna_space
from tune.config.conditions import Space
from tune.config.distributions import FloatDistribution
from tune.config.search_file import SamplerName
from tune.samplers import factory
from tune.samplers._encoding import SpaceEncoder
from tune.samplers._gp import CurveGPSampler, _agree, _scores, _shares
from tune.schedulers import SuccessiveHalving
from tune.study.records import State
from tune.study.study import WORST

SPACE: Space = {name: FloatDistribution(low=0.0, high=1.0) for name in "abcd"}
CHANCE = 0.5
FIRST, LAST = 1000, 9000

Final = Callable[[dict[str, Any]], float | None]
"""What a configuration reaches; None where it diverges after its first rung."""


def off(params: dict[str, Any], best: tuple[float, ...]) -> float:
    return max(abs(params[name] - at) for name, at in zip("abcd", best, strict=True))


def plateau(params: dict[str, Any]) -> float:
    """Chance, but for a corner of 6 %."""
    return CHANCE + 0.8 * max(0.0, 0.25 - off(params, (0.25, 0.25, 0.75, 0.75)))


def half_at_chance(params: dict[str, Any]) -> float:
    """Above a = 0.3 nothing is learnt, and the small differences there lead away from the rest."""
    if params["a"] > 0.3:
        return CHANCE + 0.002 * params["a"]
    return 0.9 - 0.3 * off(params, (0.1, 0.3, 0.6, 0.5))


def beside_diverging(params: dict[str, Any]) -> float | None:
    """The higher a the better, up to where training diverges."""
    if params["a"] > 0.7:
        return None
    return 0.7 + 0.2 * params["a"] - 0.1 * abs(params["b"] - 0.4)


def search(final: Final, name: SamplerName, seed: int, trials: int = 60) -> optuna.Study:
    """One trial at a time under ASHA, with noise of 0.001 and two rungs."""
    study = optuna.create_study(
        direction="maximize", sampler=factory.create_sampler(name, SPACE, seed=seed)
    )
    study.set_user_attr("milestones", [FIRST / 1000, LAST / 1000])
    rungs, generator = SuccessiveHalving(2, 3), np.random.default_rng(seed)
    for number in range(trials):
        trial = study.ask()
        reached = final(optuna_space.suggest(trial, SPACE))
        noise = 0.001 * generator.normal(size=2)
        above = 0.3 if reached is None else reached - CHANCE
        early = CHANCE + 0.8 * above + noise[0]
        trial.report(early, FIRST)
        goes_on = rungs.should_continue(number, 0, early)
        if reached is None:
            study.tell(trial, WORST)
        elif not goes_on:
            study.tell(trial, state=TrialState.PRUNED)
        else:
            trial.report(reached + noise[1], LAST)
            study.tell(trial, reached + noise[1])
    return study


def found(final: Final, name: SamplerName, seeds: int = 8) -> float:
    return float(np.mean([search(final, name, seed).best_value for seed in range(seeds)]))


@pytest.mark.parametrize("final", [plateau, half_at_chance, beside_diverging])
def test_it_finds_more_than_random_search(final: Final) -> None:
    assert found(final, "gp") > found(final, "random") + 0.005


def test_it_leaves_a_region_that_diverges_beside_the_best() -> None:
    late = [
        trial for seed in range(6) for trial in search(beside_diverging, "gp", seed).trials[20:]
    ]
    assert np.mean([trial.value == WORST for trial in late]) < 0.25


def spread(trials: list[optuna.trial.FrozenTrial]) -> float:
    rows = np.array([SpaceEncoder(SPACE).row(trial.params) for trial in trials])
    return float(rows.std(axis=0).mean())


def test_where_all_is_noise_it_goes_everywhere() -> None:
    everywhere = 1 / np.sqrt(12)
    spreads = [spread(search(lambda _: CHANCE, "gp", seed).trials[30:]) for seed in range(6)]
    assert np.mean(spreads) > 0.8 * everywhere


def test_the_longer_the_best_stays_the_best_the_more_is_explored() -> None:
    at_random, beside = zip(*map(_shares, (0, 6, 12, 1000)), strict=True)
    assert at_random == pytest.approx([0.1, 0.35, 0.475, 0.6])
    assert beside == pytest.approx([1.0, 0.5, 0.25, 0.2])


def test_ranks_keep_small_differences_apart_and_far_ones_from_counting_much() -> None:
    scores = _scores(np.array([0.6931, 0.6932, 0.6933, 2.0, -np.inf]))
    order = np.argsort(scores).tolist()
    assert order == [4, 0, 1, 2, 3]
    assert scores[2] - scores[0] > 0.2
    assert scores[0] - scores[4] < 2


def test_equal_values_have_equal_scores() -> None:
    scores = _scores(np.array([0.5, 0.5, 0.5, 0.9]))
    assert len(set(scores[:3].tolist())) == 1


@pytest.mark.parametrize("bounded", [True, False])
def test_values_on_any_scale_are_learnt_from(*, bounded: bool) -> None:
    """Texts a second, say: far above 1, and what diverged has no value."""
    study = optuna.create_study(
        direction="maximize", sampler=factory.create_sampler("gp", SPACE, seed=0)
    )
    study.set_user_attr("bounded", bounded)
    for _ in range(40):
        trial = study.ask()
        params = optuna_space.suggest(trial, SPACE)
        if params["a"] > 0.8:
            trial.set_user_attr("state", State.DIVERGED.value)
            study.tell(trial, state=TrialState.FAIL)
        else:
            value = 1 - off(params, (0.5, 0.5, 0.5, 0.5))
            study.tell(trial, value if bounded else 5000 * value - 3000)
    late = study.trials[20:]
    assert sum(trial.state == TrialState.FAIL for trial in late) <= 5
    off_late = np.mean([off(trial.params, (0.5,) * 4) for trial in late])
    assert off_late < np.mean([off(trial.params, (0.5,) * 4) for trial in study.trials[:10]]) - 0.05


def stepped(params: dict[str, Any]) -> float:
    """Each parameter counts in three steps, so that there are 81 different trials."""
    cells = {name: min(2, int(3 * value)) / 2 for name, value in params.items()}
    return 0.9 - 0.1 * sum(
        (cells[name] - at) ** 2 for name, at in zip("abcd", (1, 0, 0.5, 1), strict=True)
    )


def repeats(seed: int) -> float:
    """The share of late trials that are in a cell where a trial was before, without noise."""
    study = optuna.create_study(
        direction="maximize", sampler=factory.create_sampler("gp", SPACE, seed=seed)
    )
    seen: list[tuple[int, ...]] = []
    for _ in range(50):
        trial = study.ask()
        params = optuna_space.suggest(trial, SPACE)
        study.tell(trial, stepped(params))
        seen.append(tuple(min(2, int(3 * params[name])) for name in "abcd"))
    return float(np.mean([cell in seen[:at] for at, cell in enumerate(seen) if at >= 15]))


def test_where_trials_come_back_the_same_it_keeps_away_from_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with_distance = np.mean([repeats(seed) for seed in range(3)])
    smooth = [trial.params for trial in search(half_at_chance, "gp", 0, trials=25).trials]
    monkeypatch.setattr(CurveGPSampler, "_spacing", lambda *_: -1.0)
    without = np.mean([repeats(seed) for seed in range(3)])
    assert with_distance < without - 0.1
    again = [trial.params for trial in search(half_at_chance, "gp", 0, trials=25).trials]
    assert again == smooth  # where no trial repeats another nothing changes


def test_curves_agree_where_all_that_they_share_is_equal() -> None:
    assert _agree({1: 0.5, 2: 0.6}, {1: 0.5, 2: 0.6, 3: 0.9})
    assert not _agree({1: 0.5, 2: 0.6}, {1: 0.5, 2: 0.7})
    assert not _agree({1: 0.5}, {2: 0.5})
