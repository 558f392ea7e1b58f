"""Run the encoders and the scores beside them on encoded texts, through the compiled programs."""

import threading
from collections.abc import Mapping
from typing import Any

import numpy as np

from textcls.config.models import ModelConfig
from textcls.runtime import _weights
from textcls.runtime._machine_code import programs
from textcls.runtime._weights import Fixed, Recurrence, padded
from textcls.runtime._words import Encoded, empty_slots
from textcls.runtime.bundle_layout import output_dim

Array = np.ndarray[Any, Any]
_POOLINGS = {"last": 0, "max": 1, "mean": 2}
_BATCH = 64
"""Texts that are read together, as in evaluation: large enough for the products, small enough for
the cache."""
_TOKENS = 1 << 15
"""Tokens of a batch, a single longer text excepted: bounds the memory."""
_CHARACTERS = 1 << 61  # marks the keys of n-grams of characters


class EncoderRunner:
    """Turn encoded texts into vectors, float32 (texts, output_dim).

    Args:
        weights: The arrays of a classifier by name.
        model: Its settings.
    """

    def __init__(self, weights: Mapping[str, Array], model: ModelConfig) -> None:
        self._model = model
        self._embeddings = weights["embeddings"]
        self._output_dim = output_dim(model)
        self._own = threading.local()
        if model.name == "cnn":
            self._branches = _weights.branches(weights, model)
        else:
            self._layers = _weights.recurrences(weights, model)

    def encode(self, texts: Encoded) -> Array:
        """Return the vectors of texts, in their order."""
        out = np.empty((len(texts), self._output_dim), np.float32)
        vectors, index = self._distinct(texts)
        if self._model.name == "cnn":
            self._convolve(texts, vectors, index, out)
        else:
            self._recur(texts, vectors, index, out)
        return out

    def _distinct(self, texts: Encoded) -> tuple[Array, Array]:
        """Return the vectors of the words that occur, and which of them each token is."""
        marks = getattr(self._own, "marks", None)
        if marks is None:
            marks = self._own.marks = Fixed(np.full(len(self._embeddings), -1, np.int32))
        tokens = int(texts.ends[-1])
        rows, index = np.empty((2, tokens), np.int32)
        count = np.empty(1, np.int64)
        programs().find_distinct(
            texts.tokens.ctypes.data,
            tokens,
            marks.at,
            rows.ctypes.data,
            index.ctypes.data,
            count.ctypes.data,
        )
        return self._embeddings[rows[: count[0]]], index

    def _recur(self, texts: Encoded, vectors: Array, index: Array, out: Array) -> None:
        run = programs()
        lengths = np.diff(texts.ends)
        order = np.argsort(-lengths, kind="stable")
        projected = [_project(vectors, direction) for direction in self._layers[0]]
        begin = 0
        while begin < len(order):
            longest = int(lengths[order[begin]])
            chosen = order[begin : begin + max(1, min(_BATCH, _TOKENS // longest))]
            tokens = int(lengths[chosen].sum())
            packed, sizes = np.empty(tokens, np.int32), np.empty(longest, np.int64)
            time = np.empty(1, np.int64)
            run.pack(
                texts.ends.ctypes.data,
                chosen.ctypes.data,
                len(chosen),
                index.ctypes.data,
                packed.ctypes.data,
                sizes.ctypes.data,
                time.ctypes.data,
            )
            self._read(projected, packed, sizes, chosen, out)
            begin += len(chosen)

    def _read(
        self, projected: list[Array], index: Array, sizes: Array, chosen: Array, out: Array
    ) -> None:
        """Read one batch through all layers and pool its last states into the rows `chosen`."""
        hidden, pitch = self._model.hidden_size, padded(self._model.hidden_size)
        directions, tokens = len(projected), len(index)
        states = [
            self._states(projected[way], self._layers[0][way], index, sizes, way)
            for way in range(directions)
        ]
        for layer in self._layers[1:]:
            rows = np.empty((tokens, directions * hidden), np.float32)
            for way, each in enumerate(states):
                programs().gather_states(
                    each.ctypes.data, tokens, pitch, hidden, rows.ctypes.data,
                    directions * hidden, way * hidden,
                )  # fmt: skip
            every = np.arange(tokens, dtype=np.int32)
            states = [
                self._states(_project(rows, layer[way]), layer[way], every, sizes, way)
                for way in range(directions)
            ]
        for way, each in enumerate(states):
            programs().pool_packed(
                each.ctypes.data, sizes.ctypes.data, len(sizes), pitch, hidden,
                _POOLINGS[self._model.pooling], way, chosen.ctypes.data, out.ctypes.data,
                self._output_dim, way * hidden,
            )  # fmt: skip

    def _states(
        self, projected: Array, weights: Recurrence, index: Array, sizes: Array, way: int
    ) -> Array:
        hidden, pitch = self._model.hidden_size, padded(self._model.hidden_size)
        states = np.empty((len(index), pitch), np.float32)
        if self._model.name == "gru":
            scratch = np.empty((sizes[0], 3 * pitch), np.float32)
            programs().run_gru(
                projected.ctypes.data, index.ctypes.data, sizes.ctypes.data, len(sizes),
                weights.recurrent.at, weights.candidate_bias.at, hidden, pitch,
                states.ctypes.data, scratch.ctypes.data, way, len(index),
            )  # fmt: skip
        else:
            programs().run_rnn(
                projected.ctypes.data, index.ctypes.data, sizes.ctypes.data, len(sizes),
                weights.recurrent.at, hidden, pitch, states.ctypes.data, way, len(index),
            )  # fmt: skip
        return states

    def _convolve(self, texts: Encoded, vectors: Array, index: Array, out: Array) -> None:
        hidden, pitch = self._model.hidden_size, padded(self._model.hidden_size)
        longest = int(np.diff(texts.ends).max())
        half = (longest + 1) // 2
        first, second = np.empty((2, half, pitch), np.float32)
        pooling = _POOLINGS["mean" if self._model.pooling == "mean" else "max"]
        depth = vectors.shape[1]
        for branch, blocks in enumerate(self._branches):
            size = self._model.kernel_sizes[branch]
            window = np.empty((half, size * max(depth, hidden)), np.float32)
            panels = np.array([each[0].ctypes.data for each in blocks], np.int64)
            biases = np.array([each[1].ctypes.data for each in blocks], np.int64)
            programs().convolve(
                vectors.ctypes.data, index.ctypes.data, texts.ends.ctypes.data, len(texts), depth,
                size, len(blocks), hidden, pitch, panels.ctypes.data, biases.ctypes.data,
                first.ctypes.data, second.ctypes.data, window.ctypes.data, pooling,
                out.ctypes.data, self._output_dim, branch * hidden,
            )  # fmt: skip


class LinearScores:
    """Score encoded texts by a linear classifier, float64 (texts, classes).

    Args:
        arrays: Its arrays by name, as `textcls.models.linear` writes them.
    """

    def __init__(self, arrays: Mapping[str, Array]) -> None:
        keys, weights = arrays["keys"], np.ascontiguousarray(arrays["weights"])
        self._keys, self._idf, self._weights = Fixed(keys), Fixed(arrays["idf"]), Fixed(weights)
        self._features, self._classes = len(keys), weights.shape[1]
        self._slots = Fixed(empty_slots(len(keys)))
        self._mask = len(self._slots.array) - 1
        self._own = threading.local()
        self.characters = bool(len(keys) and keys[-1] & _CHARACTERS)
        """Whether it needs the tokens' characters."""
        programs().fill_keys(self._keys.at, len(keys), self._slots.at, self._mask)

    def score(self, texts: Encoded) -> Array:
        """Return the scores of texts."""
        counts = getattr(self._own, "counts", None)
        if counts is None:
            size = max(1, self._features)
            counts = self._own.counts = Fixed(np.zeros(size, np.int32))
            self._own.touched = Fixed(np.empty(size, np.int32))
        out = np.empty((len(texts), self._classes), np.float64)
        programs().score_linear(
            texts.tokens.ctypes.data, texts.capitals.ctypes.data, texts.ends.ctypes.data,
            len(texts), self._keys.at, self._slots.at, self._mask, self._idf.at,
            self._weights.at, self._features, self._classes, counts.at, self._own.touched.at,
            int(self.characters), texts.points.ctypes.data, texts.point_ends.ctypes.data,
            out.ctypes.data,
        )  # fmt: skip
        return out


class NgramTable:
    """Score encoded texts by a table of words and pairs, float64 (texts, classes).

    Args:
        table: float32 (buckets, classes).
        longest: 1 for words, 2 for words and pairs.
    """

    def __init__(self, table: Array, longest: int) -> None:
        self._table, self._longest = table, longest

    def score(self, texts: Encoded) -> Array:
        """Return the scores of texts."""
        out = np.empty((len(texts), self._table.shape[1]), np.float64)
        programs().score_ngrams(
            texts.tokens.ctypes.data, texts.ends.ctypes.data, len(texts),
            self._table.ctypes.data, self._table.shape[1], self._longest, out.ctypes.data,
        )  # fmt: skip
        return out


def _project(rows: Array, weights: Recurrence) -> Array:
    """Return the input's share of every gate, (rows, gates * P)."""
    width = len(weights.bias.array)
    out = np.empty((len(rows), width), np.float32)
    programs().project(
        rows.ctypes.data, len(rows), rows.shape[1], weights.inputs.at,
        weights.bias.at, width, out.ctypes.data, 0,
    )  # fmt: skip
    return out
