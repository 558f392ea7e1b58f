"""Learn from every rung of every trial: Bayesian optimisation that works under a scheduler.

The first trials are random. Then `CurveProcess` predicts for many candidates what they would reach
at the end of training, and the one with the highest expected gain is proposed.

Three things keep it from getting stuck where most of a space learns nothing:

- The model learns ranks as well as values. Where half of the trials stay at chance, one good trial
  leaves their differences as small as rounding errors, and yet these say in which direction things
  get worse.
- Where trials bring back the very values of another one nearby, as on a coarse grid or where a
  parameter counts in steps, no further trial is proposed as near to one as those were.
- Candidates lie anywhere and beside the best trials, and where the model is wrong the latter win
  again and again. So the longer the best value has not risen, the fewer proposals may lie beside
  it; the others are the best of candidates anywhere. A tenth of the trials is random, without the
  model.

Where a cost is minimised beside the metric, the gain of a candidate is the area that it is expected
to add below the front of value and logarithm of cost (expected hypervolume improvement, Emmerich et
al. 2006). The cost is known before a trial runs and only the value is uncertain, so the area is a
sum of expected gains over the front's steps.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState

from tune import pareto
from tune.config import optuna_space as spaces
from tune.config.conditions import Params, Space, holds
from tune.samplers import _encoding
from tune.samplers._curve_gp import (
    Array,
    CurveProcess,
    Indices,
    log_expected_area,
    log_expected_improvement,
    on_one_thread,
    squared_distances,
)
from tune.samplers._encoding import SpaceEncoder
from tune.samplers._tpe import Window, WindowedSampler
from tune.study.study import WORST, step_of

_RANDOM_TRIALS = 5
_FEWEST = 2  # trials with a result
_BEST, _LATEST = 40, 40  # trials that are learnt from: more cost time and add little
_ANYWHERE = 400  # candidates
_TOPS, _BESIDE, _REACHES = 5, 20, (0.03, 0.1, 0.25)  # and so many beside the best, at each reach
_LEAST_ERROR = 1e-3
_DEEP = 2.0  # below the median, in distances from it to the best: what lies deeper is raised to it
_OF_RANKS = 0.5  # how much of a score is the rank
_LEAST_RANDOM, _MOST_RANDOM = 0.1, 0.6  # share of the proposals
_LEAST_BESIDE = 0.2  # of the others
_PATIENCE = 6  # trials without gain after which the shares are half-way
_TRIFLE = 0.01
_PRICED = 40  # candidates whose cost is looked at
_COOLING = 20  # trials after which cost counts half as much
_TRIES = 20  # random points that are drawn to find one apart from the trials
_SAME_PLACE = 1e-12  # squared distances are known no better
_END = 2**31  # a step beyond every training's


Cost = Callable[[Params], float]


class CurveGPSampler(WindowedSampler):
    """Propose the trial whose predicted end of training promises the most.

    Conditions in `space` are kept. The study's attribute `milestones` has the epochs of the rungs,
    of which the last is the end of training.

    Args:
        space: What is searched.
        seed: The same seed and the same results give the same proposals.
        cost: What a configuration costs beside others, known before it runs. The gain is weighed
            per cost, at first in full and then less and less (Lee et al. 2020, cost cooling): cheap
            trials first, and the best in the end, whatever it costs.
        minimised: A cost that is minimised beside the metric; above 0. Gain is then not weighed by
            `cost` as well.
    """

    def __init__(
        self,
        space: Space,
        *,
        seed: int,
        cost: Cost | None = None,
        minimised: Cost | None = None,
    ) -> None:
        self._space = space
        self._cost = cost if minimised is None else None
        self._minimised = minimised
        self._asked = 0
        self._distributions = spaces.in_optuna(space)
        self._generator = np.random.default_rng(seed)
        self._positions = SpaceEncoder(space)
        self._process = CurveProcess(self._positions.parameter_of)
        self._ended: list[FrozenTrial] = []
        self._given: Params = {}
        self._first = _latin_hypercubes(len(self._positions), self._generator)

    def infer_relative_search_space(
        self,
        study: Study,  # noqa: ARG002
        trial: FrozenTrial,  # noqa: ARG002
    ) -> dict[str, BaseDistribution]:
        """Return all parameters: they are drawn together."""
        return self._distributions

    def sample_relative(
        self,
        study: Study,
        trial: FrozenTrial,
        search_space: dict[str, BaseDistribution],  # noqa: ARG002
    ) -> dict[str, Any]:
        """Propose values for the parameters that the trial has.

        A trial that is given some of them, such as the shape of its group, gets the best values of
        the others beside them.
        """
        asked = trial.system_attrs.get("fixed_params", {})
        self._given = spaces.decode_params(self._space, asked)
        if self._given and not _leaves_open(self._space, self._given):
            return {}
        window, self._asked = self._seen(study), trial.number
        self._ended = self._worth_learning([*self._ended, *window.fresh(), *window.diverged()])
        with on_one_thread():
            return spaces.encode_params(self._propose(window.running(trial.number)))

    def sample_independent(
        self,
        study: Study,  # noqa: ARG002
        trial: FrozenTrial,  # noqa: ARG002
        param_name: str,
        param_distribution: BaseDistribution,  # noqa: ARG002
    ) -> Any:
        """Draw a value for a parameter that an enqueued trial leaves open."""
        drawn = _encoding.drawn(self._space[param_name], self._generator.random())
        return spaces.encode_params({param_name: drawn})[param_name]

    def _propose(self, running: list[FrozenTrial]) -> Params:
        known = [trial for trial in [*self._ended, *running] if self._curve(trial)]
        learnt = sum(trial.state != TrialState.FAIL for trial in known)
        if len(self._ended) + len(running) < _RANDOM_TRIALS or learnt < _FEWEST:
            return self._drawn(next(self._first))
        at_random, beside = _shares(self._without_gain(known))
        kind = self._generator.random()
        rows = {trial.number: self._row(trial) for trial in [*known, *running]}
        taken, apart = np.array([*rows.values()]), self._spacing(known, rows)
        if kind < at_random:
            return self._drawn(self._random_point(taken, apart))
        self._learn(known, rows)
        if running:
            self._process.condition_on_running(np.array([rows[trial.number] for trial in running]))
        is_beside = kind < at_random + beside * (1 - at_random)
        places = self._with_given(known, rows)
        points, promise = self._judged(known, places, taken, apart, is_beside=is_beside)
        top = np.argsort(-promise, kind="stable")[: _PRICED if self._cost else 1]
        return self._worth_its_cost([self._positions.draw(points[at]) for at in top], promise[top])

    def _drawn(self, point: Array) -> Params:
        return self._positions.draw(self._positions.fixed(point, self._given))

    def _with_given(self, known: list[FrozenTrial], rows: dict[int, Array]) -> Array:
        """Return the trials' rows as they would be with the given values, (trials, columns).

        The best trials of another shape say little of where the best of the given one lies.
        """
        if not self._given:
            return np.array([rows[trial.number] for trial in known])
        points = np.array([self._point(trial) for trial in known])
        return self._positions.rows(self._positions.fixed(points, self._given))

    def _judged(
        self,
        known: list[FrozenTrial],
        places: Array,
        taken: Array,
        apart: float,
        *,
        is_beside: bool,
    ) -> tuple[Array, Array]:
        """Return candidates and the logarithm of what each is expected to gain.

        Args:
            known: Trials with a result.
            places: Their rows with the given values, (trials, columns).
            taken: The rows of all trials, those without a result included.
            apart: The distance that candidates keep from them.
            is_beside: Whether candidates may lie beside the best of the known trials.
        """
        expected, _ = self._process.predict(places)
        order: Indices = np.argsort(-expected, kind="stable")[:_TOPS]
        costs = None
        if self._minimised is not None:
            costs = self._log_costs(map(self._drawn, map(self._point, known)))
            order = self._some_of_front(expected, costs)
        points = self._candidates([known[at] for at in order] if is_beside else [])
        points = self._apart_from(points, taken, apart)
        predicted = self._process.predict(self._positions.rows(points))
        if costs is None:
            return points, log_expected_improvement(*predicted, best=expected.max())
        own = self._log_costs(map(self._positions.draw, points))
        return points, log_expected_area(*predicted, own, expected, costs)

    def _worth_its_cost(self, candidates: list[Params], promise: Array) -> Params:
        """Return the candidate with the highest gain per cost, less and less by cost."""
        if self._cost is None:
            return candidates[0]
        weight = 0.5 ** (self._asked / _COOLING)
        costs = np.log([self._cost(each) for each in candidates])
        return candidates[int((promise - weight * costs).argmax())]

    def _log_costs(self, configurations: Iterable[Params]) -> Array:
        costs = map(self._minimised, configurations) if self._minimised is not None else ()
        return np.log([*costs])

    def _some_of_front(self, expected: Array, costs: Array) -> Indices:
        """Return a few of the known trials that no other one is expected to dominate, by lot."""
        front = np.flatnonzero(
            np.array(pareto.front_numbers([*zip(expected, costs, strict=True)])) == 0
        )
        return self._generator.permutation(front)[:_TOPS]

    def _learn(self, known: list[FrozenTrial], rows: dict[int, Array]) -> None:
        observed = [
            (trial.number, step, value)
            for trial in known
            for step, value in self._curve(trial).items()
        ]
        trials, steps, values = map(np.array, zip(*observed, strict=True))
        last = self._last_step or steps.max()  # what is without steps lies at the end
        self._process.fit(
            positions=np.array([rows[number] for number in trials]),
            times=np.log2(np.minimum(1.0, np.maximum(1, steps) / last)),
            trials=trials,
            values=_scores(_minus_log_error(values) if self._bounded else values),
        )

    def _without_gain(self, known: list[FrozenTrial]) -> int:
        """Count the trials that have ended since one raised the best value by more than a trifle.

        A trifle is a hundredth of the way from the median to the best. With a cost beside the
        metric the trials count that have ended since one joined the front.
        """
        reached = {trial.number: max(self._curve(trial).values()) for trial in known}
        if self._minimised is not None:
            costs = self._log_costs(map(self._params, known))
            numbers = pareto.front_numbers([*zip(reached.values(), costs, strict=True)])
            latest = max(each for each, at in zip(reached, numbers, strict=True) if at == 0)
            return sum(trial.number > latest for trial in self._ended)
        finite = [value for value in reached.values() if np.isfinite(value)]
        trifle = _TRIFLE * (max(finite) - float(np.median(finite)))
        best, latest = -np.inf, 0
        for number, value in sorted(reached.items()):
            if value > best + trifle:
                best, latest = value, number
        return sum(trial.number > latest for trial in self._ended)

    def _spacing(self, known: list[FrozenTrial], rows: dict[int, Array]) -> float:
        """Return the distance within which half of the trials repeat their nearest predecessor.

        A trial repeats another when it has the same value at each rung that both have reached.
        Values that are no better than the median do not count: where nothing is learnt they are all
        the same, at any distance. Below 0 where no trial repeats another.
        """
        trials = sorted(known, key=lambda trial: trial.number)
        curves = [self._curve(trial) for trial in trials]
        median = np.median([max(curve.values()) for curve in curves])
        places = np.array([rows[trial.number] for trial in trials])
        found = []
        for at, curve in enumerate(curves[1:], start=1):
            distances = np.square(places[:at] - places[at]).sum(axis=1)
            nearest = int(distances.argmin())
            good = max(curve.values()) > median
            found.append((float(distances[nearest]), good and _agree(curve, curves[nearest])))
        found.sort()
        shares = np.cumsum([repeats for _, repeats in found]) / np.arange(1, len(found) + 1)
        within = np.flatnonzero(shares >= 0.5)
        return float(np.sqrt(found[within[-1]][0])) if len(within) else -1.0

    def _random_point(self, taken: Array, apart: float) -> Array:
        """Return the next random point that is not too near to a trial; after some tries, any."""
        for _ in range(_TRIES):
            point = next(self._first)
            if len(self._apart_from(point[None], taken, apart, at_least=0)):
                break
        return point

    def _apart_from(self, points: Array, taken: Array, apart: float, *, at_least: int = 1) -> Array:
        """Return the points that lie farther than a distance from all trials.

        (n, parameters), (trials, columns) -> (m, parameters). Where fewer are left than `at_least`,
        all of them.
        """
        if apart < 0:
            return points
        nearest = squared_distances(self._positions.rows(points), taken).min(axis=1)
        far = points[nearest > apart**2 + _SAME_PLACE]
        return far if len(far) >= at_least else points

    def _candidates(self, best: list[FrozenTrial]) -> Array:
        """Return points (candidates, parameters): anywhere, and beside the best trials."""
        found = [self._generator.random((_ANYWHERE, len(self._positions)))]
        for trial in best:
            found += [
                self._positions.near(self._point(trial), reach, _BESIDE, self._generator)
                for reach in _REACHES
            ]
        return self._positions.fixed(np.concatenate(found), self._given)

    def _point(self, trial: FrozenTrial) -> Array:
        return self._positions.point(self._params(trial))

    def _row(self, trial: FrozenTrial) -> Array:
        return self._positions.row(self._params(trial))

    def _params(self, trial: FrozenTrial) -> Params:
        found: Params = spaces.decode_params(self._space, trial.params)
        return found

    def _curve(self, trial: FrozenTrial) -> dict[int, float]:
        return _curve(trial, bounded=self._bounded)

    def _worth_learning(self, trials: list[FrozenTrial]) -> list[FrozenTrial]:
        """Return the best and the latest trials, by number."""
        if len(trials) <= _BEST + _LATEST:
            return trials
        old, latest = trials[:-_LATEST], trials[-_LATEST:]
        best = sorted(old, key=lambda each: -max(self._curve(each).values(), default=-np.inf))
        return [*sorted(best[:_BEST], key=lambda trial: trial.number), *latest]

    def _seen(self, study: Study) -> Window:
        if self._window is None:  # the first time
            self._bounded = bool(study.user_attrs.get("bounded", True))
            milestones = study.user_attrs.get("milestones")
            self._last_step = max(1, step_of(milestones[-1])) if milestones else None
        return super()._seen(study)


def _leaves_open(space: Space, given: Params) -> bool:
    """Tell whether a trial with these parameters lacks any that it should have."""
    return any(name not in given and holds(known, given) for name, known in space.items())


def _latin_hypercubes(parameters: int, generator: np.random.Generator) -> Iterator[Array]:
    """Yield points (parameters,): so many in turn have one in each part of a range (McKay 1979)."""
    while True:
        strata = np.tile(np.arange(_RANDOM_TRIALS), (parameters, 1))
        strata = generator.permuted(strata, axis=1).T
        yield from (strata + generator.random(strata.shape)) / _RANDOM_TRIALS


def _curve(trial: FrozenTrial, *, bounded: bool) -> dict[int, float]:
    """Return a trial's values by step; one that went wrong has only its bad value, at its end."""
    if trial.state == TrialState.FAIL:
        return {_END: -np.inf}
    if trial.state != TrialState.COMPLETE or trial.value is None:
        return trial.intermediate_values
    if (bounded and trial.value == WORST) or not trial.intermediate_values:
        return {_END: trial.value}
    return trial.intermediate_values


def _agree(one: dict[int, float], other: dict[int, float]) -> bool:
    """Tell whether two curves have the same values at all steps that they share, at least one."""
    both = one.keys() & other.keys()
    return bool(both) and all(one[step] == other[step] for step in both)


def _shares(without_gain: int) -> tuple[float, float]:
    """Return which share of the proposals is random, and which of the others lies beside the best.

    Args:
        without_gain: The trials that have ended since the best value rose.
    """
    hope = 0.5 ** (without_gain / _PATIENCE)
    at_random = _MOST_RANDOM + (_LEAST_RANDOM - _MOST_RANDOM) * hope
    return at_random, max(_LEAST_BESIDE, hope)


def _minus_log_error(values: Array) -> Array:
    """Stretch shares near 1: from 0.98 to 0.99 is as far as from 0.8 to 0.9."""
    found: Array = -np.log(np.maximum(1 - values, _LEAST_ERROR))
    return found


def _scores(values: Array) -> Array:
    """Return what the model learns of each value: a mean of its rank and of the value itself.

    Both have mean 0 and variance 1. The ranks are normal scores, equal values in the middle.
    """
    from scipy.special import ndtri
    from scipy.stats import rankdata

    ranks = ndtri((rankdata(values) - 0.5) / len(values))
    clipped = _clip_low(values)
    spread = clipped.std() or 1.0
    scores: Array = _OF_RANKS * ranks + (1 - _OF_RANKS) * (clipped - clipped.mean()) / spread
    return scores


def _clip_low(values: Array) -> Array:
    """Clip very low values so that outliers do not dominate the fit."""
    finite = values[np.isfinite(values)]
    middle, highest = np.median(finite), finite.max()
    clipped: Array = np.maximum(values, middle - _DEEP * (highest - middle))
    return clipped
