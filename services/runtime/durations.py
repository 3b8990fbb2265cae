"""Durations as answers show them."""

from __future__ import annotations


def milliseconds(seconds: float) -> float:
    """Seconds as milliseconds, to the microsecond: what a clock has beyond that is noise."""
    return round(seconds * 1000, 3)
