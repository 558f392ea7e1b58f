"""Explain one prediction: by how much each word moved it, without torch.

What is explained is the log-odds of the predicted class against another, by default the runner-up:
the difference of their logits, divided by the temperature, which is the logarithm of the ratio of
their probabilities.

The linear classifier's share is exact: it is a sum over features, and each feature's term goes to
the words that it is made of (a pair's half to either word; a capital and an n-gram of characters to
the word that it stands in). The encoder's share is measured by occlusion (Zeiler and Fergus 2014):
by how much its log-odds fall when every occurrence of the word is left out. Those shares need not
add up to the whole: words that say the same stand in for each other.
"""

import itertools
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from textcls.analysis.linear_terms import terms_of
from textcls.calibration.temperature import Temperature
from textcls.runtime.predictor import EnsemblePredictor, Predictor, TokenIds
from textcls.text.tokenizer import tokenize_cased
from textcls.text.vocabulary import UNK_ID

Array = np.ndarray[Any, Any]
_TOKENS = 1 << 15
"""Tokens of the shortened texts that are scored together, a single longer text excepted."""


@dataclass(frozen=True, slots=True)
class WordShare:
    """What a word adds to the log-odds of the predicted class; negative where it speaks against it.

    word: as it is first written in the text. count: how often it stands there. linear: its share of
    the linear classifier's score, exactly. encoder: what the encoder's log-odds lose without it.
    """

    word: str
    count: int
    linear: float
    encoder: float

    @property
    def total(self) -> float:
        """Both shares together."""
        return self.linear + self.encoder


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a text is put into one class and not into another.

    label, against: the two classes. log_odds: the logarithm of the ratio of their probabilities.
    linear: what the linear classifier adds to it, its words and its bias together; 0 without one.
    linear_bias: of that, what it would say of a text without words. encoder: what the encoder adds.
    words: by the size of what they add, the largest first.

    In an ensemble all are the members' means, which differ a little from the logarithm of the ratio
    of the mean probabilities.
    """

    label: str
    against: str
    log_odds: float
    linear: float
    linear_bias: float
    encoder: float
    words: tuple[WordShare, ...]


def explain_text(
    predictor: Predictor | EnsemblePredictor, text: str, against: str | None = None
) -> Explanation:
    """Say which words of a text moved the decision, and by how much.

    Args:
        predictor: The classifier.
        text: The text.
        against: The class to compare with; by default the second most probable.

    Returns:
        The words, each with what it adds to the difference of two classes' log-probabilities by the
        linear classifier and by the encoder; of an ensemble, the mean of its members.

    Raises:
        ValueError: The classifier has a single class, or none of the name `against` besides the
            predicted one.

    Example::

        explanation = explain_text(load_predictor(Path("runs/NAME/best")), "The striker scored")
        [(each.word, round(each.total, 2)) for each in explanation.words]
    """
    names = predictor.label_names
    if len(names) < 2:
        raise ValueError("the classifier has a single class, so there is nothing to explain")
    order = np.argsort(-predictor.probabilities([text])[0], kind="stable").tolist()
    label, other = order[0], order[1]
    if against is not None:
        if against not in names or names.index(against) == label:
            raise ValueError(f"{against!r} is no other class than the predicted {names[label]!r}")
        other = names.index(against)
    members = predictor.members if isinstance(predictor, EnsemblePredictor) else (predictor,)
    return _mean([_explain(member, text, label, other) for member in members])


def _mean(found: Sequence[Explanation]) -> Explanation:
    first, share = found[0], 1.0 / len(found)
    words: dict[str, list[WordShare]] = {}
    for each in itertools.chain(*(one.words for one in found)):
        words.setdefault(each.word.lower(), []).append(each)
    merged = [
        WordShare(
            same[0].word,
            max(each.count for each in same),
            sum(each.linear for each in same) * share,
            sum(each.encoder for each in same) * share,
        )
        for same in words.values()
    ]
    return Explanation(
        first.label,
        first.against,
        sum(each.log_odds for each in found) * share,
        sum(each.linear for each in found) * share,
        sum(each.linear_bias for each in found) * share,
        sum(each.encoder for each in found) * share,
        tuple(sorted(merged, key=lambda each: -abs(each.total))),
    )


def _explain(predictor: Predictor, text: str, label: int, other: int) -> Explanation:
    description = predictor.files.description
    temperature = Temperature.of(predictor.calibration).of_texts(predictor.logits([text])).item()
    ids = predictor.token_ids(text)
    tokens = tokenize_cased(
        text,
        max(description.max_length, description.linear_length or 1),
        description.tokenizer,
    )
    spelt: dict[str, tuple[str, int]] = {}
    for token in tokens:
        first, count = spelt.get(token.lower(), (token, 0))
        spelt[token.lower()] = (first, count + 1)
    lower = [token.lower() for token in tokens]
    encoder, lost = _occlude(predictor, ids.encoder, lower, label, other)
    shares: defaultdict[str, float] = defaultdict(float)
    bias = 0.0
    if predictor.files.linear is not None:
        weight = description.model.linear_weight
        bias, by_token = _linear_shares(predictor.files.linear, ids, lower, label, other)
        bias *= weight / temperature
        for word, term in zip(lower, by_token, strict=False):
            shares[word] += float(term) * weight / temperature
    words = [
        WordShare(first, count, shares[word], lost.get(word, 0.0) / temperature)
        for word, (first, count) in spelt.items()
    ]
    linear = bias + math.fsum(shares.values())
    encoder /= temperature
    names = predictor.label_names
    return Explanation(
        names[label], names[other], linear + encoder, linear, bias, encoder, tuple(words)
    )


def _occlude(
    predictor: Predictor, tokens: Array, lower: Sequence[str], label: int, other: int
) -> tuple[float, dict[str, float]]:
    """Return the encoder's log-odds, and by how much they fall without each distinct word."""
    places: dict[str, list[int]] = {}
    for at, word in enumerate(lower[: len(tokens)]):
        places.setdefault(word, []).append(at)
    whole = float(_difference(predictor, [tokens], label, other)[0])
    shorter: list[Array] = []
    for gone in places.values():
        left = np.delete(tokens, gone)
        shorter.append(left if len(left) else np.array([UNK_ID], np.int32))
    at_once = max(1, _TOKENS // max(1, len(tokens)))
    without: list[float] = []
    for begin in range(0, len(shorter), at_once):
        part = shorter[begin : begin + at_once]
        without += _difference(predictor, part, label, other).tolist()
    return whole, {word: whole - left for word, left in zip(places, without, strict=True)}


def _difference(predictor: Predictor, texts: Sequence[Array], label: int, other: int) -> Array:
    """Return the encoder's logit of one class minus that of another for texts of ids (texts,)."""
    logits = predictor.encoder_logits(texts).astype(np.float64)
    found: Array = logits[:, label] - logits[:, other]
    return found


def _linear_shares(
    arrays: Mapping[str, Array], text: TokenIds, lower: Sequence[str], label: int, other: int
) -> tuple[float, Array]:
    """Return the bias, and what each token adds to the linear score of `label` minus `other`."""
    gain = arrays["weights"][:, label].astype(np.float64) - arrays["weights"][:, other]
    found = np.zeros(len(text.linear))
    for term in terms_of(arrays, text, lower):
        for tokens in term.places:  # each occurrence has an equal part of its feature's term
            for token in tokens:
                share = term.value / len(term.places) / len(tokens)
                found[token] += share * float(gain[term.column])
    return float(gain[-1]), found
