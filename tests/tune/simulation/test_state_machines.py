"""Journal and rungs under any sequence of calls, reopenings and torn records (Hypothesis)."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

import optuna
import plain_journal
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from study_parts import MILESTONES, NAME, fresh, metrics, suggest

from tune.schedulers import Scheduler, create_scheduler
from tune.study import study
from tune.study.records import State
from tune.study.study import SearchStudy, step_of

_ENDS = st.sampled_from([each for each in State if each != State.RUNNING])
_VALUES = st.integers(0, 20).map(lambda value: value / 20)


class JournalMachine(RuleBasedStateMachine):
    """A study beside plain books; the journal is read by a reader of its own."""

    def __init__(self) -> None:
        super().__init__()
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.root = Path(tempfile.mkdtemp())
        self.journal = self.root / "study.journal"
        self.made: SearchStudy = study.create_study(
            self.journal, NAME, metric="test_accuracy", milestones=MILESTONES, sampler=fresh(0)
        )
        self.values: dict[int, list[float]] = {}
        self.ends: dict[int, State] = {}
        self.enqueued: list[float] = []
        self.continued: set[int] = set()

    def teardown(self) -> None:
        shutil.rmtree(self.root)

    @property
    def running(self) -> list[int]:
        return [number for number in self.values if number not in self.ends]

    @rule(rate=st.integers(1, 9))
    def enqueue(self, rate: int) -> None:
        self.enqueued.append(rate / 10)
        self.made.enqueue({"rate": rate / 10, "size": 3})

    @precondition(lambda self: len(self.values) < 12)
    @rule()
    def ask(self) -> None:
        waiting = self.made.waiting()
        proposal = self.made.ask(suggest)
        assert proposal.number not in self.values
        if waiting and proposal.continues is None:
            assert proposal.params["rate"] == self.enqueued.pop(0)
        if proposal.continues is not None:
            assert self.ends[proposal.continues] == State.INTERRUPTED
        self.values[proposal.number] = []

    @precondition(lambda self: self.running)
    @rule(which=st.integers(0, 99), value=_VALUES)
    def report(self, which: int, value: float) -> None:
        number = self.running[which % len(self.running)]
        rung = len(self.values[number])
        if rung < len(MILESTONES):
            self.made.report(number, rung, metrics(value, rung))
            self.values[number].append(value)

    @precondition(lambda self: self.running)
    @rule(which=st.integers(0, 99), end=_ENDS, message=st.text(max_size=5))
    def end(self, which: int, end: State, message: str) -> None:
        number = self.running[which % len(self.running)]
        if end == State.COMPLETE and not self.values[number]:
            end = State.FAILED  # a complete trial has a value
        record = self.made.end(number, end, message)
        assert (record.state, record.message) == (end, message)
        self.ends[number] = end

    @rule(torn=st.binary(max_size=20))
    def kill_and_resume(self, torn: bytes) -> None:
        with self.journal.open("ab") as file:
            file.write(torn.replace(b"\n", b""))
        self.made = study.resume_study(self.journal, NAME, fresh)
        for record in self.made.end_cut_off():
            whole = len(self.values[record.number]) == len(MILESTONES)
            assert record.state == (State.COMPLETE if whole else State.INTERRUPTED)
            self.ends[record.number] = record.state
        cut_off = self.made.cut_off()
        interrupted = {n for n, end in self.ends.items() if end == State.INTERRUPTED}
        assert set(cut_off) == interrupted - self.continued
        for number in cut_off:
            self.made.requeue(number)
            self.continued.add(number)

    @invariant()
    def the_books_agree(self) -> None:
        plain = plain_journal.read(self.journal)
        begun = {number: each for number, each in enumerate(plain) if not each.waits}
        records = {record.number: record for record in self.made.records()}
        assert set(begun) == set(records) == set(self.values)
        for number, record in records.items():
            steps = [step_of(epoch) for epoch in MILESTONES[: len(self.values[number])]]
            assert list(record.values) == self.values[number]
            assert begun[number].values == dict(zip(steps, self.values[number], strict=True))
            assert begun[number].ended == self.ends.get(number)
            assert record.state == self.ends.get(number, State.RUNNING)
            assert set(record.params) == set(begun[number].params)


class RungsMachine(RuleBasedStateMachine):
    """A scheduler beside one that is filled again from what was reported."""

    def __init__(self) -> None:
        super().__init__()
        self.name, self.reported = "asha", {}  # type: dict[int, list[float]]
        self.scheduler = self._fresh()

    def _fresh(self) -> Scheduler:
        made = create_scheduler(self.name, 4, reduction_factor=2, keep=2)
        assert made is not None
        return made

    @precondition(lambda self: not self.reported)
    @rule(name=st.sampled_from(["asha", "hyperband", "median", "top_k"]))
    def choose(self, name: str) -> None:
        self.name = name
        self.scheduler = self._fresh()

    @rule(trial=st.integers(0, 15), value=_VALUES)
    def report(self, trial: int, value: float) -> None:
        values = self.reported.setdefault(trial, [])
        if len(values) >= 3:
            return
        refilled = self._fresh()
        for each, known in self.reported.items():
            refilled.refill(each, known)
        rung = len(values)
        decided = self.scheduler.should_continue(trial, rung, value)
        assert refilled.should_continue(trial, rung, value) == decided
        values.append(value)
        if decided is False and value == 1.0:
            best = [v[rung] for v in self.reported.values() if len(v) > rung]
            assert best.count(1.0) > 1, "the only best one was stopped"

    @invariant()
    def rungs_hold_what_was_reported(self) -> None:
        rungs = range(3)
        counted = [sum(len(values) > rung for values in self.reported.values()) for rung in rungs]
        assert list(self.scheduler.counts())[:3] == counted


def _settings(examples: int, steps: int) -> Any:
    return settings(
        max_examples=examples, stateful_step_count=steps, deadline=None, derandomize=True,
        database=None, suppress_health_check=list(HealthCheck),
    )  # fmt: skip


TestJournal = JournalMachine.TestCase
TestJournal.settings = _settings(10, 25)
TestRungs = RungsMachine.TestCase
TestRungs.settings = _settings(60, 40)
