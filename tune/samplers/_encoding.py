"""Encode hyperparameters as numbers between 0 and 1, for a model that needs distances."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from tune.config.conditions import Params, Space, holds, in_order
from tune.config.distributions import AnyDistribution, CategoricalDistribution, Value

Array = NDArray[np.float64]

_ABSENT = 0.5
_CHOSEN = 1 / np.sqrt(2)  # so that two choices lie at a distance of 1


class SpaceEncoder:
    """Encode the trials of a space as rows of numbers.

    A range is one column, a value's place in it on its own scale. A choice is a column per value.
    A parameter whose conditions do not hold lies in the middle, so it tells two trials apart only
    where one has it.
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

    def draw(self, shares: Array) -> Params:
        """Return the trial at a point of the unit cube, (parameters,) from 0 to 1."""
        params: Params = {}
        for (name, known), share in zip(self._space.items(), shares.tolist(), strict=True):
            if not known.when or holds(known, params):
                params[name] = drawn(known, share)
        return params

    def near(
        self, params: Mapping[str, Value], reach: float, generator: np.random.Generator
    ) -> Params:
        """Return a trial beside another one: about half of its parameters are moved, at least one.

        Args:
            params: The trial to start from.
            reach: The standard deviation of a move, as a share of the range; also the chance that a
                choice is drawn anew.
            generator: Source of the random numbers.
        """
        moves = generator.random(len(self._space)) < 0.5
        moves[generator.integers(len(moves))] = True
        found: Params = {}
        for (name, known), moved in zip(self._space.items(), moves, strict=True):
            if known.when and not holds(known, found):
                continue
            if name not in params:
                found[name] = drawn(known, generator.random())
            elif not moved:
                found[name] = params[name]
            elif known.type == "categorical":
                stays = generator.random() >= reach
                found[name] = params[name] if stays else drawn(known, generator.random())
            else:
                place = known.position(params[name]) + reach * generator.normal()
                found[name] = known.at(min(1.0, max(0.0, place)))
        return found


def drawn(known: AnyDistribution, share: float) -> Value:
    """Return the value below which a share, 0 to 1, of all values lies on the range's scale."""
    if known.type == "categorical":
        return known.choices[min(len(known.choices) - 1, int(share * len(known.choices)))]
    low, high = 0.0, 1.0
    if known.type == "int":  # half a step more at both ends, so that these are drawn as often
        low = known.position(known.low - known.step / 2)
        high = known.position(known.high + known.step / 2)
    return known.at(min(1.0, max(0.0, low + (high - low) * share)))


def _width(known: AnyDistribution) -> int:
    return len(known.choices) if known.type == "categorical" else 1


def _columns(known: CategoricalDistribution, value: Value, *, present: bool) -> list[float]:
    return [_CHOSEN if present and value == choice else 0.0 for choice in known.choices]
