"""Compare new texts with those that a classifier was tested on: words, lengths, predictions.

Without labels nobody can say how accurate a classifier is on new texts, but texts that are unlike
the ones it knows can be noticed. At the export a bundle gets the statistics of its held-out texts
(`make_reference`); later the same statistics of new texts are held against them (`find_drift`).

A measure counts as drifted only if the difference is both larger than chance makes it (at
`CHANCE`) and large enough to matter: with many texts the smallest difference is beyond chance, and
with few a large one need not be.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from textcls.runtime.bundle_files import BundleFiles, Reference, ValueCounts
from textcls.text.tokenizer import lower_case, tokenize_cased
from textcls.text.vocabulary import UNK

Array = np.ndarray[Any, Any]

CHANCE = 0.001
"""How often a measure may be called drifted though nothing has changed. A check has four."""
LARGEST_SHIFT = 0.25
"""Population stability index from which a distribution counts as another one: the customary bound
of credit scoring, where 0.1 is a small shift (Siddiqi 2006)."""
MORE_UNSEEN = 0.05
"""By how much the share of words that train lacks must rise to matter, and at least doubled."""
LEAST_TEXTS = 30
"""Texts without which nothing is said of drift: with fewer, only another language stands out."""
_BINS = 10


@dataclass(frozen=True, slots=True)
class Measured:
    """What is measured of texts.

    lengths: tokens of each text, int64 (texts,). unseen: the share of a text's tokens that train
    lacks, float64 (texts,). confidence: the probability of the predicted class, float64 (texts,).
    predicted: the number of texts that are predicted to be of each class, int64 (classes,).
    """

    lengths: Array
    unseen: Array
    confidence: Array
    predicted: Array

    @property
    def texts(self) -> int:
        """The number of texts."""
        return len(self.lengths)


@dataclass(frozen=True, slots=True)
class Drift:
    """One measure of the texts then and now.

    before, now: the values as a person reads them. amount: the population stability index, or of
    unseen words the rise of their share. drifted: whether that is beyond chance and matters.
    """

    name: str
    before: str
    now: str
    amount: float
    drifted: bool


def measure_texts(files: BundleFiles, texts: Sequence[str], probabilities: Array) -> Measured:
    """Measure new texts as the reference of a bundle was measured.

    Args:
        files: The bundle; it must have a reference.
        texts: The texts.
        probabilities: What it predicts for them, (texts, classes).

    Returns:
        Their lengths, the share of their words that train lacks, and what is predicted.
    """
    reference = files.description.reference
    if reference is None:
        raise ValueError("the bundle has no reference")
    return measure_words(files, texts, probabilities, reference.known_words)


def measure_words(
    files: BundleFiles, texts: Sequence[str], probabilities: Array, known_words: int
) -> Measured:
    """Measure texts with a bundle that may have no reference yet.

    Args:
        files: The bundle.
        texts: The texts.
        probabilities: What it predicts for them, (texts, classes).
        known_words: The words of its vocabulary, counted from the start, that train has.
    """
    description = files.description
    own = files.linear_words if files.linear_words is not None else files.words
    known = set(own[2:known_words])
    limit = description.max_length
    if files.linear is not None:
        limit = description.linear_length or limit
    lengths, unseen = np.empty(len(texts), np.int64), np.empty(len(texts))
    for i, text in enumerate(texts):
        tokens = lower_case(tokenize_cased(text, limit, description.tokenizer)) or [UNK]
        lengths[i] = len(tokens)
        unseen[i] = sum(token not in known for token in tokens) / len(tokens)
    return Measured(lengths, unseen, *summed_up(probabilities))


def summed_up(probabilities: Array) -> tuple[Array, Array]:
    """Reduce the probabilities of some texts to what drift is measured by.

    Args:
        probabilities: float (texts, classes).

    Returns:
        The probability of each text's predicted class, float64 (texts,), and how many texts are
        predicted to be of each class, int64 (classes,).
    """
    best = probabilities.argmax(axis=1)
    confidence = probabilities.max(axis=1).astype(np.float64)
    return confidence, np.bincount(best, minlength=probabilities.shape[1])


def joined(parts: Sequence[Measured]) -> Measured:
    """Join the measures of several portions of texts.

    Args:
        parts: At least one; all of the same classes.

    Returns:
        The measures of all their texts, in the same order.
    """
    return Measured(
        np.concatenate([each.lengths for each in parts]),
        np.concatenate([each.unseen for each in parts]),
        np.concatenate([each.confidence for each in parts]),
        np.sum([each.predicted for each in parts], axis=0),
    )


def make_reference(
    measured: Measured,
    *,
    split: str,
    known_words: int,
    accuracy: float | None = None,
    macro_f1: float | None = None,
) -> Reference:
    """Return the statistics of held-out texts, to be kept in the bundle.

    Args:
        measured: What was measured of them.
        split: The name of their split.
        known_words: The words of the vocabulary up to which train has them.
        accuracy: The classifier's accuracy on them.
        macro_f1: Its macro F1 on them.
    """
    return Reference(
        split=split,
        texts=measured.texts,
        known_words=known_words,
        lengths=_histogram(measured.lengths),
        unseen=_histogram(measured.unseen),
        confidence=_histogram(measured.confidence),
        predicted=tuple(measured.predicted.tolist()),
        accuracy=accuracy,
        macro_f1=macro_f1,
    )


def find_drift(reference: Reference, measured: Measured, label_names: Sequence[str]) -> list[Drift]:
    """Compare new texts with the reference: unseen words, lengths, predicted classes, confidence.

    Distributions are compared by the population stability index (Siddiqi 2006).

    Args:
        reference: The statistics of held-out texts that the bundle keeps.
        measured: The same of the new texts.
        label_names: The classes, in the order of `predicted`.

    Returns:
        The four measures in this order, drifted or not. Of the classes, the one whose share has
        changed most is shown.

    Raises:
        ValueError: There are fewer than `LEAST_TEXTS` new texts.
    """
    if measured.texts < LEAST_TEXTS:
        raise ValueError(
            f"drift needs at least {LEAST_TEXTS} texts, but there are {measured.texts}"
        )
    predicted = np.array(reference.predicted)
    index, beyond = _shift(predicted, measured.predicted)
    moved = measured.predicted / measured.texts - predicted / reference.texts
    most = int(np.abs(moved).argmax())
    old, new = predicted[most] / reference.texts, measured.predicted[most] / measured.texts
    return [
        _unseen_words(reference, measured),
        _of_histogram("tokens in a text", reference.lengths, measured.lengths, "{:.1f}"),
        Drift(
            f"texts predicted as {label_names[most]}",
            f"{old:.1%}",
            f"{new:.1%}",
            index,
            beyond and index > LARGEST_SHIFT,
        ),
        _of_histogram("mean confidence", reference.confidence, measured.confidence, "{:.3f}"),
    ]


def _unseen_words(reference: Reference, measured: Measured) -> Drift:
    """Compare the mean share of unseen words; only a rise matters."""
    before, now = reference.unseen.mean, float(measured.unseen.mean())
    variance = reference.unseen.deviation**2 / reference.texts
    variance += float(measured.unseen.var()) / measured.texts
    beyond = now - before > NormalDist().inv_cdf(1 - CHANCE) * math.sqrt(variance)
    matters = now - before > max(MORE_UNSEEN, before)
    return Drift(
        "words that train lacks",
        f"{before:.1%}",
        f"{now:.1%}",
        now - before,
        bool(beyond and matters),
    )


def _of_histogram(name: str, before: ValueCounts, values: Array, form: str) -> Drift:
    index, beyond = _shift(np.array(before.counts), _counts(values, before.edges))
    return Drift(
        name,
        form.format(before.mean),
        form.format(float(values.mean())),
        index,
        beyond and index > LARGEST_SHIFT,
    )


def _shift(before: Array, now: Array) -> tuple[float, bool]:
    """Return the population stability index of two counts, and whether it is beyond chance.

    Without a change, the index divided by 1 / n + 1 / m is distributed as chi-squared, with a
    degree of freedom less than there are bins (Yurdakul and Naranjo 2020).
    """
    old, new = (before + 0.5) / (before + 0.5).sum(), (now + 0.5) / (now + 0.5).sum()
    index = float(((new - old) * np.log(new / old)).sum())
    spread = 1 / before.sum() + 1 / now.sum()
    return index, bool(index > spread * _chi_squared(len(before) - 1))


def _chi_squared(freedom: int) -> float:
    """Return the quantile of chi-squared at 1 - CHANCE (Wilson and Hilferty 1931)."""
    if freedom < 1:
        return math.inf
    part = 2 / (9 * freedom)
    return freedom * (1 - part + NormalDist().inv_cdf(1 - CHANCE) * math.sqrt(part)) ** 3


def _histogram(values: Array) -> ValueCounts:
    """Count values between their deciles; equal deciles are one."""
    deciles = np.quantile(values, np.arange(1, _BINS) / _BINS)
    edges = tuple(np.unique(deciles.astype(np.float64)).tolist())
    return ValueCounts(
        edges=edges,
        counts=tuple(_counts(values, edges).tolist()),
        mean=float(values.mean()),
        deviation=float(values.std()),
    )


def _counts(values: Array, edges: Sequence[float]) -> Array:
    place = np.searchsorted(np.array(edges), values.astype(np.float64), side="left")
    return np.bincount(place, minlength=len(edges) + 1)
