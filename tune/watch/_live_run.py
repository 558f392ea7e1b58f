"""Keep a running search's state and its page up to date, at little cost to the search."""

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from textcls.exceptions import TextclsError
from tune.analysis.error_analysis import ErrorAnalysis, analyse_errors
from tune.analysis.run_data import CUT_OFF, RUNNING, RunData, RunReader, is_running
from tune.formatting import counted
from tune.report import page
from tune.run_folder.paths import RunFolder
from tune.status import rows

_SHARE = 0.05
"""Of a core: what took a second of it is done again after 20 s at the earliest. Reading a thousand
trials takes 0.04 s, rendering their page 0.4 s."""
_FACTS = ("Trials", "Rungs", "Best", "Elapsed", "Running", "Left", "Gain", "Go on with")
"""The lines of `tune.status` that the page shows on top."""
_UNREADABLE = "unreadable"
_LATER = "They are shown here once the search has ended."


@dataclass(frozen=True, slots=True)
class LiveStatus:
    """What a page is told about the search, every few seconds."""

    version: str
    """Of the page: another one means that the page has changed."""
    state: str
    """complete, interrupted, failed, running, cut-off or unreadable."""
    sentence: str
    """The state in words."""
    title: str
    """What the browser's tab shows."""
    facts: str
    """How the search stands, as a list in HTML."""
    ended: bool
    """Whether the search has ended, so that there is nothing more to watch."""


class LiveRun:
    """A run that is read time and again while a search writes it; safe in several threads.

    Args:
        find: Finds the run folder; called before each reading, since a copy of a run in an object
            store is brought up to date by it.
        with_texts: Show the winner's mistakes once the search has ended.
        interval_s: Read nothing again within this time.
        clock: Returns seconds; another one in tests.
        spent: Returns the seconds of a processor that this thread has spent.

    Raises:
        TextclsError: The run cannot be read now. Later on that is said on the page.
    """

    def __init__(
        self,
        find: Callable[[], RunFolder],
        *,
        with_texts: bool = True,
        interval_s: float = 2.0,
        clock: Callable[[], float] = time.monotonic,
        spent: Callable[[], float] = time.thread_time,
    ) -> None:
        self._find, self._with_texts = find, with_texts
        self._interval_s, self._clock, self._spent = interval_s, clock, spent
        self._lock = threading.Lock()
        self._reader = RunReader(find())
        self._run = self._reader.read()
        self._has_run = self._run.state == RUNNING
        self._problem = ""
        self._name = secrets.token_hex(4)  # a page of an earlier process has another version
        self._version, self._content = 0, self._content_now()
        self._page, self._page_version = "", -1
        self._read_from, self._page_from = 0.0, 0.0
        """When the run may be read, and its page be rendered, for the next time."""

    @property
    def run(self) -> RunData:
        """The run as it was read last."""
        return self._run

    @property
    def problem(self) -> str:
        """Why the run could not be read the last time; empty where it could."""
        return self._problem

    @property
    def ended(self) -> bool:
        """Whether a search that ran while it was watched runs no more."""
        return self._has_run and self._run.state != RUNNING

    def check_end(self) -> bool:
        """Look whether the search has just ended, without reading the run; return `ended`."""
        if self._problem or (self._run.state == RUNNING) != is_running(self._run.folder):
            with self._lock:
                self._read_from = 0.0
                self._read()
        return self.ended

    def status(self) -> LiveStatus:
        """Return how the search stands, read at most an interval ago."""
        with self._lock:
            self._read()
            run = self._run
            return LiveStatus(
                version=self._version_name(),
                state=_UNREADABLE if self._problem else run.state.replace(" ", "-"),
                sentence=self._sentence(),
                title=f"({len(run.chains)}) {run.folder.name}: {run.state}",
                facts=page.live_facts(self._facts()),
                ended=self.ended,
            )

    def page(self) -> str:
        """Return the page of the current version."""
        with self._lock:
            self._read()
            if self._page_version != self._version:
                before = self._spent()
                self._page = page.render_live_page(
                    self._run, self._mistakes(), self._facts(), self._version_name()
                )
                if self._page_version >= 0:  # the first one imports what rendering needs
                    self._page_from = self._clock() + (self._spent() - before) / _SHARE
                self._page_version = self._version
            return self._page

    def _version_name(self) -> str:
        return f"{self._name}-{self._version}"

    def _read(self) -> None:
        """Read the run again where that is due; whatever is wrong with it is said on the page."""
        if self._clock() < self._read_from:
            return
        before = self._spent()
        try:
            self._find()
            self._run, self._problem = self._reader.read(), ""
        except (TextclsError, OSError) as error:
            self._problem = str(error)
        self._has_run |= self._run.state == RUNNING
        now = self._clock()
        self._read_from = now + max(self._interval_s, (self._spent() - before) / _SHARE)
        content = self._content_now()
        is_due = now >= self._page_from or self._run.state != RUNNING
        if content != self._content and is_due:
            self._version, self._content = self._version + 1, content

    def _content_now(self) -> tuple[Any, ...]:
        """Return what the page depends on, the time left out."""
        run = self._run
        trials = [(each.number, each.state, len(each.values)) for each in run.records]
        return (run.state, trials, run.result, run.environment, run.missing)

    def _facts(self) -> list[tuple[str, str]]:
        return [each for each in rows(self._run, datetime.now()) if each[0] in _FACTS]

    def _mistakes(self) -> ErrorAnalysis | str:
        """Return the winner's predictions; they take seconds of torch, so not during the search."""
        if not self._with_texts:
            return "The texts were left out (--without-texts)."
        return _LATER if self._run.state == RUNNING else analyse_errors(self._run)

    def _sentence(self) -> str:
        run, read_at = self._run, self._run.read_at.astimezone()
        if self._problem:
            return f"The run cannot be read: {self._problem}"
        if run.state == RUNNING:
            return f"The search is running. Read at {read_at:%H:%M:%S}."
        if run.state == CUT_OFF:
            return "The search was cut off: no process searches here, and there is no result."
        trials = counted(len(run.chains), "trial")
        ended = {"complete": "is complete", "interrupted": "was stopped early"}
        how = ended.get(run.state, "ended without a winner")
        last = " This page no longer refreshes itself." if self.ended else ""
        return f"The search {how}, with {trials}.{last}"
