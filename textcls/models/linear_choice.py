"""Choose the linear classifier's features, penalty and class weights by cross-validation on train.

N-grams of characters add 1 to 8 points where texts are few, words inflect or are misspelt, and cost
as much elsewhere. Train itself tells: three folds of at most some thousand texts, first with and
without n-grams of characters at the usual penalty, then another penalty for the better of the two.
What is compared is the measure that the classifier is wanted for; where that is not accuracy, rare
classes may count more (`textcls.models.imbalance`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from textcls.config.models import ClassWeights
from textcls.models import linear
from textcls.models.linear import PENALTY, LinearClassifier
from textcls.text.encoding import EncodedSplit, selected, stratified_folds

PENALTIES = (3.0,)
"""What is tried beside the usual one. On eight sets 0.3 is never better by more than chance, and 10
never better than 3, for three times the work."""
WEIGHTED: tuple[tuple[float, ClassWeights], ...] = (
    (PENALTY, "sqrt"),
    (PENALTY, "balanced"),
    (0.3, "balanced"),
)
"""Penalties and class weights that are tried as well where the goal is another than accuracy.

Macro F1 on test of 3,000 texts with a class of 80 to 92 %, C 1 with equal weights, then C 0.3 with
balanced ones, means of three seeds: SST-2 0.508 and 0.612, AG News 0.671 and 0.780, waimai 0.690
and 0.777. C 0.1 has 0.004 more at times, and 0.01 to 0.02 less accuracy. Where the classes differ
less (20 topics of Stack Overflow, TREC-6) equal weights stay best, and are chosen.
"""
_FOLDS = 3
_MOST_TEXTS, _FEWEST_TEXTS = 6_000, 1_500
_MOST_TOKENS = 200_000
_MOST_FITS = 250_000
"""Texts times classes: a class costs a fit."""
_MOST_NGRAMS = 150_000_000
"""Occurrences in train of n-grams of characters: with more, they would want gigabytes."""
_NGRAMS_A_WORD = 20


IntArray = np.ndarray[Any, np.dtype[np.integer[Any]]]


@dataclass(frozen=True, slots=True)
class Goal:
    """What a choice maximises: a name for people, and its value for labels and predictions."""

    name: str
    of: Callable[[IntArray, IntArray], float]


ACCURACY = Goal("accuracy", lambda labels, predictions: float((labels == predictions).mean()))


@dataclass(frozen=True, slots=True)
class LinearChoice:
    """What a linear classifier is made of, and how good that is on texts apart.

    values: by the features, "words" and "characters" (words and n-grams of characters), the value
    of the goal in cross-validation; without the latter where they were not tried.
    """

    characters: bool
    penalty: float
    class_weights: ClassWeights
    values: dict[str, float]
    texts: int
    goal: str = ACCURACY.name

    def train(
        self, split: EncodedSplit, words: Sequence[str], num_classes: int
    ) -> LinearClassifier:
        """Train the chosen classifier on a split.

        Args:
            split: The encoded texts.
            words: The spelling of each id; looked at only where n-grams of characters were chosen.
            num_classes: Number of classes.

        Returns:
            The classifier; the same split gives the same one.
        """
        spelling = words if self.characters else None
        return linear.train_linear(
            split,
            num_classes,
            words=spelling,
            penalty=self.penalty,
            class_weights=self.class_weights,
        )

    def __str__(self) -> str:
        kind = "words, pairs of words and capitals"
        if self.characters:
            kind = "words, pairs of words, capitals and n-grams of 2 to 5 characters"
        shares = [f"{each:.4f} with {name}" for name, each in self.values.items()]
        weights = ""
        if self.goal != ACCURACY.name:
            weights = f" and class weights {self.class_weights}"
        return (
            f"The linear classifier reads {kind}, with C {self.penalty:g}{weights}, chosen by the "
            f"{self.goal} in {_FOLDS}-fold cross-validation on {self.texts:,} texts of train: "
            f"{', '.join(shares)}"
        )


def choose_linear(
    train: EncodedSplit,
    words: Sequence[str],
    num_classes: int,
    *,
    characters: bool = True,
    goal: Goal = ACCURACY,
) -> LinearChoice:
    """Choose by the goal's value in cross-validation; of equals, the first that was tried.

    Args:
        train: The encoded texts.
        words: The spelling of each id.
        num_classes: Number of classes.
        characters: Whether n-grams of characters are tried at all. Where each character of a text
            is a token of its own, they would say what the pairs say.
        goal: What the classifier is wanted for.

    Returns:
        The features, penalty and class weights, and what each of the features reached.
    """
    most = min(_MOST_TEXTS, max(_FEWEST_TEXTS, _MOST_FITS // num_classes))
    most = min(most, max(1, _MOST_TOKENS * len(train) // max(1, len(train.tokens))))
    order = np.random.default_rng(0).permutation(len(train))[:most]
    sample = selected(train, np.sort(order))
    folds = stratified_folds(sample.labels, _FOLDS)
    spellings: dict[str, Sequence[str] | None] = {"words": None}
    if characters and len(train.tokens) * _NGRAMS_A_WORD <= _MOST_NGRAMS:
        spellings["characters"] = words

    def measure(kind: str, settings: Sequence[tuple[float, ClassWeights]]) -> list[float]:
        told = np.zeros((len(settings), len(sample)), np.int64)
        for fold in range(_FOLDS):
            apart = np.flatnonzero(folds == fold)
            known, new = selected(sample, np.flatnonzero(folds != fold)), selected(sample, apart)
            found = linear.score_settings(known, new, num_classes, settings, words=spellings[kind])
            told[:, apart] = [each.argmax(axis=1) for each in found]
        return [goal.of(sample.labels, each) for each in told]

    usual: tuple[float, ClassWeights] = (PENALTY, "none")
    if len(sample) < 2 * _FOLDS:
        return LinearChoice(False, *usual, {}, len(sample), goal.name)
    values = {kind: measure(kind, [usual])[0] for kind in spellings}
    best, chosen = max(values, key=values.__getitem__), usual
    others = [(penalty, usual[1]) for penalty in PENALTIES]
    if goal.name != ACCURACY.name:
        others += WEIGHTED
    for setting, value in zip(others, measure(best, others), strict=True):
        if value > values[best]:
            values[best], chosen = value, setting
    return LinearChoice(best == "characters", *chosen, values, len(sample), goal.name)
