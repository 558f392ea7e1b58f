"""The samplers with a cost beside the metric: they look for a whole front."""

from itertools import pairwise
from typing import Any

import numpy as np
import optuna
import pytest

from tune.config import optuna_space
from tune.config.conditions import Space
from tune.config.distributions import FloatDistribution
from tune.samplers import factory
from tune.samplers._curve_gp import log_expected_area

SPACE: Space = {name: FloatDistribution(low=0.0, high=1.0) for name in "abc"}


def cost(params: Any) -> float:
    return float(10 ** (2 * params["a"]))


def value(params: Any) -> float:
    """Dearer configurations reach more, and b and c have to be right."""
    off = abs(params["b"] - 0.7) + abs(params["c"] - 0.2)
    return float(0.5 + 0.4 * params["a"] ** 0.5 - 0.3 * off)


def area(study: optuna.Study) -> float:
    """The area below the front of value and logarithm of cost; the best there is has 0.77."""
    points = sorted((np.log10(cost(t.params)) / 2, t.value or 0.0) for t in study.trials)
    best, total, points = 0.0, 0.0, [*points, (1.0, 0.0)]
    for (at, found), (following, _) in pairwise(points):
        best = max(best, found)
        total += best * (following - at)
    return total


def search(seed: int, *, name: Any = "gp", minimised: Any = cost) -> optuna.Study:
    study = optuna.create_study(
        direction="maximize",
        sampler=factory.create_sampler(name, SPACE, seed=seed, minimised=minimised),
    )
    for _ in range(40):
        trial = study.ask()
        study.tell(trial, value(optuna_space.suggest(trial, SPACE)))
    return study


@pytest.mark.parametrize("name", ["gp", "tpe"])
def test_it_finds_more_of_the_front_than_random_trials_and_than_the_best_alone(name: str) -> None:
    seeds = range(4)
    front = np.mean([area(search(seed, name=name)) for seed in seeds])
    at_random = np.mean([area(search(seed, name="random")) for seed in seeds])
    best_alone = np.mean([area(search(seed, name=name, minimised=None)) for seed in seeds])
    assert front > at_random + 0.01
    assert front > best_alone + 0.01


@pytest.mark.parametrize("name", ["gp", "tpe"])
def test_the_same_seed_proposes_the_same_trials(name: str) -> None:
    one, two = ([trial.params for trial in search(seed=5, name=name).trials] for _ in range(2))
    assert one == two
    assert one != [trial.params for trial in search(seed=6, name=name).trials]


def drawn_area(mean: float, deviation: float, at: float, known: list[tuple[float, float]]) -> float:
    """The expected area by drawing values and adding up thin slices of cost."""
    generator = np.random.default_rng(0)
    drawn = generator.normal(mean, deviation, 4_000)
    slices = np.linspace(0.0, 1.1, 2_201)[:-1] + 0.00025
    lowest = min(v for v, _ in known)
    best = np.array([max([v for v, c in known if c <= u], default=lowest) for u in slices])
    gains = np.maximum(drawn[:, None] - best, 0.0) * (slices >= at)
    return float(gains.sum(axis=1).mean() * 0.0005)


@pytest.mark.parametrize(
    ("mean", "deviation", "at"), [(0.6, 0.2, 0.3), (0.5, 0.1, 0.0), (0.9, 0.05, 1.0)]
)
def test_the_expected_area_is_that_of_drawn_values(
    mean: float, deviation: float, at: float
) -> None:
    known = [(0.3, 0.2), (0.6, 0.5), (0.4, 0.7), (0.8, 1.0)]
    costs = np.array([at, 0.0, 1.0])  # the others set the ends of the scale
    found = log_expected_area(
        np.array([mean, 0.0, 0.0]),
        np.array([deviation, 0.1, 0.1]),
        costs,
        *(np.array(each) for each in zip(*known, strict=True)),
    )
    assert np.exp(found[0]) == pytest.approx(drawn_area(mean, deviation, at, known), rel=0.05)


def test_what_cannot_add_anything_promises_least() -> None:
    known, costs = np.array([0.9, 0.5]), np.array([0.0, 1.0])
    found = log_expected_area(
        np.array([0.1, 0.89, 0.95]), np.array([0.01, 0.01, 0.01]), np.array([0.5] * 3), known, costs
    )
    assert np.all(np.isfinite(found))
    assert found.tolist() == sorted(found.tolist())
