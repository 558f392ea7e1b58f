"""The contract with Optuna's private parts: a version that changes one is named, and the part."""

from collections.abc import Callable
from importlib.metadata import version
from pkgutil import resolve_name
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.storages import BaseStorage
from optuna.trial import TrialState


def gone(part: str) -> str:
    return f"optuna {version('optuna')} no longer has {part}: see tune/study/optuna_private.py"


def tpe() -> optuna.samplers.TPESampler:
    return optuna.samplers.TPESampler(seed=0, n_startup_trials=2, multivariate=True)


def some_study(trials: int = 4) -> optuna.Study:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(trials):
        trial = study.ask()
        study.tell(trial, trial.suggest_float("rate", 0, 1))
    return study


HELD: dict[str, Callable[[], Any]] = {
    "Study._storage, a BaseStorage": lambda: some_study()._storage,
    "Study._study_id, a whole number": lambda: some_study()._study_id,
    "Study._thread_local.cached_all_trials": lambda: some_study()._thread_local.cached_all_trials,
    "FrozenTrial._trial_id, a whole number": lambda: some_study().trials[0]._trial_id,
    "Trial._trial_id, a whole number": lambda: some_study().ask()._trial_id,
    "TPESampler._group, False by default": lambda: tpe()._group,
    "TPESampler._parzen_estimator_cls": lambda: tpe()._parzen_estimator_cls,
}
KINDS = {"BaseStorage": BaseStorage, "whole": int, "False": bool}


@pytest.mark.parametrize("part", HELD)
def test_an_object_has_the_part(part: str) -> None:
    try:
        found = HELD[part]()
    except AttributeError:
        pytest.fail(gone(part))
    for word, kind in KINDS.items():
        assert word not in part or isinstance(found, kind), gone(part)


@pytest.mark.parametrize(
    "path",
    [
        "optuna.samplers._tpe.parzen_estimator:_ParzenEstimator.log_pdf",
        "optuna.samplers._tpe.probability_distributions:_BatchedCategoricalDistributions",
        "optuna.samplers._tpe.probability_distributions:_MixtureOfProductDistribution",
        "optuna:Study._get_trials",
        "optuna.storages:BaseStorage.get_trial_id_from_study_id_trial_number",
        "optuna.storages:BaseStorage.create_new_trial",
        "optuna.storages:BaseStorage.get_trial",
    ],
)
def test_a_module_has_the_part(path: str) -> None:
    try:
        resolve_name(path)
    except (ImportError, AttributeError):
        pytest.fail(gone(path.replace(":", ".")))


def test_a_trial_is_read_by_number_and_by_identity() -> None:
    from tune.study import optuna_private

    study = some_study()
    for trial in study.trials:
        assert optuna_private.read_trial(study, trial.number) == trial
        assert optuna_private.read_trial_by_id(study, optuna_private.id_of(trial)) == trial


def test_a_trial_starts_past_those_that_wait_and_can_be_taken_up_again() -> None:
    from tune.study import optuna_private

    study = some_study(2)
    study.enqueue_trial({"rate": 0.5})
    assert optuna_private.start_trial(study).number == 3
    again = optuna_private.reopen_trial(study, study.trials[3])
    study.tell(again, 0.25)
    assert (study.trials[3].state, study.trials[3].value) == (TrialState.COMPLETE, 0.25)
    assert study.trials[2].state == TrialState.WAITING


def test_a_sampler_asks_a_view_for_its_trials() -> None:
    from tune.study import optuna_private

    study, asked = some_study(6), []
    shown = study.trials[:3]

    class View(optuna_private.StudyView):
        def _get_trials(self, *arguments: Any, **options: Any) -> list[Any]:
            found = super()._get_trials(*arguments, **options)
            asked.append(len(found))
            return found

    trial = study.ask()
    known = {"rate": optuna.distributions.FloatDistribution(0, 1)}
    view: Any = View(study, shown)
    drawn = tpe().sample_relative(view, study.trials[trial.number], known)
    assert set(asked) == {3}, gone("samplers that read their trials from Study._get_trials")
    assert 0 <= drawn["rate"] <= 1


@pytest.mark.parametrize("multivariate", [False, True])
def test_tpe_uses_the_density_that_it_is_given(multivariate: bool) -> None:
    from tune.study import optuna_private

    used: list[tuple[int, int]] = []

    class Density(optuna_private.TPEDensity):
        def log_pdf(self, samples_dict: dict[str, Any]) -> Any:
            mixture = optuna_private.mixture_of(self)
            used.append((len(mixture.weights), len(mixture.distributions)))
            return super().log_pdf(samples_dict)

    sampler = optuna.samplers.TPESampler(n_startup_trials=2, multivariate=multivariate, seed=0)
    optuna_private.set_density(sampler, Density)
    study = some_study(8)
    study.sampler = sampler
    study.ask().suggest_float("rate", 0, 1)
    message = gone("TPESampler._parzen_estimator_cls, whose log_pdf rates the candidates")
    assert [parameters for _, parameters in used] == [1, 1], message
    assert sum(kernels for kernels, _ in used) == 8 + 2, message  # a prior in each of two


def test_kernels_of_a_choice_hold_a_weight_for_each_value() -> None:
    from tune.study import optuna_private

    study = optuna.create_study(sampler=tpe())
    seen: list[Any] = []

    class Density(optuna_private.TPEDensity):
        def log_pdf(self, samples_dict: dict[str, Any]) -> Any:
            seen.extend(optuna_private.mixture_of(self).distributions)
            return super().log_pdf(samples_dict)

    sampler = tpe()
    optuna_private.set_density(sampler, Density)
    study.sampler = sampler
    for _ in range(4):
        trial = study.ask()
        study.tell(trial, float(trial.suggest_categorical("model", ["a", "b", "c"]) == "a"))
    assert {type(kernels) for kernels in seen} == {optuna_private.ChoiceKernels}
    assert all(kernels.weights.shape[1] == 3 for kernels in seen)
    np.testing.assert_allclose(seen[0].weights.sum(axis=1), 1)


def test_groups_are_asked_for() -> None:
    from tune.study import optuna_private

    assert not optuna_private.models_groups(tpe())
    with pytest.warns(optuna.exceptions.ExperimentalWarning):
        grouped = optuna.samplers.TPESampler(multivariate=True, group=True)
    assert optuna_private.models_groups(grouped)
