"""Who watches a search in a test, and how its trials are drawn."""

from collections.abc import Mapping
from typing import Any

import optuna

from tune.study.records import Proposal, TrialRecord


class Witness:
    """Writes down what it sees."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, int]] = []

    def on_trial_start(self, proposal: Proposal) -> None:
        self.seen.append(("started", proposal.number))

    def on_trial_report(self, number: int, rung: int, metrics: Mapping[str, float]) -> None:  # noqa: ARG002
        self.seen.append((f"rung {rung}", number))

    def on_trial_end(self, record: TrialRecord) -> None:
        self.seen.append((record.state, record.number))


def suggest(trial: optuna.Trial) -> dict[str, Any]:
    return {"rate": trial.suggest_float("rate", 0, 1)}
