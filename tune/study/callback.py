"""The events of a search, as callbacks receive them."""

from collections.abc import Mapping
from typing import Protocol

from tune.study.records import Proposal, TrialRecord


class TrialCallback(Protocol):
    """Receive every trial's start, each of its reports, and its end."""

    def on_trial_start(self, proposal: Proposal) -> None:
        """Receive a trial that was proposed; it runs as soon as there is room."""

    def on_trial_report(self, number: int, rung: int, metrics: Mapping[str, float]) -> None:
        """Receive the metrics of a trial at a rung, counted from 0."""

    def on_trial_end(self, record: TrialRecord) -> None:
        """Receive the record of a trial that has ended."""
