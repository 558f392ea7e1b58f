"""Everything of Optuna's that its documentation does not promise, in one place.

Optuna's public interface reads all trials of a study where one is asked for, looks through all of
them for one that waits whenever a trial begins, and lets no one change how TPE computes a density.
With ten thousand trials, or a thousand at a time, that is most of a search's time (the figures are
in `tune.samplers`), so these few parts are used directly.

`tests/tune/study/test_optuna_private.py` says which version of Optuna no longer has one of them.
"""

from collections.abc import Container, Mapping, Sequence
from typing import Any

import optuna
from optuna.samplers._tpe.parzen_estimator import _ParzenEstimator as TPEDensity
from optuna.samplers._tpe.probability_distributions import (
    _BatchedCategoricalDistributions as ChoiceKernels,
)
from optuna.trial import FrozenTrial, TrialState

__all__ = [
    "ChoiceKernels",
    "StudyView",
    "TPEDensity",
    "id_of",
    "mixture_of",
    "models_groups",
    "read_trial",
    "read_trial_by_id",
    "reopen_trial",
    "set_density",
    "start_trial",
    "start_waiting_trial",
]


def id_of(trial: FrozenTrial | optuna.Trial) -> int:
    """Return a trial's identity in its storage, which is not its number.

    Args:
        trial: One that runs or was read.
    """
    return trial._trial_id


def read_trial(study: optuna.Study, number: int) -> FrozenTrial:
    """Read one trial by its number; `Study.trials` would make the list of all of them anew.

    Args:
        study: The study.
        number: The trial's number in it, from 0.

    Raises:
        KeyError: There is no such trial.
    """
    storage = study._storage
    return storage.get_trial(
        storage.get_trial_id_from_study_id_trial_number(study._study_id, number)
    )


def read_trial_by_id(study: optuna.Study, trial_id: int) -> FrozenTrial:
    """Read one trial by its identity in the storage.

    Args:
        study: The study.
        trial_id: What `id_of` returned.

    Raises:
        KeyError: There is no such trial.
    """
    return study._storage.get_trial(trial_id)


def start_trial(study: optuna.Study, given: Mapping[str, Any] | None = None) -> optuna.Trial:
    """Start a trial as `Study.ask` does, without looking for one that waits among all trials.

    Args:
        study: The study.
        given: Parameters that the trial has in any case, as those of a trial that was enqueued.

    Returns:
        The new trial, without other parameters.
    """
    study._thread_local.cached_all_trials = None  # as in `Study.ask`
    trial_id = study._storage.create_new_trial(study._study_id)
    if given:
        study._storage.set_trial_system_attr(trial_id, "fixed_params", dict(given))
    return optuna.Trial(study, trial_id)


def start_waiting_trial(study: optuna.Study, trial: FrozenTrial) -> optuna.Trial:
    """Start one of the trials that wait; `Study.ask` takes the one that was enqueued first.

    Args:
        study: The study.
        trial: One whose state is WAITING.

    Returns:
        The same trial, now running.
    """
    study._thread_local.cached_all_trials = None  # as in `Study.ask`
    study._storage.set_trial_state_values(id_of(trial), state=TrialState.RUNNING)
    return optuna.Trial(study, id_of(trial))


def reopen_trial(study: optuna.Study, trial: FrozenTrial) -> optuna.Trial:
    """Return a trial that a killed process left running, so that it can be ended.

    Args:
        study: The study.
        trial: One whose state is RUNNING.
    """
    return optuna.Trial(study, id_of(trial))


def models_groups(sampler: optuna.samplers.TPESampler) -> bool:
    """Tell whether TPE models each combination of conditional parameters by itself.

    Args:
        sampler: Optuna's, or a subclass.
    """
    return bool(sampler._group)


def set_density(sampler: optuna.samplers.TPESampler, density: type[TPEDensity]) -> None:
    """Have TPE compute its densities by a subclass of its own estimator.

    Args:
        sampler: The sampler, before its first proposal.
        density: The subclass.
    """
    sampler._parzen_estimator_cls = density


def mixture_of(density: TPEDensity) -> Any:
    """Return the mixture of a density.

    Args:
        density: One that TPE has fitted.

    Returns:
        Its `weights`, (components,), and for each parameter `distributions`.
    """
    return density._mixture_distribution


class StudyView:
    """A study that shows a sampler these trials only; for all else it is the study itself."""

    def __init__(self, study: optuna.Study, trials: Sequence[FrozenTrial]) -> None:
        self._study = study
        self._trials = trials

    def __getattr__(self, name: str) -> Any:
        return getattr(self._study, name)

    def _get_trials(
        self, *_arguments: Any, states: Container[TrialState] | None = None, **_options: Any
    ) -> list[FrozenTrial]:
        """Return the trials in these states; all of Optuna's samplers ask here."""
        return [trial for trial in self._trials if states is None or trial.state in states]
