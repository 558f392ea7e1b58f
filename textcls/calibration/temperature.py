"""Calibrate probabilities by a temperature, found on held-out texts (Guo et al. 2017).

Logits divided by a temperature keep their order, so the labels stay as they are; what changes is
how sure the classifier says it is. The sum of an encoder and a linear classifier is surer than it
should be: each counts the evidence of the same words. That is the worse the surer both are, so one
temperature for all texts leaves close calls too unsure and clear ones too sure. The temperature may
therefore grow with a text's margin, the gap between its two largest logits, by a power of
(1 + margin): temperatures that depend on the text are of Balanya et al. (2022, arXiv 2208.00461),
who take the entropy in place of the margin.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from textcls.runtime.bundle_files import Calibration

Array = np.ndarray[Any, Any]

LEAST_TEXTS = 100
"""Held-out texts without which no temperature is sought: fewer say too little."""
BINS = 15
FOLDS = 5
_LOWEST, _HIGHEST = 0.05, 20.0
_LEAST, _MOST = np.array([np.log(_LOWEST), -1.0]), np.array([np.log(_HIGHEST), 0.9])
"""Of the logarithm of the base and of the power. Below 1 a larger margin always is surer."""
_GOLDEN = (5**0.5 - 1) / 2
_STEPS = 40
_NEWTON_STEPS, _HALVINGS = 30, 20


@dataclass(frozen=True, slots=True)
class Temperature:
    """What a text's logits are divided by: base * (1 + margin) ** power."""

    base: float = 1.0
    power: float = 0.0

    @classmethod
    def of(cls, calibration: Calibration | None) -> "Temperature":
        """Return the temperature of a calibration.

        Args:
            calibration: A bundle's; None where it has none.

        Returns:
            Its temperature; without one that of 1, which changes nothing.
        """
        if calibration is None:
            return cls()
        return cls(calibration.temperature, calibration.margin_power)

    def of_texts(self, logits: Array) -> Array:
        """Return the temperature of each text, float64 (texts, 1).

        Args:
            logits: float (texts, classes).
        """
        found: Array = self.base * (1 + margins(logits)) ** self.power
        return found[:, None]

    def probabilities(self, logits: Array) -> Array:
        """Turn logits into probabilities.

        Args:
            logits: float (texts, classes).

        Returns:
            float64 (texts, classes), each row's sum 1.
        """
        every = np.asarray(logits, np.float64)
        return softmax(every / self.of_texts(every))


def calibrate(logits: Array, labels: Array, split: str) -> Calibration | None:
    """Find the temperature that makes held-out texts likeliest.

    Whether it depends on the margin is decided by the likelihood in cross-validation. The error
    after it is measured there too: each fold with the temperature that was found on the others.

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
    crossed = {find: _crossed(every, labels, find) for find in (_same_for_all, find_by_margin)}
    best = min(crossed, key=lambda find: _surprise(crossed[find], labels))
    after = calibration_error(crossed[best], labels)
    if after >= before:
        return None
    found = best(every, labels)
    return Calibration(
        temperature=found.base,
        margin_power=found.power,
        split=split,
        texts=len(labels),
        ece_before=before,
        ece_after=after,
    )


def find_temperature(logits: Array, labels: Array) -> float:
    """Find the one temperature with the least cross-entropy, by golden-section search.

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


def find_by_margin(logits: Array, labels: Array) -> Temperature:
    """Find the base and the power with the least cross-entropy, by Gauss-Newton steps.

    Args:
        logits: Of texts that were not trained on, float64 (texts, classes).
        labels: Of those texts, (texts,).
    """
    features = np.stack([np.ones(len(labels)), np.log1p(margins(logits))], axis=1)
    place = np.array([np.log(find_temperature(logits, labels)), 0.0])
    loss = _loss(logits / np.exp(place[0]), labels)
    for _ in range(_NEWTON_STEPS):
        step = _newton_step(logits, labels, features, place)
        for _ in range(_HALVINGS):
            tried = np.clip(place + step, _LEAST, _MOST)
            new = _loss(logits / np.exp(features @ tried)[:, None], labels)
            if new < loss:
                break
            step /= 2
        else:
            break
        gain, place, loss = loss - new, tried, new
        if gain < 1e-9:  # of the mean cross-entropy
            break
    return Temperature(float(np.exp(place[0])), float(place[1]))


def _newton_step(logits: Array, labels: Array, features: Array, place: Array) -> Array:
    """Return the step of (log base, power); the variance stands for the second derivative."""
    cooled = logits / np.exp(features @ place)[:, None]
    sure = softmax(cooled)
    mean = (sure * cooled).sum(axis=1)
    slope = cooled[np.arange(len(labels)), labels] - mean  # of the loss, by the log temperature
    spread = (sure * np.square(cooled)).sum(axis=1) - np.square(mean)
    curvature = (features * spread[:, None]).T @ features + 1e-9 * np.eye(2)
    found: Array = -np.linalg.solve(curvature, features.T @ slope)
    return found


def margins(logits: Array) -> Array:
    """Return the gap between each text's two largest logits.

    Args:
        logits: float (texts, classes).

    Returns:
        (texts,), 0 or more; 0 of a single class.

    Example:
        >>> margins(np.array([[1.0, 4.0, 2.5]])).tolist()
        [1.5]
    """
    if logits.shape[1] < 2:
        return np.zeros(len(logits))
    found: Array = np.diff(np.partition(logits, -2, axis=1)[:, -2:], axis=1)[:, 0]
    return found


def cross_calibrated(logits: Array, labels: Array, calibration: Calibration | None) -> Array:
    """Return probabilities, each text's by a temperature found on other texts, (texts, classes).

    Args:
        logits: The held-out texts' (texts, classes).
        labels: Of those texts, (texts,).
        calibration: What was found on all of them; it says of which kind the temperatures are.
    """
    every = np.asarray(logits, np.float64)
    if calibration is None:
        return softmax(every)
    return _crossed(every, labels, find_by_margin if calibration.margin_power else _same_for_all)


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


def _same_for_all(logits: Array, labels: Array) -> Temperature:
    return Temperature(find_temperature(logits, labels))


def _crossed(logits: Array, labels: Array, find: Any) -> Array:
    """Return the probabilities of each fold by the temperature of the other folds."""
    found, fold = np.empty_like(logits), np.arange(len(labels)) % FOLDS
    for out in range(FOLDS):
        there = fold == out
        found[there] = find(logits[~there], labels[~there]).probabilities(logits[there])
    return found


def _surprise(probabilities: Array, labels: Array) -> float:
    """Return the mean cross-entropy."""
    chosen = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(chosen, np.finfo(np.float64).tiny)).mean())


def _loss(logits: Array, labels: Array) -> float:
    shifted = logits - logits.max(axis=1, keepdims=True)
    chosen = shifted[np.arange(len(labels)), labels]
    return float((np.log(np.exp(shifted).sum(axis=1)) - chosen).mean())
