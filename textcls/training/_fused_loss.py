"""The losses of k classifiers on one batch; label smoothing and class weights may differ."""

from collections.abc import Sequence

import torch
from torch import Tensor

from textcls.config.models import TrainConfig
from textcls.text.encoding import EncodedSplit
from textcls.training.trainer import balance_of


class FusedLoss:
    """Cross-entropy, one mean for each classifier.

    draws: how often each text of the train split is drawn, (texts,); None where all are alike.

    Args:
        split: The train split.
        num_classes: Number of classes.
        trains: The settings of each training; their `class_sampling` is one.
        device: Where the classifiers are.
    """

    def __init__(
        self, split: EncodedSplit, num_classes: int, trains: Sequence[TrainConfig], device: str
    ) -> None:
        balances = [balance_of(split, num_classes, each, device) for each in trains]
        self.draws = balances[0][1]
        ones = torch.ones(num_classes, device=device)
        weights = [ones if each is None else each.to(ones.dtype) for each, _ in balances]
        self._weights = torch.stack(weights)  # (k, classes)
        self._smoothing = torch.tensor([each.label_smoothing for each in trains], device=device)
        self._weighted = any(each is not None for each, _ in balances)
        self._smooth = any(each.label_smoothing for each in trains)

    def measure(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return each classifier's mean loss: (k, batch, classes), (batch,) -> (k,)."""
        logs = logits.log_softmax(dim=2)
        chosen = labels[None, :, None].expand(len(logits), -1, 1)
        losses = -logs.gather(2, chosen).squeeze(2)
        if self._smooth:
            losses = losses + self._smoothing[:, None] * (-logs.mean(dim=2) - losses)
        if self._weighted:
            losses = losses * self._weights.index_select(1, labels)
        return losses.mean(dim=1)

    def keep(self, places: Tensor) -> None:
        """Keep the classifiers at these places, (kept,) int64."""
        self._weights = self._weights.index_select(0, places)
        self._smoothing = self._smoothing.index_select(0, places)

    def join(self, other: "FusedLoss") -> None:
        """Add the classifiers of another."""
        self._weights = torch.cat([self._weights, other._weights])
        self._smoothing = torch.cat([self._smoothing, other._smoothing])
        self._weighted |= other._weighted
        self._smooth |= other._smooth
