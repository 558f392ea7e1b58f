"""A linear classifier of words and parts of words, trained once for a corpus, beside the encoder.

Its features are words, pairs of words, words that are written with a capital (which tells names
from other words) and, where that helps, n-grams of 2 to 5 characters within a word (which tell what
an unknown or inflected word is about). TF-IDF features of unit length and one linear support vector
machine per class, with the squared hinge loss, trained by dual coordinate descent (Hsieh et al.
2008, as in LIBLINEAR). It errs on other texts than a recurrent encoder does, so adding its scores
to the encoder's log-probabilities is better than either: a product of experts (Hinton 2002).
Trained apart, each stays an expert; trained together (`textcls.models._ngrams`), the encoder learns
only what single phrases leave over.

It does not depend on a trial's hyperparameters. So it is trained once, kept in the cache, and a
trial only sees its scores of the texts that are evaluated. `textcls.models.linear_choice` chooses
its features and its penalty on train.
"""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from textcls.cache import Entry
from textcls.compilation import kernel
from textcls.config.models import ClassWeights
from textcls.models import _linear_features
from textcls.models._linear_features import LEAST_TEXTS
from textcls.models.imbalance import weigh_classes
from textcls.text.encoding import EncodedSplit

PENALTY = 1.0
"""LIBLINEAR's C, its default. On 3,104 validation texts of AG News: 0.9182; 0.3 gives 0.9140, 3
0.9169."""
RECIPE = [5, PENALTY, LEAST_TEXTS]
"""What besides the texts decides the weights; the first number goes up with a change of code."""
_TOLERANCE = 0.1  # of the projected gradient: LIBLINEAR's default
_MOST_PASSES = 50

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class LinearClassifier:
    """Scores of texts, one per class: about 1 for a text's own class, -1 for the others.

    keys: int64 (features,), ascending; idf: float32 (features,); weights: float32
    (features + 1, classes), the last row the bias. penalty: LIBLINEAR's C that it was trained with.
    class_weights: how much more texts of rare classes counted in that, of which a file of an
    exported classifier says nothing.
    """

    keys: NDArray[np.int64]
    idf: NDArray[np.float32]
    weights: NDArray[np.float32]
    penalty: float = PENALTY
    class_weights: ClassWeights = "none"

    @classmethod
    def of(cls, arrays: Mapping[str, Array]) -> Self:
        """Build a classifier from what `arrays` returned.

        Args:
            arrays: "keys", "idf" and "weights"; "penalty" may be missing. Their shapes are left to
                `check`.

        Returns:
            The classifier, whose `class_weights` are "none": the arrays do not hold them, and
            scoring does not need them.

        Raises:
            KeyError: An array is missing.
            ValueError: The penalty is not a number.
        """
        # Classifiers of before it was chosen lack it.
        penalty = float(np.asarray(arrays.get("penalty", PENALTY)).item())
        return cls(arrays["keys"], arrays["idf"], arrays["weights"], penalty)

    def arrays(self) -> dict[str, Array]:
        """Return the classifier's arrays by name."""
        penalty = np.array([self.penalty])
        return {"keys": self.keys, "idf": self.idf, "weights": self.weights, "penalty": penalty}

    @property
    def has_characters(self) -> bool:
        """Whether n-grams of characters are among its features."""
        return _linear_features.has_characters(self.keys)

    def trained_again(
        self, train: EncodedSplit, num_classes: int, words: Sequence[str]
    ) -> "LinearClassifier":
        """Train another one with the same kinds of features and the same settings.

        Args:
            train: The encoded texts.
            num_classes: Number of classes.
            words: The spelling of each id.

        Returns:
            A new classifier; this one stays as it is.
        """
        return train_linear(
            train,
            num_classes,
            words=words if self.has_characters else None,
            penalty=self.penalty,
            class_weights=self.class_weights,
        )

    def check(self, num_classes: int) -> None:
        """Check that the arrays fit each other and the number of classes.

        Args:
            num_classes: Classes that the scores are to have.

        Raises:
            ValueError: They do not fit; the message gives the shapes.
        """
        features = len(self.keys)
        if self.idf.shape != (features,) or self.weights.shape != (features + 1, num_classes):
            raise ValueError(
                f"{features} features do not fit an idf of shape {self.idf.shape} "
                f"and weights of shape {self.weights.shape} for {num_classes} classes"
            )

    def scores(
        self, split: EncodedSplit, words: Sequence[str] | None = None
    ) -> NDArray[np.float32]:
        """Return the scores of a split's texts, float32 (texts, classes).

        Args:
            split: The encoded texts; an id that train did not have stands for an unknown word.
            words: The spelling of each id, unknown words included; only n-grams of characters
                need it.

        Raises:
            ValueError: It has n-grams of characters and `words` is None.
        """
        rows = _linear_features.weigh_features(split, words, self.keys, self.idf)
        found: NDArray[np.float32] = _scores(*rows, self.weights)
        return found


def train_linear(
    train: EncodedSplit,
    num_classes: int,
    *,
    words: Sequence[str] | None = None,
    penalty: float = PENALTY,
    class_weights: ClassWeights = "none",
    seed: int = 0,
) -> LinearClassifier:
    """Train a linear classifier on a split.

    Args:
        train: The encoded texts.
        num_classes: Number of classes.
        words: The spelling of each id, for n-grams of characters; None for words and pairs alone.
        penalty: LIBLINEAR's C; the larger, the closer it fits train.
        class_weights: How much more a text of a rare class counts; see
            `textcls.models.imbalance.weigh_classes`.
        seed: The same split and seed give the same weights.

    Returns:
        The classifier, which `LinearClassifier.scores` applies.
    """
    keys, idf, rows = _prepared(train, words)
    weights = _fit(rows, len(keys), train.labels, num_classes, penalty, class_weights, seed)
    return LinearClassifier(keys, idf, weights, penalty, class_weights)


def score_settings(
    train: EncodedSplit,
    test: EncodedSplit,
    num_classes: int,
    settings: Sequence[tuple[float, ClassWeights]],
    *,
    words: Sequence[str] | None = None,
) -> list[NDArray[np.float32]]:
    """Return the scores of other texts for each of several settings, on the same features.

    The features are made once, since they take longer than a fit where there are few classes.

    Args:
        train: The texts to train on.
        test: The texts to score, with the same word ids.
        num_classes: Number of classes.
        settings: A penalty (C of LIBLINEAR) and class weights for each fit.
        words: The spelling of each id, for n-grams of characters; None to do without them.

    Returns:
        For each of the settings, float32 (texts of `test`, classes).
    """
    keys, idf, rows = _prepared(train, words)
    new = _linear_features.weigh_features(test, words, keys, idf)
    return [
        _scores(*new, _fit(rows, len(keys), train.labels, num_classes, *each, 0))
        for each in settings
    ]


def _prepared(
    train: EncodedSplit, words: Sequence[str] | None
) -> tuple[NDArray[np.int64], NDArray[np.float32], _linear_features.Rows]:
    """Return the features of train: their keys, their IDF, and its texts' rows."""
    keys, texts_with = _linear_features.choose_keys(train, words)
    idf = (np.log((1 + len(train)) / (1 + texts_with)) + 1).astype(np.float32)
    return keys, idf, _linear_features.weigh_features(train, words, keys, idf)


def _fit(
    rows: _linear_features.Rows,
    features: int,
    labels: NDArray[np.int64],
    num_classes: int,
    penalty: float,
    class_weights: ClassWeights,
    seed: int,
) -> NDArray[np.float32]:
    """Return the weights (features + 1, classes)."""
    weights = np.zeros((features + 1, num_classes), np.float32)
    costs = penalty * weigh_classes(labels, num_classes, class_weights)[labels]

    def fit(label: int) -> None:
        signs = np.where(labels == label, np.float32(1), np.float32(-1))
        weights[:, label] = _descend(*rows, signs, features, costs, seed)

    with ThreadPoolExecutor(os.cpu_count()) as pool:  # the kernel runs without Python's lock
        list(pool.map(fit, range(num_classes)))
    return weights


def pack(
    made: LinearClassifier, scores: Mapping[str, NDArray[np.float32]], sentence: str = ""
) -> Entry:
    """Flatten a linear classifier and its scores for the cache.

    Args:
        made: The classifier.
        scores: By the name of a split, its texts' scores, float32 (texts, classes).
        sentence: Says how the classifier was chosen, for people.

    Returns:
        An entry of which `unpack` makes the three again.
    """
    own: dict[str, NDArray[np.generic]] = dict(made.arrays())
    arrays = own | {f"{name}.scores": values for name, values in scores.items()}
    return Entry(arrays, {"sentence": sentence, "class_weights": made.class_weights})


def unpack(entry: Entry) -> tuple[LinearClassifier, dict[str, NDArray[np.float32]], str]:
    """Restore what `pack` has flattened.

    Args:
        entry: What `textcls.cache` has kept, its arrays as maps of files.

    Returns:
        The classifier, its scores by split, and the sentence on how it was chosen.
    """
    scores = {
        name.removesuffix(".scores"): values
        for name, values in entry.arrays.items()
        if name.endswith(".scores")
    }
    made = replace(LinearClassifier.of(entry.arrays), class_weights=entry.meta["class_weights"])
    return made, scores, entry.meta["sentence"]


@kernel(nogil=True)
def _descend(
    ends: Array,
    columns: Array,
    values: Array,
    signs: Array,
    features: int,
    costs: Array,
    seed: int,
) -> Array:
    """Train one class against the others; return weights (features + 1,), the last one the bias.

    `costs` (texts,) is LIBLINEAR's C for each text.

    A text that lies well on its side is set aside until the others have settled (LIBLINEAR's
    shrinking): of many classes most texts are far from most.
    """
    np.random.seed(seed)
    texts = len(signs)
    weights, alpha = np.zeros(features + 1, np.float64), np.zeros(texts, np.float64)
    slacks = 0.5 / costs
    order = np.arange(texts)
    active, bound = texts, np.inf
    for _ in range(_MOST_PASSES):
        largest, most, turn = 0.0, 0.0, 0
        while turn < active:
            j = np.random.randint(turn, active)  # Fisher and Yates
            order[turn], order[j] = order[j], order[turn]
            i = order[turn]
            margin, square, slack = weights[features], 1.0, slacks[i]
            for j in range(ends[i], ends[i + 1]):
                margin += weights[columns[j]] * values[j]
                square += values[j] * values[j]
            gradient = signs[i] * margin - 1.0 + slack * alpha[i]
            if alpha[i] == 0.0:
                if gradient > bound:
                    active -= 1
                    order[turn], order[active] = order[active], order[turn]
                    continue
                gradient = min(gradient, 0.0)
            turn += 1
            largest = max(largest, abs(gradient))
            most = max(most, gradient)
            if abs(gradient) < 1e-12:
                continue
            before = alpha[i]
            alpha[i] = max(before - gradient / (square + slack), 0.0)
            move = (alpha[i] - before) * signs[i]
            weights[features] += move
            for j in range(ends[i], ends[i + 1]):
                weights[columns[j]] += move * values[j]
        bound = most if most > 0.0 else np.inf
        if largest <= _TOLERANCE:
            if active == texts:
                break
            active, bound = texts, np.inf
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
