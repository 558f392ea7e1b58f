"""An objective of one's own: any function that takes a configuration and yields metrics."""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tune.exceptions import SearchError
from tune.execution.task import Task


class TrialConfig(dict[str, Any]):
    """The parameters of one trial by name, as an objective gets them.

    Attributes:
        number: The trial's number.
        seed: A seed of its own for each trial, and another for each rerun of a confirmation.
        folder: A folder for what the objective wants to keep.
    """

    def __init__(self, params: Mapping[str, Any], number: int, seed: int, folder: Path) -> None:
        super().__init__(params)
        self.number = number
        self.seed = seed
        self.folder = folder


Metrics = Mapping[str, float]
UserFunction = Callable[[TrialConfig], Iterable[Metrics] | Metrics | float]
"""Takes a configuration; yields its metrics epoch by epoch, or returns them once."""


@dataclass(frozen=True, slots=True)
class UserObjective:
    """Lets a search run a user's function as it runs the training of a classifier.

    The n-th value that the function yields is what the trial has reached after n epochs. Of those
    the search hears the ones at its rungs; a trial that is stopped there ends at its next `yield`.
    A trial that is taken up again after an interruption starts from its beginning, unless the
    function keeps and finds its own state in `config.folder`.
    """

    function: UserFunction

    def __call__(self, task: Task) -> Iterator[dict[str, float]]:
        """Yield the metrics of a trial at each rung.

        Raises:
            SearchError: Where the function yields something else, or too little.
        """
        began = time.perf_counter()
        config = TrialConfig(task.params, task.number, task.train.seed, task.folder.root)
        rungs = [math.ceil(epoch - 1e-9) for epoch in task.milestones]
        told, rung = 0, 0
        for told, given in enumerate(self._values(config, task.metric), start=1):
            metrics = _checked(given, task.metric)
            task.check()
            while rung < len(rungs) and told >= rungs[rung]:
                seconds = time.perf_counter() - began
                extent = {"epoch": float(told), "step": float(told), "seconds": seconds}
                yield {**metrics, **extent, "train_seconds": seconds}
                rung += 1
            if rung == len(rungs):
                return
        raise SearchError(
            f"the objective yielded {told} times, but {rungs[-1]} were expected; yield once an "
            "epoch, or search with epochs=1 where there is one value"
        )

    def _values(self, config: TrialConfig, metric: str) -> Iterable[Any]:
        found = self.function(config)
        if isinstance(found, int | float):
            return [{metric: float(found)}]
        return [found] if isinstance(found, Mapping) else found


def _checked(metrics: object, metric: str) -> dict[str, float]:
    if isinstance(metrics, int | float):
        metrics = {metric: metrics}
    if not isinstance(metrics, Mapping) or metric not in metrics:
        raise SearchError(
            f"the objective must yield a mapping with {metric!r}, but yielded {metrics!r:.80}"
        )
    try:
        return {str(name): float(value) for name, value in metrics.items()}
    except (TypeError, ValueError) as error:
        raise SearchError(f"the objective must yield numbers, but {error}") from error
