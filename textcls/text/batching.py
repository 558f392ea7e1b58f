"""Make batches from flat arrays: shuffled, grouped by length, packed.

No Python code runs per text. An epoch's texts are shuffled, cut into pools of `POOL` batches,
sorted by length inside each pool and cut into batches, whose order is shuffled again. Texts of a
batch are then equally long within a token or two, yet which texts meet in a batch differs in every
epoch.

A batch is *packed* (see `textcls.models._kernels`) and lists its distinct words once, in `rows`;
every token points into them. That halves the input products, and the gradient of a row of the
embeddings comes out already summed over the batch.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from textcls.compilation import kernel
from textcls.text.encoding import EncodedSplit

Array = np.ndarray[Any, Any]

Part = tuple[Array, Array]
"""The values of all batches of a chunk, and the ends (batches + 1,) of each batch's part."""

POOL = 64
"""Batches that are sorted by length together."""
CHUNK = 256
"""Batches that are packed at a time: bounds the memory, and keeps copies to a device few."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Texts packed by time, longest first.

    rows: int32 (distinct,), vocabulary ids of the words that occur, each once.
    index: int32 (tokens,), the position in `rows` of every token, in packed order.
    sizes: int64 (time,), texts that have a token t; always on the CPU.
    lengths: int64 (batch,), tokens of each text, descending; always on the CPU.
    labels: int64 (batch,).
    places: what the encoder gathers, as its layout has it; None where none was asked for.
    """

    rows: Tensor
    index: Tensor
    sizes: Tensor
    lengths: Tensor
    labels: Tensor
    places: tuple[Tensor, ...] | None = None


@dataclass(frozen=True, slots=True)
class Packed:
    """The batches of a chunk, one after another, in the arrays that `Batch` describes.

    `limits`, `row_ends`, `token_ends` and `time_ends` (batches + 1,) bound each batch's texts,
    distinct words, tokens and steps in time.
    """

    rows: Array
    row_ends: Array
    index: Array
    token_ends: Array
    sizes: Array
    time_ends: Array
    lengths: Array
    limits: Array


_Arrays = tuple[Array, Array, Array, Array, Array, Array, Array]

Layout = Callable[[Packed], list[Part]]
"""Works out what an encoder gathers from each batch of a chunk."""


def training_order(
    lengths: Array, batch_size: int, seed: int, epoch: int, draws: Array | None = None
) -> tuple[Array, Array]:
    """Choose the texts of each batch of an epoch.

    Args:
        lengths: Tokens of each text, (texts,).
        batch_size: Texts in a batch; the last one may be smaller.
        seed: Seed of the shuffling.
        epoch: Number of the epoch; each has an order of its own.
        draws: How often each text is to be drawn in an epoch, on average, (texts,), with a mean of
            1; by default each is drawn once. A text comes as often as that says, rounded up or
            down by chance.

    Returns:
        The text numbers (texts,) and the bounds (batches + 1,) of the batches within them: batch i
            is
        `order[bounds[i] : bounds[i + 1]]`.
    """
    texts = len(lengths)
    rng = np.random.default_rng([seed, epoch])
    shuffled = rng.permutation(texts)
    if draws is not None:
        shuffled = rng.permutation(_drawn(shuffled, draws, rng))
    pool = np.arange(texts) // (POOL * batch_size)
    longest = int(lengths.max(initial=0))
    # One stable sort does all pools: first by pool, then by falling length.
    order = shuffled[np.argsort(pool * (longest + 1) + longest - lengths[shuffled], kind="stable")]
    starts = np.arange(0, texts, batch_size)
    starts = starts[rng.permutation(len(starts))]
    stops = np.minimum(starts + batch_size, texts)
    bounds = np.concatenate([[0], np.cumsum(stops - starts)])
    return order[_ranges(starts, stops, bounds)], bounds


def _drawn(shuffled: Array, draws: Array, rng: np.random.Generator) -> Array:
    """Draw as many texts as there are, systematically: at equal steps through their sums."""
    sums = np.cumsum(draws[shuffled], dtype=np.float64)
    places = (np.arange(len(shuffled)) + rng.random()) * (sums[-1] / len(shuffled))
    return shuffled[np.minimum(np.searchsorted(sums, places, side="right"), len(shuffled) - 1)]


@kernel()
def _ranges(starts: Array, stops: Array, bounds: Array) -> Array:
    out = np.empty(bounds[-1], np.int64)
    for i in range(len(starts)):
        for j in range(stops[i] - starts[i]):
            out[bounds[i] + j] = starts[i] + j
    return out


def evaluation_order(lengths: Array, batch_size: int) -> tuple[Array, Array]:
    """Sort all texts by falling length, so that those of a batch need little padding.

    Args:
        lengths: Tokens of each text, (texts,).
        batch_size: Texts of a batch, at most.

    Returns:
        The texts' numbers (texts,), and where each batch begins and the last ends (batches + 1,).
    """
    texts = len(lengths)
    order = np.argsort(-lengths, kind="stable")
    return order, np.append(np.arange(0, texts, batch_size), texts)


def batches(
    split: EncodedSplit,
    order: Array,
    bounds: Array,
    vocabulary_size: int,
    *,
    device: str = "cpu",
    first: int = 0,
    layout: Layout | None = None,
) -> Iterator[Batch]:
    """Yield the batches from number `first` on; a text without tokens counts as one `<unk>`.

    Args:
        split: The encoded texts.
        order: Text numbers, as `training_order` returns them.
        bounds: Bounds of the batches within `order`.
        vocabulary_size: Number of word ids.
        device: Where the batches' tensors go; sizes and lengths stay on the CPU.
        first: Number of the first batch to yield, counted from 0.
        layout: Gives the batches' `places`, for the plain torch path; their rows are then int64.

    Yields:
        One batch after the other; some hundred are packed at a time.
    """
    marks = np.full(vocabulary_size, -1, np.int64)
    labels = np.asarray(split.labels)
    for chunk in range(first, len(bounds) - 1, CHUNK):
        limits = bounds[chunk : chunk + CHUNK + 1]
        chosen, limits = order[limits[0] : limits[-1]], limits - limits[0]
        arrays: _Arrays = _pack(split.tokens, split.offsets, chosen, limits, marks)
        yield from _cut(Packed(*arrays, limits), labels[chosen], layout, device)


def places_of(batch: Batch, layout: Layout) -> tuple[Tensor, ...]:
    """Return what the encoder gathers from a batch.

    Args:
        batch: If it was made without places, they are worked out now, and it must be on the CPU.
        layout: The encoder's, which works them out.

    Returns:
        As many index tensors as the layout makes, (indices,) each.
    """
    if batch.places is not None:
        return batch.places
    rows, index, sizes, lengths = (
        each.numpy() for each in (batch.rows, batch.index, batch.sizes, batch.lengths)
    )
    ends = [np.array([0, len(each)]) for each in (rows, index, sizes, lengths)]
    packed = Packed(rows, ends[0], index, ends[1], sizes, ends[2], lengths, ends[3])
    return tuple(torch.from_numpy(part) for part, _ in layout(packed))


def _cut(packed: Packed, labels: Array, layout: Layout | None, device: str) -> Iterator[Batch]:
    """Copy each array to the device once and yield a view of it for each batch."""
    # Adam's index_copy_ takes nothing but int64.
    rows = packed.rows if layout is None else packed.rows.astype(np.int64)
    cut = zip(
        _parts(rows, packed.row_ends, device),
        _parts(packed.index, packed.token_ends, device),
        _parts(packed.sizes, packed.time_ends, "cpu"),
        _parts(packed.lengths, packed.limits, "cpu"),
        _parts(labels, packed.limits, device),
        strict=True,
    )
    if layout is None:
        return (Batch(*each) for each in cut)
    places = zip(*(_parts(*part, device) for part in layout(packed)), strict=True)
    return (Batch(*each, here) for each, here in zip(cut, places, strict=True))


def _parts(values: Array, ends: Array, device: str) -> tuple[Tensor, ...]:
    whole = torch.from_numpy(values)
    if torch.device(device).type == "cuda":  # from pinned memory a copy does not wait for the card
        whole = whole.pin_memory().to(device, non_blocking=True)
    elif device != "cpu":
        whole = whole.to(device)
    return whole.split(np.diff(ends).tolist())


@kernel()
def _pack(
    tokens: Array, offsets: Array, texts: Array, limits: Array, marks: Array
) -> tuple[Array, ...]:
    """Pack every batch of a chunk; `marks` (vocabulary,) is scratch."""
    unknown = 1
    count = len(limits) - 1
    lengths = np.empty(len(texts), np.int64)
    total, time = 0, 0
    for i in range(len(texts)):
        lengths[i] = max(1, offsets[texts[i] + 1] - offsets[texts[i]])
        total += lengths[i]
    for batch in range(count):
        time += lengths[limits[batch]]
    rows, index = np.empty(total, np.int32), np.empty(total, np.int32)
    sizes = np.empty(time, np.int64)
    row_ends, token_ends, time_ends = np.zeros((3, count + 1), np.int64)
    marks[:] = -1
    row, token, step = 0, 0, 0
    for batch in range(count):
        first, last = limits[batch], limits[batch + 1]
        base = row
        for t in range(lengths[first]):
            while lengths[last - 1] <= t:
                last -= 1
            for i in range(first, last):
                start, stop = offsets[texts[i]], offsets[texts[i] + 1]
                word = tokens[start + t] if stop > start else unknown
                if marks[word] < base:
                    marks[word] = row
                    rows[row] = word
                    row += 1
                index[token] = marks[word] - base
                token += 1
            sizes[step] = last - first
            step += 1
        row_ends[batch + 1], token_ends[batch + 1], time_ends[batch + 1] = row, token, step
    return rows[:row].copy(), row_ends, index, token_ends, sizes, time_ends, lengths
