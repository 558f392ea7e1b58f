import numpy as np

from textcls.training.metrics import class_scores
from tune.analysis.class_table import SHOWN, class_rows, few_classes
from tune.formatting import NONE


def test_a_row_has_the_scores_with_their_intervals() -> None:
    scores = class_scores(np.array([[8, 2], [0, 90]]), ["bad\x1b[2J", "good"])
    assert class_rows(scores) == [
        [
            r"'bad\x1b[2J'",
            "10",
            "1.00 (0.68 to 1.00)",
            "0.80 (0.49 to 0.94)",
            "0.89 (0.66 to 0.97)",
        ],
        ["good", "90", "0.98 (0.92 to 0.99)", "1.00 (0.96 to 1.00)", "0.99 (0.96 to 1.00)"],
    ]


def test_what_was_measured_on_no_text_is_not_a_zero() -> None:
    scores = class_scores(np.array([[5, 0, 0], [2, 0, 0], [0, 0, 0]]), ["a", "b", "c"])
    assert class_rows(scores)[1][2:] == [NONE, "0.00 (0.00 to 0.66)", "0.00 (0.00 to 0.79)"]
    assert class_rows(scores)[2][1:] == ["0", NONE, NONE, NONE]


def test_of_many_classes_the_worst_are_shown_first() -> None:
    names = [f"class {at}" for at in range(40)]
    confusion = np.diag(np.arange(1, 41))
    confusion[7, 8] = 100
    shown, left_out = few_classes(class_scores(confusion, names))
    assert len(shown) == SHOWN
    assert [each.name for each in shown[:2]] == ["class 7", "class 8"]
    assert left_out == "These are the 12 of 40 classes with the lowest F1."


def test_few_classes_keep_their_order() -> None:
    scores = class_scores(np.array([[1, 5], [0, 3]]), ["z", "a"])
    assert few_classes(scores) == (scores, None)
