import pickle

import pytest

from textcls.text.vocabulary import PAD, PAD_ID, UNK, UNK_ID, Vocabulary, build_vocabulary

COUNTS = {"rare": 1, "b": 5, "the": 9, "a": 5, "once": 1}


def test_words_are_ordered_by_count_then_alphabet() -> None:
    assert build_vocabulary(COUNTS).words == (PAD, UNK, "the", "a", "b", "once", "rare")


def test_the_order_of_counting_does_not_matter() -> None:
    assert build_vocabulary(dict(reversed(COUNTS.items()))) == build_vocabulary(COUNTS)


def test_words_below_min_count_are_left_out() -> None:
    assert build_vocabulary(COUNTS, min_count=2).words == (PAD, UNK, "the", "a", "b")


def test_extra_words_follow_alphabetically_unless_train_saw_them() -> None:
    words = build_vocabulary(COUNTS, min_count=2, extra=["zoo", "rare", "the", "ape"]).words
    assert words == (PAD, UNK, "the", "a", "b", "ape", "zoo")


def test_encode_looks_words_up_and_takes_unk_for_others() -> None:
    vocabulary = build_vocabulary(COUNTS)
    assert vocabulary.encode(["the", "b", "nowhere", "the"]) == [2, 4, UNK_ID, 2]
    assert (vocabulary.index[PAD], vocabulary.index[UNK]) == (PAD_ID, UNK_ID)
    assert len(vocabulary) == 7


def test_a_text_without_tokens_is_one_unknown_word() -> None:
    assert build_vocabulary(COUNTS).encode([]) == [UNK_ID]


def test_a_vocabulary_survives_a_pickle() -> None:
    vocabulary = build_vocabulary(COUNTS)
    copy = pickle.loads(pickle.dumps(vocabulary))  # noqa: S301
    assert copy == vocabulary
    assert copy.index == vocabulary.index


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("the", PAD, UNK), "starts with <pad>, <unk>"),
        ((PAD, UNK, "a", "b", "a"), "1 words more than once"),
    ],
)
def test_a_list_that_is_no_vocabulary_is_refused(words: tuple[str, ...], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Vocabulary(words)
