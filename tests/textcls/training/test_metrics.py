import numpy as np
import pytest
from sklearn.metrics import f1_score

from textcls.training.metrics import (
    accuracy,
    balanced_accuracy,
    class_scores,
    confusion_matrix,
    macro_f1,
    measures_of,
    wilson_interval,
)

LABELS = np.array([0, 0, 0, 1, 1, 2])
PREDICTIONS = np.array([0, 0, 1, 1, 0, 2])


def test_confusion_matrix_has_a_row_per_label() -> None:
    matrix = confusion_matrix(LABELS, PREDICTIONS, 4)
    assert matrix.tolist() == [[2, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]


def test_accuracy_and_macro_f1_by_hand() -> None:
    matrix = confusion_matrix(LABELS, PREDICTIONS, 4)
    assert accuracy(matrix) == pytest.approx(4 / 6)
    assert macro_f1(matrix) == pytest.approx((2 / 3 + 1 / 2 + 1) / 3)
    assert macro_f1(np.zeros((3, 3), dtype=int)) == 0.0


@pytest.mark.parametrize("seed", range(5))
def test_macro_f1_is_scikit_learn_s(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels, predictions = rng.integers(0, 4, 12), rng.integers(1, 6, 12)
    matrix = confusion_matrix(labels, predictions, 7)
    assert macro_f1(matrix) == pytest.approx(f1_score(labels, predictions, average="macro"))


def test_wilson_interval_of_a_known_case() -> None:
    low, high = wilson_interval(0.9, 100)
    assert (low, high) == pytest.approx((0.8256, 0.9448), abs=1e-4)


def test_wilson_interval_stays_inside_and_narrows() -> None:
    assert wilson_interval(1.0, 10)[1] == pytest.approx(1.0)
    assert wilson_interval(0.0, 10)[0] == pytest.approx(0.0)
    wide, narrow = wilson_interval(0.9, 100), wilson_interval(0.9, 7600)
    assert narrow[1] - narrow[0] < (wide[1] - wide[0]) / 5


def test_balanced_accuracy_is_the_mean_recall_of_the_classes_that_occur() -> None:
    matrix = np.array([[90, 10, 0], [5, 5, 0], [0, 0, 0]])
    assert balanced_accuracy(matrix) == pytest.approx((0.9 + 0.5) / 2)
    assert balanced_accuracy(np.zeros((2, 2), dtype=int)) == 0.0
    assert measures_of(matrix) == {
        "accuracy": accuracy(matrix),
        "macro_f1": macro_f1(matrix),
        "balanced_accuracy": balanced_accuracy(matrix),
    }


def test_the_scores_of_a_class_and_their_intervals() -> None:
    good, bad = class_scores(np.array([[90, 10], [5, 5]]), ["good", "bad"])
    assert (bad.texts, bad.predicted, bad.hits) == (10, 15, 5)
    assert (bad.precision, bad.recall, bad.f1) == pytest.approx((1 / 3, 1 / 2, 0.4))
    assert bad.interval("recall") == wilson_interval(0.5, 10)
    assert bad.interval("precision") == wilson_interval(1 / 3, 15)
    low, high = bad.interval("f1") or (1.0, 0.0)
    assert low < bad.f1 < high
    assert good.f1 == pytest.approx(2 * 90 / 195)


def test_the_interval_of_f1_holds_the_true_one_as_often_as_it_says() -> None:
    random, held = np.random.default_rng(0), 0
    shares = np.array([[0.70, 0.05], [0.10, 0.15]])  # F1 of the second class: 2 x 0.15 / 0.45
    for _ in range(2_000):
        drawn = random.multinomial(400, shares.ravel()).reshape(2, 2)
        low, high = class_scores(drawn, ["a", "b"])[1].interval("f1") or (0.0, 0.0)
        held += low <= 2 * 0.15 / 0.45 <= high
    assert 0.93 < held / 2_000 < 0.97
