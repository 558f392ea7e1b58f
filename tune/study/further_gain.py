"""Estimate what further trials may still add to the best value, and whether that is worth it."""

import math
import statistics
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from tune.config.search_file import StopWhenConfig
from tune.study.records import TrialRecord, may_win

_TOPS = (3, 10)
"""Numbers of highest values that tell how fast the best ones thin out."""
_FEWEST = 16
"""Ended trials with a value, before which nothing is estimated."""
_RISE = 10
"""So many times `gain_below` the best must lie above the median: else nothing is learnt yet."""


class FurtherGain:
    """The gain that further trials promise, kept up trial by trial.

    Args:
        rule: What is worth how long a wait.
        slots: Trials at a time.
    """

    def __init__(self, rule: StopWhenConfig, slots: int = 1) -> None:
        self.rule = rule
        self._slots = slots
        self._values: dict[int, float] = {}
        self._seconds: dict[int, float] = {}
        self._known: float | None = None
        self._is_known = False

    def add(self, record: TrialRecord) -> None:
        """Count a trial that has ended.

        Args:
            record: Its record; one that failed or diverged has reached nothing. The same number
                counts once, as it was told last.
        """
        self._is_known = False
        value = record.value if may_win(record) else None
        self._values[record.number] = -math.inf if value is None else value
        if record.started is not None and record.ended is not None:
            self._seconds[record.number] = _between(record.started, record.ended)

    @property
    def expected(self) -> float | None:
        """What the next trials are expected to add to the best value; None while unknown."""
        if not self._is_known:
            values = list(self._values.values())
            self._known = expected_gain(values, self._trials_to_come(), self.rule.gain_below)
            self._is_known = True
        return self._known

    @property
    def estimate(self) -> str:
        """What is expected, in words."""
        wait, least = self.rule.wait, self.rule.gain_below
        if self.expected is None:
            return f"of the next {wait} not known yet (ends below {least:g})"
        return f"at most {self.expected:.5f} from the next {wait} (ends below {least:g})"

    @property
    def is_enough(self) -> bool:
        """Whether the gain that may be expected is not worth the wait."""
        return self.expected is not None and self.expected < self.rule.gain_below

    @property
    def reason(self) -> str:
        """Why the search ends, as a sentence."""
        return (
            f"search.stop_when: the next {self.rule.wait} are expected to add at most "
            f"{self.expected or 0.0:.5f}, less than {self.rule.gain_below:g}"
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the end of the search as in `result.json`."""
        return {
            "gain_below": self.rule.gain_below,
            "within_s": self.rule.within_s,
            "within_trials": self.rule.within_trials,
            "expected_gain": self.expected,
            "reason": self.reason,
        }

    def _trials_to_come(self) -> float:
        if self.rule.within_trials is not None:
            return self.rule.within_trials
        numbers = sorted(self._seconds)
        later = [self._seconds[number] for number in numbers[len(numbers) // 2 :]]
        mean_s = sum(later) / len(later) if later else 0.0
        return (self.rule.within_s or 0.0) * self._slots / max(mean_s, 1e-3)


def expected_gain(values: Sequence[float], trials: float, gain_below: float) -> float | None:
    """Estimate by how much further trials raise the best value; None where that cannot be told.

    Of equally good draws, the nth is the best so far with probability 1 / n, and raises the best
    value by the scale of an exponential tail, the mean excess of the highest values over the next
    one (Weissman 1978). So the gain is that scale times log(1 + trials / n). The scale is taken
    from the 3 and from the 10 highest values, whichever is larger. In replays it was three times
    what came: tails end at the best configuration, and samplers that learn crowd there. Too much
    costs time, too little the find.

    Args:
        values: The best value of each trial; minus infinity for one that failed.
        trials: So many trials more.
        gain_below: The gain that counts. Unless the best value lies ten times as far above the
            median, most of the space may be at chance and its better part not found yet.

    Example:
        >>> found = [0.5 + number / 100 for number in range(20)]
        >>> round(expected_gain(found, 10, 0.001), 3)
        0.022
    """
    finite = sorted((value for value in values if math.isfinite(value)), reverse=True)
    if len(finite) < _FEWEST or finite[0] - statistics.median(finite) < _RISE * gain_below:
        return None
    scale = max(sum(finite[:top]) / top - finite[top] for top in _TOPS)
    return scale * math.log1p(trials / len(values))


def _between(started: datetime, ended: datetime) -> float:
    return max(0.0, (ended - started).total_seconds())
