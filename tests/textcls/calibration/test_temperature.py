"""A temperature makes probabilities as sure as they are right, and moves no label."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bundle_parts import LABELS, TEXTS, export_small, small_corpus

from textcls import bundle
from textcls.calibration.temperature import (
    LEAST_TEXTS,
    Temperature,
    calibrate,
    calibration_error,
    cross_calibrated,
    find_by_margin,
    find_temperature,
    margins,
    softmax,
)
from textcls.export.onnx_model import export_onnx, model_inputs
from textcls.runtime.loading import load_predictor
from textcls.runtime.predictor import Predictor

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


def too_sure_by_margin(texts: int, base: float, power: float) -> tuple[np.ndarray, np.ndarray]:
    """Logits that `Temperature(base, power)` puts right, and labels drawn from the true ones."""
    true, labels = drawn(texts, 1.0)
    factor, gap = np.ones(texts), margins(true)
    for _ in range(200):  # factor = base * (1 + factor * gap) ** power has one solution
        factor = base * (1 + factor * gap) ** power
    return true * factor[:, None], labels


@pytest.mark.parametrize(("base", "power"), [(2.0, 0.4), (0.7, 0.2), (3.0, -0.3)])
def test_a_temperature_that_depends_on_the_margin_is_found(base: float, power: float) -> None:
    logits, labels = too_sure_by_margin(20_000, base, power)
    found = find_by_margin(logits, labels)
    assert found.base == pytest.approx(base, rel=0.1)
    assert found.power == pytest.approx(power, abs=0.05)
    kept = calibrate(logits, labels, "validation")
    assert kept is not None
    assert kept.margin_power == found.power
    one = softmax(logits / find_temperature(logits, labels))
    assert kept.ece_after < calibration_error(one, labels)
    sure = Temperature.of(kept).probabilities(logits)
    assert (sure.argmax(axis=1) == logits.argmax(axis=1)).all()


def test_a_larger_margin_is_surer() -> None:
    logits, labels = too_sure_by_margin(3_000, 0.2, 0.97)
    found = find_by_margin(logits, labels)
    assert found.power == pytest.approx(0.9)  # the bound
    pairs = np.stack([np.linspace(0, 100, 500), np.zeros(500)], axis=1)
    assert (np.diff(found.probabilities(pairs)[:, 0]) >= 0).all()


def test_one_temperature_is_kept_where_the_margin_says_nothing() -> None:
    kept = [calibrate(*drawn(300, 3.0), "validation") for _ in range(20)]
    powers = [each.margin_power for each in kept if each is not None]
    assert len(powers) == 20
    assert 8 <= powers.count(0.0) < 20  # by chance it says something


def test_no_text_has_a_part_in_its_own_temperature() -> None:
    logits, labels = drawn(200, 3.0)
    found = calibrate(logits, labels, "validation")
    before = cross_calibrated(logits, labels, found)
    labels[0] = (labels[0] + 1) % 4
    after = cross_calibrated(logits, labels, found)
    same = (before == after).all(axis=1)
    assert same.nonzero()[0].tolist() == list(range(0, 200, 5))
    assert np.array_equal(cross_calibrated(logits, labels, None), softmax(logits))


def test_a_single_class_has_no_margin() -> None:
    assert Temperature(2.0, 0.5).probabilities(np.array([[3.0], [4.0]])).tolist() == [[1.0], [1.0]]


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
    temperature = Temperature(kept["temperature"], kept["margin_power"])
    assert kept["ece_after"] < kept["ece_before"]
    predictor, torch_bundle = load_predictor(folder), bundle.load_bundle(folder)
    found = predictor.probabilities(TEXTS)
    np.testing.assert_allclose(found, torch_bundle.probabilities(TEXTS), atol=1e-5)
    logits = torch_bundle.logits(TEXTS).numpy()
    np.testing.assert_allclose(found, temperature.probabilities(logits), atol=1e-5)
    assert temperature.of_texts(logits).mean() > 2  # it is sure and mostly wrong
    assert found.argmax(axis=1).tolist() == logits.argmax(axis=1).tolist()
    assert len(LABELS) == found.shape[1]


@pytest.mark.parametrize("power", [0.0, 0.4, -0.4])
def test_all_ways_to_predict_know_the_margin(power: float, tmp_path: Path) -> None:
    folder = export_small(tmp_path, linear_weight=2.0)
    content = json.loads((folder / "bundle.json").read_text())
    content["calibration"] = {"temperature": 1.5, "margin_power": power, "split": "validation"}
    content["calibration"] |= {"texts": 300, "ece_before": 0.1, "ece_after": 0.05}
    (folder / "bundle.json").write_text(json.dumps(content))
    predictor = load_predictor(folder)
    assert isinstance(predictor, Predictor)
    found = predictor.probabilities(TEXTS)
    expected = Temperature(1.5, power).probabilities(predictor.logits(TEXTS))
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_allclose(bundle.load_bundle(folder).probabilities(TEXTS), expected, atol=1e-5)
    onnxruntime = pytest.importorskip("onnxruntime")
    export_onnx(predictor, tmp_path / "m.onnx", TEXTS)
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx")
    (theirs,) = session.run(["probabilities"], model_inputs(predictor, TEXTS))
    np.testing.assert_allclose(theirs, expected, atol=1e-5)
    rule = json.loads((tmp_path / "m.onnx.json").read_text())["outputs"]["probabilities"]
    assert ("** 0.4" in rule) == (power == 0.4)


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
