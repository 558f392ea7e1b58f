"""Axes: from values to places on a plot, with their labels."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tune.config.distributions import AnyDistribution, Value, encode_value
from tune.formatting import value_text

_PARTS = (1.0, 2.0, 2.5, 5.0, 10.0)  # of a power of ten, between two labels


@dataclass(frozen=True, slots=True)
class Axis:
    """One direction of a plot: places run from 0 to 1."""

    title: str
    low: float
    high: float
    log: bool = False
    ticks: tuple[tuple[float, str], ...] = ()
    """Places and labels."""

    def at(self, value: float) -> float:
        """Return the place of a value; a value beyond the axis is placed at its end."""
        if self.log:
            place = math.log(value / self.low) / (math.log(self.high / self.low) or 1.0)
        else:
            place = (value - self.low) / ((self.high - self.low) or 1.0)
        return min(1.0, max(0.0, place))


def linear_axis(title: str, low: float, high: float, *, labels: int = 5, unit: str = "") -> Axis:
    """Make a linear axis with round labels; both ends as given.

    Args:
        title: What is drawn along it.
        low: The value at its beginning.
        high: The value at its end; where it is not above `low`, the axis is widened around both.
        labels: About how many.
        unit: Follows each number.
    """
    if high <= low:
        low, high = low - (abs(low) or 1.0) * 0.05, low + (abs(low) or 1.0) * 0.05
    step = _step((high - low) / labels)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    values = [index * step for index in range(first, last + 1)]
    ticks = tuple(((value - low) / (high - low), number(value, step) + unit) for value in values)
    return Axis(title, low, high, False, ticks)


def log_axis(title: str, low: float, high: float, values: Sequence[float] = ()) -> Axis:
    """Make a log axis.

    Args:
        title: What is drawn along it.
        low: The value at its beginning, above 0.
        high: The value at its end.
        values: Where it is labelled; by default at round numbers.
    """
    if high <= low:
        low, high = low / 1.5, low * 1.5
    axis = Axis(title, low, high, True)
    shown = values or _round_numbers(low, high)
    ticks = tuple(
        (axis.at(value), f"{value:.3g}" if value < 1000 else f"{value:,.0f}") for value in shown
    )
    return Axis(title, low, high, True, ticks)


def time_axis(title: str, seconds: float) -> Axis:
    """Make an axis from 0 to a number of seconds, labelled in the unit that suits."""
    for unit, length in (("h", 3600.0), ("min", 60.0)):
        if seconds > 3 * length:
            even = linear_axis(title, 0.0, seconds / length, unit=f" {unit}")
            return Axis(title, 0.0, seconds, False, even.ticks)
    return linear_axis(title, 0.0, seconds or 1.0, unit=" s")


def log_time_axis(title: str, low: float, high: float) -> Axis:
    """Make a log axis of durations, labelled in the units that suit.

    Args:
        title: What is drawn along it.
        low: Seconds; less than a millisecond counts as one.
        high: Seconds.
    """
    low = max(low, 1e-3)
    axis = log_axis(title, low, max(high, 2 * low))
    units = ((1.0, "s", 60), (60.0, "min", 60), (3600.0, "h", 1000))
    marks = [
        (part * length, f"{part} {unit}")
        for length, unit, below in units
        for part in (1, 3, 10, 30, 100, 300)
        if part < below
    ]
    ticks = tuple((axis.at(at), label) for at, label in marks if axis.low <= at <= axis.high)
    return Axis(title, axis.low, axis.high, True, ticks)


def metric_axis(title: str, values: Sequence[float]) -> tuple[Axis, int]:
    """Make an axis that spreads the good values; return also how many values lie below it.

    A few very low values would otherwise press all others into a line.
    """
    ordered = sorted(values) or [0.0, 1.0]
    middle, upper, best = (ordered[int(share * (len(ordered) - 1))] for share in (0.5, 0.75, 1.0))
    floor = max(ordered[0], middle - 3.0 * max(upper - middle, 0.1 * (best - middle)))
    room = 0.04 * ((best - floor) or 0.1)
    below = sum(value < floor for value in ordered)
    if below < max(1, 0.02 * len(ordered)) or best == floor:
        floor, below = ordered[0], 0
        room = 0.04 * ((best - floor) or 0.1)
    return linear_axis(title, floor - room, best + room), below


def parameter_axis(name: str, known: AnyDistribution) -> tuple[Axis, dict[Value, float]]:
    """Make an axis of a parameter's searched range, on its own scale.

    The first and the last label are the edges of the range.

    Returns:
        The axis, and the places of the parameter's choices, empty for a range.
    """
    if known.type == "categorical":
        count = len(known.choices)
        places: dict[Value, float] = {
            encode_value(choice): (index + 0.5) / count
            for index, choice in enumerate(known.choices)
        }
        ticks = tuple((place, value_text(choice)) for choice, place in places.items())
        return Axis(name, 0.0, 1.0, False, ticks), places
    low, high = float(known.low), float(known.high)
    if low == high:
        return Axis(name, low - 0.5, high + 0.5, False, ((0.5, f"{low:g}"),)), {}
    inner = (log_axis if known.log else linear_axis)(name, low, high)
    between = [
        (place, label)
        for place, label in inner.ticks
        if 0.2 < place < 0.8 and (known.type == "float" or float(label.replace(",", "")) % 1 == 0)
    ]
    ticks = ((0.0, f"{low:g}"), *_spread(between), (1.0, f"{high:g}"))
    return Axis(name, low, high, known.log, ticks), {}


def number(value: float, step: float = 0.0) -> str:
    """Format a value with as many digits as the distance between labels needs."""
    if step and abs(value) < 1e9:
        digits = max(0, -math.floor(math.log10(step) + 1e-9))
        if not math.isclose(step * 10**digits, round(step * 10**digits)):
            digits += 1  # 0.25
        return f"{value:,.{digits}f}" if abs(value) >= 1e4 else f"{value:.{digits}f}"
    if 1e4 <= abs(value) < 1e9:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def _spread(ticks: Sequence[tuple[float, str]], most: int = 3) -> list[tuple[float, str]]:
    """Pick evenly as many labels as have room."""
    if len(ticks) <= most:
        return list(ticks)
    return [ticks[round((index + 0.5) * len(ticks) / most - 0.5)] for index in range(most)]


def _step(rough: float) -> float:
    power = 10.0 ** math.floor(math.log10(rough))
    return next(part * power for part in _PARTS if part * power >= rough * (1 - 1e-9))


def _round_numbers(low: float, high: float) -> list[float]:
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    parts = (1, 2, 5) if high / low < 200 else (1,)
    values = [part * 10.0**decade for decade in decades for part in parts]
    return [value for value in values if low * (1 - 1e-9) <= value <= high * (1 + 1e-9)]
