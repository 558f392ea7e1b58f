"""TPE at a cost that does not grow with the number of trials.

Optuna's TPE models all earlier trials anew for each proposal: 2,000 proposals take 43 s. Its model
of good trials never holds more than the 25 best; only its model of the others grows, and gives old
ones little weight. So past `RECENT` trials it is shown the 25 best and the latest, which costs as
much at the ten thousandth trial as at the three hundredth. Nor is the study read from its
beginning: the sampler is told of each trial as it begins and ends.

Whether Optuna 5.0.0's own TPE, multivariate and with constant liar, serves as well was measured
with `benchmarks/slots.py` on 2026-11-27, two virtual cores at a load of 5 to 15, `gru.yaml`, trials
of a minute; processor time, Ray's 17 ms a trial not in the proposals. At 1,000 slots it does not:

    slots  trials  ms a proposal  slots busy       the driver is saturated from
                   Optuna  here   Optuna  here     Optuna       here
       10   1,000    19.8   4.9    99.9%  100.0%   1,497 slots  2,484 slots
      100   1,000    36     6.4    99.9%  100.0%   1,079        2,378
    1,000   3,000    54     4.5    61.0%   99.0%     854        2,722
"""

import heapq
from bisect import insort
from collections.abc import Iterable, Sequence
from typing import Any

from optuna import Study, samplers
from optuna.distributions import BaseDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from tune.samplers._front_order import MOST_GOOD, Price, best_first, with_places
from tune.samplers._parzen import ParzenEstimator
from tune.study import optuna_private
from tune.study.records import State

RECENT = 200
_SLACK = 50  # finding the best among all is put off for as many trials
_RUNNING = 50  # of those that run, the latest repel the next proposal
_LEARNT = (TrialState.COMPLETE, TrialState.PRUNED)  # TPE ignores those that failed


class WindowedSampler(samplers.BaseSampler):
    """A sampler that keeps a window of its study.

    Only one process may write the study; what another one adds is not seen.
    """

    _window: "Window | None" = None

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Add a trial that begins to the window."""
        super().before_trial(study, trial)
        self._seen(study).begins(trial)

    def after_trial(
        self,
        study: Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """Note that a trial is about to end."""
        super().after_trial(study, trial, state, values)
        self._seen(study).ends(trial)

    def _seen(self, study: Study) -> "Window":
        if self._window is None or self._window.study is not study:
            self._window = self._new_window(study)
        return self._window

    def _new_window(self, study: Study) -> "Window":
        return Window(study)


class WindowedTPESampler(WindowedSampler, samplers.TPESampler):
    """TPE that looks at the best and the latest trials."""

    def __init__(self, price: Price | None = None, **options: Any) -> None:
        super().__init__(**options)
        self._price = price
        """The cost that is minimised beside the value; None where there is none."""
        optuna_private.set_density(self, ParzenEstimator)

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return the parameters that are drawn together."""
        window = self._seen(study)
        fresh = window.fresh()
        if optuna_private.models_groups(self):
            return super().infer_relative_search_space(_view(window, fresh), trial)
        return {name: known for name, known in window.shared(fresh).items() if not known.single()}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Draw values for the parameters that are drawn together."""
        window = self._seen(study)
        return super().sample_relative(self._shown(window, trial), trial, search_space)

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Draw a value for a parameter by itself."""
        seen = self._shown(self._seen(study), trial)
        return super().sample_independent(seen, trial, param_name, param_distribution)

    def _shown(self, window: "Window", trial: FrozenTrial) -> Any:
        """Return the study as it is shown for a proposal."""
        trials = window.trials(trial.number)
        if self._price is not None:
            trials = with_places(trials, self._price, -window.sign)
        return _view(window, trials)

    def _new_window(self, study: Study) -> "Window":
        return Window(study, self._price)


class Window:
    """The trials of a study that a sampler is shown, kept up as they begin and end."""

    def __init__(self, study: Study, price: Price | None = None) -> None:
        self.study = study
        self._price = price
        self._next = 0
        self._live: dict[int, int] = {}
        """The storage's names of the trials that run, by number."""
        self._ending: set[int] = set()
        self._asked: dict[int, FrozenTrial] = {}
        """Those that run and have their parameters."""
        self._best: list[FrozenTrial] = []
        self._recent: list[FrozenTrial] = []
        self._fresh: list[FrozenTrial] = []
        self._diverged: list[FrozenTrial] = []
        self._shared: dict[str, BaseDistribution] | None = None
        self.sign = -1.0 if study.direction == StudyDirection.MAXIMIZE else 1.0
        for trial in study.get_trials(deepcopy=False):
            self._meet(trial)

    def begins(self, trial: FrozenTrial) -> None:
        """Take in a trial that begins, and those that were added to the study since the last."""
        for number in range(self._next, trial.number):
            self._meet(optuna_private.read_trial(self.study, number))
        self._meet(trial)

    def ends(self, trial: FrozenTrial) -> None:
        """Remember that a trial ends; it is read when its end is in the study."""
        self._ending.add(trial.number)

    def fresh(self) -> list[FrozenTrial]:
        """Return the trials with a result since the last call, by number."""
        self._update()
        found, self._fresh = sorted(self._fresh, key=_number), []
        return found

    def diverged(self) -> list[FrozenTrial]:
        """Return the trials that diverged and so have no value since the last call, by number.

        Where a worst value is known they have that one, and are among the fresh ones.
        """
        self._update()
        found, self._diverged = sorted(self._diverged, key=_number), []
        return found

    def shared(self, fresh: Iterable[FrozenTrial]) -> dict[str, BaseDistribution]:
        """Return the parameters that all trials with a result have, by name."""
        for trial in fresh:
            known = trial.distributions
            if self._shared is None:
                self._shared = dict(sorted(known.items()))
            elif known != self._shared:
                self._shared = {
                    name: each for name, each in self._shared.items() if known.get(name) == each
                }
        return dict(self._shared or {})

    def trials(self, asking: int | None = None) -> list[FrozenTrial]:
        """Return the best, the latest and the running trials, but for the one that asks."""
        self._update()
        others = [number for number in self._live if number != asking]
        few = not self._best and len(self._recent) + len(others) <= RECENT + _SLACK
        running = [self._running(number) for number in (others if few else others[-_RUNNING:])]
        return [*sorted([*self._best, *self._recent], key=_number), *running]

    def running(self, asking: int | None = None) -> list[FrozenTrial]:
        """Return the latest running trials, but for the one that asks, with their reports."""
        others = [number for number in self._live if number != asking][-_RUNNING:]
        return [self._read(self._live[number]) for number in others]

    def _running(self, number: int) -> FrozenTrial:
        if number in self._asked:
            return self._asked[number]
        trial = self._read(self._live[number])
        if trial.params:
            self._asked[number] = trial
        return trial

    def _update(self) -> None:
        for number in sorted(self._ending):
            trial = self._read(self._live[number])
            if trial.state.is_finished():
                self._ending.remove(number)
                self._asked.pop(number, None)
                del self._live[number]
                self._learn(trial)

    def _meet(self, trial: FrozenTrial) -> None:
        self._next = max(self._next, trial.number + 1)
        if trial.state == TrialState.RUNNING:
            self._live[trial.number] = optuna_private.id_of(trial)
        else:
            self._learn(trial)

    def _learn(self, trial: FrozenTrial) -> None:
        if trial.state not in _LEARNT:
            if trial.user_attrs.get("state") == State.DIVERGED:
                self._diverged.append(trial)
            return
        self._fresh.append(trial)
        insort(self._recent, trial, key=_number)
        if len(self._recent) > RECENT + _SLACK:
            old, self._recent = self._recent[:-RECENT], self._recent[-RECENT:]
            self._best = self._best_of([*self._best, *old])

    def _best_of(self, trials: list[FrozenTrial]) -> list[FrozenTrial]:
        if self._price is not None:
            return best_first(trials, self._price, -self.sign)[:MOST_GOOD]
        return heapq.nsmallest(MOST_GOOD, trials, key=self._place)

    def _place(self, trial: FrozenTrial) -> tuple[bool, float, float]:
        """TPE's own order: complete trials by value, then pruned ones by step and value."""
        if trial.state == TrialState.COMPLETE and trial.value is not None:
            return (False, 0.0, self.sign * trial.value)
        if (step := trial.last_step) is None:
            return (True, 1.0, 0.0)
        return (True, -step, self.sign * trial.intermediate_values[step])

    def _read(self, trial_id: int) -> FrozenTrial:
        return optuna_private.read_trial_by_id(self.study, trial_id)


def _view(window: Window, trials: list[FrozenTrial]) -> Any:
    return optuna_private.StudyView(window.study, trials)


def _number(trial: FrozenTrial) -> int:
    return trial.number
