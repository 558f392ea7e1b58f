"""N-grams of characters beside words and pairs."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from classifier_parts import split

from textcls.models import _linear_features
from textcls.models.linear import LinearClassifier, train_linear
from textcls.text.encoding import EncodedSplit

WORDS = ("<pad>", "<unk>", "goal", "goals", "a", "naïve", "日本", "\U0001d4b3y", "score", "scorers")
MANY = (*WORDS, *(f"w{i}o{i % 7}rd" for i in range(len(WORDS), 40)))
TRAIN = split(np.random.default_rng(3).integers(1, 9, 200).tolist(), seed=1)
TEST = split(np.random.default_rng(4).integers(1, 9, 50).tolist(), seed=2)


def ngrams(word: str) -> list[str]:
    """The n-grams of 2 to 5 characters of a word between blanks, one by one."""
    padded = f" {word} "
    return [padded[i : i + n] for n in range(2, 6) for i in range(len(padded) - n + 1)]


def test_an_ngram_has_the_same_key_wherever_it_stands() -> None:
    ends, keys = _linear_features.hash_ngrams(WORDS[2:])
    key_of: dict[str, int] = {}
    for word, (start, stop) in zip(WORDS[2:], pairwise(ends), strict=True):
        expected = sorted(ngrams(word), key=lambda gram: (ngrams(word).index(gram), gram))
        assert stop - start == len(expected)
        by_place = [
            gram
            for i in range(len(word) + 2)
            for n in range(2, 6)
            if len(gram := f" {word} "[i : i + n]) == n
        ]
        for gram, key in zip(by_place, keys[start:stop].tolist(), strict=True):
            assert key_of.setdefault(gram, key) == key
    assert len(set(key_of.values())) == len(key_of)


def test_words_without_characters_have_no_ngrams() -> None:
    ends, keys = _linear_features.hash_ngrams(["", "a", ""])
    assert ends.tolist() == [0, 0, 3, 3]  # " a", "a " and " a "
    assert len(keys) == 3


def rows_by_hand(texts: EncodedSplit, made: LinearClassifier) -> np.ndarray:
    """Half of each text's weight are words and pairs, half n-grams; with the bias' column."""
    _, keys = _linear_features.hash_ngrams(MANY[2:])
    ends, _ = _linear_features.hash_ngrams(MANY[2:])
    of_word = {i + 2: keys[a:b].tolist() for i, (a, b) in enumerate(pairwise(ends))}
    blocks = np.zeros((2, len(texts), len(made.keys)))
    for i, (start, stop) in enumerate(pairwise(texts.offsets)):
        words = texts.tokens[start:stop].tolist()
        asked = [
            [*words, *((a << 32) + b for a, b in pairwise(words))],
            [key for word in words for key in of_word.get(word, [])],
        ]
        for block, own in enumerate(asked):
            for column, (key, idf) in enumerate(zip(made.keys, made.idf, strict=True)):
                if times := own.count(key):
                    blocks[block, i, column] = (1 + np.log(times)) * idf
            blocks[block, i] /= np.linalg.norm(blocks[block, i]) or 1
    return np.hstack([blocks.sum(axis=0) / np.sqrt(2), np.ones((len(texts), 1))])


def test_scores_are_those_of_the_formula() -> None:
    made = train_linear(TRAIN, 3, words=MANY)
    assert made.has_characters
    assert not train_linear(TRAIN, 3).has_characters
    expected = rows_by_hand(TEST, made) @ made.weights
    np.testing.assert_allclose(made.scores(TEST, MANY), expected, atol=1e-5)


def test_an_ngram_counts_from_two_texts_on() -> None:
    texts = replace(split([1, 1, 1], seed=0), tokens=np.array([2, 3, 4], np.int32))
    made = train_linear(texts, 3, words=MANY)
    _, goal = _linear_features.hash_ngrams(["goal"])
    _, goals = _linear_features.hash_ngrams(["goals"])
    shared = set(goal.tolist()) & set(goals.tolist())
    assert {key for key in made.keys.tolist() if key > 1 << 61} == shared


def test_the_parts_of_an_unknown_word_say_what_it_is_about() -> None:
    tokens = np.array([2, 3, 8, 4, 4, 4] * 4, np.int32)  # goal, goals, score: class 0; a: class 1
    train = EncodedSplit(tokens, np.arange(25), np.array([0, 0, 0, 1, 1, 1] * 4))
    made = train_linear(train, 2, words=WORDS)
    unknown = EncodedSplit(np.array([9], np.int32), np.array([0, 1]), np.array([0]))
    parts = made.scores(unknown, WORDS)[0]  # "scorers" was never seen, "score" was
    assert parts[0] > made.weights[-1, 0]
    whole = train_linear(train, 2)
    np.testing.assert_array_equal(whole.scores(unknown)[0], whole.weights[-1])


def test_a_text_has_the_same_scores_alone_and_among_others() -> None:
    made = train_linear(TRAIN, 3, words=MANY)
    together = made.scores(TEST, MANY)
    for i, (start, stop) in enumerate(pairwise(TEST.offsets)):
        alone = EncodedSplit(
            TEST.tokens[start:stop], np.array([0, stop - start]), TEST.labels[i : i + 1]
        )
        np.testing.assert_array_equal(made.scores(alone, MANY)[0], together[i])


def test_ngrams_need_the_spelling() -> None:
    made = train_linear(TRAIN, 3, words=MANY)
    with pytest.raises(ValueError, match="spelling"):
        made.scores(TEST)


def test_arrays_of_before_the_penalty_was_chosen_load() -> None:
    made = train_linear(TRAIN, 3, words=MANY, penalty=3.0)
    assert LinearClassifier.of(made.arrays()).penalty == 3.0
    early = {name: array for name, array in made.arrays().items() if name != "penalty"}
    assert LinearClassifier.of(early).penalty == 1.0
