"""Find ranges at whose edge the best trials lie, so that better values may lie beyond."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import ValidationError

from tune.analysis.run_data import RunData
from tune.config.distributions import FloatDistribution, IntDistribution, between
from tune.config.parameters import all_parameters

Range = IntDistribution | FloatDistribution
Side = Literal["low", "high"]

ZONE = 0.1
"""The outer share of a range, in its own scale, that counts as its edge."""
_BEST_SHARE, _FEWEST, _MOST = 0.2, 5, 20
_CHANCE = 0.01  # how likely so many at the edge may be, were it like any other place
_STRETCHES = (0.5, 0.25, 0.1)  # by these shares of its length a range is widened, the first legal
_LONGEST_STRETCH = math.log(10)  # of a log range


@dataclass(frozen=True, slots=True)
class BoundaryHit:
    """A parameter whose best values lie at one edge of its range."""

    name: str
    side: Side
    inside: int
    """As many of the best lie in the outer tenth."""
    best: int
    wider: Range
    """The same range, stretched beyond that end."""


def boundary_hits(run: RunData) -> list[BoundaryHit]:
    """Return the parameters whose best values lie at an edge that may be moved, the clearest first.

    An edge counts where so many of the best values lie there that chance is an unlikely reason.

    Args:
        run: A search with any number of ended trials.

    Returns:
        For each its side, the wider range, and how many of the best values lie there; empty where
        too few trials have a value.
    """
    found: list[BoundaryHit] = []
    for name, known in run.space.items():
        if known.type != "categorical":
            values = [each.params[name] for each in run.ranked if name in each.params]
            found += _boundary_hits(name, known, values)
    return sorted(found, key=lambda hit: (-hit.inside / hit.best, hit.name))


def edge_share(known: Range, side: Side) -> float:
    """Return the share of a range, on its own scale, that lies in its outer tenth at a side.

    Args:
        known: The range.
        side: "low" or "high".

    Returns:
        From 0 to 1; steps make it differ from a tenth, and a range of one value lies in it as a
        whole.
    """
    if known.low == known.high:
        return 1.0
    step = known.step or 0.0
    inner = between(1 - ZONE if side == "high" else ZONE, known.low, known.high, log=known.log)
    if step:
        steps = (inner - known.low) / step
        whole = math.ceil(steps - 1e-9) if side == "high" else math.floor(steps + 1e-9)
        inner = known.low + whole * step
    low, high = (inner, known.high) if side == "high" else (known.low, inner)
    return _length(known, low, high, step / 2) / _length(known, known.low, known.high, step / 2)


def _boundary_hits(name: str, known: Range, values: Sequence[float]) -> Iterator[BoundaryHit]:
    best = min(max(_FEWEST, round(_BEST_SHARE * len(values))), _MOST)
    if len(values) < 2 * best:
        return
    places = [known.position(value) for value in values[:best]]
    counts: dict[Side, int] = {
        "low": sum(place <= ZONE + 1e-9 for place in places),
        "high": sum(place >= 1 - ZONE - 1e-9 for place in places),
    }
    for side, inside in counts.items():
        wider = _wider(name, known, side)
        if wider is not None and _at_least(inside, best, edge_share(known, side)) < _CHANCE:
            yield BoundaryHit(name, side, inside, best, wider)


def _at_least(count: int, tries: int, chance: float) -> float:
    """Return the probability of `count` or more hits."""
    return sum(
        math.comb(tries, hits) * chance**hits * (1 - chance) ** (tries - hits)
        for hits in range(count, tries + 1)
    )


def _length(known: Range, low: float, high: float, half: float) -> float:
    if known.log:
        return math.log((high + half) / (low - half))
    return high - low + 2 * half


def _wider(name: str, known: Range, side: Side) -> Range | None:
    """Stretch a range beyond one edge; None where the parameter allows no further value."""
    for stretch in _STRETCHES:
        bound = _bound(known, side, stretch)
        if bound == getattr(known, side):
            continue
        parameter = all_parameters().get(name)  # none: one of an objective of one's own
        if parameter is not None and parameter.refusal(bound) is not None:
            continue
        try:
            return type(known).model_validate({**known.model_dump(), side: bound})
        except ValidationError:
            continue
    return None


def _bound(known: Range, side: Side, stretch: float) -> float:
    sign = 1 if side == "high" else -1
    end: float = getattr(known, side)
    if known.log:
        length = min(stretch * math.log(known.high / known.low), _LONGEST_STRETCH)
        far = _round(end * math.exp(sign * length))
    elif known.step:
        steps = max(1, round(stretch * (known.high - known.low) / known.step))
        far = end + sign * steps * known.step
        return far if known.type == "int" else round(far, 12)
    else:
        far = end + sign * _round(stretch * (known.high - known.low))
    return max(1, round(far)) if known.type == "int" else far


def _round(value: float) -> float:
    """Round to two significant digits."""
    return float(f"{value:.2g}")
