"""The vectors that were found for a list of words."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class WordVectors(NamedTuple):
    """Vectors for a list of words, and which of the words have one."""

    known: NDArray[np.bool_]
    """(words,)"""
    values: NDArray[np.float32]
    """(words, dim), zeros where a word is not known; (words, 0) when none is."""


class Collector:
    """Keep the vectors of `words` while a file streams by; the first one of a word counts.

    `index` maps each word's UTF-8 bytes to its row, so that a file's words need no decoding.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self.index = {word.encode("utf-8", "surrogatepass"): i for i, word in enumerate(words)}
        self.rows = WordVectors(
            np.zeros(len(words), np.bool_), np.zeros((len(words), 0), np.float32)
        )

    def add(self, word: bytes, row: NDArray[np.float32]) -> None:
        """Keep the row of a word in `index`, unless it has one."""
        i = self.index[word]
        if self.rows.known[i]:
            return
        if not self.rows.values.size:  # the first vector settles the length
            values = np.zeros((len(self.rows.known), len(row)), np.float32)
            self.rows = self.rows._replace(values=values)
        self.rows.values[i] = row
        self.rows.known[i] = True
