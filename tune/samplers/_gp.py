"""Learn from every rung of every trial: Bayesian optimisation that works under a scheduler.

The first trials are random. Then `CurveProcess` predicts for many candidates what they would reach
at the end of training, and the one with the highest expected gain is proposed.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState

from tune.config import optuna_space as spaces
from tune.config.conditions import Params, Space
from tune.samplers import _encoding
from tune.samplers._curve_gp import Array, CurveProcess, log_expected_improvement, on_one_thread
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
_END = 2**31  # a step beyond every training's


class CurveGPSampler(WindowedSampler):
    """Propose the trial whose predicted end of training promises the most.

    Conditions in `space` are kept. The study's attribute `milestones` has the epochs of the rungs,
    of which the last is the end of training.
    """

    def __init__(self, space: Space, *, seed: int) -> None:
        self._space = space
        self._distributions = spaces.in_optuna(space)
        self._generator = np.random.default_rng(seed)
        self._positions = SpaceEncoder(space)
        self._process = CurveProcess(self._positions.parameter_of)
        self._ended: list[FrozenTrial] = []
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
        """Propose values for the parameters that the trial has."""
        if "fixed_params" in trial.system_attrs:  # enqueued: nothing is to be proposed
            return {}
        window = self._seen(study)
        self._ended = _worth_learning([*self._ended, *window.fresh()])
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
        known = [trial for trial in [*self._ended, *running] if _curve(trial)]
        if len(self._ended) + len(running) < _RANDOM_TRIALS or len(known) < _FEWEST:
            return self._positions.draw(next(self._first))
        rows = {trial.number: self._row(trial) for trial in [*known, *running]}
        self._learn(known, rows)
        if running:
            self._process.condition_on_running(np.array([rows[trial.number] for trial in running]))
        expected, _ = self._process.predict(np.array([rows[trial.number] for trial in known]))
        order = np.argsort(-expected, kind="stable")[:_TOPS]
        points = self._candidates([known[at] for at in order])
        promise = log_expected_improvement(
            *self._process.predict(self._positions.rows(points)), best=expected.max()
        )
        return self._positions.draw(points[int(promise.argmax())])

    def _learn(self, known: list[FrozenTrial], rows: dict[int, Array]) -> None:
        observed = [
            (trial.number, step, value) for trial in known for step, value in _curve(trial).items()
        ]
        trials, steps, values = map(np.array, zip(*observed, strict=True))
        last = self._last_step or steps.max()  # what is without steps lies at the end
        self._process.fit(
            positions=np.array([rows[number] for number in trials]),
            times=np.log2(np.minimum(1.0, np.maximum(1, steps) / last)),
            trials=trials,
            values=_clip_low(-np.log(np.maximum(1 - values, _LEAST_ERROR))),
        )

    def _candidates(self, best: list[FrozenTrial]) -> Array:
        """Return points (candidates, parameters): anywhere, and beside the best trials."""
        found = [self._generator.random((_ANYWHERE, len(self._positions)))]
        for trial in best:
            point = self._positions.point(spaces.decode_params(self._space, trial.params))
            found += [
                self._positions.near(point, reach, _BESIDE, self._generator) for reach in _REACHES
            ]
        return np.concatenate(found)

    def _row(self, trial: FrozenTrial) -> Array:
        return self._positions.row(spaces.decode_params(self._space, trial.params))

    def _seen(self, study: Study) -> Window:
        if self._window is None:  # the first time
            milestones = study.user_attrs.get("milestones")
            self._last_step = max(1, step_of(milestones[-1])) if milestones else None
        return super()._seen(study)


def _latin_hypercubes(parameters: int, generator: np.random.Generator) -> Iterator[Array]:
    """Yield points (parameters,): so many in turn have one in each part of a range (McKay 1979)."""
    while True:
        strata = np.tile(np.arange(_RANDOM_TRIALS), (parameters, 1))
        strata = generator.permuted(strata, axis=1).T
        yield from (strata + generator.random(strata.shape)) / _RANDOM_TRIALS


def _curve(trial: FrozenTrial) -> dict[int, float]:
    """Return a trial's values by step; one that went wrong has only its bad value, at its end."""
    if trial.state != TrialState.COMPLETE or trial.value is None:
        return trial.intermediate_values
    if trial.value == WORST or not trial.intermediate_values:
        return {_END: trial.value}
    return trial.intermediate_values


def _worth_learning(trials: list[FrozenTrial]) -> list[FrozenTrial]:
    """Return the best and the latest trials, by number."""
    if len(trials) <= _BEST + _LATEST:
        return trials
    old, latest = trials[:-_LATEST], trials[-_LATEST:]
    best = sorted(old, key=lambda trial: -max(_curve(trial).values(), default=WORST))[:_BEST]
    return [*sorted(best, key=lambda trial: trial.number), *latest]


def _clip_low(values: Array) -> Array:
    """Clip very low values so that outliers do not dominate the fit."""
    middle, highest = np.median(values), values.max()
    clipped: Array = np.maximum(values, middle - _DEEP * (highest - middle))
    return clipped
