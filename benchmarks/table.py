"""Rows of the table: minimum, median and maximum of each figure, ratios pair by pair."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One line of the table."""

    name: str
    """What was measured."""
    samples: Sequence[float]
    """One value a round."""
    unit: str
    """Of the samples; empty for a ratio."""
    goal: str = ""
    """What the project asks for, where it asks for something."""

    def line(self) -> str:
        """The figure as a line of text."""
        values = (min(self.samples), statistics.median(self.samples), max(self.samples))
        shown = " ".join(f"{_short(value):>10}" for value in values)
        return f"{self.name:<58} {shown}  {self.unit:<9} {self.goal}".rstrip()


def ratio(name: str, above: Figure, below: Figure, goal: str = "") -> Figure:
    """One figure over another, round by round: both were taken side by side, so the machine's drift cancels out."""
    pairs = zip(above.samples, below.samples, strict=True)
    return Figure(name, [a / b for a, b in pairs], "", goal)


def header() -> str:
    """The line above the table."""
    return f"{'':<58} {'min':>10} {'median':>10} {'max':>10}  {'unit':<9} goal"


def _short(value: float) -> str:
    if value >= 100:  # noqa: PLR2004  beyond that a fraction says nothing
        return f"{value:,.0f}"
    return f"{value:.2f}"
