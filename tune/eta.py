"""How long a search still takes, where most trials are stopped long before their end."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# In ended trials. Thresholds rise and the sampler learns, so recent trials tell more; what else
# runs on a machine changes sooner. Chosen by benchmarks/eta.py.
_HALF_LIFE = 32
_PACE_HALF_LIFE = 16
_RECALLED = 16 * _HALF_LIFE  # those before weigh nothing, and the picture is drawn often
_DRAWS = 200
_PLAYED = 128  # trials to come that are played one by one; of those before, only the mean counts

_Seconds = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Run:
    """One trial, as far as it came."""

    seconds: float
    """From its beginning until its end, or until now."""
    rungs: int = 0
    """How many it reached."""
    reached_s: float = 0.0
    """From its beginning until the last of them."""
    trained: float = 0.0
    """Epochs trained in these seconds."""


def remaining_s(
    ended: Sequence[Run],
    running: Sequence[Run],
    waiting: int,
    slots: int,
    milestones: Sequence[float],
) -> float | None:
    """Expected seconds until the last trial ends; never negative, None before any has ended.

    ended: in the order of their ends. waiting: how many trials are to come. milestones: the
    epochs of the rungs.

    The rest of the search is played many times and the median taken. A trial survives each rung
    with the share of the latest trials that did. A running one keeps its own seconds per epoch,
    any other has those of a recent trial; a slot that becomes free takes the next trial.
    """
    if not running and waiting <= 0:
        return 0.0
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
    return float(np.median(free.max(axis=1)))


class _Fates:
    """Draws how far trials come and how long that takes."""

    def __init__(
        self, ended: Sequence[Run], running: Sequence[Run], milestones: Sequence[float]
    ) -> None:
        self._draw = np.random.default_rng(0)  # the same state of a search, the same estimate
        self._epochs = np.array([0.0, *milestones])
        age = np.arange(len(ended))[::-1]
        weights, lately = 0.5 ** (age / _HALF_LIFE), 0.5 ** (age / _PACE_HALF_LIFE)
        self.mean_s = float(np.average([run.seconds for run in ended], weights=weights))
        self._ends = _hazards(ended, weights, running, len(milestones))
        early = [(run.seconds, w) for run, w in zip(ended, weights, strict=True) if not run.rungs]
        self._unreported_s = _mean(early)
        known = [*zip(ended, lately, strict=True), *((run, 1.0) for run in running)]
        paces = [(run.reached_s / run.trained, w) for run, w in known if run.trained > 0]
        if not paces:
            paces = [(self.mean_s / self._epochs[1], 1.0)]
        self._paces = np.array([pace for pace, _ in paces])
        self._likely = np.array([weight for _, weight in paces])
        self._likely /= self._likely.sum()

    def fresh(self) -> _Seconds:
        """Draws of the seconds of a trial that is to come."""
        last = self._last_rung(0)
        seconds = self._pace() * self._epochs[last]
        return np.asarray(np.where(last == 0, self._unreported_s, seconds))

    def rest(self, run: Run) -> _Seconds:
        """Draws of the seconds that a running trial still takes; it will reach its next rung."""
        reached = min(run.rungs, len(self._epochs) - 1)
        last = self._last_rung(min(reached + 1, len(self._epochs) - 1))
        pace = run.reached_s / run.trained if run.trained > 0 else self._pace()
        left = pace * (self._epochs[last] - self._epochs[reached])
        return np.asarray(np.maximum(0.0, left - (run.seconds - run.reached_s)))

    def _last_rung(self, at_least: int) -> NDArray[np.intp]:
        lives_on = np.cumprod(1 - self._ends[at_least:])  # the last hazard is 1
        survived = self._draw.random((_DRAWS, 1)) < lives_on
        return np.asarray(at_least + survived.sum(axis=1))

    def _pace(self) -> _Seconds:
        return np.asarray(self._draw.choice(self._paces, _DRAWS, p=self._likely))


def _hazards(
    ended: Sequence[Run], weights: _Seconds, running: Sequence[Run], rungs: int
) -> _Seconds:
    """The share of trials that ended after 0, 1, ... rungs, of those that came so far.

    Where few came, the share of all rungs that can stop a trial counts as one more trial.
    """
    counts = np.array([run.rungs for run in ended])
    rung = np.arange(rungs + 1)[:, np.newaxis]
    stopped = (weights * (counts == rung)).sum(axis=1)
    came = (weights * (counts >= rung)).sum(axis=1)
    came += (np.array([run.rungs for run in running], dtype=int) > rung).sum(axis=1)
    inner = slice(1, rungs)
    usual = stopped[inner].sum() / max(came[inner].sum(), 1e-9)
    hazards = (stopped + usual) / (came + 1)
    hazards[0] = stopped[0] / came[0]
    hazards[-1] = 1.0
    return np.asarray(hazards)


def _mean(weighted: Sequence[tuple[float, float]]) -> float:
    total = sum(weight for _, weight in weighted)
    return sum(value * weight for value, weight in weighted) / total if total else 0.0
