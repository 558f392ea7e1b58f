"""The small form of a bundle's arrays: numbers of one byte, ids packed by zlib.

A matrix M becomes `M.int8` and `M.scale`, one float32 for each column: M is their product. A scale
for each row instead costs two bytes a row and predicts no better (AG News, 7,600 test rows: no
label changes by the vectors' columns, one by their rows). Ids become `NAME.packed`, the zlib stream
of the differences of neighbours, all lowest bytes first: 2.4 bytes a key of the linear classifier
instead of 8.
"""

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
INT8, SCALE, PACKED = ".int8", ".scale", ".packed"
MATRICES = ("embeddings", "ngrams.table")
"""Matrices of `classifier.safetensors` that are kept as int8; other matrices as float16."""
WORD_IDS = "words" + PACKED
_STEPS = 127


def round_to_int8(matrix: Array) -> tuple[Array, Array]:
    """Return (rows, columns) as int8, and the scale of each column, float32 (columns,)."""
    scale = (np.abs(matrix).max(axis=0, initial=0.0) / _STEPS).astype(np.float32)
    safe = np.where(scale > 0, scale, np.float32(1))
    return np.clip(np.rint(matrix / safe), -_STEPS, _STEPS).astype(np.int8), scale


def pack_integers(values: Array) -> Array:
    """Return int64 (count,) packed, uint8; the smaller the steps between neighbours the better."""
    steps = np.diff(values.astype("<i8"), prepend=np.int64(0))
    planes = steps.astype("<i8").view(np.uint8).reshape(-1, 8).T
    return np.frombuffer(zlib.compress(planes.tobytes(), 9), np.uint8)


def unpack_integers(packed: Array, count: int) -> Array:
    """Undo `pack_integers`; no more than `count` numbers are ever unpacked.

    Raises:
        ValueError: It is no zlib stream of exactly so many numbers.
    """
    reader = zlib.decompressobj()
    try:
        content = reader.decompress(packed.tobytes(), 8 * count + 1)
    except zlib.error as error:
        raise ValueError("is no zlib stream") from error
    if len(content) != 8 * count or not reader.eof or reader.unused_data:
        raise ValueError(f"does not hold {count:,} numbers")
    planes = np.frombuffer(content, np.uint8).reshape(8, count)
    steps = np.ascontiguousarray(planes.T).view("<i8").ravel()
    return np.cumsum(steps, dtype=np.int64)


def compact_weights(weights: Mapping[str, Array]) -> dict[str, Array]:
    """Return a classifier's arrays in their small form."""
    found: dict[str, Array] = {}
    for name, values in weights.items():
        if name in MATRICES:
            found[name + INT8], found[name + SCALE] = round_to_int8(values)
        else:
            found[name] = values
    return found


def compact_linear(linear: Mapping[str, Array]) -> dict[str, Array]:
    """Return a linear classifier's arrays in their small form."""
    weights = linear["weights"]
    found = {name: each for name, each in linear.items() if name not in ("keys", "weights")}
    found["keys" + PACKED] = pack_integers(linear["keys"])
    found["weights" + INT8], found["weights" + SCALE] = round_to_int8(weights[:-1])
    return found | {"bias": np.asarray(weights[-1], np.float32)}


def expand_weights(arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Undo `compact_weights`: float32 under the matrices' own names."""
    found = dict(arrays)
    for name in MATRICES:
        if name + INT8 in found:
            found[name] = _product(found, name)
    return found


def expand_linear(arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Undo `compact_linear`.

    Raises:
        ValueError: The keys are not as many as the features.
    """
    found = dict(arrays)
    found["keys"] = unpack_integers(found.pop("keys" + PACKED), len(found["idf"]))
    found["weights"] = np.concatenate([_product(found, "weights"), found.pop("bias")[None]])
    return found


def join_words(
    words: Sequence[str], linear_words: Sequence[str] | None
) -> tuple[tuple[str, ...], Array]:
    """Return the words of both vocabularies, the linear classifier's first, and the ids of `words`.

    A word that only the encoder knows comes last, where it changes no id.
    """
    joint = tuple(dict.fromkeys((*(words if linear_words is None else linear_words), *words)))
    places = {word: i for i, word in enumerate(joint)}
    return joint, np.array([places[word] for word in words], np.int64)


def _product(arrays: dict[str, Array], name: str) -> Array:
    numbers, scale = arrays.pop(name + INT8), arrays.pop(name + SCALE)
    found: Array = numbers.astype(np.float32) * scale
    return found
