"""The best trials trained again with fresh seeds: what they are worth without the luck.

A search's best value is the luckiest of many. Trained anew with seeds that had no part in the
choice, a configuration shows its mean; the one with the highest mean wins.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tune.analysis.winner_score import interval_of_mean
from tune.config.metrics import parse_metric
from tune.formatting import counted
from tune.run_folder import atomic, documents
from tune.run_folder.paths import RunFolder

_SURE = 0.05
FIRST_SEED = 1_000_000
"""Counted from train.seed: further than any search has trials, so no seed is used twice."""


@dataclass(frozen=True, slots=True)
class Rerun:
    """A trial's configuration trained to its end with another seed."""

    number: int
    """The trial's."""
    seed: int
    metrics: dict[str, float]


@dataclass(frozen=True, slots=True)
class Standing:
    """The results of one configuration over its seeds."""

    number: int
    searched: float
    """Value of the trial in the search."""
    values: tuple[float, ...]
    mean: float
    deviation: float
    """Standard deviation over the seeds; 0 of a single one."""
    interval: tuple[float, float] | None
    """95 % of the mean, by Student's t, within 0 and 1 for a share; None of a single seed."""


@dataclass(frozen=True, slots=True)
class Confirmation:
    """The configurations by their mean, best first."""

    metric: str
    standings: tuple[Standing, ...]
    p_value: float | None
    """Of a paired t-test between the first two, seed by seed; None where there are not two."""
    linear: float | None = None
    """In folds: the mean of the linear classifier alone over the first one's folds."""

    def standing(self, number: int | None) -> Standing:
        """Return the results of one configuration; of the first where it has no part.

        Args:
            number: The trial's.
        """
        return next((each for each in self.standings if each.number == number), self.standings[0])

    def as_dict(self) -> dict[str, Any]:
        """As `result.json` has it."""
        return asdict(self)


def judge_reruns(
    metric: str, searched: Sequence[tuple[int, float]], reruns: Iterable[Rerun]
) -> Confirmation | None:
    """Rank configurations that were trained again with fresh seeds.

    Only configurations with the most seeds take part, so that a budget that ended amid the seeds of
    one prefers none.

    Args:
        metric: What is compared.
        searched: The configurations, as trial numbers with the values of their search.
        reruns: What was trained; others than of these trials are passed over.

    Returns:
        The configurations by their means, and the p-value of the two best where there are two seeds
        or more; None when nothing was trained.
    """
    by_number: dict[int, dict[int, float]] = {number: {} for number, _ in searched}
    for rerun in reruns:
        if rerun.number in by_number:
            by_number[rerun.number][rerun.seed] = rerun.metrics[metric]
    most = max((len(found) for found in by_number.values()), default=0)
    if most == 0:
        return None
    standings = sorted(
        (
            _standing(metric, number, value, by_number[number])
            for number, value in searched
            if len(by_number[number]) == most
        ),
        key=lambda standing: -standing.mean,
    )
    p_value = None
    if len(standings) > 1 and most > 1:
        first, second = (by_number[standing.number] for standing in standings[:2])
        p_value = paired_p_value([first[seed] - second[seed] for seed in first if seed in second])
    return Confirmation(metric, tuple(standings), p_value)


def paired_p_value(differences: Sequence[float]) -> float | None:
    """Two-sided, of a mean difference of zero (Student 1908); None of fewer than two."""
    from scipy import stats

    if len(differences) < 2:
        return None
    spread = float(np.std(differences, ddof=1))
    if spread == 0.0:
        return 1.0 if differences[0] == 0.0 else 0.0
    t = float(np.mean(differences)) / (spread / math.sqrt(len(differences)))
    return float(2 * stats.t.sf(abs(t), len(differences) - 1))


def lead_sentence(p_value: float) -> str:
    """Say how certain it is that the first is better than the second."""
    found = f"first against second: p = {p_value:.2g}, paired by seed"
    return found if p_value < _SURE else f"{found}; which of them is better may be chance"


def read_reruns(folder: RunFolder) -> list[Rerun]:
    """Read the runs that were trained so far; empty where no confirmation was begun.

    Raises:
        RunFolderError: The file is damaged.
    """
    try:
        found = documents.read_reruns(folder.reruns)
    except FileNotFoundError:
        return []
    return [Rerun(each.number, each.seed, each.metrics) for each in found]


def write_reruns(folder: RunFolder, reruns: Iterable[Rerun]) -> None:
    """Record what has been trained."""
    folder.reruns.parent.mkdir(exist_ok=True)
    atomic.write_json(folder.reruns, [asdict(rerun) for rerun in reruns])


def confirmation_lines(confirmation: Confirmation) -> list[tuple[str, str]]:
    """Return labelled lines: one per configuration, and how certain the first place is."""
    rows = []
    for standing in confirmation.standings:
        text = f"{standing.mean:.4f}"
        if standing.interval is not None:
            low, high = standing.interval
            text += f" ± {standing.deviation:.4f}, 95 % interval {low:.4f} to {high:.4f}"
        seeds = counted(len(standing.values), "seed")
        text += f" ({seeds}; {standing.searched:.4f} in the search)"
        rows.append((f"Confirmed {standing.number}", text))
    if confirmation.linear is not None:
        rows.append(("", f"{confirmation.linear:.4f}, the linear classifier alone, same folds"))
    if confirmation.p_value is not None:
        rows.append(("", lead_sentence(confirmation.p_value)))
    return rows


def _standing(metric: str, number: int, searched: float, by_seed: dict[int, float]) -> Standing:
    values = tuple(by_seed[seed] for seed in sorted(by_seed))
    mean = float(np.mean(values))
    if len(values) < 2:
        return Standing(number, searched, values, mean, 0.0, None)
    deviation = float(np.std(values, ddof=1))
    interval = interval_of_mean(values, share=parse_metric(metric).is_share)
    return Standing(number, searched, values, mean, deviation, interval)
