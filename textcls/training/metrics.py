"""What a classifier's predictions are worth: accuracy, macro F1, confusion matrix, intervals."""

import math
from typing import Any

import numpy as np

IntArray = np.ndarray[Any, np.dtype[np.integer[Any]]]


def confusion_matrix(labels: IntArray, predictions: IntArray, classes: int) -> IntArray:
    """(texts,), (texts,) -> counts (classes, classes): row = label, column = prediction."""
    flat = np.bincount(labels * classes + predictions, minlength=classes * classes)
    return flat.reshape(classes, classes)


def accuracy(confusion: IntArray) -> float:
    """Share of texts whose prediction is their label."""
    return float(np.trace(confusion) / confusion.sum())


def macro_f1(confusion: IntArray) -> float:
    """Mean over classes of F1; a class that neither occurs nor is predicted counts 0."""
    hits = np.diag(confusion).astype(np.float64)
    total = confusion.sum(axis=0) + confusion.sum(axis=1)
    return float(np.mean(np.divide(2 * hits, total, out=np.zeros_like(hits), where=total > 0)))


def wilson_interval(accuracy: float, texts: int, z: float = 1.959964) -> tuple[float, float]:
    """Interval of an accuracy measured on `texts` texts, 95 % by default (Wilson 1927)."""
    centre = accuracy + z * z / (2 * texts)
    spread = z * math.sqrt(accuracy * (1 - accuracy) / texts + z * z / (4 * texts * texts))
    scale = 1 + z * z / texts
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)
