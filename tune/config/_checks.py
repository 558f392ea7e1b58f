"""Check whether the parts of a search file fit together, which pydantic cannot see in one value.

Every check works on what could be read, so that one broken key does not hide the next problem.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from textcls.config.fusion import ALONE
from textcls.config.messages import KeyPath, Problem, did_you_mean, shown
from textcls.config.models import ENCODERS_WITH, ModelConfig
from tune.config._point_checks import configuration_problems, point_problems
from tune.config._valid_sections import ValidSections
from tune.config.conditions import Space, assignments, complete, in_order
from tune.config.distributions import AnyDistribution, Value
from tune.config.parameters import ENCODERS, Parameter, all_parameters, has_no, unknown

_MOST_CASES = 2_000


def search_problems(parts: ValidSections) -> Iterator[Problem]:
    """Yield every problem of parts of a search file that do not fit together."""
    yield from _purpose(parts)
    yield from _unknown_names(parts)
    yield from _refused_values(parts)
    yield from _condition_problems(parts)
    usable = replace(parts, space=_usable(parts.space))
    yield from _foreign_parameters(usable)
    yield from _foreign_fields(usable)
    yield from _together(usable)
    yield from point_problems(parts, usable)
    yield from configuration_problems(parts)


def objective_problems(parts: ValidSections, data: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what does not fit together in a search over an objective of one's own.

    Its parameters are called as they like, so only conditions and points are looked at, and what
    makes sense for text classifiers alone.
    """
    yield from _purpose(parts)
    yield from _condition_problems(parts)
    if parts.has_configurations:
        yield Problem(("configurations",), "are of text classifiers; search over space instead")
    for index, point in parts.points.items():
        yield from _own_point(parts.space, ("points", index), point)
    search = data.get("search")
    asked = search if isinstance(search, Mapping) else {}
    confirm = asked.get("confirm")
    if asked.get("ensemble"):
        yield Problem(("search", "ensemble"), "averages text classifiers; take it out")
    if _fuses_trials(data):
        yield Problem(("resources", "fuse"), "trains text classifiers as one; take it out")
    if asked.get("cost"):
        yield Problem(("search", "cost"), "is counted for text classifiers; take it out")
    for key in ("retrain", "folds"):
        if isinstance(confirm, Mapping) and confirm.get(key):
            yield Problem(("search", "confirm", key), "trains a text classifier; take it out")


def fusion_problems(parts: ValidSections, data: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what only trials that are trained alone can have, for a search that fuses trials."""
    if not _fuses_trials(data):
        return
    for setting, needed in ALONE.items():
        section, _, field = setting.partition(".")
        message = (
            f"must be {shown(needed)} where resources.fuse trains several trials as one; "
            "change it, or set resources.fuse: 1"
        )
        if getattr(getattr(parts, section), field) != needed:
            yield Problem((section, field), message)
        if field in parts.names:
            yield Problem(("space", field), message)
        for name, params in parts.configurations.items():
            if params.get(field, needed) != needed:
                yield Problem(("configurations", name, "params", field), message)


def _fuses_trials(data: Mapping[str, Any]) -> bool:
    resources = data.get("resources")
    return isinstance(resources, Mapping) and resources.get("fuse", 1) != 1


def _own_point(space: Space, path: KeyPath, point: Mapping[str, Value]) -> Iterator[Problem]:
    for name, value in point.items():
        if name not in space:
            yield Problem((*path, name), f"is no parameter of the space{did_you_mean(name, space)}")
        elif refusal := space[name].refusal(value):
            yield Problem((*path, name), refusal)
    missing = [name for name, known in space.items() if name not in point and not known.conditions]
    if missing:
        yield Problem(path, f"leaves out {', '.join(missing)}, for which there is no default")


def _usable(space: Space) -> Space:
    """Return the parameters whose conditions name known parameters, all the way up."""
    usable: dict[str, AnyDistribution] = {}
    while True:
        more = {
            name: distribution
            for name, distribution in space.items()
            if name not in usable
            and name in all_parameters()
            and all(other in usable for other in distribution.when)
        }
        if not more:
            return {name: usable[name] for name in space if name in usable}
        usable |= more


def _purpose(parts: ValidSections) -> Iterator[Problem]:
    if not parts.has_configurations:
        if not parts.names:
            yield Problem(("space",), "must hold at least one parameter to search, but is empty")
        return
    for key, given in {"space": bool(parts.names), "points": parts.has_points}.items():
        if given:
            message = f"configurations are run as they are; take out either them or {key}"
            yield Problem((key,), message)


def _unknown_names(parts: ValidSections) -> Iterator[Problem]:
    for name in parts.names:
        if name not in all_parameters():
            yield Problem(("space", name), unknown(name))


def _refused_values(parts: ValidSections) -> Iterator[Problem]:
    for name, distribution in parts.space.items():
        parameter = all_parameters().get(name)
        if parameter is None:
            continue
        fitting = _fitting_types(parameter)
        if distribution.type not in fitting:
            message = f"{name} must be searched as {' or '.join(fitting)}, not {distribution.type}"
            yield Problem(("space", name, "type"), message)
        else:
            yield from _refused_bounds(("space", name), parameter, distribution)


def _fitting_types(parameter: Parameter) -> tuple[str, ...]:
    if parameter.section == "embeddings":
        return ("categorical",)  # the corpus is prepared for each before the search
    return {int: ("int", "categorical"), float: ("float", "int", "categorical")}.get(
        parameter.type, ("categorical",)
    )


def _refused_bounds(
    path: KeyPath, parameter: Parameter, distribution: AnyDistribution
) -> Iterator[Problem]:
    values: dict[KeyPath, Value]
    if distribution.type == "categorical":
        values = {("choices", index): value for index, value in enumerate(distribution.choices)}
    else:
        values = {("low",): distribution.low, ("high",): distribution.high}
    for end, value in values.items():
        refusal = parameter.refusal(value)
        if refusal:
            yield Problem((*path, *end), refusal)


def _condition_problems(parts: ValidSections) -> Iterator[Problem]:
    found = len(parts.space) < len(parts.names)
    for name, distribution in parts.space.items():
        for other, values in distribution.conditions.items():
            for message in _refused_condition(parts, name, other, values):
                found = True
                yield Problem(("space", name, "when", other), message)
    if not found:
        try:
            in_order(parts.space)
        except ValueError as error:
            yield Problem(("space",), str(error))


def _refused_condition(
    parts: ValidSections, name: str, other: str, values: Sequence[Value]
) -> Iterator[str]:
    known = parts.space.get(other)
    if other == name:
        yield "a parameter cannot depend on itself"
    elif other not in parts.names:
        near = did_you_mean(other, parts.names)
        yield f"must name a parameter of this space, but is {other!r}{near}"
    elif known is not None and known.type == "float":
        yield f"must name a whole number or a choice, but {other} is a float"
    elif known is not None:
        refusals = (known.refusal(value) for value in values)
        yield from (refusal for refusal in refusals if refusal)


def _foreign_parameters(parts: ValidSections) -> Iterator[Problem]:
    if parts.model_name is None and "model" not in parts.space:
        return
    for name in parts.space:
        encoders = all_parameters()[name].encoders
        models = set(ENCODERS) & set(_models_with(parts, name))
        foreign = [model for model in ENCODERS if model in models and model not in encoders]
        if foreign:
            only = encoders[0] if len(encoders) == 1 else f"[{', '.join(encoders)}]"
            remedy = f"; add when: {{model: {only}}}" if "model" in parts.space else ""
            yield Problem(("space", name), has_no(foreign, name, encoders) + remedy)


def _models_with(parts: ValidSections, name: str) -> list[Value]:
    """Return the models that a trial with this parameter may have."""
    if "model" not in parts.space:
        return [parts.model_name]
    cases = islice(assignments(parts.space, {name, "model"}), _MOST_CASES)
    models = (case.get("model", parts.model.name) for case in cases if name in case)
    return list(dict.fromkeys(models))


def _foreign_fields(parts: ValidSections) -> Iterator[Problem]:
    """Yield fixed values that no trial reads; a default that is written out does no harm."""
    if parts.configurations:
        models = [params.get("model", parts.model_name) for params in parts.configurations.values()]
    else:
        models = _models_with(parts, "model")
    if None in models:
        return
    for field, encoders in ENCODERS_WITH.items():
        is_set = getattr(parts.model, field) != ModelConfig.model_fields[field].default
        if is_set and not set(models) & set(encoders):
            foreign = list(dict.fromkeys(models))
            yield Problem(("model", field), has_no(foreign, field, encoders))


def _together(parts: ValidSections) -> Iterator[Problem]:
    """Yield fields that exclude each other, at both ends of all ranges under every condition."""
    conditioning = {other for known in parts.space.values() for other in known.when}
    for case in islice(assignments(parts.space, conditioning), _MOST_CASES):
        for end in (_lowest, _highest):
            ends = {name: end(distribution) for name, distribution in parts.space.items()}
            params = complete(parts.space, case, ends)
            refusal = parts.refusal(params)
            if refusal:
                yield Problem(("space",), refusal)
                return


def _lowest(distribution: AnyDistribution) -> Value:
    return distribution.choices[0] if distribution.type == "categorical" else distribution.low


def _highest(distribution: AnyDistribution) -> Value:
    return distribution.choices[-1] if distribution.type == "categorical" else distribution.high
