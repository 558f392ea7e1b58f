"""The points of a grid over a search space."""

import random
from collections.abc import Iterator, Sequence

from tune.config.conditions import Params, Space, holds, in_order
from tune.config.distributions import AnyDistribution, Value

VALUES = 5
"""Values of a range that has no step, evenly spaced on its own scale, both bounds among them."""


def shuffled(space: Space, seed: int) -> list[Params]:
    """Return all points of the grid in random order, so that a part of them covers the space."""
    found = list(_points(space, in_order(space), {}))
    random.Random(seed).shuffle(found)
    return found


def values(known: AnyDistribution) -> Sequence[Value]:
    """Return the values of one parameter on the grid."""
    if known.type == "categorical":
        return known.choices
    if known.type == "int" and (known.step > 1 or known.high - known.low < VALUES):
        return range(known.low, known.high + 1, known.step)
    if known.type == "float" and known.step is not None:
        steps = round((known.high - known.low) / known.step)
        return [known.at(index / steps) for index in range(steps)] + [known.high]
    inner = [known.at(index / (VALUES - 1)) for index in range(1, VALUES - 1)]
    return list(dict.fromkeys([known.low, *inner, known.high]))


def _points(space: Space, names: Sequence[str], params: Params) -> Iterator[Params]:
    if not names:
        yield params
        return
    name, *rest = names
    if not holds(space[name], params):
        yield from _points(space, rest, params)
        return
    for value in values(space[name]):
        yield from _points(space, rest, {**params, name: value})
