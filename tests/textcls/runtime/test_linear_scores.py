"""Scores of the linear classifier against its formula, written out in Python."""

import itertools
import math
from collections import Counter

import numpy as np
import pytest
from bundle_parts import TEXTS, WORDS

from textcls.runtime._encoders import LinearScores
from textcls.runtime._words import WordIds
from textcls.text.tokenizer import tokenize_cased
from textcls.text.vocabulary import UNK_ID

CAPITAL, CHARACTERS = 1 << 60, 1 << 61
BITS = (1 << 64) - 1


def ngram_key(characters: str) -> int:
    """FNV-1a of the characters, its upper bits mixed into the lower ones, and a mark."""
    found = 0xCBF29CE484222325
    for character in characters:
        found = ((found ^ ord(character)) * 0x100000001B3) & BITS
    return (found ^ found >> 29) & (CAPITAL - 1) | CHARACTERS


def ngrams(word: str) -> list[int]:
    padded = f" {word} "
    return [
        ngram_key(padded[i : i + n])
        for n in range(2, 6)
        for i in range(len(padded) - n + 1)
        if word
    ]


def features(text: str) -> tuple[list[int], list[int]]:
    """The keys of a text's words, pairs and capitals, and of its n-grams of characters."""
    index = {word: i for i, word in enumerate(WORDS)}
    tokens = tokenize_cased(text, 99)
    ids = [index.get(token.lower(), UNK_ID) for token in tokens]
    keys = [*ids, *(a << 32 | b for a, b in itertools.pairwise(ids))]
    keys += [i | CAPITAL for i, token in zip(ids, tokens, strict=True) if token != token.lower()]
    return keys, [key for token in tokens for key in ngrams(token.lower())]


def expected(text: str, arrays: dict[str, np.ndarray], characters: bool) -> np.ndarray:
    column = {int(key): i for i, key in enumerate(arrays["keys"])}
    found = arrays["weights"][-1].astype(np.float64)
    for group in features(text)[: 2 if characters else 1]:
        counts = Counter(column[key] for key in group if key in column)
        values = {i: (1 + math.log(n)) * float(arrays["idf"][i]) for i, n in counts.items()}
        length = math.sqrt(sum(v * v for v in values.values())) * (2**0.5 if characters else 1)
        for i, value in values.items():
            found = found + value / length * arrays["weights"][i]
    return found


@pytest.mark.parametrize("characters", [False, True])
def test_the_scores_are_those_of_the_formula(characters: bool) -> None:
    rng = np.random.default_rng(5)
    known = {key for text in TEXTS for group in features(text) for key in group if key > UNK_ID}
    keys = sorted(key for key in known if characters or not key & CHARACTERS)
    keys = [*keys[::2], keys[-1] + 1]
    arrays = {
        "keys": np.array(keys, np.int64),
        "idf": rng.uniform(1, 3, len(keys)).astype(np.float32),
        "weights": rng.normal(size=(len(keys) + 1, 3)).astype(np.float32),
    }
    linear, words = LinearScores(arrays), WordIds(WORDS, "wordpunct")
    assert linear.characters == characters
    for text in TEXTS:
        encoded = words.encode_any([text], 99, points=characters)
        np.testing.assert_allclose(
            linear.score(encoded)[0], expected(text, arrays, characters), rtol=1e-5, atol=1e-6
        )
        if text.isascii():
            plain = words.encode_ascii([text], 99, points=characters)
            assert np.array_equal(linear.score(plain), linear.score(encoded))
