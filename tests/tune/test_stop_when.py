"""A search on real Ray that ends because further trials promise too little."""

import json
from pathlib import Path

import pytest

from textcls.exceptions import ConfigError
from tune import FloatDistribution, Search
from tune.run_folder.paths import RunFolder


def parabola(config: dict[str, float]) -> float:
    return 1.0 - (config["x"] - 0.5) ** 2


def search(**asked: object) -> Search:
    return Search.over(
        "parabola",
        {"x": FloatDistribution(low=0.0, high=1.0)},
        search={"sampler": "random", "samples": 60, "max_concurrent": 1, **asked},
    )


@pytest.mark.usefixtures("one_free_cpu")
def test_it_says_why_it_ended_and_goes_on_where_that_is_lifted(tmp_path: Path) -> None:
    rule = {"gain_below": 0.004, "within_trials": 4}
    found = search(stop_when=rule).run(objective=parabola, name="run", runs_dir=tmp_path)
    count = len(found.trials)
    assert 16 <= count < 60
    folder = RunFolder(tmp_path / "run")
    ended_by = json.loads(folder.result.read_text())["ended_by"]
    assert ended_by["expected_gain"] < 0.004
    assert "less than 0.004" in ended_by["reason"]
    assert ended_by["reason"] in folder.report.read_text()
    again = search(stop_when=rule).run(
        objective=parabola, name="run", runs_dir=tmp_path, resume=True
    )
    assert len(again.trials) == count
    more = search(samples=count + 2).run(
        objective=parabola, name="run", runs_dir=tmp_path, resume=True
    )
    assert len(more.trials) == count + 2
    assert "ended_by" not in json.loads(folder.result.read_text())


def test_exactly_one_wait_is_named() -> None:
    with pytest.raises(ConfigError, match="within_trials"):
        search(stop_when={"gain_below": 0.1})
    with pytest.raises(ConfigError, match="both"):
        search(stop_when={"gain_below": 0.1, "within": "5m", "within_trials": 3})
