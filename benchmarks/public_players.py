"""Who plays in public_curves.py, and the simulated clock that they play on.

Every player with a scheduler has ours, asynchronous successive halving with factor 3 from a
twenty-seventh of the training on, and runs through `tune.execution.controller`, the same code as in
a search, without Ray; players differ in what proposes.
"""

import heapq
import importlib.util
import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
from public_tasks import FACTOR, Array, Curve, Task, rungs

from tune import schedulers
from tune.config import optuna_space
from tune.execution.controller import SearchController
from tune.run_folder.paths import RunFolder
from tune.samplers import factory
from tune.study import study
from tune.study.records import State
from tune.study.study import SearchStudy

METRIC = "value"
Samplers = Callable[[Task, int], optuna.samplers.BaseSampler]


@dataclass(frozen=True, slots=True)
class Player:
    """A sampler and a scheduler."""

    what: str
    sampler: Samplers
    scheduler: str = "asha"
    needs: str = ""
    """A package that may be missing."""

    @property
    def missing(self) -> str:
        """The package that is not there; empty where nothing lacks."""
        there = not self.needs or importlib.util.find_spec(self.needs) is not None
        return "" if there else self.needs


def _ours(name: Any) -> Samplers:
    return lambda task, seed: factory.create_sampler(name, task.space, seed=seed)


def _optuna_gp(task: Task, seed: int) -> optuna.samplers.BaseSampler:  # noqa: ARG001
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.samplers.GPSampler(seed=seed)


PLAYERS = {
    "gp": Player("ours: search.sampler gp", _ours("gp")),
    "tpe": Player("ours: search.sampler tpe", _ours("tpe")),
    "random": Player("random, with ASHA", _ours("random")),
    "qmc": Player("evenly spread, with ASHA", _ours("qmc")),
    "cmaes": Player("CMA-ES, with ASHA", _ours("cmaes")),
    "optuna-tpe": Player(
        "Optuna's TPE as it comes, with ASHA",
        lambda _, seed: optuna.samplers.TPESampler(seed=seed),
    ),
    "optuna-gp": Player("Optuna's GPSampler, with ASHA", _optuna_gp, needs="torch"),
    "random-full": Player("random, every trial to its end", _ours("random"), "none"),
    "gp-full": Player("gp, every trial to its end", _ours("gp"), "none"),
}


@dataclass(slots=True)
class Trace:
    """A search: what it had cost and what it had found after each report."""

    epochs: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    worth: list[float] = field(default_factory=list)
    """Of the report that is best by what the player sees."""
    trials: int = 0


class _Nobody:
    def on_trial_start(self, proposal: Any) -> None: ...
    def on_trial_report(self, number: int, rung: int, metrics: Mapping[str, float]) -> None: ...
    def on_trial_end(self, record: Any) -> None: ...


def controller(player: Player, task: Task, seed: int) -> tuple[SearchController, tuple[int, ...]]:
    """A real search's controller, its study kept in memory and its folder never written."""
    milestones = rungs(task.epochs) if player.scheduler != "none" else (task.epochs,)
    made = optuna.create_study(sampler=player.sampler(task, seed), direction="maximize")
    made.set_user_attr("format", study.FORMAT)
    made.set_user_attr("metric", METRIC)
    made.set_user_attr("milestones", [float(at) for at in milestones])
    scheduler = schedulers.create_scheduler(
        player.scheduler, len(milestones), reduction_factor=FACTOR, keep=4
    )
    search = SearchController(
        SearchStudy(made),
        lambda trial: optuna_space.suggest(trial, task.space),
        scheduler,
        10**9,
        RunFolder(Path("does-not-exist")),
        _Nobody(),
    )
    return search, milestones


@dataclass(slots=True)
class _Running:
    number: int
    curve: Curve
    started_s: float
    rung: int = 0


def play(
    player: Player, task: Task, seed: int, *, slots: int, epochs: float, seconds: float
) -> Trace:
    """Run a search until it has trained `epochs` in all and `seconds` have passed on its clock."""
    search, milestones = controller(player, task, seed)
    trace = Trace()
    waiting: list[tuple[float, int, _Running]] = []
    spent, seen, worth = 0.0, -math.inf, -math.inf

    def begin(at_s: float) -> None:
        proposal = search.propose()
        assert proposal is not None
        trace.trials += 1
        wait_for(_Running(proposal.number, task.curve(proposal.params, milestones), at_s))

    def wait_for(running: _Running) -> None:
        due = running.started_s + float(running.curve.seconds[running.rung])
        heapq.heappush(waiting, (due, running.number, running))

    for _ in range(slots):
        begin(0.0)
    now_s = 0.0
    while spent < epochs or now_s < seconds:
        now_s, number, running = heapq.heappop(waiting)
        epoch = milestones[running.rung]
        spent += epoch - (milestones[running.rung - 1] if running.rung else 0)
        value = float(running.curve.values[running.rung])
        if value > seen:
            seen, worth = value, float(running.curve.worth[running.rung])
        trace.epochs.append(spent)
        trace.seconds.append(now_s)
        trace.worth.append(worth)
        if _goes_on(search, number, running.rung, value, len(milestones)):
            running.rung += 1
            wait_for(running)
        else:
            begin(now_s)
    return trace


def _goes_on(search: SearchController, number: int, rung: int, value: float, count: int) -> bool:
    if math.isnan(value):
        search.end(number, State.DIVERGED, "the loss is not a number")
        return False
    goes_on = search.report(number, rung, {METRIC: value})
    last = rung == count - 1
    if last or not goes_on:
        search.end(number, State.COMPLETE if last else State.PRUNED)
    return goes_on and not last


def at(grid: Array, spent: list[float], worth: list[float], before: float) -> list[float]:
    """The worth of a search's choice at each budget of a grid."""
    found = []
    place = 0
    for budget in grid:
        while place < len(spent) and spent[place] <= budget:
            place += 1
        found.append(worth[place - 1] if place else before)
    return found
