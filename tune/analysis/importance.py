"""Measure which parameters make the difference between good and poor trials."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from tune.analysis.run_data import RunData
from tune.config import optuna_space
from tune.study.records import TrialRecord

ENOUGH = 10
"""Trials. With ten, the parameter that decides comes first in 35 of 40 simulated searches (four
parameters, noise of 0.003), with sixteen in 37, with thirty in 38."""
MANY = 20
"""Trials; with fewer the order is rough, which the report says."""
_BEST = 5
"""Trials that the method takes for good ones, or a tenth of all; three of ten did worse (29)."""


@dataclass(frozen=True, slots=True)
class Importance:
    """The share of each parameter, largest first, and the trials that it was measured on."""

    shares: dict[str, float]
    """They add up to 1."""
    directions: dict[str, float]
    """Spearman's rank correlation of a number with the value: above 0, more was better."""
    trials: int
    rung: int
    """The values compared are those at this rung, counted from 0, so that all are alike."""


def compute_importance(run: RunData) -> Importance | str:
    """Compute PED-ANOVA (Watanabe et al., 2023, arXiv 2304.10255), or say why that fails.

    It compares where the best trials lie with where all lie. Values of trials that were trained for
    different times say nothing about parameters, so it takes the last rung that enough trials
    reached.

    Args:
        run: A search, ended or not.

    Returns:
        The parameters' shares, which sum to 1, and the directions that are known; else a sentence:
        too few trials reached a rung, all have the same value, or no parameter was varied.
    """
    if not run.space:
        return "Nothing was searched."
    compared = _compared(run)
    if compared is None:
        reached = sum(bool(each.furthest.values) for each in run.chains)
        return (
            f"Too few trials: importance needs {ENOUGH} that reached the same rung, "
            f"and {reached} reached the first."
        )
    rung, records = compared
    values = [record.values[rung] for record in records]
    if len(set(values)) == 1:
        return f"All {len(records)} trials reached the same value at rung {rung + 1}."
    shares = _ped_anova(run, records, values)
    if shares is None:
        return "No parameter took more than one value."
    directions = {name: _direction(run, name, records, values) for name in shares}
    known = {name: share for name, share in directions.items() if share is not None}
    return Importance(shares, known, len(records), rung)


def _compared(run: RunData) -> tuple[int, list[TrialRecord]] | None:
    for rung in reversed(range(len(run.milestones))):
        records = [each.furthest for each in run.chains if len(each.furthest.values) > rung]
        if len(records) >= ENOUGH:
            return rung, records
    return None


def _ped_anova(
    run: RunData, records: list[TrialRecord], values: list[float]
) -> dict[str, float] | None:
    import optuna
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    known = optuna_space.optuna_distributions(run.config)
    with _silence():
        study = optuna.create_study(direction="maximize")
    for record, value in zip(records, values, strict=True):
        params = {name: given for name, given in record.params.items() if name in known}
        distributions = {name: known[name] for name in params}
        study.add_trial(
            optuna.create_trial(params=params, distributions=distributions, value=value)
        )
    evaluator = PedAnovaImportanceEvaluator(target_quantile=max(0.1, _BEST / len(records)))
    shares = get_param_importances(study, evaluator=evaluator)
    return shares if sum(shares.values()) > 0 else None


@contextmanager
def _silence() -> Iterator[None]:
    """Silence Optuna, which announces every study."""
    from optuna import logging

    level = logging.get_verbosity()
    logging.set_verbosity(logging.WARNING)
    try:
        yield
    finally:
        logging.set_verbosity(level)


def _direction(
    run: RunData, name: str, records: list[TrialRecord], values: list[float]
) -> float | None:
    pairs = [
        (record.params[name], value)
        for record, value in zip(records, values, strict=True)
        if name in record.params
    ]
    if run.space[name].type == "categorical" or len({given for given, _ in pairs}) < 2:
        return None
    given, reached = (np.asarray(column, float) for column in zip(*pairs, strict=True))
    if np.ptp(reached) == 0:
        return None
    return float(np.corrcoef(_ranks(given), _ranks(reached))[0, 1])


def _ranks(values: "np.ndarray[Any, np.dtype[np.float64]]") -> "np.ndarray[Any, Any]":
    """Return ranks from 0, equal values sharing their mean rank."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    mean: np.ndarray[Any, Any] = (2 * ends - counts - 1) / 2
    return mean[place]
