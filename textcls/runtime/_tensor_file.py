"""Read safetensors files whose header is checked before any tensor is allocated.

The library `safetensors` checks that a header fits its file. What the tensors are, their types and
their shapes, only we know; so the header is read here, held against what the configuration calls
for, and only then are the numbers read, each tensor into memory of its own.
"""

import json
import math
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from textcls.exceptions import BundleError

Array = np.ndarray[Any, Any]

_LENGTH_BYTES = 8
_LARGEST_HEADER = 4 << 20  # bytes; 64 kernel sizes in 6 blocks need a tenth of it
_MOST_DIMENSIONS = 8
_METADATA = "__metadata__"
_TYPES = {
    "F32": np.float32,
    "F16": np.float16,
    "F64": np.float64,
    "I64": np.int64,
    "I8": np.int8,
    "U8": np.uint8,
}
_ORDER = ("I64", "F64", "F32", "F16", "I8", "U8")
_AT_ONCE = 1 << 22  # numbers that are checked at a time


class _TensorEntry(BaseModel):
    """One tensor in a header."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    dtype: str
    shape: list[int]
    data_offsets: tuple[int, int]


_HEADER = TypeAdapter(dict[str, _TensorEntry | dict[str, str]], config=ConfigDict(strict=True))


@dataclass(frozen=True, slots=True)
class Wanted:
    """The type and shape that a tensor must have."""

    shape: tuple[int, ...]
    types: tuple[str, ...] = ("F32",)
    """As safetensors calls them, such as "F32"."""


@dataclass(frozen=True, slots=True)
class TensorFile:
    """The header of a safetensors file: the type, shape and place of each tensor."""

    path: Path
    start: int
    """Where the tensors begin, in bytes."""
    entries: Mapping[str, _TensorEntry]

    @classmethod
    def open(cls, path: Path) -> "TensorFile":
        """Read and check a header.

        Raises:
            BundleError: The file is missing, is no safetensors file, or its header does not fit.
        """
        try:
            size = regular_size(path)
            with path.open("rb") as file:
                length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
                if not 2 <= length <= min(_LARGEST_HEADER, size - _LENGTH_BYTES):
                    raise BundleError(f"{path}: no safetensors file, or one that is cut off")
                found = _HEADER.validate_json(file.read(length))
        except FileNotFoundError as error:
            raise BundleError(f"{path}: is missing") from error
        except OSError as error:
            raise BundleError(f"{path}: cannot be read: {error.strerror or error}") from error
        except ValidationError as error:
            raise BundleError(f"{path}: its header is not that of a safetensors file") from error
        entries = {name: each for name, each in found.items() if isinstance(each, _TensorEntry)}
        if any(name != _METADATA for name in found.keys() - entries.keys()):
            raise BundleError(f"{path}: its header is not that of a safetensors file")
        _check_places(path, entries, size - _LENGTH_BYTES - length)
        return cls(path, _LENGTH_BYTES + length, entries)

    def shape_of(self, name: str) -> tuple[int, ...]:
        """Return the shape of a tensor.

        Raises:
            BundleError: There is none of that name.
        """
        if name not in self.entries:
            raise BundleError(f"{self.path}: the tensor {name} is missing")
        return tuple(self.entries[name].shape)

    def check(self, wanted: Mapping[str, Wanted]) -> None:
        """Hold the header against the tensors that must be there, and no others.

        Raises:
            BundleError: Names the first tensor that is missing, unknown, or of another type or
                shape.
        """
        for name, want in wanted.items():
            shape = self.shape_of(name)
            if self.entries[name].dtype not in want.types:
                raise BundleError(
                    f"{self.path}: the tensor {name} must be of type {' or '.join(want.types)}, "
                    f"but is of {ascii(self.entries[name].dtype)[:40]}"
                )
            if shape != want.shape:
                raise BundleError(
                    f"{self.path}: the tensor {name} must have the shape {list(want.shape)}, which "
                    f"the configuration calls for, but has {list(shape)[:_MOST_DIMENSIONS]}"
                )
        unknown = sorted(self.entries.keys() - wanted.keys())
        if unknown:
            raise BundleError(
                f"{self.path}: {ascii(unknown[0])[:80]} is not a tensor of this configuration"
            )

    def read(self) -> dict[str, Array]:
        """Read the tensors; half-precision ones become float32.

        Raises:
            BundleError: A number is not finite, or the file cannot be read.
        """
        return {name: self._read(name, entry) for name, entry in self.entries.items()}

    def _read(self, name: str, entry: _TensorEntry) -> Array:
        kind, count = _TYPES[entry.dtype], math.prod(entry.shape)
        try:
            found = np.fromfile(
                self.path, dtype=kind, count=count, offset=self.start + entry.data_offsets[0]
            )
        except OSError as error:
            raise BundleError(f"{self.path}: cannot be read: {error.strerror or error}") from error
        if len(found) != count:
            raise BundleError(f"{self.path}: is cut off")
        for first in range(0, count, _AT_ONCE):
            if not np.isfinite(found[first : first + _AT_ONCE]).all():
                raise BundleError(f"{self.path}: the tensor {name} holds NaN or infinity")
        if kind == np.float16:
            found = found.astype(np.float32)
        return found.reshape(entry.shape)


def write_tensors(path: Path, tensors: Mapping[str, Array]) -> None:
    """Write arrays to a safetensors file, with the mode that the umask says.

    Raises:
        OSError: The file cannot be written.
    """
    from safetensors.numpy import save  # reading does without

    contiguous = {name: np.ascontiguousarray(each) for name, each in tensors.items()}
    # 0-dimensional arrays come back from ascontiguousarray with one dimension.
    shaped = {name: each.reshape(tensors[name].shape) for name, each in contiguous.items()}
    path.write_bytes(save(shaped))


def file_size(tensors: Mapping[str, Wanted]) -> int:
    """Return the size in bytes of a safetensors file that `write_tensors` makes.

    Args:
        tensors: Their shapes by name, and the type of each, the first of its `types`.
    """
    places: dict[str, dict[str, object]] = {}
    end = 0
    # The library writes the widest numbers first, and those of one type by name.
    for name in sorted(tensors, key=lambda name: (_ORDER.index(tensors[name].types[0]), name)):
        shape, kind = tensors[name].shape, tensors[name].types[0]
        start, end = end, end + math.prod(shape) * np.dtype(_TYPES[kind]).itemsize
        places[name] = {"dtype": kind, "shape": shape, "data_offsets": (start, end)}
    header = len(json.dumps(places, ensure_ascii=False, separators=(",", ":")).encode())
    return _LENGTH_BYTES + -(-header // _LENGTH_BYTES) * _LENGTH_BYTES + end


def regular_size(path: Path) -> int:
    """Return the size of a file in bytes.

    Raises:
        OSError: It is missing.
        BundleError: It is a folder, a pipe or a device, which might never end.
    """
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise BundleError(f"{path}: must be a file, but is a folder, a pipe or a device")
    return found.st_size


def _check_places(path: Path, entries: Mapping[str, _TensorEntry], size: int) -> None:
    """Check that the tensors fill the file one after the other."""
    end = 0
    for name, entry in sorted(entries.items(), key=lambda item: item[1].data_offsets):
        shape, kind = entry.shape, _TYPES.get(entry.dtype)
        if kind is None or len(shape) > _MOST_DIMENSIONS or any(side < 0 for side in shape):
            raise BundleError(
                f"{path}: the tensor {ascii(name)[:80]} is of type {ascii(entry.dtype)[:40]} and "
                f"shape {shape[:_MOST_DIMENSIONS]}, which no classifier has"
            )
        start, stop = entry.data_offsets
        if start != end or stop - start != math.prod(shape) * np.dtype(kind).itemsize:
            raise BundleError(f"{path}: the places of its tensors do not fit their shapes")
        end = stop
    if end != size:
        raise BundleError(f"{path}: holds {size:,} bytes of tensors, but its header says {end:,}")
