"""Sets of labels hold the true one as often as was asked for, whatever the classifier is worth."""

import csv
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bundle_parts import LABELS, export_small, small_corpus

from textcls import bundle, ensemble, predict
from textcls.calibration.conformal import (
    LEAST_TEXTS,
    MOST_SCORES,
    least_probability,
    measure_scores,
)
from textcls.calibration.temperature import softmax
from textcls.data.tables.prediction import Choice
from textcls.exceptions import BundleError
from textcls.runtime.bundle_files import read_bundle
from textcls.runtime.loading import load_predictor

RNG = np.random.default_rng(3)


def drawn(texts: int) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of a classifier that is far too sure, and the true labels."""
    true = RNG.normal(0, 2, (texts, 4))
    labels = (RNG.random(texts)[:, None] > softmax(true).cumsum(axis=1)).sum(axis=1)
    return softmax(5 * true), np.minimum(labels, 3)


@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.95, 0.99])
@pytest.mark.parametrize("texts", [150, 3_000])
def test_as_many_sets_hold_the_true_label_as_was_asked_for(coverage: float, texts: int) -> None:
    shares = []
    for _ in range(100):
        found = measure_scores(*drawn(texts), "validation")
        assert found is not None
        probabilities, labels = drawn(1_000)
        least = least_probability(found, coverage)
        shares.append((probabilities[np.arange(1_000), labels] >= least).mean())
    error = math.sqrt(coverage * (1 - coverage) * (1 / texts + 1 / 1_000) / 100)
    assert np.mean(shares) > coverage - 4 * error
    # Not many more either: a rank of n + 1, and of 3,000 texts two ranks in three are left out.
    assert np.mean(shares) < coverage + 4 * error + 2 / texts + 1 / MOST_SCORES


def test_the_quantile_is_that_of_one_text_more() -> None:
    probabilities = np.full((199, 2), 0.5)
    probabilities[:, 0] = 1 - np.arange(1, 200) / 1_000  # scores 0.001 to 0.199
    found = measure_scores(probabilities, np.zeros(199, np.int64), "test")
    assert found is not None
    assert found.texts == len(found.scores) == 199
    assert least_probability(found, 0.95) == pytest.approx(1 - 0.190)  # the 190th of 200
    assert least_probability(found, 0.951) == pytest.approx(1 - 0.191)
    assert least_probability(found, 0.995) == pytest.approx(1 - 0.199)
    assert least_probability(found, 0.996) == 0.0  # so few texts cannot say


def test_of_many_texts_a_thousand_ranks_are_kept_on_the_cautious_side() -> None:
    probabilities, labels = drawn(3_333)
    found = measure_scores(probabilities, labels, "test")
    assert found is not None
    assert len(found.scores) == MOST_SCORES
    exact = np.sort(1 - probabilities[np.arange(3_333), labels])
    for coverage in RNG.uniform(0.01, 0.999, 300):
        kept = 1 - least_probability(found, coverage)
        rank = math.ceil(3_334 * coverage)
        assert exact[rank - 1] - 1e-9 <= kept <= 1e-9 + exact[min(rank + 3, 3_332)]


def test_too_few_texts_say_nothing() -> None:
    assert measure_scores(*drawn(LEAST_TEXTS - 1), "test") is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"scores": [0.1, 0.2]},
        {"scores": [0.3, 0.2, 0.4]},
        {"scores": [0.1, 0.2, 1.5]},
        {"scores": [0.1, 0.2, float("nan")]},
        {"scores": []},
        {"texts": 0},
    ],
)
def test_scores_of_a_stranger_are_checked(wrong: dict[str, object], tmp_path: Path) -> None:
    folder = export_small(tmp_path)
    content = json.loads((folder / "bundle.json").read_text())
    content["conformal"] = {"split": "test", "texts": 3, "scores": [0.1, 0.2, 0.4]} | wrong
    (folder / "bundle.json").write_text(json.dumps(content))
    with pytest.raises(BundleError, match="conformal"):
        read_bundle(folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with held-out texts."""
    corpus = small_corpus()
    train = corpus.splits["train"]
    length = train.offsets[-1]
    many = bundle.EncodedSplit(
        np.tile(train.tokens, 3),
        np.concatenate([[0], *(train.offsets[1:] + i * length for i in range(3))]),
        np.tile(train.labels, 3),
    )
    splits = {"train": train, "validation": many}
    return export_small(tmp_path_factory.mktemp("made"), replace(corpus, splits=splits))


def test_a_bundle_keeps_the_scores_of_its_held_out_texts(folder: Path, tmp_path: Path) -> None:
    found = read_bundle(folder).description.conformal
    assert found is not None
    assert (found.split, found.texts, len(found.scores)) == ("validation", 180, 180)
    loaded = bundle.load_bundle(folder)
    assert loaded.conformal == found
    bundle.save_bundle(loaded, read_bundle(folder).description.model, tmp_path / "again")
    assert read_bundle(tmp_path / "again").description.conformal == found


def test_the_command_tells_the_set(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = load_predictor(folder).probabilities(["goal match"])
    found = read_bundle(folder).description.conformal
    assert found is not None
    for coverage in ("0.3", "0.9", "0.999"):
        assert predict.main([str(folder), "goal match", "--coverage", coverage]) == 0
        label, _, labels, text = capsys.readouterr().out.rstrip("\n").split("\t")
        told = json.loads(labels)
        assert (label, text) == (told[0], "goal match")
        least = least_probability(found, float(coverage))
        inside = {name for name, p in zip(LABELS, rows[0].tolist(), strict=True) if p >= least}
        assert set(told) == inside | {label}
    assert len(told) == len(LABELS)  # 180 texts cannot promise 0.999


def test_files_get_a_column_of_it(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("text\ngoal match\nstock\n", encoding="utf-8")
    command = [str(folder), "--input", str(tmp_path / "in.csv"), "--quiet", "--coverage", "0.99"]
    assert predict.main([*command, "--output", str(tmp_path / "out.csv"), "--top", "2"]) == 0
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    names = ["text", "label", "probability", "label_2", "probability_2", "labels"]
    assert list(rows[0]) == names
    assert json.loads(rows[1]["labels"])[0] == rows[1]["label"]


def test_the_most_probable_label_is_always_inside() -> None:
    rows = np.array([[0.2, 0.5, 0.3], [0.4, 0.1, 0.5]])
    told = Choice(least=0.45).columns(rows, LABELS)[2]
    assert told == [json.dumps([LABELS[1]]), json.dumps([LABELS[2]])]
    told = Choice(least=0.3).columns(rows, LABELS)[2]
    assert told == [json.dumps([LABELS[1], LABELS[2]]), json.dumps([LABELS[2], LABELS[0]])]


def test_what_cannot_be_promised_is_one_message(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert predict.main([str(export_small(tmp_path)), "goal", "--coverage", "0.9"]) == 1
    assert "holds no scores of held-out texts" in capsys.readouterr().err
    ensemble.write_ensemble(tmp_path, ["bundle"], {})
    assert predict.main([str(tmp_path), "goal", "--coverage", "0.9"]) == 1
    assert "an ensemble has no scores" in capsys.readouterr().err
    for wrong in ("0", "1", "95", "nan", "much"):
        with pytest.raises(SystemExit):
            predict.main([str(folder), "goal", "--coverage", wrong])
        assert "above 0 and below 1" in capsys.readouterr().err
