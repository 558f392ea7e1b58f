"""What a search tells whoever watches it."""

from collections.abc import Mapping
from typing import Protocol

from tune.study.records import Proposal, TrialRecord


class Callback(Protocol):
    """Somebody who wants to see what happens."""

    def on_trial_start(self, proposal: Proposal) -> None:
        """A trial was asked for and will run as soon as there is room."""

    def on_trial_report(self, number: int, rung: int, metrics: Mapping[str, float]) -> None:
        """A trial reached a rung."""

    def on_trial_end(self, record: TrialRecord) -> None:
        """A trial came to its end."""
