"""What the record of truth costs: a trial in the journal, and taking up a run of many trials.

    python benchmarks/journal.py [--trials 1000] [--rounds 5]

The controller of a search is driven through trials of three reports each that take no time, with
the study in a journal file, as it is, and in memory: the difference is what writing and waiting
for the disk cost. A SQLite database beside it, for --storage. Then the run of so many trials is
resumed as --resume does, in the same process.
"""

import argparse
import os
import statistics
import tempfile
import time
from datetime import date
from pathlib import Path
from types import SimpleNamespace

import optuna

from tune.execution.controller import SearchController
from tune.run_folder import paths
from tune.run_folder.paths import RunFolder
from tune.schedulers import SuccessiveHalving
from tune.study import study
from tune.study.records import State
from tune.study.study import SearchStudy

MILESTONES = (0.25, 0.75, 1.0)


def ignore(*_seen: object) -> None:
    pass


NOBODY = SimpleNamespace(started=ignore, reported=ignore, ended=ignore)


def controller(made: SearchStudy, folder: RunFolder, trials: int) -> SearchController:
    def suggest(trial: optuna.Trial) -> dict[str, float]:
        return {name: trial.suggest_float(name, 0, 1) for name in "abcd"}

    return SearchController(made, suggest, SuccessiveHalving(3, 3), trials, folder, NOBODY)


def drive(made: SearchStudy, folder: RunFolder, trials: int) -> float:
    """Run all trials; milliseconds a trial."""
    search = controller(made, folder, trials)
    began = time.perf_counter()
    while (proposal := search.propose()) is not None:
        for rung, epoch in enumerate(MILESTONES):
            metrics = {"accuracy": proposal.params["a"] * epoch, "epoch": epoch, "seconds": 1.0}
            if not search.report(proposal.number, rung, metrics):
                search.end(proposal.number, State.PRUNED)
                break
        else:
            search.end(proposal.number, State.COMPLETE)
    return 1e3 * (time.perf_counter() - began) / trials


def in_memory() -> SearchStudy:
    kept = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(0))
    kept.set_user_attr("metric", "accuracy")
    kept.set_user_attr("milestones", list(MILESTONES))
    return SearchStudy(kept)


def stored(place: Path | str) -> SearchStudy:
    sampler = optuna.samplers.RandomSampler(seed=0)
    return study.create_study(
        place, "run", metric="accuracy", milestones=MILESTONES, sampler=sampler
    )


def taken_up(folder: RunFolder, trials: int) -> float:
    """Seconds until a run of so many trials could propose its next."""
    began = time.perf_counter()
    found = study.resume_study(
        folder.journal, "run", lambda _: optuna.samplers.RandomSampler(seed=0)
    )
    found.end_cut_off()
    assert found.cut_off() == []
    assert controller(found, folder, trials + 1).propose() is not None
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    costs: dict[str, list[float]] = {"memory": [], "journal": [], "sqlite": []}
    resumes = []
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory(dir=Path.cwd()) as place:  # a disk, not memory
            folder = paths.create(Path(place), "run")
            costs["memory"].append(drive(in_memory(), folder, options.trials))
            costs["journal"].append(drive(stored(folder.journal), folder, options.trials))
            few = max(1, options.trials // 10)
            costs["sqlite"].append(drive(stored(f"sqlite:///{place}/study.db"), folder, few))
            size = folder.journal.stat().st_size
            resumes.append(taken_up(folder, options.trials))
    print(f"{date.today()}, {os.cpu_count()} cores, {options.rounds} rounds: medians (ranges)")
    for name, found in costs.items():
        print(f"{name}: {shown(found)} ms a trial")
    added = [a - b for a, b in zip(costs["journal"], costs["memory"], strict=True)]
    print(
        f"the journal adds {shown(added)} ms a trial; it has {size / options.trials:.0f} bytes each"
    )
    print(f"{options.trials} trials resumed in {shown(resumes)} s")


def shown(found: list[float]) -> str:
    return f"{statistics.median(found):.2f} ({min(found):.2f} to {max(found):.2f})"


if __name__ == "__main__":
    main()
