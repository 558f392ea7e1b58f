"""Measure predictions: accuracy, macro F1, balanced accuracy, each class, with intervals."""

import math
from typing import Any

import numpy as np

IntArray = np.ndarray[Any, np.dtype[np.integer[Any]]]


def confusion_matrix(labels: IntArray, predictions: IntArray, classes: int) -> IntArray:
    """Count each pair of label and prediction: (texts,), (texts,) -> (classes, classes).

    A row is a label, a column a prediction.
    """
    flat = np.bincount(labels * classes + predictions, minlength=classes * classes)
    return flat.reshape(classes, classes)


def accuracy(confusion: IntArray) -> float:
    """Return the share of texts whose prediction is their label."""
    return float(np.trace(confusion) / confusion.sum())


def macro_f1(confusion: IntArray) -> float:
    """Return the mean of the classes' F1; a class that neither occurs nor is predicted counts 0."""
    hits = np.diag(confusion).astype(np.float64)
    total = confusion.sum(axis=0) + confusion.sum(axis=1)
    return float(np.mean(np.divide(2 * hits, total, out=np.zeros_like(hits), where=total > 0)))


def balanced_accuracy(confusion: IntArray) -> float:
    """Return the mean of the classes' recall, over the classes that occur."""
    texts = confusion.sum(axis=1)
    occur = texts > 0
    return float(np.mean(np.diag(confusion)[occur] / texts[occur])) if occur.any() else 0.0


def measures_of(confusion: IntArray) -> dict[str, float]:
    """Return accuracy, macro F1 and balanced accuracy by these names."""
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
