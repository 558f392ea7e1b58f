"""Format durations and parameters for people."""

import math
import re
from collections.abc import Mapping
from typing import Any

from textcls.output import printable

_STEPS = ((1, 10), (5, 120), (15, 600), (60, 3600), (300, 4 * 3600), (1800, math.inf))
"""To how many seconds a duration is rounded, up to how many."""

NONE = "\N{EN DASH}"
"""Shown for a value that a trial does not have."""


_USER_INFO = re.compile(r"(?<=://)([^/@:\s]*):[^@\s]*@")
_SECRET_KEY = re.compile(r"(?i)([?&][^=&\s]*(?:pass|secret|token|key)[^=&\s]*=)[^&\s]*")


def without_password(text: str) -> str:
    """Return a text whose addresses keep no password, as a user's or as an option.

    Example:
        >>> without_password("postgresql://ada:secret@host/db?sslpassword=x")
        'postgresql://ada:***@host/db?sslpassword=***'
    """
    return _SECRET_KEY.sub(r"\1***", _USER_INFO.sub(r"\1:***@", text))


def duration(seconds: float) -> str:
    """Format seconds for people.

    Args:
        seconds: Not negative.

    Returns:
        Below a minute with tenths, below an hour in minutes and seconds, else in hours and minutes.

    Example:
        >>> duration(42), duration(187), duration(7_500)
        ('42.0 s', '3m07s', '2h05m')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02}m"


def rounded_duration(seconds: float) -> str:
    """Format seconds without tenths.

    Example:
        >>> rounded_duration(41.7), rounded_duration(187.2)
        ('42 s', '3m07s')
    """
    rounded = round(seconds)
    return f"{rounded} s" if rounded < 60 else duration(rounded)


def duration_range(low_s: float, high_s: float) -> str:
    """Format two durations, rounded outwards to figures that do not change at every look.

    Args:
        low_s: Seconds, not negative.
        high_s: Seconds, at least as many; the longer it is, the coarser both are rounded.

    Example:
        >>> duration_range(31, 47)
        '30 to 50 s'
    """
    step = next((step for step, upto_s in _STEPS if high_s <= upto_s), _STEPS[-1][0])
    low, high = math.floor(low_s / step) * step, math.ceil(high_s / step) * step
    return (
        f"{low} to {rounded_duration(high)}"
        if high < 60
        else f"{rounded_duration(low)} to {rounded_duration(high)}"
    )


def format_params(params: Mapping[str, Any]) -> str:
    """Format parameters on one line, numbers to four digits.

    Example:
        >>> format_params({"hidden_size": 64, "learning_rate": 0.0123456})
        'hidden_size=64  learning_rate=0.01235'
    """
    return "  ".join(f"{name}={format_value(value)}" for name, value in params.items())


def params_as_used(params: Mapping[str, Any], used: Mapping[str, str]) -> dict[str, Any]:
    """Return parameters with the vectors that were used instead of those that were out of reach.

    Args:
        params: A trial's parameters.
        used: The vectors that took others' place, by the name of those.

    Example:
        >>> params_as_used({"embeddings": "glove-twitter-50"}, {"glove-twitter-50": "corpus"})
        {'embeddings': 'corpus (for glove-twitter-50)'}
    """
    asked = params.get("embeddings")
    if not isinstance(asked, str) or asked not in used:
        return dict(params)
    return {**params, "embeddings": f"{used[asked]} (for {asked})"}


def counted(number: int, noun: str) -> str:
    """Return a number with its noun.

    Args:
        number: Written with commas at the thousands.
        noun: In the singular; for any number but 1 an "s" is added.

    Example:
        >>> counted(1, "trial"), counted(1_000, "trial")
        ('1 trial', '1,000 trials')
    """
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def format_value(value: Any) -> str:
    """Format a parameter's value.

    Args:
        value: A float is written to four digits; of a text what a terminal would obey is left out.

    Example:
        >>> format_value(0.0123456), format_value("gru")
        ('0.01235', 'gru')
    """
    return f"{value:.4g}" if isinstance(value, float) else printable(str(value))


def value_text(value: object) -> str:
    """Format a parameter's value as people write it.

    Example:
        >>> value_text(True), value_text((3, 4, 5)), value_text(1e-5)
        ('true', '[3, 4, 5]', '1e-05')
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "none"
    if isinstance(value, tuple):
        return "[" + ", ".join(value_text(item) for item in value) + "]"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
