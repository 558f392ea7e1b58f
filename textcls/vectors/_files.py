"""Read word vectors from word2vec and GloVe files, plain or gzipped, text or binary, as a stream.

Only the rows of the words asked for are kept. Every line is checked (a word, then as many numbers
as the first line has), so that a file that is cut off or damaged is refused and not half used.
"""

import gzip
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NoReturn

import numpy as np
from numpy.typing import NDArray

from textcls.exceptions import EmbeddingError
from textcls.vectors._keyed_vectors import PICKLE_MAGIC, read_keyed_vectors
from textcls.vectors._word_rows import Collector, WordVectors

_GZIP_MAGIC = b"\x1f\x8b"
_BOM = b"\xef\xbb\xbf"
_BLOCK = 1 << 22
_LONGEST_LINE = 1 << 20
_LONGEST_WORD = 4096  # bytes, in a binary file
_LONGEST_VECTOR = 1 << 16
_LARGEST = float(np.finfo(np.float32).max)
_NUMERALS = b"0123456789+-.eE "
_CONTROLS = bytes(range(9)) + bytes(range(14, 32))


@dataclass(slots=True)
class _Reader:
    """A file of vectors that is being read, and the position in it."""

    path: Path
    stream: BinaryIO | gzip.GzipFile
    found: Collector
    line: int = 0

    def fail(self, problem: str) -> NoReturn:
        raise EmbeddingError(f"{self.path}: line {self.line}: {problem}")


def read_vectors(path: Path, words: Sequence[str]) -> WordVectors:
    """Read the vectors of some words from a file.

    Reads word2vec's format (a first line with the number of vectors and their length; text or
    binary), GloVe's (text without such a line), either of them gzipped, and gensim's `.kv`.

    Args:
        path: The file, which is read once as a stream.
        words: The words to look for, each once.

    Returns:
        Which words have a vector, and their values; of a word that the file has twice, the first.

    Raises:
        EmbeddingError: The file is none of these, is cut off or damaged; the message names the
            line.
    """
    try:
        with path.open("rb") as file:
            magic = file.read(len(_GZIP_MAGIC))
        if magic.startswith(PICKLE_MAGIC):
            return read_keyed_vectors(path, words)
        if magic == _GZIP_MAGIC:
            with gzip.open(path) as unpacked:
                return _read(_Reader(path, unpacked, Collector(words)))
        with path.open("rb") as plain:
            return _read(_Reader(path, plain, Collector(words)))
    except OSError as error:
        reason = error.strerror or str(error)
        raise EmbeddingError(f"{path}: the vectors cannot be read: {reason}") from error


def _read(reader: _Reader) -> WordVectors:
    try:
        first = reader.stream.readline(_LONGEST_LINE).removeprefix(_BOM)
        reader.line = 1
        if header := _header(first):
            count, dim = header
            if not 1 <= dim <= _LONGEST_VECTOR:
                reader.fail(f"vectors of {dim:,} numbers; expected 1 to {_LONGEST_VECTOR:,}")
            start = reader.stream.read(_BLOCK)
            if start[:_LONGEST_WORD].translate(None, _CONTROLS) != start[:_LONGEST_WORD]:
                _read_binary(reader, start, count, dim)
            else:
                _read_text(reader, start, dim, count)
        else:
            dim = _first_dim(reader, first)
            reader.line = 0
            _read_text(reader, first, dim, None)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        reader.fail(f"the compressed file ends early or is damaged here ({error})")
    return reader.found.rows


def _header(line: bytes) -> tuple[int, int] | None:
    """Return the number of vectors and their length where the line holds just these, else None."""
    fields = line.split()
    if len(fields) != 2 or not all(field.isdigit() for field in fields):
        return None
    return int(fields[0]), int(fields[1])


def _first_dim(reader: _Reader, line: bytes) -> int:
    numbers = line.rstrip(b" \r\n").split(b" ")[1:]
    if not numbers or not all(map(_is_number, numbers)):
        reader.fail(
            "expected a word and its numbers, separated by single spaces, or the number of vectors"
            f" and their length, but found {_excerpt(line)}"
        )
    return len(numbers)


def _read_text(reader: _Reader, start: bytes, dim: int, count: int | None) -> None:
    vectors = 0
    wanted = reader.found.index
    for line in _lines(reader, start):
        reader.line += 1
        word, _, numbers = line.partition(b" ")
        if numbers.count(b" ") != dim - 1 or numbers.translate(None, _NUMERALS) or not numbers:
            if not line.rstrip(b" \r"):
                continue
            word, numbers = _dissect(reader, line, dim)
        vectors += 1
        if word in wanted:
            reader.found.add(word, _parse(reader, numbers, dim))
    if not vectors:
        reader.fail("the file ends without a vector")
    if count is not None and vectors != count:
        reader.fail(f"the file ends after {vectors:,} vectors, its first line promises {count:,}")


def _lines(reader: _Reader, start: bytes) -> Iterator[bytes]:
    """Yield the rest of the stream, preceded by `start`, split at line feeds."""
    rest = b""
    block = start
    while block:
        *lines, rest = (rest + block).split(b"\n")
        yield from lines
        if len(rest) > _LONGEST_LINE:
            reader.line += 1
            reader.fail(
                f"longer than {_LONGEST_LINE:,} bytes, so this is not a file of word vectors"
            )
        block = reader.stream.read(_BLOCK)
    if rest:
        yield rest


def _dissect(reader: _Reader, line: bytes, dim: int) -> tuple[bytes, bytes]:
    """Split an unusual line into word and numbers, or refuse it.

    A few words of published files hold spaces; original word2vec ends its lines with one.
    """
    fields = line.rstrip(b" \r").rsplit(b" ", dim)
    numbers = fields[1:]
    surplus = fields[0].rpartition(b" ")[2] if b" " in fields[0] else b""
    if len(numbers) < dim or not all(map(_is_number, numbers)) or _is_number(surplus):
        reader.fail(f"expected a word and {dim} numbers, but found {_excerpt(line)}")
    return fields[0], b" ".join(numbers)


def _parse(reader: _Reader, numbers: bytes, dim: int) -> NDArray[np.float32]:
    try:
        row = np.array(list(map(float, numbers.split(b" "))))
    except ValueError:
        reader.fail(f"expected {dim} numbers, but found {_excerpt(numbers)}")
    if not (np.abs(row) <= _LARGEST).all():  # nan compares false
        reader.fail("expected finite 32-bit numbers, but one is not")
    return row.astype(np.float32)


def _read_binary(reader: _Reader, start: bytes, count: int, dim: int) -> None:
    """Read word, space, `dim` little-endian 32-bit floats, and perhaps a line feed, `count` times.

    The "line" of an error is the number of the vector, the first line counted.
    """
    size = 4 * dim
    data, at = start, 0
    for _ in range(count):
        reader.line += 1
        if len(data) - at < _LONGEST_WORD + size:
            data, at = data[at:] + reader.stream.read(_BLOCK + size), 0
        end = data.find(b" ", at, at + _LONGEST_WORD)
        if end < 0 or end + 1 + size > len(data):
            reader.fail(f"the file ends within vector {reader.line - 1:,} of {count:,}")
        word = data[at:end].lstrip(b"\n")
        at = end + 1 + size
        if word in reader.found.index:
            row = np.frombuffer(data, dtype="<f4", count=dim, offset=end + 1)
            if not np.isfinite(row).all():
                reader.fail("expected finite 32-bit numbers, but one is not")
            reader.found.add(word, row)


def _is_number(field: bytes) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def _excerpt(line: bytes) -> str:
    text = line.decode("utf-8", "replace").strip()
    return repr(text if len(text) <= 60 else f"{text[:40]} ... {text[-12:]}")
