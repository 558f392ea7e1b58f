from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nltk.tokenize import WordPunctTokenizer

from textcls.text import encoding as encoding_module
from textcls.text.encoding import EncodedSplit, Encoding, concatenated, encode_texts, selected
from textcls.text.vocabulary import PAD, UNK


def dataset(**splits: list[str]) -> Any:
    return SimpleNamespace(
        splits={
            name: SimpleNamespace(
                texts=pa.chunked_array([pa.array(texts, pa.string())]),
                labels=np.arange(len(texts)) % 3,
            )
            for name, texts in splits.items()
        }
    )


def words_of(encoding: Encoding, split: str) -> list[list[str]]:
    """The splits' texts in words again."""
    rows = encoding.splits[split]
    words = encoding.vocabulary.words
    return [
        [words[i] for i in rows.tokens[start:end].tolist()]
        for start, end in zip(rows.offsets, rows.offsets[1:], strict=False)
    ]


def test_texts_become_ids_end_to_end() -> None:
    encoding = encode_texts(dataset(train=["B a, b", "b"], test=["a c", "C! b"]), 128, 1)
    assert encoding.vocabulary.words == (PAD, UNK, "b", ",", "a", "!", "c")
    assert encoding.train_words == 5
    train, test = encoding.splits["train"], encoding.splits["test"]
    assert train.tokens.tolist() == [2, 4, 3, 2, 2]
    assert train.offsets.tolist() == [0, 4, 5]
    assert test.tokens.tolist() == [4, 6, 6, 5, 2]
    assert encoding.counts.tolist() == [0, 0, 4, 1, 2, 1, 2]
    assert (train.tokens.dtype, train.offsets.dtype, train.labels.dtype) == (
        np.int32,
        np.int64,
        np.int64,
    )


def test_rare_words_of_train_are_unknown_everywhere() -> None:
    encoding = encode_texts(dataset(train=["a a rare", "a b b"], test=["rare a new"]), 128, 2)
    assert encoding.vocabulary.words == (PAD, UNK, "a", "b", "new")
    assert words_of(encoding, "train") == [["a", "a", UNK], ["a", "b", "b"]]
    assert words_of(encoding, "test") == [[UNK, "a", "new"]]
    assert encoding.counts.tolist() == [0, 2, 4, 2, 1]


def test_the_order_of_the_splits_does_not_matter() -> None:
    splits = {"test": ["z y"], "validation": ["x"], "train": ["b a"]}
    encoding = encode_texts(dataset(**splits), 128, 1)
    assert encoding.vocabulary.words == (PAD, UNK, "a", "b", "x", "y", "z")
    assert encoding.train_words == 4


def test_only_the_first_tokens_are_kept_and_counted() -> None:
    encoding = encode_texts(dataset(train=["a b c d"], test=["a"]), 3, 1)
    assert words_of(encoding, "train") == [["a", "b", "c"]]
    assert "d" not in encoding.vocabulary.index


def test_a_text_without_tokens_is_one_unknown_word() -> None:
    encoding = encode_texts(dataset(train=["a", " \t", ""], test=["\u00a0"]), 128, 1)
    assert words_of(encoding, "train") == [["a"], [UNK], [UNK]]
    assert words_of(encoding, "test") == [[UNK]]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view()])
def test_texts_come_in_chunks_and_slices_of_any_arrow_type(
    kind: pa.DataType, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [f"w{i} and w{i % 7}" for i in range(50)]
    whole = encode_texts(dataset(train=texts, test=["w1"]), 128, 1)
    monkeypatch.setattr("textcls.text.encoding._TEXTS_AT_ONCE", 4)
    monkeypatch.setattr("textcls.text.encoding._TOKENS_AT_ONCE", 7)
    parts = dataset(train=texts, test=["w1"])
    longer = pa.array(["none", *texts[:20], "none"], kind).slice(1, 20)
    parts.splits["train"].texts = pa.chunked_array(
        [longer, pa.array([], kind), pa.array(texts[20:], kind)]
    )
    assert_same(encode_texts(parts, 128, 1), whole)


def assert_same(one: Encoding, other: Encoding) -> None:
    assert (one.vocabulary, one.train_words) == (other.vocabulary, other.train_words)
    np.testing.assert_array_equal(one.counts, other.counts)
    for name, split in one.splits.items():
        for part in EncodedSplit.__slots__:
            np.testing.assert_array_equal(getattr(split, part), getattr(other.splits[name], part))


texts = st.lists(st.text("aAbß .,!\u0301İ", max_size=12), min_size=1, max_size=8)


@given(texts, texts, st.integers(1, 6), st.integers(1, 3))
def test_encoding_equals_a_plain_loop_over_nltk_tokens(
    train: list[str], test: list[str], max_length: int, min_count: int
) -> None:
    tokenize = WordPunctTokenizer().tokenize
    plain = {
        name: [[token.lower() for token in tokenize(text)[:max_length]] for text in split]
        for name, split in (("train", train), ("test", test))
    }
    counts: dict[str, int] = {}
    for token in (token for row in plain["train"] for token in row):
        counts[token] = counts.get(token, 0) + 1
    kept = sorted((w for w in counts if counts[w] >= min_count), key=lambda w: (-counts[w], w))
    unseen = sorted({token for row in plain["test"] for token in row} - set(counts))

    encoding = encode_texts(dataset(train=train, test=test), max_length, min_count)
    assert encoding.vocabulary.words == (PAD, UNK, *kept, *unseen)
    assert encoding.train_words == 2 + len(kept)
    for name, rows in plain.items():
        known = encoding.vocabulary.index
        expected = [[word if word in known else UNK for word in row] or [UNK] for row in rows]
        assert words_of(encoding, name) == expected
    for name, split in (("train", train), ("test", test)):
        rows = [tokenize(text)[:max_length] or [UNK] for text in split]
        capitals = [token != token.lower() for row in rows for token in row]
        assert encoding.splits[name].capitals.tolist() == capitals


def test_splits_put_together_keep_their_texts_and_capitals() -> None:
    splits = encode_texts(dataset(train=["One two", "three"], test=["two Three ONE"]), 9, 1).splits
    both = concatenated(splits["train"], splits["test"])
    assert both.tokens.tolist() == [*splits["train"].tokens, *splits["test"].tokens]
    assert both.offsets.tolist() == [0, 2, 3, 6]
    assert both.labels.tolist() == [*splits["train"].labels, *splits["test"].labels]
    assert both.capitals.tolist() == [True, False, False, False, True, True]
    assert concatenated(replace(splits["train"], capitals=None), splits["test"]).capitals is None


def test_what_is_cut_stays_known_in_whole() -> None:
    encoding = encode_texts(dataset(train=["a b c", "c d e f"], test=["b z e g", "a"]), 2, 1)
    assert words_of(encoding, "train") == [["a", "b"], ["c", "d"]]
    assert words_of(encoding, "test") == [["b", "z"], ["a"]]
    assert encoding.train_words == 6
    assert set(encoding.vocabulary.words[6:]) == {"z"}
    whole = encoding.whole
    assert whole is not None
    # The words of train first, then those that it lacks: their parts may be known.
    assert whole.vocabulary.words == (PAD, UNK, "c", "a", "b", "d", "e", "f", "g", "z")
    splits = SimpleNamespace(splits=whole.splits, vocabulary=whole.vocabulary)
    assert words_of(splits, "train") == [["a", "b", "c"], ["c", "d", "e", "f"]]
    assert words_of(splits, "test") == [["b", "z", "e", "g"], ["a"]]
    lengths = encoding.lengths
    assert lengths is not None
    assert (lengths.median, lengths.longest, lengths.texts_cut) == (4, 4, 1.0)
    assert lengths.tokens_cut == 3 / 7


def test_rare_words_stay_known_in_whole() -> None:
    encoding = encode_texts(dataset(train=["a b", "a c"], test=["b"]), 9, 2)
    assert words_of(encoding, "train") == [["a", UNK], ["a", UNK]]
    whole = encoding.uncut
    splits = SimpleNamespace(splits=whole.splits, vocabulary=whole.vocabulary)
    assert words_of(splits, "train") == [["a", "b"], ["a", "c"]]


def test_some_texts_are_selected_with_all_that_is_known_of_them() -> None:
    texts = encode_texts(dataset(train=["a B c", "d", "C a"], test=["b"]), 9, 1).splits["train"]
    some = selected(texts, np.array([2, 0]))
    assert some.tokens.tolist() == [*texts.tokens[4:], *texts.tokens[:3]]
    assert some.offsets.tolist() == [0, 2, 5]
    assert some.labels.tolist() == texts.labels[[2, 0]].tolist()
    assert some.capitals is not None
    assert some.capitals.tolist() == [True, False, False, True, False]


def test_nothing_is_kept_twice_where_nothing_is_cut() -> None:
    encoding = encode_texts(dataset(train=["a b c"], test=["b"]), 3, 1)
    assert encoding.whole is None
    assert encoding.lengths is not None
    assert encoding.lengths.tokens_cut == 0


@pytest.mark.parametrize("at_once", [1, 2, 3, 50])
def test_texts_are_cut_some_at_a_time(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    rng = np.random.default_rng(3)
    train = [" ".join(rng.choice(list("aBcDe"), rng.integers(0, 9))) for _ in range(11)]
    test = ["e a", "B"]  # of which nothing is cut
    monkeypatch.setattr(encoding_module, "_TEXTS_AT_ONCE", at_once)
    encoding = encode_texts(dataset(train=train, test=test), 4, 1)
    cut = [text.lower().split()[:4] or [UNK] for text in train]
    assert words_of(encoding, "train") == cut
    assert words_of(encoding, "test") == [["e", "a"], ["b"]]
    capitals = encoding.splits["train"].capitals
    assert capitals is not None
    marks = [word != word.lower() for text in train for word in text.split()[:4] or [UNK.lower()]]
    assert capitals.tolist() == marks
    whole = SimpleNamespace(splits=encoding.uncut.splits, vocabulary=encoding.uncut.vocabulary)
    assert words_of(whole, "train") == [text.lower().split() or [UNK] for text in train]
    assert words_of(whole, "test") == [["e", "a"], ["b"]]
