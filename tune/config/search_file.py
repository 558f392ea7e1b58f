"""A whole search as one YAML file: fixed values, the space, the way to search it, the resources.

Loading and checking need neither ray nor torch nor optuna.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails, InitErrorDetails

from textcls.config import loader
from textcls.config.messages import Problem, describe, did_you_mean, shown
from textcls.config.models import (
    MOST_SEED,
    DataConfig,
    EmbeddingConfig,
    ModelConfig,
    Section,
    TrainConfig,
)
from textcls.exceptions import ConfigError
from tune.config import _checks, grid
from tune.config._durations import DURATION_SCHEMA, Duration
from tune.config._valid_sections import keep_valid
from tune.config.distributions import CheckedValue, Distribution
from tune.config.metrics import METRICS, objectives_schema, split_objectives
from tune.config.parameters import overlay
from tune.formatting import counted, rounded_duration

CostName = Literal["operations", "parameters", "bytes"]
SamplerName = Literal["tpe", "gp", "cmaes", "qmc", "random", "grid"]

_SMALLEST_SHARE = 0.001  # Ray counts in steps of 0.0001
_WASTED_SHARE = 0.03  # so that 0.33 passes for a third

MOST_FUSED = 64
"""Trials in a group, at most: as many as `benchmarks/gpu.py` measures."""


def _cores(value: float) -> float:
    if value > 1 and not value.is_integer():
        raise ValueError(f"must be a whole number or below 1, but is {value:g}")
    return value


def _gpu_share(value: object) -> object:
    if value == "auto":
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"must be a number or auto, but is {shown(value)}")
    if not math.isfinite(value):
        raise ValueError(f"must be a finite number or auto, but is {value}")
    if value < 0:
        raise ValueError(f"must be at least 0, but is {value:g}")
    if 0 < value < _SMALLEST_SHARE:
        raise ValueError(f"must be 0 or at least {_SMALLEST_SHARE}, but is {value:g}")
    if value > 1 and not float(value).is_integer():
        raise ValueError(f"must be a whole number or a share 1/k, but is {value:g}")
    trials = int(1 / value + 1e-9) if 0 < value < 1 else 1
    if 0 < value < 1 and 1 - trials * value > _WASTED_SHARE:
        raise ValueError(
            f"must be a share 1/k of a card, but is {value:g}, of which {trials} fit on a card; "
            f"write {1 / trials:.4g} for as many"
        )
    return value


Preferred = Literal["accurate", "small", "fast"]


class SchedulerConfig(Section):
    """The rule that stops poor trials early."""

    name: Literal["asha", "hyperband", "median", "top_k", "none"] = "asha"
    """asha (asynchronous successive halving), hyperband (the same at several levels of patience),
    median (below the median of a rung trials stop), top_k (only the best so far pass the first
    rung, and train to their end), or none: every trial trains to its end."""
    grace_period: float = Field(default=0.25, gt=0.0)
    """Epochs until the first rung; from train.epochs on no trial is stopped early."""
    grace_texts: int | None = Field(default=None, ge=1)
    """Texts trained on until the first rung, in place of grace_period."""
    keep: int = Field(default=4, ge=1)
    """A trial passes the first rung when it is among so many of the best there so far (top_k)."""
    reduction_factor: int = Field(default=3, ge=2)
    """One in so many goes on at a rung (asha, hyperband), and the next rung lies so many times
    further on."""


class ConfirmConfig(Section):
    """The best trials, trained again with fresh seeds; the highest mean then wins."""

    top: int = Field(default=0, ge=0)
    """How many of the best trials; 0 confirms none."""
    seeds: int = Field(default=5, ge=1)
    """Seeds for each of them."""
    time_budget_s: Duration | None = Field(
        default=None, alias="time_budget", json_schema_extra=DURATION_SCHEMA
    )
    """Seconds, or a time such as 5m, after which no further run is awaited."""
    retrain: bool = False
    """Train the winner once more, on train and validation together, for `best/`."""
    folds: bool = False
    """Set other texts of train and validation apart for each seed, in as many folds as seeds: with
    few texts one validation split decides nothing."""


class StopWhenConfig(Section):
    """When a search is not worth going on with; exactly one of the two waits is named."""

    gain_below: float = Field(gt=0.0)
    """The search ends when further trials are expected to add less than this to the best value."""
    within_s: Duration | None = Field(
        default=None, alias="within", json_schema_extra=DURATION_SCHEMA
    )
    """In seconds, or a time such as 5m: the further trials that count are those of this time."""
    within_trials: int | None = Field(default=None, ge=1)
    """The number of further trials that count, in place of a time."""

    @model_validator(mode="after")
    def _one_wait(self) -> Self:
        if (self.within_s is None) == (self.within_trials is None):
            found = "neither" if self.within_s is None else "both"
            raise ValueError(f"needs within (a time) or within_trials (a number), but has {found}")
        return self

    @property
    def wait(self) -> str:
        """The wait in words."""
        if self.within_trials is not None:
            return counted(self.within_trials, "trial")
        return rounded_duration(self.within_s or 0.0)


def _metric(value: str) -> str:
    if value not in METRICS:
        near = did_you_mean(value, METRICS)
        raise ValueError(f"must be one of {', '.join(METRICS)}, but is {shown(value)}{near}")
    return value


class SearchConfig(Section):
    """The goal of the search, the way it proposes trials, and its end."""

    metric: Annotated[str, AfterValidator(_metric), Field(json_schema_extra=objectives_schema)] = (
        "test_accuracy"
    )
    """What is maximised; `[val_accuracy, operations]` names a cost beside it."""
    cost: CostName | None = None
    """What is kept low beside the metric, so that the result is a front of trials instead of one
    best: operations (a token), parameters or bytes of the classifier. Each is counted from the
    configuration."""
    samples: int = Field(default=32, ge=1)
    """Trials."""
    seed: int = Field(default=0, ge=0, le=MOST_SEED)
    """Seed of the sampler; each trial has a seed of its own, counted from train.seed."""
    sampler: SamplerName = "tpe"
    """What proposes the parameters of a trial: tpe (densities of good and of other trials), gp (a
    Gaussian process over the curves of all trials, those that were stopped too; with a cost it is
    the default), cmaes, qmc (evenly spread), random, or grid (each range in five steps)."""
    scheduler: SchedulerConfig = SchedulerConfig()
    """How poor trials are stopped early; `scheduler: none` trains every trial to its end."""
    time_budget_s: Duration | None = Field(
        default=None, alias="time_budget", json_schema_extra=DURATION_SCHEMA
    )
    """Seconds, or a time such as 90s, 5m or 1h30m, after which the search ends."""
    stop_when: StopWhenConfig | None = None
    """The search also ends when it is hardly worth going on: `{gain_below: 0.0005, within: 5m}`."""
    trial_timeout_s: Duration | None = Field(
        default=None, alias="trial_timeout", json_schema_extra=DURATION_SCHEMA
    )
    """Seconds, or a time such as 5m, without a report after which a trial ends as failed."""
    max_concurrent: int | None = Field(default=None, ge=1)
    """Trials at a time; by default as many as the resources hold."""
    confirm: ConfirmConfig = ConfirmConfig()
    """What follows the trials: the best of them once more, with other seeds."""
    ensemble: int = Field(default=0, ge=0)
    """Beside the winner, the probabilities of so many of the best trials averaged; 0 for none."""
    prefer: Preferred = "accurate"
    """Which trial wins: accurate (the best), or the one that takes the fewest bytes (small) or
    operations (fast) of those within one standard error of the best."""

    @model_validator(mode="before")
    @classmethod
    def _metric_with_cost(cls, data: Any) -> Any:
        """Take `metric: [val_accuracy, operations]` apart into metric and cost."""
        if not isinstance(data, Mapping):
            return data
        found = dict(data)
        if isinstance(data.get("metric"), list | tuple):
            found["metric"], found["cost"] = split_objectives(data["metric"])
            if data.get("cost") not in (None, found["cost"]):
                raise ValueError(
                    f"metric names the cost {found['cost']}, but cost is {shown(data['cost'])}; "
                    "leave one of them out"
                )
        if found.get("cost") is not None:
            found.setdefault("sampler", "gp")  # it finds more of a front than tpe, the usual one
        return found

    @model_validator(mode="after")
    def _one_objective_only(self) -> Self:
        """Refuse a cost beside what looks at the metric alone."""
        wrong = {
            f"sampler: {self.sampler}": (self.sampler == "cmaes", "gp, tpe or random"),
            f"scheduler: {self.scheduler.name}": (
                self.scheduler.name in ("median", "top_k"),
                "asha, hyperband or none",
            ),
            "stop_when": (self.stop_when is not None, "samples or time_budget"),
        }
        for key, (is_there, instead) in wrong.items():
            if self.cost is not None and is_there:
                raise ValueError(
                    f"{key} looks at the metric alone, but cost is {self.cost}: use {instead}"
                )
        return self


class ResourceConfig(Section):
    """The share of the machine or the cluster that one trial gets."""

    cpu: Annotated[float, AfterValidator(_cores)] = Field(default=1.0, ge=_SMALLEST_SHARE)
    """Cores: a whole number, or a share of one below 1."""
    gpu: Annotated[float | Literal["auto"], BeforeValidator(_gpu_share)] = 0.0
    """GPUs: 0, a share 1/k (0.25: four trials a card), a whole number, or auto: as many trials a
    card as its memory and the cores hold."""
    fuse: Annotated[int, Field(ge=1, le=MOST_FUSED)] | Literal["auto"] = 1
    """Trials of one shape that are trained as one, in one process and one set of operations: 1
    trains each alone, auto as many as a card's memory holds and on a CPU each alone."""


class NamedConfiguration(Section):
    """One fixed configuration of a table: what differs from the file's fixed values."""

    params: dict[str, CheckedValue]
    """Parameters as in a search space: model, embeddings, learning_rate and so on."""
    expected: float | None = None
    """The metric that it reached elsewhere, for printing beside ours."""
    note: str | None = None
    """A remark for printing beside it."""


class SearchFile(Section):
    """A search: fixed values, the space around them, and how to go through it."""

    model: ModelConfig = ModelConfig()
    """The classifier; `model: gru` names the encoder and leaves the rest at its defaults."""
    data: DataConfig = DataConfig()
    """Where the texts come from and how they become tokens."""
    embeddings: EmbeddingConfig = EmbeddingConfig()
    """Where the word vectors come from."""
    train: TrainConfig = TrainConfig()
    """How the classifier is trained."""
    space: dict[str, Distribution] = Field(default_factory=dict)
    """What is searched: a distribution for each parameter."""
    points: Annotated[tuple[dict[str, CheckedValue], ...], Field(strict=False)] = ()
    """Parameters to try first; what a point leaves out takes its fixed or default value."""
    configurations: dict[str, NamedConfiguration] = Field(default_factory=dict)
    """Instead of a space: named configurations, each of which is run once."""
    search: SearchConfig = SearchConfig()
    """What the search looks for, how it proposes trials, and when it ends."""
    resources: ResourceConfig = ResourceConfig()
    """What one trial gets of the machine or the cluster."""

    @model_validator(mode="wrap")
    @classmethod
    def _every_problem(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """Report what does not fit together beside what is wrong by itself, all at once."""
        found: list[InitErrorDetails] = []
        search = None
        try:
            search = handler(data)
        except ValidationError as error:
            found = [_again(details) for details in error.errors(include_url=False)]
        if isinstance(data, Mapping):
            found += [_as_details(problem) for problem in cls._misfits(data)]
        if search is None or found:
            raise ValidationError.from_exception_data(cls.__name__, found)
        return search

    @classmethod
    def _misfits(cls, data: Mapping[str, Any]) -> Iterator[Problem]:
        """Yield what does not fit together in the data of a search file."""
        parts = keep_valid(data)
        yield from _checks.search_problems(parts)
        yield from _checks.fusion_problems(parts, data)

    def configuration(
        self, params: Mapping[str, Any]
    ) -> tuple[ModelConfig, EmbeddingConfig, TrainConfig]:
        """Put a trial's parameters over the fixed values.

        Args:
            params: Values by their names in the search space.

        Raises:
            ConfigError: A name is no parameter, or the sections refuse the values.

        Example:
            >>> rate = {"type": "float", "low": 0.001, "high": 0.1}
            >>> search = make_search({"space": {"learning_rate": rate}})
            >>> model, embeddings, train = search.configuration({"learning_rate": 0.003})
            >>> train.learning_rate
            0.003
        """
        try:
            return overlay(self.model, self.embeddings, self.train, params)
        except KeyError as error:
            raise ConfigError(f"{error.args[0]!r} is not a parameter of a trial") from None
        except ValidationError as error:
            details = error.errors(include_url=False)[0]
            key = ".".join(str(part) for part in details["loc"])
            raise ConfigError(f"a trial's {key or 'parameters'}: {describe(details)}") from None


class ObjectiveSearchConfig(SearchConfig):
    """The same for an objective of one's own, which names its metric itself."""

    metric: str = Field(default="value", min_length=1)
    """The metric that is maximised, as the objective calls it."""


class ObjectiveSearchFile(SearchFile):
    """A search over an objective of one's own: any function of a configuration.

    Its parameters have any names, `train.epochs` is how often a trial reports at most, and there
    is no text classifier in it: the sections model, data and embeddings mean nothing.
    """

    objective: str = Field(min_length=1)
    """What the objective is called; the function itself is handed over in Python."""
    search: ObjectiveSearchConfig = ObjectiveSearchConfig()
    """What the search looks for, how it proposes trials, and when it ends."""

    @classmethod
    def _misfits(cls, data: Mapping[str, Any]) -> Iterator[Problem]:
        return _checks.objective_problems(keep_valid(data), data)

    def configuration(
        self, params: Mapping[str, Any]
    ) -> tuple[ModelConfig, EmbeddingConfig, TrainConfig]:
        """Return the fixed values: the parameters are the objective's own.

        Args:
            params: Not heeded.
        """
        del params
        return self.model, self.embeddings, self.train


def load_search(path: Path, overrides: Sequence[str | loader.Override] = ()) -> SearchFile:
    """Read and check a search file.

    Args:
        path: The YAML file.
        overrides: Texts `key.path=value`, the value in YAML, or finished `Override`s.

    Returns:
        The search, every default filled in.

    Raises:
        ConfigError: The file cannot be read or is not valid; the message lists every problem with
            its line.

    Example::

        config = load_search(Path("gru.yaml"), ["search.samples=8"])
    """
    config = loader.load_config(_model_of(path), path, overrides)
    if config.configurations and (flag := _names_samples(overrides)):
        raise ConfigError(
            f"{flag}: is for the trials of a search, but {path} names "
            f"{len(config.configurations)} configurations, each of which is run once; leave it out,"
            " or take configurations out of a copy of the file"
        )
    return config


def _names_samples(overrides: Sequence[str | loader.Override]) -> str | None:
    """Return the flag that sets the number of trials; None where none does."""
    for given in overrides:
        if isinstance(given, str) and given.partition("=")[0].strip() == "search.samples":
            return "--set search.samples"
        if isinstance(given, loader.Override) and given.key == "search.samples":
            return given.flag
    return None


def _model_of(path: Path) -> type[SearchFile]:
    """Tell whether a file searches an objective of one's own; faults in it are found later."""
    try:
        with path.open(encoding="utf-8") as file:
            named = any(line.startswith("objective:") for line in file)
    except (OSError, ValueError):
        return SearchFile
    return ObjectiveSearchFile if named else SearchFile


def make_search(sections: Mapping[str, Any], name: str = "Search") -> SearchFile:
    """Check a search that is written in Python: the sections of a search file by name.

    Args:
        sections: Values of the keys of a search file: plain values or the models of this package;
            the space's distributions may be Optuna's too.
        name: What errors call it.

    Returns:
        The search, every default filled in.

    Raises:
        ConfigError: Where something cannot be used; the message lists every problem.
    """
    overrides = [loader.Override(key, _plain(value), key) for key, value in sections.items()]
    model = ObjectiveSearchFile if "objective" in sections else SearchFile
    return loader.load_config(model, None, overrides, name=name)


def _plain(value: Any) -> Any:
    """Turn models and Optuna's distributions into what a YAML file would hold."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True, exclude_unset=True) | (
            {"type": value.type} if hasattr(value, "type") else {}
        )
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if type(value).__module__ == "optuna.distributions":
        return _from_optuna(value)
    return value


def _from_optuna(distribution: Any) -> dict[str, Any]:
    kind = type(distribution).__name__.removesuffix("Distribution").lower()
    keys = {"categorical": ("choices",)}.get(kind, ("low", "high", "log", "step"))
    found = {key: getattr(distribution, key) for key in keys}
    if found.get("step") in (None, 1) and "step" in found:
        del found["step"]
    return {"type": kind, **{key: _plain(each) for key, each in found.items()}}


def summarise_search(config: SearchFile) -> str:
    """Describe a search in one line: model, trials, parameters, scheduler and metric.

    Args:
        config: The search.
    """
    if config.configurations:
        return f"runs {', '.join(config.configurations)}"
    names = ", ".join(config.space)
    model = "" if "model" in config.space else f"{config.model.name}: "
    if isinstance(config, ObjectiveSearchFile):
        model = f"{config.objective}: "
    stops = "" if config.search.scheduler.name == "none" else f", {config.search.scheduler.name}"
    trials = counted(grid.trial_count(config), "trial")
    cost = f" against {config.search.cost}" if config.search.cost else ""
    return f"{model}{trials} over {names}{stops} on {config.search.metric}{cost}"


class _Row(dict[str, Any]):
    """A mapping that is written on one line."""


class _Dumper(yaml.SafeDumper):
    """Write a `_Row` on one line and everything else in blocks."""


def _write_row(dumper: _Dumper, row: _Row) -> yaml.Node:
    return dumper.represent_mapping("tag:yaml.org,2002:map", row, flow_style=True)


def _write_text(dumper: _Dumper, text: str) -> yaml.Node:
    # Unquoted, a line separator such as U+0085 would come back as a blank.
    style = None if text.isprintable() else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style)


_Dumper.add_representer(_Row, _write_row)
_Dumper.add_representer(str, _write_text)


def dump_search(config: SearchFile) -> str:
    """Write a search as YAML with every default written out.

    Args:
        config: The search. Of one over an objective of its own, sections that it does not use are
            left out.

    Returns:
        The text; it loads back equal.
    """
    data = config.model_dump(mode="json", by_alias=True)
    if isinstance(config, ObjectiveSearchFile):
        for section in ("model", "data", "embeddings"):
            del data[section]
        data["train"] = {key: data["train"][key] for key in ("epochs", "seed")}
    for distribution in data["space"].values():
        if not distribution["when"]:
            del distribution["when"]
    data["space"] = {name: _Row(known) for name, known in data["space"].items()}
    data["points"] = [_Row(point) for point in data["points"]]
    kept = {key: value for key, value in data.items() if value}
    text: str = yaml.dump(kept, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
    return text


def _again(details: ErrorDetails) -> InitErrorDetails:
    """Return an error that pydantic reported, to be raised once more beside others."""
    again = InitErrorDetails(type=details["type"], loc=details["loc"], input=details["input"])
    if "ctx" in details:
        again["ctx"] = details["ctx"]
    return again


def _as_details(problem: Problem) -> InitErrorDetails:
    return InitErrorDetails(
        type="value_error",
        loc=problem.path,
        input=None,
        ctx={"error": ValueError(problem.message)},
    )
