"""What runs next, who goes on and how each trial ended: the search without an executor.

Whatever runs the trials asks `propose`, hands over each report and each end, and does as it is
told. Nothing here knows of Ray, so a simulation, a replay and a test use the same code.
"""

from collections.abc import Mapping

from tune.run_folder.paths import RunFolder
from tune.schedulers import Scheduler
from tune.study.callback import TrialCallback
from tune.study.records import Proposal, State, TrialRecord, may_win, rank
from tune.study.study import SearchStudy, Suggest

SAME_FAILURES = 5  # as many in a row with one message mean that the set-up is at fault


class SearchController:
    """One search: the study, the rungs and the number of trials that are still to come."""

    def __init__(
        self,
        study: SearchStudy,
        suggest: Suggest,
        scheduler: Scheduler | None,
        samples: int,
        folder: RunFolder,
        watcher: TrialCallback,
        *,
        leaders: int = 1,
    ) -> None:
        self._study = study
        self._suggest = suggest
        self._scheduler = scheduler
        self._folder = folder
        self._watcher = watcher
        self._running: dict[int, Proposal] = {}
        self._reached: dict[int, int] = {}
        self._passed: dict[int, int] = {}
        self._failures: list[str] = []
        self._places = max(1, leaders)
        self._leaders: list[TrialRecord] = []
        self._remaining = samples
        for record in study.records():
            self._recall(record)

    @property
    def given_up(self) -> str | None:
        """Why the search cannot go on: the message of trials that all failed alike."""
        return self._failures[0] if len(self._failures) >= SAME_FAILURES else None

    @property
    def best(self) -> TrialRecord | None:
        """The best trial that has ended."""
        return self._leaders[0] if self._leaders else None

    @property
    def leaders(self) -> tuple[TrialRecord, ...]:
        """The best trials that have ended, best first; their checkpoints are kept."""
        return tuple(self._leaders)

    def propose(self) -> Proposal | None:
        """The next trial to run; None when all have been started."""
        if self._remaining <= 0 or self.given_up is not None:
            return None
        self._remaining -= 1
        proposal = self._study.ask(self._suggest)
        if proposal.continues is not None:
            self._take_over(proposal.number, proposal.continues)
        self._running[proposal.number] = proposal
        self._reached[proposal.number] = 0
        self._watcher.on_trial_start(proposal)
        return proposal

    def report(self, number: int, rung: int, metrics: Mapping[str, float]) -> bool:
        """Record what a trial reached at a rung; True when it goes on.

        A trial that was restarted reports again what it had reached; that changes nothing. Nor is
        a trial that takes the place of an interrupted one stopped at a rung that this had passed.
        """
        if rung < self._reached[number]:
            return True
        self._study.report(number, rung, metrics)
        self._reached[number] = rung + 1
        self._watcher.on_trial_report(number, rung, metrics)
        if self._scheduler is None:
            return True
        goes_on = self._scheduler.should_continue(number, rung, metrics[self._study.metric])
        return goes_on or rung < self._passed.get(number, 0)

    def end(self, number: int, state: State, message: str = "") -> None:
        """Record how a trial ended and delete the checkpoints that nobody needs."""
        proposal = self._running.pop(number)
        del self._reached[number]
        self._passed.pop(number, None)
        record = self._study.end(number, state, message)
        self._count_failure(record)
        self._consider(record)
        if state != State.INTERRUPTED:
            self._tidy(number)
        if proposal.continues is not None:
            self._tidy(proposal.continues)
        self._watcher.on_trial_end(record)

    def interrupt(self, message: str) -> None:
        """End all trials that still run, as interrupted."""
        for number in sorted(self._running):
            self.end(number, State.INTERRUPTED, message)

    def _take_over(self, number: int, interrupted: int) -> None:
        self._passed[number] = len(self._study.record(interrupted).values)
        if self._scheduler is not None:
            self._scheduler.forget(interrupted)

    def _recall(self, record: TrialRecord) -> None:
        if record.state == State.INTERRUPTED:
            return
        self._remaining -= 1
        if self._scheduler is not None:
            self._scheduler.refill(record.number, record.values)
        if may_win(record):
            self._leaders = sorted([*self._leaders, record], key=rank)[: self._places]

    def _count_failure(self, record: TrialRecord) -> None:
        if record.state != State.FAILED or record.message not in self._failures:
            self._failures.clear()
        if record.state == State.FAILED:
            self._failures.append(record.message)

    def _consider(self, record: TrialRecord) -> None:
        if not may_win(record):
            return
        standing = sorted([*self._leaders, record], key=rank)
        self._leaders, displaced = standing[: self._places], standing[self._places :]
        # An interrupted trial may be asked to go on and may yet fail, so it deposes nobody.
        if record.state != State.INTERRUPTED:
            for each in displaced:
                self._tidy(each.number)

    def _tidy(self, number: int) -> None:
        """Delete the checkpoints of a trial that will not go on, but for a leader's best rung."""
        rung = next((each.best_rung for each in self._leaders if each.number == number), None)
        self._folder.trial(number).tidy(set() if rung is None else {rung})
