import itertools
import random

import pytest

from tune import pareto
from tune.pareto import Point, front_numbers, is_among_best


def dominates(a: Point, b: Point) -> bool:
    return a[0] >= b[0] and a[1] <= b[1] and a != b


def peeled(points: list[Point]) -> list[int]:
    """The fronts by their definition: take away what nothing left dominates, again and again."""
    found, left = [0] * len(points), set(range(len(points)))
    for number in itertools.count():
        front = {a for a in left if not any(dominates(points[b], points[a]) for b in left)}
        for at in front:
            found[at] = number
        left -= front
        if not left:
            return found
    raise AssertionError


@pytest.mark.parametrize("seed", range(40))
def test_fronts_are_those_of_the_definition(seed: int) -> None:
    draw = random.Random(seed)
    fineness = draw.choice((3, 8, 100))  # few steps make many equal values, costs and points
    points = [
        (draw.randrange(fineness) / 10, float(draw.randrange(fineness)))
        for _ in range(draw.randrange(1, 60))
    ]
    assert front_numbers(points) == peeled(points)


def test_no_points_have_no_fronts() -> None:
    assert front_numbers([]) == []


@pytest.mark.parametrize("seed", range(20))
def test_as_many_are_best_as_are_asked_for(seed: int) -> None:
    draw = random.Random(seed)
    points = {n: (draw.randrange(9) / 10, 1.0 + draw.randrange(9)) for n in range(30)}
    numbers = front_numbers([*points.values()])
    for count in (1, 4, 10, 29, 30, 31):
        best = [n for n in points if is_among_best(n, points, count, lambda n: n * 0.618 % 1)]
        assert len(best) == min(count, 30)
        worst = max(numbers[n] for n in best)
        assert all(n in best for n in points if numbers[n] < worst)


def test_within_a_front_those_far_apart_go_first() -> None:
    """Nine trials crowd at the accurate end; of three that may go on one is from there."""
    crowd = {n: (0.9 + 0.001 * n, 100.0 + n) for n in range(9)}
    points = {**crowd, 20: (0.7, 10.0), 30: (0.5, 1.0)}
    best = [n for n in points if is_among_best(n, points, 3, float)]
    assert best == [8, 20, 30]


def test_equal_trials_are_ordered_by_lot() -> None:
    points = dict.fromkeys(range(6), (0.5, 1.0))
    assert [n for n in points if is_among_best(n, points, 2, lambda n: -n)] == [0, 1]
    assert [n for n in points if is_among_best(n, points, 2, float)] == [4, 5]


def test_neither_scale_counts_more() -> None:
    draw = random.Random(0)
    points = {n: (draw.random(), 1 + draw.random()) for n in range(25)}
    stretched = {n: (100 + value / 1000, cost**9) for n, (value, cost) in points.items()}
    for count in (1, 3, 9):
        best = [
            [n for n in points if is_among_best(n, each, count, float)]
            for each in (points, stretched)
        ]
        assert best[0] == best[1]


def test_ten_thousand_points_take_few_comparisons(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at = 0
    real = pareto.bisect_left

    def counted(*args: object) -> int:
        nonlocal looked_at
        looked_at += 1
        return real(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(pareto, "bisect_left", counted)
    draw = random.Random(0)
    front_numbers([(draw.random(), draw.random()) for _ in range(10_000)])
    assert looked_at == 10_000
