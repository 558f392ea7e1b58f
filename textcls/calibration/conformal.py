"""Sets of labels that hold the true one with a probability that is asked for.

Split conformal prediction with the least ambiguous sets (Sadinle, Lei and Wasserman, "Least
ambiguous set-valued classifiers with bounded error levels", JASA 2019, arXiv 1609.00451): a label
belongs to a text's set where one minus its probability is at most the quantile of that score over
held-out texts with their true labels. Of n such texts the quantile at (n + 1) * coverage is taken,
so that over new texts of the same kind the share of sets that hold the true label is at least what
was asked for, whatever the classifier is worth. That is an average over texts: a class of its own
may lie below it. A set always holds the most probable label, which only adds to its coverage.
"""

import math
from typing import Any

import numpy as np

from textcls.exceptions import BundleError
from textcls.runtime.bundle_files import Conformal, Description

Array = np.ndarray[Any, Any]

LEAST_TEXTS = 100
"""Held-out texts without which no sets are offered: of 99 the 99 % quantile is the largest."""
MOST_SCORES = 1_000
"""Scores that a bundle keeps; of more texts every so many-th, on the cautious side."""


def measure_scores(probabilities: Array, labels: Array, split: str) -> Conformal | None:
    """Return the scores of held-out texts, as a bundle keeps them.

    Args:
        probabilities: float (texts, classes), of a temperature that none of these texts had a part
            in, such as `textcls.calibration.temperature.cross_calibrated` returns.
        labels: int (texts,).
        split: The name of the split that the texts are from.

    Returns:
        The scores; None where there are too few texts.
    """
    texts = len(labels)
    if texts < LEAST_TEXTS:
        return None
    scores = np.sort(1 - np.asarray(probabilities, np.float64)[np.arange(texts), labels])
    ranks = _ranks(texts)
    # Not rounded: a classifier that is far too sure gives true labels probabilities of 1e-9.
    return Conformal(split=split, texts=texts, scores=tuple(scores[ranks - 1].tolist()))


def least_probability(found: Conformal, coverage: float) -> float:
    """Return the probability from which on a label belongs to a text's set.

    Args:
        found: The scores of a bundle's held-out texts.
        coverage: The share of sets that shall hold the true label, above 0 and below 1.

    Returns:
        The probability; 0, which lets all labels in, where the texts are too few for so much.

    Example:
        >>> scores = Conformal(split="test", texts=4, scores=(0.1, 0.2, 0.3, 0.6))
        >>> round(least_probability(scores, 0.5), 3), least_probability(scores, 0.9)
        (0.7, 0.0)
    """
    rank = math.ceil((found.texts + 1) * coverage - 1e-9)
    if rank > found.texts:
        return 0.0
    at = int(np.searchsorted(_ranks(found.texts), rank))
    return max(0.0, 1 - found.scores[at])


def threshold_of(description: Description, coverage: float) -> float:
    """Return the probability from which on a label belongs to a set, for a bundle.

    Args:
        description: The bundle's.
        coverage: The share of sets that shall hold the true label, above 0 and below 1.

    Raises:
        BundleError: It keeps no scores of held-out texts.
    """
    if description.conformal is None:
        raise BundleError(
            "the classifier holds no scores of held-out texts, which --coverage needs: an earlier "
            f"version exported it, or there were fewer than {LEAST_TEXTS} of them"
        )
    return least_probability(description.conformal, coverage)


def _ranks(texts: int) -> Array:
    """Return the ranks, from 1, of the scores that are kept of so many."""
    count = min(texts, MOST_SCORES)
    found: Array = -(-np.arange(1, count + 1) * texts // count)
    return found
