"""Encode hyperparameters as numbers between 0 and 1, for a model that needs distances."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from tune.config.conditions import Params, Space, holds, in_order
from tune.config.distributions import (
    AnyDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
    Value,
)

Array = NDArray[np.float64]

_ABSENT = 0.5
_CHOSEN = 1 / np.sqrt(2)  # so that two choices lie at a distance of 1


class SpaceEncoder:
    """Encode the trials of a space as rows of numbers.

    A range is one column, a value's place in it on its own scale. A choice is a column per value.
    A parameter whose conditions do not hold lies in the middle, so it tells two trials apart only
    where one has it.

    A point is a trial in the unit cube, (parameters,): the share of all values that lie below each
    value. Many points become rows at once, without the trials in between.
    """

    def __init__(self, space: Space) -> None:
        self._space = {name: space[name] for name in in_order(space)}
        widths = [_width(known) for known in self._space.values()]
        self.parameter_of = np.repeat(np.arange(len(widths)), widths)
        """(columns,): which parameter each column belongs to."""

    def __len__(self) -> int:
        return len(self._space)

    def row(self, params: Mapping[str, Value]) -> Array:
        """Return a trial's parameters as (columns,), including those that it does not have."""
        columns: list[float] = []
        for name, known in self._space.items():
            if known.type == "categorical":
                columns += _columns(known, params.get(name), present=name in params)
            else:
                place = known.position(params[name]) if name in params else _ABSENT
                columns.append(min(1.0, max(0.0, place)))
        return np.array(columns)

    def point(self, params: Mapping[str, Value]) -> Array:
        """Return a trial as a point, (parameters,); what it does not have lies in the middle."""
        return np.array(
            [
                _share(known, params[name]) if name in params else _ABSENT
                for name, known in self._space.items()
            ]
        )

    def fixed(self, points: Array, given: Mapping[str, Value]) -> Array:
        """Return points, (..., parameters), moved to where some parameters have given values."""
        moved = points.copy()
        for column, (name, known) in enumerate(self._space.items()):
            if name in given:
                moved[..., column] = _share(known, given[name])
        return moved

    def draw(self, point: Array) -> Params:
        """Return the trial at a point, (parameters,) from 0 to 1."""
        params: Params = {}
        for (name, known), share in zip(self._space.items(), point.tolist(), strict=True):
            if not known.when or holds(known, params):
                params[name] = drawn(known, share)
        return params

    def rows(self, points: Array) -> Array:
        """Encode the trials at many points: (n, parameters) -> (n, columns)."""
        columns: list[Array] = []
        chosen: dict[str, Array] = {}
        present: dict[str, NDArray[np.bool_]] = {}
        for (name, known), shares in zip(self._space.items(), points.T, strict=True):
            there = np.ones(len(points), bool)
            for other, values in known.conditions.items():
                there &= present[other] & _among(self._space[other], chosen[other], values)
            present[name] = there
            if known.type == "categorical":
                chosen[name] = _places(known, shares)
                marked = (chosen[name][:, None] == np.arange(len(known.choices))) & there[:, None]
                columns += list(np.where(marked, _CHOSEN, 0.0).T)
            else:
                chosen[name] = _rounded(known, shares)
                columns.append(np.where(there, chosen[name], _ABSENT))
        return np.array(columns).reshape(len(columns), len(points)).T

    def near(self, point: Array, reach: float, count: int, generator: np.random.Generator) -> Array:
        """Return points beside another: about half of the parameters are moved, at least one.

        Args:
            point: (parameters,), the point to start from.
            reach: The standard deviation of a move, as a share of the range; also the chance that a
                choice is drawn anew.
            count: How many.
            generator: Source of the random numbers.

        Returns:
            (count, parameters).
        """
        shape = (count, len(point))
        moves = generator.random(shape) < 0.5
        moves[np.arange(count), generator.integers(len(point), size=count)] = True
        choices = np.array([known.type == "categorical" for known in self._space.values()])
        anew = generator.random(shape)
        moved = np.clip(point + reach * generator.normal(size=shape), 0.0, 1.0)
        again = np.where(generator.random(shape) < reach, anew, point)
        return np.where(moves, np.where(choices, again, moved), point)


def drawn(known: AnyDistribution, share: float) -> Value:
    """Return the value below which a share, 0 to 1, of all values lies on the range's scale."""
    if known.type == "categorical":
        return known.choices[min(len(known.choices) - 1, int(share * len(known.choices)))]
    low, high = _ends(known)
    return known.at(min(1.0, max(0.0, low + (high - low) * share)))


def _ends(known: IntDistribution | FloatDistribution) -> tuple[float, float]:
    """Return the places at shares 0 and 1.

    Those of whole numbers lie half a step beyond the range, so that its ends are drawn as often.
    """
    if known.type == "float":
        return 0.0, 1.0
    return known.position(known.low - known.step / 2), known.position(known.high + known.step / 2)


def _share(known: AnyDistribution, value: Value) -> float:
    if known.type == "categorical":
        return (known.choices.index(known.normal(value)) + 0.5) / len(known.choices)
    low, high = _ends(known)
    place = known.position(value)
    return min(1.0, max(0.0, (place - low) / (high - low))) if high > low else _ABSENT


def _places(known: CategoricalDistribution, shares: Array) -> Array:
    count = len(known.choices)
    return np.minimum(count - 1, np.floor(shares * count))


def _rounded(known: IntDistribution | FloatDistribution, shares: Array) -> Array:
    """Return the places of the values that `drawn` returns for these shares."""
    low, high = _ends(known)
    places = np.clip(low + (high - low) * shares, 0.0, 1.0)
    if known.low == known.high:
        return np.full(len(shares), _ABSENT)
    if known.step is None:
        return places
    if not known.log:
        steps = (known.high - known.low) / known.step
        return np.round(places * steps) / steps
    ratio = np.log(known.high / known.low)
    values = known.low + np.round(known.low * np.exp(places * ratio) - known.low)
    rounded: Array = np.clip(np.log(values / known.low) / ratio, 0.0, 1.0)
    return rounded


def _among(known: AnyDistribution, chosen: Array, values: tuple[object, ...]) -> NDArray[np.bool_]:
    """Tell where a parameter that another depends on has one of these values."""
    if known.type == "categorical":
        places = [float(place) for place, choice in enumerate(known.choices) if choice in values]
    else:
        places = [known.position(value) for value in values if isinstance(value, int | float)]
    found: NDArray[np.bool_] = np.isclose(chosen[:, None], np.array(places)[None]).any(axis=1)
    return found


def _width(known: AnyDistribution) -> int:
    return len(known.choices) if known.type == "categorical" else 1


def _columns(known: CategoricalDistribution, value: Value, *, present: bool) -> list[float]:
    return [_CHOSEN if present and value == choice else 0.0 for choice in known.choices]
