"""Estimate how long a search still takes, when most trials are stopped long before their end."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Chosen by benchmarks/eta.py. Half-lives are in ended trials: thresholds rise and the sampler
# learns, so recent trials tell more; what else runs on a machine changes sooner.
_HALF_LIFE = 32
_PACE_HALF_LIFE = 16
_RECALLED = 16 * _HALF_LIFE  # those before weigh nothing, and the picture is drawn often
_DRAWS = 400
_PLAYED = 128  # trials to come that are played one by one; of those before, only the mean counts
_OTHERS = 0.3  # weight of a trial that was stopped sooner, where the pace of longer ones is drawn
_BEFORE = 0.5  # first rungs at the pace until the last rung that count beside what came since
_DRIFT = 0.15  # how far the machine's speed strays from here on: a standard deviation, as a factor
_RANGE = (0.1, 0.9)

_Seconds = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Run:
    """One trial, up to its last rung."""

    seconds: float
    """From its beginning until its end, or until now."""
    rungs: int = 0
    """Rungs that it reached."""
    reached_s: float = 0.0
    """From its beginning until the last of them."""
    trained: float = 0.0
    """Epochs trained in these seconds."""
    since: float = 0.0
    """Epochs trained after the last rung, where it is known; 0 otherwise."""


@dataclass(frozen=True, slots=True)
class Left:
    """Seconds until the last trial ends; never negative."""

    expected_s: float
    """The mean over all that may happen."""
    low_s: float
    high_s: float
    """In eight of ten cases it takes from `low_s` to `high_s`."""

    def at_most(self, seconds: float) -> "Left":
        """Return the estimate for a search that ends at a certain time in any case.

        Args:
            seconds: From now until its time budget is spent.
        """
        return Left(*(min(each, seconds) for each in (self.expected_s, self.low_s, self.high_s)))


def time_left(
    ended: Sequence[Run],
    running: Sequence[Run],
    waiting: int,
    slots: int,
    milestones: Sequence[float],
) -> Left | None:
    """Estimate how long the rest of a search takes; None before any trial has ended.

    The rest of the search is simulated many times. A trial survives each rung with the share of the
    latest trials that did. A running one keeps its own seconds per epoch, any other has those of a
    recent trial that came as far: wide trials survive more often. A slot that becomes free takes
    the next trial. The estimate is the mean: the median, lower where a few wide trials take most of
    the time, was wrong more often.

    Args:
        ended: Trials that have ended, in the order of their ends.
        running: Trials that run now.
        waiting: Number of trials that have not started.
        slots: Trials at a time.
        milestones: Epochs of the rungs.

    Returns:
        Seconds, with the range of eight in ten cases; None before any trial has ended.
    """
    if not running and waiting <= 0:
        return Left(0.0, 0.0, 0.0)
    if not ended:
        return None
    fates = _Fates(ended[-_RECALLED:], running, milestones)
    free = np.zeros((_DRAWS, max(1, slots, len(running))))
    for slot, run in enumerate(running):
        free[:, slot] = fates.rest(run)
    waiting = max(0, waiting)
    if (before := waiting - _PLAYED) > 0:
        free += before * fates.mean_s / free.shape[1]
    draws = np.arange(_DRAWS)
    for _ in range(min(waiting, _PLAYED)):
        free[draws, free.argmin(axis=1)] += fates.fresh()
    ends = free.max(axis=1)
    low, high = np.quantile(ends * fates.drift(), _RANGE)
    return Left(float(np.clip(ends.mean(), low, high)), float(low), float(high))


class _Fates:
    """Draw how far trials come and how long that takes."""

    def __init__(
        self, ended: Sequence[Run], running: Sequence[Run], milestones: Sequence[float]
    ) -> None:
        self._draw = np.random.default_rng(0)  # the same state of a search, the same estimate
        self._epochs = np.array([0.0, *milestones])
        age = np.arange(len(ended))[::-1]
        weights, lately = 0.5 ** (age / _HALF_LIFE), 0.5 ** (age / _PACE_HALF_LIFE)
        self.mean_s = float(np.average([run.seconds for run in ended], weights=weights))
        self._ends = self._hazards(ended, weights, running)
        early = [(run.seconds, w) for run, w in zip(ended, weights, strict=True) if not run.rungs]
        self._unreported_s = _mean(early)
        known = [*zip(ended, lately, strict=True), *((run, 1.0) for run in running)]
        paces = [(run.reached_s / run.trained, w, run.rungs) for run, w in known if run.trained > 0]
        if not paces:
            paces = [(self.mean_s / self._epochs[1], 1.0, 1)]
        columns = zip(*paces, strict=True)
        self._paces, self._likely, self._came = (np.array(column) for column in columns)

    def drift(self) -> _Seconds:
        """Draw how much slower than now the machine will be."""
        return np.asarray(np.exp(_DRIFT * self._draw.standard_normal(_DRAWS)))

    def fresh(self) -> _Seconds:
        """Draw the seconds of a trial that has not started."""
        last = self._last_rung(0)
        seconds = self._pace(last) * self._epochs[last]
        return np.asarray(np.where(last == 0, self._unreported_s, seconds))

    def rest(self, run: Run) -> _Seconds:
        """Draw the seconds that a running trial still takes; it will reach its next rung."""
        reached = min(run.rungs, len(self._epochs) - 1)
        last = self._last_rung(min(reached + 1, len(self._epochs) - 1))
        ahead = self._epochs[last] - self._epochs[reached]
        since_s = run.seconds - run.reached_s
        pace = self._pace(last) if run.trained <= 0 else run.reached_s / run.trained
        if run.since <= 0:
            return np.asarray(np.maximum(0.0, pace * ahead - since_s))
        before = _BEFORE * self._epochs[1]
        pace = (since_s + before * pace) / (run.since + before)
        return np.asarray(np.maximum(0.0, pace * (ahead - run.since)))

    def _last_rung(self, at_least: int) -> NDArray[np.intp]:
        lives_on = np.cumprod(1 - self._ends[:, at_least:], axis=1)  # the last hazard is 1
        survived = self._draw.random((_DRAWS, 1)) < lives_on
        return np.asarray(at_least + survived.sum(axis=1))

    def _pace(self, last: NDArray[np.intp]) -> _Seconds:
        """Draw seconds per epoch of trials whose last rungs are these."""
        paces = np.empty(_DRAWS)
        for rungs in np.unique(last):
            weights = self._likely * np.where(self._came >= rungs, 1.0, _OTHERS)
            drawn = self._draw.choice(self._paces, _DRAWS, p=weights / weights.sum())
            paces = np.where(last == rungs, drawn, paces)
        return paces

    def _hazards(
        self, ended: Sequence[Run], weights: _Seconds, running: Sequence[Run]
    ) -> NDArray[np.float64]:
        """Draw the share of trials that end after 0, 1, ... rungs, of those that come so far.

        Where few came, the share of all rungs that can stop a trial counts as one more trial.
        """
        rungs = len(self._epochs) - 1
        counts = np.array([run.rungs for run in ended])
        rung = np.arange(rungs + 1)[:, np.newaxis]
        stopped = (weights * (counts == rung)).sum(axis=1)
        came = (weights * (counts >= rung)).sum(axis=1)
        came += (np.array([run.rungs for run in running], dtype=int) > rung).sum(axis=1)
        inner = slice(1, rungs)
        usual = stopped[inner].sum() / max(came[inner].sum(), 1e-9)
        hazards = np.empty((_DRAWS, rungs + 1))
        hazards[:, 0] = stopped[0] / came[0]
        hazards[:, -1] = 1.0
        for each in range(1, rungs):
            ends, goes_on = stopped[each] + usual, came[each] - stopped[each] + 1 - usual
            hazards[:, each] = self._draw.beta(max(ends, 1e-6), max(goes_on, 1e-6), _DRAWS)
        return hazards


def _mean(weighted: Sequence[tuple[float, float]]) -> float:
    total = sum(weight for _, weight in weighted)
    return sum(value * weight for value, weight in weighted) / total if total else 0.0
