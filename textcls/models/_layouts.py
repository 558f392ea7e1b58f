"""Work out for a chunk of packed batches which positions an encoder gathers.

They depend on the texts' lengths alone, so they are known before a step asks for them: training on
a card copies them there with the batches, and no step computes or copies anything of its own. All
positions are int32 and count within their batch; each function gives the arrays of all batches of
the chunk one after another and the ends (batches + 1,) of each batch's part.
"""

from dataclasses import replace

import numpy as np

from textcls.compilation import kernel
from textcls.models import _kernels
from textcls.text.batching import Array, Packed, Part

_neighbourhoods = _kernels.neighbourhoods


def padded_layout(packed: Packed) -> list[Part]:
    """Return for each step in time and each text the packed position of its token, (time * batch,).

    Where a text has ended its first token stands in, so that a maximum over time needs no mask.
    """
    return [_padded(packed.lengths, packed.limits)]


def last_layout(packed: Packed) -> list[Part]:
    """Return the packed position of each text's last token, (batch,)."""
    return [_last(packed.lengths, packed.limits)]


def mean_layout(packed: Packed) -> list[Part]:
    """Return each token's text, (tokens,), and one over each text's length, float32 (batch,)."""
    share = (1.0 / packed.lengths).astype(np.float32)
    return [_texts(packed.lengths, packed.limits), (share, packed.limits)]


def convolution_layout(
    packed: Packed, kernel_sizes: tuple[int, ...], blocks: int, pooling: str
) -> list[Part]:
    """Return for each branch what each of its blocks gathers, then what its pooling does.

    A block of stride 2 gathers (outputs * kernel_size,) rows of what is below it: the batch's
    distinct words, then the block before. A position outside of the text is one more than the last.

    Args:
        packed: The batches of a chunk.
        kernel_sizes: One for each branch.
        blocks: Convolutions on top of each other in a branch.
        pooling: "max" or "mean".
    """
    parts: list[Part] = []
    for size in kernel_sizes:
        lengths, index, source_ends = packed.lengths, packed.index, packed.token_ends
        outside = np.diff(packed.row_ends)
        for _ in range(blocks):
            window, ends, lengths = _windows(lengths, packed.limits, size)
            parts.append((_resolved(window, ends, index, source_ends, outside), ends))
            outside = np.diff(ends) // size
            source_ends = np.concatenate([[0], np.cumsum(outside)])
            index = _counted(outside)
        above = replace(packed, lengths=lengths)
        parts += mean_layout(above) if pooling == "mean" else padded_layout(above)
    return parts


def _counted(counts: Array) -> Array:
    """Return 0, 1, ... anew for each count, int32."""
    begins = np.cumsum(counts) - counts
    return (np.arange(counts.sum()) - np.repeat(begins, counts)).astype(np.int32)


@kernel(nogil=True)
def _starts(lengths: Array) -> Array:
    """Return the packed position at which each step in time begins, (time + 1,)."""
    starts = np.zeros(lengths[0] + 1, np.int64)
    count = lengths.shape[0]
    for t in range(lengths[0]):
        while lengths[count - 1] <= t:
            count -= 1
        starts[t + 1] = starts[t] + count
    return starts


@kernel(nogil=True)
def _padded(lengths: Array, limits: Array) -> tuple[Array, Array]:
    count = limits.shape[0] - 1
    ends = np.zeros(count + 1, np.int64)
    for i in range(count):
        texts = limits[i + 1] - limits[i]
        ends[i + 1] = ends[i] + lengths[limits[i]] * texts
    places = np.empty(ends[count], np.int32)
    for i in range(count):
        here = lengths[limits[i] : limits[i + 1]]
        starts, place = _starts(here), ends[i]
        for t in range(here[0]):
            for b in range(here.shape[0]):
                places[place] = starts[t] + b if t < here[b] else b
                place += 1
    return places, ends


@kernel(nogil=True)
def _last(lengths: Array, limits: Array) -> tuple[Array, Array]:
    places = np.empty(lengths.shape[0], np.int32)
    for i in range(limits.shape[0] - 1):
        here = lengths[limits[i] : limits[i + 1]]
        starts = _starts(here)
        for b in range(here.shape[0]):
            places[limits[i] + b] = starts[here[b] - 1] + b
    return places, limits


@kernel(nogil=True)
def _texts(lengths: Array, limits: Array) -> tuple[Array, Array]:
    count = limits.shape[0] - 1
    ends = np.zeros(count + 1, np.int64)
    for i in range(count):
        ends[i + 1] = ends[i] + lengths[limits[i] : limits[i + 1]].sum()
    texts = np.empty(ends[count], np.int32)
    for i in range(count):
        here = lengths[limits[i] : limits[i + 1]]
        place, last = ends[i], here.shape[0]
        for t in range(here[0]):
            while here[last - 1] <= t:
                last -= 1
            for b in range(last):
                texts[place] = b
                place += 1
    return texts, ends


@kernel(nogil=True)
def _windows(lengths: Array, limits: Array, kernel_size: int) -> tuple[Array, Array, Array]:
    """Return the neighbourhoods, flat with -1 outside; their ends; the outputs' lengths."""
    count = limits.shape[0] - 1
    above = (lengths + 1) // 2
    ends = np.zeros(count + 1, np.int64)
    for i in range(count):
        ends[i + 1] = ends[i] + above[limits[i] : limits[i + 1]].sum() * kernel_size
    window = np.empty(ends[count], np.int64)
    for i in range(count):
        found, _, _ = _neighbourhoods(lengths[limits[i] : limits[i + 1]], kernel_size)
        window[ends[i] : ends[i + 1]] = found.ravel()
    return window, ends, above


@kernel(nogil=True)
def _resolved(
    window: Array, ends: Array, index: Array, source_ends: Array, outside: Array
) -> Array:
    """Return what the positions of a window point to in what is below, or `outside` of it."""
    places = np.empty(window.shape[0], np.int32)
    for i in range(ends.shape[0] - 1):
        for j in range(ends[i], ends[i + 1]):
            inside = window[j] >= 0
            places[j] = index[source_ends[i] + window[j]] if inside else outside[i]
    return places
