"""Prepare a corpus once: texts as flat arrays of word ids, and the words' vectors.

A second start reads both from the cache, as maps of files, without reading the texts.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from textcls import cache
from textcls._corpus_entries import (
    FORMAT,
    Made,
    Texts,
    pack_texts,
    pack_vectors,
    unpack_texts,
    unpack_vectors,
)
from textcls.config.models import SYNTHETIC, DataConfig, EmbeddingConfig
from textcls.runtime.bundle_layout import BundleParts, vocabulary_text
from textcls.text.encoding import (
    TRAIN,
    EncodedSplit,
    Encoding,
    WholeTexts,
    concatenated,
    encode_texts,
)
from textcls.text.tokenizer import WORDPUNCT, choose_tokenizer
from textcls.text.vocabulary import Vocabulary
from textcls.vectors.embeddings import RECIPE, Vectors, embed
from textcls.vectors.embeddings import locate as locate_vectors

if TYPE_CHECKING:
    from textcls.data.dataset import Source, TextDataset
    from textcls.models.linear import LinearClassifier
    from textcls.training.metrics import IntArray

__all__ = ["Corpus", "EncodedSplit", "bundle_parts", "corpus_of", "prepare_corpus"]

Say = Callable[[str], None]
_TEXTS_LOOKED_AT = 2_000
_WORTH_SAYING = 0.01  # of the tokens


@dataclass(frozen=True, slots=True)
class Corpus:
    """Encoded splits ("train", "test", perhaps "validation") and the matrix of word vectors.

    embeddings: float32 (vocabulary, dim), row 0 zeros. The arrays may be read-only maps of files.
    `provenance` (JSON-able) says where texts and vectors come from and what was substituted.
    """

    splits: dict[str, EncodedSplit]
    vocabulary: Vocabulary
    label_names: tuple[str, ...]
    embeddings: NDArray[np.float32]
    provenance: dict[str, Any]
    linear: "LinearClassifier | None" = None
    """Where it was asked for; the splits besides train then have its scores."""
    tokenizer: str = WORDPUNCT
    """The name of the tokenizer that cut the texts."""
    whole: WholeTexts | None = None
    """The texts that the linear classifier reads, where its words are not those of `vocabulary`."""
    linear_texts: WholeTexts | None = None
    """The texts that it reads, in any case; None without a linear classifier."""


def with_all_learnt(corpus: Corpus) -> Corpus:
    """Return the corpus with its linear classifier trained on train and validation together.

    Use it for an encoder that was trained on both.

    Args:
        corpus: Has a validation split.

    Returns:
        A new corpus whose splits besides train have the new scores. A corpus without a linear
        classifier is returned as it is.
    """
    if corpus.linear is None or corpus.linear_texts is None:
        return corpus
    read, words = corpus.linear_texts.splits, corpus.linear_texts.vocabulary.words
    both = concatenated(read[TRAIN], read["validation"])
    linear = corpus.linear.trained_again(both, len(corpus.label_names), words)
    splits = {
        name: split if name == TRAIN else replace(split, scores=linear.scores(read[name], words))
        for name, split in corpus.splits.items()
    }
    # The words that only validation has are now known to it, and not to the encoder.
    return replace(corpus, splits=splits, linear=linear, whole=corpus.linear_texts)


def bundle_parts(corpus: Corpus) -> BundleParts:
    """Return what the size of an exported classifier depends on beside its own settings.

    Args:
        corpus: The corpus that the classifier is trained on.
    """
    linear, own = corpus.linear, corpus.whole
    return BundleParts(
        words=len(corpus.vocabulary),
        dim=corpus.embeddings.shape[1],
        classes=len(corpus.label_names),
        vocabulary_bytes=_file_size(corpus.vocabulary),
        features=None if linear is None else len(linear.keys),
        linear_vocabulary_bytes=0 if linear is None or own is None else _file_size(own.vocabulary),
    )


def _file_size(vocabulary: Vocabulary) -> int:
    return len(vocabulary_text(vocabulary.words).encode("utf-8"))


def prepare_corpus(
    data: DataConfig,
    embeddings: EmbeddingConfig,
    *,
    linear: bool = False,
    measure: str = "accuracy",
    cache_dir: Path | None = None,
    say: Say = print,
    source: "Source | None" = None,
) -> Corpus:
    """Read, encode and embed the texts, or load what an earlier call has left in the cache.

    Args:
        data: Where the texts are and how they become tokens.
        embeddings: Where the word vectors come from.
        linear: Whether the corpus has a linear classifier (`textcls.models.linear`) as well.
        measure: What that is wanted for: "accuracy", "macro_f1" or "balanced_accuracy".
        cache_dir: Where the cache lies; by default `cache.default_cache_dir()`. Where it cannot be
            written, `say` hears of it and the work goes on.
        say: Gets each notice and the figures worth knowing, a sentence at a time.
        source: Texts that were found already, such as `textcls.data.in_memory` makes of lists; by
            default what `data.name` means.

    Returns:
        The corpus, whose arrays are read-only maps of the cache's files.

    Raises:
        DataError: Where the data cannot be used.
        HubUnreachableError: Where data or vectors are out of reach and nothing may replace them.
        EmbeddingError: Where the vectors cannot be used.
    """
    from textcls.data.dataset import locate

    folder = cache_dir or cache.default_cache_dir()
    source = source or locate(data)
    _say_all(source.notices, say)
    cut = (data.tokenizer, data.max_length, data.min_count)
    key = cache.key(FORMAT, source.name, source.fingerprint, *cut)
    # Vectors out of reach are an error before the texts are read, not after.
    vectors, substitutions = locate_vectors(embeddings, key)
    _say_all(substitutions, say)
    texts = unpack_texts(
        cache.fetch(folder / "texts" / key, lambda: _encode(source, data, say), say)
    )
    _say_all([notice for notice in texts.notices if notice not in source.notices], say)

    beside = _linear(folder, key, texts, measure, say) if linear else None
    if beside is not None:
        say(beside[2])
    key = cache.key(FORMAT, RECIPE, key, vectors.fingerprint, embeddings.seed)
    entry = cache.fetch(
        folder / "vectors" / key,
        lambda: _embed(vectors, texts.encoding, embeddings.seed, say),
        say,
    )
    made = unpack_vectors(entry, texts.encoding)
    splits = made.splits
    if beside is not None:
        splits = {
            name: replace(split, scores=beside[1].get(name)) for name, split in splits.items()
        }
    provenance = {
        **_origin(source, vectors),
        **_figures(made, texts.label_names),
        "tokenizer": texts.tokenizer,
        "scale": embeddings.scale,
        **({} if beside is None else {"linear": beside[2]}),
        "substitutions": [*source.notices, *substitutions],
        "notices": list(dict.fromkeys((*source.notices, *texts.notices, *substitutions))),
    }
    _say_all(_summary(provenance), say)
    matrix = made.matrix
    if embeddings.scale != 1.0:  # otherwise it stays a map of the file
        matrix = matrix * np.float32(embeddings.scale)
    return Corpus(
        splits,
        made.vocabulary,
        texts.label_names,
        matrix,
        provenance,
        None if beside is None else beside[0],
        texts.tokenizer,
        texts.encoding.whole,
        None if beside is None else texts.encoding.uncut,
    )


def corpus_of(
    dataset: "TextDataset",
    data: DataConfig,
    embeddings: EmbeddingConfig,
    *,
    linear: bool = False,
    measure: str = "accuracy",
    say: Say = print,
) -> Corpus:
    """Encode and embed a data set in memory, without the cache; else as `prepare_corpus`.

    Args:
        dataset: The checked texts of each split.
        data: How texts become tokens: `max_length`, `min_count` and `tokenizer`.
        embeddings: Where the word vectors come from.
        linear: Whether the corpus has a linear classifier (`textcls.models.linear`) as well.
        measure: What that is wanted for: "accuracy", "macro_f1" or "balanced_accuracy".
        say: Gets each notice, a sentence at a time.

    Returns:
        The corpus, in memory.

    Raises:
        HubUnreachableError: Where vectors are out of reach and nothing may replace them.
        EmbeddingError: Where the vectors cannot be used.
    """
    key = cache.key(FORMAT, dataset.name)  # names what is not kept
    vectors, substitutions = locate_vectors(embeddings, key)
    tokenizer, notices = _tokenizer(dataset, data)
    encoding = encode_texts(dataset, data.max_length, data.min_count, tokenizer)
    notices = [*dataset.notices, *notices, *_cut(dataset, encoding, data)]
    made = unpack_vectors(
        pack_vectors(embed(vectors, encoding, embeddings.seed), encoding), encoding
    )
    beside = None
    if linear:
        beside = _train_linear(encoding, tokenizer, len(dataset.label_names), measure)
    if beside is not None:
        say(beside[1])
    notices = list(dict.fromkeys((*notices, *substitutions)))
    _say_all(notices, say)
    provenance = {
        "data": dataset.name,
        "vectors": vectors.name,
        **_figures(made, dataset.label_names),
        "tokenizer": tokenizer,
        "scale": embeddings.scale,
        **({} if beside is None else {"linear": beside[1]}),
        "substitutions": list(substitutions),
        "notices": notices,
    }
    matrix = made.matrix * np.float32(embeddings.scale)
    return Corpus(
        made.splits,
        made.vocabulary,
        dataset.label_names,
        matrix,
        provenance,
        None if beside is None else beside[0],
        tokenizer,
        encoding.whole,
        None if beside is None else encoding.uncut,
    )


def _linear(
    folder: Path, texts_key: str, texts: Texts, measure: str, say: Say
) -> "tuple[LinearClassifier, dict[str, NDArray[np.float32]], str]":
    """Return the linear classifier of train, its scores of the other splits, and what it is.

    It knows no word that train lacks, so it is the same whatever the vectors.
    """
    from textcls.models import linear

    def make() -> cache.Entry:
        say("Training a linear classifier; its features are chosen on train.")
        made, sentence = _train_linear(
            texts.encoding, texts.tokenizer, len(texts.label_names), measure
        )
        uncut = texts.encoding.uncut
        scores = {
            name: made.scores(split, uncut.vocabulary.words)
            for name, split in uncut.splits.items()
            if name != TRAIN
        }
        return linear.pack(made, scores, sentence)

    key = cache.key(FORMAT, linear.RECIPE, texts_key, measure)
    return linear.unpack(cache.fetch(folder / "linear" / key, make, say))


def _train_linear(
    encoding: Encoding, tokenizer: str, num_classes: int, measure: str
) -> "tuple[LinearClassifier, str]":
    """Train a linear classifier of the kind that suits train; return it and what it is."""
    from textcls.models.linear_choice import Goal, choose_linear
    from textcls.training.metrics import confusion_matrix, measures_of

    def value(labels: "IntArray", predictions: "IntArray") -> float:
        return measures_of(confusion_matrix(labels, predictions, num_classes))[measure]

    train, words = encoding.uncut.splits[TRAIN], encoding.uncut.vocabulary.words
    goal = Goal(measure.replace("_", " ").replace("macro f1", "macro F1"), value)
    choice = choose_linear(train, words, num_classes, characters=tokenizer == WORDPUNCT, goal=goal)
    return choice.train(train, words, num_classes), str(choice)


def _origin(source: "Source", vectors: Vectors) -> dict[str, Any]:
    return {
        "data": source.name,
        "data_fingerprint": source.fingerprint,
        "vectors": vectors.name,
        "vectors_fingerprint": vectors.fingerprint,
    }


def _figures(made: Made, label_names: tuple[str, ...]) -> dict[str, Any]:
    splits = made.splits.items()
    return {
        "texts": {name: len(split) for name, split in splits},
        "texts_per_class": {name: _per_class(split, label_names) for name, split in splits},
        "tokens": {name: len(split.tokens) for name, split in splits},
        "vocabulary": len(made.vocabulary),
        "dim": made.matrix.shape[1],
        "coverage": made.coverage,
    }


def _encode(source: "Source", data: DataConfig, say: Say) -> cache.Entry:
    from textcls.data.inspection import inspect_dataset

    say(f"Reading {source.name}.")
    dataset = source.read()
    tokenizer, notices = _tokenizer(dataset, data)
    if data.name != SYNTHETIC:  # made up, and what it is like is known
        notices += [f"{dataset.name}: {finding}" for finding in inspect_dataset(dataset)]
    encoding = encode_texts(dataset, data.max_length, data.min_count, tokenizer)
    notices += _cut(dataset, encoding, data)
    # How the source was found is said by each call for itself: another may have asked for the same
    # texts by another name.
    found = [notice for notice in dataset.notices if notice not in source.notices]
    return pack_texts(Texts(encoding, dataset.label_names, (*found, *notices), tokenizer))


def _tokenizer(dataset: "TextDataset", data: DataConfig) -> tuple[str, list[str]]:
    """Return the tokenizer, and what there is to say where the texts' scripts decided."""
    if data.tokenizer != "auto":
        return data.tokenizer, []
    train = dataset.splits[TRAIN]
    found = choose_tokenizer(train.every(-(-len(train) // _TEXTS_LOOKED_AT)).to_pylist())
    if found == WORDPUNCT:
        return found, []
    return found, [
        f"{dataset.name}: much of it is in a script without blanks between words (or in Korean), "
        "so each such character is a token; data.tokenizer: wordpunct takes runs of letters"
    ]


def _cut(dataset: "TextDataset", encoding: Encoding, data: DataConfig) -> list[str]:
    """Say what the encoder does not see of the texts, where that is more than a little."""
    lengths = encoding.lengths
    if lengths is None or lengths.tokens_cut < _WORTH_SAYING:
        return []
    return [
        f"{dataset.name}: {lengths.texts_cut:.0%} of the texts of train are longer than "
        f"data.max_length, {data.max_length:,} tokens, and {lengths.tokens_cut:.0%} of the tokens "
        "come after it: the encoder does not see them, a linear classifier beside it does. Half "
        f"of the texts have {lengths.median:,} tokens or fewer, nine of ten "
        f"{lengths.ninth_decile:,}"
    ]


def _embed(vectors: Vectors, encoding: Encoding, seed: int, say: Say) -> cache.Entry:
    say(vectors.announcement)
    return pack_vectors(embed(vectors, encoding, seed), encoding)


def _per_class(split: EncodedSplit, label_names: tuple[str, ...]) -> dict[str, int]:
    counts = np.bincount(split.labels, minlength=len(label_names))
    return dict(zip(label_names, counts.tolist(), strict=True))


def _summary(provenance: dict[str, Any]) -> list[str]:
    texts = ", ".join(f"{n:,} {name}" for name, n in provenance["texts"].items())
    types, occurrences = provenance["coverage"]["types"], provenance["coverage"]["occurrences"]
    known = (
        f"know {types:.1%} of the distinct words and {occurrences:.1%} of their occurrences"
        if types
        else "random vectors, learnt from scratch"
    )
    return [
        f"{provenance['data']}: {texts} texts, {provenance['vocabulary']:,} words.",
        f"Vectors {provenance['vectors']}, {provenance['dim']} numbers each: {known}.",
    ]


def _say_all(sentences: Iterable[str], say: Say) -> None:
    for sentence in sentences:
        say(sentence)
