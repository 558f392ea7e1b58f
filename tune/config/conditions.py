"""Decide which parameters of a space a trial has: those whose conditions hold.

A trial without a parameter uses the fixed or default value of the configuration.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence

from tune.config.distributions import AnyDistribution, Value

Space = Mapping[str, AnyDistribution]
Params = dict[str, Value]


def in_order(space: Space) -> tuple[str, ...]:
    """Sort the parameters so that none comes before one that it depends on, otherwise as written.

    Args:
        space: Every parameter that a condition names is in it.

    Returns:
        All names.

    Raises:
        ValueError: Parameters depend on each other in a circle.
    """
    placed: dict[str, None] = {}
    waiting = list(space)
    while waiting:
        ready = [name for name in waiting if all(other in placed for other in space[name].when)]
        if not ready:
            raise ValueError(f"the conditions of {', '.join(waiting)} never hold")
        placed |= dict.fromkeys(ready)
        waiting = [name for name in waiting if name not in placed]
    return tuple(placed)


def holds(distribution: AnyDistribution, params: Mapping[str, Value]) -> bool:
    """Tell whether a parameter's conditions hold.

    Args:
        distribution: The parameter's distribution, with its conditions.
        params: Values of other parameters; one that is missing meets no condition.

    Returns:
        True also for a parameter without conditions.
    """
    return all(
        name in params and params[name] in values
        for name, values in distribution.conditions.items()
    )


def active(space: Space, params: Mapping[str, Value]) -> tuple[str, ...]:
    """Return the parameters that a trial with some values has.

    Args:
        space: The parameters and their conditions.
        params: Values by name; those whose conditions do not hold are passed over.

    Returns:
        The names, each behind those that it depends on.
    """
    present: dict[str, Value] = {}
    for name in in_order(space):
        if holds(space[name], present) and name in params:
            present[name] = params[name]
    return tuple(present)


def complete(space: Space, point: Mapping[str, Value], defaults: Mapping[str, Value]) -> Params:
    """Fill a partial point: add the default of each parameter that it needs and leaves out.

    Args:
        space: The parameters and their conditions.
        point: Values by name, of some parameters.
        defaults: A value for each parameter.

    Returns:
        A value for each parameter whose conditions hold, in order of dependence.
    """
    params: Params = {}
    for name in in_order(space):
        if holds(space[name], params):
            params[name] = point[name] if name in point else defaults[name]
    return params


def depends_on(space: Space, name: str) -> Iterator[str]:
    """Yield the parameters that one depends on, nearest first.

    Args:
        space: The parameters and their conditions.
        name: A parameter of the space.

    Yields:
        Names; one comes again where it is reached on two ways.
    """
    for other in space[name].when:
        yield other
        if other in space:
            yield from depends_on(space, other)


def assignments(space: Space, names: Collection[str]) -> Iterator[Params]:
    """Yield every way to set some parameters and those that they depend on.

    A choice takes each of its values; a range takes its bounds and the values that a condition
    names.

    Args:
        space: The parameters and their conditions.
        names: Parameters of the space.

    Yields:
        Values by name, of those parameters whose conditions hold.
    """
    wanted = {*names, *(other for name in names for other in depends_on(space, name))}
    order = [name for name in in_order(space) if name in wanted]
    yield from _assign(space, order, {})


def _assign(space: Space, names: Sequence[str], params: Params) -> Iterator[Params]:
    if not names:
        yield params
        return
    name, *rest = names
    values = _candidates(space, name) if holds(space[name], params) else ()
    for value in values:
        yield from _assign(space, rest, {**params, name: value})
    if not values:
        yield from _assign(space, rest, params)


def _candidates(space: Space, name: str) -> tuple[Value, ...]:
    distribution = space[name]
    if distribution.type == "categorical":
        return distribution.choices
    asked = (other.conditions.get(name, ()) for other in space.values())
    bounds = (distribution.low, distribution.high)
    return tuple(dict.fromkeys([*bounds, *(value for values in asked for value in values)]))
