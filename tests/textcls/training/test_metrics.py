import numpy as np
import pytest

from textcls.training.metrics import accuracy, confusion_matrix, macro_f1, wilson_interval

LABELS = np.array([0, 0, 0, 1, 1, 2])
PREDICTIONS = np.array([0, 0, 1, 1, 0, 2])


def test_confusion_matrix_has_a_row_per_label() -> None:
    matrix = confusion_matrix(LABELS, PREDICTIONS, 4)
    assert matrix.tolist() == [[2, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]


def test_accuracy_and_macro_f1_by_hand() -> None:
    matrix = confusion_matrix(LABELS, PREDICTIONS, 4)
    assert accuracy(matrix) == pytest.approx(4 / 6)
    assert macro_f1(matrix) == pytest.approx((2 / 3 + 1 / 2 + 1 + 0) / 4)


def test_wilson_interval_of_a_known_case() -> None:
    low, high = wilson_interval(0.9, 100)
    assert (low, high) == pytest.approx((0.8256, 0.9448), abs=1e-4)


def test_wilson_interval_stays_inside_and_narrows() -> None:
    assert wilson_interval(1.0, 10)[1] == pytest.approx(1.0)
    assert wilson_interval(0.0, 10)[0] == pytest.approx(0.0)
    wide, narrow = wilson_interval(0.9, 100), wilson_interval(0.9, 7600)
    assert narrow[1] - narrow[0] < (wide[1] - wide[0]) / 5
