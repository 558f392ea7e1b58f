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
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from textcls.runtime.predictor import EnsemblePredictor, Predictor, TokenIds
from textcls.text.tokenizer import tokenize_cased
from textcls.text.vocabulary import UNK_ID

Array = np.ndarray[Any, Any]
_PAIR, _CAPITAL, _CHARACTERS = 32, 1 << 60, 1 << 61  # as `textcls.models._linear_features` has them
_HASHED, _BITS = (1 << 60) - 1, (1 << 64) - 1
_SHORTEST, _LONGEST = 2, 5  # characters of an n-gram
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
    description, temperature = predictor.files.description, predictor.temperature
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
        bias, by_token = _linear_terms(predictor.files.linear, ids, lower, label, other)
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


def _linear_terms(
    arrays: Mapping[str, Array], text: TokenIds, lower: Sequence[str], label: int, other: int
) -> tuple[float, Array]:
    """Return the bias, and what each token adds to the linear score of `label` minus `other`."""
    count, ids, capitals = len(text.linear), text.linear.tolist(), text.capitals.tolist()
    keys, weights = arrays["keys"], arrays["weights"]
    gain = weights[:, label].astype(np.float64) - weights[:, other]
    groups = [list(_word_features(ids, capitals))]
    if len(keys) and int(keys[-1]) & _CHARACTERS:
        groups.append(list(_character_features(lower[:count])))
    found = np.zeros(count)
    for group in groups:
        _add_terms(found, group, keys, arrays["idf"], gain, math.sqrt(1 / len(groups)))
    return float(gain[-1]), found


def _add_terms(
    found: Array,
    group: Sequence[tuple[int, tuple[int, ...]]],
    keys: Array,
    idf: Array,
    gain: Array,
    length: float,
) -> None:
    """Add a group's terms to their tokens; its features' values have the given length together."""
    if not group:
        return
    wanted = np.array([key for key, _ in group], np.int64)
    columns = np.searchsorted(keys, wanted)
    known = keys[np.minimum(columns, len(keys) - 1)] == wanted if len(keys) else columns < 0
    times = Counter(columns[known].tolist())
    values = {at: (1.0 + math.log(n)) * float(idf[at]) for at, n in times.items()}
    norm = math.sqrt(sum(value * value for value in values.values())) / length
    for (_, tokens), column, is_known in zip(group, columns.tolist(), known, strict=True):
        if is_known and norm > 0.0:
            term = values[column] / norm * float(gain[column])
            for token in tokens:  # each occurrence has an equal part of its feature's term
                found[token] += term / times[column] / len(tokens)


def _word_features(
    ids: Sequence[int], capitals: Sequence[int]
) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Yield the keys of words, capitals and pairs, each with the tokens that it is made of."""
    for at, word in enumerate(ids):
        yield word, (at,)
        if capitals[at]:
            yield word | _CAPITAL, (at,)
        if at:
            yield ids[at - 1] << _PAIR | word, (at - 1, at)


def _character_features(words: Sequence[str]) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Yield the keys of the n-grams of characters, each with its token (FNV-1a, as in training)."""
    for at, word in enumerate(words):
        points = [32, *map(ord, word), 32]
        for begin in range(len(points)):
            found = 0xCBF29CE484222325
            for end in range(begin, min(len(points), begin + _LONGEST)):
                found = ((found ^ points[end]) * 0x100000001B3) & _BITS
                if end - begin + 1 >= _SHORTEST:
                    yield (found ^ found >> 29) & _HASHED | _CHARACTERS, (at,)
