"""Accuracy on new texts beside the recorded one."""

import tracemalloc

import numpy as np
import pytest
from sklearn.metrics import f1_score

from textcls.analysis.labelled import accuracy_change, score_labels


def predicted(seed: int, texts: int, accuracy: float) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 4, texts)
    wrong = rng.random(texts) >= accuracy
    return labels, np.where(wrong, (labels + rng.integers(1, 4, texts)) % 4, labels)


def test_the_scores_are_those_of_scikit_learn() -> None:
    labels, guesses = predicted(0, 500, 0.8)
    score = score_labels(labels, guesses, 4)
    assert score.accuracy == pytest.approx((labels == guesses).mean())
    assert score.macro_f1 == pytest.approx(f1_score(labels, guesses, average="macro"))
    for value, (low, high) in (
        (score.accuracy, score.accuracy_interval),
        (score.macro_f1, score.macro_f1_interval),
    ):
        assert low < value < high
        assert high - low == pytest.approx(2 * 1.96 * (0.8 * 0.2 / 500) ** 0.5, rel=0.2)


def test_a_class_without_texts_does_not_count() -> None:
    labels = np.array([0, 1] * 20)
    assert score_labels(labels, labels, 4).macro_f1 == 1.0


def test_an_unknown_label_is_a_mistake() -> None:
    labels = np.array([0, 1, -1, -1])
    score = score_labels(labels, np.array([0, 1, 0, 1]), 2)
    assert score.accuracy == 0.5
    assert score.macro_f1 == pytest.approx(2 / 3)


def test_a_thousand_classes_take_little_memory() -> None:
    labels = np.arange(4_000) % 1_000
    tracemalloc.start()
    score = score_labels(labels, np.where(labels < 100, 0, labels), 1_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20_000_000
    assert score.macro_f1 == pytest.approx((900 + 8 / 404) / 1_000)
    low, high = score.macro_f1_interval
    assert low < score.macro_f1 < high


@pytest.mark.parametrize(("accuracy", "worse"), [(0.9, 0), (0.95, 0), (0.8, 100)])
def test_worse_is_what_is_beyond_chance(accuracy: float, worse: int) -> None:
    found = [
        accuracy_change(0.9, 2000, score_labels(*predicted(seed, 800, accuracy), 4)).is_worse()
        for seed in range(100)
    ]
    assert abs(sum(found) - worse) <= 2


def test_a_loss_within_the_tolerance_does_not_matter() -> None:
    score = score_labels(*predicted(0, 400_000, 0.895), 4)
    change = accuracy_change(0.9, 400_000, score)
    assert change.high < 0
    assert not change.is_worse()
    assert change.is_worse(tolerance=0.001)


def test_an_accuracy_on_unknown_many_texts_is_taken_as_exact() -> None:
    score = score_labels(*predicted(0, 400, 0.9), 4)
    known, unknown = accuracy_change(0.9, 400, score), accuracy_change(0.9, None, score)
    assert known.low < unknown.low < unknown.high < known.high
