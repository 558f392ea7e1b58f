"""Who plays in replay.py, and the simulated clock that they play on.

Our searches run through `tune.execution.controller`, the same code as in a search; the baseline
through Ray's own OptunaSearch and ASHAScheduler.
"""

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import optuna
from curve_model import Curve, Model

from tune import setup
from tune.config import optuna_space
from tune.config.search_file import SearchFile
from tune.execution.controller import SearchController
from tune.run_folder.paths import RunFolder
from tune.samplers import factory
from tune.study import study
from tune.study.records import State
from tune.study.study import SearchStudy

METRIC = "val_accuracy"
SLOTS = 2
TEXTS = 55_878  # of the train split on which the curves were recorded
CHANCE = 0.25


@dataclass(frozen=True, slots=True)
class Proposal:
    """A trial as a player proposes it."""

    number: int
    params: Mapping[str, Any]


class Player(Protocol):
    """A sampler and a scheduler: what runs next, and who goes on."""

    @property
    def milestones(self) -> Sequence[float]:
        """The epochs at which a trial reports."""

    def propose(self) -> Proposal:
        """The next trial."""

    def report(self, number: int, rung: int, value: float) -> bool:
        """Take a trial's value at a rung; True when it goes on."""


class _Nobody:
    def on_trial_start(self, proposal: Any) -> None: ...
    def on_trial_report(self, number: int, rung: int, metrics: Mapping[str, float]) -> None: ...
    def on_trial_end(self, record: Any) -> None: ...


class Ours:
    """The controller of a real search, its study kept in memory and its folder never written."""

    def __init__(self, config: SearchFile, seed: int) -> None:
        settings, scheduler = config.search, config.search.scheduler
        self.milestones: Sequence[float] = setup.rung_epochs(config, TEXTS)
        stops = scheduler.name != "none"
        if not stops:
            self.milestones = (config.train.epochs,)
        made = optuna.create_study(
            sampler=factory.create_sampler(
                settings.sampler, config.space, seed=seed, cost=setup.cost_of(config)
            ),
            direction="maximize",
        )
        made.set_user_attr("format", study.FORMAT)
        made.set_user_attr("metric", METRIC)
        made.set_user_attr("milestones", list(self.milestones))
        kept = SearchStudy(made)
        for point in optuna_space.initial_points(config):
            kept.enqueue(optuna_space.encode_params(point))
        rungs = setup.scheduler_of(config, len(self.milestones))
        nowhere = RunFolder(Path("does-not-exist"))
        self._controller = SearchController(
            kept, setup.suggester(config), rungs, 10**9, nowhere, _Nobody()
        )

    def propose(self) -> Proposal:
        """The next trial."""
        proposal = self._controller.propose()
        assert proposal is not None
        return Proposal(proposal.number, proposal.params)

    def report(self, number: int, rung: int, value: float) -> bool:
        """Take a trial's value at a rung; True when it goes on."""
        goes_on = self._controller.report(number, rung, {METRIC: value})
        last = rung == len(self.milestones) - 1
        if last or not goes_on:
            self._controller.end(number, State.COMPLETE if last else State.PRUNED)
        return goes_on and not last


class PlainRay:
    """Ray's OptunaSearch and ASHAScheduler as documented there, with a report each epoch."""

    def __init__(self, config: SearchFile, seed: int) -> None:
        from ray.tune.schedulers import ASHAScheduler
        from ray.tune.search.optuna import OptunaSearch

        epochs = int(config.train.epochs)
        self.milestones: Sequence[float] = [float(epoch) for epoch in range(1, epochs + 1)]
        known = optuna_space.optuna_distributions(config)
        self._searcher = OptunaSearch(known, metric=METRIC, mode="max", seed=seed)
        self._scheduler = ASHAScheduler(
            metric=METRIC, mode="max", max_t=epochs, grace_period=1, reduction_factor=4
        )
        self._trials: list[_RayTrial] = []

    def propose(self) -> Proposal:
        """The next trial."""
        trial = _RayTrial(str(len(self._trials)))
        self._trials.append(trial)
        params = self._searcher.suggest(trial.trial_id)
        self._scheduler.on_trial_add(None, trial)
        return Proposal(int(trial.trial_id), params)

    def report(self, number: int, rung: int, value: float) -> bool:
        """Take a trial's value at a rung; True when it goes on."""
        trial = self._trials[number]
        result = {METRIC: value, "training_iteration": rung + 1}
        goes_on: bool = self._scheduler.on_trial_result(None, trial, result) == "CONTINUE"
        if goes_on:
            self._searcher.on_trial_result(trial.trial_id, result)
        else:  # the last report reaches Optuna as the trial's final value only
            self._searcher.on_trial_complete(trial.trial_id, result)
        return goes_on


@dataclass(frozen=True, slots=True)
class _RayTrial:
    trial_id: str


@dataclass(slots=True)
class Trace:
    """What a search would have chosen after each report."""

    epochs: list[float] = field(default_factory=list)
    """Passes over the train split by all trials together."""
    seconds: list[float] = field(default_factory=list)
    chosen: list[float] = field(default_factory=list)
    """Test accuracy of the trial that is best by validation, at its best rung."""
    trials: int = 0


@dataclass(slots=True)
class _Running:
    proposal: Proposal
    curve: Curve
    started_s: float
    rung: int = 0
    epoch: float = 0.0


def play(
    player: Player, model: Model, config: SearchFile, seed: int, budget: float, slots: int = SLOTS
) -> Trace:
    """Run a search on a simulated clock until its trials have trained `budget` epochs together."""
    generator = np.random.default_rng(seed)
    trace = Trace()
    waiting: list[tuple[float, int, _Running]] = []
    spent, best_value, chosen = 0.0, -1.0, CHANCE

    def begin(at_s: float) -> None:
        proposal = player.propose()
        curve = model.curve(position(config, proposal.params), generator)
        running = _Running(proposal, curve, at_s)
        trace.trials += 1
        heapq.heappush(waiting, (_due(running, player.milestones), proposal.number, running))

    for _ in range(slots):
        begin(0.0)
    while spent < budget:
        now_s, number, running = heapq.heappop(waiting)
        epoch = player.milestones[running.rung]
        spent += epoch - running.epoch
        value, test = (
            float(np.interp(epoch, running.curve.epochs, accuracy))
            for accuracy in (running.curve.val_accuracy, running.curve.test_accuracy)
        )
        if value > best_value:
            best_value, chosen = value, test
        trace.epochs.append(spent)
        trace.seconds.append(now_s)
        trace.chosen.append(chosen)
        if player.report(number, running.rung, value):
            running.rung, running.epoch = running.rung + 1, epoch
            heapq.heappush(waiting, (_due(running, player.milestones), number, running))
        else:
            begin(now_s)
    return trace


def _due(running: _Running, rungs: Sequence[float]) -> float:
    curve = running.curve
    epochs, seconds = np.append(0.0, curve.epochs), np.append(0.0, curve.train_s)
    trained_s = float(np.interp(rungs[running.rung], epochs, seconds))
    return running.started_s + trained_s + (running.rung + 1) * curve.evaluation_s


def position(config: SearchFile, params: Mapping[str, Any]) -> list[float]:
    """Where a configuration lies in the space, each value in its range's own scale."""
    found = [optuna_space.position(config.space, name, params[name]) for name in config.space]
    return [at for at in found if at is not None]
