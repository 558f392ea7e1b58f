"""Weights of classes against their sizes."""

import numpy as np
import pytest

from textcls.config.models import ClassWeights
from textcls.models.imbalance import weigh_classes

LABELS = np.repeat([0, 1, 3], [64, 16, 4])  # class 2 has no text


def test_equal_weights_are_one() -> None:
    assert weigh_classes(LABELS, 4, "none").tolist() == [1, 1, 0, 1]


@pytest.mark.parametrize(
    ("kind", "sums"), [("balanced", [1, 1, 0, 1]), ("sqrt", [4, 2, 0, 1])], ids=str
)
def test_a_class_gets_its_share_of_the_sum(kind: ClassWeights, sums: list[int]) -> None:
    weights = weigh_classes(LABELS, 4, kind)
    found = weights * np.bincount(LABELS, minlength=4)
    np.testing.assert_allclose(found / found[3], sums, rtol=1e-5)
    assert weights[LABELS].mean() == pytest.approx(1)


def test_balanced_weights_are_those_of_scikit_learn() -> None:
    from sklearn.utils.class_weight import compute_class_weight

    kept = LABELS[LABELS < 2]
    expected = compute_class_weight("balanced", classes=np.arange(2), y=kept)
    np.testing.assert_allclose(weigh_classes(kept, 2, "balanced"), expected, rtol=1e-6)


def test_weights_add_only_what_the_sampling_leaves() -> None:
    assert weigh_classes(LABELS, 4, "balanced", sampling="balanced").tolist() == [1, 1, 0, 1]
    assert weigh_classes(LABELS, 4, "sqrt", sampling="balanced").tolist() == [1, 1, 0, 1]
    rest = weigh_classes(LABELS, 4, "balanced", sampling="sqrt")
    drawn = np.sqrt([64, 16, 0, 4])
    np.testing.assert_allclose((rest * drawn)[[0, 1, 3]], drawn.sum() / 3, rtol=1e-5)
