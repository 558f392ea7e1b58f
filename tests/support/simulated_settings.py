"""What a simulated search is asked for: its space, its sampler, its scheduler, its trials."""

import zlib
from collections.abc import Mapping
from typing import Any

from simulated_machine import Choices
from simulated_training import METRIC

from tune.config.search_file import SearchFile
from tune.study.records import State, TrialRecord
from tune.warm_start import WarmStart

_SPACES: tuple[Mapping[str, Any], ...] = (
    {"hidden_size": {"type": "int", "low": 8, "high": 64}},
    {
        "model": {"type": "categorical", "choices": ["cnn", "gru"]},
        "dropout": {"type": "float", "low": 0.0, "high": 0.5},
        "layers": {"type": "int", "low": 1, "high": 2, "when": {"model": "gru"}},
        "blocks": {"type": "int", "low": 1, "high": 3, "when": {"model": "cnn"}},
    },
)
_POINTS: tuple[Mapping[str, Any], ...] = (
    {"hidden_size": 10},
    {"model": "gru", "dropout": 0.25, "layers": 2},
)


def draw_search(draw: Choices) -> tuple[SearchFile, WarmStart | None]:
    """Draw a search, and the trials of another one that its sampler is shown."""
    kind = draw.below(len(_SPACES))
    samplers = ("random", "grid", "tpe", "random", "grid", "tpe", "qmc", "cmaes", "gp")
    config = SearchFile.model_validate(
        {
            "space": _SPACES[kind],
            "search": {
                "scheduler": {
                    "name": draw.one_of(("asha", "none", "hyperband", "median", "top_k")),
                    "grace_period": draw.one_of((0.25, 0.1, 0.5, 1.0)),
                    "reduction_factor": draw.one_of((2, 3, 4)),
                    "keep": 1 + draw.below(3),
                },
                "samples": 1 + draw.below(10),
                "sampler": draw.one_of(samplers),
                "metric": METRIC,
                "ensemble": draw.below(4),
            },
            "points": [_POINTS[kind]] if draw.chance(30) else [],
            "train": {"epochs": 1.0},
        }
    )
    return config, _earlier(_POINTS[kind]) if draw.chance(15) else None


def with_cost(config: SearchFile) -> SearchFile:
    """Return a search that minimises a cost as well, by what can weigh one."""
    search = config.search
    changes: dict[str, Any] = {"cost": "operations"}
    if search.sampler == "cmaes":
        changes["sampler"] = "random"
    if search.scheduler.name in ("median", "top_k"):
        changes["scheduler"] = search.scheduler.model_copy(update={"name": "asha"})
    return config.model_copy(update={"search": search.model_copy(update=changes)})


def cost_of(params: Mapping[str, Any]) -> float:
    """Return what a configuration costs: one of a few numbers, so that some are equal."""
    return 1.0 + zlib.crc32(str(sorted(params.items())).encode()) % 5


def _earlier(point: Mapping[str, Any]) -> WarmStart:
    """Two trials of another search."""
    ends = ((State.COMPLETE, (0.5, 0.75)), (State.PRUNED, (0.25,)))
    records = tuple(
        TrialRecord(number, state, dict(point), None, None, "", (), values, None, None)
        for number, (state, values) in enumerate(ends)
    )
    return WarmStart("earlier", (0.5, 1.0), records, 0, ())
