"""Small splits and batches that the tests of the numeric core share."""

import numpy as np

from textcls.text import batching
from textcls.text.batching import Batch
from textcls.text.encoding import EncodedSplit

VOCABULARY = 40


def split(lengths: list[int], seed: int = 0, classes: int = 3) -> EncodedSplit:
    """Texts of random words; the label, the first word modulo the classes, can be learnt."""
    rng = np.random.default_rng(seed)
    tokens = rng.integers(2, VOCABULARY, sum(lengths)).astype(np.int32)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    first = np.array([tokens[o] if n else 0 for o, n in zip(offsets[:-1], lengths, strict=True)])
    return EncodedSplit(tokens, offsets, (first % classes).astype(np.int64))


def one_batch(texts: EncodedSplit) -> Batch:
    """All texts in one batch, longest first."""
    order, bounds = batching.evaluation_order(np.diff(texts.offsets), len(texts))
    (batch,) = batching.batches(texts, order, bounds, VOCABULARY)
    return batch


def words_of(texts: EncodedSplit, text: int) -> list[int]:
    """The word ids of a text."""
    return texts.tokens[texts.offsets[text] : texts.offsets[text + 1]].tolist()


LENGTHS = np.random.default_rng(3).integers(3, 9, 400).tolist()
SPLITS = {"train": split(LENGTHS, seed=1), "test": split(LENGTHS[:100], seed=2)}
EMBEDDINGS = np.random.default_rng(4).normal(0, 0.3, (VOCABULARY, 8)).astype(np.float32)
