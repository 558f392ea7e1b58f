"""Adam for k classifiers at once: rates, clipping and freezing are vectors of length k.

What `textcls.training._optimizer` does for one: Adam for the dense weights, row-sparse Adam for the
word vectors, after the gradient of each classifier, its rows included, was scaled down to its own
`max_grad_norm`. Every rate of the run is worked out once and lies on the device, so that no step
copies a number there.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from textcls.config.models import TrainConfig
from textcls.training._fused_model import FusedModel
from textcls.training._optimizer import BETA1, BETA2, CLIP_EPSILON, EPSILON
from textcls.training.trainer import rate_share


class FusedAdam:
    """The moments of k classifiers, and their rates at every step of the run."""

    def __init__(self, model: FusedModel, trains: Sequence[TrainConfig], total_steps: int) -> None:
        self._model = model
        device = model.words.device
        self._moments = torch.zeros(2, *model.flat.shape, device=device)
        self._row_moments = torch.zeros(2, *model.words.shape, device=device)
        self._max_norms = torch.tensor([each.max_grad_norm for each in trains], device=device)
        self._frozen = torch.tensor([each.frozen_steps(total_steps) for each in trains])
        self._thaw = int(self._frozen.min())
        self._rates = _rates(trains, total_steps, self._frozen).to(device)  # (steps, 5, k)

    def keep(self, places: Tensor) -> None:
        """Keep the classifiers at these places, (kept,) int64."""
        self._moments = self._moments.index_select(1, places)
        self._row_moments = self._row_moments.index_select(1, places)
        self._max_norms = self._max_norms.index_select(0, places)
        self._rates = self._rates.index_select(2, places)
        self._frozen = self._frozen[places.cpu()]
        self._thaw = min(self._frozen.tolist(), default=0)

    def join(self, other: "FusedAdam") -> None:
        """Add the classifiers of another."""
        self._moments = torch.cat([self._moments, other._moments], dim=1)
        self._row_moments = torch.cat([self._row_moments, other._row_moments], dim=1)
        self._max_norms = torch.cat([self._max_norms, other._max_norms])
        self._rates = torch.cat([self._rates, other._rates], dim=2)
        self._frozen = torch.cat([self._frozen, other._frozen])
        self._thaw = min(self._thaw, other._thaw)

    def trains_rows(self, step: int) -> bool:
        """Tell whether any classifier trains its word vectors at a step, counted from 0."""
        return step >= self._thaw

    @torch.no_grad()
    def step(self, step: int, rows: Tensor, gradients: Sequence[Tensor]) -> None:
        """Clip the gradients and update all weights.

        Args:
            step: The number of the step, counted from 0.
            rows: The distinct word ids of the batch, (distinct,) int64.
            gradients: That of the dense weights, (k, weights), and, where any classifier trains its
                word vectors, that of the batch's rows, (k, distinct, dim).
        """
        rate, root, row_rate, row_root, trained = self._rates[step].unbind()
        norms = torch.linalg.vector_norm(gradients[0], dim=1)
        row_gradient = None
        if len(gradients) > 1:
            row_gradient = gradients[1] * trained[:, None, None]
            norms = torch.hypot(norms, torch.linalg.vector_norm(row_gradient, dim=(1, 2)))
        scale = (self._max_norms / (norms + CLIP_EPSILON)).clamp(max=1.0)
        dense = gradients[0] * scale[:, None]
        _adam(self._model.flat, dense, self._moments, rate[:, None], root[:, None])
        if row_gradient is None:
            return
        row_gradient *= scale[:, None, None]
        moved = self._model.words.index_select(1, rows)
        moments = self._row_moments.index_select(2, rows)
        _adam(moved, row_gradient, moments, row_rate[:, None, None], row_root[:, None, None])
        self._model.words.index_copy_(1, rows, moved)
        self._row_moments.index_copy_(2, rows, moments)

    def state(self, place: int, steps: int) -> dict[str, Tensor]:
        """Return what `textcls.training._optimizer` keeps of the classifier at a place."""
        trained = max(0, steps - int(self._frozen[place]))
        return {
            "moments": self._moments[:, place],
            "row_moments": self._row_moments[:, place].transpose(0, 1),
            "steps": torch.tensor([steps, trained]),
        }

    def load(self, place: int, tensors: Mapping[str, Tensor]) -> None:
        """Take over the moments of a checkpoint, `optimizer.NAME`, at a place.

        Raises:
            KeyError: A tensor is missing.
            RuntimeError: One has another shape.
        """
        self._moments[:, place].copy_(tensors["optimizer.moments"])
        self._row_moments[:, place].copy_(tensors["optimizer.row_moments"].transpose(0, 1))


def _rates(trains: Sequence[TrainConfig], total_steps: int, frozen: Tensor) -> Tensor:
    """Return what each step needs for each classifier, float32 (steps, 5, k).

    The dense rate and the root of the second moment's correction, both for the word vectors, and
    whether these are trained; the rates carry the first moment's correction.
    """
    shares = torch.stack([_shares(each, total_steps) for each in trains], dim=1)
    dense = torch.tensor([each.learning_rate for each in trains], dtype=torch.float64)
    row = torch.tensor(
        [each.embedding_learning_rate or each.learning_rate for each in trains],
        dtype=torch.float64,
    )
    steps = torch.arange(1, total_steps + 1, dtype=torch.float64)[:, None].expand_as(shares)
    row_steps = (steps - frozen).clamp(min=1)  # before, all moments are zero
    parts = [
        shares * dense / (1 - BETA1**steps),
        (1 - BETA2**steps).rsqrt(),
        shares * row / (1 - BETA1**row_steps),
        (1 - BETA2**row_steps).rsqrt(),
        (steps > frozen).double(),
    ]
    return torch.stack(parts, dim=1).float()


def _shares(train: TrainConfig, total_steps: int) -> Tensor:
    shares = [rate_share(train, step, total_steps) for step in range(total_steps)]
    return torch.tensor(shares, dtype=torch.float64)


def _adam(values: Tensor, gradient: Tensor, moments: Tensor, rate: Tensor, root: Tensor) -> None:
    """Update in place; `rate` and `root` carry the bias corrections."""
    mean, square = moments.unbind()
    mean.lerp_(gradient, 1 - BETA1)
    square.mul_(BETA2).addcmul_(gradient, gradient, value=1 - BETA2)
    change = mean / square.sqrt().mul_(root).add_(EPSILON)
    values.sub_(change.mul_(rate))
