"""Train word vectors on the train split itself, with gensim's Word2Vec."""

import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textcls.text.encoding import EncodedSplit, count
from textcls.text.vocabulary import UNK_ID

# Measured by a GRU's accuracy over these vectors, held still, on texts kept out of the train split.
# AG News (62,087 texts, one core, 10 s): 0.8897; skip-gram 0.895 for twice the time; gensim's own
# settings (rate 0.025, sample 1e-3, 5 epochs) 0.886 for 17 s; sample 1e-5 0.80. Once the classifier
# goes on training the vectors, these differ by less than the seed does.
_SETTINGS = {"sg": 0, "window": 5, "negative": 5, "sample": 1e-4, "alpha": 0.05}
# Epochs until so many tokens are seen: three on AG News. A small split needs far more, since the
# vectors start within 1 / dim of zero: TREC-6 (58,000 tokens) 0.51 after 3 epochs, 0.80 after 50,
# 0.84 after 100, and three epochs leave all words alike.
_TOKENS_SEEN = 8_000_000
_MOST_EPOCHS = 100

_TEXTS_AT_ONCE = 4096


def recipe() -> dict[str, Any]:
    """Return the settings that decide the vectors, besides texts, length and seed (JSON-able)."""
    return {"gensim": version("gensim"), "epochs": [_TOKENS_SEEN, _MOST_EPOCHS], **_SETTINGS}


def train_vectors(split: EncodedSplit, words: int, dim: int, seed: int) -> NDArray[np.float32]:
    """Train word vectors on a split, by gensim's Word2Vec.

    Deterministic: one worker thread, and nothing that depends on Python's own hashing.

    Args:
        split: The encoded texts.
        words: Ids below it get a vector; there are no others in the split.
        dim: Length of a vector.
        seed: The same seed gives the same vectors.

    Returns:
        float32 (words, dim); zeros for ids that do not occur and for `<unk>`.
    """
    from gensim.models import Word2Vec

    # Words are their ids in digits: gensim wants texts, and its file mode is the fastest.
    frequencies = {str(i): int(n) for i, n in enumerate(count(split.tokens, words)) if n}
    frequencies.pop(str(UNK_ID), None)  # left out, gensim passes over it
    vectors = np.zeros((words, dim), dtype=np.float32)
    if not frequencies:
        return vectors
    model = Word2Vec(
        vector_size=dim, min_count=1, workers=1, seed=seed % 2**32, hashfxn=_no_hash, **_SETTINGS
    )
    model.build_vocab_from_freq(frequencies, corpus_count=len(split))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "texts.txt"
        _write_texts(path, split, [str(i) for i in range(words)])
        model.train(
            corpus_file=str(path),
            total_examples=len(split),
            total_words=len(split.tokens),
            epochs=min(_MOST_EPOCHS, -(-_TOKENS_SEEN // len(split.tokens))),
        )
    vectors[[int(word) for word in model.wv.index_to_key]] = model.wv.vectors
    return vectors


def _write_texts(path: Path, split: EncodedSplit, names: Sequence[str]) -> None:
    """Write one text a line."""
    with path.open("w", encoding="ascii") as file:
        for start in range(0, len(split), _TEXTS_AT_ONCE):
            offsets = split.offsets[start : start + _TEXTS_AT_ONCE + 1].tolist()
            first = offsets[0]
            tokens = [names[i] for i in split.tokens[first : offsets[-1]].tolist()]
            for begin, end in pairwise(offsets):
                file.write(" ".join(tokens[begin - first : end - first]))
                file.write("\n")


def _no_hash(word: str) -> int:  # noqa: ARG001
    """Replace Python's `hash`, which differs from process to process."""
    return 0
