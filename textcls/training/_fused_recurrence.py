"""The recurrence of k networks at once, as products over a leading dimension of networks.

A step in time is one `baddbmm` over (k, texts, hidden) and a few operations on its result, whatever
k is. The backward pass is written out: autograd would dispatch three times as many operations, and
the recurrent matrices' gradients come from one product over all tokens instead of one for each step
in time. Texts are packed by time, longest first, as in `textcls.text.batching.Batch`.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional


class FusedGRULayer(torch.autograd.Function):
    """One direction of a GRU layer; gates in torch's order, reset, update, new."""

    @staticmethod
    def forward(
        ctx: Any, inputs: Tensor, w_hh: Tensor, b_hh: Tensor, sizes: Sequence[int], reverse: bool
    ) -> Tensor:
        """Run through time.

        Args:
            ctx: Autograd's.
            inputs: The input's part of the gates with its bias, (k, tokens, 3 * hidden).
            w_hh: (k, 3 * hidden, hidden).
            b_hh: (k, 3 * hidden).
            sizes: Texts that have a token t.
            reverse: Begin at the last token.

        Returns:
            The states, (k, tokens, hidden).
        """
        hidden = w_hh.shape[2]
        transposed, bias = w_hh.transpose(1, 2), b_hh[:, None]
        parts = inputs.split(list(sizes), dim=1)
        state = inputs.new_zeros(len(inputs), sizes[_order(sizes, reverse)[0]], hidden)
        steps: list[tuple[Tensor, ...]] = [()] * len(sizes)
        for t in _order(sizes, reverse):
            before = _resized(state, sizes[t])
            gates = torch.baddbmm(bias, before, transposed)
            reset_update = (parts[t][..., : 2 * hidden] + gates[..., : 2 * hidden]).sigmoid_()
            reset, update = reset_update.split(hidden, dim=2)
            recurrent = gates[..., 2 * hidden :]
            new = torch.addcmul(parts[t][..., 2 * hidden :], reset, recurrent).tanh_()
            state = torch.lerp(new, before, update)
            steps[t] = (before, reset_update, recurrent, new, state)
        ctx.sizes, ctx.reverse, ctx.steps = sizes, reverse, steps
        ctx.save_for_backward(w_hh)
        return torch.cat([each[-1] for each in steps], dim=1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_states: Tensor) -> tuple[Any, ...]:
        """Return the gradients of the inputs, the recurrent weights and their biases."""
        (w_hh,) = ctx.saved_tensors
        hidden, sizes = w_hh.shape[2], ctx.sizes
        parts = d_states.split(list(sizes), dim=1)
        d_inputs: list[Any] = [None] * len(sizes)
        d_gates: list[Any] = [None] * len(sizes)
        carried: Tensor | None = None
        for t in reversed(_order(sizes, ctx.reverse)):
            before, reset_update, recurrent, new, _ = ctx.steps[t]
            reset, update = reset_update.split(hidden, dim=2)
            d_state = parts[t] if carried is None else parts[t] + _resized(carried, sizes[t])
            kept = d_state * update
            d_new = torch.ops.aten.tanh_backward(d_state - kept, new)
            gates = torch.cat([d_new * recurrent, d_state * (before - new)], dim=2)
            d_reset_update = torch.ops.aten.sigmoid_backward(gates, reset_update)
            d_inputs[t] = torch.cat([d_reset_update, d_new], dim=2)
            d_gates[t] = torch.cat([d_reset_update, d_new * reset], dim=2)
            carried = torch.baddbmm(kept, d_gates[t], w_hh)
        return _gradients(d_inputs, d_gates, [each[0] for each in ctx.steps])


class FusedRNNLayer(torch.autograd.Function):
    """One direction of a tanh RNN layer."""

    @staticmethod
    def forward(
        ctx: Any, inputs: Tensor, w_hh: Tensor, b_hh: Tensor, sizes: Sequence[int], reverse: bool
    ) -> Tensor:
        """Run through time; as `FusedGRULayer.forward`, with one gate."""
        transposed, bias = w_hh.transpose(1, 2), b_hh[:, None]
        parts = inputs.split(list(sizes), dim=1)
        state = inputs.new_zeros(len(inputs), sizes[_order(sizes, reverse)[0]], w_hh.shape[2])
        steps: list[tuple[Tensor, ...]] = [()] * len(sizes)
        for t in _order(sizes, reverse):
            before = _resized(state, sizes[t])
            state = torch.baddbmm(bias, before, transposed).add_(parts[t]).tanh_()
            steps[t] = (before, state)
        ctx.sizes, ctx.reverse, ctx.steps = sizes, reverse, steps
        ctx.save_for_backward(w_hh)
        return torch.cat([each[-1] for each in steps], dim=1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_states: Tensor) -> tuple[Any, ...]:
        """Return the gradients of the inputs, the recurrent weights and their biases."""
        (w_hh,) = ctx.saved_tensors
        sizes = ctx.sizes
        parts = d_states.split(list(sizes), dim=1)
        d_gates: list[Any] = [None] * len(sizes)
        carried: Tensor | None = None
        for t in reversed(_order(sizes, ctx.reverse)):
            d_state = parts[t] if carried is None else parts[t] + _resized(carried, sizes[t])
            d_gates[t] = torch.ops.aten.tanh_backward(d_state, ctx.steps[t][-1])
            carried = d_gates[t] @ w_hh
        return _gradients(d_gates, d_gates, [each[0] for each in ctx.steps])


def _order(sizes: Sequence[int], reverse: bool) -> range:
    return range(len(sizes) - 1, -1, -1) if reverse else range(len(sizes))


def _resized(states: Tensor, texts: int) -> Tensor:
    """Leave texts out that have ended, or add such as begin here with a state of zero."""
    more = texts - states.shape[1]
    return functional.pad(states, (0, 0, 0, more)) if more > 0 else states[:, :texts]


def _gradients(
    d_inputs: list[Tensor], d_gates: list[Tensor], before: list[Tensor]
) -> tuple[Any, ...]:
    gates = torch.cat(d_gates, dim=1)
    d_w_hh = gates.transpose(1, 2) @ torch.cat(before, dim=1)
    inputs = gates if d_inputs is d_gates else torch.cat(d_inputs, dim=1)
    return inputs, d_w_hh, gates.sum(dim=1), None, None
