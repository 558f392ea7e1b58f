"""How busy many slots stay, and where the search's own process becomes the bottleneck.

    python benchmarks/slots.py [--slots 10 100 1000] [--generations 5] [--seconds 60] [--ray-ms 17]

A simulation without Ray: the controller of a real search (study, journal, TPE, rungs) answers each
proposal, report and end; the processor's time that it takes is measured and put on a simulated
clock, on which the slots train. One answer at a time, as in a driver; who waits for one is idle.
`--ray-ms` is what the rest adds to a trial in the driver: Ray Tune and the waits for the disk
(`scale.py --sampler random`). How a trial does and how long its parts take comes from the recorded
curves, stretched so that a trial, stopped ones included, takes about `--seconds`. Counted from the
moment at which all slots are taken to the last proposal; the start of workers and their own pauses
are not in it.
"""

import argparse
import csv
import heapq
import itertools
import os
import random
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from tune import setup
from tune.config import search_file
from tune.execution.controller import SearchController
from tune.run_folder import paths
from tune.study.records import Proposal, State, TrialRecord

ROOT = Path(__file__).parents[1]


class Silent:
    """Watches nothing."""

    def on_trial_start(self, proposal: Proposal) -> None:
        """A trial was asked for."""

    def on_trial_report(self, number: int, rung: int, metrics: Mapping[str, float]) -> None:
        """A trial reached a rung."""

    def on_trial_end(self, record: TrialRecord) -> None:
        """A trial came to its end."""


@dataclass(frozen=True, slots=True)
class Course:
    """A recorded trial: seconds since its beginning and accuracy at each rung."""

    seconds: tuple[float, ...]
    accuracy: tuple[float, ...]


def states(milestones: tuple[float, ...]) -> list[Course]:
    """The recorded trials, read at the rungs; a shorter recording goes on at its own pace."""
    recorded: dict[tuple[str, str], list[tuple[float, float, float]]] = {}
    with (ROOT / "benchmarks" / "curves" / "curves.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            point = (float(row["epoch"]), float(row["train_s"]), float(row["test_accuracy"]))
            recorded.setdefault((row["configuration"], row["seed"]), []).append(point)
    found = []
    for points in recorded.values():
        epochs, seconds, accuracy = (
            np.array(column) for column in zip(*sorted(points), strict=True)
        )
        pace = seconds[-1] / epochs[-1]
        at = [
            float(np.interp(rung, epochs, seconds)) if rung <= epochs[-1] else rung * pace
            for rung in milestones
        ]
        values = np.interp(milestones, epochs, accuracy)
        found.append(Course(tuple(at), tuple(float(value) for value in values)))
    return found


@dataclass
class Simulation:
    """Slots that train on a simulated clock, and the driver that answers them in turn."""

    controller: SearchController
    states: list[Course]
    metric: str
    slots: int
    stretch: float
    ray_s: float
    generator: random.Random
    events: list[tuple[float, int, Callable[[float], None]]] = field(default_factory=list)
    order: Any = field(default_factory=itertools.count)
    driver_free: float = 0.0
    driver_busy: float = 0.0
    trained: list[tuple[float, float]] = field(default_factory=list)
    """From when until when a slot trained."""
    proposed: list[float] = field(default_factory=list)

    def run(self) -> None:
        """Run until the controller proposes no more and all slots are empty."""
        for _ in range(self.slots):
            self._at(0.0, self._ask)
        while self.events:
            at, _, what = heapq.heappop(self.events)
            what(at)

    def _at(self, when: float, what: Callable[[float], None]) -> None:
        heapq.heappush(self.events, (when, next(self.order), what))

    def _answered(
        self, at: float, work: Callable[[], Any], extra_s: float = 0.0
    ) -> tuple[float, Any]:
        """The driver does a piece of work as soon as it can: when it is done, and what came out."""
        began = time.thread_time()
        answer = work()
        took = time.thread_time() - began + (extra_s if answer is not None else 0.0)
        self.driver_free = max(at, self.driver_free) + took
        self.driver_busy += took
        return self.driver_free, answer

    def _ask(self, at: float) -> None:
        done, proposal = self._answered(at, self.controller.propose, self.ray_s)
        if proposal is None:
            return
        self.proposed.append(done)
        self._train(done, proposal.number, self.generator.choice(self.states), 0)

    def _train(self, at: float, number: int, search_state: Course, rung: int) -> None:
        before = search_state.seconds[rung - 1] if rung else 0.0
        until = at + self.stretch * (search_state.seconds[rung] - before)
        self.trained.append((at, until))
        self._at(until, lambda now: self._report(now, number, search_state, rung))

    def _report(self, at: float, number: int, search_state: Course, rung: int) -> None:
        value = {self.metric: search_state.accuracy[rung], "epoch": 0.0, "seconds": 0.0}
        done, goes_on = self._answered(at, lambda: self.controller.report(number, rung, value))
        if goes_on and rung + 1 < len(search_state.seconds):
            self._train(done, number, search_state, rung + 1)
            return
        state = State.COMPLETE if rung + 1 == len(search_state.seconds) else State.PRUNED
        done, _ = self._answered(done, lambda: self.controller.end(number, state))
        self._at(done, self._ask)

    @property
    def training_s(self) -> float:
        """Of all slots together."""
        return sum(until - since for since, until in self.trained)

    @property
    def busy(self) -> float:
        """The share of the slots' time in which they trained, while all of them had work."""
        since, until = self.proposed[self.slots - 1], self.proposed[-1]
        inside = (min(end, until) - max(begin, since) for begin, end in self.trained)
        return sum(max(0.0, each) for each in inside) / (self.slots * (until - since))


def simulate(slots: int, trials: int, sampler: str, stretch: float, ray_s: float) -> Simulation:
    overrides = [f"search.samples={trials}", f"search.sampler={sampler}"]
    search = search_file.load_search(ROOT / "search_spaces" / "gru.yaml", overrides)
    with tempfile.TemporaryDirectory() as place:
        folder = paths.create(Path(place), "run")
        study = setup.new_study(search, folder, texts=60_000)
        controller = setup.create_controller(search, study, folder, Silent())
        made = Simulation(
            controller, states(study.milestones), search.search.metric,
            slots, stretch, ray_s, random.Random(0),
        )  # fmt: skip
        made.run()
    return made


def main() -> None:
    import optuna

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--slots", type=int, nargs="+", default=[10, 100, 1000])
    parser.add_argument("--generations", type=int, default=5, help="trials per slot")
    parser.add_argument("--seconds", type=float, default=60.0, help="a trial's mean length")
    parser.add_argument("--sampler", default="tpe")
    parser.add_argument("--ray-ms", type=float, default=17.0)
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    trial = simulate(10, 500, "random", 1.0, 0.0)
    stretch = options.seconds / (trial.training_s / 500)
    print(
        f"{date.today()}, {os.cpu_count()} cores, {options.sampler}, {options.seconds:g} s a trial"
    )
    for slots in options.slots:
        trials = max(slots * options.generations, 300)
        done = simulate(slots, trials, options.sampler, stretch, options.ray_ms / 1e3)
        each_s, length_s = done.driver_busy / trials, done.training_s / trials
        print(
            f"{slots:5} slots, {trials} trials of {length_s:.1f} s: busy {done.busy:.1%}, the first"
            f" {slots} started in {done.proposed[slots - 1]:.1f} s; driver {1e3 * each_s:.1f} ms a"
            f" trial, saturated from {length_s / each_s:.0f} slots",
            flush=True,
        )


if __name__ == "__main__":
    main()
