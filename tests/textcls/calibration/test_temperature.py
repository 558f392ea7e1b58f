"""One temperature makes probabilities as sure as they are right, and moves no label."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bundle_parts import LABELS, TEXTS, export_small, small_corpus

from textcls import bundle
from textcls.calibration.temperature import (
    LEAST_TEXTS,
    calibrate,
    calibration_error,
    find_temperature,
    softmax,
)
from textcls.runtime.loading import load_predictor

RNG = np.random.default_rng(7)


def drawn(texts: int, temperature: float) -> tuple[np.ndarray, np.ndarray]:
    """Logits that are `temperature` times too sure, and labels drawn from the true ones."""
    true = RNG.normal(0, 2, (texts, 4))
    every = softmax(true).cumsum(axis=1)
    labels = (RNG.random(texts)[:, None] > every).sum(axis=1)
    return true * temperature, labels


@pytest.mark.parametrize("temperature", [0.5, 1.7, 4.0])
def test_the_temperature_of_drawn_labels_is_found(temperature: float) -> None:
    logits, labels = drawn(20_000, temperature)
    assert find_temperature(logits, labels) == pytest.approx(temperature, rel=0.05)
    found = calibrate(logits, labels, "validation")
    assert found is not None
    assert found.ece_after < 0.02 < found.ece_before
    assert (found.split, found.texts) == ("validation", 20_000)


def test_the_error_is_that_of_its_definition() -> None:
    probabilities = np.array([[0.95, 0.05], [0.9, 0.1], [0.4, 0.6], [0.3, 0.7]])
    labels = np.array([0, 1, 1, 1])
    # In ten bins the texts stand alone, but for the first two: in one of two right, 0.925 sure.
    expected = (2 * abs(0.5 - 0.925) + abs(1 - 0.6) + abs(1 - 0.7)) / 4
    assert calibration_error(probabilities, labels, bins=10) == pytest.approx(expected)
    assert calibration_error(np.array([[1.0, 0.0]]), np.array([0])) == 0.0


def test_too_few_texts_and_what_is_calibrated_already_are_left_alone() -> None:
    logits, labels = drawn(LEAST_TEXTS - 1, 4.0)
    assert calibrate(logits, labels, "test") is None
    perfect = np.where(np.eye(4)[labels] > 0, 50.0, 0.0)
    assert calibrate(np.tile(perfect, (9, 1)), np.tile(labels, 9), "test") is None


def test_a_bundle_divides_by_it_and_keeps_its_labels(tmp_path: Path) -> None:
    corpus = small_corpus(linear=True)
    train = corpus.splits["train"]
    scores = corpus.linear.scores(train) if corpus.linear else None
    wrong = replace(train, labels=np.roll(train.labels, 7), scores=scores)
    many = {"test": _repeated(wrong, 3), "train": train}
    folder = export_small(tmp_path, replace(corpus, splits=many), linear_weight=5.0)
    kept = json.loads((folder / "bundle.json").read_text())["calibration"]
    assert kept["split"] == "test"
    assert kept["texts"] == 180
    assert kept["temperature"] > 2  # it is sure and mostly wrong
    assert kept["ece_after"] < kept["ece_before"]
    predictor, torch_bundle = load_predictor(folder), bundle.load_bundle(folder)
    found = predictor.probabilities(TEXTS)
    np.testing.assert_allclose(found, torch_bundle.probabilities(TEXTS), atol=1e-5)
    logits = torch_bundle.logits(TEXTS).numpy()
    np.testing.assert_allclose(found, softmax(logits / kept["temperature"]), atol=1e-5)
    assert found.argmax(axis=1).tolist() == logits.argmax(axis=1).tolist()
    assert len(LABELS) == found.shape[1]


def _repeated(split: bundle.EncodedSplit, times: int) -> bundle.EncodedSplit:
    length = split.offsets[-1]
    return bundle.EncodedSplit(
        np.tile(split.tokens, times),
        np.concatenate([[0], *(split.offsets[1:] + i * length for i in range(times))]),
        np.tile(split.labels, times),
        None if split.scores is None else np.tile(split.scores, (times, 1)),
    )


def test_what_was_trained_on_is_no_held_out_split(tmp_path: Path) -> None:
    corpus = small_corpus()
    train = corpus.splits["train"]
    splits = {"train": train, "validation": _repeated(train, 3)}
    folder = export_small(tmp_path, replace(corpus, splits=splits))
    about = json.loads((folder / "bundle.json").read_text())
    assert about["calibration"] is None or about["calibration"]["split"] == "validation"
    from textcls.config.models import DataConfig, ModelConfig

    out = tmp_path / "everything"
    model = ModelConfig(hidden_size=5, pooling="max")
    bundle.export_bundle(
        tmp_path / "checkpoint",
        model,
        replace(corpus, splits=splits),
        DataConfig(max_length=5),
        out,
        {},
        trained_on=("train", "validation"),
    )
    assert json.loads((out / "bundle.json").read_text())["calibration"] is None
