from collections import Counter

import numpy as np
import pytest
from classifier_parts import VOCABULARY, one_batch, split, words_of

from textcls.text import batching
from textcls.text.batching import Batch

RNG = np.random.default_rng(1)
NEWS_LIKE = split([int(n) for n in np.clip(RNG.lognormal(3.7, 0.4, 5000), 1, 128)])
LENGTHS = np.diff(NEWS_LIKE.offsets)


def training_batches(seed: int = 0, epoch: int = 0) -> list[Batch]:
    order, bounds = batching.training_order(LENGTHS, 32, seed, epoch)
    return list(batching.batches(NEWS_LIKE, order, bounds, VOCABULARY))


def unpack(batch: Batch) -> list[list[int]]:
    words = batch.rows[batch.index].tolist()
    texts: list[list[int]] = [[] for _ in batch.lengths]
    position = 0
    for size in batch.sizes.tolist():
        for text in range(size):
            texts[text].append(words[position])
            position += 1
    return texts


def test_a_batch_unpacks_to_its_texts() -> None:
    texts = split([3, 1, 5, 5])
    found = unpack(one_batch(texts))
    assert found == [words_of(texts, i) for i in (2, 3, 0, 1)]


def test_rows_are_distinct_and_labels_follow_the_texts() -> None:
    texts = split([3, 1, 5, 5])
    batch = one_batch(texts)
    assert len(set(batch.rows.tolist())) == len(batch.rows)
    assert batch.labels.tolist() == texts.labels[[2, 3, 0, 1]].tolist()


def test_a_text_without_a_token_is_one_unknown_word() -> None:
    assert unpack(one_batch(split([0, 2])))[1] == [1]


def test_every_text_occurs_once_an_epoch() -> None:
    seen = Counter(tuple(text) for batch in training_batches() for text in unpack(batch))
    expected = Counter(tuple(words_of(NEWS_LIKE, i)) for i in range(len(NEWS_LIKE)))
    assert seen == expected


def test_less_than_five_percent_would_be_padding() -> None:
    tokens = sum(len(b.index) for b in training_batches())
    positions = sum(len(b.lengths) * len(b.sizes) for b in training_batches())
    assert 1 - tokens / positions < 0.05


def test_same_seed_same_batches_and_other_seed_or_epoch_others() -> None:
    def key(batches: list[Batch]) -> list[list[int]]:
        return [b.labels.tolist() for b in batches]

    assert key(training_batches(0, 0)) == key(training_batches(0, 0))
    assert key(training_batches(0, 0)) != key(training_batches(1, 0))
    assert key(training_batches(0, 0)) != key(training_batches(0, 1))


def test_neighbours_change_between_epochs() -> None:
    def neighbours(epoch: int) -> set[frozenset[int]]:
        order, bounds = batching.training_order(LENGTHS, 32, 0, epoch)
        return {
            frozenset(pair)
            for i in range(len(bounds) - 1)
            for pair in zip(order[bounds[i] :], order[bounds[i] + 1 : bounds[i + 1]], strict=False)
        }

    first, second = neighbours(0), neighbours(1)
    assert len(first & second) < 0.05 * len(first)


def test_batches_from_the_middle_equal_the_later_ones(monkeypatch) -> None:
    whole = training_batches()
    monkeypatch.setattr(batching, "CHUNK", 7)
    order, bounds = batching.training_order(LENGTHS, 32, 0, 0)
    later = list(batching.batches(NEWS_LIKE, order, bounds, VOCABULARY, first=100))
    assert [unpack(b) for b in later] == [unpack(b) for b in whole[100:]]


def test_a_text_is_drawn_as_often_as_asked_rounded_by_chance() -> None:
    texts = len(LENGTHS)
    draws = np.where(np.arange(texts) % 4 == 0, 2.5, 0.5)
    draws /= draws.mean()
    counts = np.zeros(texts)
    for epoch in range(40):
        order, bounds = batching.training_order(LENGTHS, 32, 0, epoch, draws)
        assert len(order) == texts == bounds[-1]
        found = np.bincount(order, minlength=texts)
        assert (np.abs(found - draws) < 1).all()
        counts += found / 40
    assert counts[::4].mean() == pytest.approx(draws[0], abs=0.01)
    assert np.abs(counts - draws).max() < 0.4
    again, _ = batching.training_order(LENGTHS, 32, 0, 39, draws)
    assert (again == order).all()
