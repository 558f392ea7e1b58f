"""The events of a search, as callbacks receive them."""

from collections.abc import Mapping
from typing import Protocol

from tune.study.records import Proposal, TrialRecord


class TrialCallback(Protocol):
    """Receive every trial's start, each of its reports, and its end."""

    def on_trial_start(self, proposal: Proposal) -> None:
        """Receive a trial that was proposed; it runs as soon as there is room.

        Args:
            proposal: Its number, its parameters and the trial that it continues, if any.
        """

    def on_trial_report(self, number: int, rung: int, metrics: Mapping[str, float]) -> None:
        """Receive what a running trial has reached.

        Args:
            number: The trial's.
            rung: The rung that it reports at, counted from 0.
            metrics: Every metric by name, the search's own among them.
        """

    def on_trial_end(self, record: TrialRecord) -> None:
        """Receive a trial that has ended.

        Args:
            record: Its parameters, its values at the rungs, and how it ended.
        """
