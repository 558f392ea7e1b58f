"""Choose the linear classifier's features and its penalty by cross-validation on train.

N-grams of characters add 1 to 8 points where texts are few, words inflect or are misspelt, and cost
as much elsewhere. Train itself tells: three folds of at most some thousand texts, first with and
without n-grams of characters at the usual penalty, then another penalty for the better of the two.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from textcls.models import linear
from textcls.models.linear import PENALTY, LinearClassifier
from textcls.text.encoding import EncodedSplit, selected, stratified_folds

PENALTIES = (3.0,)
"""What is tried beside the usual one. On eight sets 0.3 is never better by more than chance, and 10
never better than 3, for three times the work."""
_FOLDS = 3
_MOST_TEXTS, _FEWEST_TEXTS = 6_000, 1_500
_MOST_TOKENS = 200_000
_MOST_FITS = 250_000
"""Texts times classes: a class costs a fit."""
_MOST_NGRAMS = 150_000_000
"""Occurrences in train of n-grams of characters: with more, they would want gigabytes."""
_NGRAMS_A_WORD = 20


@dataclass(frozen=True, slots=True)
class LinearChoice:
    """What a linear classifier is made of, and how good that is on texts apart.

    accuracies: by the features, "words" and "characters" (words and n-grams of characters), the
    accuracy in cross-validation; without the latter where they were not tried.
    """

    characters: bool
    penalty: float
    accuracies: dict[str, float]
    texts: int

    def train(
        self, split: EncodedSplit, words: Sequence[str], num_classes: int
    ) -> LinearClassifier:
        """Train the chosen classifier on a split; `words` is the spelling of each id."""
        spelling = words if self.characters else None
        return linear.train_linear(split, num_classes, words=spelling, penalty=self.penalty)

    def __str__(self) -> str:
        kind = "words, pairs of words and capitals"
        if self.characters:
            kind = "words, pairs of words, capitals and n-grams of 2 to 5 characters"
        shares = [f"{each:.4f} with {name}" for name, each in self.accuracies.items()]
        return (
            f"The linear classifier reads {kind}, with C {self.penalty:g}, chosen by "
            f"{_FOLDS}-fold cross-validation on {self.texts:,} texts of train: {', '.join(shares)}"
        )


def choose_linear(
    train: EncodedSplit, words: Sequence[str], num_classes: int, *, characters: bool = True
) -> LinearChoice:
    """Choose by the accuracy in cross-validation; of equals, the first that was tried.

    Args:
        train: The encoded texts.
        words: The spelling of each id.
        num_classes: Number of classes.
        characters: Whether n-grams of characters are tried at all. Where each character of a text
            is a token of its own, they would say what the pairs say.
    """
    most = min(_MOST_TEXTS, max(_FEWEST_TEXTS, _MOST_FITS // num_classes))
    most = min(most, max(1, _MOST_TOKENS * len(train) // max(1, len(train.tokens))))
    order = np.random.default_rng(0).permutation(len(train))[:most]
    sample = selected(train, np.sort(order))
    folds = stratified_folds(sample.labels, _FOLDS)
    spellings: dict[str, Sequence[str] | None] = {"words": None}
    if characters and len(train.tokens) * _NGRAMS_A_WORD <= _MOST_NGRAMS:
        spellings["characters"] = words

    def measure(kind: str, penalties: Sequence[float]) -> list[float]:
        hits = np.zeros(len(penalties))
        for fold in range(_FOLDS):
            apart = folds == fold
            known, new = (selected(sample, np.flatnonzero(part)) for part in (~apart, apart))
            found = linear.score_penalties(
                known, new, num_classes, penalties, words=spellings[kind]
            )
            hits += [(each.argmax(axis=1) == new.labels).sum() for each in found]
        return (hits / len(sample)).tolist()

    if len(sample) < 2 * _FOLDS:
        return LinearChoice(False, PENALTY, {}, len(sample))
    accuracies = {kind: measure(kind, (PENALTY,))[0] for kind in spellings}
    best = max(accuracies, key=accuracies.__getitem__)
    penalty = PENALTY
    for other, accuracy in zip(PENALTIES, measure(best, PENALTIES), strict=True):
        if accuracy > accuracies[best]:
            accuracies[best], penalty = accuracy, other
    return LinearChoice(best == "characters", penalty, accuracies, len(sample))
