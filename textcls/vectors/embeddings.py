"""Build the embedding matrix: a row per word, from a file, from the train split or at random."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from textcls import cache
from textcls.config.models import CORPUS_VECTORS, RANDOM_VECTORS, EmbeddingConfig
from textcls.exceptions import EmbeddingError, HubUnreachableError
from textcls.text.encoding import TRAIN, Encoding
from textcls.text.vocabulary import PAD_ID, UNK_ID, Vocabulary
from textcls.vectors import _gensim_hub, _packages
from textcls.vectors._files import read_vectors
from textcls.vectors._trained import recipe, train_vectors
from textcls.vectors._word_rows import WordVectors

RANDOM_STD = 0.1
"""Standard deviation of "random" vectors.

One epoch of a GRU on AG News, two seeds, texts kept out of train: 0.912; with 0.3 0.909, with 1.0
0.891.
"""
MISSING_SCALE = 0.1
"""Rows of words that the vectors lack have this much of the vectors' standard deviation.

Each such word gets a row of its own. One epoch of a GRU on AG News with 100-d GloVe for 18 % of the
words, two seeds: 0.924; all words sharing one row, as in the reference experiment, 0.920; zeros
0.923; their mean 0.921; scale 0.3 0.923, 0.5 0.921, 1.0 0.917. Seeds differ by 0.004, so the order
from 0.1 to 1.0 is all that these show. The row of `<unk>` makes no difference to be measured.
"""

RECIPE = (RANDOM_STD, MISSING_SCALE)
"""What decides a matrix besides the texts, the vectors and the seed."""

_HASHED_WHOLE = 64 << 20  # bytes; 0.1 s


class Vectors(Protocol):
    """A source of word vectors."""

    @property
    def name(self) -> str:
        """Name, as shown to people."""
        ...

    @property
    def fingerprint(self) -> str:
        """Hash that changes when the vectors do."""
        ...

    @property
    def announcement(self) -> str:
        """Sentence to print before `rows`, which may take a while."""
        ...

    def rows(self, encoding: Encoding) -> WordVectors:
        """Return the vectors for the words of an encoding's vocabulary.

        Args:
            encoding: The texts' words, and their tokens for vectors that are trained on them.

        Returns:
            Which words have a vector, bool (words,), and their values, float32 (words, dim).

        Raises:
            EmbeddingError: The vectors cannot be read, or know none of the words.
        """
        ...


@dataclass(frozen=True, slots=True)
class Embedded:
    """The vocabulary that remains with some vectors, and its matrix, float32 (vocabulary, dim).

    `ids` gives for each id of the encoding the id in this vocabulary, int32. `coverage` is the
    share of the distinct words ("types") and of the tokens ("occurrences") of all splits that have
    a vector.
    """

    vocabulary: Vocabulary
    matrix: NDArray[np.float32]
    ids: NDArray[np.int32]
    coverage: dict[str, float]


@dataclass(frozen=True, slots=True)
class FileVectors:
    """Vectors of a local file."""

    name: str
    path: Path
    fingerprint: str

    @property
    def announcement(self) -> str:
        """Sentence to print before `rows`."""
        return f"Reading the vectors {self.path}."

    def rows(self, encoding: Encoding) -> WordVectors:
        """Read the file.

        Args:
            encoding: Its vocabulary lists the words to look for; the file's other words are passed
                over.

        Returns:
            Which words have a vector, bool (words,), and their values, float32 (words, dim).

        Raises:
            EmbeddingError: The file cannot be used, or has none of the words.
        """
        rows = read_vectors(self.path, encoding.vocabulary.words)
        if not rows.known[UNK_ID + 1 :].any():
            raise EmbeddingError(f"{self.path}: the vectors know none of the texts' words")
        return rows


@dataclass(frozen=True, slots=True)
class CorpusVectors:
    """Vectors trained on the train split."""

    dim: int
    seed: int
    fingerprint: str
    name: str = CORPUS_VECTORS
    announcement: str = "Training vectors on the train split."

    def rows(self, encoding: Encoding) -> WordVectors:
        """Train on the texts; every word of train then has a vector, and no other word has one.

        Args:
            encoding: The tokens of its train split are learnt from.

        Returns:
            Which words have a vector, bool (words,), and their values, float32 (words, dim). The
            same texts and seed give the same vectors on the same machine.
        """
        n = encoding.train_words
        trained = train_vectors(encoding.splits[TRAIN], n, self.dim, self.seed)
        unseen = len(encoding.vocabulary) - n
        known = np.arange(n + unseen) < n
        known[: UNK_ID + 1] = False
        return WordVectors(known, np.pad(trained, ((0, unseen), (0, 0))))


@dataclass(frozen=True, slots=True)
class RandomVectors:
    """No pre-trained vectors: every row is drawn at random."""

    dim: int
    fingerprint: str
    name: str = RANDOM_VECTORS
    announcement: str = "Drawing random vectors."

    def rows(self, encoding: Encoding) -> WordVectors:
        """Return no vector for any word; `embed` draws them all.

        Args:
            encoding: Only the size of its vocabulary counts.

        Returns:
            False for each word, (words,), and zeros, float32 (words, dim).
        """
        words = len(encoding.vocabulary)
        return WordVectors(np.zeros(words, np.bool_), np.zeros((words, self.dim), np.float32))


def locate(config: EmbeddingConfig, corpus_key: str) -> tuple[Vectors, tuple[str, ...]]:
    """Find the vectors, downloading them if need be, and return notices about substitutions.

    Args:
        config: The name of the vectors and their substitute.
        corpus_key: Stands for the encoded texts, on which "corpus" vectors are trained.

    Returns:
        The vectors, of which nothing is read yet, and a sentence for each substitution.

    Raises:
        EmbeddingError: There are no vectors of that name.
        HubUnreachableError: They cannot be downloaded and no substitute is named.
    """
    if config.name in (CORPUS_VECTORS, RANDOM_VECTORS):
        return _own(config.name, config, corpus_key), ()
    try:
        return _foreign(config.name)
    except HubUnreachableError as error:
        if config.offline is None:
            raise HubUnreachableError(
                f"{error}. Name a local file{_or_package(config.name)} instead, or set"
                f" embeddings.offline to what may take their place, such as {CORPUS_VECTORS}"
            ) from error
        notice = f"{error}; {config.offline} vectors are used in their place"
        return _own(config.offline, config, corpus_key), (notice,)


def come_with_installed_package(name: str) -> bool:
    """Tell whether a name means vectors of a package that is installed; reads none of them.

    Args:
        name: What `embeddings.name` says, such as "glove-6b-50d".

    Returns:
        False also for a file, for "corpus" and for names of gensim's downloader.
    """
    return name in _packages.PACKAGES and _packages.find(name) is not None


def embed(vectors: Vectors, encoding: Encoding, seed: int) -> Embedded:
    """Decide the final vocabulary and build its matrix.

    Words that train lacks stay where they have a vector and become `<unk>` otherwise.

    Args:
        vectors: Where vectors come from.
        encoding: The words of all splits, and how many of them train has.
        seed: Of the vectors of words that have none.

    Returns:
        The vocabulary, the matrix, the new ids of the old ones, and how many words have a vector.
    """
    known, values = vectors.rows(encoding)
    kept = known.copy()
    kept[: encoding.train_words] = True
    words = encoding.vocabulary.words
    ids = np.where(kept, np.cumsum(kept) - 1, UNK_ID).astype(np.int32)
    return Embedded(
        Vocabulary(tuple(word for word, keep in zip(words, kept.tolist(), strict=True) if keep)),
        _fill(values[kept], known[kept], seed),
        ids,
        _coverage(known, encoding.counts),
    )


def _foreign(name: str) -> tuple[Vectors, tuple[str, ...]]:
    """Find vectors that are not made here, and return notices about what stands for them."""
    if path := _local_file(name):
        return FileVectors(name, path, _fingerprint(path)), ()
    if name not in _packages.PACKAGES:
        path = _gensim_hub.find(name) or _gensim_hub.fetch(name)
        return FileVectors(name, path, _fingerprint(path)), ()
    if packaged := _packages.find(name):
        return packaged, ()
    package = _packages.PACKAGES[name]
    missing = (
        f"the package {package.distribution}, which brings the vectors {name}, is not installed"
        f" ({_packages.INSTALL})"
    )
    same = package.gensim_name
    try:
        path = _gensim_hub.find(same) or _gensim_hub.fetch(same)
    except HubUnreachableError as error:
        raise HubUnreachableError(f"{missing}, and {error}") from error
    notice = f"{missing}; {same} of gensim's downloader, the same vectors, are used"
    return FileVectors(same, path, _fingerprint(path)), (notice,)


def _or_package(name: str) -> str:
    """Name vectors that need no hub; nothing where these are the ones that were missed."""
    if name in _packages.PACKAGES:
        return ""
    return f" or, for English, {next(iter(_packages.PACKAGES))} ({_packages.INSTALL})"


def _local_file(name: str) -> Path | None:
    path = Path(name).expanduser()
    try:
        return path if path.is_file() else None
    except (OSError, ValueError):  # too long, or with a character that no path can have
        return None


def _own(name: str, config: EmbeddingConfig, corpus_key: str) -> Vectors:
    if name == RANDOM_VECTORS:
        return RandomVectors(config.dim, cache.key(RANDOM_VECTORS, config.dim))
    fingerprint = cache.key(corpus_key, config.dim, config.seed, recipe())
    return CorpusVectors(config.dim, config.seed, fingerprint)


def _fill(values: NDArray[np.float32], known: NDArray[np.bool_], seed: int) -> NDArray[np.float32]:
    """Draw the rows of words without a vector; `<pad>` is zeros."""
    std = MISSING_SCALE * float(values[known].std()) if known.any() else RANDOM_STD
    random = np.random.default_rng(seed)
    missing = np.flatnonzero(~known)
    values[missing] = random.standard_normal((len(missing), values.shape[1]), np.float32) * std
    values[PAD_ID] = 0.0
    return values


def _coverage(known: NDArray[np.bool_], counts: NDArray[np.int64]) -> dict[str, float]:
    """Return the shares of words and of occurrences with a vector; an `<unk>` has none."""
    words, occurrences = known[UNK_ID + 1 :], counts[UNK_ID + 1 :]
    return {
        "types": float(words.mean()) if len(words) else 0.0,
        "occurrences": float(occurrences[words].sum() / max(1, counts.sum())),
    }


def _fingerprint(path: Path) -> str:
    """Hash a vector file: the whole of a small one; of a large one its date, size and samples."""
    digest = hashlib.sha256()
    for part in (path, path.with_name(f"{path.name}.vectors.npy")):
        if not part.is_file():
            continue
        status = part.stat()
        digest.update(f"{status.st_size} ".encode())
        with part.open("rb") as file:
            if status.st_size <= _HASHED_WHOLE:
                digest.update(file.read())
                continue
            digest.update(f"{status.st_mtime_ns} ".encode())
            for start in range(0, status.st_size, status.st_size // 64):
                file.seek(start)
                digest.update(file.read(1 << 16))
    return digest.hexdigest()[:32]
