"""Programs that cut texts into tokens and score their words and pairs.

They take addresses and numbers only, call nothing of numba's run time and nothing of Python's, so
their machine code is kept in a file and loaded without numba (`_machine_code`). This module imports
numba and is imported where the code is to be compiled.

Arguments have the same meaning everywhere. Arrays are pointers (`SIGNATURES` has their types) to
numbers that lie row by row, and nothing checks a bound:

    texts, classes     how many of each; limit: tokens that are read of a text
    ends               int64 (texts + 1,): text i has the tokens from ends[i] to ends[i + 1]
    tokens             int32: ids of words; capitals: uint8, 1 where a token has a capital
    letters            uint8: the vocabulary's words one after another, in UTF-8; letter_ends: where
                       each ends
    keys               int64 (features,), ascending: what each feature of the linear classifier is
    slots, mask        int32 (mask + 1,): a hash table with open addressing, -1 where it is free
    points             uint32: the tokens' characters in lower case; point_ends: where each ends
"""

import math
from typing import Any

import numpy as np

from textcls.runtime._program_parts import (
    BYTES,
    DOUBLES,
    FLOATS,
    INTS,
    LONGS,
    NUMBER,
    POINTS,
    Signatures,
    part,
)

_PAIR, _CAPITAL, _CHARACTERS = 32, 1 << 60, 1 << 61  # as `textcls.models.linear` marks its keys
_HASHED = (1 << 60) - 1
_SHORTEST, _LONGEST = 2, 5  # characters of an n-gram
_BLANK = 32
_SPACE = 0  # a kind of bytes
_UNKNOWN = 1
_FIRST, _SECOND, _SHIFT = 0x9E3779B1, 0x85EBCA77, 15  # as `textcls.models._ngrams` hashes
_BUCKETS = 1 << 18


@part
def _lower(byte: Any) -> Any:
    return byte + np.uint8(32) if 65 <= byte <= 90 else byte


@part
def _mixed(key: Any) -> Any:
    """Spread a key's bits over a number whose lower bits choose a slot (Steele et al. 2014)."""
    x = np.uint64(key) * np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(32))) * np.uint64(0xD6E8FEB86659FD93)
    return np.int64((x ^ (x >> np.uint64(32))) & np.uint64(0x7FFFFFFFFFFFFFFF))


@part
def _find_key(key: Any, keys: Any, slots: Any, mask: int) -> Any:
    """Return the column of a key; -1 where it is unknown."""
    slot = _mixed(key) & mask
    while slots[slot] >= 0:
        if keys[slots[slot]] == key:
            return np.int64(slots[slot])
        slot = (slot + 1) & mask
    return np.int64(-1)


def fill_keys(keys: Any, count: int, slots: Any, mask: int) -> None:
    """Put the positions of keys into their slots, -1 before."""
    for i in range(count):
        slot = _mixed(keys[i]) & mask
        while slots[slot] >= 0:
            slot = (slot + 1) & mask
        slots[slot] = i


def fill_words(letters: Any, ends: Any, words: int, slots: Any, mask: int) -> None:
    """Put the ids of words, given as bytes, into their slots, -1 before; ids 0 and 1 stay out."""
    for i in range(2, words):
        found = np.int64(-3750763034362895579)
        for j in range(ends[i], ends[i + 1]):
            found = (found ^ np.int64(letters[j])) * np.int64(1099511628211)
        slot = _mixed(found) & mask
        while slots[slot] >= 0:
            slot = (slot + 1) & mask
        slots[slot] = i


def encode(
    content: Any, content_ends: Any, texts: int, kinds: Any, letters: Any, letter_ends: Any,
    slots: Any, mask: int, limit: int, tokens: Any, capitals: Any, ends: Any, with_points: int,
    points: Any, point_ends: Any,
) -> None:  # fmt: skip
    """Cut ASCII texts into tokens and look up the ids of their words in lower case.

    content: the texts' bytes, text i from content_ends[i] to content_ends[i + 1]; kinds: 0 for
    space, 1 for letters and digits, 2 for the others, (256,). With `with_points` the characters of
    the tokens in lower case go to `points`.
    """
    count, point = 0, 0
    ends[0] = 0
    if with_points:
        point_ends[0] = 0
    for i in range(texts):
        at, stop = content_ends[i], content_ends[i + 1]
        first = count
        while at < stop and count - first < limit:
            kind = kinds[content[at]]
            if kind == _SPACE:
                at += 1
                continue
            begin = at
            found = np.int64(-3750763034362895579)
            capital = 0
            while at < stop and kinds[content[at]] == kind:
                byte = content[at]
                low = _lower(byte)
                if low != byte:
                    capital = 1
                found = (found ^ np.int64(low)) * np.int64(1099511628211)
                if with_points:
                    points[point] = low
                    point += 1
                at += 1
            slot = _mixed(found) & mask
            word = np.int64(_UNKNOWN)
            while slots[slot] >= 0:
                other = np.int64(slots[slot])
                start, length = letter_ends[other], letter_ends[other + 1] - letter_ends[other]
                if length == at - begin:
                    j = 0
                    while j < length and _lower(content[begin + j]) == letters[start + j]:
                        j += 1
                    if j == length:
                        word = other
                        break
                slot = (slot + 1) & mask
            tokens[count] = word
            capitals[count] = capital
            count += 1
            if with_points:
                point_ends[count] = point
        if count == first:  # a text without tokens is one unknown word
            tokens[count] = _UNKNOWN
            capitals[count] = 0
            count += 1
            if with_points:
                point_ends[count] = point
        ends[i + 1] = count


def cut(
    tokens: Any, ends: Any, texts: int, limit: int, with_ids: int, ids: Any, out: Any, out_ends: Any
) -> None:
    """Keep the first tokens of each text; `with_ids` gives them other ids, that of i is ids[i]."""
    count = 0
    out_ends[0] = 0
    for i in range(texts):
        for j in range(ends[i], min(ends[i + 1], ends[i] + limit)):
            out[count] = ids[tokens[j]] if with_ids else tokens[j]
            count += 1
        out_ends[i + 1] = count


@part
def _count_feature(column: int, counts: Any, touched: Any, end: int) -> Any:
    if column < 0:
        return end
    if counts[column] == 0:
        touched[end] = column
        end += 1
    counts[column] += 1
    return end


@part
def _add_features(
    begin: int, end: int, share: Any, counts: Any, touched: Any, idf: Any, weights: Any,
    classes: int, scores: Any, at: int,
) -> None:  # fmt: skip
    """Add the scores of a text's features, whose values have length `share`, to scores[at:]."""
    total = 0.0
    for j in range(begin, end):
        value = (1.0 + math.log(np.float64(counts[touched[j]]))) * idf[touched[j]]
        total += value * value
    scale = share / math.sqrt(total) if total > 0.0 else 0.0
    for j in range(begin, end):
        column = np.int64(touched[j])
        value = (1.0 + math.log(np.float64(counts[column]))) * idf[column] * scale
        for c in range(classes):
            scores[at + c] += value * weights[column * classes + c]
        counts[column] = 0


def score_linear(
    tokens: Any, capitals: Any, ends: Any, texts: int, keys: Any, slots: Any, mask: int, idf: Any,
    weights: Any, features: int, classes: int, counts: Any, touched: Any, characters: int,
    points: Any, point_ends: Any, scores: Any,
) -> None:  # fmt: skip
    """Score texts by a linear classifier: float64 (texts, classes).

    counts: int32 (features,), zeros before and after; touched: int32 (features,), scratch. With
    `characters` the n-grams of the tokens' characters count half of the score.
    """
    for i in range(texts):
        for c in range(classes):
            scores[i * classes + c] = weights[features * classes + c]
        end = 0
        for j in range(ends[i], ends[i + 1]):
            word = np.int64(tokens[j])
            end = _count_feature(_find_key(word, keys, slots, mask), counts, touched, end)
            if capitals[j]:
                end = _count_feature(
                    _find_key(word | _CAPITAL, keys, slots, mask), counts, touched, end
                )
            if j > ends[i]:
                pair = np.int64(tokens[j - 1]) << _PAIR | word
                end = _count_feature(_find_key(pair, keys, slots, mask), counts, touched, end)
        middle = end
        if characters:
            for j in range(ends[i], ends[i + 1]):
                start, padded = point_ends[j], point_ends[j + 1] - point_ends[j] + 2
                if padded == 2:
                    continue
                for k in range(padded):
                    found = np.uint64(0xCBF29CE484222325)
                    for m in range(k, min(padded, k + _LONGEST)):
                        point = np.uint64(_BLANK)
                        if 0 < m < padded - 1:
                            point = np.uint64(points[start + m - 1])
                        found = (found ^ point) * np.uint64(0x100000001B3)
                        if m - k + 1 >= _SHORTEST:
                            mixed = found ^ (found >> np.uint64(29))
                            key = np.int64(mixed & np.uint64(_HASHED)) | _CHARACTERS
                            end = _count_feature(
                                _find_key(key, keys, slots, mask), counts, touched, end
                            )
        share = math.sqrt(0.5) if characters else 1.0
        at = i * classes
        _add_features(0, middle, share, counts, touched, idf, weights, classes, scores, at)
        _add_features(middle, end, share, counts, touched, idf, weights, classes, scores, at)


def score_ngrams(
    tokens: Any, ends: Any, texts: int, table: Any, classes: int, longest: int, scores: Any
) -> None:
    """Score texts by a table of words and pairs, float64 (texts, classes)."""
    for i in range(texts):
        at = i * classes
        for c in range(classes):
            scores[at + c] = 0.0
        count = 0
        for j in range(ends[i], ends[i + 1]):
            word = np.int64(tokens[j])
            bucket = (word * _SECOND >> _SHIFT) % _BUCKETS
            for c in range(classes):
                scores[at + c] += table[bucket * classes + c]
            count += 1
            if longest == 2 and j > ends[i]:
                before = np.int64(tokens[j - 1])
                bucket = (before * _FIRST + word * _SECOND >> _SHIFT) % _BUCKETS
                for c in range(classes):
                    scores[at + c] += table[bucket * classes + c]
                count += 1
        for c in range(classes):
            scores[at + c] /= math.sqrt(np.float64(count))


SIGNATURES: Signatures = {
    fill_keys: (LONGS, NUMBER, INTS, NUMBER),
    fill_words: (BYTES, LONGS, NUMBER, INTS, NUMBER),
    encode: (
        *(BYTES, LONGS, NUMBER, BYTES, BYTES, LONGS, INTS, NUMBER, NUMBER),
        *(INTS, BYTES, LONGS, NUMBER, POINTS, LONGS),
    ),
    cut: (INTS, LONGS, NUMBER, NUMBER, NUMBER, INTS, INTS, LONGS),
    score_linear: (
        *(INTS, BYTES, LONGS, NUMBER, LONGS, INTS, NUMBER, FLOATS, FLOATS, NUMBER, NUMBER),
        *(INTS, INTS, NUMBER, POINTS, LONGS, DOUBLES),
    ),
    score_ngrams: (INTS, LONGS, NUMBER, FLOATS, NUMBER, NUMBER, DOUBLES),
}
