"""Read times as people write them: 90, "90s", "5m" or "1h30m"."""

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from textcls.config.messages import shown

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3_600, "d": 86_400}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:[smhd]|$))+")
_PART = re.compile(r"(\d+(?:\.\d+)?)([smhd]?)")


def _seconds(value: object) -> object:
    """Convert 90, "90s", "5m" or "1h30m" to seconds."""
    if not isinstance(value, str):
        return value
    if not _DURATION.fullmatch(value):
        raise ValueError(
            f"must be seconds or a time such as 90s, 5m or 1h30m, but is {shown(value)}"
        )
    return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(value))


Duration = Annotated[float, BeforeValidator(_seconds), Field(gt=0.0)]
"""Seconds, more than 0."""

DURATION_SCHEMA: dict[str, Any] = {"anyOf": [{"type": ["number", "string"]}, {"type": "null"}]}
"""What a schema says of a time that may be left out."""
