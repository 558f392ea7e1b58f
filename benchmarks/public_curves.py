"""Plays samplers over learning curves that nobody here recorded, and says who finds most.

    python benchmarks/public_curves.py --data DIR --json FILE
    python benchmarks/public_curves.py --data DIR --json FILE --players gp,random --tasks lcbench

DIR holds tables or LCBench's surrogate (public_tasks.py says in which form). The players are in
public_players.py. A search is worth what the report is worth that is best so far, as regret: 0 is
the best configuration of the task, 1 the median one. Budgets are in full trainings, counted in
epochs, and in the time of as many on a simulated clock.

FILE keeps a line for each search, and what is there is not played again: so a long contest may be
cut off, or ended by --time, and goes on. After a change of a sampler take another file.

The exit code is 1 where `gp` is behind `random` on a task beyond its 95 % interval, by the mean of
the regrets at all budgets in epochs.
"""

import argparse
import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
import optuna
from public_players import PLAYERS, at, play
from public_tasks import CHOOSING, Array, Task, read_tasks

BUDGETS = (5, 10, 20, 40)
RESAMPLES = 2_000
US, BASELINE = "gp", "random"


@dataclass(frozen=True, slots=True)
class Row:
    """One search: its regret at each budget."""

    family: str
    task: str
    player: str
    seed: int
    slots: int
    by_epochs: list[float]
    """After BUDGETS full trainings' worth of epochs."""
    by_seconds: list[float]
    """After the time that BUDGETS mean full trainings take on so many slots."""
    trials: int
    processor_s: float
    timed: bool
    chosen_on: bool
    """Whether the task is one of those on which settings may be chosen."""

    @property
    def key(self) -> tuple[str, str, int, int]:
        """What names a search."""
        return (self.task, self.player, self.seed, self.slots)


@dataclass(frozen=True, slots=True)
class Scale:
    """What a task's figures are measured by."""

    best: float
    median: float
    full_s: float
    """The mean time of a full training."""


@cache
def scale_of(task: Task) -> Scale:
    """Look for a task's best configuration, which takes a second for a surrogate."""
    best, median = task.scale()
    return Scale(best, median, task.seconds())


def search(task: Task, scale: Scale, player: str, seed: int, slots: int, *, chosen_on: bool) -> Row:
    """Play one search and look at it at each budget."""
    best, median, long_s = scale.best, scale.median, scale.full_s
    budgets = np.array(BUDGETS, float)
    began = time.process_time()
    trace = play(
        PLAYERS[player],
        task,
        seed,
        slots=slots,
        epochs=BUDGETS[-1] * task.epochs,
        seconds=BUDGETS[-1] * long_s / slots if task.timed else 0.0,
    )
    spent_s = time.process_time() - began

    def regrets(grid: Array, cost: list[float]) -> list[float]:
        found = at(grid, cost, trace.worth, median)
        return [round((best - worth) / max(best - median, 1e-9), 5) for worth in found]

    return Row(
        family=task.family,
        task=task.name,
        player=player,
        seed=seed,
        slots=slots,
        by_epochs=regrets(budgets * task.epochs, trace.epochs),
        by_seconds=regrets(budgets * long_s / slots, trace.seconds),
        trials=trace.trials,
        processor_s=round(spent_s, 2),
        timed=task.timed,
        chosen_on=chosen_on,
    )


def read_rows(path: Path) -> list[Row]:
    """Read the searches that were played before."""
    if not path.exists():
        return []
    return [Row(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


def contest(tasks: Sequence[Task], options: argparse.Namespace) -> list[Row]:
    """Play what is missing, seed by seed so that a cut leaves whole rounds; return all rows."""
    rows = read_rows(options.json)
    known = {row.key for row in rows}
    ends = time.monotonic() + options.time
    chosen_on = {task.name for family in _families(tasks) for task in family[:CHOOSING]}
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    for seed, slots, task, player in product(seeds, options.slots, tasks, options.players):
        if (task.name, player, seed, slots) in known:
            continue
        if time.monotonic() > ends:
            print(f"the time is over at seed {seed}: run it again to go on")
            break
        row = search(task, scale_of(task), player, seed, slots, chosen_on=task.name in chosen_on)
        rows.append(row)
        with options.json.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(row)) + "\n")
    return rows


def _families(tasks: Iterable[Task]) -> list[list[Task]]:
    found: dict[str, list[Task]] = {}
    for task in tasks:
        found.setdefault(task.family, []).append(task)
    return list(found.values())


def cube(rows: Sequence[Row], players: Sequence[str], kind: str) -> Array:
    """(tasks, seeds, players, budgets) of the regrets; seeds that not all have played are left out.

    Tasks without such a seed are left out too.
    """
    found = {(row.task, row.seed, row.player): getattr(row, kind) for row in rows}
    tasks = dict.fromkeys(row.task for row in rows)
    seeds = sorted({row.seed for row in rows})
    whole = [
        seed
        for seed in seeds
        if all((task, seed, player) in found for task in tasks for player in players)
    ]
    return np.array(
        [[[found[task, seed, name] for name in players] for seed in whole] for task in tasks]
    ).reshape(len(tasks), len(whole), len(players), len(BUDGETS))


def ranks(regrets: Array) -> Array:
    """Rank the players of each search, 1 the best, equals in the middle; same shape."""
    better = (regrets[:, :, None] < regrets[:, :, :, None]).sum(axis=3)
    alike = (regrets[:, :, None] == regrets[:, :, :, None]).sum(axis=3)
    found: Array = better + (alike + 1) / 2
    return found


def interval(values: Array, seed: int = 0) -> tuple[Array, Array]:
    """A 95 % bootstrap interval of the mean over tasks and seeds: (tasks, seeds, ...) -> (...)."""
    generator = np.random.default_rng(seed)
    tasks, seeds = values.shape[:2]
    drawn = []
    for _ in range(RESAMPLES):
        of = generator.integers(tasks, size=tasks)
        drawn.append(
            values[of[:, None], generator.integers(seeds, size=(tasks, seeds))].mean((0, 1))
        )
    low, high = np.percentile(drawn, [2.5, 97.5], axis=0)
    return low, high


def show_means(rows: Sequence[Row], players: Sequence[str], kind: str) -> None:
    """Print the mean regret, its interval and the mean rank of each player."""
    regrets = cube(rows, players, kind)
    if not regrets.size:
        print(f"no seed has been played by all of {', '.join(players)} on all tasks")
        return
    low, high = interval(regrets)
    mean, rank = regrets.mean((0, 1)), ranks(regrets).mean((0, 1))
    unit = "epochs" if kind == "by_epochs" else "simulated seconds"
    print(f"\nregret after so many full trainings' {unit} (95 % interval), mean rank; ", end="")
    print(f"{regrets.shape[0]} tasks, {regrets.shape[1]} seeds")
    print("| player | " + " | ".join(f"{b} | rank" for b in BUDGETS) + " | trials | s a search |")
    print("| --- " * (3 + 2 * len(BUDGETS)) + "|")
    for place, name in enumerate(players):
        cells = [
            f"{mean[place, b]:.3f} ({low[place, b]:.3f} to {high[place, b]:.3f}) "
            f"| {rank[place, b]:.2f}"
            for b in range(len(BUDGETS))
        ]
        own = [row for row in rows if row.player == name]
        cells += [f"{np.mean([row.trials for row in own]):.0f}"]
        cells += [f"{np.mean([row.processor_s for row in own]):.1f}"]
        print(f"| {name} | " + " | ".join(cells) + " |")


def show_tasks(rows: Sequence[Row], players: Sequence[str]) -> list[str]:
    """Print gp's wins and losses against each other player; return where random is ahead."""
    behind = []
    for other in players:
        if other == US or US not in players:
            continue
        regrets = cube(rows, [US, other], "by_epochs").mean(axis=3)  # over the budgets
        if not regrets.size:
            continue
        names = list(dict.fromkeys(row.task for row in rows))
        ahead, worse = [], []
        for name, each in zip(names, regrets, strict=True):
            low, high = interval((each[:, 0] - each[:, 1])[None])
            if high < 0:
                ahead.append(name)
            elif low > 0:
                worse.append(name)
        lower = int((regrets[:, :, 0].mean(1) < regrets[:, :, 1].mean(1)).sum())
        print(
            f"{US} against {other}: lower mean on {lower} of {len(names)} tasks; beyond the "
            f"interval ahead on {len(ahead)}, behind on {len(worse)}"
            + (f" ({', '.join(worse)})" if worse else "")
        )
        if other == BASELINE:
            behind = worse
    return behind


def report(rows: Sequence[Row], players: Sequence[str]) -> list[str]:
    """Print every table; return the tasks on which gp is behind random with ASHA."""
    behind = []
    groups: dict[tuple[str, int], list[Row]] = {}
    for row in rows:
        if row.player in players:
            groups.setdefault((row.family, row.slots), []).append(row)
    for (family, slots), own in groups.items():
        parts = {f"{family}, {slots} slots": own}
        unseen = [row for row in own if not row.chosen_on]
        if unseen:
            parts[f"{family}, {slots} slots, only tasks that chose nothing"] = unseen
        for title, part in parts.items():
            print(f"\n## {title}")
            show_means(part, players, "by_epochs")
            if own[0].timed:
                show_means(part, players, "by_seconds")
        behind += [f"{name} ({slots} slots)" for name in show_tasks(own, players)]
    return behind


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--json", type=Path, required=True, help="a line for each search")
    parser.add_argument("--players", default="gp,tpe,random,optuna-tpe,random-full")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--slots", default="2")
    parser.add_argument("--tasks", default="", help="families or names, separated by commas")
    parser.add_argument("--smooth", action="store_true", help="a smooth model between settings")
    parser.add_argument("--time", type=float, default=float("inf"), help="seconds, then report")
    options = parser.parse_args()
    options.slots = [int(each) for each in options.slots.split(",")]
    options.players = options.players.split(",")
    if unknown := [name for name in options.players if name not in PLAYERS]:
        parser.error(f"--players: {', '.join(unknown)}: not among {', '.join(PLAYERS)}")
    for name in options.players:
        if PLAYERS[name].missing:
            print(f"{name} does not play: {PLAYERS[name].missing} is not installed")
    options.players = [name for name in options.players if not PLAYERS[name].missing]
    tasks = read_tasks(options.data, smooth=options.smooth)
    if wanted := [each for each in options.tasks.split(",") if each]:
        tasks = [each for each in tasks if each.family in wanted or each.name in wanted]
        if not tasks:
            parser.error(f"--tasks: {', '.join(wanted)}: no such family or task in {options.data}")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    print(f"{date.today()}, {len(tasks)} tasks, {options.seeds} seeds")
    rows = contest(tasks, options)
    names = {task.name for task in tasks}
    behind = report([row for row in rows if row.task in names], options.players)
    if behind:
        print(f"\n{US} is behind {BASELINE} with ASHA on {', '.join(behind)}")
        return 1
    compared = US in options.players and BASELINE in options.players
    print(f"\n{US} is behind {BASELINE} with ASHA on no task" if compared else "\nnothing to judge")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
