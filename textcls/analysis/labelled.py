"""Compare a classifier's accuracy on new labelled texts with its accuracy on its held-out texts."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from textcls.training.metrics import mean_f1, wilson_interval

Array = np.ndarray[Any, Any]

TOLERANCE = 0.01
"""By how much accuracy may fall before that matters: a point is less than the choice of another
seed moves most classifiers."""
_Z = 2.575829  # 99 %: a check that runs every day must not cry wolf every month
_RESAMPLES = 1_000


@dataclass(frozen=True, slots=True)
class TextsScore:
    """How well new texts are classified; the intervals are of 95 %.

    Accuracy's is Wilson's, macro F1's a bootstrap over the texts. Macro F1 is the mean over the
    classes that occur among labels or predictions.
    """

    texts: int
    accuracy: float
    accuracy_interval: tuple[float, float]
    macro_f1: float
    macro_f1_interval: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Difference:
    """New accuracy minus recorded accuracy, and its 99 % interval (Newcombe 1998)."""

    change: float
    low: float
    high: float

    def is_worse(self, tolerance: float = TOLERANCE) -> bool:
        """Tell whether accuracy has fallen beyond chance and by more than the tolerance.

        Args:
            tolerance: By how much it may fall, as a share of the texts; one point is 0.01.

        Returns:
            True only where both hold: the whole interval lies below 0, and the change below
            `-tolerance`.
        """
        return self.high < 0.0 and self.change < -tolerance


def score_labels(labels: Array, predictions: Array, classes: int) -> TextsScore:
    """Measure predictions against labels.

    Args:
        labels: int (texts,); -1 stands for a label that the classifier does not know, which no
            prediction can meet.
        predictions: int (texts,).
        classes: Number of classes.

    Returns:
        Accuracy and macro F1 with 95 % intervals; the same labels and predictions give the same.
    """
    known = np.where(labels < 0, classes, labels)  # the last class stands for unknown labels
    cells, counts = np.unique(known * (classes + 1) + predictions, return_counts=True)
    label, guess = np.divmod(cells, classes + 1)
    texts = len(labels)
    accuracy = float((labels == predictions).mean())

    def macro_f1(drawn: Array) -> float:
        hits = np.bincount(label, drawn * (label == guess), classes + 1)
        both = np.bincount(label, drawn, classes + 1) + np.bincount(guess, drawn, classes + 1)
        return float(mean_f1(2 * hits[:-1], both[:-1]))

    # One draw at a time, of the cells that occur: all at once took 8 GB with 1,000 classes.
    random = np.random.default_rng(0)
    scores = [macro_f1(random.multinomial(texts, counts / texts)) for _ in range(_RESAMPLES)]
    low, high = np.quantile(scores, (0.025, 0.975)).tolist()
    macro = macro_f1(counts)
    return TextsScore(texts, accuracy, wilson_interval(accuracy, texts), macro, (low, high))


def accuracy_change(recorded: float, recorded_texts: int | None, now: TextsScore) -> Difference:
    """Return the difference of two accuracies with its interval.

    Args:
        recorded: The accuracy on the held-out texts.
        recorded_texts: Their number; None where it is unknown, and the accuracy taken as exact.
        now: The score on the new texts.

    Returns:
        The new accuracy minus the recorded one, with its 99 % interval.
    """
    low, high = wilson_interval(now.accuracy, now.texts, _Z)
    old_low = old_high = recorded
    if recorded_texts is not None:
        old_low, old_high = wilson_interval(recorded, recorded_texts, _Z)
    change = now.accuracy - recorded
    return Difference(
        change,
        change - math.hypot(now.accuracy - low, old_high - recorded),
        change + math.hypot(high - now.accuracy, recorded - old_low),
    )
