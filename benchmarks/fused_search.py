"""Plays one search twice: its groups trained as one, and the same trials each trained by itself.

    python benchmarks/fused_search.py                       # 64 trials in groups of 8
    python benchmarks/fused_search.py --trials 12 --fuse 4

Both searches have one seed and the same groups. Proposals, rungs, decisions, journal and
checkpoints are those of a real search (`tune.execution.groups`), in this process and without Ray.
What must be equal: the trials, the rungs that each reaches, how it ends, and, to rounding, its
losses. The exit code is 1 where anything differs.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import torch

from textcls.config.models import EmbeddingConfig
from textcls.exceptions import DivergedError
from textcls.text.encoding import EncodedSplit
from textcls.training.trainer import RungResult, Training
from tune import setup
from tune.config.search_file import SearchFile
from tune.config.shapes import TrialShapes
from tune.execution.groups.member_training import Create, Members, fused, train_members
from tune.execution.groups.recorder import GroupRecorder
from tune.execution.objective import train_classifier
from tune.execution.task import Arrays, Task
from tune.execution.worker import Workload, take_up
from tune.run_folder import paths
from tune.run_folder.paths import RunFolder
from tune.study.records import Proposal, TrialRecord
from tune.study.study import SearchStudy

TOLERANCE = 1e-3
"""Between the losses of a trial alone and in a group, after hundreds of steps; 1e-5 over 50."""
WORDS, CLASSES, TEXTS = 40, 4, 800


def search_file(trials: int, seed: int = 0, **settings: Any) -> SearchFile:
    """Return a search over shapes and other parameters; with one of the rates trials diverge."""
    return SearchFile.model_validate(
        {
            "model": {"name": "gru"},
            "embeddings": {"name": "random", "dim": 8},
            "train": {"epochs": 2.0, "batch_size": 16},
            "space": {
                "learning_rate": {"type": "categorical", "choices": [1e-3, 3e-3, 1e-2, 1e38]},
                "hidden_size": {"type": "categorical", "choices": [4, 8]},
                "max_grad_norm": {"type": "float", "low": 0.5, "high": 5.0},
                "freeze_fraction": {"type": "float", "low": 0.0, "high": 0.5},
            },
            "search": {
                "samples": trials,
                "sampler": "gp",
                "seed": seed,
                "scheduler": {"name": "asha", "grace_period": 0.25, "reduction_factor": 3},
            },
            "resources": {"fuse": 4},
        }
        | settings
    )


def made_up_arrays(texts: int = TEXTS) -> Arrays:
    """Return texts of random words whose first word tells the class."""
    splits = {"train": _split(texts, 1), "test": _split(texts // 4, 2)}
    vectors = np.random.default_rng(3).normal(0, 0.3, (WORDS, 8)).astype(np.float32)
    return Arrays(splits, vectors, CLASSES)


def _split(texts: int, seed: int) -> EncodedSplit:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(3, 9, texts)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    tokens = rng.integers(2, WORDS, offsets[-1]).astype(np.int32)
    return EncodedSplit(tokens, offsets, tokens[offsets[:-1]].astype(np.int64) % CLASSES)


class SeparateTrainings:
    """The trials of a group, each trained by itself in plain torch."""

    def __init__(self, trainings: Mapping[int, Training]) -> None:
        self._trainings = dict(trainings)
        self._fits: dict[int, Iterator[RungResult]] = {}
        self.diverged: dict[int, DivergedError] = {}

    @property
    def members(self) -> list[int]:
        """The trials."""
        return list(self._trainings)

    @property
    def step(self) -> int:
        """The step of all of them."""
        return next(iter(self._trainings.values())).step

    @property
    def steps_per_epoch(self) -> int:
        """Steps in an epoch."""
        return next(iter(self._trainings.values())).steps_per_epoch

    @property
    def step_at(self) -> Callable[[float], int]:
        """Return the step of an epoch."""
        return next(iter(self._trainings.values()))._step_at

    def fit(
        self, rungs: Sequence[float], progress: Callable[[int, int], None]
    ) -> Iterator[dict[int, RungResult]]:
        """Train each up to the next rung."""
        while self._trainings:
            found = {}
            for number, training in list(self._trainings.items()):
                if number not in self._fits:
                    self._fits[number] = training.fit(rungs, progress)
                try:
                    found[number] = next(self._fits[number])
                except DivergedError as error:
                    self.diverged[number] = error
                    del self._trainings[number]
            yield found

    def leave(self, numbers: Sequence[int]) -> None:
        """Take trials out."""
        for number in numbers:
            del self._trainings[number]

    def join(self, other: "SeparateTrainings") -> None:
        """Take in others."""
        self._trainings |= other._trainings

    def scores(self) -> dict[int, dict[str, float]]:
        """Evaluate."""
        return {number: each.scores() for number, each in self._trainings.items()}

    def save(self, number: int, path: Path) -> None:
        """Write a checkpoint."""
        self._trainings[number].save(path)

    def restore(self, number: int, path: Path) -> None:
        """Take up a checkpoint."""
        self._trainings[number].restore(path)


def separate(order_seed: int, *, compiled: bool = False) -> Create:
    """Return what trains each trial by itself, with the texts in the order of a group."""

    def create(tasks: Mapping[int, Task]) -> Members:
        return SeparateTrainings(
            {
                number: Training(
                    task.arrays.splits, task.arrays.embeddings, task.arrays.num_classes,
                    task.model, task.train, compiled=compiled, order_seed=order_seed,
                )
                for number, task in tasks.items()
            }
        )  # fmt: skip

    return create


class Nobody:
    """Hears of the trials and does nothing."""

    def on_trial_start(self, proposal: Proposal) -> None: ...
    def on_trial_report(self, number: int, rung: int, metrics: Mapping[str, float]) -> None: ...
    def on_trial_end(self, record: TrialRecord) -> None: ...


@dataclass
class GroupSearch:
    """A search whose groups are trained in this process."""

    config: SearchFile
    folder: RunFolder
    arrays: Arrays
    study: SearchStudy
    size: int
    refilled: bool = True
    reports: int = 0

    def run(self, create: Create, stop_after: int | None = None) -> list[TrialRecord]:
        """Play to the end, or be cut off after so many reports of groups; return the trials."""
        controller = setup.create_controller(self.config, self.study, self.folder, Nobody())
        recorder = GroupRecorder(
            controller, TrialShapes(self.config), self.size, len(self.study.milestones) - 1,
            refilled=self.refilled,
        )  # fmt: skip
        while (group := recorder.begin()) is not None:
            tasks: dict[int, Task] = {}

            def begun(proposals: Sequence[Proposal], tasks: dict[int, Task] = tasks) -> list[Task]:
                for each in proposals:
                    if each.number not in tasks:
                        tasks[each.number] = self._begun(each)
                return [tasks[each.number] for each in proposals]

            def report(events: Any, group: int = group, begun: Any = begun) -> list[Task]:
                self.reports += 1
                if self.reports == stop_after:
                    raise KeyboardInterrupt
                return list(begun(recorder.record(group, events)))

            train_members(begun(recorder.members(group)), report, create)
        return self.study.records()

    def _begun(self, proposal: Proposal) -> Task:
        task = self.workload.task(proposal.number, proposal.origin, proposal.params)
        task.folder.root.mkdir(parents=True, exist_ok=True)
        take_up(task.folder, self.folder, proposal.predecessors)
        return task

    @property
    def workload(self) -> Workload:
        """What all trials share."""
        return Workload(
            train_classifier, self.config.configuration, _Same(self.arrays),
            self.study.milestones, self.study.metric, self.folder, 1, "cpu",
        )  # fmt: skip


class _Same(dict[EmbeddingConfig, Arrays]):
    """The same arrays for every embedding."""

    def __init__(self, arrays: Arrays) -> None:
        super().__init__()
        self._arrays = arrays

    def __missing__(self, _key: EmbeddingConfig) -> Arrays:
        return self._arrays


def begin(root: Path, config: SearchFile, size: int, arrays: Arrays) -> GroupSearch:
    """Begin a search in a new run folder."""
    folder = paths.create(root, "run")
    made = setup.new_study(config, folder, len(arrays.splits["train"]))
    return GroupSearch(config, folder, arrays, made, size)


def differences(one: Sequence[TrialRecord], other: Sequence[TrialRecord]) -> list[str]:
    """Say where two searches differ in their trials, their decisions or their losses."""
    found = [] if len(one) == len(other) else [f"{len(one)} and {len(other)} trials"]
    for ours, theirs in zip(one, other, strict=False):
        for name in ("params", "state"):
            a, b = getattr(ours, name), getattr(theirs, name)
            if a != b:
                found.append(f"trial {ours.number}: {name} {a} and {b}")
        if len(ours.curve) != len(theirs.curve):
            found.append(f"trial {ours.number}: {len(ours.curve)} and {len(theirs.curve)} rungs")
        for rung, (a, b) in enumerate(zip(ours.curve, theirs.curve, strict=False)):
            far = abs(a["train_loss"] / b["train_loss"] - 1)
            if far > TOLERANCE or a["test_accuracy"] != b["test_accuracy"]:
                found.append(
                    f"trial {ours.number}, rung {rung}: losses differ by {far:.1e}, accuracies "
                    f"are {a['test_accuracy']} and {b['test_accuracy']}"
                )
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Play both searches and compare them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--trials", type=int, default=64)
    parser.add_argument("--fuse", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args(argv)
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    config, arrays = search_file(asked.trials, asked.seed), made_up_arrays()
    records = {}
    for name, create in {"as one": fused(0), "each by itself": separate(0)}.items():
        began = time.process_time()
        with tempfile.TemporaryDirectory() as root:
            search = begin(Path(root), config, asked.fuse, arrays)
            records[name] = search.run(create)
        spent = time.process_time() - began
        ends = [record.state.value for record in records[name]]
        counts = ", ".join(f"{ends.count(end)} {end}" for end in dict.fromkeys(sorted(ends)))
        print(f"{name}: {len(ends)} trials ({counts}), {spent:.1f} s of CPU")
    found = differences(*records.values())
    print("\n".join(found) if found else "the same trials, the same decisions")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
