"""Read gensim's own `.kv` files without trusting them.

Such a file is a pickle, which can name any function of any module and have it called. This reader
knows a handful of harmless names, puts an inert class of its own in place of gensim's, and refuses
the file at the first other name; nothing is imported and nothing of the file's choosing runs.
"""

import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from textcls.exceptions import EmbeddingError
from textcls.vectors._word_rows import Collector, WordVectors

PICKLE_MAGIC = b"\x80"

_GENSIM = "gensim.models.keyedvectors"
_CLASSES = ("KeyedVectors", "Word2VecKeyedVectors", "EuclideanKeyedVectors")  # 4.x, 3.x, 3.3
_RECONSTRUCT = np.ndarray(0).__reduce__()[0]


def read_keyed_vectors(path: Path, words: Sequence[str]) -> WordVectors:
    """Return the vectors for `words` of a `.kv` file and of the `.npy` that gensim puts beside it.

    Raises:
        EmbeddingError: The file is another kind of pickle, is cut off or damaged.
    """
    with path.open("rb") as file:
        state = _unpickle(path, file)
    names = state.get("index_to_key") or state.get("index2word")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise EmbeddingError(f"{path}: gensim's KeyedVectors, but without its list of words")
    vectors = _vectors(path, state)
    if vectors.shape[0] != len(names):
        raise EmbeddingError(f"{path}: {len(names):,} words, but {vectors.shape[0]:,} vectors")
    found = Collector(words)
    for i, name in enumerate(names):
        word = name.encode("utf-8", "surrogatepass")
        if word in found.index:
            with np.errstate(over="ignore"):
                row = vectors[i].astype(np.float32)
            if not np.isfinite(row).all():
                raise EmbeddingError(f"{path}: the vector of {name!r} (row {i}) is not finite")
            found.add(word, row)
    return found.rows


def _unpickle(path: Path, file: IO[bytes]) -> Mapping[str, Any]:
    unpickler = _Unpickler(file)
    try:
        loaded = unpickler.load()
    except _RefusedError as error:
        raise EmbeddingError(
            f"{path}: refused: a KeyedVectors file has no use for {error}; such a file can run"
            " code. Save the vectors with KeyedVectors.save or in word2vec's text format"
        ) from error
    except Exception as error:  # a damaged pickle can raise nearly anything
        raise EmbeddingError(
            f"{path}: cut off, damaged or not gensim's KeyedVectors, at byte {file.tell():,}"
            f" ({type(error).__name__}: {error})"
        ) from error
    if not isinstance(loaded, unpickler.keyed_vectors):
        raise EmbeddingError(f"{path}: a pickle, but not gensim's KeyedVectors")
    return vars(loaded)


def _vectors(path: Path, state: Mapping[str, Any]) -> NDArray[np.floating[Any]]:
    vectors = state.get("vectors")
    where = path
    if vectors is None and "vectors" in state.get("__numpys", ()):
        where = path.with_name(f"{path.name}.vectors.npy")
        try:
            vectors = np.load(where, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise EmbeddingError(
                f"{where}: gensim keeps the vectors of {path.name} here, but the file is missing,"
                f" cut off or damaged ({error})"
            ) from error
    if not isinstance(vectors, np.ndarray) or vectors.ndim != 2 or vectors.dtype.kind != "f":
        raise EmbeddingError(f"{where}: expected a matrix of floating-point numbers")
    if 0 in vectors.shape:
        raise EmbeddingError(f"{where}: holds no vectors")
    return np.asarray(vectors)


class _RefusedError(pickle.UnpicklingError):
    """The pickle uses a name that a file of vectors does not need."""


class _Unpickler(pickle.Unpickler):
    """Build numpy arrays, plain containers and one inert class; refuse everything else."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file)
        # New with every file: a pickle may set attributes of what it can name.
        self.keyed_vectors = type("KeyedVectors", (), {})
        self._known: dict[tuple[str, str], Any] = {
            **{(_GENSIM, name): self.keyed_vectors for name in _CLASSES},
            (_GENSIM, "Vocab"): type("Vocab", (), {}),  # gensim 3.x: a word's count and index
            ("numpy", "ndarray"): np.ndarray,
            ("numpy", "dtype"): np.dtype,
            ("numpy.core.multiarray", "_reconstruct"): _RECONSTRUCT,
            ("numpy._core.multiarray", "_reconstruct"): _RECONSTRUCT,
        }

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self._known:
            raise _RefusedError(f"{module}.{name}")
        return self._known[module, name]
