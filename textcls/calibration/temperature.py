"""Calibrate probabilities by one temperature, found on held-out texts (Guo et al. 2017).

Logits divided by a temperature keep their order, so the labels stay as they are; what changes is
how sure the classifier says it is. The sum of an encoder and a linear classifier is surer than it
should be: each counts the evidence of the same words.
"""

from typing import Any

import numpy as np

from textcls.runtime.bundle_files import Calibration

Array = np.ndarray[Any, Any]

LEAST_TEXTS = 100
"""Held-out texts without which no temperature is sought: fewer say too little."""
BINS = 15
_LOWEST, _HIGHEST = 0.05, 20.0
_GOLDEN = (5**0.5 - 1) / 2
_STEPS = 40


def calibrate(logits: Array, labels: Array, split: str) -> Calibration | None:
    """Find the temperature that makes held-out texts likeliest.

    The error after it is measured fairly: each half of the texts with the temperature that was
    found on the other half.

    Args:
        logits: float (texts, classes).
        labels: int (texts,).
        split: The name of the split that the texts are from.

    Returns:
        The calibration; None where there are too few texts, or where its error is not smaller.
    """
    if len(labels) < LEAST_TEXTS:
        return None
    every = np.asarray(logits, np.float64)
    before = calibration_error(softmax(every), labels)
    crossed = np.empty_like(every)
    halves = np.arange(len(labels)) % 2 == 0
    for half in (halves, ~halves):
        crossed[half] = softmax(every[half] / find_temperature(every[~half], labels[~half]))
    after = calibration_error(crossed, labels)
    if after >= before:
        return None
    return Calibration(
        temperature=find_temperature(every, labels),
        split=split,
        texts=len(labels),
        ece_before=before,
        ece_after=after,
    )


def find_temperature(logits: Array, labels: Array) -> float:
    """Find the temperature with the least cross-entropy, by golden-section search.

    Temperature scaling of Guo et al., "On calibration of modern neural networks" (ICML 2017).

    Args:
        logits: Of texts that were not trained on, float64 (texts, classes).
        labels: Of those texts, (texts,).

    Returns:
        What logits are divided by: above 1 where the classifier is surer than it should be.
    """
    low, high = np.log(_LOWEST), np.log(_HIGHEST)
    for _ in range(_STEPS):  # the loss is convex in 1 / temperature, so it has one minimum
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        if _loss(logits / np.exp(left), labels) < _loss(logits / np.exp(right), labels):
            high = right
        else:
            low = left
    return float(np.exp((low + high) / 2))


def calibration_error(probabilities: Array, labels: Array, bins: int = BINS) -> float:
    """Return the expected calibration error of the most probable labels, from 0 to 1.

    Texts are sorted into bins of equal width by the probability of their label; the error is the
    mean difference between a bin's accuracy and its mean probability, weighed by its texts.

    Args:
        probabilities: (texts, classes).
        labels: (texts,).
        bins: How many.

    Example:
        >>> sure = np.array([[0.9, 0.1], [0.9, 0.1]])
        >>> round(calibration_error(sure, np.array([0, 1])), 4)
        0.4
    """
    sure = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    place = np.minimum((sure * bins).astype(np.int64), bins - 1)
    gaps = np.bincount(place, sure - right, bins)
    return float(np.abs(gaps).sum() / max(1, len(labels)))


def softmax(logits: Array) -> Array:
    """Turn logits into probabilities, row by row.

    Args:
        logits: float (texts, classes), all finite.

    Returns:
        As many probabilities; each row sums to 1.

    Example:
        >>> softmax(np.array([[0.0, 0.0]])).tolist()
        [[0.5, 0.5]]
    """
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    found: Array = raised / raised.sum(axis=1, keepdims=True)
    return found


def _loss(logits: Array, labels: Array) -> float:
    shifted = logits - logits.max(axis=1, keepdims=True)
    chosen = shifted[np.arange(len(labels)), labels]
    return float((np.log(np.exp(shifted).sum(axis=1)) - chosen).mean())
