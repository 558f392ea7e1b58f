"""Order trials by two objectives at once: the higher the value the better, the lower the cost.

One trial dominates another when it is no worse in both objectives and better in one. Those that
none dominates are the first front, those that only members of it dominate the second, and so on:
non-dominated sorting (Deb et al. 2002, NSGA-II). Within a front no trial is better than another, so
there the order is that of an epsilon net: the one with the highest value first, then always the one
that lies farthest from those before it. That is the order of MO-ASHA (Schmucker et al. 2021,
https://arxiv.org/abs/2106.12639), which keeps the trials that go on spread over the whole front.
"""

import math
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence

Point = tuple[float, float]
"""A value, which is maximised, and a cost above 0, which is minimised."""


def front_numbers(points: Sequence[Point]) -> list[int]:
    """Return which front each point lies on, 0 for those that none dominates.

    Equal points lie on the same front. Takes n log n steps.

    Example:
        >>> front_numbers([(0.9, 10.0), (0.8, 1.0), (0.7, 5.0), (0.6, 20.0)])
        [0, 0, 1, 2]
    """
    found = [0] * len(points)
    # The latest member of each front, as (-value, cost). In the order of rising cost it has the
    # highest value of its front, so it dominates a point where it is the lesser of the two pairs.
    latest: list[Point] = []
    for at in sorted(range(len(points)), key=lambda at: (points[at][1], -points[at][0])):
        pair = (-points[at][0], points[at][1])
        found[at] = bisect_left(latest, pair)
        latest[found[at] : found[at] + 1] = [pair]
    return found


def is_among_best(
    trial: int, points: Mapping[int, Point], count: int, lot: Callable[[int], float]
) -> bool:
    """Tell whether a trial is among the best few of those at a rung.

    Args:
        trial: Its number.
        points: The value and the cost of every trial at the rung, by number.
        count: How many are the best.
        lot: Orders trials that are equal in both objectives, the highest first.

    Example:
        >>> points = {0: (0.9, 10.0), 1: (0.8, 1.0), 2: (0.7, 5.0)}
        >>> [is_among_best(trial, points, 2, float) for trial in points]
        [True, True, False]
    """
    numbers = dict(zip(points, front_numbers([*points.values()]), strict=True))
    better = sum(number < numbers[trial] for number in numbers.values())
    if better >= count:
        return False
    own = [each for each, number in numbers.items() if number == numbers[trial]]
    if better + len(own) <= count:
        return True
    own.sort(key=lot, reverse=True)
    return trial in spread_out(own, points, count - better)


def spread_out(members: Sequence[int], points: Mapping[int, Point], count: int) -> list[int]:
    """Return so many members of a front, the most valuable and then always the farthest one.

    Distances are shares of the front's extent, in value and in the logarithm of cost.

    Args:
        members: The numbers of the front's trials; of equally good ones the first is taken.
        points: The value and the cost of every trial, by number.
        count: How many, at least 1 and at most all of them.

    Example:
        >>> points = {0: (0.9, 100.0), 1: (0.89, 90.0), 2: (0.5, 1.0), 3: (0.8, 10.0)}
        >>> spread_out([0, 1, 2, 3], points, 3)
        [0, 2, 3]
    """
    values = [points[each][0] for each in members]
    costs = [math.log(points[each][1]) for each in members]
    across, up = max(costs) - min(costs) or 1.0, max(values) - min(values) or 1.0
    places = {
        each: (cost / across, value / up)
        for each, cost, value in zip(members, costs, values, strict=True)
    }
    chosen = max(members, key=lambda each: points[each][0])
    net, apart = [], dict.fromkeys(members, float("inf"))
    while True:
        net.append(chosen)
        del apart[chosen]
        if len(net) == count:
            return net
        for each in apart:
            apart[each] = min(apart[each], math.dist(places[each], places[chosen]))
        chosen = max(apart, key=apart.__getitem__)
