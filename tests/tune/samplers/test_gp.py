"""The sampler on made-up curves, whose best place is known."""

from typing import Any

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

from tune.config import optuna_space
from tune.config.conditions import Space
from tune.config.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from tune.config.search_file import SamplerName
from tune.samplers import factory
from tune.samplers._encoding import SpaceEncoder
from tune.study.optuna_private import start_trial
from tune.study.study import WORST

SPACE: Space = {
    "rate": FloatDistribution(type="float", low=1e-4, high=1.0, log=True),
    "size": IntDistribution(type="int", low=8, high=512, log=True),
    "clip": FloatDistribution(type="float", low=0.1, high=10.0, log=True),
}
STEPS = (500, 1000, 2000)


def accuracy(params: dict[str, Any], step: int, generator: np.random.Generator) -> float:
    """Best at rate 1e-2, size 256; the clip does nothing."""
    off = (np.log10(params["rate"]) + 2) ** 2 / 4 + (np.log2(params["size"] / 256)) ** 2 / 25
    return float(0.93 - 0.2 * off - 0.02 * np.log2(2000 / step) + 0.001 * generator.normal())


def search(name: SamplerName, seed: int, trials: int = 20) -> optuna.Study:
    """One trial at a time; two in three are stopped at their first rung."""
    study = optuna.create_study(
        direction="maximize", sampler=factory.create_sampler(name, SPACE, seed=seed)
    )
    study.set_user_attr("milestones", [step / 1000 for step in STEPS])
    generator = np.random.default_rng(seed)
    firsts: list[float] = []
    for _ in range(trials):
        trial = study.ask()
        params = optuna_space.suggest(trial, SPACE)
        firsts.append(accuracy(params, STEPS[0], generator))
        trial.report(firsts[-1], STEPS[0])
        if sum(first >= firsts[-1] for first in firsts) > max(1, len(firsts) / 3):
            study.tell(trial, state=TrialState.PRUNED)
            continue
        for step in STEPS[1:]:
            trial.report(accuracy(params, step, generator), step)
        study.tell(trial, max(study.trials[-1].intermediate_values.values()))
    return study


def test_it_finds_what_random_search_and_tpe_do_not() -> None:
    found: dict[SamplerName, float] = {}
    names: tuple[SamplerName, ...] = ("gp", "tpe", "random")
    for name in names:
        found[name] = float(np.mean([search(name, seed).best_value for seed in range(5)]))
    assert found["gp"] > 0.926
    assert found["gp"] > max(found["tpe"], found["random"]) + 0.003


def test_the_same_seed_asks_for_the_same_trials() -> None:
    first, second, other = (search("gp", seed, trials=12) for seed in (3, 3, 4))
    assert [trial.params for trial in first.trials] == [trial.params for trial in second.trials]
    assert [trial.params for trial in first.trials] != [trial.params for trial in other.trials]


def nearest_two(seed: int) -> float:
    """The distance of the nearest two of four trials that are asked for at a time."""
    study = search("gp", seed, trials=6)
    waiting = [optuna_space.suggest(study.ask(), SPACE) for _ in range(4)]
    rows = np.array([SpaceEncoder(SPACE).row(params) for params in waiting])
    apart = np.linalg.norm(rows[:, None] - rows[None], axis=2)
    return float(apart[np.triu_indices(4, 1)].min())


def test_trials_that_run_at_a_time_are_spread() -> None:
    assert np.mean([nearest_two(seed) for seed in range(6)]) > 0.08  # 0.04 if they did not count


def diverging(seed: int, limit: float) -> list[bool]:
    """Which of 40 trials had a rate above the limit and so diverged after their first rung."""
    study = optuna.create_study(
        direction="maximize", sampler=factory.create_sampler("gp", SPACE, seed=seed)
    )
    study.set_user_attr("milestones", [0.5, 1.0, 2.0])
    generator = np.random.default_rng(0)
    high = []
    for _ in range(40):
        trial = study.ask()
        params = optuna_space.suggest(trial, SPACE)
        high.append(params["rate"] > limit)
        trial.report(accuracy(params, 500, generator), 500)
        if high[-1]:
            study.tell(trial, WORST)
        else:
            study.tell(trial, state=TrialState.PRUNED)
    return high


def test_it_keeps_away_from_where_trials_diverge() -> None:
    high = diverging(0, limit=0.02)
    assert sum(high[:5]) > 0
    assert sum(high[20:]) <= 3


def test_what_a_diverged_trial_had_reached_before_does_not_count() -> None:
    """Above this limit first rungs are the best: all 60 late trials lay there if they counted."""
    late = [high for seed in range(3) for high in diverging(seed, limit=0.005)[20:]]
    assert sum(late) <= 30


def test_an_enqueued_trial_is_taken_as_it_is_and_learnt_from() -> None:
    study = optuna.create_study(
        direction="maximize", sampler=factory.create_sampler("gp", SPACE, seed=0)
    )
    study.enqueue_trial({"rate": 0.01, "size": 256})
    trial = study.ask()
    params = optuna_space.suggest(trial, SPACE)
    assert (params["rate"], params["size"]) == (0.01, 256)
    assert 0.1 <= params["clip"] <= 10.0  # what it left open is drawn


def test_many_trials_cost_no_more_than_the_best_and_the_latest() -> None:
    study = search("gp", 0, trials=130)
    sampler = study.sampler
    study.ask()
    assert len(sampler._ended) == 80  # type: ignore[attr-defined]
    best = max(
        study.trials[:-1], key=lambda each: max(each.intermediate_values.values(), default=0)
    )
    assert best.number in {each.number for each in sampler._ended}  # type: ignore[attr-defined]
    assert study.best_value > 0.927


@pytest.mark.parametrize("seed", range(3))
def test_a_choice_and_what_belongs_to_it(seed: int) -> None:
    known: Space = {
        "model": CategoricalDistribution(type="categorical", choices=("cnn", "gru")),
        "rate": FloatDistribution(type="float", low=0.0, high=1.0, when={"model": "gru"}),
        "width": IntDistribution(type="int", low=1, high=9, when={"model": "cnn"}),
    }
    study = optuna.create_study(
        direction="maximize", sampler=factory.create_sampler("gp", known, seed=seed)
    )
    for _ in range(25):
        trial = study.ask()
        params = optuna_space.suggest(trial, known)
        good = params["model"] == "gru"
        study.tell(trial, 0.9 - (params["rate"] - 0.4) ** 2 if good else 0.7)
    late = study.trials[15:]
    assert sum(trial.params["model"] == "gru" for trial in late) >= 7
    assert abs(study.best_params["rate"] - 0.4) < 0.05


def test_the_first_trials_cover_each_range() -> None:
    study = optuna.create_study(
        direction="maximize", sampler=factory.create_sampler("gp", SPACE, seed=5)
    )
    first = [optuna_space.suggest(study.ask(), SPACE) for _ in range(5)]
    for name in ("rate", "clip"):
        known = SPACE[name]
        assert known.type == "float"
        assert sorted(int(5 * known.position(params[name])) for params in first) == list(range(5))


def test_a_rung_so_early_that_its_step_is_0() -> None:
    study = optuna.create_study(
        direction="maximize", sampler=factory.create_sampler("gp", SPACE, seed=0)
    )
    study.set_user_attr("milestones", [0.0004, 0.001])
    for number in range(8):
        trial = study.ask()
        optuna_space.suggest(trial, SPACE)
        trial.report(0.5 + number / 100, 0)
        study.tell(trial, state=TrialState.PRUNED)
    assert len({trial.params["rate"] for trial in study.trials}) == 8


def test_a_space_without_parameters() -> None:
    study = optuna.create_study(
        direction="maximize", sampler=factory.create_sampler("gp", {}, seed=0)
    )
    for number in range(8):
        study.tell(study.ask(), number / 10)
    assert [trial.params for trial in study.trials] == [{}] * 8


def test_a_trial_that_is_given_a_shape_gets_what_suits_that_shape() -> None:
    """The best rate depends on the model, so what is proposed beside a model must as well."""
    space: Space = {
        "model": CategoricalDistribution(type="categorical", choices=("narrow", "wide")),
        "rate": FloatDistribution(type="float", low=0.0, high=1.0),
    }
    best = {"narrow": 0.2, "wide": 0.8}
    study = optuna.create_study(
        direction="maximize", sampler=factory.create_sampler("gp", space, seed=1)
    )
    study.set_user_attr("milestones", [1.0])
    for number in range(30):
        given = {"model": "wide", "rate": (number + 0.5) / 8} if number < 8 else None
        trial = start_trial(study, given)
        params = optuna_space.suggest(trial, space)
        study.tell(trial, 0.9 - 0.5 * (params["rate"] - best[str(params["model"])]) ** 2)
    for model, place in best.items():
        rates = []
        for _ in range(15):
            trial = start_trial(study, {"model": model})
            params = optuna_space.suggest(trial, space)
            assert params["model"] == model
            rates.append(params["rate"])
            study.tell(trial, state=TrialState.FAIL)
        assert abs(float(np.median(rates)) - place) < 0.15  # a tenth and more are random
