"""Compare two classifiers on the same texts: which is better, and whether that may be chance."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

MCNEMAR = "McNemar's exact test"
EXCHANGE = "a test that exchanges the two predictions of texts at random"
SURE = 0.05
"""Below this p a difference is not taken for chance."""
_Z = 1.959964
_DRAWS = 2_000
"""Of bootstrap and exchange: a p of 0.05 then has a standard error of 0.005."""
_DRAWN_AT_ONCE = 1 << 22  # cells of all draws together: bounds the memory to some 100 MB


@dataclass(frozen=True, slots=True)
class PairedTest:
    """Two classifiers on the same texts.

    measure: accuracy, macro_f1 or balanced_accuracy. texts: how many. old, new: its value for
    either. only_old, only_new: texts that one alone labels correctly. low, high: the 95 % interval
    of new minus old. p_value: how likely a difference as large is between equally good ones.
    test: the name of the test.
    """

    measure: str
    texts: int
    old: float
    new: float
    only_old: int
    only_new: int
    low: float
    high: float
    p_value: float
    test: str

    @property
    def difference(self) -> float:
        """New minus old."""
        return self.new - self.old

    @property
    def better(self) -> str | None:
        """ "new" or "old"; None where the difference may be chance."""
        if self.p_value >= SURE or self.difference == 0.0:
            return None
        return "new" if self.difference > 0 else "old"


def compare_predictions(
    labels: Array, old: Array, new: Array, classes: int, measure: str = "accuracy"
) -> PairedTest:
    """Compare the predictions of two classifiers for the same texts.

    For accuracy: McNemar's exact test, and the interval of Bonett and Price (2012) for a difference
    of paired shares. For macro F1 and balanced accuracy, which are no shares of texts: a test that
    exchanges the two predictions of texts at random (Yeh 2000) and a bootstrap over texts, both
    with a fixed seed. As everywhere, macro F1 is the mean over
    the classes that occur among the labels or that classifier's predictions (scikit-learn's), and
    balanced accuracy the mean over those among the labels.

    Args:
        labels: int (texts,), each below `classes`.
        old: int (texts,), the predictions of the one.
        new: int (texts,), those of the other.
        classes: How many classes there are; a classifier need not know all of them.
        measure: accuracy, macro_f1 or balanced_accuracy.

    Raises:
        ValueError: There is no text.

    Example:
        >>> labels = np.array([0, 0, 1, 1, 1, 0, 1, 0, 1, 1])
        >>> old, new = np.zeros(10, int), labels
        >>> found = compare_predictions(labels, old, new, 2)
        >>> found.only_new, round(found.p_value, 3), found.better
        (6, 0.031, 'new')
    """
    if not len(labels):
        raise ValueError("there is no text to compare on")
    only_old = int(((old == labels) & (new != labels)).sum())
    only_new = int(((old != labels) & (new == labels)).sum())
    cells = _Cells.of(labels, old, new, classes, measure)
    values = cells.value(cells.counts[None], "old"), cells.value(cells.counts[None], "new")
    first, second = (float(value[0]) for value in values)
    if measure == "accuracy":
        low, high = _interval_of_shares(only_old, only_new, len(labels))
        p_value, test = _mcnemar(only_old, only_new), MCNEMAR
    else:
        low, high = cells.bootstrap()
        p_value, test = cells.exchange(second - first), EXCHANGE
    return PairedTest(
        measure, len(labels), first, second, only_old, only_new, low, high, p_value, test
    )


def _mcnemar(only_old: int, only_new: int) -> float:
    from scipy import stats  # half a second

    if only_old + only_new == 0:
        return 1.0
    return float(stats.binomtest(only_new, only_old + only_new, 0.5).pvalue)


def _interval_of_shares(only_old: int, only_new: int, texts: int) -> tuple[float, float]:
    """Return the 95 % interval of the difference of two shares of the same texts."""
    b, c = (only_new + 1) / (texts + 2), (only_old + 1) / (texts + 2)
    half = _Z * math.sqrt((b + c - (b - c) ** 2) / (texts + 2))
    return max(-1.0, b - c - half), min(1.0, b - c + half)


@dataclass(frozen=True, slots=True)
class _Cells:
    """The texts, counted by label and both predictions: resampling them is resampling counts.

    counts: int64 (cells,). label, old, new: int64 (cells,), positions among the `classes` that
    occur among the labels or the predictions.
    """

    counts: Array
    label: Array
    old: Array
    new: Array
    classes: int
    measure: str

    @classmethod
    def of(cls, labels: Array, old: Array, new: Array, classes: int, measure: str) -> "_Cells":
        wide = (labels.astype(np.int64) * classes + old) * classes + new
        codes, counts = np.unique(wide, return_counts=True)
        parts = codes // classes**2, codes // classes % classes, codes % classes
        occur = np.unique(np.concatenate(parts))
        label, first, second = (np.searchsorted(occur, part) for part in parts)
        return cls(counts, label, first, second, len(occur), measure)

    def value(self, counts: Array, of: str, exchanged: Array | None = None) -> Array:
        """Return the measure of one classifier for each draw, float64 (draws,).

        Args:
            counts: (draws, cells).
            of: "old" or "new".
            exchanged: (draws, cells): the texts of which the other one's prediction is taken.
        """
        own, other = (self.old, self.new) if of == "old" else (self.new, self.old)
        swapped = np.zeros_like(counts) if exchanged is None else exchanged
        kept = counts - swapped
        right, also = own == self.label, other == self.label
        hits = self._sums(kept * right + swapped * also, self.label)
        if self.measure == "accuracy":
            found: Array = hits.sum(axis=1) / counts.sum(axis=1)
            return found
        texts = self._sums(counts, self.label)
        if self.measure == "balanced_accuracy":
            shares = np.divide(hits, texts, out=np.zeros_like(hits), where=texts > 0)
            present = np.maximum(1, (texts > 0).sum(axis=1))
            return np.asarray(shares.sum(axis=1) / present)
        both = texts + self._sums(kept, own) + self._sums(swapped, other)
        scores = np.divide(2 * hits, both, out=np.zeros_like(hits), where=both > 0)
        return np.asarray(scores.sum(axis=1) / np.maximum(1, (both > 0).sum(axis=1)))

    def _sums(self, counts: Array, place: Array) -> Array:
        """Add the cells of each class up, float64 (draws, classes)."""
        order = np.argsort(place, kind="stable")
        present, starts = np.unique(place[order], return_index=True)
        added = np.add.reduceat(counts[:, order], starts, axis=1)
        found = np.zeros((len(counts), self.classes))
        found[:, present] = added
        return found

    def bootstrap(self) -> tuple[float, float]:
        """Return the 95 % interval of new minus old."""
        random, texts = np.random.default_rng(0), int(self.counts.sum())
        found = [
            self.value(drawn, "new") - self.value(drawn, "old")
            for drawn in (
                random.multinomial(texts, self.counts / texts, size) for size in self._portions()
            )
        ]
        low, high = np.quantile(np.concatenate(found), (0.025, 0.975)).tolist()
        return low, high

    def exchange(self, difference: float) -> float:
        """Return how often a random exchange of predictions gives a difference as large."""
        random = np.random.default_rng(0)
        as_large = 0
        for size in self._portions():
            counts = np.broadcast_to(self.counts, (size, len(self.counts)))
            drawn = random.binomial(counts, 0.5)
            found = self.value(counts, "new", drawn) - self.value(counts, "old", drawn)
            as_large += int((np.abs(found) >= abs(difference) - 1e-12).sum())
        return (as_large + 1) / (_DRAWS + 1)

    def _portions(self) -> list[int]:
        size = max(1, min(_DRAWS, _DRAWN_AT_ONCE // len(self.counts)))
        full, rest = divmod(_DRAWS, size)
        return [size] * full + ([rest] if rest else [])
