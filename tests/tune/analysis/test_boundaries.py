import random
from pathlib import Path

import pytest
import yaml
from report_runs import make_search, trial, write_run

from tune.analysis import run_data
from tune.analysis.advice import range_yaml
from tune.analysis.boundaries import boundary_hits, edge_share
from tune.config import search_file
from tune.config.distributions import FloatDistribution, IntDistribution
from tune.study.records import State


def boundary_of(tmp_path: Path, distribution: dict, name: str, towards: float, count: int = 40):
    """Trials spread evenly over the range; the value falls with the distance from `towards`."""
    search = make_search(space={name: distribution})
    known = search.space[name]
    made = []
    for at in range(count):
        share = (at + 0.5) / count
        low, high = known.low, known.high
        value = low * (high / low) ** share if known.log else low + (high - low) * share
        value = round(value) if known.type == "int" else value
        accuracy = 0.9 - 0.2 * abs(share - towards)
        made.append(trial(search, State.COMPLETE, [accuracy], {name: value}))
    told = run_data.load_run(write_run(tmp_path / "run", search, made))
    return boundary_hits(told), search


RATE = {"type": "float", "low": 1e-4, "high": 1e-2, "log": True}


@pytest.mark.parametrize(("towards", "side"), [(1.0, "high"), (0.0, "low")])
def test_an_edge_in_the_ranges_own_scale_is_named_with_a_wider_range(
    tmp_path: Path, towards: float, side: str
) -> None:
    (hit,), search = boundary_of(tmp_path, RATE, "learning_rate", towards)
    assert (hit.name, hit.side) == ("learning_rate", side)
    old = search.space["learning_rate"]
    assert hit.wider.high > old.high or hit.wider.low < old.low
    assert hit.wider.log
    line = yaml.safe_load(range_yaml(hit))
    again = search_file.SearchFile.model_validate({"space": line})
    assert again.space["learning_rate"] == hit.wider


def test_a_best_value_inside_is_no_hit(tmp_path: Path) -> None:
    assert boundary_of(tmp_path, RATE, "learning_rate", 0.6)[0] == []


@pytest.mark.parametrize(
    ("name", "distribution", "towards"),
    [
        ("dropout", {"type": "float", "low": 0.0, "high": 0.5}, 0.0),
        ("freeze_iters", {"type": "int", "low": 0, "high": 3000}, 0.0),
        ("freeze_fraction", {"type": "float", "low": 0.0, "high": 1.0}, 1.0),
        ("layers", {"type": "int", "low": 1, "high": 8}, 1.0),
    ],
)
def test_an_end_beyond_which_nothing_is_allowed_is_no_edge(
    tmp_path: Path, name: str, distribution: dict, towards: float
) -> None:
    assert boundary_of(tmp_path, distribution, name, towards)[0] == []


def test_few_trials_say_nothing(tmp_path: Path) -> None:
    assert boundary_of(tmp_path, RATE, "learning_rate", 1.0, count=9)[0] == []


@pytest.mark.parametrize("side", ["low", "high"])
@pytest.mark.parametrize(
    "known",
    [
        IntDistribution(type="int", low=1, high=4),
        IntDistribution(type="int", low=1, high=16, log=True),
        IntDistribution(type="int", low=10, high=100, step=10),
        FloatDistribution(type="float", low=0.1, high=0.5, step=0.1),
        FloatDistribution(type="float", low=1e-4, high=1.0, log=True),
    ],
)
def test_the_share_at_an_edge_is_what_a_sampler_draws_there(known, side: str) -> None:
    import optuna

    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    hits = 0
    for _ in range(1_500):
        drawn = study.ask()
        suggest = drawn.suggest_int if known.type == "int" else drawn.suggest_float
        value = suggest("x", known.low, known.high, log=known.log, step=known.step)
        place = known.position(value)
        hits += place <= 0.1 + 1e-9 if side == "low" else place >= 0.9 - 1e-9
    assert hits / 1_500 == pytest.approx(edge_share(known, side), abs=0.035)


def test_no_hits_in_noise(tmp_path: Path) -> None:
    rng = random.Random(0)
    search = make_search(space={"dropout": {"type": "float", "low": 0.1, "high": 0.5}})
    made = [
        trial(search, State.COMPLETE, [rng.random()], {"dropout": rng.uniform(0.1, 0.5)})
        for _ in range(60)
    ]
    assert boundary_hits(run_data.load_run(write_run(tmp_path / "run", search, made))) == []
