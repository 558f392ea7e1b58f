"""Searches on real Ray whose time budget is over before any trial reached its first rung."""

import json
from pathlib import Path

import pytest

from tune import FloatDistribution, Search, search
from tune.exceptions import SearchError
from tune.run_folder.paths import RunFolder

SPACE = """
model: gru
data: {name: synthetic, train_size: 4000, test_size: 400}
embeddings: {name: random, dim: 16}
train: {epochs: 1000, batch_size: 8}
space:
  hidden_size: {type: int, low: 8, high: 16}
search: {samples: 4, max_concurrent: 1, scheduler: {grace_period: 900}}
"""


@pytest.mark.usefixtures("one_free_cpu")
def test_a_budget_that_is_over_before_any_rung_gives_a_winner_all_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEXTCLS_CACHE", str(tmp_path / "cache"))
    (tmp_path / "space.yaml").write_text(SPACE)
    given = ["--space", str(tmp_path / "space.yaml"), "--runs-dir", str(tmp_path), "--name", "run"]
    assert search.main([*given, "--time-budget", "1s"]) == 0
    folder = RunFolder(tmp_path / "run")
    result = json.loads(folder.result.read_text())
    reason = result["best"]["fallback"]["reason"]
    assert result["state"] == "complete"
    assert reason.startswith("The time budget ended before")
    assert reason in capsys.readouterr().out
    assert reason in folder.report.read_text()
    assert (folder.best / "bundle.json").is_file()
    assert list(folder.root.rglob("unfinished*")) == []


@pytest.mark.usefixtures("one_free_cpu")
def test_python_hears_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEXTCLS_CACHE", str(tmp_path / "cache"))
    (tmp_path / "space.yaml").write_text(SPACE)
    found = Search.load(tmp_path / "space.yaml", {"search.time_budget": 0.001})
    with pytest.warns(UserWarning, match="The time budget ended before"):
        result = found.run(name="run", runs_dir=tmp_path)
    assert result.best.value == result.best.metrics["test_accuracy"]
    assert result.classifier.predict(["a good game"])


@pytest.mark.usefixtures("one_free_cpu")
def test_an_objective_of_ones_own_has_no_classifier_to_fall_back_on(tmp_path: Path) -> None:
    found = Search.over(
        "parabola",
        {"x": FloatDistribution(low=0.0, high=1.0)},
        search={"time_budget": 0.001, "max_concurrent": 1},
    )
    with pytest.raises(SearchError, match="no winner"):
        found.run(objective=lambda config: config["x"], name="run", runs_dir=tmp_path)
