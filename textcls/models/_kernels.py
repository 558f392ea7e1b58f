"""Recurrent layers and pooling on the CPU, forward and backward, compiled by numba.

All of it works on *packed* texts, the layout of torch's `PackedSequence`: the batch is sorted by
length, longest first; the first tokens of all texts stand together, then the second tokens of the
texts that have one, and so on; `sizes[t]` says how many texts have a token t. So there is no
padding anywhere, and the states before a time step are one contiguous block of rows.

The input projection is one product over the batch's *distinct* rows (a batch of 32 news texts has
1,400 tokens but half as many distinct words); the recurrence reads it through `index`. The
recurrence runs in one compiled loop; weight gradients are one product at the end. H is rounded up
to P, a multiple of 8; the padding's weights are zero and its states stay zero.

The recurrence itself is Cho et al. 2014 (GRU, with the reset gate applied after the product, as in
cuDNN) and Elman 1990 (RNN). The tests hold it against the formulas written out step by step.

Arguments have the same meaning everywhere; arrays are C-contiguous, and d_x is the gradient of x:

    rows      float32 (distinct, D): the inputs, each distinct one once
    index     int32 (tokens,): the row of each packed token
    sizes     int64 (time,): texts that have a token t, descending
    lengths   int64 (batch,): tokens of each text, descending
    w_ih      float32 (G H, D), w_hh (G H, H), b_ih and b_hh (G H,), as in torch.nn.GRU: the G gates
              r, z, n below each other, or the one of an RNN
    reverse   whether texts are read from their ends
    states    float32 (tokens, P), in packed order; gates (tokens, 4 P): r, z, n and the recurrent
              part of n, which the backward pass needs
    keep      whether gates are returned; rows_too: whether the gradient of `rows` is
    hidden    H; pitch: P; tokens: their number
    where     int32 (batch, H): the packed token whose state was largest
"""

from typing import Any

import numpy as np

from textcls.compilation import kernel
from textcls.models import simd
from textcls.models.simd import add, at, fma, load, mul, splat, store, sub

Array = np.ndarray[Any, Any]
F0 = np.float32(0.0)
F1 = np.float32(1.0)


@kernel(nogil=True)
def _panels(b: Array, k: int, n: int) -> Array:
    """Rearrange (k, n) into panels of 16 columns, each contiguous: what `simd.matmul` reads fastest."""
    out = np.zeros(((n + 15) // 16, k, 16), np.float32)
    for panel in range(out.shape[0]):
        width = min(16, n - 16 * panel)
        for i in range(k):
            for j in range(width):
                out[panel, i, j] = b[i, 16 * panel + j]
    return out


@kernel(nogil=True)
def _transposed(weight: Array, gates: int, pitch: int) -> Array:
    """(gates * H, D) -> panels of (D, gates * P)."""
    hidden, depth = weight.shape[0] // gates, weight.shape[1]
    wide = np.zeros((depth, gates * pitch), np.float32)
    for gate in range(gates):
        for i in range(hidden):
            for d in range(depth):
                wide[d, gate * pitch + i] = weight[gate * hidden + i, d]
    return _panels(wide, depth, gates * pitch)


@kernel(nogil=True)
def _padded(weight: Array, gates: int, pitch: int) -> Array:
    """(gates * H, D) -> panels of (gates * P, D rounded up)."""
    hidden, depth = weight.shape[0] // gates, weight.shape[1]
    wide = np.zeros((gates * pitch, (depth + 7) // 8 * 8), np.float32)
    for gate in range(gates):
        for i in range(hidden):
            for d in range(depth):
                wide[gate * pitch + i, d] = weight[gate * hidden + i, d]
    return _panels(wide, gates * pitch, wide.shape[1])


@kernel(nogil=True)
def _unpadded(gradient: Array, gates: int, hidden: int, depth: int) -> Array:
    """(D or more, gates * P) -> (gates * H, D)."""
    pitch = gradient.shape[1] // gates
    out = np.empty((gates * hidden, depth), np.float32)
    for gate in range(gates):
        for i in range(hidden):
            for d in range(depth):
                out[gate * hidden + i, d] = gradient[d, gate * pitch + i]
    return out


@kernel(nogil=True)
def _bias(bias: Array, gates: int, pitch: int) -> Array:
    """(gates * H,) -> (gates * P,)."""
    hidden = bias.shape[0] // gates
    out = np.zeros(gates * pitch, np.float32)
    for gate in range(gates):
        for i in range(hidden):
            out[gate * pitch + i] = bias[gate * hidden + i]
    return out


@kernel(nogil=True)
def _project(rows: Array, weight: Array, bias: Array, width: int) -> Array:
    """(rows, D) -> (rows, width): the input's share of every gate, the bias included."""
    count, depth = rows.shape
    out = np.empty((count, width), np.float32)
    for i in range(count):
        for j in range(width):
            out[i, j] = bias[j]
    simd.matmul(rows, 0, depth, 1, weight, 0, 16, 16 * depth, out, 0, width, count, depth, width, 1)  # fmt: skip
    return out


@kernel(nogil=True)
def _starts(sizes: Array) -> Array:
    """(time,) -> (time + 1,): where each time step begins."""
    starts = np.zeros(sizes.shape[0] + 1, np.int64)
    for t in range(sizes.shape[0]):
        starts[t + 1] = starts[t] + sizes[t]
    return starts


@kernel(nogil=True)
def _carry_over(sizes: Array, t: int, reverse: bool) -> int:
    """Count the texts at t that have a state from the step before (in reading direction)."""
    if reverse:
        return sizes[t + 1] if t + 1 < sizes.shape[0] else 0
    return sizes[t] if t > 0 else 0


@kernel(nogil=True)
def _clear(rows: Array, first: int) -> None:
    for i in range(first, rows.shape[0]):
        for j in range(rows.shape[1]):
            rows[i, j] = F0


@kernel(nogil=True)
def _sum_onto(target: Array, begin: int, source: Array, first: int, width: int) -> None:
    """target[begin : begin + width] += the sum of source's rows over columns first : first + width."""
    out = at(target)
    pitch = source.shape[1]
    for i in range(source.shape[0]):
        row = at(source) + 4 * (i * pitch + first)
        for j in range(0, width, 8):
            store(out, begin + j, add(load(out, begin + j), load(row, j)))


@kernel(nogil=True)
def _weight_gradient(
    states: Array, deltas: Array, sizes: Array, starts: Array, reverse: bool, width: int
) -> Array:
    """Sum over steps of (state before)^T (delta): (P, width). Equal neighbours make one product."""
    pitch = states.shape[1]
    out = np.zeros((pitch, width), np.float32)
    step = 1 if reverse else -1  # where the state before is found
    t = 0
    while t < sizes.shape[0]:
        count = _carry_over(sizes, t, reverse)
        stop = t + 1
        if count:
            # While neighbours are equally long, both blocks go on without a gap: one product.
            even = sizes[t] == count and sizes[t + step] == count
            while even and stop < sizes.shape[0] and sizes[stop] == count and _carry_over(sizes, stop, reverse) == count:  # fmt: skip
                stop += 1
            before, here = starts[t + step] * pitch, starts[t] * width
            simd.matmul(states, before, 1, pitch, deltas, here, width, 16, out, 0, width, pitch, count * (stop - t), width, 1)  # fmt: skip
        t = stop
    return out


@kernel(nogil=True)
def gru_forward(
    rows: Array, index: Array, sizes: Array, w_ih: Array, w_hh: Array, b_ih: Array, b_hh: Array,
    reverse: bool, keep: bool,
) -> tuple[Array, Array]:  # fmt: skip
    """(rows, D), (tokens,), (time,) -> states (tokens, P) and, if `keep`, gates (tokens, 4 P).

    Weights are laid out as torch.nn.GRU has them: (3 H, D), (3 H, H), (3 H,), (3 H,), gates r, z, n.
    """
    hidden = w_hh.shape[1]
    pitch = (hidden + 7) // 8 * 8
    bias = _bias(b_ih, 3, pitch)
    bias_h = _bias(b_hh, 3, pitch)
    for j in range(2 * pitch):
        bias[j] += bias_h[j]
    projected = _project(rows, _transposed(w_ih, 3, pitch), bias, 3 * pitch)
    recurrent = _transposed(w_hh, 3, pitch)
    starts = _starts(sizes)
    tokens = index.shape[0]
    states = np.empty((tokens, pitch), np.float32)
    gates = np.empty((tokens if keep else 0, 4 * pitch), np.float32)
    product = np.zeros((sizes[0], 3 * pitch), np.float32)
    nothing = np.zeros(3 * pitch, np.float32)
    time = sizes.shape[0]
    for i in range(time):
        t = time - 1 - i if reverse else i
        count = _carry_over(sizes, t, reverse)
        before = 0
        if count:
            before = pitch * (starts[t + 1] if reverse else starts[t - 1])
            simd.matmul(states, before, pitch, 1, recurrent, 0, 16, 16 * hidden, product, 0, 3 * pitch, count, hidden, 3 * pitch, 0)  # fmt: skip
        for b in range(sizes[t]):
            token = starts[t] + b
            x = at(projected) + 4 * 3 * pitch * index[token]
            u = at(nothing)
            h = at(nothing)
            if b < count:
                u = at(product) + 4 * 3 * pitch * b
                h = at(states) + 4 * (before + pitch * b)
            out = at(states) + 4 * pitch * token
            kept = at(gates) + 4 * 4 * pitch * token
            for j in range(0, pitch, 8):
                r = simd.sigmoid(add(load(x, j), load(u, j)))
                z = simd.sigmoid(add(load(x, pitch + j), load(u, pitch + j)))
                hn = add(load(u, 2 * pitch + j), load(at(bias_h), 2 * pitch + j))
                n = simd.tanh(fma(r, hn, load(x, 2 * pitch + j)))
                store(out, j, fma(z, sub(load(h, j), n), n))
                if keep:
                    store(kept, j, r)
                    store(kept, pitch + j, z)
                    store(kept, 2 * pitch + j, n)
                    store(kept, 3 * pitch + j, hn)
    return states, gates


@kernel(nogil=True)
def gru_backward(
    d_states: Array, rows: Array, index: Array, sizes: Array, w_ih: Array, w_hh: Array,
    states: Array, gates: Array, reverse: bool, rows_too: bool,
) -> tuple[Array, Array, Array, Array, Array]:  # fmt: skip
    """Gradients of rows (rows, D rounded up; empty unless `rows_too`), w_ih, w_hh, b_ih, b_hh."""
    hidden = w_hh.shape[1]
    pitch = states.shape[1]
    width = 3 * pitch
    starts = _starts(sizes)
    weight = _padded(w_hh, 3, pitch)
    deltas = np.empty((index.shape[0], width), np.float32)  # of the recurrent products: r, z, n
    d_projected = np.zeros((rows.shape[0], width), np.float32)
    carry = np.zeros((sizes[0], pitch), np.float32)
    nothing = np.zeros(pitch, np.float32)
    one = splat(F1)
    time = sizes.shape[0]
    for i in range(time):
        t = i if reverse else time - 1 - i
        count = _carry_over(sizes, t, reverse)
        before = at(states) + 4 * pitch * (starts[t + 1] if reverse else starts[t - 1])
        for b in range(sizes[t]):
            token = starts[t] + b
            h = before + 4 * pitch * b if b < count else at(nothing)
            onto = at(carry) + 4 * pitch * b
            d_out = at(d_states) + 4 * pitch * token
            kept = at(gates) + 4 * 4 * pitch * token
            delta = at(deltas) + 4 * width * token
            d_x = at(d_projected) + 4 * width * index[token]
            for j in range(0, pitch, 8):
                r, z = load(kept, j), load(kept, pitch + j)
                n, hn = load(kept, 2 * pitch + j), load(kept, 3 * pitch + j)
                d_h = add(load(d_out, j), load(onto, j))
                d_n = mul(mul(d_h, sub(one, z)), sub(one, mul(n, n)))
                d_hn = mul(d_n, r)
                d_r = mul(mul(d_n, hn), mul(r, sub(one, r)))
                d_z = mul(mul(d_h, sub(load(h, j), n)), mul(z, sub(one, z)))
                store(onto, j, mul(d_h, z))
                store(delta, j, d_r)
                store(delta, pitch + j, d_z)
                store(delta, 2 * pitch + j, d_hn)
                store(d_x, j, add(load(d_x, j), d_r))
                store(d_x, pitch + j, add(load(d_x, pitch + j), d_z))
                store(d_x, 2 * pitch + j, add(load(d_x, 2 * pitch + j), d_n))
        if count:
            simd.matmul(deltas, width * starts[t], width, 1, weight, 0, 16, 16 * width, carry, 0, pitch, count, width, pitch, 1)  # fmt: skip
        _clear(carry, count)
    d_bias = np.zeros(width, np.float32)
    d_bias_h = np.zeros(width, np.float32)
    _sum_onto(d_bias, 0, d_projected, 0, width)
    for j in range(2 * pitch):
        d_bias_h[j] = d_bias[j]
    _sum_onto(d_bias_h, 2 * pitch, deltas, 2 * pitch, pitch)
    d_w_hh = _unpadded(
        _weight_gradient(states, deltas, sizes, starts, reverse, width), 3, hidden, hidden
    )
    d_rows, d_w_ih = _input_gradients(rows, d_projected, w_ih, 3, pitch, rows_too)
    return d_rows, d_w_ih, d_w_hh, _trim(d_bias, 3, hidden), _trim(d_bias_h, 3, hidden)


@kernel(nogil=True)
def _trim(bias: Array, gates: int, hidden: int) -> Array:
    """(gates * P,) -> (gates * H,)."""
    pitch = bias.shape[0] // gates
    out = np.empty(gates * hidden, np.float32)
    for gate in range(gates):
        for i in range(hidden):
            out[gate * hidden + i] = bias[gate * pitch + i]
    return out


@kernel(nogil=True)
def _input_gradients(
    rows: Array, d_projected: Array, w_ih: Array, gates: int, pitch: int, rows_too: bool
) -> tuple[Array, Array]:
    """Gradients of the distinct rows and of the input weights from that of the projection."""
    count, depth = rows.shape
    width = gates * pitch
    wide = np.empty((depth, width), np.float32)
    simd.matmul(rows, 0, 1, depth, d_projected, 0, width, 16, wide, 0, width, depth, count, width, 0)  # fmt: skip
    padded = (depth + 7) // 8 * 8
    d_rows = np.empty((count if rows_too else 0, padded), np.float32)
    if rows_too:
        weight = _padded(w_ih, gates, pitch)
        simd.matmul(d_projected, 0, width, 1, weight, 0, 16, 16 * width, d_rows, 0, padded, count, width, padded, 0)  # fmt: skip
    return d_rows, _unpadded(wide, gates, w_ih.shape[0] // gates, depth)


@kernel(nogil=True)
def rnn_forward(
    rows: Array, index: Array, sizes: Array, w_ih: Array, w_hh: Array, b_ih: Array, b_hh: Array, reverse: bool
) -> Array:  # fmt: skip
    """(rows, D), (tokens,), (time,) -> states (tokens, P), tanh of input plus recurrence."""
    hidden = w_hh.shape[1]
    pitch = (hidden + 7) // 8 * 8
    bias, bias_h = _bias(b_ih, 1, pitch), _bias(b_hh, 1, pitch)
    for j in range(pitch):
        bias[j] += bias_h[j]
    projected = _project(rows, _transposed(w_ih, 1, pitch), bias, pitch)
    recurrent = _transposed(w_hh, 1, pitch)
    starts = _starts(sizes)
    states = np.empty((index.shape[0], pitch), np.float32)
    time = sizes.shape[0]
    for i in range(time):
        t = time - 1 - i if reverse else i
        count = _carry_over(sizes, t, reverse)
        for b in range(sizes[t]):
            token = starts[t] + b
            for j in range(pitch):
                states[token, j] = projected[index[token], j]
        here = at(states) + 4 * pitch * starts[t]
        if count:
            before = pitch * (starts[t + 1] if reverse else starts[t - 1])
            simd.matmul(states, before, pitch, 1, recurrent, 0, 16, 16 * hidden, states, pitch * starts[t], pitch, count, hidden, pitch, 1)  # fmt: skip
        for j in range(0, pitch * sizes[t], 8):
            store(here, j, simd.tanh(load(here, j)))
    return states


@kernel(nogil=True)
def rnn_backward(
    d_states: Array, rows: Array, index: Array, sizes: Array, w_ih: Array, w_hh: Array, states: Array,
    reverse: bool, rows_too: bool,
) -> tuple[Array, Array, Array, Array]:  # fmt: skip
    """Gradients of rows (rows, D rounded up; empty unless `rows_too`), w_ih, w_hh and either bias."""
    hidden = w_hh.shape[1]
    pitch = states.shape[1]
    starts = _starts(sizes)
    weight = _padded(w_hh, 1, pitch)
    deltas = np.empty((index.shape[0], pitch), np.float32)
    d_projected = np.zeros((rows.shape[0], pitch), np.float32)
    carry = np.zeros((sizes[0], pitch), np.float32)
    one = splat(F1)
    time = sizes.shape[0]
    for i in range(time):
        t = i if reverse else time - 1 - i
        count = _carry_over(sizes, t, reverse)
        for b in range(sizes[t]):
            token = starts[t] + b
            onto = at(carry) + 4 * pitch * b
            d_out = at(d_states) + 4 * pitch * token
            out = at(states) + 4 * pitch * token
            delta = at(deltas) + 4 * pitch * token
            d_x = at(d_projected) + 4 * pitch * index[token]
            for j in range(0, pitch, 8):
                h = load(out, j)
                d = mul(add(load(d_out, j), load(onto, j)), sub(one, mul(h, h)))
                store(delta, j, d)
                store(d_x, j, add(load(d_x, j), d))
        if count:
            simd.matmul(deltas, pitch * starts[t], pitch, 1, weight, 0, 16, 16 * pitch, carry, 0, pitch, count, pitch, pitch, 0)  # fmt: skip
        _clear(carry, count)
    d_bias = np.zeros(pitch, np.float32)
    _sum_onto(d_bias, 0, d_projected, 0, pitch)
    d_w_hh = _unpadded(
        _weight_gradient(states, deltas, sizes, starts, reverse, pitch), 1, hidden, hidden
    )
    d_rows, d_w_ih = _input_gradients(rows, d_projected, w_ih, 1, pitch, rows_too)
    return d_rows, d_w_ih, d_w_hh, _trim(d_bias, 1, hidden)


@kernel(nogil=True)
def max_forward(states: Array, sizes: Array, hidden: int) -> tuple[Array, Array]:
    """(tokens, P) -> the largest of each text (batch, H) and the packed row it came from."""
    starts = _starts(sizes)
    best = np.empty((sizes[0], hidden), np.float32)
    where = np.empty((sizes[0], hidden), np.int32)
    for b in range(sizes[0]):
        for j in range(hidden):
            best[b, j] = states[b, j]
            where[b, j] = b
    for t in range(1, sizes.shape[0]):
        for b in range(sizes[t]):
            token = starts[t] + b
            for j in range(hidden):
                if states[token, j] > best[b, j]:
                    best[b, j] = states[token, j]
                    where[b, j] = token
    return best, where


@kernel(nogil=True)
def max_backward(d_pooled: Array, where: Array, tokens: int, pitch: int) -> Array:
    """(batch, H) -> (tokens, P): each gradient goes to the state that was largest."""
    out = np.zeros((tokens, pitch), np.float32)
    for b in range(where.shape[0]):
        for j in range(where.shape[1]):
            out[where[b, j], j] += d_pooled[b, j]
    return out


@kernel(nogil=True)
def mean_forward(states: Array, sizes: Array, lengths: Array, hidden: int) -> Array:
    """(tokens, P) -> the mean of each text's states (batch, H)."""
    starts = _starts(sizes)
    total = np.zeros((sizes[0], hidden), np.float32)
    for t in range(sizes.shape[0]):
        for b in range(sizes[t]):
            for j in range(hidden):
                total[b, j] += states[starts[t] + b, j]
    for b in range(sizes[0]):
        for j in range(hidden):
            total[b, j] /= np.float32(lengths[b])
    return total


@kernel(nogil=True)
def mean_backward(d_pooled: Array, sizes: Array, lengths: Array, tokens: int, pitch: int) -> Array:
    """(batch, H) -> (tokens, P): each state gets its share."""
    starts = _starts(sizes)
    out = np.zeros((tokens, pitch), np.float32)
    hidden = d_pooled.shape[1]
    for t in range(sizes.shape[0]):
        for b in range(sizes[t]):
            share = F1 / np.float32(lengths[b])
            for j in range(hidden):
                out[starts[t] + b, j] = d_pooled[b, j] * share
    return out


@kernel(nogil=True)
def neighbourhoods(lengths: Array, kernel_size: int) -> tuple[Array, Array, Array]:
    """(batch,) descending -> packed positions (outputs, kernel_size), lengths (batch,), sizes (time,).

    Output i of a text sees its tokens 2 i - (kernel_size - 1) // 2 and the following; -1 is outside.
    """
    texts = lengths.shape[0]
    starts = np.zeros(lengths[0] + 1, np.int64)
    count = texts
    for t in range(lengths[0]):
        while lengths[count - 1] <= t:
            count -= 1
        starts[t + 1] = starts[t] + count
    shorter = (lengths + 1) // 2
    sizes = np.empty(shorter[0], np.int64)
    window = np.empty((shorter.sum(), kernel_size), np.int64)
    count, row = texts, 0
    for t in range(shorter[0]):
        while shorter[count - 1] <= t:
            count -= 1
        sizes[t] = count
        for b in range(count):
            for tap in range(kernel_size):
                source = 2 * t + tap - (kernel_size - 1) // 2
                inside = 0 <= source < lengths[b]
                window[row, tap] = starts[source] + b if inside else -1
            row += 1
    return window, shorter, sizes
