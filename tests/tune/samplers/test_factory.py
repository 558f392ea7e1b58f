from itertools import islice

import optuna
import pytest

from tune.config import grid
from tune.config.distributions import (
    AnyDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from tune.config.search_file import SamplerName
from tune.samplers import factory

NAMES: list[SamplerName] = ["tpe", "gp", "cmaes", "qmc", "random"]


SPACE: dict[str, AnyDistribution] = {
    "rate": FloatDistribution(type="float", low=1e-4, high=1.0, log=True),
    "size": IntDistribution(type="int", low=1, high=64),
}
BRANCHES: dict[str, AnyDistribution] = {
    "model": CategoricalDistribution(type="categorical", choices=("cnn", "gru")),
    "dropout": FloatDistribution(type="float", low=0.0, high=1.0, when={"model": "cnn"}),
    "rate": FloatDistribution(type="float", low=0.0, high=1.0, when={"model": "gru"}),
}


def proposals(name: SamplerName, seed: int, trials: int = 12) -> list[dict[str, float]]:
    study = optuna.create_study(
        direction="maximize", sampler=factory.create_sampler(name, SPACE, seed=seed)
    )
    for _ in range(trials):
        trial = study.ask()
        rate = trial.suggest_float("rate", 1e-4, 1.0, log=True)
        size = trial.suggest_int("size", 1, 64)
        study.tell(trial, rate + size)
    return [trial.params for trial in study.trials]


@pytest.mark.parametrize("name", NAMES)
def test_the_seed_decides(name: SamplerName) -> None:
    first = proposals(name, seed=1)
    assert first == proposals(name, seed=1)
    assert first != proposals(name, seed=2)
    assert all(1e-4 <= params["rate"] <= 1 and 1 <= params["size"] <= 64 for params in first)


@pytest.mark.parametrize("name", ["tpe", "gp"])
def test_a_conditional_space_is_modelled_by_its_parts(name: SamplerName) -> None:
    study = optuna.create_study(sampler=factory.create_sampler(name, BRANCHES, seed=0))
    for _ in range(30):
        trial = study.ask()
        if trial.suggest_categorical("model", ["cnn", "gru"]) == "cnn":
            value = trial.suggest_float("dropout", 0, 1)
        else:
            value = trial.suggest_float("rate", 0, 1)
        study.tell(trial, value)
    assert {len(trial.params) for trial in study.trials} == {2}


@pytest.mark.parametrize(
    ("known", "values"),
    [
        (CategoricalDistribution(type="categorical", choices=("a", "b")), ["a", "b"]),
        (IntDistribution(type="int", low=1, high=3), [1, 2, 3]),
        (IntDistribution(type="int", low=0, high=9, step=3), [0, 3, 6, 9]),
        (IntDistribution(type="int", low=16, high=256, log=True), [16, 32, 64, 128, 256]),
        (FloatDistribution(type="float", low=0.0, high=0.3, step=0.1), [0.0, 0.1, 0.2, 0.3]),
        (FloatDistribution(type="float", low=0.0, high=1.0), [0.0, 0.25, 0.5, 0.75, 1.0]),
        (FloatDistribution(type="float", low=0.5, high=0.5), [0.5]),
    ],
)
def test_the_values_of_a_grid(known: AnyDistribution, values: list[object]) -> None:
    assert list(grid.values(known)) == pytest.approx(values)


def test_a_grid_respects_conditions_and_its_seed() -> None:
    space: dict[str, AnyDistribution] = {
        "model": CategoricalDistribution(type="categorical", choices=("cnn", "gru")),
        "blocks": IntDistribution(type="int", low=1, high=3, when={"model": "cnn"}),
    }
    points = list(grid.shuffled(space, seed=0))
    assert sorted(map(str, points)) == [
        "{'model': 'cnn', 'blocks': 1}",
        "{'model': 'cnn', 'blocks': 2}",
        "{'model': 'cnn', 'blocks': 3}",
        "{'model': 'gru'}",
    ]
    assert points == list(grid.shuffled(space, seed=0))
    assert points != list(grid.shuffled(space, seed=1))


def test_points_of_a_grid_too_large_to_list_are_drawn_once_each() -> None:
    rate = FloatDistribution(type="float", low=0.0, high=1.0)
    space: dict[str, AnyDistribution] = {f"rate_{number}": rate for number in range(12)}
    points = list(islice(grid.shuffled(space, seed=0), 500))
    assert len({tuple(point.items()) for point in points}) == 500
    assert points[:100] == list(islice(grid.shuffled(space, seed=0), 100))
    assert {point["rate_7"] for point in points} == {0.0, 0.25, 0.5, 0.75, 1.0}
    assert grid.size(space, 1_000) == 1_000
