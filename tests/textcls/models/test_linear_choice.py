"""The choice of the linear classifier's features and penalty."""

import numpy as np

from textcls.models.linear_choice import Goal, choose_linear
from textcls.text.encoding import EncodedSplit
from textcls.training import metrics

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
    assert choice.values["characters"] > 0.95
    assert choice.values["words"] < 0.6
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
    assert choice.values["words"] > 0.99
    assert choice.values["characters"] <= choice.values["words"]
    assert choice == choose_linear(texts, spelling, 2)


def test_a_handful_of_texts_gives_the_usual_classifier() -> None:
    texts, spelling = one_word_each(["good", "bad", "good"], [0, 1, 0])
    choice = choose_linear(texts, spelling, 2)
    assert (choice.characters, choice.penalty, choice.values) == (False, 1.0, {})
    assert choice.train(texts, spelling, 2).scores(texts).argmax(axis=1).tolist() == [0, 1, 0]


def test_rare_classes_count_more_where_macro_f1_decides() -> None:
    """Two words tell nothing of the class of nine texts in ten, a third one of the tenth."""
    rng = np.random.default_rng(1)
    labels = (rng.random(900) < 0.1).astype(np.int64)
    hints = np.where(rng.random(900) < 0.75, labels, 1 - labels)
    words = [f"{'rare' if hint else 'usual'}{rng.integers(4)}" for hint in hints]
    texts, spelling = one_word_each(words, labels.tolist())

    def macro_f1(labels: np.ndarray, predictions: np.ndarray) -> float:
        return metrics.macro_f1(metrics.confusion_matrix(labels, predictions, 2))

    goal = Goal("macro F1", macro_f1)
    by_f1 = choose_linear(texts, spelling, 2, characters=False, goal=goal)
    assert by_f1.class_weights != "none"
    weighed = f"C {by_f1.penalty:g} and class weights {by_f1.class_weights}"
    assert f"{weighed}, chosen by the macro F1 in" in str(by_f1)
    made = by_f1.train(texts, spelling, 2)
    assert made.class_weights == by_f1.class_weights
    again = made.trained_again(texts, 2, spelling)
    np.testing.assert_array_equal(again.weights, made.weights)
    by_accuracy = choose_linear(texts, spelling, 2, characters=False)
    assert by_accuracy.class_weights == "none"
    found = [
        macro_f1(texts.labels, each.train(texts, spelling, 2).scores(texts).argmax(axis=1))
        for each in (by_f1, by_accuracy)
    ]
    assert found[0] > found[1] + 0.05
