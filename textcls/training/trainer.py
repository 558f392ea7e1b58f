"""Train a classifier: the loop, from the first batch to the last rung, in one place.

`Training` holds a classifier while it is trained: weights, optimizer, position. `fit()` yields a
result at each rung; the caller decides what a result is for. `save()` and `restore()` put all of it
into one file, written beside and renamed, so that a run continues exactly where it was.
"""

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch.nn import functional

from textcls.config.models import ModelConfig, TrainConfig
from textcls.exceptions import BundleError, DivergedError
from textcls.models import classifier, imbalance
from textcls.text import batching
from textcls.text.batching import Batch
from textcls.text.encoding import EncodedSplit
from textcls.training import _optimizer, metrics, tensor_files
from textcls.training._run_length import RunLength
from textcls.training.step_log import StepLog

CHECKPOINT_VERSION = 1
EVALUATION_BATCH = 64
"""Texts in an evaluation batch: large enough for the products, small enough for the cache."""
TICK = 32
"""Steps between two calls of `progress` (and, on the CPU, two looks at the loss)."""

METRIC_NAMES = {"validation": "val", "test": "test"}
"""Splits that are evaluated at a rung, and how their metrics' names begin."""


@dataclass(frozen=True, slots=True)
class RungResult:
    """The results of training up to a rung.

    seconds: since `fit` began, evaluation included. train_seconds: of training alone since the
    rung before. texts_per_second, tokens_per_second: of that training. metrics: `val_loss`,
    `val_accuracy`, `val_macro_f1`, `val_balanced_accuracy` and the same with `test_`, for the
    splits that there are.
    """

    epoch: float
    step: int
    seconds: float
    train_seconds: float
    train_loss: float
    texts_per_second: float
    tokens_per_second: float
    metrics: dict[str, float]

    def as_dict(self) -> dict[str, float]:
        """Return all fields and metrics as one flat dictionary."""
        flat: dict[str, Any] = asdict(self)
        scores: dict[str, float] = flat.pop("metrics")
        return flat | scores


@dataclass(slots=True)
class _Tally:
    """Sums over the steps since the last rung."""

    loss: torch.Tensor
    steps: int = 0
    texts: int = 0
    tokens: int = 0
    seconds: float = 0.0


class Training:
    """One classifier in training.

    The same arguments give the same results on the same device.

    Args:
        splits: "train", and "validation" and "test" where there are any.
        embeddings: float32 (vocabulary, dim); copied.
        num_classes: Number of classes.
        model: The classifier's settings.
        train: The settings of its training.
        device: "cpu" or a torch device such as "cuda".
        compiled: Use the compiled kernels; by default on the CPU, and plain torch elsewhere.
        order_seed: The seed of the batches' order; by default that of `train`.

    Example::

        training = Training(corpus.splits, corpus.embeddings, 4, ModelConfig(), TrainConfig())
        for result in training.fit([0.5, 1.0]):
            print(result.epoch, result.metrics["test_accuracy"])
    """

    def __init__(
        self,
        splits: Mapping[str, EncodedSplit],
        embeddings: np.ndarray[Any, Any],
        num_classes: int,
        model: ModelConfig,
        train: TrainConfig,
        *,
        device: str = "cpu",
        compiled: bool | None = None,
        order_seed: int | None = None,
    ) -> None:
        compiled = device == "cpu" if compiled is None else compiled
        self.splits, self.train, self.device = splits, train, device
        self.num_classes = num_classes
        self.order_seed = train.seed if order_seed is None else order_seed
        self.lengths = np.diff(splits["train"].offsets)
        self._weights, self._draws = balance_of(splits["train"], num_classes, train, device)
        length = RunLength.of(train, len(self.lengths))
        self.steps_per_epoch, self.total_steps = length.steps_per_epoch, length.total_steps
        self._step_at = length.step_at
        self.frozen_steps = train.frozen_steps(self.total_steps)
        self.classifier = classifier.create_classifier(
            embeddings, num_classes, model, seed=train.seed, device=device, compiled=compiled
        )
        self.optimizer = _optimizer.create_optimizer(
            list(self.classifier.parameters()),
            self.classifier.embeddings,
            train.max_grad_norm,
            compiled=compiled,
        )
        self.step = 0
        self.log = (
            StepLog(train.log_every, train.max_grad_norm, device) if train.log_every else None
        )
        torch.manual_seed(train.seed)  # dropout draws from torch's global generator

    def fit(
        self, rungs: Sequence[float], progress: Callable[[int, int], None] | None = None
    ) -> Iterator[RungResult]:
        """Train from the current step on and yield a result at each rung ahead.

        Args:
            rungs: Epochs, ascending; the end of the run is always the last rung.
            progress: Called every few steps with the steps made and their total.

        Yields:
            Losses, scores of each split that is evaluated, and speeds, since the rung before.

        Raises:
            DivergedError: The loss is no longer finite.
        """
        began = time.perf_counter()
        targets = {self._step_at(rung) for rung in rungs} | {self.total_steps}
        tally = self._tally()
        mark = time.perf_counter()
        self.classifier.train()
        for batch in self._batches():
            tally.loss += self._train_step(batch)
            tally.steps += 1
            tally.texts += len(batch.labels)
            tally.tokens += len(batch.index)
            self.step += 1
            if self.log is not None:
                rate = self.train.learning_rate * rate_share(
                    self.train, self.step - 1, self.total_steps
                )
                self.log.close_step(self.step, self.step / self.steps_per_epoch, rate)
            if self.step % TICK == 0:
                if self.device == "cpu":  # on a GPU a look at the loss would wait for it
                    self._check(tally)
                if progress is not None:
                    progress(self.step, self.total_steps)
            if self.step in targets:
                self._check(tally)
                tally.seconds = time.perf_counter() - mark
                yield self._result(tally, began)
                self.classifier.train()
                tally = self._tally()
                mark = time.perf_counter()

    def _batches(self) -> Iterator[Batch]:
        """Yield every batch from here to the end of the run."""
        while self.step < self.total_steps:
            epoch, done = divmod(self.step, self.steps_per_epoch)
            order, bounds = batching.training_order(
                self.lengths, self.train.batch_size, self.order_seed, epoch, self._draws
            )
            left = self.total_steps - epoch * self.steps_per_epoch
            yield from batching.batches(
                self.splits["train"],
                order,
                bounds[: left + 1],
                len(self.classifier.embeddings),
                device=self.device,
                first=done,
                layout=self.classifier.layout,
            )

    def _train_step(self, batch: Batch) -> torch.Tensor:
        """Update the weights once and return the batch's mean loss, detached."""
        rows = self.classifier.look_up(batch)
        rows.requires_grad_(self.step >= self.frozen_steps)
        logits = self.classifier(rows, batch)
        loss = self._loss(logits, batch.labels)
        loss.backward()  # type: ignore[no-untyped-call]
        if self.log is not None:
            gradients = [parameter.grad for parameter in self.classifier.parameters()]
            self.log.add(loss, logits, batch.labels, [*gradients, rows.grad])
        share = rate_share(self.train, self.step, self.total_steps)
        rate = self.train.learning_rate
        row_rate = self.train.embedding_learning_rate or rate
        self.optimizer.step(share * rate, batch.rows, rows.grad, share * row_rate)
        if self.classifier.ngrams is not None:
            self.classifier.ngrams.learn(share * self.train.ngram_learning_rate)
        return loss.detach()

    def _loss(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        smoothing = self.train.label_smoothing
        if self._weights is None:
            return functional.cross_entropy(logits, labels, label_smoothing=smoothing)
        # Torch's own weights divide by their sum over the batch, which takes back, in a batch with
        # a rare text, much of what that text was to count more.
        each = functional.cross_entropy(logits, labels, label_smoothing=smoothing, reduction="none")
        return (each * self._weights[labels]).mean()

    def _tally(self) -> _Tally:
        return _Tally(torch.zeros((), device=self.device))

    def _check(self, tally: _Tally) -> None:
        if not torch.isfinite(tally.loss):
            raise DivergedError(
                f"diverged: the training loss was {tally.loss.item()} by step {self.step}"
            )

    def _result(self, tally: _Tally, began: float) -> RungResult:
        return RungResult(
            epoch=self.step / self.steps_per_epoch,
            step=self.step,
            seconds=time.perf_counter() - began,
            train_seconds=tally.seconds,
            train_loss=tally.loss.item() / tally.steps,
            texts_per_second=tally.texts / tally.seconds,
            tokens_per_second=tally.tokens / tally.seconds,
            metrics=self.scores(),
        )

    def scores(self) -> dict[str, float]:
        """Evaluate on every split but train; return metrics by name, such as `test_accuracy`."""
        found: dict[str, float] = {}
        for split, prefix in METRIC_NAMES.items():
            if split in self.splits:
                measured = self.evaluate(self.splits[split])
                found |= {f"{prefix}_{name}": value for name, value in measured.items()}
        return found

    def evaluate(self, split: EncodedSplit) -> dict[str, float]:
        """Measure the classifier as it is now on a split.

        Args:
            split: The encoded texts, at least one, with linear scores where the classifier adds
                them.

        Returns:
            The mean loss, accuracy, macro F1 and balanced accuracy, each by its name.
        """
        logits = predict_logits(self.classifier, split, self.device)
        return measure_logits(logits, torch.from_numpy(np.array(split.labels)))

    def save(self, path: Path) -> None:
        """Write everything that is needed to continue to one file.

        Args:
            path: The safetensors file, which is replaced at once or not at all.

        Raises:
            OSError: The file cannot be written; the error has the system's number.
        """
        tensors = {f"classifier.{k}": v for k, v in self.classifier.state_dict().items()}
        tensors |= {f"optimizer.{k}": v for k, v in self.optimizer.state().items()}
        if self.classifier.ngrams is not None:
            tensors["optimizer.ngram_squares"] = self.classifier.ngrams.squares
        save_checkpoint(path, tensors, self.step)

    def restore(self, path: Path) -> None:
        """Continue from a checkpoint as if there had been no break: every later number is the same.

        Args:
            path: What `save` wrote, of a training with the same configuration.

        Raises:
            BundleError: The checkpoint is missing, damaged or of another configuration.
        """
        about, tensors = read_checkpoint(path)
        generator = tensors.pop("generator")
        weights, moments = (
            {k.removeprefix(f"{p}."): v for k, v in tensors.items() if k.startswith(f"{p}.")}
            for p in ("classifier", "optimizer")
        )
        try:
            self.classifier.load_state_dict(weights)
            if self.classifier.ngrams is not None:
                self.classifier.ngrams.squares.copy_(moments["ngram_squares"])
            self.optimizer.load_state(moments)
            torch.set_rng_state(generator)
        except (KeyError, RuntimeError, TypeError) as error:
            raise BundleError(
                f"{path}: the checkpoint does not fit this configuration: {error}"
            ) from error
        self.step = int(about["step"])


def balance_of(
    split: EncodedSplit, num_classes: int, train: TrainConfig, device: str
) -> tuple[torch.Tensor | None, np.ndarray[Any, Any] | None]:
    """Return the classes' weights and how often each text is drawn.

    Args:
        split: The train split.
        num_classes: Number of classes.
        train: Says how classes are weighed and drawn.
        device: Where the weights go.

    Returns:
        Weights (classes,) and draws an epoch (texts,); either is None where all are alike.
    """
    labels = np.asarray(split.labels)
    weights = draws = None
    if train.class_weights != "none":
        found = imbalance.weigh_classes(
            labels, num_classes, train.class_weights, sampling=train.class_sampling
        )
        weights = torch.from_numpy(found).to(device)
    if train.class_sampling != "none":
        draws = imbalance.weigh_classes(labels, num_classes, train.class_sampling)[labels]
    return weights, draws


def rate_share(train: TrainConfig, step: int, total: int) -> float:
    """Return the factor on the learning rates at a step: warm-up, then the schedule.

    Args:
        train: Names the schedule and the share of the steps that warm up.
        step: Counted from 0.
        total: Steps of the whole training.
    """
    warm = round(train.warmup * total)
    if step < warm:
        return (step + 1) / (warm + 1)
    if train.schedule == "constant":
        return 1.0
    left = (total - step) / (total - warm)  # from 1 down to 1 / steps: no step is lost
    return left if train.schedule == "linear" else 0.5 - 0.5 * math.cos(math.pi * left)


def save_checkpoint(path: Path, tensors: dict[str, torch.Tensor], step: int) -> None:
    """Write a checkpoint of weights and moments, with the state of torch's generator.

    Args:
        path: The file; one that is there is replaced when the new one is whole.
        tensors: Weights as `classifier.NAME` and the optimizer's state as `optimizer.NAME`.
        step: Optimizer steps made so far, from which `Training.restore` goes on.

    Raises:
        OSError: The file cannot be written; the error has the system's number.
    """
    about = {"version": CHECKPOINT_VERSION, "step": step}
    tensors = {**tensors, "generator": torch.get_rng_state()}
    tensor_files.save_tensors(tensors, path, {"training": json.dumps(about)})


def read_checkpoint(path: Path) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """Read a checkpoint that `save_checkpoint` wrote.

    Args:
        path: The file.

    Returns:
        Its description, with `version` and `step`, and its tensors by name, on the CPU.

    Raises:
        BundleError: The file is missing, damaged or of another version.
    """
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {})["training"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise BundleError(f"{path}: not a readable checkpoint: {error}") from error
    if about.get("version") != CHECKPOINT_VERSION:
        raise BundleError(
            f"{path}: must be of version {CHECKPOINT_VERSION}, but is of {about.get('version')}"
        )
    return about, tensors


def measure_logits(logits: torch.Tensor, labels: torch.Tensor) -> dict[str, float]:
    """Measure predictions against the right labels.

    Args:
        logits: float (texts, classes), on the CPU, at least one text.
        labels: int64 (texts,), on the CPU.

    Returns:
        The mean loss (cross-entropy, in nats), accuracy, macro F1 and balanced accuracy, each by
        its name.
    """
    confusion = metrics.confusion_matrix(
        labels.numpy(), logits.argmax(dim=1).numpy(), logits.shape[1]
    )
    loss = functional.cross_entropy(logits, labels).item()
    return {"loss": loss, **metrics.measures_of(confusion)}


@torch.inference_mode()
def predict_logits(model: classifier.Classifier, split: EncodedSplit, device: str) -> torch.Tensor:
    """Score the texts of a split.

    Where the model has a `linear_weight`, the linear classifier's scores are added to the encoder's
    log-probabilities.

    Args:
        model: The classifier, which is left in evaluation mode.
        split: The texts, with the linear classifier's scores where the model needs them.
        device: Where the classifier is, such as "cpu" or "cuda".

    Returns:
        Logits, float32 (texts, classes), in the split's order, on the CPU.

    Raises:
        ValueError: The model needs such scores and the split has none.
    """
    model.eval()
    order, bounds = batching.evaluation_order(np.diff(split.offsets), EVALUATION_BATCH)
    found = batching.batches(
        split,
        order,
        bounds,
        len(model.embeddings),
        device=device,
        layout=model.layout,
    )
    parts = [model(model.look_up(batch), batch) for batch in found]
    logits = torch.cat(parts).cpu()
    out = torch.empty_like(logits)
    out[torch.from_numpy(order)] = logits
    return classifier.with_linear_scores(out, split, model.linear_weight)
