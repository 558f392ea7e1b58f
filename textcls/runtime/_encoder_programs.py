"""Programs that run the encoders and make probabilities of their outputs.

They take addresses and numbers only, call nothing of numba's run time and nothing of Python's, so
their machine code is kept in a file and loaded without numba (`_machine_code`). This module imports
numba and is imported where the code is to be compiled.

Each treats a text by itself, in the same order of operations whatever stands beside it: a text's
result does not depend on the other texts, bit for bit.

Arguments have the same meaning everywhere. Arrays are pointers (`SIGNATURES` has their types) to
numbers that lie row by row, and nothing checks a bound; what is written is the last array, or is
said to be scratch:

    texts, tokens, time   how many of each; time: tokens of the longest text
    hidden, pitch         H units, and P: the same rounded up to a multiple of 8
    ends                  int64 (texts + 1,): text i has the tokens from ends[i] to ends[i + 1]
    order                 int64 (texts,): the texts, longest first
    index                 int32 (tokens,): the row of each token in the array beside it
    sizes                 int64 (time,): texts that have a token t, when packed by time
    panels                a matrix cut into panels of 16 columns, as `simd.product` wants it
    reverse               1 where texts are read from their ends
    width, offset         columns of a row of `out`, and the first that is written
    pooling               0 the last state, 1 the largest, 2 the mean
"""

import math
from typing import Any

import numpy as np

from textcls.models.simd import add, fma, load, maximum, product, sigmoid, splat, store, sub, tanh
from textcls.runtime._program_parts import (
    DOUBLES,
    FLOATS,
    INTS,
    LONGS,
    NUMBER,
    Signatures,
    address,
    part,
)

_LAST, _MAX = 0, 1  # poolings; the third is the mean
F0 = np.float32(0.0)


def find_distinct(tokens: Any, count: int, marks: Any, rows: Any, index: Any, found: Any) -> None:
    """List the distinct words of tokens in `rows` and their places in `index`, int32.

    marks: int32 (vocabulary,), -1 before and after; found[0] becomes their number.
    """
    distinct = 0
    for j in range(count):
        word = tokens[j]
        if marks[word] < 0:
            marks[word] = distinct
            rows[distinct] = word
            distinct += 1
        index[j] = marks[word]
    for j in range(distinct):
        marks[rows[j]] = -1
    found[0] = distinct


def project(
    rows: Any, count: int, depth: int, panels: Any, bias: Any, width: int, out: Any, relu: int
) -> None:
    """(count, depth) times panels of (depth, width) plus a bias, perhaps its positive part."""
    into = address(out)
    for i in range(count):
        for j in range(0, width, 8):
            store(into, i * width + j, load(address(bias), j))
    product(address(rows), depth, 1, address(panels), 16, 16 * depth, into, width, count, depth, width, 1)  # fmt: skip
    if relu:
        for j in range(0, count * width, 8):
            store(into, j, maximum(load(into, j), splat(F0)))


@part
def _carried(sizes: Any, time: int, t: int, reverse: int) -> Any:
    """Count the texts at t that have a state from the step before (in reading direction)."""
    if reverse:
        return sizes[t + 1] if t + 1 < time else np.int64(0)
    return sizes[t] if t > 0 else np.int64(0)


def pack(
    ends: Any, order: Any, texts: int, source: Any, index: Any, sizes: Any, found: Any
) -> None:
    """Pack texts, longest first in `order`, by time: index (tokens,) and sizes (time,).

    source: what stands for each token; found[0] becomes the number of time steps.
    """
    first = order[0]
    time = ends[first + 1] - ends[first]
    last, at = texts, 0
    for t in range(time):
        while ends[order[last - 1] + 1] - ends[order[last - 1]] <= t:
            last -= 1
        for b in range(last):
            index[at] = source[ends[order[b]] + t]
            at += 1
        sizes[t] = last
    found[0] = time


def run_gru(
    projected: Any, index: Any, sizes: Any, time: int, panels: Any, bias: Any, hidden: int,
    pitch: int, states: Any, scratch: Any, reverse: int, tokens: int,
) -> None:  # fmt: skip
    """Read packed texts: projected (words, 3 P) through index (tokens,) -> states (tokens, P).

    panels: of the recurrent weights (H, 3 P); bias: (P,), of the candidate's recurrent part, the
    others are in `projected`; scratch: (batch, 3 P).
    """
    out, x, u, b_n = address(states), address(projected), address(scratch), address(bias)
    start = tokens if reverse else 0
    for i in range(time):
        t = time - 1 - i if reverse else i
        count = _carried(sizes, time, t, reverse)
        if reverse:
            start -= sizes[t]
        before = out + 4 * pitch * (start + sizes[t]) if reverse else out
        if not reverse and t > 0:
            before = out + 4 * pitch * (start - sizes[t - 1])
        if count:
            product(before, pitch, 1, address(panels), 16, 16 * hidden, u, 3 * pitch, count, hidden, 3 * pitch, 0)  # fmt: skip
        for b in range(sizes[t]):
            token = start + b
            here = out + 4 * pitch * token
            word = x + 4 * 3 * pitch * np.int64(index[token])
            if b < count:
                own, h = u + 4 * 3 * pitch * b, before + 4 * pitch * b
                for j in range(0, pitch, 8):
                    r = sigmoid(add(load(word, j), load(own, j)))
                    z = sigmoid(add(load(word, pitch + j), load(own, pitch + j)))
                    hn = add(load(own, 2 * pitch + j), load(b_n, j))
                    n = tanh(fma(r, hn, load(word, 2 * pitch + j)))
                    store(here, j, fma(z, sub(load(h, j), n), n))
            else:
                zero = splat(F0)
                for j in range(0, pitch, 8):
                    r = sigmoid(load(word, j))
                    z = sigmoid(load(word, pitch + j))
                    n = tanh(fma(r, load(b_n, j), load(word, 2 * pitch + j)))
                    store(here, j, fma(z, sub(zero, n), n))
        if not reverse:
            start += sizes[t]


def run_rnn(
    projected: Any, index: Any, sizes: Any, time: int, panels: Any, hidden: int, pitch: int,
    states: Any, reverse: int, tokens: int,
) -> None:  # fmt: skip
    """Read packed texts: projected (words, P) through index (tokens,) -> states (tokens, P)."""
    out, x = address(states), address(projected)
    start = tokens if reverse else 0
    for i in range(time):
        t = time - 1 - i if reverse else i
        count = _carried(sizes, time, t, reverse)
        if reverse:
            start -= sizes[t]
        here = out + 4 * pitch * start
        for b in range(sizes[t]):
            word = x + 4 * pitch * np.int64(index[start + b])
            for j in range(0, pitch, 8):
                store(here, pitch * b + j, load(word, j))
        if count:
            before = out + 4 * pitch * ((start + sizes[t]) if reverse else (start - sizes[t - 1]))
            product(before, pitch, 1, address(panels), 16, 16 * hidden, here, pitch, count, hidden, pitch, 1)  # fmt: skip
        for j in range(0, pitch * sizes[t], 8):
            store(here, j, tanh(load(here, j)))
        if not reverse:
            start += sizes[t]


def gather_states(
    states: Any, tokens: int, pitch: int, hidden: int, out: Any, width: int, offset: int
) -> None:
    """(tokens, P) -> columns offset : offset + H of (tokens, width), for the next layer."""
    for i in range(tokens):
        for j in range(hidden):
            out[i * width + offset + j] = states[i * pitch + j]


def pool_packed(
    states: Any, sizes: Any, time: int, pitch: int, hidden: int, pooling: int,
    reverse: int, order: Any, out: Any, width: int, offset: int,
) -> None:  # fmt: skip
    """(tokens, P) -> columns offset : offset + H of the rows `order` of (texts, width)."""
    start = 0
    for t in range(time):
        for b in range(sizes[t]):
            row = order[b] * width + offset
            state = (start + b) * pitch
            is_last = t + 1 == time or b >= sizes[t + 1]
            for j in range(hidden):
                value = states[state + j]
                if t == 0:
                    if pooling != _LAST or reverse or is_last:
                        out[row + j] = value
                elif pooling == _MAX:
                    out[row + j] = max(out[row + j], value)
                elif pooling == _LAST:
                    if is_last and not reverse:
                        out[row + j] = value
                else:
                    out[row + j] += value
            if pooling > _MAX and is_last:
                for j in range(hidden):
                    out[row + j] /= np.float32(t + 1)
        start += sizes[t]


def convolve(
    vectors: Any, index: Any, ends: Any, texts: int, depth: int, kernel_size: int, blocks: int,
    hidden: int, pitch: int, panels: Any, biases: Any, first: Any, second: Any, window: Any,
    pooling: int, out: Any, width: int, offset: int,
) -> None:  # fmt: skip
    """Run a branch of convolutions of stride 2, each with its positive part, and pool.

    vectors: (words, depth), read through index (tokens,). panels, biases: addresses of each
    block's weights, panels of (kernel_size * inputs, P), and biases (P,), batch normalisation
    within them. first, second: scratch (longest text, P); window: (longest, kernel_size * inputs).
    """
    for i in range(texts):
        length = ends[i + 1] - ends[i]
        for block in range(blocks):
            inputs = depth if block == 0 else hidden
            source = first if block % 2 else second
            target = second if block % 2 else first
            shorter = (length + 1) // 2
            for t in range(shorter):
                for tap in range(kernel_size):
                    at = 2 * t + tap - (kernel_size - 1) // 2
                    onto = (t * kernel_size + tap) * inputs
                    if at < 0 or at >= length:
                        for j in range(inputs):
                            window[onto + j] = F0
                    elif block == 0:
                        word = np.int64(index[ends[i] + at]) * depth
                        for j in range(inputs):
                            window[onto + j] = vectors[word + j]
                    else:
                        for j in range(inputs):
                            window[onto + j] = source[at * pitch + j]
            into = address(target)
            taps = kernel_size * inputs
            for t in range(shorter):
                for j in range(0, pitch, 8):
                    store(into, t * pitch + j, load(np.intp(biases[block]), j))
            product(address(window), taps, 1, np.intp(panels[block]), 16, 16 * taps, into, pitch, shorter, taps, pitch, 1)  # fmt: skip
            for j in range(0, shorter * pitch, 8):
                store(into, j, maximum(load(into, j), splat(F0)))
            length = shorter
        final = first if blocks % 2 else second
        row = i * width + offset
        for t in range(length):
            for j in range(hidden):
                value = final[t * pitch + j]
                if t == 0:
                    out[row + j] = value
                elif pooling == _MAX:
                    out[row + j] = max(out[row + j], value)
                else:
                    out[row + j] += value
        if pooling > _MAX:
            for j in range(hidden):
                out[row + j] /= np.float32(length)


def finish(
    outputs: Any, pitch: int, texts: int, classes: int, with_ngrams: int, ngrams: Any,
    with_linear: int, linear: Any, linear_weight: Any, logits: Any,
) -> None:  # fmt: skip
    """Join the encoder's outputs (texts, P) with other scores: float32 logits (texts, classes)."""
    for i in range(texts):
        at = i * classes
        largest = -math.inf
        for c in range(classes):
            value = np.float64(outputs[i * pitch + c])
            if with_ngrams:
                value += ngrams[at + c]
            logits[at + c] = value
            largest = max(largest, value)
        if with_linear:
            total = 0.0
            for c in range(classes):
                total += math.exp(np.float64(logits[at + c]) - largest)
            norm = largest + math.log(total)
            for c in range(classes):
                logits[at + c] = (
                    np.float64(logits[at + c]) - norm + linear_weight[0] * linear[at + c]
                )


def softmax(logits: Any, texts: int, classes: int, temperature: Any, out: Any) -> None:
    """Turn logits (texts, classes), divided by a temperature, into probabilities, float32.

    `temperature`: it and the power of 1 + the gap between a text's two largest logits that it is
    multiplied by.
    """
    for i in range(texts):
        at = i * classes
        largest = second = -math.inf
        for c in range(classes):
            value = np.float64(logits[at + c])
            if value > largest:
                largest, second = value, largest
            else:
                second = max(second, value)
        divisor = temperature[0]
        if classes > 1 and temperature[1] != 0.0:
            divisor *= (1.0 + largest - second) ** temperature[1]
        total = 0.0
        for c in range(classes):
            total += math.exp((np.float64(logits[at + c]) - largest) / divisor)
        for c in range(classes):
            out[at + c] = math.exp((np.float64(logits[at + c]) - largest) / divisor) / total


SIGNATURES: Signatures = {
    find_distinct: (INTS, NUMBER, INTS, INTS, INTS, LONGS),
    project: (FLOATS, NUMBER, NUMBER, FLOATS, FLOATS, NUMBER, FLOATS, NUMBER),
    pack: (LONGS, LONGS, NUMBER, INTS, INTS, LONGS, LONGS),
    run_gru: (
        *(FLOATS, INTS, LONGS, NUMBER, FLOATS, FLOATS, NUMBER, NUMBER, FLOATS, FLOATS),
        *(NUMBER, NUMBER),
    ),
    run_rnn: (FLOATS, INTS, LONGS, NUMBER, FLOATS, NUMBER, NUMBER, FLOATS, NUMBER, NUMBER),
    gather_states: (FLOATS, NUMBER, NUMBER, NUMBER, FLOATS, NUMBER, NUMBER),
    pool_packed: (
        *(FLOATS, LONGS, NUMBER, NUMBER, NUMBER, NUMBER, NUMBER, LONGS, FLOATS),
        *(NUMBER, NUMBER),
    ),
    convolve: (
        *(FLOATS, INTS, LONGS, NUMBER, NUMBER, NUMBER, NUMBER, NUMBER, NUMBER, LONGS, LONGS),
        *(FLOATS, FLOATS, FLOATS, NUMBER, FLOATS, NUMBER, NUMBER),
    ),
    finish: (
        *(FLOATS, NUMBER, NUMBER, NUMBER, NUMBER, DOUBLES, NUMBER, DOUBLES, DOUBLES),
        FLOATS,
    ),
    softmax: (FLOATS, NUMBER, NUMBER, DOUBLES, FLOATS),
}
