"""The choice of the linear classifier's features and penalty."""

import numpy as np

from textcls.models.linear_choice import choose_linear
from textcls.text.encoding import EncodedSplit

TEXTS = 300
RNG = np.random.default_rng(0)


def one_word_each(words: list[str], labels: list[int]) -> tuple[EncodedSplit, list[str]]:
    """Texts of one word, and the spelling of the ids."""
    known = ["<pad>", "<unk>", *dict.fromkeys(words)]
    tokens = np.array([known.index(word) for word in words], np.int32)
    return EncodedSplit(tokens, np.arange(len(words) + 1), np.array(labels)), known


def stems(count: int) -> list[str]:
    return ["".join(RNG.choice(list("bcdfghjklm"), 6)) for _ in range(count)]


def test_characters_are_chosen_where_endings_decide() -> None:
    labels = [i % 2 for i in range(TEXTS)]
    words = [
        stem + ("heit" if label else "lich")
        for stem, label in zip(stems(TEXTS), labels, strict=True)
    ]
    texts, spelling = one_word_each(words, labels)
    choice = choose_linear(texts, spelling, 2)
    assert choice.characters
    assert choice.accuracies["characters"] > 0.95
    assert choice.accuracies["words"] < 0.6
    assert "n-grams of 2 to 5 characters" in str(choice)
    assert choice.train(texts, spelling, 2).has_characters
    without = choose_linear(texts, spelling, 2, characters=False)
    assert not without.characters
    assert not without.train(texts, spelling, 2).has_characters


def test_words_are_chosen_where_their_parts_mislead() -> None:
    # Half of the words of each class share each stem, so that the parts say nothing.
    known = [stem + end for stem in stems(10) for end in ("x", "y", "z", "w")]
    of_word = {word: int(label) for word, label in zip(known, RNG.integers(0, 2, 40), strict=True)}
    words = [known[i] for i in RNG.integers(0, len(known), TEXTS)]
    texts, spelling = one_word_each(words, [of_word[word] for word in words])
    choice = choose_linear(texts, spelling, 2)
    assert not choice.characters  # of equals the simpler one
    assert choice.accuracies["words"] > 0.99
    assert choice.accuracies["characters"] <= choice.accuracies["words"]
    assert choice == choose_linear(texts, spelling, 2)


def test_a_handful_of_texts_gives_the_usual_classifier() -> None:
    texts, spelling = one_word_each(["good", "bad", "good"], [0, 1, 0])
    choice = choose_linear(texts, spelling, 2)
    assert (choice.characters, choice.penalty, choice.accuracies) == (False, 1.0, {})
    assert choice.train(texts, spelling, 2).scores(texts).argmax(axis=1).tolist() == [0, 1, 0]
