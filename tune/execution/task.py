"""The input of a worker and the interface of an objective."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from textcls.config.models import ModelConfig, TrainConfig
from textcls.exceptions import DivergedError
from textcls.text.encoding import EncodedSplit
from tune.run_folder.paths import EVALUATE
from tune.run_folder.trial_folder import TrialFolder
from tune.study.records import Interrupted


@dataclass(frozen=True, slots=True)
class Arrays:
    """A corpus as a worker needs it: flat arrays that lie in shared memory."""

    splits: dict[str, EncodedSplit]
    embeddings: np.ndarray
    """float32 (vocabulary, dim)"""
    num_classes: int


@dataclass(frozen=True, slots=True)
class Task:
    """One trial: its configuration, its data, its rungs, its folder."""

    number: int
    params: Mapping[str, Any]
    model: ModelConfig
    train: TrainConfig
    arrays: Arrays
    milestones: tuple[float, ...]
    """Epochs of the rungs, ascending."""
    metric: str
    folder: TrialFolder
    stop: Path
    device: str
    heartbeat: Path | None = None
    """Where the trial may say how far it is between rungs (`tune.run_folder.heartbeat`)."""

    def check(self) -> None:
        """Raise `Interrupted` when the search has to stop; an objective calls it now and then.

        Ray waits for a trial's next report before it can end the trial.
        """
        if self.stop.exists() or self.folder.store.asked_to_stop():
            raise Interrupted("the search was stopped")

    def is_evaluated_on_stop(self) -> bool:
        """Tell whether a trial that is stopped before its first rung is to be evaluated."""
        try:
            said = self.stop.read_bytes()
        except OSError:  # on another machine, or taken back already
            said = self.folder.store.read(self.stop) or b""
        return said.decode(errors="replace").strip() == EVALUATE


def check_finite(metrics: Mapping[str, Any], rung: int) -> None:
    """Check that all metrics of a rung are numbers.

    Args:
        metrics: By name; values that are no floats are passed over.
        rung: Counted from 0; the message counts from 1, as the leaderboard does.

    Raises:
        DivergedError: One is infinite or not a number.
    """
    for name, value in metrics.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise DivergedError(f"{name} at rung {rung + 1} is {value}")


Objective = Callable[[Task], Iterator[Mapping[str, float]]]
"""Trains a trial and yields its metrics at each rung, after what it needs to go on is on disk."""
