"""The embedded corpus: news-like texts in four classes whose best reachable accuracy is known.

A text names *anchors*, words that belong to one class alone (`TOPICS`, in `_words.py`), among
names, numbers and words that the classes share. Its true class is the one with the most anchors,
and between two with equally many the one that is named first: "The chipmaker Halan sued the lender
Doreson" is Sci/Tech, "The lender Doreson sued the chipmaker Halan" is Business. So a text tells its
true class without doubt (`true_label` reads it back), but where there is such a tie no bag of words
can do better than guess between the two.

In every run of twenty texts one, drawn at random, carries the label of another class, each of the
three with the same chance. Nothing in the text shows it, hence no classifier can expect to be right
more often than the true class is, and that gives the Bayes accuracy: 1 - 1/20 = 0.95, reached by
`true_label` exactly in every split of a multiple of twenty texts.

Everything is drawn from PCG64 by comparing integers, so the same seed gives the same texts on every
machine. Each word list and each phrase draws from a stream of its own, and each split from its own
streams: of two corpora of one seed, the smaller is the beginning of the larger, split by split.
"""

import re
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from textcls.data.synthetic import _streams as streams
from textcls.data.synthetic import _words as words
from textcls.data.synthetic._words import LABEL_NAMES

__all__ = ["BEST_ACCURACY", "LABEL_NAMES", "VERSION", "SyntheticCorpus", "generate", "true_label"]

VERSION = 1
"""Raised with every change that alters a text or a label."""
NOISE_BLOCK = 20
"""Among so many texts in a row, one has a wrong label."""
BEST_ACCURACY = 1 - 1 / NOISE_BLOCK
"""The share of labels that can be told from the texts."""

CLASSES = len(LABEL_NAMES)


class Plan(NamedTuple):
    """The phrases of a text, a letter of KINDS for each; fillers follow up to the text's length."""

    share: int  # of the texts, in percent
    title: str
    sentences: tuple[str, ...]
    is_tie: bool = False


# A clause holds two anchors, a mention one: A and a of the text's own class, B and b of another.
# A pair holds one of each class, in P its own first, in Q the other first. A filler holds none.
KINDS = {
    "A": "clause",
    "B": "clause",
    "a": "mention",
    "b": "mention",
    "P": "pair",
    "Q": "pair",
    "-": "filler",
}
# The ties are what a bag of words must lose: half of 5 percent. A majority of one anchor is harder
# to learn than the rest; more of them, or more ties, and two epochs no longer suffice.
PLANS = (
    Plan(20, "A", ("A",)),
    Plan(12, "A", ("Ab",)),
    Plan(13, "a", ("A",)),
    Plan(8, "b", ("aA",)),
    Plan(19, "-", ("A",)),
    Plan(10, "-", ("bA",)),
    Plan(9, "-", ("Ab",)),
    Plan(2, "B", ("Aa",)),
    Plan(2, "A", ("Ba",)),
    Plan(2, "P", ("P",), is_tie=True),
    Plan(1, "P", ("Q",), is_tie=True),
    Plan(2, "-", ("P",), is_tie=True),
)
# Fillers sound like the text's class this often, in percent, else like the other class that it
# names. In a tie both are equally likely: only the order may tell.
LEAN_PERCENT = 92
TIE_LEAN_PERCENT = 50
# A text is full once it has so many words; each number is equally likely.
TARGET_WORDS = (16, 18, 20, 21, 22, 24, 25, 26, 27, 28, 29, 30, 31, 32, 34, 36, 38, 41, 46, 60)


@dataclass(frozen=True, slots=True)
class SyntheticCorpus:
    """A train and a test split; labels are int64 (texts,), places in LABEL_NAMES."""

    train_texts: list[str]
    train_labels: np.ndarray
    test_texts: list[str]
    test_labels: np.ndarray


def generate(train_size: int, test_size: int, seed: int) -> SyntheticCorpus:
    """Write a corpus; the two splits draw from separate streams.

    Each split holds each class equally often before the noise, up to what a multiple of four leaves
    over.

    Args:
        train_size: Texts in train, 0 or more.
        test_size: Texts in test, 0 or more.
        seed: 0 or more; the same seed gives the same texts on every machine.

    Returns:
        Texts and labels of both splits.
    """
    train_texts, train_labels = _split(train_size, (seed, 0))
    test_texts, test_labels = _split(test_size, (seed, 1))
    return SyntheticCorpus(train_texts, train_labels, test_texts, test_labels)


def true_label(text: str) -> int:
    """Read the class of a text off its anchors: the best classifier there can be.

    Args:
        text: A text of this corpus, in any case.

    Returns:
        The number of the class with the most anchors; of two with equally many, the one that is
        named first.

    Raises:
        ValueError: The text has no anchor, as no text of this corpus does.
    """
    found = [_ANCHORS[word] for word in re.findall(r"\w+", text.lower()) if word in _ANCHORS]
    if not found:
        raise ValueError(f"no anchor in {text!r}")
    return max(found, key=found.count)  # among equals, max keeps the first


_ANCHORS = {
    anchor: label
    for label, topics in enumerate(words.TOPICS)
    for topic in topics
    for anchor in topic.actors + topic.objects
}


def _split(size: int, key: tuple[int, ...]) -> tuple[list[str], np.ndarray]:
    labels = _balanced_labels(size, key)
    writer = _Writer(key)
    texts = [writer.write(label) for label in labels.tolist()]
    return texts, _with_noise(labels, key)


def _balanced_labels(size: int, key: tuple[int, ...]) -> np.ndarray:
    """Return each class once in every four texts, in random order; int64 (size,)."""
    draws = streams.random(key, "labels").random((-(-size // CLASSES), CLASSES))
    return np.argsort(draws, axis=1, kind="stable").reshape(-1)[:size].astype(np.int64)


def _with_noise(labels: np.ndarray, key: tuple[int, ...]) -> np.ndarray:
    """Move one label in each block of NOISE_BLOCK to another class; int64 (texts,)."""
    starts = np.arange(0, len(labels), NOISE_BLOCK, dtype=np.int64)
    wrong = starts + streams.random(key, "noise place").integers(0, NOISE_BLOCK, size=len(starts))
    steps = streams.random(key, "noise step").integers(1, CLASSES, size=len(starts))
    inside = wrong < len(labels)  # the last block may be short
    noisy = labels.copy()
    noisy[wrong[inside]] = (labels[wrong[inside]] + steps[inside]) % CLASSES
    return noisy


class _Writer:
    """Writes the texts of one split."""

    def __init__(self, key: tuple[int, ...]) -> None:
        self._plans = streams.pick(
            streams.random(key, "plan"), PLANS, [plan.share for plan in PLANS]
        )
        self._others = streams.pick(streams.random(key, "other"), range(1, CLASSES))
        self._percents = streams.pick(streams.random(key, "percent"), range(100))
        self._targets = streams.pick(streams.random(key, "target"), TARGET_WORDS)
        self._desks = [streams.desk((*key, label), label) for label in range(CLASSES)]
        self._pairs = [
            [
                streams.pairs((*key, first, second), self._desks, first, second)
                for second in range(CLASSES)
            ]
            for first in range(CLASSES)
        ]

    def write(self, label: int) -> str:
        """Write one text of the class: a title, then sentences up to a drawn number of words."""
        plan = next(self._plans)
        other = (label + next(self._others)) % CLASSES
        own, foreign = self._desks[label], self._desks[other]
        leans_right = next(self._percents) < (TIE_LEAN_PERCENT if plan.is_tie else LEAN_PERCENT)
        filling = own if leans_right else foreign
        desks = {"A": own, "a": own, "B": foreign, "b": foreign, "-": filling}
        desks |= {"P": self._pairs[label][other], "Q": self._pairs[other][label]}
        text = _sentence([next(desks[code][f"title {KINDS[code]}"]) for code in plan.title])
        text += " " + next(filling["dateline"])
        for codes in plan.sentences:
            text += _sentence([next(desks[code][f"body {KINDS[code]}"]) for code in codes]) + ". "
        target = next(self._targets)
        while text.count(" ") < target:
            text += _sentence([next(filling["body filler"])]) + ". "
        return text[:-1]


def _sentence(parts: list[str]) -> str:
    """Join the parts by commas and start with a capital."""
    sentence = ", ".join(parts)
    first = 1 if sentence[0] == '"' else 0
    return sentence[:first] + sentence[first].upper() + sentence[first + 1 :]
