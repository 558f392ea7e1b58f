"""Weigh classes against their sizes: how much a text of each class counts in training.

Training on a set in which one class has most of the texts learns the others' prior first: few
texts are told to be of a rare class, however alike they are. Weights against the classes' sizes
(King and Zeng 2001, scikit-learn's `class_weight`) shift that, which costs accuracy and gains
macro F1 and balanced accuracy.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textcls.config.models import ClassWeights

POWERS: Mapping[ClassWeights, float] = MappingProxyType({"none": 0.0, "sqrt": 0.5, "balanced": 1.0})
"""A class of n texts counts n to the power of 1 minus this."""


def weigh_classes(
    labels: np.ndarray[Any, Any],
    classes: int,
    kind: ClassWeights,
    *,
    sampling: ClassWeights = "none",
) -> NDArray[np.float32]:
    """Return the weight of a text of each class, float32 (classes,), with a mean of 1 over texts.

    Args:
        labels: int (texts,).
        classes: Number of classes; one without texts weighs 0.
        kind: "none" weighs all alike, "balanced" gives every class the same sum, "sqrt" gives it
            the square root of its number of texts.
        sampling: What drawing the texts evens out already, in the same words; only the rest is
            weighed, and the mean is over the texts that are drawn.

    Example:
        >>> [round(float(w), 3) for w in weigh_classes(np.array([0, 0, 0, 1]), 2, "balanced")]
        [0.667, 2.0]
    """
    counts = np.bincount(labels, minlength=classes).astype(np.float64)
    drawn = _powered(counts, 1.0 - POWERS[sampling])
    rest = max(0.0, POWERS[kind] - POWERS[sampling])
    weights = _powered(counts, -rest)
    mean = (drawn * weights).sum() / max(drawn.sum(), 1e-12)
    return (weights / max(mean, 1e-12)).astype(np.float32)


def _powered(counts: NDArray[np.float64], power: float) -> NDArray[np.float64]:
    return np.power(counts, power, out=np.zeros_like(counts), where=counts > 0)
