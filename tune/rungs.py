"""Asynchronous successive halving without an executor: rungs, their records, the decision.

The stopping variant of ASHA (Li et al., 2020, https://arxiv.org/abs/1810.05934): a trial that
reaches a rung goes on when its value is among the best 1 / `reduction_factor` of all values
recorded there so far, its own included. Nobody waits and nobody is paused. The decision depends
on nothing but the order of the reports, so the same reports give the same decisions, and the
records can be refilled from a study.
"""

import math
from collections.abc import Iterable, Sequence


def milestones(grace_period: float, reduction_factor: float, epochs: float) -> tuple[float, ...]:
    """The epochs at which a trial reports: `grace_period` * `reduction_factor`^k, then `epochs`.

    A rung in the last tenth before the end is left out: it would cost an evaluation and save next
    to nothing.
    """
    if not (grace_period > 0 and reduction_factor > 1 and epochs > 0):
        raise ValueError(f"no rungs with {grace_period=}, {reduction_factor=}, {epochs=}")
    rungs = []
    at = grace_period
    while at < 0.9 * epochs:
        rungs.append(at)
        at *= reduction_factor
    return (*rungs, epochs)


class Rungs:
    """What each trial reached at each rung, and who goes on.

    At the last rung a trial is complete, so no decision is taken there.
    """

    def __init__(self, count: int, reduction_factor: float) -> None:
        self._reduction_factor = reduction_factor
        self._values: list[dict[int, float]] = [{} for _ in range(count)]

    def report(self, trial: int, rung: int, value: float) -> bool:
        """Record a trial's value at a rung, counted from 0; True when the trial goes on.

        A value that is not a number never goes on.
        """
        values = self._values[rung]
        values[trial] = value
        if rung == len(self._values) - 1:
            return True
        better = sum(other > value for other in values.values())
        return not math.isnan(value) and better < math.ceil(len(values) / self._reduction_factor)

    def refill(self, trial: int, values: Iterable[float]) -> None:
        """Record a trial's values at rungs 0, 1, ... without a decision."""
        for recorded, value in zip(self._values, values, strict=False):
            recorded[trial] = value

    def forget(self, trial: int) -> None:
        """Take a trial out of all rungs: another one takes its place."""
        for values in self._values:
            values.pop(trial, None)

    def counts(self) -> Sequence[int]:
        """How many trials reached each rung."""
        return [len(values) for values in self._values]
