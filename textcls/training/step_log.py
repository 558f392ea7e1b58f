"""Record how training goes between rungs: a point every few steps, over the steps before it."""

import csv
import io
import math
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class StepPoint:
    """What the steps since the point before came to."""

    step: int
    """Steps made since training began."""
    epoch: float
    loss: float
    """The mean loss of their batches."""
    accuracy: float
    """The share of their texts that was labelled correctly, before each step."""
    grad_norm: float
    """The mean norm of the gradient before it is clipped, embedding rows included."""
    clipped: float
    """The share of steps whose gradient was longer than `max_grad_norm`."""
    learning_rate: float
    """The rate of the last of these steps."""


class StepLog:
    """Sums over steps, from which a point is made every `every` steps.

    Nothing waits for the device until a point is made.

    Args:
        every: Steps of a point.
        max_grad_norm: The norm above which a gradient is clipped.
        device: Where the sums lie.
    """

    def __init__(self, every: int, max_grad_norm: float, device: str) -> None:
        self.every, self.max_grad_norm, self.device = every, max_grad_norm, device
        self.points: list[StepPoint] = []
        self._begin()

    def _begin(self) -> None:
        self._sums = torch.zeros(4, device=self.device)  # loss, correct, norm, clipped
        self._steps = self._texts = 0

    @torch.no_grad()
    def add(
        self, loss: Tensor, logits: Tensor, labels: Tensor, gradients: Iterable[Tensor | None]
    ) -> None:
        """Add a step, after its gradient is known and before the weights move.

        Args:
            loss: The batch's mean loss.
            logits: (batch, classes).
            labels: (batch,).
            gradients: The gradients of all weights; None for those that stay as they are.
        """
        norms = [torch.linalg.vector_norm(each) for each in gradients if each is not None]
        norm = torch.linalg.vector_norm(torch.stack(norms))
        correct = (logits.argmax(dim=1) == labels).sum()
        clipped = (norm > self.max_grad_norm).to(norm.dtype)
        self._sums += torch.stack([loss.detach(), correct.to(norm.dtype), norm, clipped])
        self._steps += 1
        self._texts += len(labels)

    def close_step(self, step: int, epoch: float, learning_rate: float) -> None:
        """Make a point of the steps since the last one, every `every` steps.

        A sum that is no longer finite makes no point: the run is about to end as diverged.

        Args:
            step: Steps made since training began; a point is made where it is a multiple of
                `every`.
            epoch: Epochs made, with their fraction.
            learning_rate: That of this step.
        """
        if step % self.every:
            return
        loss, correct, norm, clipped = self._sums.tolist()
        steps, texts = self._steps, self._texts
        self._begin()
        if not math.isfinite(loss + norm):  # the run is about to end as diverged
            return
        self.points.append(
            StepPoint(
                step, epoch, loss / steps, correct / texts, norm / steps, clipped / steps,
                learning_rate,
            )
        )  # fmt: skip

    def restore(self, points: Iterable[StepPoint], step: int) -> None:
        """Go on where a checkpoint was written.

        Args:
            points: Those of an earlier process; the ones behind `step` are left out, since their
                steps are made again.
            step: Steps that the checkpoint has made. Steps since the last point are not in the next
                one.
        """
        self.points = [point for point in points if point.step <= step]
        self._begin()


def points_as_csv(points: Iterable[StepPoint]) -> str:
    """Return points as the text of a CSV file.

    Args:
        points: In the order of their steps.

    Returns:
        A header with the names of `StepPoint`, and a line for each point; six significant digits.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(field.name for field in fields(StepPoint))
    writer.writerows([f"{value:.6g}" for value in astuple(point)] for point in points)
    return text.getvalue()
