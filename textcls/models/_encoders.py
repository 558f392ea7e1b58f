"""CNN, RNN and GRU encoders: from the words of a batch of texts to one vector per text.

Every encoder works on packed texts (`textcls.text.batching.Batch`), so padding enters neither the
recurrence nor a convolution's statistics nor the pooling: there is none. Each exists twice: as
plain torch, which cuDNN runs on a GPU, and for the CPU through the compiled kernels. Both give the
same numbers; tests compare them.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from textcls.config.models import ModelConfig
from textcls.models import _kernels, _layouts
from textcls.text.batching import Batch, Packed, Part, places_of

RNN_MEMORY = 0.5
"""The multiple of the identity. Last state, one epoch of AG News, mean of two seeds: 0.72 at a
learning rate of 1e-2 and 0.86 at 1e-3; an orthogonal matrix gives 0.64 and 0.85."""


def build_encoder(input_dim: int, model: ModelConfig, *, compiled: bool) -> "Encoder":
    """Build the encoder that a configuration names, with new weights.

    Args:
        input_dim: Length of a word's vector.
        model: The settings.
        compiled: Whether it uses the compiled kernels, which run on the CPU only.
    """
    if model.name == "cnn":
        return ConvolutionalEncoder(input_dim, model, compiled=compiled)
    return RecurrentEncoder(input_dim, model, compiled=compiled)


class Encoder(nn.Module):
    """Turn a batch's words into one vector per text."""

    output_dim: int
    compiled: bool = False

    def forward(self, rows: Tensor, batch: Batch) -> Tensor:
        """Encode a batch.

        Args:
            rows: The vectors of the batch's distinct words, float32 (distinct, input_dim).
            batch: The texts, packed by time.

        Returns:
            float32 (batch, output_dim), longest text first.
        """
        raise NotImplementedError

    def plain_layout(self, packed: Packed) -> list[Part]:  # noqa: ARG002
        """Return the places that the plain torch path gathers from each batch of a chunk."""
        return []


class RecurrentEncoder(Encoder):
    """Stacked, optionally bidirectional tanh RNN or GRU, and a pooling over its states.

    The weights are those of torch.nn.RNN and torch.nn.GRU, with the same names. Input weights start
    uniform (Glorot and Bengio 2010), biases at zero, a GRU's recurrent matrices orthogonal, gate by
    gate (Saxe et al. 2014), an RNN's as a multiple of the identity (Le, Jaitly and Hinton 2015).
    """

    def __init__(self, input_dim: int, model: ModelConfig, *, compiled: bool) -> None:
        super().__init__()
        cell = nn.GRU if model.name == "gru" else nn.RNN
        self.recurrence = cell(
            input_dim, model.hidden_size, model.layers, bidirectional=model.bidirectional
        )
        self.directions = 2 if model.bidirectional else 1
        self.output_dim = model.hidden_size * self.directions
        self.pooling = model.pooling
        self.compiled = compiled
        for name, weight in self.recurrence.named_parameters():
            _initialise(name, weight, model)

    def forward(self, rows: Tensor, batch: Batch) -> Tensor:
        """Encode a batch: distinct words' vectors (distinct, input_dim) -> (batch, output_dim)."""
        if self.compiled:
            return self._forward_compiled(rows, batch)
        places = places_of(batch, self.plain_layout)
        states = self._states(rows.index_select(0, batch.index), batch)
        if self.pooling != "last":
            return pool(states, places, self.pooling, len(batch.lengths))
        hidden = self.recurrence.hidden_size
        forward = states.index_select(0, places[0])
        if self.directions == 1:
            return forward
        # The backward direction has read the whole text when it stands on its first token.
        return torch.cat([forward[:, :hidden], states[: len(batch.lengths), hidden:]], dim=1)

    def _states(self, tokens: Tensor, batch: Batch) -> Tensor:
        """Return the last layer's states: (tokens, input_dim) -> (tokens, output_dim)."""
        cell, texts = self.recurrence, len(batch.lengths)
        start = tokens.new_zeros(cell.num_layers * self.directions, texts, cell.hidden_size)
        weights: list[Tensor] = [weight for layer in cell.all_weights for weight in layer]
        # What torch.nn.GRU calls, without its look at the number of texts.
        function = torch.gru if isinstance(cell, nn.GRU) else torch.rnn_tanh
        states: Tensor = function(
            tokens,
            batch.sizes,
            start,
            weights,
            True,  # biases
            cell.num_layers,
            0.0,  # dropout between layers
            self.training,
            cell.bidirectional,
        )[0]
        return states

    def plain_layout(self, packed: Packed) -> list[Part]:
        """Return the places that the pooling gathers."""
        layouts = {
            "last": _layouts.last_layout,
            "max": _layouts.padded_layout,
            "mean": _layouts.mean_layout,
        }
        return layouts[self.pooling](packed)

    def _forward_compiled(self, rows: Tensor, batch: Batch) -> Tensor:
        hidden = self.recurrence.hidden_size
        index = batch.index
        for layer in range(self.recurrence.num_layers):
            states = [
                self._direction(rows, index, batch.sizes, layer, reverse)
                for reverse in range(self.directions)
            ]
            if layer + 1 < self.recurrence.num_layers:
                rows = torch.cat([s[:, :hidden] for s in states], dim=1)
                index = torch.arange(len(rows), dtype=torch.int32)
        pooled = [
            _Pool.apply(s, batch, self.pooling, hidden, bool(reverse))
            for reverse, s in enumerate(states)
        ]
        return pooled[0] if self.directions == 1 else torch.cat(pooled, dim=1)

    def _direction(
        self, rows: Tensor, index: Tensor, sizes: Tensor, layer: int, reverse: int
    ) -> Tensor:
        suffix = f"_l{layer}" + ("_reverse" if reverse else "")
        weights = [
            getattr(self.recurrence, name + suffix)
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        ]
        function = _GRULayer if isinstance(self.recurrence, nn.GRU) else _RNNLayer
        states: Tensor = function.apply(rows, *weights, index, sizes, bool(reverse))
        return states


@torch.no_grad()
def _initialise(name: str, weight: Tensor, model: ModelConfig) -> None:
    if model.init == "uniform":
        nn.init.uniform_(weight)
    elif name.startswith("bias"):
        nn.init.zeros_(weight)
    elif name.startswith("weight_hh") and model.name == "rnn":
        nn.init.eye_(weight)
        weight.mul_(RNN_MEMORY)
    else:
        start = nn.init.orthogonal_ if name.startswith("weight_hh") else nn.init.xavier_uniform_
        for gate in weight.split(model.hidden_size):
            start(gate)


class ConvolutionalEncoder(Encoder):
    """Blocks of convolution (stride 2), batch normalisation and ReLU, then max or mean over time.

    Each kernel size is a branch of its own (Kim 2014); the branches' vectors stand side by side.
    A convolution is one product over the gathered neighbourhoods of all texts of the batch, so
    the statistics of the normalisation see words only.
    """

    def __init__(self, input_dim: int, model: ModelConfig, *, compiled: bool) -> None:
        super().__init__()
        self.kernel_sizes, self.blocks = model.kernel_sizes, model.blocks
        self.output_dim = model.hidden_size * len(model.kernel_sizes)
        self.pooling = "mean" if model.pooling == "mean" else "max"
        self.compiled = compiled
        self.branches = nn.ModuleList(
            nn.ModuleList(
                _ConvolutionBlock(
                    input_dim if i == 0 else model.hidden_size, model.hidden_size, size
                )
                for i in range(model.blocks)
            )
            for size in model.kernel_sizes
        )

    def forward(self, rows: Tensor, batch: Batch) -> Tensor:
        """Encode a batch: distinct words' vectors (distinct, input_dim) -> (batch, output_dim)."""
        if not self.compiled:
            return self._forward_plain(rows, batch)
        return torch.cat([self._branch(branch, rows, batch) for branch in self.branches], dim=1)

    def _forward_plain(self, rows: Tensor, batch: Batch) -> Tensor:
        places, vectors = list(places_of(batch, self.plain_layout)), []
        for blocks in self.branches:
            states = rows
            for block in blocks:  # type: ignore[attr-defined]  # a ModuleList of blocks
                states = block.forward_plain(states, places.pop(0))
            arrays = [places.pop(0) for _ in range(2 if self.pooling == "mean" else 1)]
            vectors.append(pool(states, tuple(arrays), self.pooling, len(batch.lengths)))
        return vectors[0] if len(vectors) == 1 else torch.cat(vectors, dim=1)

    def plain_layout(self, packed: Packed) -> list[Part]:
        """Return the neighbourhoods of all branches and blocks, and what the poolings gather."""
        return _layouts.convolution_layout(packed, self.kernel_sizes, self.blocks, self.pooling)

    def _branch(self, blocks: Any, rows: Tensor, batch: Batch) -> Tensor:
        states, lengths = rows, batch.lengths
        index: Tensor | None = batch.index
        for block in blocks:
            window, lengths, sizes = batch_neighbourhoods(lengths, block.kernel_size)
            states = block(states, index, window)
            index = None
        shorter = Batch(batch.rows, batch.index, sizes, lengths, batch.labels)
        pooled: Tensor = _Pool.apply(states, shorter, self.pooling, states.shape[1], False)
        return pooled


class _ConvolutionBlock(nn.Module):
    def __init__(self, input_dim: int, output_dim: int, kernel_size: int) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.convolution = nn.Conv1d(input_dim, output_dim, kernel_size)
        self.norm = nn.BatchNorm1d(output_dim)

    def forward(self, states: Tensor, index: Tensor | None, window: Tensor) -> Tensor:
        """(rows, input_dim), (tokens,) or None, (outputs, kernel_size) -> (outputs, output_dim)."""
        where = window.to(states.device).flatten()
        outside = where < 0
        where = where.clamp(min=0)
        if index is not None:
            where = index.index_select(0, where)
        near = states.index_select(0, where).masked_fill(outside[:, None], 0.0)
        return self._convolved(near.view(len(window), -1))

    def forward_plain(self, states: Tensor, places: Tensor) -> Tensor:
        """(rows, input_dim), (outputs * kernel_size,) -> (outputs, output_dim).

        A place that is the number of rows lies outside of the text.
        """
        near = functional.pad(states, (0, 0, 0, 1)).index_select(0, places)
        return self._convolved(near.view(-1, self.kernel_size * states.shape[1]))

    def _convolved(self, near: Tensor) -> Tensor:
        """(outputs, kernel_size * input_dim) -> (outputs, output_dim)."""
        weight = self.convolution.weight  # (output_dim, input_dim, kernel_size)
        flat = weight.transpose(1, 2).reshape(len(weight), -1)
        out = functional.linear(near, flat, self.convolution.bias)
        # A single position has no variance: the running statistics serve, as they do in prediction.
        if self.training and len(near) < 2:
            norm = self.norm
            out = functional.batch_norm(
                out, norm.running_mean, norm.running_var, norm.weight, norm.bias
            )
            return functional.relu(out)
        return functional.relu(self.norm(out))


def batch_neighbourhoods(lengths: Tensor, kernel_size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the positions that a convolution of stride 2 sees, texts packed by time.

    Args:
        lengths: Tokens of each text, int64 (batch,), descending, on the CPU.
        kernel_size: Tokens that an output sees.

    Returns:
        Packed positions, int64 (outputs, kernel_size), -1 outside of the text; the outputs' lengths
        (batch,), half of the text's rounded up; and their sizes (time,).
    """
    window, shorter, sizes = _kernels.neighbourhoods(lengths.numpy(), kernel_size)
    return torch.from_numpy(window), torch.from_numpy(shorter), torch.from_numpy(sizes)


def pool(states: Tensor, places: tuple[Tensor, ...], pooling: str, texts: int) -> Tensor:
    """Take the maximum or mean over the states of each text: (tokens, dim) -> (texts, dim).

    Args:
        states: The packed states.
        places: What `_layouts.padded_layout` (maximum) or `_layouts.mean_layout` gives.
        pooling: "max" or "mean".
        texts: Number of texts.
    """
    if pooling == "max":
        (padded,) = places
        return states.index_select(0, padded).view(-1, texts, states.shape[1]).max(dim=0).values
    text, share = places
    return states.new_zeros(texts, states.shape[1]).index_add(0, text, states) * share[:, None]


def _last_tokens(batch: Batch) -> Tensor:
    """Return the packed position of each text's last token, (batch,)."""
    starts = batch.sizes.cumsum(0) - batch.sizes
    return starts[batch.lengths - 1] + torch.arange(len(batch.lengths))


def _array(tensor: Tensor) -> _kernels.Array:
    array: _kernels.Array = np.ascontiguousarray(tensor.detach().numpy())
    return array


class _GRULayer(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        rows: Tensor,
        w_ih: Tensor,
        w_hh: Tensor,
        b_ih: Tensor,
        b_hh: Tensor,
        index: Tensor,
        sizes: Tensor,
        reverse: bool,
    ) -> Tensor:
        arrays = [_array(x) for x in (rows, index, sizes, w_ih, w_hh, b_ih, b_hh)]
        keep = any(ctx.needs_input_grad)
        states, gates = _kernels.gru_forward(*arrays, reverse, keep)
        ctx.arrays = (*arrays[:5], states, gates, reverse) if keep else None
        return torch.from_numpy(states)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_states: Tensor) -> tuple[Any, ...]:
        d_rows, *d_weights = _kernels.gru_backward(
            _array(d_states), *ctx.arrays, ctx.needs_input_grad[0]
        )
        depth = ctx.arrays[0].shape[1]
        rows = torch.from_numpy(d_rows)[:, :depth] if ctx.needs_input_grad[0] else None
        return rows, *(torch.from_numpy(g) for g in d_weights), None, None, None


class _RNNLayer(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        rows: Tensor,
        w_ih: Tensor,
        w_hh: Tensor,
        b_ih: Tensor,
        b_hh: Tensor,
        index: Tensor,
        sizes: Tensor,
        reverse: bool,
    ) -> Tensor:
        arrays = [_array(x) for x in (rows, index, sizes, w_ih, w_hh, b_ih, b_hh)]
        states = _kernels.rnn_forward(*arrays, reverse)
        ctx.arrays = (*arrays[:5], states, reverse) if any(ctx.needs_input_grad) else None
        return torch.from_numpy(states)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_states: Tensor) -> tuple[Any, ...]:
        d_rows, d_w_ih, d_w_hh, d_bias = _kernels.rnn_backward(
            _array(d_states), *ctx.arrays, ctx.needs_input_grad[0]
        )
        depth = ctx.arrays[0].shape[1]
        rows = torch.from_numpy(d_rows)[:, :depth] if ctx.needs_input_grad[0] else None
        bias = torch.from_numpy(d_bias)
        weights = (torch.from_numpy(d_w_ih), torch.from_numpy(d_w_hh))
        return rows, *weights, bias, bias.clone(), None, None, None


class _Pool(torch.autograd.Function):
    """(tokens, P) -> (batch, H) by max, mean or last; `reverse`: the layer reads backwards."""

    @staticmethod
    def forward(
        ctx: Any, states: Tensor, batch: Batch, pooling: str, hidden: int, reverse: bool
    ) -> Tensor:
        array, sizes, lengths = states.detach().numpy(), batch.sizes.numpy(), batch.lengths.numpy()
        ctx.shape, ctx.sizes, ctx.lengths, ctx.pooling = array.shape, sizes, lengths, pooling
        if pooling == "mean":
            return torch.from_numpy(_kernels.mean_forward(array, sizes, lengths, hidden))
        if pooling == "max":
            best, ctx.where = _kernels.max_forward(array, sizes, hidden)
            return torch.from_numpy(best)
        texts = len(lengths)
        ctx.where = np.arange(texts) if reverse else _last_tokens(batch).numpy()
        return torch.from_numpy(array[ctx.where, :hidden])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_pooled: Tensor) -> tuple[Any, ...]:
        gradient = _array(d_pooled)
        if ctx.pooling == "mean":
            out = _kernels.mean_backward(gradient, ctx.sizes, ctx.lengths, *ctx.shape)
        elif ctx.pooling == "max":
            out = _kernels.max_backward(gradient, ctx.where, *ctx.shape)
        else:
            out = np.zeros(ctx.shape, np.float32)
            out[ctx.where, : gradient.shape[1]] = gradient
        return torch.from_numpy(out), None, None, None, None
