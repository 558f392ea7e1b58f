"""What pydantic cannot see in one value: whether the parts of a search file fit together.

Every check works on what could be read, so that one broken key does not hide the next problem.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice

from pydantic import ValidationError

from textcls.config import ENCODERS_WITH, ModelConfig
from textcls.problems import KeyPath, Problem, did_you_mean, wording
from tune.conditions import Params, Space, assignments, complete, in_order
from tune.distributions import AnyDistribution, Value
from tune.parameters import Parameter, overlay, parameters, unknown
from tune.parts import Parts

_MOST_CASES = 2_000


def problems(parts: Parts) -> Iterator[Problem]:
    """Everything in the parts of a search file that does not fit together."""
    yield from _purpose(parts)
    yield from _unknown_names(parts)
    yield from _refused_values(parts)
    yield from _conditions(parts.space)
    usable = replace(parts, space=_usable(parts.space))
    yield from _foreign_parameters(usable)
    yield from _foreign_fields(usable)
    yield from _together(usable)
    for index, point in parts.points.items():
        found = list(_point_values(parts, ("points", index), point))
        yield from found or _completed_point(usable, ("points", index), point)
    yield from _configurations(parts)


def _usable(space: Space) -> Space:
    """The known parameters whose conditions name known parameters, all the way up."""
    usable: dict[str, AnyDistribution] = {}
    while True:
        more = {
            name: distribution
            for name, distribution in space.items()
            if name not in usable
            and name in parameters()
            and all(other in usable for other in distribution.when)
        }
        if not more:
            return {name: usable[name] for name in space if name in usable}
        usable |= more


def _purpose(parts: Parts) -> Iterator[Problem]:
    if not parts.has_configurations:
        if not parts.names:
            yield Problem(("space",), "must hold at least one parameter to search, but is empty")
        return
    for key, given in {"space": bool(parts.names), "points": parts.has_points}.items():
        if given:
            message = f"configurations are run as they are; take out either them or {key}"
            yield Problem((key,), message)


def _unknown_names(parts: Parts) -> Iterator[Problem]:
    for name in parts.names:
        if name not in parameters():
            yield Problem(("space", name), unknown(name))


def _refused_values(parts: Parts) -> Iterator[Problem]:
    for name, distribution in parts.space.items():
        parameter = parameters().get(name)
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


def _conditions(space: Space) -> Iterator[Problem]:
    found = False
    for name, distribution in space.items():
        for other, values in distribution.conditions.items():
            for message in _refused_condition(space, name, other, values):
                found = True
                yield Problem(("space", name, "when", other), message)
    if not found:
        try:
            in_order(space)
        except ValueError as error:
            yield Problem(("space",), str(error))


def _refused_condition(
    space: Space, name: str, other: str, values: Sequence[Value]
) -> Iterator[str]:
    if other == name:
        yield "a parameter cannot depend on itself"
    elif other not in space:
        yield f"must name a parameter of this space, but is {other!r}{did_you_mean(other, space)}"
    elif space[other].type == "float":
        yield f"must name a whole number or a choice, but {other} is a float"
    else:
        refusals = (space[other].refusal(value) for value in values)
        yield from (refusal for refusal in refusals if refusal)


def _foreign_parameters(parts: Parts) -> Iterator[Problem]:
    if parts.model_name is None and "model" not in parts.space:
        return
    for name in parts.space:
        encoders = parameters()[name].encoders
        foreign = [model for model in _models_with(parts, name) if model not in encoders]
        if foreign:
            only = encoders[0] if len(encoders) == 1 else f"[{', '.join(encoders)}]"
            remedy = f"; add when: {{model: {only}}}" if "model" in parts.space else ""
            yield Problem(("space", name), _has_no(foreign, name, encoders) + remedy)


def _models_with(parts: Parts, name: str) -> list[Value]:
    """The models that a trial with this parameter may have."""
    if "model" not in parts.space:
        return [parts.model_name]
    cases = islice(assignments(parts.space, {name, "model"}), _MOST_CASES)
    models = (case.get("model", parts.model.name) for case in cases if name in case)
    return list(dict.fromkeys(models))


def _has_no(foreign: Sequence[Value], name: str, encoders: Sequence[str]) -> str:
    verb = "have" if len(foreign) > 1 else "has"
    models = " and ".join(str(model) for model in foreign)
    return f"{models} {verb} no {name}, only {' and '.join(encoders)}"


def _foreign_fields(parts: Parts) -> Iterator[Problem]:
    """Fixed values that no trial reads; a default that is written out does no harm."""
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
            yield Problem(("model", field), _has_no(foreign, field, encoders))


def _together(parts: Parts) -> Iterator[Problem]:
    """Fields that exclude each other, tried at both ends of all ranges under every condition."""
    conditioning = {other for known in parts.space.values() for other in known.when}
    for case in islice(assignments(parts.space, conditioning), _MOST_CASES):
        for end in (_lowest, _highest):
            ends = {name: end(distribution) for name, distribution in parts.space.items()}
            params = complete(parts.space, case, ends)
            refusal = _refused_together(parts, params)
            if refusal:
                yield Problem(("space",), refusal)
                return


def _lowest(distribution: AnyDistribution) -> Value:
    return distribution.choices[0] if distribution.type == "categorical" else distribution.low


def _highest(distribution: AnyDistribution) -> Value:
    return distribution.choices[-1] if distribution.type == "categorical" else distribution.high


def _refused_together(parts: Parts, params: Mapping[str, Value]) -> str | None:
    """What the sections say to these parameters when each is allowed by itself."""
    if any(parameters()[name].refusal(value) for name, value in params.items()):
        return None
    try:
        overlay(parts.model, parts.embeddings, parts.train, params)
    except ValidationError as error:
        return wording(error.errors(include_url=False)[0])
    return None


def _completed_point(parts: Parts, path: KeyPath, point: Mapping[str, Value]) -> Iterator[Problem]:
    if parts.broken or len(parts.space) < len(parts.names):
        return  # what is missing might be what is broken
    defaults = {name: parts.default(name) for name in parts.space}
    completed = complete(parts.space, point, defaults)
    for name in point:
        if name not in completed:
            yield Problem(
                (*path, name), f"does not apply here: {_why(parts.space, name, completed)}"
            )
    for name, value in completed.items():
        refusal = parts.space[name].refusal(value)
        if refusal:
            message = f"leaves out {name}, whose default does not lie in its range: it {refusal}"
            yield Problem(path, message)


def _why(space: Space, name: str, params: Params) -> str:
    for other, values in space[name].conditions.items():
        if params.get(other) not in values:
            there = f"is {params[other]}" if other in params else "is absent"
            return f"it needs {other} to be {' or '.join(map(str, values))}, but {other} {there}"
    return "its conditions do not hold"


def _point_values(parts: Parts, path: KeyPath, point: Mapping[str, Value]) -> Iterator[Problem]:
    for name, value in point.items():
        if name not in parts.names:
            message = "is not searched; a point holds parameters of the space"
            if name not in parameters():
                known = set(parts.names) & set(parameters())
                message = f"is no parameter of the space{did_you_mean(name, known)}"
            yield Problem((*path, name), message)
        elif name in parts.space and (refusal := parts.space[name].refusal(value)):
            yield Problem((*path, name), refusal)


def _configurations(parts: Parts) -> Iterator[Problem]:
    for title, params in parts.configurations.items():
        path = ("configurations", title, "params")
        found = list(_configuration_values(parts, path, params))
        yield from found
        if not found and (refusal := _refused_together(parts, params)):
            yield Problem(path, refusal)


def _configuration_values(
    parts: Parts, path: KeyPath, params: Mapping[str, Value]
) -> Iterator[Problem]:
    model = params.get("model", parts.model.name)
    for name, value in params.items():
        parameter = parameters().get(name)
        if parameter is None:
            yield Problem((*path, name), unknown(name))
        elif refusal := parameter.refusal(value):
            yield Problem((*path, name), refusal)
        elif model in ("cnn", "rnn", "gru") and model not in parameter.encoders:
            yield Problem((*path, name), _has_no([model], name, parameter.encoders))
