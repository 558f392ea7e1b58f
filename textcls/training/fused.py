"""Train k classifiers of one shape in one set of operations.

A small classifier leaves a GPU idle: each operation of a step is too small to fill it. Here each
does the work of k classifiers, and a step dispatches as many operations whatever k is. The
classifiers share the batches' texts and order; everything that does not change a tensor's shape may
differ: learning rates, schedule, clipping, freezing, dropout, label smoothing and the seeds of
weights and dropout.

Each gets the losses that it would get alone in plain torch (with dropout, the losses of a group of
one: see `textcls.training._fused_model.Dropouts`). One whose loss is no longer finite leaves at the
next rung and changes nothing for the others; so does one that the caller takes out.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from textcls.config.messages import shown
from textcls.config.models import ModelConfig, TrainConfig
from textcls.exceptions import ConfigError, DivergedError
from textcls.models import classifier
from textcls.text import batching
from textcls.text.batching import Batch
from textcls.text.encoding import EncodedSplit
from textcls.training._fused_adam import FusedAdam
from textcls.training._fused_model import FusedModel
from textcls.training.trainer import (
    EVALUATION_BATCH,
    METRIC_NAMES,
    RungResult,
    measure_logits,
    save_checkpoint,
)

Settings = tuple[ModelConfig, TrainConfig]

_FREE_OF_MODEL = ("dropout", "embedding_dropout", "word_dropout", "linear_weight", "init")
_SHAPE_OF_TRAIN = ("epochs", "least_texts", "batch_size")
_ALONE = {
    "model.ngrams": 0,
    "train.class_weights": "none",
    "train.class_sampling": "none",
    "train.log_every": None,
}
"""Settings that only a training of one classifier knows, with the value that a group has."""


def shape_of(model: ModelConfig, train: TrainConfig) -> dict[str, Any]:
    """Return the settings in which classifiers must agree to be trained together.

    Args:
        model: The settings of one of them.
        train: The settings of its training.

    Returns:
        Values by dotted key, such as "model.hidden_size": all of `model` but dropouts, initial
        weights and the linear classifier's weight; of `train`, the epochs and the size of a batch.

    Example:
        >>> a, b = ModelConfig(hidden_size=50), ModelConfig(hidden_size=50, dropout=0.3)
        >>> shape_of(a, TrainConfig()) == shape_of(b, TrainConfig(learning_rate=0.1))
        True
    """
    of_model = {f"model.{k}": v for k, v in model if k not in _FREE_OF_MODEL}
    return of_model | {f"train.{k}": getattr(train, k) for k in _SHAPE_OF_TRAIN}


def check_shapes(members: Sequence[Settings]) -> None:
    """Check that classifiers can be trained together.

    Args:
        members: The settings of each classifier and of its training.

    Raises:
        ConfigError: There are none, two differ in shape, or one has n-gram scores, weighted classes
            or a log of its steps; the message names the classifier by its place, from 0.
    """
    if not members:
        raise ConfigError("a group needs at least one classifier, but there are none")
    first = shape_of(*members[0])
    for number, member in enumerate(members):
        settings = dict(zip(("model", "train"), member, strict=True))
        for name, needed in _ALONE.items():
            section, _, key = name.partition(".")
            found = getattr(settings[section], key)
            if found != needed:
                raise ConfigError(
                    f"classifier {number}: {name} is {shown(found)}, but must be {shown(needed)} "
                    "in a group: only a classifier that is trained alone has it"
                )
        for key, value in shape_of(*member).items():
            if value != first[key]:
                raise ConfigError(
                    f"classifier {number}: {key} is {value}, but that of classifier 0 is "
                    f"{first[key]}: a group has one shape"
                )


class FusedTraining:
    """k classifiers in training, numbered from 0 in the order of their settings.

    Args:
        splits: "train", and "validation" and "test" where there are any.
        embeddings: float32 (vocabulary, dim); copied for each classifier.
        num_classes: Number of classes.
        members: The settings of each classifier and of its training, of one shape.
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
        members: Sequence[Settings],
        *,
        order_seed: int | None = None,
        device: str = "cpu",
    ) -> None:
        check_shapes(members)
        self.splits, self.device = splits, device
        self.settings = dict(enumerate(members))
        self.members = list(self.settings)
        """The numbers of those that are still trained."""
        self.diverged: dict[int, DivergedError] = {}
        """Those whose loss was no longer finite, with the error that says when."""
        _, train = members[0]
        self.order_seed = train.seed if order_seed is None else order_seed
        self.batch_size = train.batch_size
        self.lengths = np.diff(splits["train"].offsets)
        self.steps_per_epoch = -(-len(self.lengths) // train.batch_size)
        epochs = train.epochs_on(len(self.lengths))
        self.total_steps = max(1, round(epochs * self.steps_per_epoch))
        singles = [
            classifier.create_classifier(
                # Initial weights do not depend on the words; they are copied once for all.
                embeddings[:1], num_classes, model, seed=each.seed, device=device, compiled=False
            )
            for model, each in members
        ]  # fmt: skip
        words = torch.from_numpy(np.array(embeddings, dtype=np.float32)).to(device)
        seeds = torch.tensor([each.seed for _, each in members])
        self.model = FusedModel(singles, words)
        self.model.dropouts.seeds = seeds.to(device)
        trains = [each for _, each in members]
        self.optimizer = FusedAdam(self.model, trains, self.total_steps)
        self._smoothing = torch.tensor([each.label_smoothing for each in trains], device=device)
        self._smooth = any(each.label_smoothing for each in trains)
        self.step = 0

    def fit(self, rungs: Sequence[float]) -> Iterator[dict[int, RungResult]]:
        """Train from the current step on and yield at each rung ahead a result for each classifier.

        A classifier whose loss is no longer finite has no result: it has left and is in `diverged`.
        Seconds and speeds are those of the whole group. Training ends when all have left.

        Args:
            rungs: Epochs, ascending; the end of the run is always the last rung.
        """
        began = mark = time.perf_counter()
        targets = {self._step_at(rung) for rung in rungs} | {self.total_steps}
        losses, since = self._no_losses(), (self.step, 0, 0)
        for batch in self._batches():
            losses += self.train_step(batch)
            since = (since[0], since[1] + len(batch.labels), since[2] + len(batch.index))
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
        losses = self._losses(self.model.scores(rows, batch, self.step), batch.labels)
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
        self._smoothing = self._smoothing.index_select(0, places)

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

    def _state(self, place: int) -> dict[str, Tensor]:
        """Return the `state_dict` of the classifier at a place."""
        found = {name: each[place].detach() for name, each in self.model.weights().items()}
        found |= {name: each[place] for name, each in self.model.statistics.items()}
        for name in self.model.template.state_dict():
            if name.endswith("num_batches_tracked"):
                found[name] = torch.tensor(self.step)
        return {**found, "embeddings": self.model.words[place]}

    def _step_at(self, rung: float) -> int:
        return min(self.total_steps, max(1, round(rung * self.steps_per_epoch)))

    def _batches(self) -> Iterator[Batch]:
        """Yield every batch from here to the end of the run."""
        while self.step < self.total_steps:
            epoch, done = divmod(self.step, self.steps_per_epoch)
            order, bounds = batching.training_order(
                self.lengths, self.batch_size, self.order_seed, epoch
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

    def _losses(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return each classifier's mean cross-entropy: (k, batch, classes) -> (k,)."""
        logs = logits.log_softmax(dim=2)
        chosen = labels[None, :, None].expand(len(logits), -1, 1)
        losses = -logs.gather(2, chosen).mean(dim=(1, 2))
        if not self._smooth:
            return losses
        return losses + self._smoothing * (-logs.mean(dim=(1, 2)) - losses)

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
