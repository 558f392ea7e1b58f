"""Decide what runs next and which trials go on, and record their ends: the search without Ray.

An executor asks `propose`, hands over each report and each end, and does as it is told. Nothing
here knows of Ray, so a simulation, a replay and a test use the same code.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from tune.config.shapes import TrialShapes
from tune.run_folder.paths import RunFolder
from tune.schedulers import Scheduler
from tune.study.callback import TrialCallback
from tune.study.front import cost_of, front_chains, spread_over
from tune.study.further_gain import FurtherGain
from tune.study.records import Chain, Proposal, State, TrialRecord, chains_of, ranked_chains
from tune.study.study import SearchStudy, Suggest

MOST_OF_FRONT = 30
"""Trials of a front that keep their checkpoints: a bound on the disk that a long search takes."""
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
        further_gain: FurtherGain | None = None,
        cost: Callable[[Mapping[str, Any]], float] | None = None,
    ) -> None:
        """Take up a search where its study stands.

        Args:
            study: New, or reopened.
            suggest: Draws a trial's parameters.
            scheduler: Decides at each rung; None where no trial is stopped.
            samples: Trials in all.
            folder: Where their files are.
            watcher: Hears of every trial that starts, reports and ends.
            leaders: How many of the best trials keep their checkpoints, at least one.
            further_gain: Says when further trials are not worth the wait.
            cost: What a configuration costs, where the study has a cost; the trials on the front,
                at most `MOST_OF_FRONT`, then keep their checkpoints too.
        """
        self._study = study
        self._suggest = suggest
        self._scheduler = scheduler
        self._folder = folder
        self._watcher = watcher
        self._running: dict[int, Proposal] = {}
        self._reached: dict[int, int] = {}
        self._decided: dict[int, State] = {}
        """How trials end that reached the last rung, or that the scheduler stopped."""
        self._turns: dict[int, int] = {}
        """By origin: the how manyeth trial it is, which is how the scheduler knows it."""
        self._open: dict[int, Chain] = {}
        """By origin: interrupted trials, and those that continue one, up to what is recorded."""
        self._failures: list[str] = []
        self._places = max(1, leaders)
        self._kept: list[Chain] = []
        """Those that have ended for good and keep their checkpoints: the best, and the front."""
        self._remaining = samples
        self._further_gain = further_gain
        self._cost = cost
        self._to_continue = 0
        """Interrupted trials of an earlier run, which go on whatever further ones promise."""
        self._last_rung = len(study.milestones) - 1
        for chain in sorted(chains_of(study.records()), key=_began):
            self._recall(chain)

    @property
    def given_up(self) -> str | None:
        """Reason why the search cannot go on: the message of trials that all failed alike."""
        return self._failures[0] if len(self._failures) >= SAME_FAILURES else None

    @property
    def ended_by(self) -> FurtherGain | None:
        """What says that further trials are not worth the wait; None while they are."""
        gain = self._further_gain
        return gain if gain is not None and gain.is_enough else None

    @property
    def best(self) -> TrialRecord | None:
        """The best trial that has ended, interrupted ones included."""
        return next(iter(self.leaders), None)

    @property
    def has_result(self) -> bool:
        """Whether any trial that may win, running ones included, has reached a rung."""
        return self.best is not None or any(self._reached.values())

    @property
    def leaders(self) -> tuple[TrialRecord, ...]:
        """The best trials that have ended, best first; their checkpoints are kept."""
        best = ranked_chains([*self._kept, *self._open.values()])[: self._places]
        return tuple(chain.furthest for chain in best)

    @property
    def exportable(self) -> tuple[TrialRecord, ...]:
        """The trials that have ended and keep their checkpoints, best first: leaders and front."""
        return tuple(chain.furthest for chain in ranked_chains([*self._kept, *self._open.values()]))

    def tidy_up(self) -> None:
        """Delete the checkpoints that nobody needs and a killed search has left behind.

        To be called before the first trial is proposed.
        """
        keep: dict[int, set[int] | None] = {}
        for chain in chains_of(self._study.records()):
            keep |= {record.number: set() for record in chain.members}
            if chain.origin in self._open:  # it may have come further than is recorded
                members = (chain.furthest,) if chain.values else chain.members
                keep |= {record.number: None for record in members}
        for chain in self._kept:
            keep[chain.furthest.number] = _best_rung(chain)
        self._folder.tidy(keep)

    def propose(self) -> Proposal | None:
        """Return the next trial to run; None when all have been started, or no more is worth it."""
        return self._begin(self._study.ask(self._suggest)) if self._wants_more() else None

    def propose_alike(
        self, shapes: TrialShapes, params: Mapping[str, Any], most: int
    ) -> list[Proposal]:
        """Return further trials that can be trained as one with a trial that has these parameters.

        Trials that wait come first, interrupted and enqueued ones; then the sampler proposes what
        the shape leaves open.

        Args:
            shapes: Tells which trials are of one shape.
            params: Parameters that were proposed before.
            most: How many trials, at most.
        """
        found: list[Proposal] = []
        while len(found) < most and self._wants_more():
            proposal = self._study.ask_alike(
                self._suggest,
                lambda stored: shapes.are_alike(params, shapes.decoded(stored)),
                shapes.shared(params),
                self._remaining,
            )
            if proposal is None:
                break
            found.append(self._begin(proposal))
        return found

    def _wants_more(self) -> bool:
        if self._remaining <= 0 or self.given_up is not None:
            return False
        return self._to_continue > 0 or self.ended_by is None

    def _begin(self, proposal: Proposal) -> Proposal:
        self._remaining -= 1
        self._turns.setdefault(proposal.origin, len(self._turns))
        if proposal.continues is not None:
            self._to_continue = max(0, self._to_continue - 1)
        self._running[proposal.number] = proposal
        self._reached[proposal.number] = 0
        self._watcher.on_trial_start(proposal)
        return proposal

    def report(self, number: int, rung: int, metrics: Mapping[str, float]) -> bool:
        """Record the metrics of a trial at a rung; return whether it goes on.

        A trial that was restarted reports its earlier rungs again; that changes nothing. A trial
        that continues an interrupted one is not stopped at a rung that its chain had passed.

        Args:
            number: The trial's, from 0.
            rung: The rung, counted from 0.
            metrics: Metrics by name; that of the search is among them.

        Returns:
            False where the scheduler stops it; the executor then ends it as pruned.
        """
        if rung < self._reached[number]:
            return self._decided.get(number) != State.PRUNED
        if self._cost is not None and self._study.cost is not None:
            metrics = {**metrics, self._study.cost: self._cost(self._running[number].params)}
        goes_on = self._goes_on(number, rung, metrics)
        self._study.report(number, rung, metrics, goes_on=goes_on)
        self._reached[number] = rung + 1
        if not goes_on:
            self._decided[number] = State.PRUNED
        elif rung == self._last_rung:
            self._decided[number] = State.COMPLETE
        self._relieve(number)
        if rung > 0 and (best := self._study.record(number).best_rung) is not None:
            self._folder.trial(number).tidy_store({rung, best})
        self._watcher.on_trial_report(number, rung, metrics)
        return goes_on

    def end(self, number: int, state: State, message: str = "") -> None:
        """Record how a trial ended and delete the checkpoints that are not needed any more.

        A trial that had been stopped, or had reached the last rung, is not interrupted any more.

        Args:
            number: A trial that runs.
            state: How it ended.
            message: What went wrong, for one that failed, diverged or was interrupted.
        """
        if state == State.INTERRUPTED and number in self._decided:
            state, message = self._decided[number], ""
        proposal = self._running.pop(number)
        del self._reached[number]
        self._decided.pop(number, None)
        record = self._study.end(number, state, message)
        self._count_failure(record)
        earlier = self._open.pop(proposal.origin, None)
        chain = earlier.continued_by(record) if earlier is not None else Chain((record,))
        if state == State.INTERRUPTED:
            # It may be asked to go on and may yet fail, so it takes no leader's place.
            self._open[proposal.origin] = chain
        else:
            self._settle(chain)
            if self._further_gain is not None:
                self._further_gain.add(record)
        self._watcher.on_trial_end(record)

    def interrupt(self, message: str) -> None:
        """End all trials that still run, as interrupted.

        Args:
            message: Why, in the words that the records keep.
        """
        for number in sorted(self._running):
            self.end(number, State.INTERRUPTED, message)

    def _goes_on(self, number: int, rung: int, metrics: Mapping[str, float]) -> bool:
        origin = self._running[number].origin
        passed = len(self._open[origin].values) if origin in self._open else 0
        if self._scheduler is None or rung < passed:
            return True
        value, cost = metrics[self._study.metric], metrics.get(self._study.cost or "")
        return self._scheduler.should_continue(self._turns[origin], rung, value, cost)

    def _relieve(self, number: int) -> None:
        """Delete the checkpoints of a trial's predecessors once it has recorded as much as they.

        Until then they hold what the next one would continue from, if this one were interrupted.
        """
        proposal = self._running[number]
        chain = self._open.get(proposal.origin)
        if chain is None or chain.latest.number == number:
            return
        if self._reached[number] >= len(chain.values):
            self._open[proposal.origin] = chain.continued_by(self._study.record(number))
            for record in chain.members:
                self._folder.trial(record.number).tidy(set())

    def _recall(self, chain: Chain) -> None:
        turn = self._turns[chain.origin] = len(self._turns)
        if self._scheduler is not None:
            cost = cost_of(chain.furthest, self._study.cost) if self._study.cost else None
            self._scheduler.refill(turn, chain.values, cost)
        if chain.is_open:
            self._open[chain.origin] = chain
            self._to_continue += 1
        else:
            self._remaining -= 1
            if self._further_gain is not None:
                self._further_gain.add(chain.latest)
            self._kept = self._worth_keeping([*self._kept, chain])

    def _count_failure(self, record: TrialRecord) -> None:
        if record.state != State.FAILED or record.message not in self._failures:
            self._failures.clear()
        if record.state == State.FAILED:
            self._failures.append(record.message)

    def _settle(self, chain: Chain) -> None:
        """Give a chain that has ended for good its place, and tidy up behind it."""
        before = self._kept
        self._kept = self._worth_keeping([*before, chain])
        for each in (chain, *before):
            leads = any(other.origin == each.origin for other in self._kept)
            if each is not chain and leads:
                continue
            for record in each.members:
                needed = leads and record.number == each.furthest.number
                self._folder.trial(record.number).tidy(_best_rung(each) if needed else set())

    def _worth_keeping(self, chains: Sequence[Chain]) -> list[Chain]:
        """Return the chains whose checkpoints are kept: the best, and those on the front.

        Of a front with more than `MOST_OF_FRONT` trials those that are spread over all of it.
        """
        best = ranked_chains(chains)[: self._places]
        front = [] if self._study.cost is None else front_chains(chains, self._study.cost)
        if self._study.cost is not None and len(front) > MOST_OF_FRONT:
            front = spread_over(front, self._study.cost, MOST_OF_FRONT)
        return [*{each.origin: each for each in (*best, *front)}.values()]


def _began(chain: Chain) -> tuple[datetime, int]:
    """Return what orders chains as they began: in groups of one shape, not by their numbers."""
    first = chain.members[0]
    return first.started or datetime.min, first.number


def _best_rung(chain: Chain) -> set[int]:
    rung = chain.furthest.best_rung
    return set() if rung is None else {rung}
