"""Translate a search space to Optuna and back: distributions, proposals, points.

A trial's parameters are written here as the configuration means them: a list is a tuple. Optuna
stores only texts, numbers and booleans; `encode_params` and `decode_params` convert.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from textcls.config.models import EmbeddingConfig, TrainConfig
from tune.config.conditions import Params, Space, active, assignments, complete, holds, in_order
from tune.config.distributions import (
    AnyDistribution,
    CategoricalDistribution,
    Scalar,
    Value,
    encode_value,
)
from tune.config.parameters import SECTIONS, all_parameters
from tune.config.search_file import ObjectiveSearchFile, SearchFile

if TYPE_CHECKING:
    from optuna import Trial
    from optuna.distributions import BaseDistribution

__all__ = [
    "active",
    "decode_params",
    "embedding_choices",
    "encode_params",
    "fits_space",
    "in_optuna",
    "initial_points",
    "optuna_distributions",
    "position",
    "reference_point",
    "searched",
    "suggest",
]

_REFERENCE_CLIP = {"cnn": 2.0}
_REFERENCE_FREEZE = {"gru": 1_000}
_REFERENCE_FREEZE_SHARE = {"gru": 0.27}  # 1,000 of an epoch's 3,750 steps


def searched(config: SearchFile) -> Space:
    """Return the space that a search draws from.

    Args:
        config: The search.

    Returns:
        Its space; of named configurations, a choice of the values that occur in them for each
        parameter.
    """
    if not config.configurations:
        return config.space
    given = [known.params for known in config.configurations.values()]
    names = dict.fromkeys(name for params in given for name in params)
    return {
        name: CategoricalDistribution(
            type="categorical",
            choices=_distinct(params.get(name, _default(config, name)) for params in given),
        )
        for name in names
    }


def _distinct(values: Iterable[Value]) -> tuple[Value, ...]:
    return tuple({encode_value(value): value for value in values}.values())


def optuna_distributions(config: SearchFile) -> dict[str, "BaseDistribution"]:
    """Return Optuna's distribution of every parameter, those under a condition included.

    Args:
        config: The search.
    """
    return in_optuna(searched(config))


def in_optuna(space: Space) -> dict[str, "BaseDistribution"]:
    """Return a space's distributions as Optuna's.

    Args:
        space: Its conditions are left out: Optuna's distributions have none.

    Returns:
        By name; choices that are lists are JSON texts.
    """
    return {name: _distribution(known) for name, known in space.items()}


def _distribution(known: AnyDistribution) -> "BaseDistribution":
    from optuna import distributions as optuna  # a second to import, and checking needs none of it

    match known.type:
        case "int":
            return optuna.IntDistribution(known.low, known.high, log=known.log, step=known.step)
        case "float":
            return optuna.FloatDistribution(known.low, known.high, log=known.log, step=known.step)
        case "categorical":
            return optuna.CategoricalDistribution([encode_value(value) for value in known.choices])


def suggest(trial: "Trial", space: Space) -> Params:
    """Have Optuna propose a trial's parameters, each where its conditions hold.

    Args:
        trial: Optuna's, which draws the values and records them.
        space: The parameters.

    Returns:
        A value for each parameter whose conditions hold, in order of dependence.
    """
    params: Params = {}
    for name in in_order(space):
        if holds(space[name], params):
            params[name] = _suggest(trial, name, space[name])
    return params


def _suggest(trial: "Trial", name: str, known: AnyDistribution) -> Value:
    match known.type:
        case "int":
            return trial.suggest_int(name, known.low, known.high, step=known.step, log=known.log)
        case "float":
            return trial.suggest_float(name, known.low, known.high, step=known.step, log=known.log)
        case "categorical":
            choices = [encode_value(value) for value in known.choices]
            return _decode(known, trial.suggest_categorical(name, choices))


def encode_params(params: Mapping[str, Value]) -> dict[str, Scalar]:
    """Return parameters as Optuna stores them.

    Args:
        params: Values as the configuration means them: a list is a tuple.

    Returns:
        By name, a JSON text for each tuple.
    """
    return {name: encode_value(value) for name, value in params.items()}


def decode_params(space: Space, params: Mapping[str, Any]) -> Params:
    """Return the parameters that Optuna stored, as the configuration means them.

    Args:
        space: Says which texts are lists.
        params: From Optuna; one that the space lacks, as of an earlier run, stays as it is.
    """
    return {
        name: _decode(space[name], value) if name in space else value
        for name, value in params.items()
    }


def _decode(known: AnyDistribution, kept: Any) -> Value:
    if known.type != "categorical":
        return known.normal(kept)
    return next((value for value in known.choices if encode_value(value) == kept), kept)


def fits_space(params: Params, config: SearchFile) -> bool:
    """Tell whether a trial of a search could have these parameters.

    Args:
        params: The parameters, as a configuration means them.
        config: The search.
    """
    known = searched(config)
    try:
        whole = complete(known, params, defaults={})
    except KeyError:  # it lacks a parameter
        return False
    return whole == params and not any(known[name].refusal(params[name]) for name in params)


def initial_points(config: SearchFile) -> list[Params]:
    """Return the parameters to try first.

    Args:
        config: The search.

    Returns:
        The file's points, completed from their defaults; of named configurations all of them, in
        the order of the file.
    """
    space = searched(config)
    given: Iterable[Mapping[str, Value]] = config.points
    if config.configurations:
        given = [known.params for known in config.configurations.values()]
    defaults = {name: _default(config, name) for name in space}
    return [_normal(space, complete(space, point, defaults)) for point in given]


def reference_point(config: SearchFile) -> Params | None:
    """Return the reference experiment's values of the searched parameters.

    Hidden size 50, learning rate 1e-2, clipping at 1 (cnn: 2), embeddings frozen for 1,000 steps
    (gru); where the model is searched, its GRU.

    Args:
        config: The search.

    Returns:
        A value for each parameter whose conditions hold; None where one lies outside of its range.
    """
    space = searched(config)
    model = "gru" if "model" in space else config.model.name
    values = {
        **{name: _class_default(name) for name in space},
        "model": model,
        "embeddings": config.embeddings.name,
        "embedding_learning_rate": TrainConfig().learning_rate,
        "max_grad_norm": _REFERENCE_CLIP.get(model, TrainConfig().max_grad_norm),
        "freeze_iters": _REFERENCE_FREEZE.get(model, 0),
        "freeze_fraction": _REFERENCE_FREEZE_SHARE.get(model, 0.0),
    }
    point = complete(space, {}, values)
    outside = any(space[name].refusal(value) for name, value in point.items())
    return None if outside else _normal(space, point)


def position(space: Space, name: str, value: Value) -> float | None:
    """Return a value's place on its range's scale.

    Args:
        space: Has the parameter.
        name: The parameter.
        value: A value within its range.

    Returns:
        From 0 at low to 1 at high; None for a choice, which has no order.
    """
    known = space[name]
    return None if known.type == "categorical" else known.position(value)


def embedding_choices(config: SearchFile) -> tuple[EmbeddingConfig, ...]:
    """Return every embedding configuration that a trial of a search may ask for.

    Args:
        config: The search.

    Returns:
        Each once; the corpus is prepared for each of them before the first trial.
    """
    if config.configurations:
        return tuple(
            dict.fromkeys(config.configuration(params)[1] for params in initial_points(config))
        )
    space = searched(config)
    names = [name for name in space if all_parameters()[name].section == "embeddings"]
    found: dict[EmbeddingConfig, None] = {}
    for case in assignments(space, names):
        chosen = {name: case[name] for name in names if name in case}
        found[config.configuration(chosen)[1]] = None
    return tuple(found)


def wants_linear(config: SearchFile) -> bool:
    """Tell whether any trial of a search may ask for the linear classifier's scores.

    Args:
        config: The search.
    """
    if config.configurations:
        return any(
            config.configuration(each)[0].linear_weight > 0 for each in initial_points(config)
        )
    return "linear_weight" in searched(config) or config.model.linear_weight > 0


def _default(config: SearchFile, name: str) -> Value:
    if isinstance(config, ObjectiveSearchFile):
        return None  # points of an objective of one's own are whole
    parameter = all_parameters()[name]
    value: Value = getattr(getattr(config, parameter.section), parameter.field)
    return value


def _class_default(name: str) -> Value:
    parameter = all_parameters()[name]
    value: Value = SECTIONS[parameter.section].model_fields[parameter.field].default
    return value


def _normal(space: Space, params: Params) -> Params:
    return {name: space[name].normal(value) for name, value in params.items()}
