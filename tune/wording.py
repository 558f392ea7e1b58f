"""Durations and parameters as people read them."""

from collections.abc import Mapping
from typing import Any


def duration(seconds: float) -> str:
    """42.0 s, 3m07s, 2h05m."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02}m"


def whole(seconds: float) -> str:
    """A duration without tenths: 42 s, 3m07s, 2h05m."""
    rounded = round(seconds)
    return f"{rounded} s" if rounded < 60 else duration(rounded)


def parameters(params: Mapping[str, Any]) -> str:
    """Parameters on one line, numbers to four digits."""
    return "  ".join(
        f"{name}={value:.4g}" if isinstance(value, float) else f"{name}={value}"
        for name, value in params.items()
    )
