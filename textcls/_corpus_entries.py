"""Store a corpus in the cache: the encoded texts, and the vocabulary and matrix of some vectors."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import NDArray

from textcls.cache import Entry
from textcls.text.encoding import (
    TRAIN,
    EncodedSplit,
    Encoding,
    TextLengths,
    WholeTexts,
    renumber,
)
from textcls.text.tokenizer import WORDPUNCT
from textcls.text.vocabulary import Vocabulary
from textcls.vectors.embeddings import Embedded

FORMAT = 5
"""Goes up when the meaning of what is held changes."""


@dataclass(frozen=True, slots=True)
class Texts:
    """The encoded texts, the names of their labels and the notices from reading them."""

    encoding: Encoding
    label_names: tuple[str, ...]
    notices: tuple[str, ...]
    tokenizer: str = WORDPUNCT


@dataclass(frozen=True, slots=True)
class Made:
    """The final vocabulary with its matrix, and all splits in its ids."""

    splits: dict[str, EncodedSplit]
    vocabulary: Vocabulary
    matrix: NDArray[np.float32]
    coverage: dict[str, float]


def pack_texts(texts: Texts) -> Entry:
    """Flatten `texts` to arrays and JSON."""
    encoding = texts.encoding
    arrays: dict[str, NDArray[np.generic]] = {
        "counts": encoding.counts,
        "words": _pack_words(encoding.vocabulary.words),
    }
    for name, split in encoding.splits.items():
        arrays |= _pack_split(name, split)
        arrays[f"{name}.labels"] = split.labels
    if encoding.whole is not None:
        arrays["whole.words"] = _pack_words(encoding.whole.vocabulary.words)
        for name, split in encoding.whole.splits.items():
            arrays |= _pack_split(f"whole.{name}", split)
    meta = {
        "tokenizer": texts.tokenizer,
        "lengths": None if encoding.lengths is None else asdict(encoding.lengths),
        "splits": list(encoding.splits),
        "train_words": encoding.train_words,
        "label_names": list(texts.label_names),
        "notices": list(texts.notices),
    }
    return Entry(arrays, meta)


def unpack_texts(entry: Entry) -> Texts:
    """Undo `pack_texts`."""
    arrays, meta = entry.arrays, entry.meta
    splits, vocabulary = _unpack_splits(entry, "")
    whole = WholeTexts(*_unpack_splits(entry, "whole.")) if "whole.words" in arrays else None
    lengths = None if meta["lengths"] is None else TextLengths(**meta["lengths"])
    encoding = Encoding(splits, vocabulary, meta["train_words"], arrays["counts"], whole, lengths)
    label_names, notices = tuple(meta["label_names"]), tuple(meta["notices"])
    return Texts(encoding, label_names, notices, meta["tokenizer"])


def _pack_split(name: str, split: EncodedSplit) -> dict[str, NDArray[np.generic]]:
    arrays: dict[str, NDArray[np.generic]] = {
        f"{name}.tokens": split.tokens,
        f"{name}.offsets": split.offsets,
    }
    if split.capitals is not None:
        arrays[f"{name}.capitals"] = split.capitals
    return arrays


def _unpack_splits(entry: Entry, prefix: str) -> tuple[dict[str, EncodedSplit], Vocabulary]:
    arrays = entry.arrays
    splits = {
        name: EncodedSplit(
            arrays[f"{prefix}{name}.tokens"],
            arrays[f"{prefix}{name}.offsets"],
            arrays[f"{name}.labels"],
            capitals=arrays.get(f"{prefix}{name}.capitals"),
        )
        for name in entry.meta["splits"]
    }
    return splits, Vocabulary(_unpack_words(arrays[f"{prefix}words"]))


def pack_vectors(embedded: Embedded, encoding: Encoding) -> Entry:
    """Flatten the vocabulary and matrix of some vectors for the cache.

    Args:
        embedded: What `embed` made of the vectors.
        encoding: The texts. Train's tokens are left out, since no choice of vectors changes them.
    """
    arrays: dict[str, NDArray[np.generic]] = {
        "matrix": embedded.matrix,
        "unseen": _pack_words(embedded.vocabulary.words[encoding.train_words :]),
    }
    for name, split in encoding.splits.items():
        if name != TRAIN:
            arrays[f"{name}.tokens"] = renumber(split.tokens.copy(), embedded.ids)
    return Entry(arrays, {"coverage": embedded.coverage})


def unpack_vectors(entry: Entry, encoding: Encoding) -> Made:
    """Restore what `pack_vectors` has flattened.

    Args:
        entry: From the cache, its arrays as maps of files.
        encoding: The texts for which it was packed.
    """
    splits = {
        name: split if name == TRAIN else replace(split, tokens=entry.arrays[f"{name}.tokens"])
        for name, split in encoding.splits.items()
    }
    kept = encoding.vocabulary.words[: encoding.train_words]
    vocabulary = Vocabulary(kept + _unpack_words(entry.arrays["unseen"]))
    return Made(splits, vocabulary, entry.arrays["matrix"], entry.meta["coverage"])


def _pack_words(words: Sequence[str]) -> NDArray[np.uint8]:
    """Write one word a line, UTF-8; no token holds a line feed."""
    return np.frombuffer("".join(f"{word}\n" for word in words).encode(), dtype=np.uint8)


def _unpack_words(lines: NDArray[np.uint8]) -> tuple[str, ...]:
    return tuple(lines.tobytes().decode().split("\n")[:-1])
