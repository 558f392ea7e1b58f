"""The distribution of one hyperparameter: the values that it may take, and their scale.

Both bounds are inclusive. A distribution with `when` belongs to one choice of another parameter:
it is drawn only where that other parameter has one of the named values.
"""

import json
import math
from fractions import Fraction
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    WithJsonSchema,
    model_validator,
)

from textcls.config.messages import shown
from textcls.config.models import Section

Scalar = bool | int | float | str | None
Value = Scalar | tuple[Scalar, ...]


def _checked_value(value: object) -> Value:
    if isinstance(value, list | tuple):
        return tuple(_checked_scalar(item) for item in value)
    return _checked_scalar(value)


def _checked_scalar(value: object) -> Scalar:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"must be a finite number, {_but(value)}")
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise ValueError(f"must be text, a number, true, false or a list of these, {_but(value)}")


def _but(value: object) -> str:
    return f"but is {shown(value)}"


_MOST = 2**53  # Optuna keeps numbers as float64, which counts exactly so far
_MOST_STEPS = 10**9  # Optuna's decimal arithmetic gives up on absurdly fine grids
_SCALAR_SCHEMA = {"type": ["string", "number", "boolean", "null"]}
_VALUE_SCHEMA = {"anyOf": [_SCALAR_SCHEMA, {"type": "array", "items": _SCALAR_SCHEMA}]}
CheckedValue = Annotated[
    Value,
    PlainValidator(_checked_value),
    PlainSerializer(lambda value: list(value) if isinstance(value, tuple) else value),
    WithJsonSchema(_VALUE_SCHEMA),
]


class _Conditional(Section):
    when: dict[str, CheckedValue] = Field(default_factory=dict)
    """Draw this parameter only where these others have this value, or one of this list."""

    @property
    def conditions(self) -> dict[str, tuple[Scalar, ...]]:
        """The values that each named parameter may have for this one to be drawn."""
        return {
            name: values if isinstance(values, tuple) else (values,)
            for name, values in self.when.items()
        }


class IntDistribution(_Conditional):
    """Whole numbers from `low` to `high`, both inclusive."""

    model_config = ConfigDict(json_schema_extra={"required": ["type", "low", "high"]})

    type: Literal["int"] = "int"
    """Whole numbers."""
    low: int = Field(ge=-_MOST, le=_MOST)
    """The lowest value."""
    high: int = Field(ge=-_MOST, le=_MOST)
    """The highest value."""
    log: bool = False
    """Draw so that doubling a small value is as likely as doubling a large one."""
    step: int = Field(default=1, ge=1)
    """Only low, low + step, low + 2 step and so on; high must be one of them."""

    @model_validator(mode="after")
    def _is_range(self) -> Self:
        _check_range(self.low, self.high, self.log, None if self.step == 1 else self.step)
        return self

    def refusal(self, value: Value) -> str | None:
        """Say why a value lies outside.

        Args:
            value: What a point or an argument gave; true and false are no numbers.

        Returns:
            The end of a sentence whose subject is the parameter; None where the value lies inside.
        """
        if not isinstance(value, int) or isinstance(value, bool):
            return f"must be a whole number, {_but(value)}"
        return _outside(value, self.low, self.high, self.step)

    def position(self, value: Value) -> float:
        """Return a value's place on the distribution's scale.

        Args:
            value: A number within the bounds.

        Returns:
            From 0 at low to 1 at high.

        Example:
            >>> IntDistribution(low=1, high=100, log=True).position(10)
            0.5
        """
        return _position(value, self.low, self.high, self.log)

    def at(self, position: float) -> int:
        """Return the value nearest to a position.

        Args:
            position: From 0 at low to 1 at high, on the distribution's scale.

        Returns:
            A whole number of steps above low.

        Example:
            >>> IntDistribution(low=10, high=20, step=5).at(0.6)
            15
        """
        value = between(position, self.low, self.high, log=self.log)
        return self.low + self.step * round((value - self.low) / self.step)

    def normal(self, value: Value) -> Value:
        """Return a value that lies inside in this distribution's type.

        Args:
            value: One that `refusal` does not refuse.

        Returns:
            The value itself, which is an integer already.
        """
        return value


class FloatDistribution(_Conditional):
    """Numbers from `low` to `high`, both inclusive."""

    model_config = ConfigDict(json_schema_extra={"required": ["type", "low", "high"]})

    type: Literal["float"] = "float"
    """Numbers."""
    low: float
    """The lowest value."""
    high: float
    """The highest value."""
    log: bool = False
    """Draw so that doubling a small value is as likely as doubling a large one."""
    step: float | None = Field(default=None, gt=0.0)
    """Only low, low + step, low + 2 step and so on; high must be one of them."""

    @model_validator(mode="after")
    def _is_range(self) -> Self:
        _check_range(self.low, self.high, self.log, self.step)
        return self

    def refusal(self, value: Value) -> str | None:
        """Say why a value lies outside.

        Args:
            value: What a point or an argument gave; integers pass, true and false are no numbers.

        Returns:
            The end of a sentence whose subject is the parameter; None where the value lies inside.
        """
        if not isinstance(value, int | float) or isinstance(value, bool):
            return f"must be a number, {_but(value)}"
        return _outside(value, self.low, self.high, self.step)

    def position(self, value: Value) -> float:
        """Return a value's place on the distribution's scale.

        Args:
            value: A number within the bounds.

        Returns:
            From 0 at low to 1 at high.

        Example:
            >>> FloatDistribution(low=0.0, high=4.0).position(1.0)
            0.25
        """
        return _position(value, self.low, self.high, self.log)

    def at(self, position: float) -> float:
        """Return the value nearest to a position.

        Args:
            position: From 0 at low to 1 at high, on the distribution's scale.

        Returns:
            A number within the bounds; with a step, low and a whole number of steps, computed in
            fractions so that it is the same number wherever it comes up.

        Example:
            >>> FloatDistribution(low=0.0, high=1.0, step=0.25).at(0.6)
            0.5
        """
        value = between(position, self.low, self.high, log=self.log)
        if self.step is not None:
            steps = round((value - self.low) / self.step)
            value = float(Fraction(str(self.low)) + steps * Fraction(str(self.step)))
        return min(self.high, max(self.low, value))

    def normal(self, value: Value) -> Value:
        """Return a value that lies inside in this distribution's type.

        Args:
            value: One that `refusal` does not refuse.

        Returns:
            A float: 1.0 for 1.
        """
        return float(value) if isinstance(value, int) else value


class CategoricalDistribution(_Conditional):
    """One of several choices without an order."""

    model_config = ConfigDict(json_schema_extra={"required": ["type", "choices"]})

    type: Literal["categorical"] = "categorical"
    """One of several choices without an order."""
    choices: Annotated[tuple[CheckedValue, ...], Field(strict=False, min_length=1)]
    """Texts, numbers, true, false, null, or lists of these such as [3, 5]."""

    @model_validator(mode="after")
    def _choices_differ(self) -> Self:
        encoded = [encode_value(choice) for choice in self.choices]
        for position, choice in enumerate(encoded):
            if choice in encoded[:position]:  # 1, 1.0 and true are one choice to Optuna
                raise ValueError(f"choices must differ, but {choice!r} occurs twice")
        return self

    def refusal(self, value: Value) -> str | None:
        """Say why a value is none of the choices.

        Args:
            value: What a point or an argument gave.

        Returns:
            The end of a sentence whose subject is the parameter; None where the value is one of the
            choices.
        """
        if any(_same(value, choice) for choice in self.choices):
            return None
        choices = ", ".join(_written(choice) for choice in self.choices)
        found = _written(value) if isinstance(value, tuple) else shown(value)
        return f"must be one of {choices}, but is {found}"

    def normal(self, value: Value) -> Value:
        """Return the choice that a value equals.

        Args:
            value: One that `refusal` does not refuse.

        Returns:
            The choice as the space has it.
        """
        return next(choice for choice in self.choices if _same(value, choice))


def _written(value: Value) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _same(value: Value, choice: Value) -> bool:
    """Compare two values; unlike in Python, true is not 1."""
    return value == choice and isinstance(value, bool) == isinstance(choice, bool)


def _is_mapping(value: Any) -> Any:
    if isinstance(value, dict | _Conditional):
        return value
    raise ValueError(
        "must be a distribution such as {type: int, low: 1, high: 8}, "
        f"{_but(value)}; a fixed value belongs under model, embeddings or train"
    )


Distribution = Annotated[
    IntDistribution | FloatDistribution | CategoricalDistribution,
    Field(discriminator="type"),
    BeforeValidator(_is_mapping),
]
AnyDistribution = IntDistribution | FloatDistribution | CategoricalDistribution


def between(position: float, low: float, high: float, *, log: bool) -> float:
    """Return the value at a position between two bounds.

    Args:
        position: From 0 at low to 1 at high; beyond them the line goes on.
        low: Above 0 on a log scale.
        high: Above `low`.
        log: Whether equal steps are equal factors.

    Example:
        >>> between(0.5, 0.0, 10.0, log=False), round(between(0.5, 1.0, 100.0, log=True), 6)
        (5.0, 10.0)
    """
    return float(low * (high / low) ** position) if log else low + (high - low) * position


def encode_value(value: Value) -> Scalar:
    """Return a value as Optuna stores it.

    Args:
        value: A choice or a number of a search space.

    Returns:
        JSON text for a list; everything else as it is.

    Example:
        >>> encode_value((3, 4, 5)), encode_value("max")
        ('[3, 4, 5]', 'max')
    """
    return json.dumps(value) if isinstance(value, tuple) else value


def _check_range(low: float, high: float, log: bool, step: float | None) -> None:
    reasons = []
    if low > high:
        reasons.append(f"low must not exceed high, but low is {low} and high is {high}")
    if log and low <= 0:
        reasons.append(f"a log range must not touch 0, but low is {low}")
    if log and step is not None:
        reasons.append(f"log and step exclude each other, but step is {step}")
    if step is not None and (high - low) / step > _MOST_STEPS:
        reasons.append(f"step is too fine for the range: {step} between {low} and {high}")
    elif step is not None and low <= high and not _on_grid(high, low, step):
        reasons.append(
            f"high must be low plus a whole number of steps, "
            f"but low is {low}, step is {step} and high is {high}"
        )
    if reasons:
        raise ValueError("; ".join(reasons))


def _outside(value: float, low: float, high: float, step: float | None) -> str | None:
    if not low <= value <= high:
        return f"must lie between {low} and {high}, {_but(value)}"
    if step is not None and not _on_grid(value, low, step):
        return f"must be {low} plus a whole number of steps of {step}, {_but(value)}"
    return None


def _on_grid(value: float, low: float, step: float) -> bool:
    """Tell whether a value is on a grid, exactly in decimals: 0.3 is on that of 0.1."""
    return (Fraction(str(value)) - Fraction(str(low))) % Fraction(str(step)) == 0


def _position(value: Value, low: float, high: float, log: bool) -> float:
    if not isinstance(value, int | float):
        raise TypeError(f"only a number has a position in a range, not {value!r}")
    if log:
        value, low, high = math.log(value), math.log(low), math.log(high)
    if low == high:  # neighbours may share a logarithm
        return 0.5  # at neither edge
    return (value - low) / (high - low)
