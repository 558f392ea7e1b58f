import numpy as np
import pytest
import torch
from classifier_parts import VOCABULARY, one_batch, split, words_of

from textcls.config.models import ModelConfig, TrainConfig
from textcls.models._ngrams import BUCKETS, NgramScores, features, ngram_layout
from textcls.text import batching
from textcls.text.encoding import EncodedSplit
from textcls.training.trainer import Training

TEXTS = split([5, 5, 3, 1, 7], seed=5)
BATCH = one_batch(TEXTS)
ORDER = np.argsort(-np.diff(TEXTS.offsets), kind="stable")


def taught(*, compiled: bool, dropout: float = 0.0, steps: int = 3) -> NgramScores:
    scores = NgramScores(2, dropout, 3, compiled=compiled)
    torch.manual_seed(0)
    for _ in range(steps):
        loss = torch.nn.functional.cross_entropy(scores(BATCH), BATCH.labels)
        loss.backward()
        scores.learn(0.1)
    return scores


def split_of(words: list[int]) -> EncodedSplit:
    return EncodedSplit(np.array(words, np.int32), np.array([0, len(words)]), np.zeros(1, np.int64))


def test_each_text_has_its_words_and_its_pairs() -> None:
    bucket, text = features(BATCH, 2)
    for place, number in enumerate(ORDER):
        words = words_of(TEXTS, number)
        found = bucket[text == place]
        assert len(found) == len(words) + len(words) - 1
        alone, _ = features(one_batch(split_of(words)), 2)
        assert sorted(found.tolist()) == sorted(alone.tolist())
    assert 0 <= bucket.min() <= bucket.max() < BUCKETS


def test_a_chunk_of_batches_has_the_features_of_each() -> None:
    order, bounds = batching.evaluation_order(np.diff(TEXTS.offsets), 2)

    def layout(packed: batching.Packed) -> list[batching.Part]:
        return ngram_layout(packed, 2)

    found = batching.batches(TEXTS, order, bounds, VOCABULARY, layout=layout)
    for batch, plain in zip(found, batching.batches(TEXTS, order, bounds, VOCABULARY), strict=True):
        for place, feature in zip(batch.places, features(plain, 2), strict=True):
            assert torch.equal(place, feature.int())


def test_pairs_have_an_order_and_words_none() -> None:
    forth, back = (features(one_batch(split_of(words)), 2)[0] for words in ([5, 9], [9, 5]))
    assert set(forth[:2].tolist()) == set(back[:2].tolist())
    assert forth[2] != back[2]


def test_the_kernels_equal_plain_torch() -> None:
    compiled, plain = (taught(compiled=each, dropout=0.3) for each in (True, False))
    assert compiled.table.count_nonzero() > 0
    torch.testing.assert_close(compiled.table, plain.table, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(compiled.squares, plain.squares, atol=1e-6, rtol=1e-4)
    torch.testing.assert_close(compiled.eval()(BATCH), plain.eval()(BATCH), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("compiled", [True, False])
def test_a_step_is_adagrad_on_the_rows_of_the_batch(*, compiled: bool) -> None:
    scores = taught(compiled=compiled, steps=1)
    bucket, text = features(BATCH, 2)
    table = torch.zeros(BUCKETS, 3, requires_grad=True)
    count = torch.bincount(text).sqrt()[:, None]
    logits = torch.zeros(5, 3).index_add(0, text, table[bucket]) / count
    torch.nn.functional.cross_entropy(logits, BATCH.labels).backward()
    torch.optim.Adagrad([table], lr=0.1, eps=1e-8).step()
    torch.testing.assert_close(scores.table, table.detach(), atol=1e-5, rtol=1e-4)


def test_dropout_is_for_training_only() -> None:
    scores = taught(compiled=True, dropout=0.5)
    assert not torch.equal(scores.train()(BATCH), scores(BATCH))
    assert torch.equal(scores.eval()(BATCH), scores(BATCH))


def test_a_classifier_learns_pairs_that_words_alone_do_not_tell() -> None:
    rng = np.random.default_rng(0)
    tokens = rng.integers(2, 6, 2 * 600).astype(np.int32)
    labels = (tokens[::2] < tokens[1::2]).astype(np.int64)
    texts = EncodedSplit(tokens, np.arange(0, 2 * 600 + 1, 2), labels)
    vectors = np.zeros((VOCABULARY, 4), np.float32)  # the encoder has nothing to go by
    train = TrainConfig(epochs=20, batch_size=16, embedding_learning_rate=1e-12)
    accuracies = []
    for ngrams in (1, 2):
        model = ModelConfig(name="gru", hidden_size=4, ngrams=ngrams, ngram_dropout=0.0)
        *_, last = Training({"train": texts, "test": texts}, vectors, 2, model, train).fit([])
        accuracies.append(last.metrics["test_accuracy"])
    assert accuracies[1] == 1.0 > accuracies[0]
