"""A linear classifier of words and pairs of words, trained once for a corpus, beside the encoder.

A word that is written with a capital counts once more as such, which tells names from other words.
TF-IDF features of unit length and one linear support vector machine per class, with the squared
hinge loss, trained by dual coordinate descent (Hsieh et al. 2008, as in LIBLINEAR). It errs on
other texts than a recurrent encoder does, so adding its scores to the encoder's log-probabilities
is better than either: a product of experts (Hinton 2002). Trained apart, each stays an expert;
trained together (`textcls.models._ngrams`), the encoder learns only what single phrases leave over.

It does not depend on a trial's hyperparameters. So it is trained once, kept in the cache, and a
trial only sees its scores of the texts that are evaluated.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from textcls.cache import Entry
from textcls.compilation import kernel
from textcls.text.encoding import EncodedSplit
from textcls.text.vocabulary import UNK_ID

PENALTY = 1.0
"""LIBLINEAR's C, its default. On 3,104 validation texts of AG News: 0.9182; 0.3 gives 0.9140, 3
0.9169."""
LEAST_TEXTS = 2
"""Texts of train in which a pair of words, or a word with a capital, must occur to count."""
RECIPE = [3, PENALTY, LEAST_TEXTS]
"""What besides the texts decides the weights; the first number goes up with a change of code."""
_TOLERANCE = 0.1  # of the projected gradient: LIBLINEAR's default
_MOST_PASSES = 50
# A feature's key: a word; a pair's second word, and its first above; a word with a capital, marked.
_SHIFT = 32
_CAPITAL = 1 << 60

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class LinearClassifier:
    """Scores of texts, one per class: about 1 for a text's own class, -1 for the others.

    keys: int64 (features,), ascending; idf: float32 (features,); weights: float32
    (features + 1, classes), the last row the bias.
    """

    keys: NDArray[np.int64]
    idf: NDArray[np.float32]
    weights: NDArray[np.float32]

    @classmethod
    def of(cls, arrays: Mapping[str, Array]) -> Self:
        """Build a classifier from what `arrays` returned.

        Raises:
            KeyError: An array is missing.
        """
        return cls(arrays["keys"], arrays["idf"], arrays["weights"])

    def arrays(self) -> dict[str, Array]:
        """Return the classifier's arrays by name."""
        return {"keys": self.keys, "idf": self.idf, "weights": self.weights}

    def check(self, num_classes: int) -> None:
        """Raise ValueError where the arrays do not fit each other or the number of classes."""
        features = len(self.keys)
        if self.idf.shape != (features,) or self.weights.shape != (features + 1, num_classes):
            raise ValueError(
                f"{features} features do not fit an idf of shape {self.idf.shape} "
                f"and weights of shape {self.weights.shape} for {num_classes} classes"
            )

    def scores(self, split: EncodedSplit) -> NDArray[np.float32]:
        """Return the scores of a split's texts, float32 (texts, classes)."""
        ends, columns, values = _features(*_written(split), self.keys, self.idf)
        found: NDArray[np.float32] = _scores(ends, columns, values, self.weights)
        return found


def train_linear(train: EncodedSplit, num_classes: int, *, seed: int = 0) -> LinearClassifier:
    """Train a linear classifier on a split.

    Args:
        train: The encoded texts.
        num_classes: Number of classes.
        seed: The same split and seed give the same weights.
    """
    keys, texts_with = _vocabulary(train)
    idf = (np.log((1 + len(train)) / (1 + texts_with)) + 1).astype(np.float32)
    ends, columns, values = _features(*_written(train), keys, idf)
    weights = np.zeros((len(keys) + 1, num_classes), np.float32)
    for label in range(num_classes):
        signs = np.where(train.labels == label, np.float32(1), np.float32(-1))
        weights[:, label] = _descend(ends, columns, values, signs, len(keys), seed)
    return LinearClassifier(keys, idf, weights)


def pack(made: LinearClassifier, scores: Mapping[str, NDArray[np.float32]]) -> Entry:
    """Flatten a linear classifier and its scores of splits."""
    own: dict[str, NDArray[np.generic]] = dict(made.arrays())
    return Entry(own | {f"{name}.scores": values for name, values in scores.items()}, {})


def unpack(entry: Entry) -> tuple[LinearClassifier, dict[str, NDArray[np.float32]]]:
    """Undo `pack`."""
    scores = {
        name.removesuffix(".scores"): values
        for name, values in entry.arrays.items()
        if name.endswith(".scores")
    }
    return LinearClassifier.of(entry.arrays), scores


def _vocabulary(train: EncodedSplit) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the keys of the features, ascending, and the number of texts in which each occurs."""
    tokens, _, capitals = _written(train)
    words = np.asarray(tokens, np.int64)
    text = np.repeat(np.arange(len(train)), np.diff(train.offsets))
    known = words > UNK_ID  # a word that train never saw must not look like one that it did
    inside = known[:-1] & known[1:] & (text[:-1] == text[1:])
    pairs = (words[:-1] << _SHIFT | words[1:])[inside]
    single, texts_with = _texts_with(words[known], text[known], 1)
    double, texts_with_both = _texts_with(pairs, text[1:][inside], LEAST_TEXTS)
    named = known & capitals
    large, texts_with_it = _texts_with(words[named] | _CAPITAL, text[named], LEAST_TEXTS)
    # A pair's first word is above 0 and far below the mark, so the three follow each other.
    return (
        np.concatenate([single, double, large]),
        np.concatenate([texts_with, texts_with_both, texts_with_it]),
    )


def _written(split: EncodedSplit) -> tuple[Array, Array, Array]:
    """Return a split's tokens, offsets and capitals; no token is a capital where none are known."""
    capitals = split.capitals
    if capitals is None:
        capitals = np.zeros(len(split.tokens), np.bool_)
    return split.tokens, split.offsets, capitals


def _texts_with(
    keys: NDArray[np.int64], text: NDArray[np.int64], least: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the keys that occur in at least `least` texts, and in how many."""
    order = np.lexsort((text, keys))
    keys, text = keys[order], text[order]
    first = np.ones(len(keys), bool)
    first[1:] = (keys[1:] != keys[:-1]) | (text[1:] != text[:-1])
    unique, counts = np.unique(keys[first], return_counts=True)
    kept = counts >= least
    return unique[kept], counts[kept]


@kernel(nogil=True)
def _features(
    tokens: Array, offsets: Array, capitals: Array, keys: Array, idf: Array
) -> tuple[Array, Array, Array]:
    """Return each text's known features: ends int64 (texts + 1,), their columns and their values.

    A value is (1 + log of the occurrences) times the IDF; a text's values have length 1 altogether.
    """
    texts = len(offsets) - 1
    ends = np.zeros(texts + 1, np.int64)
    longest = 0
    for i in range(texts):
        longest = max(longest, offsets[i + 1] - offsets[i])
    columns = np.empty(3 * len(tokens), np.int32)
    values = np.empty(3 * len(tokens), np.float32)
    own = np.empty(3 * longest, np.int64)
    end = 0
    for i in range(texts):
        start, stop = offsets[i], offsets[i + 1]
        count = 0
        for j in range(start, stop):
            word = np.int64(tokens[j])
            own[count] = word
            count += 1
            if capitals[j]:
                own[count] = word | _CAPITAL
                count += 1
            if j > start:
                own[count] = np.int64(tokens[j - 1]) << _SHIFT | word
                count += 1
        ordered = np.sort(own[:count])
        begin, total, j = end, 0.0, 0
        while j < count:
            key, times = ordered[j], np.int64(0)
            while j < count and ordered[j] == key:
                times += 1
                j += 1
            column = np.searchsorted(keys, key)
            if column < len(keys) and keys[column] == key:
                value = (1.0 + np.log(times)) * idf[column]
                columns[end] = column
                values[end] = value
                total += value * value
                end += 1
        for j in range(begin, end):
            values[j] /= np.sqrt(total)
        ends[i + 1] = end
    return ends, columns[:end].copy(), values[:end].copy()


@kernel(nogil=True)
def _descend(
    ends: Array, columns: Array, values: Array, signs: Array, features: int, seed: int
) -> Array:
    """Train one class against the others; return weights (features + 1,), the last one the bias."""
    np.random.seed(seed)
    texts = len(signs)
    weights, alpha = np.zeros(features + 1, np.float64), np.zeros(texts, np.float64)
    slack = 0.5 / PENALTY
    order = np.arange(texts)
    for _ in range(_MOST_PASSES):
        largest = 0.0
        for turn in range(texts):
            j = np.random.randint(turn, texts)  # Fisher and Yates
            order[turn], order[j] = order[j], order[turn]
            i = order[turn]
            margin, square = weights[features], 1.0
            for j in range(ends[i], ends[i + 1]):
                margin += weights[columns[j]] * values[j]
                square += values[j] * values[j]
            gradient = signs[i] * margin - 1.0 + slack * alpha[i]
            if alpha[i] == 0.0:
                gradient = min(gradient, 0.0)
            largest = max(largest, abs(gradient))
            if abs(gradient) < 1e-12:
                continue
            before = alpha[i]
            alpha[i] = max(before - gradient / (square + slack), 0.0)
            move = (alpha[i] - before) * signs[i]
            weights[features] += move
            for j in range(ends[i], ends[i + 1]):
                weights[columns[j]] += move * values[j]
        if largest <= _TOLERANCE:
            break
    return weights.astype(np.float32)


@kernel(nogil=True)
def _scores(ends: Array, columns: Array, values: Array, weights: Array) -> Array:
    texts, classes = len(ends) - 1, weights.shape[1]
    found = np.empty((texts, classes), np.float32)
    for i in range(texts):
        found[i] = weights[-1]
        for j in range(ends[i], ends[i + 1]):
            for c in range(classes):
                found[i, c] += values[j] * weights[columns[j], c]
    return found
