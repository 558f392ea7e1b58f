"""Train k classifiers of one shape in one set of operations.

A small classifier leaves a GPU idle: each operation of a step is too small to fill it. Here each
does the work of k classifiers, and a step dispatches as many operations whatever k is. The
classifiers share the batches' texts and order; everything that does not change a tensor's shape may
differ: learning rates, schedule, clipping, freezing, dropout, label smoothing, class weights and
the seeds of weights and dropout.

Each gets the losses that it would get alone in plain torch (with dropout, the losses of a group of
one: see `textcls.training._fused_model.Dropouts`). One whose loss is no longer finite leaves at the
next rung and changes nothing for the others; so does one that the caller takes out, and one that
joins them at its step.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from textcls.config.fusion import Settings, check_shapes
from textcls.exceptions import BundleError, DivergedError
from textcls.models import classifier
from textcls.text import batching
from textcls.text.batching import Batch
from textcls.text.encoding import EncodedSplit
from textcls.training._fused_adam import FusedAdam
from textcls.training._fused_loss import FusedLoss
from textcls.training._fused_model import FusedModel
from textcls.training._run_length import RunLength
from textcls.training.trainer import (
    EVALUATION_BATCH,
    METRIC_NAMES,
    TICK,
    RungResult,
    measure_logits,
    read_checkpoint,
    save_checkpoint,
)


class FusedTraining:
    """k classifiers in training, each with a number.

    Args:
        splits: "train", and "validation" and "test" where there are any.
        embeddings: float32 (vocabulary, dim); copied for each classifier.
        num_classes: Number of classes.
        members: The settings of each classifier and of its training, of one shape: by number, or
            in order, which numbers them from 0.
        order_seed: The seed of the batches' order; by default that of the first classifier. Each
            `train.seed` is that of its initial weights and of its dropout.
        device: "cpu" or a torch device such as "cuda".

    Raises:
        ConfigError: The classifiers cannot be trained together (`check_shapes`).

    Example::

        rates = [TrainConfig(learning_rate=rate) for rate in (0.01, 0.003, 0.001)]
        members = [(ModelConfig(), train) for train in rates]
        training = FusedTraining(corpus.splits, corpus.embeddings, 4, members)
        for results in training.fit([0.5, 1.0]):
            worst = max(results, key=lambda number: results[number].metrics["test_loss"])
            training.leave([worst])
    """

    def __init__(
        self,
        splits: Mapping[str, EncodedSplit],
        embeddings: np.ndarray[Any, Any],
        num_classes: int,
        members: Sequence[Settings] | Mapping[int, Settings],
        *,
        order_seed: int | None = None,
        device: str = "cpu",
    ) -> None:
        self.settings = dict(members if isinstance(members, Mapping) else enumerate(members))
        of = list(self.settings.values())
        check_shapes(of)
        self.splits, self.device = splits, device
        self.members = list(self.settings)
        """The numbers of those that are still trained."""
        self.diverged: dict[int, DivergedError] = {}
        """Those whose loss was no longer finite, with the error that says when."""
        _, train = of[0]
        self.order_seed = train.seed if order_seed is None else order_seed
        self.batch_size = train.batch_size
        self.lengths = np.diff(splits["train"].offsets)
        length = RunLength.of(train, len(self.lengths))
        self.steps_per_epoch, self.total_steps = length.steps_per_epoch, length.total_steps
        self.step_at = length.step_at
        singles = [
            classifier.create_classifier(
                # Initial weights do not depend on the words; they are copied once for all.
                embeddings[:1], num_classes, model, seed=each.seed, device=device, compiled=False
            )
            for model, each in of
        ]  # fmt: skip
        words = torch.from_numpy(np.array(embeddings, dtype=np.float32)).to(device)
        trains = [each for _, each in of]
        self.model = FusedModel(singles, words)
        self.model.dropouts.seeds = torch.tensor([each.seed for each in trains]).to(device)
        self.optimizer = FusedAdam(self.model, trains, self.total_steps)
        self.loss = FusedLoss(splits["train"], num_classes, trains, device)
        self.step = 0

    def fit(
        self, rungs: Sequence[float], progress: Callable[[int, int], None] | None = None
    ) -> Iterator[dict[int, RungResult]]:
        """Train from the current step on and yield at each rung ahead a result for each classifier.

        A classifier whose loss is no longer finite has no result: it has left and is in `diverged`.
        Seconds and speeds are those of the whole group. Training ends when all have left.

        Args:
            rungs: Epochs, ascending; the end of the run is always the last rung.
            progress: Called every few steps with the steps made and their total.
        """
        began = mark = time.perf_counter()
        targets = {self.step_at(rung) for rung in rungs} | {self.total_steps}
        losses, since = self._no_losses(), (self.step, 0, 0)
        for batch in self._batches():
            losses += self.train_step(batch)
            since = (since[0], since[1] + len(batch.labels), since[2] + len(batch.index))
            if progress is not None and self.step % TICK == 0:
                progress(self.step, self.total_steps)
            if self.step not in targets:
                continue
            steps = self.step - since[0]
            means = dict(zip(self.members, (losses / steps).tolist(), strict=True))
            seconds = time.perf_counter() - mark  # the losses were waited for
            self._let_diverged_leave(means)
            speeds = (since[1] / seconds, since[2] / seconds)
            yield self._results(means, began, seconds, speeds)
            if not self.members:
                return
            losses, since = self._no_losses(), (self.step, 0, 0)
            mark = time.perf_counter()

    def train_step(self, batch: Batch) -> Tensor:
        """Update all weights once.

        Args:
            batch: Texts that every classifier learns from, on `device`.

        Returns:
            Each classifier's mean loss on the batch before the update, (k,), in the order of
            `members`; the k are those that are still trained.
        """
        rows = self.model.look_up(batch)
        trained = self.optimizer.trains_rows(self.step)
        rows.requires_grad_(trained)
        losses = self.loss.measure(self.model.scores(rows, batch, self.step), batch.labels)
        wanted = [self.model.flat, rows] if trained else [self.model.flat]
        # Ones, not a sum: a loss that is not a number stays in its own classifier.
        gradients = torch.autograd.grad(losses, wanted, torch.ones_like(losses))
        self.optimizer.step(self.step, batch.rows, gradients)
        self.step += 1
        return losses.detach()

    def leave(self, numbers: Sequence[int]) -> None:
        """Take classifiers out; the others go on as they would have.

        Args:
            numbers: Those that leave, by their places in the settings; numbers that have left
                already are passed over.
        """
        kept = [place for place, number in enumerate(self.members) if number not in numbers]
        if len(kept) == len(self.members):
            return
        places = torch.tensor(kept, dtype=torch.int64, device=self.device)
        self.members = [self.members[place] for place in kept]
        self.model.keep(places)
        self.optimizer.keep(places)
        self.loss.keep(places)

    def join(self, other: "FusedTraining") -> None:
        """Take in all classifiers of another group, which is used up; none changes its course.

        Args:
            other: A group of the same shape, data and order at the same step, with other numbers.

        Raises:
            ValueError: The groups are at different steps, or share a number.
        """
        if self.step != other.step or set(self.settings) & set(other.settings):
            raise ValueError(
                f"groups join at one step and under different numbers, but are at {self.step} and "
                f"{other.step} with {list(self.settings)} and {list(other.settings)}"
            )
        self.settings |= other.settings
        self.diverged |= other.diverged
        self.members += other.members
        self.model.join(other.model)
        self.optimizer.join(other.optimizer)
        self.loss.join(other.loss)

    def scores(self) -> dict[int, dict[str, float]]:
        """Evaluate on every split but train; return each classifier's metrics by name."""
        found: dict[int, dict[str, float]] = {number: {} for number in self.members}
        for split, prefix in METRIC_NAMES.items():
            if split in self.splits:
                labels = torch.from_numpy(np.array(self.splits[split].labels))
                for number, logits in self.predict_logits(self.splits[split]).items():
                    measured = measure_logits(logits, labels)
                    found[number] |= {f"{prefix}_{name}": each for name, each in measured.items()}
        return found

    @torch.inference_mode()
    def predict_logits(self, split: EncodedSplit) -> dict[int, Tensor]:
        """Return each classifier's logits of a split, its linear scores included.

        Args:
            split: The encoded texts.

        Returns:
            By the numbers of those that are still trained, float32 (texts, classes) in the split's
            order, on the CPU.

        Raises:
            ValueError: A classifier has a `linear_weight` and the split has no linear scores.
        """
        order, bounds = batching.evaluation_order(np.diff(split.offsets), EVALUATION_BATCH)
        parts = [
            self.model.scores(self.model.look_up(batch), batch, None)
            for batch in self._packed(split, order, bounds)
        ]
        logits = torch.cat(parts, dim=1).cpu()
        out = torch.empty_like(logits)
        out[:, torch.from_numpy(order)] = logits
        return {
            number: classifier.with_linear_scores(
                each, split, self.settings[number][0].linear_weight
            )
            for number, each in zip(self.members, out, strict=True)
        }

    def save(self, number: int, path: Path) -> None:
        """Write one classifier's checkpoint, from which `Training.restore` goes on alone.

        It goes on as in the group if its batches come in the order of `order_seed` and it has no
        dropout, whose draws come from another source there.

        Args:
            number: The classifier, one that is still trained.
            path: The file; one that is there is replaced when the new one is whole.

        Raises:
            OSError: The file cannot be written; the error has the system's number.
            ValueError: The classifier has left the group.
        """
        place = self.members.index(number)
        weights = {f"classifier.{k}": v for k, v in self._state(place).items()}
        moments = self.optimizer.state(place, self.step)
        optimizer = {f"optimizer.{k}": v for k, v in moments.items()}
        save_checkpoint(path, weights | optimizer, self.step)

    def restore(self, number: int, path: Path) -> None:
        """Take up a classifier's checkpoint, written by `save` or by `Training.save`.

        All classifiers of a group are at one step: restore each of them, or groups of one, which
        then `join`. One that was trained alone goes on with the group's texts and dropout.

        Args:
            number: The classifier's.
            path: The checkpoint, of a training with the same settings.

        Raises:
            BundleError: The checkpoint is missing, damaged or of another configuration.
        """
        about, tensors = read_checkpoint(path)
        place = self.members.index(number)
        try:
            self.model.load(place, tensors)
            self.optimizer.load(place, tensors)
        except (KeyError, RuntimeError) as error:
            raise BundleError(
                f"{path}: the checkpoint does not fit this configuration: {error}"
            ) from error
        self.step = int(about["step"])

    def _state(self, place: int) -> dict[str, Tensor]:
        """Return the `state_dict` of the classifier at a place."""
        found = {name: each[place].detach() for name, each in self.model.weights().items()}
        found |= {name: each[place] for name, each in self.model.statistics.items()}
        for name in self.model.template.state_dict():
            if name.endswith("num_batches_tracked"):
                found[name] = torch.tensor(self.step)
        return {**found, "embeddings": self.model.words[place]}

    def _batches(self) -> Iterator[Batch]:
        """Yield every batch from here to the end of the run."""
        while self.step < self.total_steps:
            epoch, done = divmod(self.step, self.steps_per_epoch)
            order, bounds = batching.training_order(
                self.lengths, self.batch_size, self.order_seed, epoch, self.loss.draws
            )
            left = self.total_steps - epoch * self.steps_per_epoch
            yield from self._packed(self.splits["train"], order, bounds[: left + 1], done)

    def _packed(
        self, split: EncodedSplit, order: batching.Array, bounds: batching.Array, first: int = 0
    ) -> Iterator[Batch]:
        return batching.batches(
            split,
            order,
            bounds,
            self.model.words.shape[1],
            device=self.device,
            first=first,
            layout=self.model.template.layout,
        )

    def _no_losses(self) -> Tensor:
        return torch.zeros(len(self.members), device=self.device)

    def _let_diverged_leave(self, means: Mapping[int, float]) -> None:
        gone = {number: mean for number, mean in means.items() if not np.isfinite(mean)}
        for number, mean in gone.items():
            message = f"diverged: the training loss was {mean} by step {self.step}"
            self.diverged[number] = DivergedError(message)
        self.leave(list(gone))

    def _results(
        self,
        means: Mapping[int, float],
        began: float,
        seconds: float,
        speeds: tuple[float, float],
    ) -> dict[int, RungResult]:
        measured = self.scores()
        return {
            number: RungResult(
                epoch=self.step / self.steps_per_epoch,
                step=self.step,
                seconds=time.perf_counter() - began,
                train_seconds=seconds,
                train_loss=means[number],
                texts_per_second=speeds[0],
                tokens_per_second=speeds[1],
                metrics=found,
            )
            for number, found in measured.items()
        }
