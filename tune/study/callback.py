"""What a study's trials tell whoever follows them: a display, a tracker, a user's own code."""

from collections.abc import Mapping
from typing import Protocol

from tune.study.records import Proposal, TrialRecord


class TrialCallback(Protocol):
    """Hears of every trial: its start, each report, its end."""

    def on_trial_start(self, proposal: Proposal) -> None:
        """Hear that a trial was asked for; it runs as soon as there is room."""

    def on_trial_report(self, number: int, rung: int, metrics: Mapping[str, float]) -> None:
        """Hear what a trial reached at a rung, counted from 0."""

    def on_trial_end(self, record: TrialRecord) -> None:
        """Hear how a trial ended."""
