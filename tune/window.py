"""TPE at a cost that does not grow with the number of trials.

Optuna's TPE models all earlier trials anew for each proposal: 2,000 proposals take 43 s. Its model
of good trials never holds more than the 25 best; only its model of the others grows, and gives old
ones little weight. So past `RECENT` trials it is shown the 25 best and the latest, which costs as
much at the ten thousandth trial as at the three hundredth.
"""

import heapq
from typing import Any

from optuna import Study, samplers
from optuna.distributions import BaseDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

RECENT = 200
_SLACK = 50  # finding the best among all is put off for as many trials
_RUNNING = 50  # of those that run, the latest repel the next proposal
_BEST = 25  # the largest number that TPE counts as good, `optuna.samplers.default_gamma`


class WindowedTPESampler(samplers.TPESampler):
    """TPE that looks at the best and the latest trials."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._window: _Window | None = None

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """The parameters that are drawn together."""
        return super().infer_relative_search_space(self._seen(study), trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Values for them."""
        return super().sample_relative(self._seen(study), trial, search_space)

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """A value for a parameter by itself."""
        seen = self._seen(study)
        return super().sample_independent(seen, trial, param_name, param_distribution)

    def _seen(self, study: Study) -> Any:
        if self._window is None or self._window.study is not study:
            self._window = _Window(study)
        return self._window


class _Window:
    """A study whose list of trials is short; for all else it is the study itself."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self._from = 0
        self._best: list[FrozenTrial] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.study, name)

    def _get_trials(self, *arguments: Any, **options: Any) -> list[FrozenTrial]:
        trials = self.study._get_trials(*arguments, **options)
        if len(trials) <= RECENT + _SLACK:
            return trials
        running = [trial for trial in trials if trial.state == TrialState.RUNNING]
        ended = [trial for trial in trials if trial.state != TrialState.RUNNING]
        return [*self._short(ended), *running[-_RUNNING:]]

    def _short(self, ended: list[FrozenTrial]) -> list[FrozenTrial]:
        start = _index(ended, self._from)
        if len(ended) - start > RECENT + _SLACK:
            start = len(ended) - RECENT
            self._from = ended[start].number
            best = heapq.nsmallest(_BEST, ended[:start], key=self._place)
            self._best = sorted(best, key=lambda each: each.number)
        return [*self._best, *ended[start:]]

    def _place(self, trial: FrozenTrial) -> tuple[bool, float, float]:
        """TPE's own order: complete trials by value, then pruned ones by step and value."""
        sign = -1.0 if self.study.direction == StudyDirection.MAXIMIZE else 1.0
        if trial.state == TrialState.COMPLETE and trial.value is not None:
            return (False, 0.0, sign * trial.value)
        if (step := trial.last_step) is None:
            return (True, 1.0, 0.0)
        return (True, -step, sign * trial.intermediate_values[step])


def _index(trials: list[FrozenTrial], number: int) -> int:
    """Where the trials from a number on begin, looked for from the end."""
    for at in range(len(trials) - 1, -1, -1):
        if trials[at].number < number:
            return at + 1
    return 0
