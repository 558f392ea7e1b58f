"""Measure predictions: accuracy, macro F1, balanced accuracy, each class, with intervals."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

IntArray = np.ndarray[Any, np.dtype[np.integer[Any]]]
FloatArray = np.ndarray[Any, np.dtype[np.float64]]


def confusion_matrix(labels: IntArray, predictions: IntArray, classes: int) -> IntArray:
    """Count each pair of label and prediction.

    Args:
        labels: int64 (texts,), each below `classes`.
        predictions: int64 (texts,), each below `classes`.
        classes: How many there are.

    Returns:
        int64 (classes, classes); a row is a label, a column a prediction.

    Example:
        >>> confusion_matrix(np.array([0, 0, 1]), np.array([0, 1, 1]), 2).tolist()
        [[1, 1], [0, 1]]
    """
    flat = np.bincount(labels * classes + predictions, minlength=classes * classes)
    return flat.reshape(classes, classes)


def accuracy(confusion: IntArray) -> float:
    """Return the share of texts whose prediction is their label.

    Args:
        confusion: A confusion matrix (classes, classes).

    Example:
        >>> accuracy(np.array([[3, 1], [0, 4]]))
        0.875
    """
    return float(np.trace(confusion) / confusion.sum())


def macro_f1(confusion: IntArray) -> float:
    """Return the mean F1 of the classes that occur or are predicted, as scikit-learn does.

    Args:
        confusion: A confusion matrix (classes, classes).

    Example:
        >>> round(macro_f1(np.array([[3, 1], [0, 4]])), 4)
        0.873
    """
    hits = np.diag(confusion)
    return mean_f1(2 * hits, confusion.sum(axis=0) + confusion.sum(axis=1))


def mean_f1(hits_twice: IntArray | FloatArray, occurrences: IntArray | FloatArray) -> float:
    """Return macro F1 from counts of each class; 0 where no class occurs.

    Args:
        hits_twice: Twice the texts (classes,) that are labelled correctly.
        occurrences: Labels and predictions (classes,) together.
    """
    occur = occurrences > 0
    return float(np.mean(hits_twice[occur] / occurrences[occur])) if occur.any() else 0.0


def balanced_accuracy(confusion: IntArray) -> float:
    """Return the mean of the classes' recall, over the classes that occur.

    Args:
        confusion: A confusion matrix (classes, classes).

    Example:
        >>> balanced_accuracy(np.array([[3, 1], [0, 2]]))
        0.875
    """
    texts = confusion.sum(axis=1)
    occur = texts > 0
    return float(np.mean(np.diag(confusion)[occur] / texts[occur])) if occur.any() else 0.0


def measures_of(confusion: IntArray) -> dict[str, float]:
    """Compute accuracy, macro F1 and balanced accuracy.

    Args:
        confusion: Counts, integer (classes, classes): row the true class, column the predicted one.

    Returns:
        The three by the names "accuracy", "macro_f1" and "balanced_accuracy", each from 0 to 1.
    """
    return {
        "accuracy": accuracy(confusion),
        "macro_f1": macro_f1(confusion),
        "balanced_accuracy": balanced_accuracy(confusion),
    }


def wilson_interval(accuracy: float, texts: int, z: float = 1.959964) -> tuple[float, float]:
    """Return a confidence interval of an accuracy measured on `texts` texts (Wilson 1927).

    Args:
        accuracy: The measured share, 0 to 1.
        texts: The number of texts that it was measured on.
        z: Standard deviations to either side; the default gives 95 %.

    Example:
        >>> low, high = wilson_interval(0.92, 7600)
        >>> f"{low:.3f} to {high:.3f}"
        '0.914 to 0.926'
    """
    centre = accuracy + z * z / (2 * texts)
    spread = z * math.sqrt(accuracy * (1 - accuracy) / texts + z * z / (4 * texts * texts))
    scale = 1 + z * z / texts
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


@dataclass(frozen=True, slots=True)
class ClassScore:
    """How well one class is predicted, in counts of texts."""

    name: str
    texts: int
    """Texts with this label."""
    predicted: int
    """Texts that are predicted to have it."""
    hits: int
    """Texts of which both are true."""

    @property
    def precision(self) -> float:
        """Share of the predictions of this class that are right; 0 where there is none."""
        return self.hits / self.predicted if self.predicted else 0.0

    @property
    def recall(self) -> float:
        """Share of the texts of this class that are predicted to have it; 0 where there is none."""
        return self.hits / self.texts if self.texts else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 0 where neither text nor prediction is of it."""
        both = self.texts + self.predicted
        return 2 * self.hits / both if both else 0.0

    def interval(self, of: Literal["precision", "recall", "f1"]) -> tuple[float, float] | None:
        """Return the 95 % interval of a score.

        Precision and recall are shares of texts (Wilson 1927). F1 is 2 j / (1 + j) of the share j
        of the hits among all texts that have the class or are predicted to, so its interval is that
        share's, taken the same way.

        Args:
            of: The score.

        Returns:
            Its lower and upper bound, from 0 to 1; None where the score is measured on no text.
        """
        if of == "f1":
            union = self.texts + self.predicted - self.hits
            if not union:
                return None
            low, high = wilson_interval(self.hits / union, union)
            return 2 * low / (1 + low), 2 * high / (1 + high)
        whole = self.predicted if of == "precision" else self.texts
        return wilson_interval(self.hits / whole, whole) if whole else None


def class_scores(confusion: IntArray, names: Sequence[str]) -> list[ClassScore]:
    """Return the score of each class.

    Args:
        confusion: A confusion matrix (classes, classes).
        names: The classes, in its order.
    """
    counts = zip(
        names, confusion.sum(axis=1), confusion.sum(axis=0), np.diag(confusion), strict=True
    )
    return [ClassScore(name, int(own), int(said), int(hits)) for name, own, said, hits in counts]
