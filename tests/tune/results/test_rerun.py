"""Confirmation and ensemble at the end of real searches, on the shared Ray."""

import io
import json
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from tune import search
from tune.results import _rerun_stats
from tune.run_folder.paths import RunFolder

SPACE = """
data: {name: synthetic, train_size: 600, test_size: 300, validation_fraction: 0.2}
embeddings: {name: random, dim: 16}
model: {name: gru, hidden_size: 8, ngrams: 1}
space:
  learning_rate: {type: float, low: 1.0e-3, high: 3.0e-2, log: true}
search: {metric: val_accuracy, samples: 4}
"""


@pytest.fixture(scope="module")
def confirmed(
    tmp_path_factory: pytest.TempPathFactory,
    one_free_cpu: None,  # noqa: ARG001
) -> tuple[RunFolder, str]:
    root = tmp_path_factory.mktemp("confirmed")
    (root / "space.yaml").write_text(SPACE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TEXTCLS_CACHE", str(root / "cache"))
        options = ["--space", str(root / "space.yaml"), "--runs-dir", str(root), "--name", "run"]
        options += ["--max-concurrent", "1"]  # trials side by side are tested elsewhere
        printed = start(*options, "--confirm", "2", "--seeds", "2", "--ensemble", "3")
    return RunFolder(root / "run"), printed


def start(*options: str) -> str:
    printed = io.StringIO()
    with redirect_stdout(printed):
        assert search.main([*options]) == 0
    return printed.getvalue()


def accuracy(folder: Path) -> float:
    """What a classifier's folder makes of the test texts as they are read."""
    from textcls import ensemble
    from textcls.config.models import DataConfig
    from textcls.data.dataset import locate

    data = DataConfig(name="synthetic", train_size=600, test_size=300, validation_fraction=0.2)
    test = locate(data).read().splits["test"]
    guessed = ensemble.load_ensemble(folder).probabilities(test.texts.to_pylist()).argmax(axis=1)
    return float((guessed == test.labels).mean())


def result(folder: RunFolder) -> Any:
    return json.loads(folder.result.read_text())


def test_the_best_two_are_trained_again_and_the_better_mean_wins(
    confirmed: tuple[RunFolder, str],
) -> None:
    folder, printed = confirmed
    best = result(folder)["best"]
    standings = best["confirmation"]["standings"]
    assert len(standings) == 2
    assert [len(each["values"]) for each in standings] == [2, 2]
    assert standings[0]["mean"] >= standings[1]["mean"]
    assert best["number"] == standings[0]["number"]
    assert best["val_accuracy"] == max(standings[0]["values"])
    assert f"Confirmed {best['number']}" in printed
    runs = _rerun_stats.read_reruns(folder)
    assert all(not any(key.startswith("test") for key in run.metrics) for run in runs)
    kept = [path.parent for path in folder.reruns.parent.glob("*/rung-*.safetensors")]
    assert len(kept) == 2


def test_the_bundle_is_the_confirmed_one(confirmed: tuple[RunFolder, str]) -> None:
    from textcls import bundle

    folder, _ = confirmed
    about = bundle.load_bundle(folder.best).about
    assert about["search"]["seed"] >= _rerun_stats.FIRST_SEED
    assert about["search"]["trial"] == result(folder)["best"]["number"]


def test_going_on_adds_seeds_and_retrains_on_everything(
    confirmed: tuple[RunFolder, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, _ = confirmed
    monkeypatch.setenv("TEXTCLS_CACHE", str(folder.root.parent / "cache"))
    before = _rerun_stats.read_reruns(folder)
    more = ["--seeds", "3", "--set", "search.confirm.retrain=true"]
    printed = start("--resume", str(folder.root), *more)
    after = _rerun_stats.read_reruns(folder)
    assert after[: len(before)] == before
    assert len(after) == 6
    best = result(folder)["best"]
    assert "val_accuracy" not in best  # it was trained on
    assert 0.1 < best["test_accuracy"] <= 1
    assert "on train and validation together" in printed
    about = json.loads((folder.best / "bundle.json").read_text())["about"]
    assert about["search"]["trained_on_validation"] is True
    assert accuracy(folder.best) == pytest.approx(best["test_accuracy"])


def test_the_best_three_together_predict_as_well_as_it_was_said(
    confirmed: tuple[RunFolder, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from textcls import ensemble

    folder, printed = confirmed
    monkeypatch.setenv("TEXTCLS_CACHE", str(folder.root.parent / "cache"))
    found = result(folder)["ensemble"]
    assert len(set(found["trials"])) == 3
    assert "Ensemble" in printed
    assert isinstance(ensemble.load_ensemble(folder.ensemble), ensemble.Ensemble)
    assert accuracy(folder.ensemble) == pytest.approx(found["test_accuracy"])
    kept = [path.parent.name for path in folder.root.glob("trials/*/rung-*.safetensors")]
    assert sorted(kept) == sorted(str(number) for number in found["trials"])


def test_the_report_shows_both(confirmed: tuple[RunFolder, str]) -> None:
    page = confirmed[0].report.read_text()
    assert "Confirmed with fresh seeds" in page
    assert "their probabilities averaged" in page
