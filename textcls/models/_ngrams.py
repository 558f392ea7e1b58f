"""Scores of words and pairs of words, added to the encoder's logits.

Every word and every pair of neighbouring words has a row of class scores; a text's are their sum,
divided by the root of their number. It is the linear classifier of Joulin et al. (2017) without
its bottleneck, and trained beside the encoder as in Cheng et al. (2016): what single phrases say
is learnt in the first steps, and the encoder learns the rest. The rows lie in a table of hashed
buckets (Weinberger et al. 2009) and start at zero.

They are trained by AdaGrad (Duchi et al. 2011), which suits rows that occur seldom: a step touches
the batch's buckets only, and the gradient's clipping leaves them out, since AdaGrad does not mind
a gradient's size.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from textcls.compilation import kernel
from textcls.text.batching import Batch, Packed, Part, places_of

BUCKETS = 1 << 18
"""Rows of the table; on AG News 2^20 is no better."""
EPSILON = 1e-8
_FIRST, _SECOND, _SHIFT = 0x9E3779B1, 0x85EBCA77, 15  # products of 32-bit numbers fit 63 bits

Array = np.ndarray[Any, Any]


class NgramScores(nn.Module):
    """Turn batches into class scores (batch, classes); trained by itself, outside of the optimizer.

    longest: 1 for words, 2 for words and pairs. dropout: the share of them that a training step
    leaves out.
    """

    table: Tensor
    squares: Tensor
    _gradient: Tensor

    def __init__(self, longest: int, dropout: float, num_classes: int, *, compiled: bool) -> None:
        super().__init__()
        self.longest, self.dropout, self.compiled = longest, dropout, compiled
        self.register_buffer("table", torch.zeros(BUCKETS, num_classes))
        self.register_buffer("squares", torch.zeros(BUCKETS, num_classes), persistent=False)
        self.register_buffer("_gradient", torch.zeros(BUCKETS, num_classes), persistent=False)
        self._step: tuple[Tensor, ...] | None = None

    def forward(self, batch: Batch) -> Tensor:
        """Return scores (batch, classes); in training a leaf whose gradient `learn` uses."""
        if self.compiled:
            bucket, text = features(batch, self.longest)
        else:
            bucket, text = places_of(batch, self.layout)
        keep = torch.ones(len(bucket), device=self.table.device)
        if self.training and self.dropout:
            keep = (torch.rand_like(keep) >= self.dropout).float()
        texts = len(batch.lengths)
        if self.compiled:
            table = self.table.numpy()
            found = _forward(table, bucket.numpy(), text.numpy(), keep.numpy(), texts)
            scores, share = map(torch.from_numpy, found)
        else:
            share = keep.new_zeros(texts).index_add_(0, text, keep).clamp(min=1).rsqrt()
            weight = keep * share.index_select(0, text)
            scores = self.table.new_zeros(texts, self.table.shape[1])
            scores.index_add_(0, text, self.table.index_select(0, bucket) * weight[:, None])
        if self.training:
            scores.requires_grad_()
            self._step = (bucket, text, keep, share, scores)
        return scores

    def layout(self, packed: Packed) -> list[Part]:
        """Return the places that the plain torch path takes from each batch of a chunk."""
        return ngram_layout(packed, self.longest)

    @torch.no_grad()
    def learn(self, learning_rate: float) -> None:
        """Update the rows of the last batch from the gradient of its scores."""
        if self._step is None:
            return
        bucket, text, keep, share, scores = self._step
        gradient, self._step = scores.grad, None
        if gradient is None:
            return
        if self.compiled:
            _learn(
                self.table.numpy(),
                self.squares.numpy(),
                self._gradient.numpy(),
                bucket.numpy(),
                text.numpy(),
                keep.numpy(),
                (gradient * share[:, None]).numpy(),
                np.float32(learning_rate),
            )
            return
        weight = (keep * share.index_select(0, text))[:, None]
        self._gradient.zero_().index_add_(0, bucket, gradient.index_select(0, text) * weight)
        self.squares.addcmul_(self._gradient, self._gradient)
        self.table.addcdiv_(self._gradient, self.squares.sqrt() + EPSILON, value=-learning_rate)


def features(batch: Batch, longest: int) -> tuple[Tensor, Tensor]:
    """Return the features of a batch: the buckets of its words and, if asked for, its pairs.

    Args:
        batch: On the CPU.
        longest: 1 for words alone, 2 for pairs of neighbours as well.

    Returns:
        The buckets and the text that each belongs to, both int64 (features,).
    """
    arrays = (batch.rows.numpy(), batch.index.numpy(), batch.sizes.numpy())
    bucket, text = _features(*arrays, longest)
    return torch.from_numpy(bucket), torch.from_numpy(text)


def ngram_layout(packed: Packed, longest: int) -> list[Part]:
    """Return the features of a chunk of batches, for the plain torch path.

    Args:
        packed: The batches of the chunk.
        longest: 1 for words alone, 2 for pairs of neighbours as well.

    Returns:
        The buckets and the texts, both int32, with the ends of each batch's part.
    """
    arrays = (packed.rows, packed.row_ends, packed.index, packed.token_ends)
    bucket, text, ends = _chunk_features(*arrays, packed.sizes, packed.time_ends, longest)
    return [(bucket, ends), (text, ends)]


def _bucket(first: Any, second: Any) -> Any:
    return (first * _FIRST + second * _SECOND >> _SHIFT) % BUCKETS


_compiled_bucket = kernel(nogil=True)(_bucket)


@kernel(nogil=True)
def _features(rows: Array, index: Array, sizes: Array, longest: int) -> tuple[Array, Array]:
    """Compute `features` on the CPU."""
    tokens, texts = len(index), sizes[0]
    count = tokens + (tokens - texts if longest == 2 else 0)
    bucket, text = np.empty(count, np.int64), np.empty(count, np.int64)
    token, pair = 0, tokens
    for t in range(len(sizes)):
        for i in range(sizes[t]):
            word = np.int64(rows[index[token]])
            bucket[token] = _compiled_bucket(0, word)
            text[token] = i
            if longest == 2 and t > 0:
                before = np.int64(rows[index[token - sizes[t - 1]]])
                bucket[pair] = _compiled_bucket(before, word)
                text[pair] = i
                pair += 1
            token += 1
    return bucket, text


@kernel(nogil=True)
def _chunk_features(
    rows: Array,
    row_ends: Array,
    index: Array,
    token_ends: Array,
    sizes: Array,
    time_ends: Array,
    longest: int,
) -> tuple[Array, Array, Array]:
    count = token_ends.shape[0] - 1
    ends = np.zeros(count + 1, np.int64)
    for i in range(count):
        tokens, texts = token_ends[i + 1] - token_ends[i], sizes[time_ends[i]]
        ends[i + 1] = ends[i] + tokens + (tokens - texts if longest == 2 else 0)
    buckets, texts_of = np.empty(ends[count], np.int32), np.empty(ends[count], np.int32)
    for i in range(count):
        bucket, text = _features(
            rows[row_ends[i] : row_ends[i + 1]],
            index[token_ends[i] : token_ends[i + 1]],
            sizes[time_ends[i] : time_ends[i + 1]],
            longest,
        )
        buckets[ends[i] : ends[i + 1]] = bucket
        texts_of[ends[i] : ends[i + 1]] = text
    return buckets, texts_of, ends


@kernel(nogil=True)
def _forward(
    table: Array, bucket: Array, text: Array, keep: Array, texts: int
) -> tuple[Array, Array]:
    classes = table.shape[1]
    scores, share = np.zeros((texts, classes), np.float32), np.zeros(texts, np.float32)
    for i in range(len(bucket)):
        if keep[i]:
            share[text[i]] += np.float32(1.0)
            for c in range(classes):
                scores[text[i], c] += table[bucket[i], c]
    for j in range(texts):
        share[j] = np.float32(1.0) / np.sqrt(max(share[j], np.float32(1.0)))
        for c in range(classes):
            scores[j, c] *= share[j]
    return scores, share


@kernel(nogil=True)
def _learn(
    table: Array,
    squares: Array,
    gradient: Array,
    bucket: Array,
    text: Array,
    keep: Array,
    d_scores: Array,
    rate: Any,
) -> None:
    """Update the rows that occur by AdaGrad; `gradient` is scratch, zero before and after."""
    classes = table.shape[1]
    for i in range(len(bucket)):
        if keep[i]:
            for c in range(classes):
                gradient[bucket[i], c] += d_scores[text[i], c]
    for i in range(len(bucket)):  # a bucket's second turn finds a gradient of zero
        for c in range(classes):
            g = gradient[bucket[i], c]
            if g != np.float32(0.0):
                squares[bucket[i], c] += g * g
                root = np.sqrt(squares[bucket[i], c]) + np.float32(EPSILON)
                table[bucket[i], c] -= rate * g / root
                gradient[bucket[i], c] = np.float32(0.0)
