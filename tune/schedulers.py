"""Decide at a rung which trials go on: asynchronous successive halving, Hyperband, the median rule.

Nothing here knows of an executor. The same reports in the same order give the same decisions, so a
scheduler can be refilled from a study's records when a search is resumed.
"""

import math
import statistics
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence

from tune import pareto

_GOLDEN = (math.sqrt(5) - 1) / 2  # the fractions of its multiples are spread evenly


def rung_milestones(
    grace_period: float, reduction_factor: float, epochs: float
) -> tuple[float, ...]:
    """Return the epochs at which a trial reports.

    These are `grace_period` * `reduction_factor`^k for k = 0, 1, ..., then `epochs`. A rung in the
    last tenth before the end is left out: it would cost an evaluation and save next to nothing.

    Args:
        grace_period: Epochs until the first rung.
        reduction_factor: The ratio of one rung's epochs to those of the rung before.
        epochs: Epochs of a trial that is never stopped.

    Raises:
        ValueError: The numbers are not positive, or the factor is not above 1.

    Example:
        >>> rung_milestones(0.25, 2, 1.0)
        (0.25, 0.5, 1.0)
    """
    if not (grace_period > 0 and reduction_factor > 1 and epochs > 0):
        raise ValueError(f"no rungs with {grace_period=}, {reduction_factor=}, {epochs=}")
    rungs = []
    at = grace_period
    while at < 0.9 * epochs:
        rungs.append(at)
        at *= reduction_factor
    return (*rungs, epochs)


class Scheduler(ABC):
    """Record what each trial reaches at each rung and decide whether it continues.

    At the last rung a trial is complete, so no decision is taken there. A subclass decides in
    `_continues`; add its name to `create_scheduler` and to `SchedulerConfig.name`.

    Args:
        count: Number of rungs, the last one included.
    """

    def __init__(self, count: int) -> None:
        self._values: list[dict[int, float]] = [{} for _ in range(count)]
        self._costs: dict[int, float] = {}
        """By trial, where a cost is minimised beside the metric."""

    def should_continue(
        self, trial: int, rung: int, value: float, cost: float | None = None
    ) -> bool:
        """Record a trial's value at a rung and decide whether it goes on.

        Args:
            trial: Its number.
            rung: Counted from 0. At the last one every trial may go on, since there is nothing to
                go on to.
            value: The metric, which is maximised. A trial whose value is not a number never goes
                on.
            cost: What is minimised beside the metric; None where the metric alone counts. It
                depends on the configuration alone, so it is the same at every rung.

        Returns:
            Whether it goes on; the same reports in the same order give the same answers.
        """
        values = self._values[rung]
        values[trial] = value
        if cost is not None:
            self._costs[trial] = cost
        if rung == len(self._values) - 1:
            return True
        return not math.isnan(value) and self._continues(trial, rung, value)

    @abstractmethod
    def _continues(self, trial: int, rung: int, value: float) -> bool:
        """Decide at a rung that is not the last one, once the value is recorded."""

    def refill(self, trial: int, values: Iterable[float], cost: float | None = None) -> None:
        """Record the values of a trial of an earlier session, without a decision.

        Args:
            trial: Its number.
            values: At rungs 0, 1, and so on, as far as it came.
            cost: What is minimised beside the metric, where something is.
        """
        if cost is not None:
            self._costs[trial] = cost
        for recorded, value in zip(self._values, values, strict=False):
            recorded[trial] = value

    def counts(self) -> Sequence[int]:
        """Return the number of trials that reached each rung."""
        return [len(values) for values in self._values]


class SuccessiveHalving(Scheduler):
    """Let the best 1 / `reduction_factor` of the trials seen so far pass each rung (ASHA).

    The stopping variant of Li et al., 2020, https://arxiv.org/abs/1810.05934: no trial waits and
    none is paused. The decision depends on nothing but the order of the reports.

    Of equal values a third (at factor 3) goes on, not all: a configuration that learns nothing
    predicts one class for every text, and where half of a space does that they all have the same
    accuracy to the last digit. A trial that has had the same value as another at every rung so far,
    from the second on, stops: what the rest of that course brings is known.

    Where a cost is minimised beside the metric, the best are those of `tune.pareto`: first the
    trials that no other one dominates, spread over their front (MO-ASHA, Schmucker et al. 2021).
    """

    def __init__(self, count: int, reduction_factor: float) -> None:
        super().__init__(count)
        self._reduction_factor = reduction_factor

    def _continues(self, trial: int, rung: int, value: float) -> bool:  # noqa: ARG002
        return not self._repeats(trial, rung) and self._is_among_best(trial, self._values[rung])

    def _repeats(self, trial: int, rung: int) -> bool:
        """Tell whether another trial has had the same values at all of several rungs."""
        value = self._values[rung][trial]
        alike = [t for t, other in self._values[rung].items() if other == value and t != trial]
        earlier = self._values[:rung]
        return rung > 0 and any(
            all(values.get(other) == values.get(trial) for values in earlier) for other in alike
        )

    def _is_among_best(self, trial: int, values: Mapping[int, float]) -> bool:
        count = math.ceil(len(values) / self._reduction_factor)
        if not self._costs:
            return _count_better(trial, values) < count
        points = {
            number: (-math.inf if math.isnan(value) else value, self._costs[number])
            for number, value in values.items()
        }
        return pareto.is_among_best(trial, points, count, _lot)


class Hyperband(SuccessiveHalving):
    """Run successive halving with several grace periods (Li et al., 2018), asynchronously.

    Each trial belongs to a bracket, and bracket b takes no decision before rung b; the last one
    trains every trial to its end. A trial is compared with those of its own bracket. Brackets take
    turns in the proportions of Hyperband, those with short grace periods more often, by the trial's
    number.
    """

    def __init__(self, count: int, reduction_factor: float) -> None:
        super().__init__(count, reduction_factor)
        shares = [
            math.ceil(count / (count - bracket) * reduction_factor ** (count - 1 - bracket))
            for bracket in range(count)
        ]
        self._turns = _spread(shares)

    def bracket(self, trial: int) -> int:
        """Return the rung at which a trial is compared for the first time.

        Args:
            trial: Its number; the brackets take turns.

        Returns:
            The rung, from 0: the bracket's name.
        """
        return self._turns[trial % len(self._turns)]

    def _continues(self, trial: int, rung: int, value: float) -> bool:  # noqa: ARG002
        mine = self.bracket(trial)
        if rung < mine:
            return True
        values = self._values[rung].items()
        return self._is_among_best(trial, {t: v for t, v in values if self.bracket(t) == mine})


class Median(Scheduler):
    """Stop a trial below the median of all values at the rung (Golovin et al., 2017).

    The first `reduction_factor` trials of a rung go on: there is nothing to compare with.
    """

    def __init__(self, count: int, reduction_factor: float) -> None:
        super().__init__(count)
        self._reduction_factor = reduction_factor

    def _continues(self, trial: int, rung: int, value: float) -> bool:  # noqa: ARG002
        values = list(self._values[rung].values())
        return len(values) <= self._reduction_factor or value >= statistics.median(values)


class TopK(Scheduler):
    """Let the best so far pass the first rung and stop nothing afterwards: a baseline.

    This is what people do by hand: everything for an epoch, then the best few to the end. No trial
    waits for the others here, so more than `keep` pass: trial n of a random order with probability
    keep / n.
    """

    def __init__(self, count: int, keep: int) -> None:
        super().__init__(count)
        self._keep = keep

    def _continues(self, trial: int, rung: int, value: float) -> bool:  # noqa: ARG002
        return rung > 0 or _count_better(trial, self._values[rung]) < self._keep


def create_scheduler(
    name: str, count: int, *, reduction_factor: int, keep: int
) -> Scheduler | None:
    """Create the scheduler of that name over `count` rungs; None for `none`, which stops no trial.

    Args:
        name: A name of `SchedulerConfig.name`.
        count: Number of rungs, the last one included.
        reduction_factor: One in so many passes a rung (asha, hyperband).
        keep: How many of the best pass the first rung (top_k).

    Returns:
        An empty scheduler; the reports of earlier trials are to be played to it when a search is
        resumed.
    """
    match name:
        case "hyperband":
            return Hyperband(count, reduction_factor)
        case "median":
            return Median(count, reduction_factor)
        case "top_k":
            return TopK(count, keep)
        case "none":
            return None
        case _:
            return SuccessiveHalving(count, reduction_factor)


def _count_better(trial: int, values: Mapping[int, float]) -> int:
    """Count the trials that are better than one; equal ones are ordered by lot, not by age."""
    value, lot = values[trial], _lot(trial)
    return sum(
        other > value or (other == value and _lot(number) > lot) for number, other in values.items()
    )


def _lot(trial: int) -> float:
    """Return a number from 0 to 1 that depends on the trial alone, evenly spread over any few."""
    return trial * _GOLDEN % 1.0


def _spread(shares: Sequence[int]) -> list[int]:
    """Repeat each index by its share, equal ones as far apart as possible."""
    places = [
        ((turn + 0.5) / share, index) for index, share in enumerate(shares) for turn in range(share)
    ]
    return [index for _, index in sorted(places)]
