"""The points of a grid over a search space."""

import random
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from tune.config.conditions import Params, Space, holds, in_order
from tune.config.distributions import AnyDistribution, Value

if TYPE_CHECKING:
    from tune.config.search_file import SearchFile

VALUES = 5
"""Values of a range that has no step, evenly spaced on its own scale, both bounds among them."""


LISTED = 20_000
"""Points up to which a grid is listed; of a larger one, points are drawn."""


def trial_count(config: "SearchFile") -> int:
    """Return the number of trials that a search begins with.

    Args:
        config: The search.

    Returns:
        The named configurations; of a grid its points, at most `samples`; else `samples`.
    """
    if config.configurations:
        return len(config.configurations)
    if config.search.sampler == "grid":
        return size(config.space, config.search.samples)
    return config.search.samples


def shuffled(space: Space, seed: int) -> Iterator[Params]:
    """Yield all points of the grid in random order, so that a part of them covers the space.

    A grid of ten parameters has millions of points, so of a large one they are drawn one by one,
    each once: take as many as are needed.

    Args:
        space: The parameters; a range counts with some values only (`values`).
        seed: The same one gives the same order.
    """
    draw = random.Random(seed)
    if size(space, LISTED + 1) <= LISTED:
        found = list(_points(space, in_order(space), {}))
        draw.shuffle(found)
        yield from found
        return
    seen = set()
    while True:
        point: Params = {}
        for name in in_order(space):
            if holds(space[name], point):
                point[name] = draw.choice(values(space[name]))
        if (key := tuple(point.items())) not in seen:
            seen.add(key)
            yield point


def size(space: Space, most: int) -> int:
    """Return the number of points of a grid.

    Args:
        space: The parameters and their conditions.
        most: Where counting stops: a grid may have more points than can be counted.

    Returns:
        At most `most`.
    """
    return sum(1 for _ in islice(_points(space, in_order(space), {}), most))


def values(known: AnyDistribution) -> Sequence[Value]:
    """Return the values of one parameter on the grid.

    Args:
        known: Its distribution.

    Returns:
        All choices; every step of a range that has steps; every integer of a short range; else
        `VALUES` places spread evenly on the distribution's scale, both bounds among them.
    """
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
