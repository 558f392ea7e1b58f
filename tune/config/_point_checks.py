"""Check that points and named configurations can be trials of their search."""

from collections.abc import Iterator, Mapping

from textcls.config.messages import KeyPath, Problem, did_you_mean
from tune.config._valid_sections import ValidSections
from tune.config.conditions import Params, Space, complete
from tune.config.distributions import Value
from tune.config.parameters import ENCODERS, all_parameters, has_no, unknown


def point_problems(parts: ValidSections, usable: ValidSections) -> Iterator[Problem]:
    """Yield what a point sets or leaves out against the rules of the space.

    Args:
        parts: The sound parts of the search file.
        usable: The same without the parameters whose own conditions are broken.
    """
    for index, point in parts.points.items():
        found = list(_point_values(parts, ("points", index), point))
        yield from found or _completed_point(usable, ("points", index), point)


def _completed_point(
    parts: ValidSections, path: KeyPath, point: Mapping[str, Value]
) -> Iterator[Problem]:
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


def _point_values(
    parts: ValidSections, path: KeyPath, point: Mapping[str, Value]
) -> Iterator[Problem]:
    for name, value in point.items():
        if name not in parts.names:
            message = "is not searched; a point holds parameters of the space"
            if name not in all_parameters():
                known = set(parts.names) & set(all_parameters())
                message = f"is no parameter of the space{did_you_mean(name, known)}"
            yield Problem((*path, name), message)
        elif name in parts.space and (refusal := parts.space[name].refusal(value)):
            yield Problem((*path, name), refusal)


def configuration_problems(parts: ValidSections) -> Iterator[Problem]:
    """Yield what a named configuration sets that no trial could have."""
    for title, params in parts.configurations.items():
        path = ("configurations", title, "params")
        found = list(_configuration_values(parts, path, params))
        yield from found
        if not found and (refusal := parts.refusal(params)):
            yield Problem(path, refusal)


def _configuration_values(
    parts: ValidSections, path: KeyPath, params: Mapping[str, Value]
) -> Iterator[Problem]:
    model = params.get("model", parts.model.name)
    for name, value in params.items():
        parameter = all_parameters().get(name)
        if parameter is None:
            yield Problem((*path, name), unknown(name))
        elif refusal := parameter.refusal(value):
            yield Problem((*path, name), refusal)
        elif model in ENCODERS and model not in parameter.encoders:
            yield Problem((*path, name), has_no([model], name, parameter.encoders))
