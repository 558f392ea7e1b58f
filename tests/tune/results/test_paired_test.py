"""Two classifiers on the same texts: the figures against those worked out by other means."""

import itertools

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics

from textcls.training.metrics import confusion_matrix, macro_f1, measures_of
from tune.results.paired_test import compare_predictions

MEASURES = ("accuracy", "macro_f1", "balanced_accuracy")


def predictions(seed: int, texts: int, right: float) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    labels = random.integers(0, 3, texts)
    guessed = np.where(random.random(texts) < right, labels, random.integers(0, 3, texts))
    return labels, guessed


@pytest.mark.parametrize("measure", MEASURES)
def test_both_values_are_those_of_the_confusion_matrices(measure: str) -> None:
    labels, old = predictions(1, 400, 0.7)
    new = predictions(2, 400, 0.7)[1]
    found = compare_predictions(labels, old, new, 3, measure)
    for value, guessed in ((found.old, old), (found.new, new)):
        expected = measures_of(confusion_matrix(labels, guessed, 3))[measure]
        assert value == pytest.approx(expected)
    assert found.low < found.difference < found.high


def test_mcnemar_counts_the_ways_in_which_the_texts_could_have_fallen() -> None:
    labels = np.zeros(12, int)
    old, new = labels.copy(), labels.copy()
    old[:7], new[7:9] = 1, 1  # seven that only the new one has right, two that only the old one has
    found = compare_predictions(labels, old, new, 2)
    sides = list(itertools.product((0, 1), repeat=9))
    as_far = sum(abs(sum(side) - 4.5) >= 2.5 for side in sides) / len(sides)
    assert (found.only_new, found.only_old) == (7, 2)
    assert found.p_value == pytest.approx(as_far)
    assert found.better is None
    old[9:12] = 1
    assert compare_predictions(labels, old, new, 2).better == "new"
    assert compare_predictions(labels, new, old, 2).better == "old"


def test_equal_predictions_differ_by_nothing() -> None:
    labels, old = predictions(3, 50, 0.6)
    for measure in MEASURES:
        found = compare_predictions(labels, old, old, 3, measure)
        assert (found.difference, found.p_value, found.better) == (0.0, 1.0, None)
        assert found.low <= 0.0 <= found.high


@pytest.mark.parametrize("measure", MEASURES)
def test_the_interval_covers_and_the_test_errs_as_often_as_it_says(measure: str) -> None:
    wrong = missed = 0
    for seed in range(150):
        labels, old = predictions(seed, 200, 0.75)
        random = np.random.default_rng(seed + 20_000)
        new = np.where(random.random(200) < 0.75, labels, random.integers(0, 3, 200))
        found = compare_predictions(labels, old, new, 3, measure)
        wrong += found.better is not None
        missed += not found.low <= 0.0 <= found.high
    most = stats.binom.ppf(0.999, 150, 0.05)
    assert wrong <= most
    assert missed <= most


def test_a_class_that_no_label_has_counts_as_it_does_in_macro_f1_elsewhere() -> None:
    labels = np.array([0, 0, 1, 1])
    old = np.array([0, 2, 1, 1])
    found = compare_predictions(labels, old, labels, 4, "macro_f1")
    assert found.new == 1.0
    assert found.old == pytest.approx((2 / 3 + 1 + 0) / 3)
    assert found.old == pytest.approx(macro_f1(confusion_matrix(labels, old, 4)))
    balanced = compare_predictions(labels, old, labels, 4, "balanced_accuracy")
    assert (balanced.old, balanced.new) == (0.75, 1.0)


def test_macro_f1_is_scikit_learns_whatever_classes_occur() -> None:
    random = np.random.default_rng(5)
    for _ in range(50):
        some = random.choice(12, 6, replace=False)
        labels, old, new = (random.choice(some[:k], 30) for k in (3, 5, 6))
        found = compare_predictions(labels, old, new, 12, "macro_f1")
        expected = [metrics.f1_score(labels, guess, average="macro") for guess in (old, new)]
        assert [found.old, found.new] == pytest.approx(expected)
        assert found.low <= found.high


def test_without_a_text_there_is_nothing_to_compare() -> None:
    nothing = np.zeros(0, int)
    with pytest.raises(ValueError, match="no text"):
        compare_predictions(nothing, nothing, nothing, 2)
