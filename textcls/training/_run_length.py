"""How many steps a training has."""

from dataclasses import dataclass
from typing import Self

from textcls.config.models import TrainConfig


@dataclass(frozen=True, slots=True)
class RunLength:
    """The optimizer steps of a training: in an epoch, and in all."""

    steps_per_epoch: int
    total_steps: int

    @classmethod
    def of(cls, train: TrainConfig, texts: int) -> Self:
        """Return the length of a training on a train split of so many texts."""
        steps_per_epoch = -(-texts // train.batch_size)
        return cls(steps_per_epoch, max(1, round(train.epochs_on(texts) * steps_per_epoch)))

    def step_at(self, epoch: float) -> int:
        """Return the step after which a training has come so far: at least 1, at most the last."""
        return min(self.total_steps, max(1, round(epoch * self.steps_per_epoch)))
