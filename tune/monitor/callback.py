"""Following a search from code: a base class for callbacks, and what passes events on to them."""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from typing import Protocol

from tune.monitor.search_state import SearchPlan, SearchState
from tune.study.callback import TrialCallback
from tune.study.records import Proposal, TrialRecord

Facts = Iterable[tuple[str, str]]
"""Labels and what they label, such as the dashboard's address."""


class Monitor(TrialCallback, Protocol):
    """Shows a search while it runs; the terminal's is `tune.monitor.progress.Progress`."""

    def say(self, sentence: str) -> None:
        """Show a sentence, such as what the search runs on.

        Args:
            sentence: Plain text; names in it may hold anything, terminal escapes included.
        """

    def facts(self, rows: Facts) -> None:
        """Show labelled lines.

        Args:
            rows: Pairs of a label and a text; a line whose label is "" goes on with the one before.
        """

    def begin(self, state: SearchState) -> None:
        """Show that trials come and go from here on.

        Args:
            state: The search as it stands, with the trials of a run that is resumed; the monitor
                brings it up to date with each event.
        """

    def end(self) -> None:
        """Show that no more trials come."""


class Callback(TrialCallback):
    """Base class for code of your own that follows a search; every method does nothing here.

    Pass instances to `tune.Search.run(callbacks=[...])`. They are called in the search's own
    process, one after the other. What they print goes where it would go without a search; an
    exception in one ends the search, whose trials are recorded as interrupted.

    Example:
        >>> from tune import Callback
        >>> class Loud(Callback):
        ...     def on_trial_end(self, record):
        ...         print(record.number, record.state, record.value)
    """

    def on_message(self, sentence: str) -> None:
        """Hear a sentence that the search has to say.

        Args:
            sentence: Such as what is used in place of data that could not be reached.
        """

    def on_facts(self, facts: Mapping[str, str]) -> None:
        """Hear what is searched, on what and where.

        Args:
            facts: Label and text of each line, such as `{"Metric": "validation accuracy"}`.
        """

    def on_search_start(self, plan: SearchPlan) -> None:
        """Hear that trials begin.

        Args:
            plan: How many trials, how many at a time, and at which epochs they report.
        """

    def on_search_end(self) -> None:
        """Hear that no more trials come; the winner is exported next."""


class CallbackMonitor:
    """Passes a search's events on to callbacks, and to a display where there is one.

    It must be made before the search redirects the standard streams: callbacks print to those of
    that moment.
    """

    def __init__(self, callbacks: Sequence[Callback], display: Monitor | None = None) -> None:
        self._callbacks = tuple(callbacks)
        self._display = display
        self._streams = sys.stdout, sys.stderr

    def say(self, sentence: str) -> None:
        """Pass a sentence on to the display and, as `on_message`, to the callbacks.

        Args:
            sentence: What the search has to say.
        """
        if self._display is not None:
            self._display.say(sentence)
        self._tell(lambda callback: callback.on_message(sentence))

    def facts(self, rows: Facts) -> None:
        """Pass labelled lines on to the display and, as `on_facts`, to the callbacks.

        Args:
            rows: Pairs of a label and a text; callbacks do not get lines without a label.
        """
        told = list(rows)
        if self._display is not None:
            self._display.facts(told)
        named = {label: text for label, text in told if label}
        self._tell(lambda callback: callback.on_facts(named))

    def begin(self, state: SearchState) -> None:
        """Pass on that trials begin.

        Args:
            state: The search as it stands; callbacks get its plan.
        """
        if self._display is not None:
            self._display.begin(state)
        self._tell(lambda callback: callback.on_search_start(state.plan))

    def end(self) -> None:
        """Pass on that no more trials come."""
        if self._display is not None:
            self._display.end()
        self._tell(lambda callback: callback.on_search_end())

    def on_trial_start(self, proposal: Proposal) -> None:
        """Pass on that a trial was asked for.

        Args:
            proposal: Its number, name and parameters.
        """
        if self._display is not None:
            self._display.on_trial_start(proposal)
        self._tell(lambda callback: callback.on_trial_start(proposal))

    def on_trial_report(self, number: int, rung: int, metrics: Mapping[str, float]) -> None:
        """Pass on what a trial reached.

        Args:
            number: The trial's, from 0.
            rung: Counted from 0.
            metrics: By name, as the objective gave them.
        """
        if self._display is not None:
            self._display.on_trial_report(number, rung, metrics)
        self._tell(lambda callback: callback.on_trial_report(number, rung, metrics))

    def on_trial_end(self, record: TrialRecord) -> None:
        """Pass on how a trial ended.

        Args:
            record: The trial with its state and all its reports.
        """
        if self._display is not None:
            self._display.on_trial_end(record)
        self._tell(lambda callback: callback.on_trial_end(record))

    def _tell(self, call: Callable[[Callback], None]) -> None:
        for callback in self._callbacks:
            with redirect_stdout(self._streams[0]), redirect_stderr(self._streams[1]):
                call(callback)
