"""What has to hold in a simulated search, kept by books of its own."""

import csv
import json
import re
from dataclasses import dataclass, field

from simulated_settings import cost_of

from tune import setup
from tune.config import grid
from tune.config.search_file import SearchFile
from tune.execution.controller import SearchController
from tune.run_folder import paths
from tune.run_folder.paths import RunFolder
from tune.study import study as studies
from tune.study.records import Proposal, State, TrialRecord, ranked
from tune.study.study import SearchStudy

_EXPECTED = re.compile(
    r"study\.journal|study\.json|\.session|leaderboard\.csv|result\.json|trials/\d+/(curve\.json|rung-\d+\.safetensors)"
)
_WITH_CLASSIFIER = (State.COMPLETE, State.PRUNED, State.INTERRUPTED)


@dataclass
class Known:
    """A trial as the simulation knows it."""

    number: int
    origin: int
    params: dict[str, object]
    values: list[float] = field(default_factory=list)
    state: State = State.RUNNING
    stopped: bool = False
    """The scheduler has said that it does not go on."""


class Truth:
    """All that has happened, and the rules that the search must keep."""

    def __init__(self, config: SearchFile) -> None:
        self.config = config
        self.trials: dict[int, Known] = {}
        self.order: list[int] = []
        """The origins in the order in which they were asked for."""
        self.continued: dict[int, int] = {}
        """Which trial took an interrupted one's place."""
        self.reported_values: dict[int, list[float]] = {}
        """By origin: what was recorded at each rung, the first time."""
        self.decisions: dict[int, list[bool]] = {}
        """By origin: whether an uninterrupted search lets it pass each rung."""
        self._in_flight: tuple[str, int, object] | None = None
        self._uninterrupted = None
        self._rungs = 0

    # what happens

    def reopened(self, made: SearchStudy) -> None:
        """Learn how the study closed what was open, and what was asked for amid a kill."""
        if self._rungs == 0:
            self._rungs = len(made.milestones)
            self._uninterrupted = setup.scheduler_of(self.config, self._rungs)
        for record in made.records():
            if record.number not in self.trials:  # the asking was cut off
                assert record.values == ()
                self._add(record.number, record.continues, record.params)
            self._closed(record)
        self._in_flight = None

    def started(self, proposal: Proposal, *, alike: bool = False) -> None:
        """A trial was proposed; `alike` if it had to be of another one's shape."""
        if proposal.continues is not None:
            before = self.trials[proposal.continues]
            assert before.state == State.INTERRUPTED, "what ended runs again"
            assert proposal.origin == before.origin
            assert before.params.items() <= proposal.params.items()
        else:
            unfinished = [n for n in self._open_origins() if not self._runs(n)]
            assert alike or not unfinished, (
                f"{unfinished} were cut off and wait, but a new trial began"
            )
        self._add(proposal.number, proposal.continues, proposal.params)
        asked = grid.trial_count(self.config)
        assert self._closed_count() + len(self._open_origins()) <= asked, "too many trials"

    def refused(self, controller: SearchController) -> None:
        """No further trial was proposed."""
        if controller.given_up is None:
            asked = grid.trial_count(self.config)
            assert self._closed_count() + len(self._open_origins()) >= asked, "too few trials"

    def trains(self, origin: int, rung: int) -> None:
        """A trial is trained to a rung."""
        known = len(self.reported_values.get(origin, []))
        assert rung >= known, f"trial {origin} is trained to rung {rung} again"

    def reporting(self, number: int, rung: int, value: float) -> None:
        """A report is about to be recorded."""
        self._in_flight = ("report", number, (rung, value))

    def reported(self, number: int, rung: int, value: float, goes_on: bool) -> None:
        """A report was recorded and answered."""
        self._in_flight = None
        trial = self.trials[number]
        if rung < len(trial.values):
            assert goes_on, "a repeated report stops a trial"
            return
        self._record(trial, rung, value)
        assert goes_on == self.decisions[trial.origin][rung], "an uninterrupted search differs"

    def ending(self, number: int, state: State) -> None:
        """An end is about to be recorded."""
        self._in_flight = ("end", number, state)

    def ended(self, number: int, state: State) -> None:
        """An end was recorded."""
        assert self._in_flight is not None
        trial, expected = self.trials[number], self._in_flight[2]
        self._in_flight = None
        assert trial.state == State.RUNNING, f"trial {number} ends twice"
        assert state == (self._decided(trial) if expected == State.INTERRUPTED else expected)
        trial.state = state

    def interrupting(self) -> None:
        """All that runs is about to be ended."""

    def interrupted(self, made: SearchStudy) -> None:
        """All that ran was ended."""
        for record in made.records():
            self._closed(record)

    def after_kill(self, folder: RunFolder, *, power: bool) -> None:
        """Nothing that was recorded may be gone; what was on its way may have arrived."""
        if not paths.began(folder):
            assert not any(trial.values for trial in self.trials.values())
            self.__init__(self.config)  # type: ignore[misc]
            return
        made = studies.read_study(folder.study, folder.name)
        records = {record.number: record for record in made.records()}
        for number in sorted(set(self.trials) - set(records)):
            trial = self.trials[number]
            assert power, f"trial {number} is gone"
            assert not trial.values, f"trial {number} is gone with its values"
            self._forget(trial)
        if self._in_flight is not None and self._in_flight[0] == "report":
            _, number, (rung, value) = self._in_flight  # type: ignore[misc]
            known = self.trials[number]
            if number in records and len(records[number].values) > len(known.values):
                self._record(known, rung, value)
            elif (
                power
                and number in records
                and known.values[len(records[number].values) :] == [value]
            ):
                self._unrecord(known)  # it had arrived before an earlier kill, but not on the disk
        for number, trial in self.trials.items():
            assert list(records[number].values) == trial.values, f"trial {number}'s values differ"
            if trial.state != State.RUNNING:
                assert records[number].state == trial.state

    # what must hold

    def best(self) -> float | None:
        """The best value that may win; what runs and has caught up is left out."""
        found = [
            max(values)
            for origin, values in self.reported_values.items()
            if values and self._may_win(origin)
        ]
        return max(found, default=None)

    def front(self) -> list[int]:
        """The origins of what has ended and nothing beats in value and cost; of equals the first.

        Empty where no cost is minimised.
        """
        if self.config.search.cost is None:
            return []
        ended = (State.COMPLETE, State.PRUNED)
        points = {
            origin: (-max(values), self._cost(origin))
            for origin in self.order
            if (values := self.reported_values.get(origin)) and self._latest(origin).state in ended
        }
        first = {point: origin for origin, point in sorted(points.items(), reverse=True)}
        return [
            origin
            for point, origin in first.items()
            if not any(a <= point[0] and b <= point[1] for a, b in first if (a, b) != point)
        ]

    def front_has_checkpoints(self, folder: RunFolder) -> None:
        """Each trial on the front has the checkpoint of its best rung."""
        for origin in self.front():
            values = self.reported_values[origin]
            rungs = [rung for rung, value in enumerate(values) if value == max(values)]
            members = [trial.number for trial in self.trials.values() if trial.origin == origin]
            paths = [folder.trial(n).checkpoint(rung) for n in members for rung in rungs]
            assert any(path.exists() or folder.store.read(path) is not None for path in paths), (
                f"trial {origin} is on the front and has no checkpoint"
            )

    def no_stray_file(self, folder: RunFolder, *, after_stop: bool) -> None:
        """There are no files but those that a run folder is to have.

        What a lost worker left of a trial that was then interrupted goes at the resume.
        """
        found = [path for path in folder.root.rglob("*") if path.is_file()]
        names = [path.relative_to(folder.root).as_posix() for path in found]
        waits = [n for n, trial in self.trials.items() if trial.state == State.INTERRUPTED]
        lost = re.compile(rf"trials/({'|'.join(map(str, waits))})/\.[0-9a-f]+\.tmp")
        strange = [
            name
            for name in names
            if not _EXPECTED.fullmatch(name) and not (after_stop and lost.fullmatch(name))
        ]
        assert not strange, f"left over: {strange}"

    def checkpoints(self, folder: RunFolder) -> None:
        """There are no more checkpoints than is said in docs/resume.md."""
        # By what is in them: links on a disk, but objects of their own in a store.
        files = {path.read_bytes() for path in folder.root.glob("trials/*/rung-*.safetensors")}
        most = 3 * len(self._open_origins()) + max(1, self.config.search.ensemble)
        most += len(self.front())
        assert len(files) <= most, f"{len(files)} checkpoints, but at most {most}"

    def results(
        self, made: SearchStudy, controller: SearchController, folder: RunFolder, *, complete: bool
    ) -> None:
        """Journal, leaderboard and result say the same."""
        records = made.records()
        result = json.loads(folder.result.read_text())
        rows = list(csv.DictReader(folder.leaderboard.read_text().splitlines()))
        assert {int(row["number"]): row["state"] for row in rows} == {
            trial.number: trial.state for trial in self.trials.values()
        }
        assert result["trials"]["records"] == len(rows) == len(records) == len(self.trials)
        assert result["trials"]["total"] == len(self.trials) - len(self.continued)
        best = result["best"]
        assert (best and best["value"]) == self.best()
        standing = [row for row in rows if row["rank"]]
        assert [int(row["number"]) for row in standing] == [each.number for each in ranked(records)]
        origins = [self.trials[int(row["number"])].origin for row in standing]
        assert len(set(origins)) == len(origins), "a chain stands twice"
        if best is not None:
            assert int(standing[0]["number"]) == best["number"]
        if complete and controller.given_up is None:
            assert self._closed_count() == grid.trial_count(self.config)
            cut_off = {n for n, trial in self.trials.items() if trial.state == State.INTERRUPTED}
            assert cut_off == set(self.continued), "an interrupted trial was not taken up"

    # the books

    def _add(self, number: int, continues: int | None, params: dict[str, object]) -> None:
        assert number not in self.trials
        origin = number
        if continues is not None:
            assert continues not in self.continued, f"trial {continues} is taken up twice"
            self.continued[continues] = number
            origin = self.trials[continues].origin
        else:
            self.order.append(number)
        self.trials[number] = Known(number, origin, dict(params))

    def _forget(self, trial: Known) -> None:
        del self.trials[trial.number]
        if trial.origin == trial.number:
            self.order.remove(trial.number)
        self.continued = {a: b for a, b in self.continued.items() if b != trial.number}

    def _record(self, trial: Known, rung: int, value: float) -> None:
        assert rung == len(trial.values)
        trial.values.append(value)
        chain = self.reported_values.setdefault(trial.origin, [])
        if rung < len(chain):
            assert chain[rung] == value
            return
        chain.append(value)
        goes_on = self._uninterrupted is None or self._uninterrupted.should_continue(
            self.order.index(trial.origin), rung, value, self._cost(trial.origin)
        )
        self.decisions.setdefault(trial.origin, []).append(goes_on)

    def _unrecord(self, trial: Known) -> None:
        """Forget a trial's last value, which its chain reports again when it is taken up."""
        trial.values.pop()
        self.reported_values[trial.origin].pop()
        self.decisions[trial.origin].pop()

    def _decided(self, trial: Known) -> State:
        """How a trial ends that is cut off."""
        if trial.values and not self.decisions[trial.origin][len(trial.values) - 1]:
            return State.PRUNED
        return State.COMPLETE if len(trial.values) == self._rungs else State.INTERRUPTED

    def _closed(self, record: TrialRecord) -> None:
        trial = self.trials[record.number]
        assert list(record.values) == trial.values
        if trial.state != State.RUNNING:
            assert record.state == trial.state, f"trial {record.number} has another end"
            return
        allowed = {self._decided(trial)}
        if self._in_flight is not None and self._in_flight[:2] == ("end", record.number):
            allowed.add(State(self._in_flight[2]))
        assert record.state in allowed, f"trial {record.number} is {record.state}, not {allowed}"
        trial.state = record.state

    def _latest(self, origin: int) -> Known:
        return max((t for t in self.trials.values() if t.origin == origin), key=lambda t: t.number)

    def _runs(self, origin: int) -> bool:
        return self._latest(origin).state == State.RUNNING

    def _open_origins(self) -> list[int]:
        unended = (State.RUNNING, State.INTERRUPTED)
        return [origin for origin in self.order if self._latest(origin).state in unended]

    def _closed_count(self) -> int:
        return len(self.order) - len(self._open_origins())

    def _cost(self, origin: int) -> float | None:
        if self.config.search.cost is None:
            return None
        return cost_of(self._latest(origin).params)  # a kill may have cut the first's drawing off

    def _may_win(self, origin: int) -> bool:
        latest = self._latest(origin)
        if latest.state == State.RUNNING:
            return len(latest.values) < len(self.reported_values[origin])
        return latest.state in _WITH_CLASSIFIER


def check(truth: Truth, controller: SearchController, folder: RunFolder) -> None:
    """Check what must hold between any two events."""
    truth.checkpoints(folder)
    best = controller.best
    assert (best and best.value) == truth.best(), "not the best value that was ever recorded"
    truth.front_has_checkpoints(folder)
    for leader in controller.leaders:
        assert leader.best_rung is not None
        path = folder.trial(leader.number).checkpoint(leader.best_rung)
        content = path.read_bytes() if path.exists() else folder.store.read(path)
        assert content is not None, f"the checkpoint of trial {leader.number} is gone"
        origin, _step, rung = map(int, content.split()[:3])
        known = truth.trials[leader.number]
        assert (origin, rung) == (known.origin, leader.best_rung)
