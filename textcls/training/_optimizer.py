"""Adam for steps that touch few rows of the embeddings, with the gradient clipped as a whole.

The dense parameters (encoder and linear layer) get Adam as Kingma and Ba (2015) have it. The
embeddings get *row-sparse* Adam, the semantics of torch.optim.SparseAdam: only rows that occur in
the batch move, their two moments decay only then, and the bias correction counts the steps in
which the embeddings were trained at all. A row that occurs in every batch moves exactly as under
dense Adam; a row that does not occur stays where it is, while dense Adam would go on moving it by
its momentum.

Before the step the gradient of everything, embedding rows included, is scaled down to
`max_grad_norm` if it is longer (Pascanu et al. 2013).

There are two implementations with one behaviour: `CompiledAdam` runs a step as one compiled
function on the CPU; `TorchAdam` is plain torch without a synchronisation, for a GPU.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from textcls.compilation import kernel
from textcls.models.simd import WIDTH, at, div, fma, load, mul, splat, sqrt, store, sub

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8
CLIP_EPSILON = 1e-6  # as in torch.nn.utils.clip_grad_norm_

Array = np.ndarray[Any, Any]


class Optimizer(Protocol):
    """The interface that training uses of an optimizer."""

    def step(
        self,
        learning_rate: float,
        rows: Tensor,
        gradient: Tensor | None,
        embedding_learning_rate: float,
    ) -> None:
        """Clip the gradient and update all weights.

        Args:
            learning_rate: The rate of the dense parameters, whose gradients are in their `grad`.
            rows: The distinct word ids of the batch, (distinct,).
            gradient: The gradient of these rows, (distinct, dim); None while embeddings are frozen.
            embedding_learning_rate: The rate of the embeddings.
        """

    def state(self) -> dict[str, Tensor]:
        """Return the moments and counters, by name."""

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Continue from what `state()` returned."""


def create_optimizer(
    parameters: Sequence[nn.Parameter], embeddings: Tensor, max_grad_norm: float, *, compiled: bool
) -> Optimizer:
    """Return the optimizer of the parameters and the embeddings, both of which it updates in place.

    Args:
        parameters: The dense parameters.
        embeddings: The embedding matrix, (vocabulary, dim).
        max_grad_norm: The norm to which a longer gradient is scaled down.
        compiled: Use the compiled implementation, which runs on the CPU only.
    """
    if compiled:
        return CompiledAdam(parameters, embeddings, max_grad_norm)
    return TorchAdam(parameters, embeddings, max_grad_norm)


class CompiledAdam:
    """Clip and update in one compiled function; CPU only.

    The dense parameters are moved into one flat vector, and so are their gradients.
    """

    def __init__(
        self, parameters: Sequence[nn.Parameter], embeddings: Tensor, max_grad_norm: float
    ) -> None:
        self.max_grad_norm = max_grad_norm
        self._dense = torch.cat([p.detach().reshape(-1) for p in parameters])
        self._gradient = torch.zeros_like(self._dense)
        self._moments = torch.zeros(2, len(self._dense))
        begin = 0
        for p in parameters:
            here = slice(begin, begin + p.numel())
            p.data = self._dense[here].view_as(p)
            p.grad = self._gradient[here].view_as(p)
            begin += p.numel()
        self._embeddings = embeddings
        self._row_moments = torch.zeros(len(embeddings), 2, embeddings.shape[1])
        self._steps = torch.zeros(2, dtype=torch.int64)  # dense, embeddings

    def step(
        self,
        learning_rate: float,
        rows: Tensor,
        gradient: Tensor | None,
        embedding_learning_rate: float,
    ) -> None:
        """Clip the gradient and update all weights; see `Optimizer.step`."""
        self._steps[0] += 1
        if gradient is None:
            rows, gradient = rows[:0], self._embeddings[:0]
        else:
            self._steps[1] += 1
        dense_steps, row_steps = self._steps.tolist()
        _step(
            self._dense.numpy(),
            self._gradient.numpy(),
            self._moments.view(-1).numpy(),
            self._embeddings.view(-1).numpy(),
            rows.numpy(),
            gradient.contiguous().view(-1).numpy(),
            self._row_moments.view(-1).numpy(),
            self._embeddings.shape[1],
            np.float32(learning_rate),
            np.float32(embedding_learning_rate),
            np.float32(self.max_grad_norm),
            dense_steps,
            row_steps,
        )

    def state(self) -> dict[str, Tensor]:
        """Return the moments and counters, by name."""
        return {
            "moments": self._moments,
            "row_moments": self._row_moments,
            "steps": self._steps,
        }

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Continue from what `state()` returned."""
        self._moments.copy_(state["moments"])
        self._row_moments.copy_(state["row_moments"])
        self._steps.copy_(state["steps"])


@kernel(nogil=True, fastmath={"reassoc", "contract", "nsz"})
def _norm_squared(values: Array) -> float:
    # Blocks keep float32 sums short; reassociation lets LLVM vectorise them.
    total = 0.0
    for begin in range(0, values.shape[0], 4096):
        part: Any = np.float32(0.0)
        for i in range(begin, min(begin + 4096, values.shape[0])):
            part += values[i] * values[i]
        total += part
    return total


@kernel(nogil=True)
def _adam(
    value: Array,
    at_value: int,
    gradient: Array,
    at_gradient: int,
    moments: Array,
    at_mean: int,
    at_square: int,
    count: int,
    scale: Any,
    rate: Any,
    root: Any,
) -> None:
    """Update `count` numbers by Adam; `rate` and `root` carry the bias corrections."""
    b1, b2, eps = np.float32(BETA1), np.float32(BETA2), np.float32(EPSILON)
    one = np.float32(1.0)
    b1s, b2s, rest1, rest2 = splat(b1), splat(b2), splat(one - b1), splat(one - b2)
    scales, rates, roots, epsilons = splat(scale), splat(rate), splat(root), splat(eps)
    values, gradients, moment = at(value), at(gradient), at(moments)
    whole = count // WIDTH * WIDTH
    for j in range(0, whole, WIDTH):
        g = mul(load(gradients, at_gradient + j), scales)
        m = fma(b1s, load(moment, at_mean + j), mul(rest1, g))
        v = fma(b2s, load(moment, at_square + j), mul(rest2, mul(g, g)))
        store(moment, at_mean + j, m)
        store(moment, at_square + j, v)
        change = div(mul(rates, m), fma(sqrt(v), roots, epsilons))
        store(values, at_value + j, sub(load(values, at_value + j), change))
    for j in range(whole, count):
        g = gradient[at_gradient + j] * scale
        m = b1 * moments[at_mean + j] + (one - b1) * g
        v = b2 * moments[at_square + j] + (one - b2) * g * g
        moments[at_mean + j] = m
        moments[at_square + j] = v
        value[at_value + j] -= rate * m / (np.sqrt(v) * root + eps)


@kernel(nogil=True)
def _step(
    dense: Array,
    gradient: Array,
    moments: Array,
    embeddings: Array,
    rows: Array,
    row_gradient: Array,
    row_moments: Array,
    dim: int,
    rate: float,
    row_rate: float,
    max_norm: float,
    steps: int,
    row_steps: int,
) -> None:
    """Clip and update; arrays are flat, `row_moments` holds a row's two moments side by side."""
    total = _norm_squared(gradient) + _norm_squared(row_gradient)
    scale: Any = np.float32(min(1.0, max_norm / (np.sqrt(total) + CLIP_EPSILON)))
    # v / (1 - b2^t) under the root: root = 1 / sqrt(1 - b2^t); m / (1 - b1^t) goes into the rate.
    now: Any = np.float32(rate / (1.0 - BETA1**steps))
    root: Any = np.float32(1.0 / np.sqrt(1.0 - BETA2**steps))
    count = dense.shape[0]
    _adam(dense, 0, gradient, 0, moments, 0, count, count, scale, now, root)
    for i in range(count):
        gradient[i] = np.float32(0.0)
    if rows.shape[0]:
        now = np.float32(row_rate / (1.0 - BETA1**row_steps))
        root = np.float32(1.0 / np.sqrt(1.0 - BETA2**row_steps))
    for i in range(rows.shape[0]):
        row = np.int64(rows[i]) * dim
        _adam(
            embeddings,
            row,
            row_gradient,
            i * dim,
            row_moments,
            2 * row,
            2 * row + dim,
            dim,
            scale,
            now,
            root,
        )


class TorchAdam:
    """Do the same as `CompiledAdam` in plain torch: nothing is copied to the host, few launches.

    A step reads `grad` of each parameter and sets it to None, so that the next backward pass hands
    its gradients over instead of adding them up.
    """

    def __init__(
        self, parameters: Sequence[nn.Parameter], embeddings: Tensor, max_grad_norm: float
    ) -> None:
        self.max_grad_norm = max_grad_norm
        self._parameters = list(parameters)
        self._values = [p.detach() for p in self._parameters]
        self._means = [torch.zeros_like(p) for p in self._values]
        self._squares = [torch.zeros_like(p) for p in self._values]
        self._embeddings = embeddings
        shape = (2, *embeddings.shape)
        self._row_moments = torch.zeros(shape, device=embeddings.device)
        self._steps = torch.zeros(2, device=embeddings.device)  # dense, embeddings

    @torch.no_grad()
    def step(
        self,
        learning_rate: float,
        rows: Tensor,
        gradient: Tensor | None,
        embedding_learning_rate: float,
    ) -> None:
        """Clip the gradient and update all weights; see `Optimizer.step`."""
        gradients = [p.grad for p in self._parameters if p.grad is not None]
        everything = gradients if gradient is None else [*gradients, gradient]
        norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(everything)))
        too_long = ((norm + CLIP_EPSILON) / self.max_grad_norm).clamp(min=1.0)
        dense_steps, row_steps = self._steps.unbind()
        dense_steps += 1
        _update(
            self._values,
            gradients,
            self._means,
            self._squares,
            dense_steps,
            learning_rate,
            too_long,
        )
        for p in self._parameters:
            p.grad = None
        if gradient is None:
            return
        row_steps += 1
        rows = rows.long()
        moved = self._embeddings.index_select(0, rows)
        moments = self._row_moments.index_select(1, rows)
        mean, square = moments.unbind(0)
        _update([moved], [gradient], [mean], [square], row_steps, embedding_learning_rate, too_long)
        self._embeddings.index_copy_(0, rows, moved)
        self._row_moments.index_copy_(1, rows, moments)

    def state(self) -> dict[str, Tensor]:
        """Return the moments and counters, by name."""
        flat = [torch.cat([m.reshape(-1) for m in side]) for side in (self._means, self._squares)]
        return {
            "moments": torch.stack(flat),
            "row_moments": self._row_moments.transpose(0, 1).contiguous(),
            "steps": self._steps.long(),
        }

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Continue from what `state()` returned."""
        sizes = [p.numel() for p in self._parameters]
        for side, flat in zip((self._means, self._squares), state["moments"], strict=True):
            for moment, part in zip(side, flat.split(sizes), strict=True):
                moment.copy_(part.view_as(moment))
        self._row_moments.copy_(state["row_moments"].transpose(0, 1))
        self._steps.copy_(state["steps"])


def _update(
    values: list[Tensor],
    gradients: list[Tensor],
    means: list[Tensor],
    squares: list[Tensor],
    steps: Tensor,
    rate: float,
    too_long: Tensor,
) -> None:
    """Update by Adam in one launch; the gradients are divided by `too_long` on the way."""
    torch._fused_adam_(
        values,
        gradients,
        means,
        squares,
        [],
        [steps] * len(values),
        lr=rate,
        beta1=BETA1,
        beta2=BETA2,
        weight_decay=0.0,
        eps=EPSILON,
        amsgrad=False,
        maximize=False,
        grad_scale=too_long,
    )
