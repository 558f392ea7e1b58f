"""Count the operations that torch dispatches, as a card would get them, without a card.

Tensors are torch's `meta` tensors, which have shapes and no values: what would wait for a value
(`item`, `nonzero`, indexing by booleans) raises. A batch's sizes and lengths are ordinary tensors
on the CPU, so an operation on these alone is work of the host.

A recurrent layer is one operation forward and one backward, as cuDNN has it; on the CPU torch
dispatches it step by step in time.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from torch.utils._pytree import tree_leaves

VIEWS = {
    "alias", "detach", "expand", "permute", "select", "slice", "split", "split_with_sizes",
    "squeeze", "t", "transpose", "unbind", "unsqueeze", "view", "_unsafe_view",
}  # fmt: skip
"""Operations that make another view of the same numbers: dispatched, but nothing is launched."""


@dataclass
class Operations:
    """What was dispatched, by name: all, what the host computes, copies between devices."""

    all: Counter[str] = field(default_factory=Counter)
    on_host: Counter[str] = field(default_factory=Counter)
    copies: Counter[str] = field(default_factory=Counter)

    @property
    def dispatched(self) -> int:
        """Every operation, views included."""
        return self.all.total()

    @property
    def launched(self) -> int:
        """The operations that compute or move numbers."""
        return sum(number for name, number in self.all.items() if name not in VIEWS)


@contextmanager
def counted_operations() -> Iterator[Operations]:
    """Count what is dispatched within, the backward pass included."""
    found = Operations()
    with _Recurrences(found), _Counting(found):
        yield found


class _Counting(TorchDispatchMode):
    def __init__(self, found: Operations) -> None:
        super().__init__()
        self.found = found

    def __torch_dispatch__(
        self, func: Any, _types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        self.found.all[name] += 1
        taken = {x.device.type for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)}
        given = {x.device.type for x in tree_leaves(result) if isinstance(x, Tensor)}
        if taken | given == {"cpu"}:
            self.found.on_host[name] += 1
        if len(taken | given) > 1:
            self.found.copies[name] += 1
        return result


class _Recurrences(TorchFunctionMode):
    """Puts one operation in the place of a recurrent layer."""

    def __init__(self, found: Operations) -> None:
        super().__init__()
        self.found = found

    def __torch_function__(
        self, func: Callable[..., Any], _types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if func not in (torch.gru, torch.rnn_tanh):
            return func(*args, **(kwargs or {}))
        tokens, _, start, weights, *_, bidirectional = args
        width = start.shape[2] * (2 if bidirectional else 1)
        return _Recurrence.apply(self.found, width, tokens, start, *weights), start


class _Recurrence(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, found: Operations, width: int, tokens: Tensor, *others: Tensor) -> Any:
        ctx.found, ctx.inputs = found, (tokens, *others)
        found.all["_cudnn_rnn"] += 1
        with _disable_current_modes():
            return tokens.new_empty(len(tokens), width)

    @staticmethod
    def backward(ctx: Any, *_gradient: Any) -> Any:
        ctx.found.all["_cudnn_rnn_backward"] += 1
        with _disable_current_modes():
            return (None, None, *(torch.empty_like(each) for each in ctx.inputs))
