"""A study of one trial after the other, without a search."""

from typing import Any

import optuna

from tune.study.records import State
from tune.study.study import SearchStudy

NAME = "run"
MILESTONES = (0.25, 0.75, 1.0)


def suggest(trial: optuna.Trial) -> dict[str, Any]:
    return {
        "rate": trial.suggest_float("rate", 1e-4, 1.0, log=True),
        "size": trial.suggest_int("size", 1, 64),
    }


def fresh(trials: int) -> optuna.samplers.BaseSampler:
    return optuna.samplers.RandomSampler(seed=trials)


def metrics(value: float, rung: int = 0) -> dict[str, float]:
    return {"test_accuracy": value, "test_loss": 1 - value, "epoch": MILESTONES[rung], "step": rung}


def run_trial(made: SearchStudy, state: State, *values: float, message: str = "") -> int:
    number = made.ask(suggest).number
    for rung, value in enumerate(values):
        made.report(number, rung, metrics(value, rung))
    made.end(number, state, message)
    return number
