"""Encode texts as flat arrays of word ids, in one streaming pass.

One process and a plain dictionary on purpose. 127,600 texts of AG News take 1.4 s on one core,
half of that in the tokens' pattern. A second process would have to start (an import of a second,
and forking is not safe once torch or Ray run threads), and a compiled kernel, tried with numba,
takes 0.24 s after 1.2 s of compiling: both win only where seconds no longer matter, since the
result is kept.
"""

from array import array
from collections.abc import Iterator, Set
from dataclasses import dataclass, replace
from operator import ne
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from textcls.text.tokenizer import WORDPUNCT, lower_case, tokenize_cased
from textcls.text.vocabulary import UNK, UNK_ID, Vocabulary, build_vocabulary

if TYPE_CHECKING:
    import pyarrow as pa

    from textcls.data.dataset import TextDataset

TRAIN = "train"
WHOLE_LENGTH = 10_000
"""Tokens that count as a whole text; a novel's first chapters say what it is about."""
_TEXTS_AT_ONCE = 4096  # as Python strings; a few MB
_TOKENS_AT_ONCE = 1 << 22


@dataclass(frozen=True, slots=True)
class EncodedSplit:
    """A split as ids: text i is `tokens[offsets[i]:offsets[i + 1]]`, never empty.

    tokens: int32 (tokens,); offsets: int64 (texts + 1,); labels: int64 (texts,). scores: a linear
    classifier's scores of the texts (`textcls.models.linear`), float32 (texts, classes), where
    there is one. capitals: which tokens are not written in lower case, bool (tokens,), where that
    is known.
    """

    tokens: NDArray[np.int32]
    offsets: NDArray[np.int64]
    labels: NDArray[np.int64]
    scores: NDArray[np.float32] | None = None
    capitals: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.labels)


def concatenated(one: EncodedSplit, other: EncodedSplit) -> EncodedSplit:
    """Join two splits: the texts of `one`, then those of `other`, without scores.

    Args:
        one: A split.
        other: A split with the same word ids and label numbers.

    Returns:
        A new split. Its `capitals` are known only where both splits know theirs.
    """
    known = one.capitals is not None and other.capitals is not None
    return EncodedSplit(
        np.concatenate([one.tokens, other.tokens]),
        np.concatenate([one.offsets, one.offsets[-1] + other.offsets[1:]]),
        np.concatenate([one.labels, other.labels]),
        capitals=np.concatenate([one.capitals, other.capitals]) if known else None,
    )


def selected(split: EncodedSplit, rows: NDArray[np.int64]) -> EncodedSplit:
    """Return some texts of a split, without scores of a linear classifier.

    Args:
        split: The texts.
        rows: Their numbers, in the order that is wanted; a number may occur twice.
    """
    lengths = np.diff(split.offsets)[rows]
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    place = np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths)
    where = np.repeat(split.offsets[:-1][rows], lengths) + place
    return EncodedSplit(
        split.tokens[where],
        offsets,
        split.labels[rows],
        capitals=None if split.capitals is None else split.capitals[where],
    )


def stratified_folds(labels: NDArray[np.int64], folds: int) -> NDArray[np.int64]:
    """Number the fold of each text; each label is spread evenly over the folds.

    Args:
        labels: Of the texts, (texts,).
        folds: How many.

    Returns:
        int64 (texts,), from 0 to `folds` - 1. The same labels give the same folds.
    """
    shuffled = np.random.default_rng(0).permutation(len(labels))
    by_label = shuffled[np.argsort(labels[shuffled], kind="stable")]
    found = np.empty(len(labels), np.int64)
    found[by_label] = np.arange(len(labels)) % folds
    return found


@dataclass(frozen=True, slots=True)
class WholeTexts:
    """The splits without the cuts at `max_length` and `min_count`: every word of every split.

    The words of train come first, as in `Encoding.vocabulary`.
    """

    splits: dict[str, EncodedSplit]
    vocabulary: Vocabulary


@dataclass(frozen=True, slots=True)
class TextLengths:
    """The lengths of a split's texts, in tokens, and what a cut takes of them."""

    median: int
    ninth_decile: int
    """Nine of ten texts have at most so many."""
    longest: int
    texts_cut: float
    """Share of the texts that are longer than the cut."""
    tokens_cut: float
    """Share of all tokens that lie behind it."""

    @classmethod
    def of(cls, lengths: NDArray[np.int64], max_length: int) -> "TextLengths":
        """Summarise the lengths of a split's texts.

        Args:
            lengths: Tokens of each whole text, (texts,), at least one of them.
            max_length: Tokens that are read of a text.

        Returns:
            The median, the ninth decile and the longest, each the length of a text of the split;
            the share of texts that are cut, and the share of all tokens that lie behind the cut.
        """
        median, ninth = np.quantile(lengths, (0.5, 0.9), method="higher").tolist()
        behind = np.maximum(lengths - max_length, 0).sum() / max(1, lengths.sum())
        longer = float((lengths > max_length).mean())
        return cls(int(median), int(ninth), int(lengths.max()), longer, float(behind))


@dataclass(frozen=True, slots=True)
class Encoding:
    """All splits over the widest vocabulary: the words of train, then those that train lacks.

    The first `train_words` words (the two special ones counted) come from train; which of the
    others stay depends on the vectors. `counts` holds the occurrences of each word in all splits,
    int64 (vocabulary,). `whole` is there where texts or the vocabulary were cut; `lengths` are
    those of train.
    """

    splits: dict[str, EncodedSplit]
    vocabulary: Vocabulary
    train_words: int
    counts: NDArray[np.int64]
    whole: WholeTexts | None = None
    lengths: TextLengths | None = None

    @property
    def uncut(self) -> WholeTexts:
        """The splits with whole texts and every word."""
        return self.whole or WholeTexts(self.splits, self.vocabulary)


class _Ids(dict[str, int]):
    """Number words in the order in which they are first asked for."""

    def __missing__(self, word: str) -> int:
        number = self[word] = len(self)
        return number


def encode_texts(
    dataset: "TextDataset", max_length: int, min_count: int, tokenizer: str = WORDPUNCT
) -> Encoding:
    """Tokenize every split, build the vocabulary from train and replace each word by its id.

    Args:
        dataset: The texts.
        max_length: Tokens kept of each text, counted from its start.
        min_count: Words that occur in train fewer times become `<unk>`.
        tokenizer: The name of what cuts texts into tokens.

    Returns:
        The splits as word ids, the vocabulary, the texts' lengths, and the texts without the cuts
        for the linear classifier.
    """
    ids = _Ids({UNK: 0})
    names = [TRAIN, *(name for name in dataset.splits if name != TRAIN)]
    whole = {
        name: _draft(
            dataset.splits[name].texts,
            np.ascontiguousarray(dataset.splits[name].labels, dtype=np.int64),
            ids,
            tokenizer,
        )
        for name in names
    }
    words = list(ids)
    lengths = TextLengths.of(np.diff(whole[TRAIN].offsets), max_length)
    drafts = {name: _first_tokens(split, max_length) for name, split in whole.items()}
    uncut = min_count == 1 and all(drafts[name] is whole[name] for name in names)
    # The whole texts are numbered first. Numbering the others is done in the same arrays where
    # nothing was cut, so those are copied.
    shared = {name for name in names if drafts[name] is whole[name]}
    kept = None if uncut else _whole_texts(whole, words, shared)

    occurrences = count(drafts[TRAIN].tokens, len(words))
    counts = _by_word(words, occurrences)
    elsewhere = sum(count(split.tokens, len(words)) for split in drafts.values()) - occurrences
    unseen = [
        word
        for word, here, there in zip(words[1:], occurrences[1:], elsewhere[1:], strict=True)
        if there and not here
    ]
    vocabulary = build_vocabulary(counts, min_count, extra=unseen)
    splits = {name: _numbered(split, words, vocabulary) for name, split in drafts.items()}
    totals = sum(count(split.tokens, len(vocabulary)) for split in splits.values())
    train_words = len(vocabulary) - len(unseen)
    return Encoding(splits, vocabulary, train_words, np.asarray(totals), kept, lengths)


def _whole_texts(splits: dict[str, EncodedSplit], words: list[str], shared: Set[str]) -> WholeTexts:
    """Number whole texts by all their words, in place but for the splits in `shared`."""
    counts = _by_word(words, count(splits[TRAIN].tokens, len(words)))
    vocabulary = build_vocabulary(counts, extra=words[1:])
    own = {
        name: replace(split, tokens=split.tokens.copy()) if name in shared else split
        for name, split in splits.items()
    }
    numbered = {name: _numbered(split, words, vocabulary) for name, split in own.items()}
    return WholeTexts(numbered, vocabulary)


def _by_word(words: list[str], occurrences: NDArray[np.int64]) -> dict[str, int]:
    """Count each word that occurs; the first stands for none."""
    pairs = zip(words[1:], occurrences[1:].tolist(), strict=True)
    return {word: times for word, times in pairs if times}


def _numbered(split: EncodedSplit, words: list[str], vocabulary: Vocabulary) -> EncodedSplit:
    """Turn provisional numbers, in place, into those of a vocabulary."""
    final = np.array([vocabulary.index.get(word, UNK_ID) for word in words], dtype=np.int32)
    return replace(split, tokens=renumber(split.tokens, final))


def _first_tokens(split: EncodedSplit, max_length: int) -> EncodedSplit:
    """Keep the first tokens of each text; return the split itself where no text is longer."""
    lengths = np.diff(split.offsets)
    if lengths.max(initial=0) <= max_length:
        return split
    ends = np.concatenate([[0], np.cumsum(np.minimum(lengths, max_length))])
    tokens = np.empty(ends[-1], split.tokens.dtype)
    capitals = None if split.capitals is None else np.empty(ends[-1], np.bool_)
    # Some texts at a time: the places of all tokens would be four times the tokens' memory.
    for first in range(0, len(lengths), _TEXTS_AT_ONCE):
        last = min(first + _TEXTS_AT_ONCE, len(lengths))
        here, there = slice(*split.offsets[[first, last]]), slice(*ends[[first, last]])
        starts = np.repeat(split.offsets[first:last], lengths[first:last])
        kept = np.arange(here.start, here.stop) - starts < max_length
        tokens[there] = split.tokens[here][kept]
        if capitals is not None and split.capitals is not None:
            capitals[there] = split.capitals[here][kept]
    return EncodedSplit(tokens, ends, split.labels, capitals=capitals)


def token_counts(texts: "pa.ChunkedArray", tokenizer: str) -> NDArray[np.int64]:
    """Count the tokens of each whole text.

    Args:
        texts: An Arrow column of strings without a missing value.
        tokenizer: "wordpunct" or "characters" (see `textcls.text.tokenizer`).

    Returns:
        int64 (texts,); 0 for a text of white space, and at most `WHOLE_LENGTH`.
    """
    lengths = (len(tokenize_cased(text, WHOLE_LENGTH, tokenizer)) for text in _stream(texts))
    return np.fromiter(lengths, np.int64)


def count(tokens: NDArray[np.int32], words: int) -> NDArray[np.int64]:
    """Return how often each word id occurs.

    Args:
        tokens: Ids, int32 (tokens,).
        words: How many ids there are; each token is below it.

    Returns:
        int64 (words,).
    """
    counts = np.zeros(words, dtype=np.int64)
    for part in _parts(tokens):
        counts += np.bincount(part, minlength=words)
    return counts


def renumber(tokens: NDArray[np.int32], ids: NDArray[np.int32]) -> NDArray[np.int32]:
    """Replace every token by its entry in `ids`, in place.

    Args:
        tokens: Old ids, int32 (tokens,), writable.
        ids: The new id of each old one, int32 (old ids,).

    Returns:
        The same array, `tokens`.
    """
    for part in _parts(tokens):
        part[:] = ids[part]
    return tokens


def _parts(tokens: NDArray[np.int32]) -> Iterator[NDArray[np.int32]]:
    """Yield views of bounded size: numpy makes 64-bit indices of what it indexes or counts by."""
    return (tokens[i : i + _TOKENS_AT_ONCE] for i in range(0, len(tokens), _TOKENS_AT_ONCE))


def _draft(
    texts: "pa.ChunkedArray", labels: NDArray[np.int64], ids: _Ids, tokenizer: str
) -> EncodedSplit:
    """Return whole texts in the provisional numbers of `ids`, which grows."""
    number = ids.__getitem__
    tokens, ends, capitals = array("i"), array("q", [0]), bytearray()
    for text in _stream(texts):
        words = tokenize_cased(text, WHOLE_LENGTH, tokenizer) or (UNK,)
        lower = lower_case(words)
        tokens.extend(map(number, lower))
        capitals.extend(map(ne, words, lower))
        ends.append(len(tokens))
    return EncodedSplit(
        np.frombuffer(tokens, dtype=np.int32),
        np.frombuffer(ends, dtype=np.int64),
        labels,
        capitals=np.frombuffer(capitals, dtype=np.bool_),
    )


def _stream(texts: "pa.ChunkedArray") -> Iterator[str]:
    for chunk in texts.iterchunks():
        for start in range(0, len(chunk), _TEXTS_AT_ONCE):
            yield from chunk.slice(start, _TEXTS_AT_ONCE).to_pylist()
