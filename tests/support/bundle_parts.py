"""Small trained classifiers in all shapes, and their bundles."""

from pathlib import Path
from typing import Any

import numpy as np

from textcls import bundle
from textcls.config.models import DataConfig, ModelConfig, TrainConfig
from textcls.corpus import Corpus
from textcls.models.linear import train_linear
from textcls.text.encoding import EncodedSplit, WholeTexts
from textcls.text.vocabulary import Vocabulary
from textcls.training.trainer import Training

WORDS = ("<pad>", "<unk>", "goal", "match", "stock", "market", "the", ".", "'", "été", "很", "ab1_")
LABELS = ("Sports", "Business", "Weather")
MAX_LENGTH = 5
TEXTS = [
    "The match, the GOAL.",
    "stock market",
    "",
    " \t\r\n\x0b\x0c",
    "unheard of",
    "a\x1cb \x00 \x7f goal",
    "the goal the match the stock the market . . . the end GOAL the",
    "L'ÉTÉ 很快 été GOAL",
    "İstanbul ς Σ goal",
    "<pad> <unk>",
    "ab1_ Ab1_ ab1__ \ud800 stock",
    "goal " * 70,
]
"""Texts that are short, long, empty, beyond ASCII and odd."""


def _split(rng: np.random.Generator, texts: int, longest: int, words: int) -> EncodedSplit:
    lengths = rng.integers(1, longest, texts)
    tokens = rng.integers(1, words, int(lengths.sum())).astype(np.int32)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    capitals = rng.random(len(tokens)) < 0.3
    return EncodedSplit(
        tokens, offsets, (tokens[offsets[:-1]] % len(LABELS)).astype(np.int64), capitals=capitals
    )


def small_corpus(*, linear: bool = False, whole: bool = False, characters: bool = False) -> Corpus:
    """A corpus of random words.

    `whole`: the linear classifier has words of its own. `characters`: it reads n-grams of them.
    """
    rng = np.random.default_rng(0)
    splits = {"train": _split(rng, 60, MAX_LENGTH, len(WORDS))}
    vectors = rng.normal(size=(len(WORDS), 6)).astype(np.float32)
    own = (*WORDS[:2], "end", *WORDS[2:9])
    beside = WholeTexts({"train": _split(rng, 60, 9, len(own))}, Vocabulary(own)) if whole else None
    made = None
    if linear:
        read = splits["train"] if beside is None else beside.splits["train"]
        spelling = WORDS if beside is None else own
        made = train_linear(read, len(LABELS), words=spelling if characters else None)
    return Corpus(splits, Vocabulary(WORDS), LABELS, vectors, {}, made, whole=beside)


def export_small(
    folder: Path, corpus: Corpus | None = None, about: dict[str, Any] | None = None, **model: Any
) -> Path:
    """Train a classifier for a few steps and export it below a folder; return the bundle."""
    settings = ModelConfig(**({"hidden_size": 5, "pooling": "max"} | model))
    prepared = corpus or small_corpus(linear=settings.linear_weight > 0)
    training = Training(
        prepared.splits, prepared.embeddings, len(LABELS), settings, TrainConfig(epochs=2)
    )
    list(training.fit([]))
    training.save(folder / "checkpoint")
    out = folder / "bundle"
    data = DataConfig(max_length=MAX_LENGTH)
    bundle.export_bundle(folder / "checkpoint", settings, prepared, data, out, about or {"seed": 0})
    return out
