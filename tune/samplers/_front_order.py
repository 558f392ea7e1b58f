"""Order trials by value and cost, for a sampler that knows one value of a trial.

TPE models the better trials and the others. With a cost beside the metric the better ones are those
of the first fronts of non-dominated sorting, of the front on which the number is full those that
are spread over it: the order of MOTPE (Ozaki et al., "Multiobjective tree-structured Parzen
estimator", JAIR 73, 2022), with `tune.pareto`'s spread in place of the hypervolume's. Optuna's own
MOTPE takes complete trials alone, of which rungs leave few; here, as in its TPE, trials that were
stopped follow the complete ones, those that came farthest first.
"""

import copy
from collections import defaultdict
from collections.abc import Callable, Sequence

from optuna.trial import FrozenTrial, TrialState

from tune import pareto

MOST_GOOD = 25
"""The largest number of trials that TPE counts as good (`optuna.samplers.default_gamma`); the order
within a front matters to it up to there, and spreading takes steps by its square."""

Price = Callable[[FrozenTrial], float]
"""The cost of a trial's configuration, above 0."""


def best_first(trials: Sequence[FrozenTrial], price: Price, sign: float) -> list[FrozenTrial]:
    """Return trials by how far they came, then by fronts, each front spread out.

    Args:
        trials: Trials that are complete, or were stopped.
        price: The cost of a trial.
        sign: 1 where values are maximised, -1 where they are minimised.
    """
    groups: dict[tuple[int, int], list[FrozenTrial]] = defaultdict(list)
    for trial in trials:
        groups[_stage(trial)].append(trial)
    found = []
    for stage in sorted(groups):
        points = {trial.number: (sign * _value(trial), price(trial)) for trial in groups[stage]}
        known = {trial.number: trial for trial in groups[stage]}
        found += [known[number] for number in _by_fronts(points)]
    return found


def with_places(trials: Sequence[FrozenTrial], price: Price, sign: float) -> list[FrozenTrial]:
    """Return copies of trials whose values are their places in `best_first`.

    Args:
        trials: Trials in any state; those that run stay as they are.
        price: The cost of a trial.
        sign: 1 where values are maximised, -1 where they are minimised.
    """
    ended = [trial for trial in trials if trial.state != TrialState.RUNNING]
    places = {
        trial.number: -sign * place
        for place, trial in enumerate(best_first(ended, price, sign), start=1)
    }
    return [_replaced(trial, places.get(trial.number)) for trial in trials]


def _replaced(trial: FrozenTrial, value: float | None) -> FrozenTrial:
    if value is None:
        return trial
    found = copy.copy(trial)
    if trial.state == TrialState.COMPLETE:
        found.value = value
    elif trial.last_step is not None:
        found.intermediate_values = {trial.last_step: value}
    return found


def _by_fronts(points: dict[int, pareto.Point]) -> list[int]:
    numbers = pareto.front_numbers([*points.values()])
    fronts: dict[int, list[int]] = defaultdict(list)
    for trial, front in zip(points, numbers, strict=True):
        fronts[front].append(trial)
    found: list[int] = []
    for front in sorted(fronts):
        count = min(len(fronts[front]), max(0, MOST_GOOD - len(found)))
        spread = pareto.spread_out(fronts[front], points, count) if count else []
        found += [*spread, *(each for each in fronts[front] if each not in spread)]
    return found


def _stage(trial: FrozenTrial) -> tuple[int, int]:
    """Return a key that is the lower the farther a trial came."""
    if trial.state == TrialState.COMPLETE:
        return 0, 0
    return (2, 0) if trial.last_step is None else (1, -trial.last_step)


def _value(trial: FrozenTrial) -> float:
    if trial.state == TrialState.COMPLETE and trial.value is not None:
        return trial.value
    return 0.0 if trial.last_step is None else trial.intermediate_values[trial.last_step]
