"""A search played by its own classes, without Ray, in an order of events that one seed fixes.

Study, controller, scheduler, sampler, run folder and objective are the real ones; a training is a
file with three numbers in it. Workers are lost, the search is stopped, killed at an operation on
its folder and resumed, and after every event `simulated_truth` says whether all still holds.
"""

import hashlib
import json
import random
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import optuna
import plain_journal
from search_parts import Witness
from simulated_machine import Choices, Killed, Machine, WorkerLost, lose_power
from simulated_settings import cost_of, draw_search, with_cost
from simulated_store import Hosts
from simulated_training import METRIC, SimulatedTraining
from simulated_truth import Truth, check

from textcls.exceptions import DivergedError
from textcls.training import trainer
from tune import setup
from tune.execution import objective
from tune.execution.controller import SearchController
from tune.execution.task import Task
from tune.execution.worker import Workload, take_up
from tune.run_folder import atomic, leaderboard, paths
from tune.run_folder.paths import RunFolder
from tune.study import databases
from tune.study.records import Interrupted, Proposal, State
from tune.study.study import SearchStudy

LIVES = 8
"""Processes of one search at most; the last of them is left in peace."""
LOST_WORKERS = 3
GROUPED = 5
"""Seeds with this remainder by eight train their trials in groups."""
MOST_SHRINKING = 400
"""Searches that are tried to find a shorter trace."""


@dataclass
class Worker:
    """A trial in a worker's process."""

    proposal: Proposal
    rungs: Iterator[Mapping[str, float]] | None = None
    """None before it has begun, and after its process was lost."""
    said: tuple[int, Mapping[str, float]] | tuple[State, str] | None = None
    """A rung's metrics or how the trial ended, not yet heard by the search."""
    heard: int = 0
    lost: int = 0
    host: str = ""
    """The machine that it is on, where there are several."""


@dataclass
class Simulation:
    """One search from its first process to its last."""

    choices: Choices
    runs: Path
    trace: list[str] = field(default_factory=list)
    machine: Machine = field(default_factory=Machine)
    workers: dict[int, Worker] = field(default_factory=dict)
    generation: int = 0
    """How many runs of the same name came before."""

    def __post_init__(self) -> None:
        draw = self.choices
        self.config, self.earlier = draw_search(draw)
        self.hosts = Hosts(self.runs, draw, self.machine) if draw.chance(25) else None
        self.database = self._database() if draw.chance(4 if self.hosts else 2) else None
        self.salt = draw.below(1 << 30)
        if self.salt % 4 == 1:
            self.config = with_cost(self.config)
        self.cost = cost_of if self.config.search.cost else None
        self.steps = 1 + draw.below(3)
        """Values are multiples of a tenth, a hundredth or a thousandth: some are equal."""
        self.unrest = draw.one_of((5, 0, 2, 15, 40))
        """In a thousand events so many are stops of the search; workers are lost as often."""
        self.truth = Truth(self.config)
        search = self.config.search
        rule = search.scheduler.model_dump(exclude={"grace_texts"})
        self.say(f"{search.samples} samples, {search.sampler}, {rule}, {search.ensemble=}")
        if self.cost is not None:
            self.say("a cost is minimised as well")
        if self.database is not None:
            self.say("the study lies in a database")
        if self.hosts is not None:
            self.machine.after_secure = self._go_round
            training = ", ".join(self.hosts.training)
            self.say(
                f"kept in an object store now and then ({self.hosts.stores_seldom}); {training}"
            )

    def _database(self) -> str:
        url = f"sqlite:///{self.runs / 'studies.db'}"
        databases._allowed.add(url)  # and not in the user's list
        return url

    def say(self, line: str) -> None:
        """Add a line to what is printed of a search that breaks a rule."""
        self.trace.append(line)

    def run(self) -> None:
        """Play the search to its end. Raises AssertionError where something does not hold."""
        with ExitStack() as stack:
            stack.enter_context(self.machine.watched())
            stack.enter_context(mock.patch.object(trainer, "Training", SimulatedTraining))
            if self.hosts is not None:
                stack.enter_context(self.hosts.in_use())
                if self.choices.chance(30):
                    self._play_an_earlier_run(self.hosts)
            for life in range(LIVES):
                at_peace = life == LIVES - 1
                complete = self._live(at_peace)
                if complete and (at_peace or not self.choices.chance(20)):
                    break
                if complete:
                    self._ask_for_more()

    def _ask_for_more(self) -> None:
        samples = self.config.search.samples + 1 + self.choices.below(3)
        search = self.config.search.model_copy(update={"samples": samples})
        self.config = self.config.model_copy(update={"search": search})
        self.truth.config = self.config
        self.say(f"asked for {samples} samples")

    def _play_an_earlier_run(self, hosts: Hosts) -> None:
        """Leave the copies of a run of the same name that has been deleted from the store."""
        self.say("an earlier run:")
        self._live(at_peace=False)
        self.machine.revive()
        if self.database is not None:
            with suppress(KeyError):  # it has not begun
                optuna.delete_study(study_name="run", storage=self.database)
        hosts.forget()
        self.truth = Truth(self.config)
        self.generation += 1
        self.say("it was deleted from the store, and another one begins:")

    def _live(self, at_peace: bool) -> bool:
        """Be one process of the search; True when it came to the search's own end."""
        self.machine.revive()
        self.workers.clear()
        if self.hosts is None:
            return self._live_here(at_peace)
        host = self.hosts.move()
        self.say(f"on the machine {host}")
        with self.hosts.on(host):
            return self._live_here(at_peace)

    def _live_here(self, at_peace: bool) -> bool:
        draw = self.choices
        if not at_peace and draw.chance(60):
            operation, moment = draw.below(150), draw.one_of(("before", "amid", "after"))
            self.machine.arm(Killed, operation, moment)
        slots = 1 + (draw.below(3) if draw.below(2) else draw.below(16))
        try:
            self._begin()
            self.say(f"a process of {slots} slots goes on")
            why = self._events(slots, 0 if at_peace else self.unrest)
            self._finish(why)
        except Killed:
            power = self.hosts is None and draw.chance(25)
            self.say("the power is lost" if power else "killed")
            self.machine.revive()
            if self.hosts is not None:
                self.hosts.keep(self.truth)
                return False  # what holds then is seen where it goes on
            if power:
                lose_power(paths.named(self.runs, "run").journal, self.machine, draw)
            self.truth.after_kill(paths.named(self.runs, "run"), power=power)
            return False
        return why is None

    def _begin(self) -> None:
        place: paths.RunsDir = self.runs if self.hosts is None else self.hosts.address
        self.folder = paths.named(place, "run")
        if self.hosts is not None:
            self._know_again(self.hosts)
        began = paths.began(self.folder)
        if not began:
            self.folder = paths.create(place, "run")
        if self.hosts is not None:
            self.hosts.begin(self.folder)
        if began:
            self.study = setup.reopen_study(self.config, self.folder, self.cost)
        else:
            self.folder.journal.unlink(missing_ok=True)
            self.study = setup.new_study(
                self.config, self.folder, 1000, self.earlier, self.database, self.cost
            )
        self.truth.reopened(self.study)
        self.controller = setup.create_controller(
            self.config, self.study, self.folder, Witness(), minimised=self.cost
        )
        self.milestones = self.study.milestones
        if self.hosts is not None:
            self.hosts.keep(self.truth)  # this journal is stored now
        self.workload = Workload(
            objective.train_classifier, None, {}, self.milestones, METRIC, self.folder, 1, "cpu",  # type: ignore[arg-type]
            session=self.folder.begin_session(),
        )  # fmt: skip
        self.folder.go_on()
        check(self.truth, self.controller, self.folder)
        self.truth.no_stray_file(self.folder, after_stop=False)

    def _know_again(self, hosts: Hosts) -> None:
        """Go back to what was true when the journal was as it is in the copy."""
        if (known := hosts.recall(self.folder)) is not None:
            self.truth = known
            self.truth.config = self.config
        self.truth.after_kill(self.folder, power=False)

    def _go_round(self) -> None:
        if self.hosts is not None:
            self.hosts.go_round(self.truth)

    def _events(self, slots: int, unrest: int) -> str | None:
        """Let things happen until no trial runs; why the search was stopped, if it was."""
        draw, more = self.choices, True
        while True:
            options = [("hear", each) for each in self.workers.values() if each.said]
            options += [("advance", each) for each in self.workers.values() if not each.said]
            if more and len(self.workers) < slots:
                options += [("start", None)] * 2
            if not options:
                return None
            happens, worker = options[draw.below(len(options))]
            if draw.below(1000) >= 1000 - unrest:
                return draw.one_of(("the search was stopped", "the time budget was spent"))
            if happens == "start":
                more = self._start()
            elif happens == "hear":
                self._hear(worker)
            else:
                self._advance(worker, lose=draw.below(1000) >= 1000 - 3 * unrest)
            self._go_round()
            check(self.truth, self.controller, self.folder)

    def _start(self) -> bool:
        proposal = self.controller.propose()
        if proposal is None:
            self.truth.refused(self.controller)
            return False
        self.say(f"trial {proposal.number} starts" + _after(proposal))
        self.truth.started(proposal)
        self.workers[proposal.number] = Worker(proposal)
        return True

    def _advance(self, worker: Worker, *, lose: bool) -> None:
        """Have a worker train to its next rung, unless it is lost on the way."""
        number = worker.proposal.number
        if lose:
            moment = self.choices.one_of(("before", "after"))
            self.machine.arm(WorkerLost, self.choices.below(8), moment)
        try:
            if worker.rungs is None and self.hosts is not None:
                worker.host = self.choices.one_of(self.hosts.training)
            on = nullcontext() if self.hosts is None else self.hosts.on(worker.host)
            with self.machine.worker(), on:
                if worker.rungs is None:
                    worker.rungs = objective.train_classifier(self._made(worker.proposal))
                    worker.heard = 0
                worker.said = (worker.heard, next(worker.rungs))
            self.say(f"trial {number} says rung {worker.heard}")
        except DivergedError as error:
            worker.said = (State.DIVERGED, str(error))
        except Interrupted as error:
            worker.said = (State.INTERRUPTED, str(error))
        except RuntimeError as error:
            worker.said = (State.FAILED, str(error))
        except WorkerLost:
            worker.lost += 1
            worker.rungs = None
            self.say(f"trial {number} loses its worker")
            if worker.lost > LOST_WORKERS:
                worker.said = (State.FAILED, "its worker was lost")
        finally:
            self.machine.disarm(WorkerLost)

    def _made(self, proposal: Proposal) -> Task:
        """Make a trial's task where the worker is, and take up its predecessors' checkpoints."""
        folder = self.workload.here()
        trial = folder.trial(proposal.number)
        trial.root.mkdir(parents=True, exist_ok=True)
        take_up(trial, folder, proposal.predecessors)
        identity = self._identity(proposal.origin)
        seed = SimpleNamespace(threads=None, origin=proposal.origin, play=self, identity=identity)
        arrays = SimpleNamespace(splits=None, embeddings=None, num_classes=2)
        return Task(
            proposal.number, proposal.params, None, seed, arrays, self.milestones, METRIC,  # type: ignore[arg-type]
            trial, folder.stop, "cpu",
        )  # fmt: skip

    def _identity(self, number: int) -> str:
        """Return what tells a trial from one of its number in another run, or after a fork."""
        known = str(sorted(self.truth.trials[number].params.items()))
        if self.database is None:
            lines = self.folder.journal.read_bytes().splitlines(keepends=True)
            created = plain_journal.CREATED
            made = [n for n, line in enumerate(lines) if json.loads(line)["op_code"] == created]
            known += hashlib.sha256(b"".join(lines[: made[number] + 1])).hexdigest()
        return hashlib.sha256(f"{self.generation} {known}".encode()).hexdigest()[:8]

    def _hear(self, worker: Worker) -> None:
        """Have the search hear what a worker has said."""
        number, said = worker.proposal.number, worker.said
        assert said is not None
        worker.said = None
        if isinstance(said[0], State):
            self._end(number, said[0], str(said[1]))
            return
        rung, metrics = said
        assert not isinstance(metrics, str)
        worker.heard = rung + 1
        self.truth.reporting(number, rung, metrics[METRIC])
        goes_on = self.controller.report(number, rung, metrics)
        self.say(f"trial {number}: rung {rung} {metrics[METRIC]}" + ("" if goes_on else ", stop"))
        self.truth.reported(number, rung, metrics[METRIC], goes_on)
        if not goes_on or rung == len(self.milestones) - 1:
            self._end(number, State.PRUNED if not goes_on else State.COMPLETE)

    def _end(self, number: int, state: State, message: str = "") -> None:
        self.truth.ending(number, state)
        self.controller.end(number, state, message)
        del self.workers[number]
        self.say(f"trial {number} is {state} {message}")
        self.truth.ended(number, self.study.record(number).state)

    def _finish(self, why: str | None) -> None:
        """End the process as `tune.run_search` does: with its results."""
        if why is not None:
            self.say(why)
            self.folder.ask_to_stop()
            for worker in list(self.workers.values()):
                if self.choices.below(2):  # it notices in time
                    if worker.said is None:
                        self._advance(worker, lose=False)
                    self._hear(worker)
            self.truth.interrupting()
            self.controller.interrupt(why)
            self.folder.go_on()
            self.truth.interrupted(self.study)
        write_results(self.study, self.controller, self.folder)
        check(self.truth, self.controller, self.folder)
        self.truth.no_stray_file(self.folder, after_stop=why is not None)
        self.truth.results(self.study, self.controller, self.folder, complete=why is None)
        if self.hosts is not None:
            self.hosts.end(self.truth)

    def value(self, origin: int, rung: int) -> float:
        """What a trial reaches, the same each time that it is trained."""
        return round(random.Random(f"{self.salt} {origin} {rung}").random(), self.steps)

    def fate(self, origin: int, rung: int) -> None:
        """Raise what a trial meets on its way to a rung, the same each time."""
        met = random.Random(f"{self.salt} {origin} {rung} fate").random()
        if met < 0.03:
            raise DivergedError("loss is nan")
        if met < 0.06:
            raise RuntimeError(f"out of memory at rung {rung}")
        if met < 0.09:
            raise RuntimeError("KeyError: 'x'")


def write_results(study: SearchStudy, controller: SearchController, folder: RunFolder) -> None:
    """Write leaderboard and result as the search does."""
    records = study.records()
    rungs, cost = len(study.milestones), study.cost
    leaderboard.write_leaderboard(folder.leaderboard, records, METRIC, rungs, cost)
    best = controller.best
    told = None if best is None else {"number": best.number, "value": best.value}
    result = leaderboard.result_json("complete", METRIC, records, told, 1.0, cost)
    atomic.write_json(folder.result, result)


def _kind(seed: int) -> type[Simulation]:
    if seed % 8 != GROUPED:
        return Simulation
    from simulated_groups import GroupSimulation  # late: it is a kind of this one

    return GroupSimulation


def play(seed: int, root: Path, tape: Sequence[int] | None = None) -> tuple[Simulation, str | None]:
    """Play one search below a folder; returns it, and what did not hold."""
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    simulation = _kind(seed)(Choices(seed, tape), root)
    try:
        simulation.run()
    except Exception as error:
        where = error.__traceback__
        while where is not None and where.tb_next is not None:
            where = where.tb_next
        line = f"{where.tb_frame.f_code.co_name}:{where.tb_lineno}" if where else ""
        return simulation, f"{type(error).__name__} in {line}: {error}"
    return simulation, None


def explain(seed: int, root: Path, tries: int = MOST_SHRINKING) -> str:
    """Say what does not hold in the search of a seed, by the shortest trace that was found."""
    simulation, fault = play(seed, root)
    if fault is None:
        return f"seed {seed} holds"
    kind = fault.split(":")[0]
    for tape in _simpler(simulation, tries):
        tried, found = play(seed, root, tape)
        longer = len(tried.trace) > len(simulation.trace)
        if found is not None and found.split(":")[0] == kind and not longer:
            simulation.choices, simulation.trace, fault = tried.choices, tried.trace, found
    told = "\n".join(f"  {line}" for line in simulation.trace)
    return f"seed {seed}: {fault}\n{told}"


def _simpler(simulation: Simulation, tries: int) -> Iterator[list[int]]:
    """Yield simpler tapes than a simulation's, which the caller replaces by one that fails too."""
    for plain in (True, False):  # first set draws to zero, then leave them out
        size = len(simulation.choices.tape) // 2
        while size:
            start = 0
            while start < len(tape := simulation.choices.tape):
                cut = tape[start : start + size]
                if plain and not any(cut):
                    start += size
                    continue
                if (tries := tries - 1) < 0:
                    return
                yield [*tape[:start], *([0] * len(cut) if plain else []), *tape[start + size :]]
                if plain or simulation.choices.tape is tape:
                    start += size
            size //= 2


def _after(proposal: Proposal) -> str:
    return f" in place of {proposal.predecessors}" if proposal.predecessors else ""
