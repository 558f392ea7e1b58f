"""Turn texts into word ids: ASCII by a compiled program, what lies beyond in Python.

Both give what `textcls.text.tokenizer` and `textcls.text.vocabulary` give; tests compare them.
"""

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from operator import ne
from typing import Any

import numpy as np

from textcls.runtime._machine_code import programs
from textcls.runtime._weights import Fixed
from textcls.text.tokenizer import lower_case, tokenize_cased
from textcls.text.vocabulary import UNK, UNK_ID

Array = np.ndarray[Any, Any]
_SPACE, _LETTER, _OTHER = 0, 1, 2
_NOTHING = np.zeros(1, np.uint32)


@dataclass(frozen=True, slots=True)
class Encoded:
    """Texts as ids: text i is `tokens[ends[i]:ends[i + 1]]`, never empty.

    tokens: int32 (tokens,); capitals: uint8 (tokens,), 1 where a token is not in lower case; ends:
    int64 (texts + 1,); points: uint32, the characters of the tokens in lower case, token j's from
    point_ends[j] to point_ends[j + 1]; both are empty where they were not asked for.
    """

    tokens: Array
    capitals: Array
    ends: Array
    points: Array
    point_ends: Array

    def __len__(self) -> int:
        return len(self.ends) - 1

    def renumbered(self, ids: Array) -> "Encoded":
        """Return the same texts with other ids, int32: that of id i is ids[i]."""
        tokens = ids[self.tokens[: self.ends[-1]]]
        return Encoded(tokens, self.capitals, self.ends, self.points, self.point_ends)

    def beginnings(self, limit: int, ids: Array | None = None) -> "Encoded":
        """Return the first `limit` tokens of each text, without capitals and characters.

        Args:
            limit: Tokens that are kept of each text.
            ids: Other ids, int32, as for `renumbered`; None keeps them.
        """
        tokens, ends = np.empty(int(self.ends[-1]), np.int32), np.empty(len(self.ends), np.int64)
        programs().cut(
            self.tokens.ctypes.data, self.ends.ctypes.data, len(self), limit,
            int(ids is not None), 0 if ids is None else ids.ctypes.data,
            tokens.ctypes.data, ends.ctypes.data,
        )  # fmt: skip
        return Encoded(tokens, self.capitals[:0], ends, _NOTHING, ends[:0])


class WordIds:
    """The ids of a vocabulary's words.

    Args:
        words: The words in the order of their ids.
        tokenizer: The name of the tokenizer that cuts texts.
    """

    def __init__(self, words: Sequence[str], tokenizer: str) -> None:
        self._words, self._tokenizer = words, tokenizer
        letters = [word.encode("utf-8", "surrogatepass") for word in words]
        self._letters = Fixed(np.frombuffer(b"".join(letters) or b"\0", np.uint8))
        self._ends = Fixed(ends_of(letters))
        self._slots = Fixed(empty_slots(len(words)))
        self._mask = len(self._slots.array) - 1
        self._kinds = Fixed(_kinds())
        programs().fill_words(
            self._letters.at, self._ends.at, len(words), self._slots.at, self._mask
        )

    def encode_ascii(self, texts: Sequence[str], limit: int, *, points: bool) -> Encoded:
        """Encode texts that are ASCII.

        Args:
            texts: The texts.
            limit: Tokens that are kept of each text, from its start.
            points: Whether the tokens' characters are needed.
        """
        content = "".join(texts).encode("ascii")
        ends = ends_of(texts)
        most = len(content) + len(texts)  # a token has a character, an empty text one token
        tokens, capitals = np.empty(most, np.int32), np.empty(most, np.uint8)
        out = np.empty(len(texts) + 1, np.int64)
        characters = np.empty(len(content) + 1, np.uint32) if points else _NOTHING
        point_ends = np.empty(most + 1 if points else 1, np.int64)
        programs().encode(
            np.frombuffer(content or b"\0", np.uint8).ctypes.data, ends.ctypes.data, len(texts),
            self._kinds.at, self._letters.at, self._ends.at, self._slots.at, self._mask, limit,
            tokens.ctypes.data, capitals.ctypes.data, out.ctypes.data, int(points),
            characters.ctypes.data, point_ends.ctypes.data,
        )  # fmt: skip
        return Encoded(tokens, capitals, out, characters, point_ends)

    def encode_any(self, texts: Sequence[str], limit: int, *, points: bool) -> Encoded:
        """Encode texts of any characters, as `encode_ascii` does those of ASCII.

        Args:
            texts: Any number of texts.
            limit: Tokens that are read of a text.
            points: Whether the tokens' characters are wanted, for n-grams.
        """
        index = self._index
        words = [tokenize_cased(text, limit, self._tokenizer) or [UNK] for text in texts]
        lower = [lower_case(text) for text in words]
        ids = [index.get(word, UNK_ID) for word in chain(*lower)]
        characters, point_ends = _NOTHING, np.zeros(1, np.int64)
        if points:
            spelt = [word if word != UNK else "" for word in chain(*lower)]
            encoded = "".join(spelt).encode("utf-32-le", "surrogatepass")
            characters = np.frombuffer(encoded or b"\0\0\0\0", np.uint32)
            point_ends = ends_of(spelt)
        return Encoded(
            np.array(ids, np.int32),
            np.fromiter(map(ne, chain(*words), chain(*lower)), np.uint8),
            ends_of(words),
            characters,
            point_ends,
        )

    @functools.cached_property
    def _index(self) -> dict[str, int]:
        return {word: i for i, word in enumerate(self._words)}


def ends_of(parts: Sequence[Any]) -> Array:
    """Return where each part ends when they stand behind each other, int64 (parts + 1,)."""
    ends = np.zeros(len(parts) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, parts), np.int64, len(parts)), out=ends[1:])
    return ends


def empty_slots(entries: int) -> Array:
    """Return empty slots, int32, for a table of so many entries: at least twice as many."""
    return np.full(1 << max(4, (2 * entries).bit_length()), -1, np.int32)


@functools.cache
def _kinds() -> Array:
    """Tell spaces, letters and others apart as the tokenizer's pattern does, uint8 (256,)."""
    kinds = np.full(256, _OTHER, np.uint8)
    for code in range(128):
        if re.match(r"\w", chr(code), re.ASCII):
            kinds[code] = _LETTER
        elif re.match(r"\s", chr(code), re.ASCII):
            kinds[code] = _SPACE
    return kinds
