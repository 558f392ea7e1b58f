"""Who plays in public_curves.py, and the simulated clock that they play on.

Ours and Optuna's run through `tune.execution.controller`, the same code as in a search, without
Ray; they differ in what proposes. Their scheduler is asynchronous successive halving with factor 3
from a twenty-seventh of the training on. Syne Tune's bring their own, with that factor and that
first rung.
"""

import heapq
import importlib.util
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import optuna
from public_tasks import FACTOR, HALVINGS, Array, Curve, Task, rungs

from tune import schedulers
from tune.config import optuna_space
from tune.execution.controller import SearchController
from tune.run_folder.paths import RunFolder
from tune.samplers import factory
from tune.study import study
from tune.study.records import State
from tune.study.study import SearchStudy

METRIC = "value"


class Search(Protocol):
    """A sampler and a scheduler amid a search."""

    milestones: Sequence[int]
    """The epochs at which a trial reports."""

    def propose(self) -> tuple[int, Mapping[str, Any]]:
        """The next trial: its number and its parameters."""

    def report(self, number: int, rung: int, value: float) -> bool:
        """Take a trial's value at a rung, NaN where it diverged; True when it goes on."""


Maker = Callable[[Task, int], Search]
Sampler = Callable[[Task, int], optuna.samplers.BaseSampler]


@dataclass(frozen=True, slots=True)
class Player:
    """A way to search."""

    what: str
    search: Maker
    needs: str = ""
    """A package that may be missing."""

    @property
    def missing(self) -> str:
        """The package that is not there; empty where nothing lacks."""
        there = not self.needs or importlib.util.find_spec(self.needs) is not None
        return "" if there else self.needs


class _Nobody:
    def on_trial_start(self, proposal: Any) -> None: ...
    def on_trial_report(self, number: int, rung: int, metrics: Mapping[str, float]) -> None: ...
    def on_trial_end(self, record: Any) -> None: ...


class Controlled:
    """The controller of a real search, its study kept in memory and its folder never written."""

    def __init__(
        self, sampler: optuna.samplers.BaseSampler, task: Task, scheduler: str = "asha"
    ) -> None:
        stops = scheduler != "none"
        self.milestones: Sequence[int] = rungs(task.epochs) if stops else (task.epochs,)
        made = optuna.create_study(sampler=sampler, direction="maximize")
        made.set_user_attr("format", study.FORMAT)
        made.set_user_attr("metric", METRIC)
        made.set_user_attr("milestones", [float(at) for at in self.milestones])
        count = len(self.milestones)
        self._controller = SearchController(
            SearchStudy(made),
            lambda trial: optuna_space.suggest(trial, task.space),
            schedulers.create_scheduler(scheduler, count, reduction_factor=FACTOR, keep=4),
            10**9,
            RunFolder(Path("does-not-exist")),
            _Nobody(),
        )

    def propose(self) -> tuple[int, Mapping[str, Any]]:
        """The next trial: its number and its parameters."""
        proposal = self._controller.propose()
        assert proposal is not None
        return proposal.number, proposal.params

    def report(self, number: int, rung: int, value: float) -> bool:
        """Take a trial's value at a rung, NaN where it diverged; True when it goes on."""
        if math.isnan(value):
            self._controller.end(number, State.DIVERGED, "the loss is not a number")
            return False
        goes_on = self._controller.report(number, rung, {METRIC: value})
        last = rung == len(self.milestones) - 1
        if last or not goes_on:
            self._controller.end(number, State.COMPLETE if last else State.PRUNED)
        return goes_on and not last


class SyneTune:
    """A scheduler of Syne Tune with its own rungs, as it comes but for factor and grace period."""

    def __init__(self, name: str, task: Task, seed: int) -> None:
        from syne_tune.optimizer import baselines

        grace = rungs(task.epochs)[0]
        within = [grace * FACTOR**up for up in range(HALVINGS + 1)]
        self.milestones: Sequence[int] = [
            *(at for at in within if at < 0.9 * task.epochs),
            task.epochs,
        ]
        self._scheduler = getattr(baselines, name)(
            {key: _syne_tune_range(known) for key, known in task.space.items()},
            metric=METRIC,
            time_attr="epoch",
            max_t=task.epochs,
            do_minimize=False,
            random_seed=seed,
            grace_period=grace,
            reduction_factor=FACTOR,
        )
        self._trials: list[Any] = []

    def propose(self) -> tuple[int, Mapping[str, Any]]:
        """The next trial: its number and its parameters."""
        from syne_tune.backend.trial_status import Trial

        found = self._scheduler.suggest()
        number = len(self._trials)
        self._trials.append(Trial(number, found.config, datetime.now()))  # theirs
        self._scheduler.on_trial_add(self._trials[number])
        return number, found.config

    def report(self, number: int, rung: int, value: float) -> bool:
        """Take a trial's value at a rung, 0 in place of NaN; True when it goes on."""
        trial, last = self._trials[number], rung == len(self.milestones) - 1
        bad = math.isnan(value)
        result = {METRIC: 0.0 if bad else value, "epoch": self.milestones[rung]}
        decision = self._scheduler.on_trial_result(trial, result)
        if last or bad:
            self._scheduler.on_trial_complete(trial, result)
        return bool(decision == "CONTINUE") and not last and not bad


def _syne_tune_range(known: Any) -> Any:
    from syne_tune import config_space

    kinds = {("int", False): "randint", ("int", True): "lograndint"}
    kinds |= {("float", False): "uniform", ("float", True): "loguniform"}
    return getattr(config_space, kinds[known.type, known.log])(known.low, known.high)


def _ours(name: Any, scheduler: str = "asha") -> Maker:
    return lambda task, seed: Controlled(
        factory.create_sampler(name, task.space, seed=seed), task, scheduler
    )


def _by_cost(task: Task, seed: int) -> Search:
    return Controlled(factory.create_sampler("gp", task.space, seed=seed, cost=task.cost), task)


def _with_asha(sampler: Callable[[int], optuna.samplers.BaseSampler]) -> Maker:
    return lambda task, seed: Controlled(sampler(seed), task)


def _syne_tune(name: str) -> Maker:
    return lambda task, seed: SyneTune(name, task, seed)


def _optuna_gp(seed: int) -> optuna.samplers.BaseSampler:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.samplers.GPSampler(seed=seed)


PLAYERS = {
    "gp": Player("ours: search.sampler gp", _ours("gp")),
    "gp-cost": Player("ours: gp, which knows what a configuration costs", _by_cost),
    "tpe": Player("ours: search.sampler tpe", _ours("tpe")),
    "random": Player("random, with ASHA", _ours("random")),
    "qmc": Player("evenly spread, with ASHA", _ours("qmc")),
    "cmaes": Player("CMA-ES, with ASHA", _ours("cmaes")),
    "optuna-tpe": Player(
        "Optuna's TPE as it comes, with ASHA",
        _with_asha(lambda seed: optuna.samplers.TPESampler(seed=seed)),
    ),
    "optuna-gp": Player("Optuna's GPSampler, with ASHA", _with_asha(_optuna_gp), "torch"),
    "bohb": Player("Syne Tune's BOHB", _syne_tune("BOHB"), "syne_tune"),
    "ashabore": Player("Syne Tune's ASHABORE", _syne_tune("ASHABORE"), "syne_tune"),
    "ashacqr": Player("Syne Tune's ASHACQR", _syne_tune("ASHACQR"), "syne_tune"),
    "random-full": Player("random, every trial to its end", _ours("random", "none")),
    "gp-full": Player("gp, every trial to its end", _ours("gp", "none")),
    "top-k": Player("random, the best four go on after the first rung", _ours("random", "top_k")),
}


@dataclass(slots=True)
class Trace:
    """A search: what it had cost and what it had found after each report."""

    epochs: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    worth: list[float] = field(default_factory=list)
    """Of the report that is best by what the player sees."""
    trials: int = 0


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
    search = player.search(task, seed)
    milestones = search.milestones
    trace = Trace()
    waiting: list[tuple[float, int, _Running]] = []
    spent, seen, worth = 0.0, -math.inf, -math.inf

    def begin(at_s: float) -> None:
        number, params = search.propose()
        trace.trials += 1
        wait_for(_Running(number, task.curve(params, milestones), at_s))

    def wait_for(running: _Running) -> None:
        due = running.started_s + float(running.curve.seconds[running.rung])
        heapq.heappush(waiting, (due, running.number, running))

    for _ in range(slots):
        begin(0.0)
    now_s = 0.0
    while spent < epochs or now_s < seconds:
        now_s, number, running = heapq.heappop(waiting)
        spent += milestones[running.rung] - (milestones[running.rung - 1] if running.rung else 0)
        value = float(running.curve.values[running.rung])
        if value > seen:
            seen, worth = value, float(running.curve.worth[running.rung])
        trace.epochs.append(spent)
        trace.seconds.append(now_s)
        trace.worth.append(worth)
        if search.report(number, running.rung, value):
            running.rung += 1
            wait_for(running)
        else:
            begin(now_s)
    return trace


def at(grid: Array, spent: Sequence[float], worth: Sequence[float], before: float) -> list[float]:
    """The worth of a search's choice at each budget of a grid."""
    latest = np.searchsorted(np.array(spent), grid, side="right")
    return [worth[place - 1] if place else before for place in latest]
