"""Run folders as a search leaves them, written without a search."""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend
from optuna.trial import FrozenTrial, TrialState, create_trial

from tune.config import optuna_space, search_file
from tune.config.search_file import SearchFile
from tune.run_folder import leaderboard
from tune.run_folder.paths import RunFolder
from tune.schedulers import rung_milestones
from tune.study import study
from tune.study.records import State

BEGAN = datetime(2026, 3, 1, 12, 0, 0)
TEXTS = {"train": 20_000, "test": 4_000}
CLASSES = {"World": 1_000, "Sports": 1_000, "Business": 1_000, "Sci/Tech": 1_000}

SPACE: dict[str, Any] = {
    "hidden_size": {"type": "int", "low": 32, "high": 256, "log": True},
    "learning_rate": {"type": "float", "low": 1e-4, "high": 3e-2, "log": True},
    "dropout": {"type": "float", "low": 0.0, "high": 0.6},
    "pooling": {"type": "categorical", "choices": ["last", "max", "mean"]},
}
_OPTUNA = {
    State.COMPLETE: TrialState.COMPLETE,
    State.PRUNED: TrialState.PRUNED,
    State.DIVERGED: TrialState.COMPLETE,
    State.FAILED: TrialState.FAIL,
    State.INTERRUPTED: TrialState.FAIL,
    State.RUNNING: TrialState.RUNNING,
}


def make_search(**keys: Any) -> SearchFile:
    """A search of four parameters over 2 epochs with rungs at 0.25, 0.75 and 2."""
    given = {"train": {"epochs": 2.0}, "search": {"samples": 32}} | keys
    if "configurations" not in keys:
        given.setdefault("space", SPACE)
    return SearchFile.model_validate(given)


def trial(
    config: SearchFile,
    state: State,
    values: list[float],
    params: Mapping[str, Any],
    *,
    begin_s: float = 0.0,
    rung_s: float = 10.0,
    **attrs: Any,
) -> FrozenTrial:
    """A trial as the study keeps it; rung r is reached at (r + 1) * `rung_s`."""
    rungs = epochs_of(config)
    known = optuna_space.optuna_distributions(config)
    split = config.search.metric.split("_")[0]
    reports: dict[str, Any] = {
        f"rung {rung}": {
            "epoch": rungs[rung],
            "step": round(625 * rungs[rung]),
            "seconds": (rung + 1) * rung_s,
            "train_seconds": 0.8 * rung_s,
            "train_loss": 1.2 - value,
            "texts_per_second": 5_000.0,
            "tokens_per_second": 200_000.0,
            f"{split}_loss": 1.3 - value,
            config.search.metric: value,
            **({config.search.cost: 1000.0 * params["hidden_size"]} if config.search.cost else {}),
        }
        for rung, value in enumerate(values)
    }
    ended = state is not State.RUNNING
    fallback = [0.0] if state is State.DIVERGED else None
    made = create_trial(
        state=_OPTUNA[state],
        params=dict(params),
        distributions={name: known[name] for name in params},
        intermediate_values={round(1000 * rungs[r]): v for r, v in enumerate(values)},
        user_attrs=reports | ({"state": str(state)} if ended else {}) | attrs,
        values=[max(values)] if state is State.COMPLETE else fallback,
    )
    made.datetime_start = BEGAN + timedelta(seconds=begin_s)
    made.datetime_complete = (
        made.datetime_start + timedelta(seconds=len(values) * rung_s + 1.0) if ended else None
    )
    return made


def epochs_of(config: SearchFile) -> tuple[float, ...]:
    """The rungs of a search."""
    scheduler = config.search.scheduler
    return rung_milestones(scheduler.grace_period, scheduler.reduction_factor, config.train.epochs)


class Lines(BaseJournalBackend):
    """A journal's lines, kept until all are there: a thousand trials need not wait for a disk."""

    def __init__(self) -> None:
        self.logs: list[dict[str, Any]] = []

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        yield from self.logs[log_number_from:]

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        self.logs += logs


def write_run(
    root: Path,
    config: SearchFile,
    trials: list[FrozenTrial],
    *,
    state: str | None = "complete",
    environment: Mapping[str, Any] | None = None,
    **result: Any,
) -> RunFolder:
    """Write a run folder; without a `state` there is no result, as after a kill."""
    root.mkdir(parents=True)
    folder = RunFolder(root)
    folder.space.write_text(search_file.dump_search(config), encoding="utf-8")
    lines = Lines()
    storage = JournalStorage(lines)
    made = optuna.create_study(study_name=root.name, storage=storage, direction="maximize")
    made.set_user_attr("format", study.FORMAT)
    made.set_user_attr("metric", config.search.metric)
    made.set_user_attr("milestones", list(epochs_of(config)))
    made.add_trials(trials)
    content = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in lines.logs)
    folder.journal.write_text(content, encoding="utf-8")
    described = about() | dict(environment or {})
    folder.environment.write_text(json.dumps(described), encoding="utf-8")
    if state is not None:
        records = study.read_study(folder.journal, root.name).records()
        leaderboard.write_leaderboard(folder.leaderboard, records, config.search.metric, 3)
        number = result.pop("number", None)
        best = None if number is None else {"number": number}
        told = leaderboard.result_json(state, config.search.metric, records, best, 120.0)
        folder.result.write_text(json.dumps(told | result), encoding="utf-8")
    return folder


def about() -> dict[str, Any]:
    """An environment.json."""
    return {
        "command": ["python", "-m", "tune.search", "--space", "search_spaces/my gru.yaml"],
        "directory": "/home/ann/textcls",
        "started": "2026-03-01T12:00:00+00:00",
        "seed": 0,
        "versions": {"python": "3.11.7", "torch": "2.13.0"},
        "git": "0123456789abcdef+",
        "machine": {"host": "desk", "platform": "Linux", "cpus": 8, "memory_gb": 16.0},
        "resources": {"cpu": 1.0, "gpu": 0.0, "concurrent": 2, "notice": None},
        "corpora": [
            {
                "data": "synthetic (20,000 / 4,000 embedded texts)",
                "data_fingerprint": "0" * 32,
                "texts": TEXTS,
                "texts_per_class": {"train": CLASSES, "test": CLASSES},
                "vocabulary": 1_000,
                "vectors": "corpus",
                "dim": 50,
                "coverage": {"types": 0.9, "occurrences": 0.99},
            }
        ],
        "notices": [],
    }


Accuracy = Callable[[Mapping[str, Any], float], float]


def usual(params: Mapping[str, Any], epoch: float) -> float:
    """Best at a learning rate of 0.004 and much dropout; more units help a little."""
    rate = math.log10(params["learning_rate"] / 0.004)
    best = 0.94 - 0.04 * rate * rate + 0.01 * params["dropout"]
    best += 0.006 * math.log2(params["hidden_size"] / 32) / 3 - 0.01 * (params["pooling"] == "last")
    return best - 0.05 * math.exp(-1.5 * epoch)


def many_trials(
    config: SearchFile, count: int, accuracy: Accuracy = usual, slots: int = 4, seed: int = 0
) -> list[FrozenTrial]:
    """Trials at random places; two thirds stop at each rung, some fail, diverge or learn nothing.

    `slots` run at a time, each after the other.
    """
    random, rungs = Random(seed), epochs_of(config)
    free = [0.0] * slots
    made = []
    for _ in range(count):
        params = {
            "hidden_size": round(32 * 8 ** random.random()),
            "learning_rate": 1e-4 * 300 ** random.random(),
            "dropout": 0.6 * random.random(),
            "pooling": random.choice(["last", "max", "mean"]),
        }
        values = [accuracy(params, epoch) + random.gauss(0, 0.003) for epoch in rungs]
        ending, state, message = random.random(), State.COMPLETE, ""
        if ending < 0.02:
            state, values, message = State.FAILED, [], "RuntimeError: the loader <died>"
        elif ending < 0.05:
            state, values = State.DIVERGED, values[:1]
            message = "loss is not finite at step 391"
        elif ending < 0.08:
            state, values = State.PRUNED, [0.25 + 0.01 * random.random()]
        elif ending < 0.7:
            state, values = State.PRUNED, values[:1]
        elif ending < 0.9:
            state, values = State.PRUNED, values[:2]
        slot = free.index(min(free))
        attrs = {"message": message} if message else {}
        made.append(trial(config, state, values, params, begin_s=free[slot], **attrs))
        free[slot] += 10.0 * len(values) + 1.3
    return made


NASTY = "<script>alert(1)</script>"
"""A class's name, and part of the texts."""


def write_real_run(root: Path, trials: int = 4) -> RunFolder:
    """A run on a CSV file, with a classifier in best/; its texts and one class hold HTML."""
    from textcls import bundle
    from textcls.corpus import prepare_corpus
    from textcls.training.trainer import Training

    data = root.parent / f"{root.name}-data"
    data.mkdir(parents=True)
    for split, count in (("train", 40), ("test", 30)):
        rows = [f'"word{row % 7} & <b>bold</b> {NASTY} {row}",{row % 2}' for row in range(count)]
        text = "\n".join(["text,label", *rows]).replace(",0", f",{NASTY}").replace(",1", ",good")
        (data / f"{split}.csv").write_text(text + "\n", encoding="utf-8")
    search = make_search(
        data={"name": str(data)},
        embeddings={"name": "random", "dim": 4},
        model={"hidden_size": 3},
        search={"samples": trials},
    )
    prepared = prepare_corpus(
        search.data, search.embeddings, cache_dir=root.parent, say=lambda _: None
    )
    made = many_trials(search, trials, slots=2)
    environment = {"corpora": [prepared.provenance], "notices": [f"used {NASTY} instead"]}
    folder = write_run(root, search, made, environment=environment, number=_leading(made))
    training = Training(prepared.splits, prepared.embeddings, 2, search.model, search.train)
    training.save(root / "checkpoint")
    found = {"search": {"run": root.name, "trial": _leading(made)}}
    bundle.export_bundle(
        root / "checkpoint", search.model, prepared, search.data, folder.best, found
    )
    return folder


def _leading(trials: list[FrozenTrial]) -> int:
    values = [max(each.intermediate_values.values(), default=0.0) for each in trials]
    return values.index(max(values))


SECTIONS = [
    "result", "best", "advice", "progress", "curves", "parameters", "parallel", "importance",
    "timeline", "mistakes", "failures", "environment",
]  # fmt: skip
