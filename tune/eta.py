"""How long a search still takes, where most trials are stopped long before their end."""

import math
from collections.abc import Sequence

_HALF_LIFE = 16  # ended trials: thresholds rise and the sampler learns, so recent ones tell more
_RECALLED = 16 * _HALF_LIFE  # those before weigh nothing, and the picture is drawn often


def remaining_s(
    ended_s: Sequence[float], running_s: Sequence[float], waiting: int, slots: int
) -> float | None:
    """Expected seconds until the last trial ends; never negative, None before any has ended.

    `ended_s`: how long the ended trials took, stopped ones included, in the order of their ends.
    `running_s`: how long the running ones have been at it. `waiting`: how many are to come.

    A trial that is to come takes the weighted mean of those that ended. One that runs takes what
    those that lived longer than it has lived took on top; one that has outlived them all may end
    at any moment and counts as half that mean. The work is spread over the slots, but it cannot
    end before the running trial that takes longest.
    """
    if not running_s and waiting <= 0:
        return 0.0
    if not ended_s:
        return None
    ended_s = ended_s[-_RECALLED:]
    mean = _weighted(ended_s)
    left = [_rest(age, ended_s, mean) for age in running_s]
    work = max(0, waiting) * mean + sum(left)
    return max([work / max(1, slots), *left])


def _rest(age: float, ended_s: Sequence[float], mean: float) -> float:
    longer = [seconds - age for seconds in ended_s if seconds > age]
    return _weighted(longer) if longer else mean / 2


def _weighted(seconds: Sequence[float]) -> float:
    newest = len(seconds) - 1
    weights = [math.pow(0.5, (newest - at) / _HALF_LIFE) for at in range(len(seconds))]
    total = sum(weight * each for weight, each in zip(weights, seconds, strict=True))
    return max(0.0, total / sum(weights))
