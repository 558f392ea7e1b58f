"""The files of a bundle: everything about them is checked before it is used.

A bundle may come from a stranger. So the descriptions are held against models, the headers of the
tensors against the configuration, sizes are bounded by what is really on the disk, and whatever
does not fit ends in one `BundleError`, before anything of the size that a file only claims is
allocated.

`classifier.safetensors` holds the weights, `bundle.json` what they mean, `vocabulary.json` the
words in the order of their ids, `linear.safetensors` the linear classifier beside the encoder,
where there is one, and `linear_vocabulary.json` its words, where they are others.

A small bundle (`write_bundle(..., small=True)`) has the same files with other tensors, as
`textcls.runtime._compact` describes them, and one `vocabulary.json.gz`: with a linear classifier
these are its words, and the tensor `words.packed` says which of them the encoder knows.
"""

import gzip
import json
import secrets
import shutil
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from pydantic import BaseModel, ValidationError

from textcls.config import messages
from textcls.exceptions import BundleError
from textcls.runtime import _compact
from textcls.runtime._compact import INT8, PACKED, WORD_IDS
from textcls.runtime._description import (
    BUNDLE_FORMAT,
    SMALL_FORMAT,
    WORDS,
    About,
    Calibration,
    Conformal,
    Description,
    EnsembleDescription,
    Reduction,
    Reference,
    ValueCounts,
)
from textcls.runtime._tensor_file import TensorFile, regular_size, write_tensors
from textcls.runtime.bundle_layout import (
    classifier_tensors,
    compact_linear_tensors,
    compact_tensors,
    linear_tensors,
    vocabulary_text,
)
from textcls.text.vocabulary import PAD, UNK

__all__ = [
    "BUNDLE_FORMAT",
    "DESCRIPTION",
    "ENSEMBLE",
    "About",
    "BundleFiles",
    "Calibration",
    "Conformal",
    "Description",
    "Reduction",
    "Reference",
    "ValueCounts",
    "read_bundle",
    "read_members",
    "replaced_folder",
    "write_bundle",
]

Array = np.ndarray[Any, Any]
Model = TypeVar("Model", bound=BaseModel)

DESCRIPTION, ENSEMBLE = "bundle.json", "ensemble.json"
_WEIGHTS, _WORDS = "classifier.safetensors", "vocabulary.json"
_SMALL_WORDS = _WORDS + ".gz"
_LINEAR, _LINEAR_WORDS = "linear.safetensors", "linear_vocabulary.json"
_LARGEST_DESCRIPTION = 16 << 20  # bytes: a hundred thousand classes and their counts
_BYTES_A_WORD = 256  # on average, quotes and line ends counted; real vocabularies need 10 to 60
_SHORT_VOCABULARY = 1 << 20  # bytes that any vocabulary may have
_LARGEST_HALF = float(np.finfo(np.float16).max)
_PROBLEMS_SHOWN = 3


@dataclass(frozen=True, slots=True)
class BundleFiles:
    """The checked content of a bundle's files.

    weights: the arrays of `classifier.safetensors` by name, as torch's `state_dict` has them;
    `embeddings`, (words, dim), is float32 whatever the file has. words: the vocabulary in the
    order of the ids. linear: the arrays `keys` int64 (features,), `idf` float32 (features,) and
    `weights` float32 (features + 1, classes), where there is a linear classifier. linear_words:
    its vocabulary where it is not the encoder's.
    """

    description: Description
    weights: Mapping[str, Array]
    words: tuple[str, ...]
    linear: Mapping[str, Array] | None = None
    linear_words: tuple[str, ...] | None = None


def read_bundle(folder: Path) -> BundleFiles:
    """Read and check a bundle, before anything of the size that its files claim is allocated.

    Args:
        folder: Holds `bundle.json` and the files that it names.

    Raises:
        BundleError: The folder is missing, damaged, of another format, or makes no sense; the
            message names the file and what is wrong with it.
    """
    description = _read_description(folder)
    model, classes = description.model, len(description.label_names)
    small = description.format == SMALL_FORMAT
    weights = TensorFile.open(folder / _WEIGHTS)
    shape = weights.shape_of("embeddings" + INT8 * small)
    if len(shape) != 2 or shape[0] < 2 or shape[1] < 1:
        raise BundleError(
            f"{weights.path}: the tensor embeddings must have a row for each word, but has the "
            f"shape {list(shape)}"
        )
    rows = (shape[0], shape[1])
    if small:
        packed = _length(weights, WORD_IDS) if model.linear_weight else None
        weights.check(compact_tensors(model, classes, rows, packed))
        return _read_small(folder, description, weights, rows[0])
    weights.check(classifier_tensors(model, classes, rows))
    words = _read_words(folder / _WORDS, shape[0])
    if len(words) != shape[0]:
        raise BundleError(
            f"{folder}: {shape[0]:,} vectors do not fit {len(words):,} words of {_WORDS}"
        )
    arrays = _read_weights(weights)
    if not model.linear_weight:
        return BundleFiles(description, arrays, words)
    return BundleFiles(description, arrays, words, *_read_linear(folder, classes))


def _read_small(
    folder: Path, description: Description, weights: TensorFile, rows: int
) -> BundleFiles:
    """Read the rest of a small bundle, the header of whose weights was checked."""
    classes, path = len(description.label_names), folder / _SMALL_WORDS
    linear = TensorFile.open(folder / _LINEAR) if description.model.linear_weight else None
    features = 0 if linear is None else _length(linear, "idf")
    known = _read_words(path, max(rows, features))
    arrays = _read_weights(weights)
    words: tuple[str, ...] = known
    if linear is not None:
        ids = _unpacked(weights, arrays.pop(WORD_IDS), rows)
        if (ids < 0).any() or (ids >= len(known)).any() or len(np.unique(ids)) < rows:
            raise BundleError(f"{weights.path}: {WORD_IDS} must name distinct words of {path.name}")
        words = tuple(known[i] for i in ids.tolist())
    if len(words) != rows or words[:2] != (PAD, UNK):
        raise BundleError(f"{folder}: {rows:,} vectors do not fit the words of {path.name}")
    arrays = _compact.expand_weights(arrays)
    if linear is None:
        return BundleFiles(description, arrays, words)
    own = _read_small_linear(linear, features, classes)
    return BundleFiles(description, arrays, words, own, None if known == words else known)


def read_members(folder: Path) -> tuple[str, ...] | None:
    """Return the names of the folders that are an ensemble's members.

    Args:
        folder: The folder of a single bundle or of an ensemble.

    Returns:
        The names, within `folder`; None for a single bundle, which has no `ensemble.json`.

    Raises:
        BundleError: `ensemble.json` is damaged or of another format.
    """
    path = folder / ENSEMBLE
    if not path.exists():
        return None
    return _validated(path, _read_bytes(path, _LARGEST_DESCRIPTION), EnsembleDescription).members


def check_replaceable(out: Path) -> None:
    """Check that a classifier can be written to a folder without the loss of anything else.

    Args:
        out: A folder that does not exist, is empty or holds a single classifier.

    Raises:
        BundleError: It holds something else, or it is a file.
    """
    if not out.exists() or (out / DESCRIPTION).is_file():
        return
    if out.is_file() or any(out.iterdir()):
        raise BundleError(f"{out}: holds something other than a classifier; name a new folder")


def write_bundle(files: BundleFiles, out: Path, *, half: bool = True, small: bool = False) -> None:
    """Write a bundle to a folder; a bundle that stands there is replaced.

    Of paths to training data and word vectors `bundle.json` has the last part only.

    Args:
        files: Its content.
        out: The folder.
        half: Keep the word vectors and the linear classifier's weights in half precision, which
            takes half the space and costs no accuracy that can be measured
            (`benchmarks/README.md`). What lies beyond its range is kept as it is, and what it
            holds exactly is always kept in it.
        small: Keep them in one byte each, and words and keys compressed (format 2). What that costs
            is measured by `textcls.export.small_bundle`, which leaves out words and features too.

    Raises:
        BundleError: `out` holds something other than a classifier.
        OSError: It cannot be written.
    """
    check_replaceable(out)
    with replaced_folder(out) as draft:
        if small:
            _write_small(files, draft)
        else:
            _write_tensors_and_words(files, draft, half=half)
        about = files.description.about.without_folders()
        update = {"format": SMALL_FORMAT if small else BUNDLE_FORMAT, "about": about}
        description = files.description.model_copy(update=update).model_dump(exclude_unset=True)
        (draft / DESCRIPTION).write_text(_json(description), encoding="utf-8")


@contextmanager
def replaced_folder(out: Path) -> Iterator[Path]:
    """Put a new folder in a folder's place once it is whole.

    Beside `out` nothing but what this call makes is touched. A kill may leave `.WORD.tmp`, or,
    between two renames, the earlier folder as `.NAME.WORD.old`, where WORD is 16 random digits.

    Args:
        out: The folder, which need not exist.

    Yields:
        An empty folder to fill; it is deleted if the block raises.

    Raises:
        OSError: It cannot be written or renamed.
    """
    word = secrets.token_hex(8)
    draft = out.with_name(f".{word}.tmp")
    out.parent.mkdir(parents=True, exist_ok=True)
    draft.mkdir()
    try:
        yield draft
        old = out.with_name(f".{out.name}.{word}.old")
        if out.exists():
            out.rename(old)
        try:
            draft.rename(out)
        except OSError:
            if old.exists():
                old.rename(out)
            raise
        shutil.rmtree(old, ignore_errors=True)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def _write_tensors_and_words(files: BundleFiles, draft: Path, *, half: bool) -> None:
    weights = dict(files.weights)
    weights["embeddings"] = _halved(weights["embeddings"], half)
    write_tensors(draft / _WEIGHTS, weights)
    if files.linear is not None:
        linear = {
            name: _halved(values, half) if name in ("idf", "weights") else values
            for name, values in files.linear.items()
        }
        write_tensors(draft / _LINEAR, linear)
        if files.linear_words is not None:
            text = vocabulary_text(files.linear_words)
            (draft / _LINEAR_WORDS).write_text(text, encoding="utf-8")
    (draft / _WORDS).write_text(vocabulary_text(files.words), encoding="utf-8")


def _write_small(files: BundleFiles, draft: Path) -> None:
    words, weights = files.words, _compact.compact_weights(files.weights)
    if files.linear is not None:
        words, ids = _compact.join_words(files.words, files.linear_words)
        weights[WORD_IDS] = _compact.pack_integers(ids)
        linear = _compact.compact_linear(files.linear)
        write_tensors(draft / _LINEAR, linear | {"idf": _halved(linear["idf"], half=True)})
    halved = {
        name: _halved(each, half=True) if each.dtype == np.float32 and each.ndim > 1 else each
        for name, each in weights.items()
    }
    write_tensors(draft / _WEIGHTS, halved)
    content = json.dumps(words, ensure_ascii=False, separators=(",", ":"))
    (draft / _SMALL_WORDS).write_bytes(gzip.compress(content.encode("utf-8"), 9, mtime=0))


def _read_description(folder: Path) -> Description:
    path = folder / DESCRIPTION
    try:
        content = _read_bytes(path, _LARGEST_DESCRIPTION)
    except FileNotFoundError as error:
        raise BundleError(f"{folder}: not a classifier folder, {DESCRIPTION} is missing") from error
    return _validated(path, content, Description)


def _read_words(path: Path, count: int) -> tuple[str, ...]:
    """Read a vocabulary of about `count` words, which bounds the size of its file."""
    most = _SHORT_VOCABULARY + _BYTES_A_WORD * count
    content = _read_bytes(path, most)
    if path.name == _SMALL_WORDS:
        content = _decompressed(path, content, most)
    try:
        words = WORDS.validate_json(content)
    except ValidationError as error:
        raise BundleError(f"{path}: must be a list of words, but {_first(error)}") from error
    if words[:2] != (PAD, UNK):
        raise BundleError(f"{path}: must start with {PAD} and {UNK}, but does not")
    if len(set(words)) != len(words):
        twice = len(words) - len(set(words))
        raise BundleError(f"{path}: holds {twice:,} words more than once")
    return words


def _read_linear(folder: Path, classes: int) -> tuple[Mapping[str, Array], tuple[str, ...] | None]:
    file = TensorFile.open(folder / _LINEAR)
    features = _length(file, "keys")
    file.check(linear_tensors(features, classes, penalty="penalty" in file.entries))
    arrays = file.read()
    _check_keys(file, arrays["keys"])
    path = folder / _LINEAR_WORDS
    return arrays, _read_words(path, features) if path.exists() else None


def _read_weights(weights: TensorFile) -> dict[str, Array]:
    arrays = weights.read()
    for name, values in arrays.items():
        if name.endswith("running_var") and (values < 0).any():
            raise BundleError(f"{weights.path}: the tensor {name} holds a negative variance")
    return arrays


def _read_small_linear(file: TensorFile, features: int, classes: int) -> Mapping[str, Array]:
    packed = _length(file, "keys" + PACKED)
    penalty = "penalty" in file.entries
    file.check(compact_linear_tensors(features, classes, packed, penalty=penalty))
    try:
        arrays = _compact.expand_linear(file.read())
    except ValueError as error:
        raise BundleError(f"{file.path}: the tensor keys{PACKED} {error}") from error
    _check_keys(file, arrays["keys"])
    return arrays


def _check_keys(file: TensorFile, keys: Array) -> None:
    if (keys < 0).any() or (keys[1:] <= keys[:-1]).any():
        raise BundleError(f"{file.path}: its keys must be positive and ascending")


def _length(file: TensorFile, name: str) -> int:
    """Return the length of a tensor of one dimension; -1, which fits nothing, of another."""
    shape = file.shape_of(name)
    return shape[0] if len(shape) == 1 else -1


def _unpacked(file: TensorFile, packed: Array, count: int) -> Array:
    try:
        return _compact.unpack_integers(packed, count)
    except ValueError as error:
        raise BundleError(f"{file.path}: the tensor {WORD_IDS} {error}") from error


def _decompressed(path: Path, content: bytes, most: int) -> bytes:
    """Decompress gzip, at most so many bytes."""
    reader = zlib.decompressobj(wbits=31)  # 31: with a gzip header
    try:
        found = reader.decompress(content, most + 1)
    except zlib.error as error:
        raise BundleError(f"{path}: cannot be decompressed: {error}") from error
    if len(found) > most or not reader.eof or reader.unused_data:
        raise BundleError(f"{path}: is cut off, or holds more than {most:,} bytes")
    return found


def _read_bytes(path: Path, most: int) -> bytes:
    """Return a file's content; FileNotFoundError where it is missing."""
    try:
        size = regular_size(path)
        if size > most:
            raise BundleError(f"{path}: has {size:,} bytes; at most {most:,} make sense here")
        return path.read_bytes()
    except FileNotFoundError as error:
        if path.name == DESCRIPTION:
            raise
        raise BundleError(f"{path}: is missing") from error
    except OSError as error:
        raise BundleError(f"{path}: cannot be read: {error.strerror or error}") from error


def _validated(path: Path, content: bytes, model: type[Model]) -> Model:
    try:
        return model.model_validate_json(content)
    except ValidationError as error:
        raise BundleError(f"{path}: {_first(error)}") from error


def _first(error: ValidationError) -> str:
    """Describe the first faults that pydantic found."""
    every = error.errors(include_url=False)
    told = []
    for details in every[:_PROBLEMS_SHOWN]:
        place = messages.dotted(details["loc"])
        told.append(f"{place}: {messages.describe(details)}" if place else details["msg"])
    more = len(every) - len(told)
    return "; ".join(told) + (f"; and {more:,} more" if more else "")


def _halved(values: Array, half: bool) -> Array:
    """Return numbers in half precision where that is wanted or loses nothing, and they fit it."""
    if np.abs(values).max(initial=0.0) > _LARGEST_HALF:
        return values
    found = values.astype(np.float16)
    return found if half or np.array_equal(found, values) else values


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1) + "\n"
