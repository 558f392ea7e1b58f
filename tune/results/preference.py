"""Choose a cheaper classifier than the best one, where it is as good as chance can tell.

The one-standard-error rule (Breiman, Friedman, Olshen and Stone, "Classification and Regression
Trees", 1984): of all trials whose value lies at most one standard error below the best one's, the
cheapest wins. What a trial costs is counted, not timed, so that the same search chooses the same.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tune.analysis.costs import Cost, CostCounter
from tune.config.metrics import metric_words, parse_metric
from tune.config.search_file import Preferred, SearchFile
from tune.execution.data import Corpora
from tune.results._rerun_stats import Confirmation
from tune.study.records import TrialRecord

KEPT = 10
"""Best trials whose checkpoints are kept for the choice."""


@dataclass(frozen=True, slots=True)
class Preference:
    """How a cheaper trial took the place of the best one."""

    prefer: Preferred
    metric: str
    """That of the search."""
    best: int
    """Number of the trial with the best value."""
    chosen: int
    """Number of the trial that wins in its place; it may be the same."""
    best_value: float
    value: float
    standard_error: float
    """Of the best value: over the fresh seeds of a confirmation, else of a share of so many texts
    (of macro F1 and balanced accuracy an approximation)."""
    candidates: int
    """Trials within one standard error."""
    best_cost: Cost
    cost: Cost

    def as_dict(self) -> dict[str, Any]:
        """Return the preference as `result.json` has it."""
        return {**asdict(self), "reason": self.reason}

    @property
    def reason(self) -> str:
        """What was chosen, and what that costs and gains, in a sentence."""
        what = {"small": "smallest", "fast": "fastest"}[self.prefer]
        within = f"within one standard error ({self.standard_error:.4f}) of the best"
        if self.chosen == self.best:
            others = "no other trial is" if self.candidates == 1 else "it is also the best"
            return f"trial {self.chosen} is the {what} {within}; {others}"
        return (
            f"trial {self.chosen} is the {what} {within}, trial {self.best}: "
            f"{metric_words(self.metric)} {self.value:.4f} instead of {self.best_value:.4f}, "
            f"{self.cost.bytes / 1e6:.2f} MB instead of {self.best_cost.bytes / 1e6:.2f}, "
            f"{self.cost.operations_per_token:,.0f} operations a token instead of "
            f"{self.best_cost.operations_per_token:,.0f}"
        )


def choose_cheapest(
    config: SearchFile,
    corpora: Corpora,
    candidates: Sequence[TrialRecord],
    confirmed: Confirmation | None = None,
) -> Preference | None:
    """Apply the one-standard-error rule to trials that can be exported.

    Args:
        config: The search; `search.prefer` says what is cheap.
        corpora: The corpora of its trials.
        candidates: The trials, best first.
        confirmed: Their results with fresh seeds, where there are any: then those of it are the
            candidates, by their means.

    Returns:
        What was chosen; None where `search.prefer` is accurate, or nothing can be compared.
    """
    prefer, metric = config.search.prefer, config.search.metric
    values = {record.number: record.value for record in candidates if record.value is not None}
    if confirmed is not None:
        values = {each.number: each.mean for each in confirmed.standings if each.number in values}
    costs = CostCounter.of_corpora(config, corpora).costs(
        each for each in candidates if each.number in values
    )
    values = {number: value for number, value in values.items() if number in costs}
    if prefer == "accurate" or not values:
        return None
    best = max(values, key=lambda number: values[number])
    error = _standard_error(values[best], metric, corpora, confirmed)
    within = [number for number, value in values.items() if value >= values[best] - error]
    chosen = min(within, key=lambda number: (*_price(costs[number], prefer), -values[number]))
    return Preference(
        prefer=prefer,
        metric=metric,
        best=best,
        chosen=chosen,
        best_value=values[best],
        value=values[chosen],
        standard_error=error,
        candidates=len(within),
        best_cost=costs[best],
        cost=costs[chosen],
    )


def _price(cost: Cost, prefer: Preferred) -> tuple[float, float]:
    if prefer == "small":
        return cost.bytes, cost.operations_per_token
    return cost.operations_per_token, cost.bytes


def _standard_error(
    value: float, metric: str, corpora: Corpora, confirmed: Confirmation | None
) -> float:
    if confirmed is not None and len(confirmed.standings[0].values) > 1:
        first = confirmed.standings[0]
        return first.deviation / math.sqrt(len(first.values))
    split = parse_metric(metric).split or "test"
    texts = next((len(each.splits[split]) for each in corpora.values() if split in each.splits), 0)
    share = min(max(value, 0.0), 1.0)
    return math.sqrt(share * (1 - share) / texts) if texts else 0.0
