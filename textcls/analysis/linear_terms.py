"""Take a linear classifier's score of one text apart: its features and their values."""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from textcls.runtime.predictor import TokenIds

Array = np.ndarray[Any, Any]
_PAIR, _CAPITAL, _CHARACTERS = 32, 1 << 60, 1 << 61  # as `textcls.models._linear_features` has them
_HASHED, _BITS = (1 << 60) - 1, (1 << 64) - 1
_SHORTEST, _LONGEST = 2, 5  # characters of an n-gram


@dataclass(frozen=True, slots=True)
class LinearTerm:
    """A feature of a text.

    column: its row in the weights. value: what the weights are multiplied by. places: the tokens
    that each of its occurrences is made of.
    """

    column: int
    value: float
    places: tuple[tuple[int, ...], ...]


def terms_of(arrays: Mapping[str, Array], text: TokenIds, lower: Sequence[str]) -> list[LinearTerm]:
    """Return the known features of a text: words, capitals, pairs, and n-grams of characters.

    Args:
        arrays: The linear classifier's arrays, as a bundle holds them.
        text: The text's ids.
        lower: Its tokens in lower case; none for a text without words.

    Returns:
        Each with its column in the weights and its value; a feature that the classifier does not
        know is left out.
    """
    groups = [_word_features(text.linear.tolist(), text.capitals.tolist())]
    keys = arrays["keys"]
    if len(keys) and int(keys[-1]) & _CHARACTERS:
        groups.append(_character_features(lower[: len(text.linear)]))
    length = math.sqrt(1 / len(groups))
    return [term for group in groups for term in _weighed(group, keys, arrays["idf"], length)]


def _weighed(
    group: Iterable[tuple[int, tuple[int, ...]]], keys: Array, idf: Array, length: float
) -> list[LinearTerm]:
    """Return a group's features; their values have the given length together."""
    places: defaultdict[int, list[tuple[int, ...]]] = defaultdict(list)
    for key, tokens in group:
        places[key].append(tokens)
    wanted = np.array(list(places), np.int64)
    if not len(wanted) or not len(keys):
        return []
    columns = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    known = [
        (int(column), tuple(places[key]))
        for key, column in zip(places, columns.tolist(), strict=True)
        if int(keys[column]) == key
    ]
    values = [(1.0 + math.log(len(where))) * float(idf[column]) for column, where in known]
    norm = math.sqrt(sum(value * value for value in values))
    scale = length / norm if norm else 0.0
    return [
        LinearTerm(column, value * scale, where)
        for (column, where), value in zip(known, values, strict=True)
    ]


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
