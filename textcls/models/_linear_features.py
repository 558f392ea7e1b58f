"""The features of the linear classifier: words, pairs, capitals and n-grams of characters.

Each feature has a key of 63 bits: a word's id; a pair's second id, and its first above; the id of a
word with a capital, marked; the hash of an n-gram of characters, marked otherwise. The n-grams are
of 2 to 5 characters of one word and the blanks around it, as scikit-learn's `char_wb` makes them.
They are looked up once for each distinct word, so that a text costs an addition for each.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textcls.compilation import kernel
from textcls.text.encoding import EncodedSplit
from textcls.text.vocabulary import UNK_ID

LEAST_TEXTS = 2
"""Texts of train in which a feature other than a word must occur to count."""
SHORTEST, LONGEST = 2, 5  # characters
_SHIFT = 32
_CAPITAL = 1 << 60
_CHARACTERS = 1 << 61
_HASHED = (1 << 60) - 1
_BLANK = 32

Array = np.ndarray[Any, Any]
Rows = tuple[Array, Array, Array]
"""Sparse rows: ends int64 (texts + 1,), columns int32 and values float32 of each text."""


def has_characters(keys: NDArray[np.int64]) -> bool:
    """Tell whether there are n-grams of characters among ascending keys."""
    return bool(len(keys) and keys[-1] & _CHARACTERS)


def choose_keys(
    train: EncodedSplit, words: Sequence[str] | None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the keys of the features, ascending, and the number of texts in which each occurs.

    Args:
        train: The texts.
        words: The spelling of each id, for n-grams of characters; None to do without.
    """
    tokens, _, capitals = _written(train)
    ids = np.asarray(tokens, np.int64)
    text = np.repeat(np.arange(len(train)), np.diff(train.offsets))
    known = ids > UNK_ID  # a word that train never saw must not look like one that it did
    inside = known[:-1] & known[1:] & (text[:-1] == text[1:])
    pairs = (ids[:-1] << _SHIFT | ids[1:])[inside]
    named = known & capitals
    found = [
        _texts_with(ids[known], text[known], 1),
        _texts_with(pairs, text[1:][inside], LEAST_TEXTS),
        _texts_with(ids[named] | _CAPITAL, text[named], LEAST_TEXTS),
    ]
    if words is not None:
        found.append(_common_ngrams(train, words))
    # A pair's first word is above 0 and far below the marks, so the kinds follow each other.
    return np.concatenate([keys for keys, _ in found]), np.concatenate([n for _, n in found])


def weigh_features(
    split: EncodedSplit,
    words: Sequence[str] | None,
    keys: NDArray[np.int64],
    idf: NDArray[np.float32],
) -> Rows:
    """Return each text's known features as sparse rows.

    A value is (1 + log of the occurrences) times the IDF. A text's values have length 1 altogether;
    where there are n-grams of characters they have as much weight as all others together.

    Args:
        split: The texts.
        words: The spelling of each id; None where no key is an n-gram of characters.
        keys: The features, int64 (features,), ascending.
        idf: Their inverse document frequencies, float32 (features,).

    Raises:
        ValueError: There are n-grams of characters and `words` is None.
    """
    tokens, offsets, capitals = _written(split)
    if not has_characters(keys):
        nothing = (np.zeros(len(tokens), np.int32), np.zeros(1, np.int64), np.zeros(0, np.int32))
        return _rows(_weigh(tokens, offsets, capitals, keys, idf, *nothing))
    if words is None:
        raise ValueError("n-grams of characters need the spelling of the words")
    places, ends, ngrams = _ngrams_of_words(split, words)
    columns = np.searchsorted(keys, ngrams)
    columns[keys[np.minimum(columns, len(keys) - 1)] != ngrams] = -1
    found = _weigh(tokens, offsets, capitals, keys, idf, places, ends, columns.astype(np.int32))
    return _rows(found)


def _rows(found: Any) -> Rows:
    rows: Rows = found
    return rows


def hash_ngrams(words: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the keys of each word's n-grams: ends int64 (words + 1,), keys int64.

    An n-gram counts as often as it occurs; a word without characters has none.
    """
    points = np.frombuffer("".join(words).encode("utf-32-le", "surrogatepass"), np.uint32)
    starts = np.cumsum([0, *map(len, words)], dtype=np.int64)
    ends, keys = _hash(points, starts)
    return ends, keys


def _written(split: EncodedSplit) -> tuple[Array, Array, Array]:
    """Return a split's tokens, offsets and capitals; no token is a capital where none are known."""
    capitals = split.capitals
    if capitals is None:
        capitals = np.zeros(len(split.tokens), np.bool_)
    return split.tokens, split.offsets, capitals


def _ngrams_of_words(split: EncodedSplit, words: Sequence[str]) -> tuple[Array, Array, Array]:
    """Return the place of each token among the distinct words, and these words' n-grams."""
    present = np.zeros(len(words), np.bool_)
    present[split.tokens] = True
    places = (np.cumsum(present) - 1).astype(np.int32)[split.tokens]
    distinct = np.flatnonzero(present).tolist()
    return places, *hash_ngrams([words[i] if i > UNK_ID else "" for i in distinct])


def _common_ngrams(
    train: EncodedSplit, words: Sequence[str]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the keys of the n-grams that occur in enough texts, and in how many."""
    places, ends, ngrams = _ngrams_of_words(train, words)
    keys, which = np.unique(ngrams, return_inverse=True)
    counts = _count_texts(train.offsets, places, ends, which.astype(np.int32), len(keys))
    kept = counts >= LEAST_TEXTS
    return keys[kept], counts[kept]


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
def _hash(points: Array, starts: Array) -> tuple[Array, Array]:
    """Hash every n-gram of each word between blanks (FNV-1a over its characters)."""
    words = len(starts) - 1
    ends = np.zeros(words + 1, np.int64)
    for w in range(words):
        padded = starts[w + 1] - starts[w] + 2
        count = 0
        if padded > 2:
            for n in range(SHORTEST, LONGEST + 1):
                count += max(0, padded - n + 1)
        ends[w + 1] = ends[w] + count
    keys = np.empty(ends[words], np.int64)
    for w in range(words):
        start, padded, at = starts[w], starts[w + 1] - starts[w] + 2, ends[w]
        if padded == 2:
            continue
        for i in range(padded):
            found = np.uint64(0xCBF29CE484222325)
            for j in range(i, min(padded, i + LONGEST)):
                point = np.uint64(_BLANK)
                if 0 < j < padded - 1:
                    point = np.uint64(points[start + j - 1])
                found = (found ^ point) * np.uint64(0x100000001B3)
                if j - i + 1 >= SHORTEST:
                    # The upper bits of a product hang on all lower ones, not the other way round.
                    mixed = found ^ (found >> np.uint64(29))
                    keys[at] = np.int64(mixed & np.uint64(_HASHED)) | _CHARACTERS
                    at += 1
    return ends, keys


@kernel(nogil=True)
def _count_texts(offsets: Array, places: Array, ends: Array, which: Array, features: int) -> Array:
    """Count the texts in which each n-gram occurs, int64 (features,)."""
    counts, last = np.zeros(features, np.int64), np.full(features, -1, np.int64)
    for i in range(len(offsets) - 1):
        for j in range(offsets[i], offsets[i + 1]):
            for k in range(ends[places[j]], ends[places[j] + 1]):
                if last[which[k]] != i:
                    last[which[k]] = i
                    counts[which[k]] += 1
    return counts


@kernel(nogil=True)
def _weigh(
    tokens: Array,
    offsets: Array,
    capitals: Array,
    keys: Array,
    idf: Array,
    places: Array,
    ngram_ends: Array,
    ngram_columns: Array,
) -> tuple[Array, Array, Array]:
    texts = len(offsets) - 1
    characters = len(ngram_columns) > 0
    seen = np.full(len(keys) if characters else 0, -1, np.int64)
    most, longest = 3 * len(tokens), 0
    for i in range(texts):
        longest = max(longest, offsets[i + 1] - offsets[i])
        if characters:
            for j in range(offsets[i], offsets[i + 1]):
                for k in range(ngram_ends[places[j]], ngram_ends[places[j] + 1]):
                    column = ngram_columns[k]
                    if column >= 0 and seen[column] != i:
                        seen[column] = i
                        most += 1
    ends = np.zeros(texts + 1, np.int64)
    columns, values = np.empty(most, np.int32), np.empty(most, np.float32)
    own = np.empty(3 * longest, np.int64)
    seen[:] = -1  # now where a text's n-gram stands among the values
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
        if characters:
            middle = end
            for j in range(start, stop):
                for k in range(ngram_ends[places[j]], ngram_ends[places[j] + 1]):
                    column = ngram_columns[k]
                    if column < 0:
                        continue
                    at = seen[column]
                    if at < middle or at >= end:
                        seen[column] = at = end
                        columns[end] = column
                        values[end] = 0.0
                        end += 1
                    values[at] += 1.0
            total = 0.0
            for j in range(middle, end):
                values[j] = (1.0 + np.log(values[j])) * idf[columns[j]]
                total += values[j] * values[j]
            for j in range(begin, middle):
                values[j] /= np.sqrt(2.0)
            for j in range(middle, end):
                values[j] /= np.sqrt(2.0 * total)
        ends[i + 1] = end
    return ends, columns[:end].copy(), values[:end].copy()
