"""How fast counters grow between two looks at a server. Remembers a bounded number of servers.

What an overview reports since the call before: a server that was restarted meanwhile, and so counts anew, begins anew.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

UNKNOWN = -1.0
MAX_REMEMBERED = 1000
"""Servers whose counters are kept; the one not asked about for the longest goes."""


@dataclass(frozen=True, slots=True)
class Look:
    """The counters of one moment."""

    at_s: float
    """Monotonic clock."""
    generation: str
    """Changes when the server counts anew: its run id, say."""
    counters: Mapping[str, float]
    """By name."""


@dataclass(frozen=True, slots=True)
class Growth:
    """What became of counters since the look before."""

    interval_s: float = UNKNOWN
    """Seconds since it; -1 where there was none."""
    per_second: Mapping[str, float] = field(default_factory=dict)
    """By name; those without two figures are missing."""

    def of(self, name: str) -> float:
        """How much a second; -1 where that is not known."""
        return self.per_second.get(name, UNKNOWN)


class Rates:
    """The looks before.

    Args:
        size: servers to remember.
        clock: seconds, never going back.
    """

    def __init__(self, size: int = MAX_REMEMBERED, clock: Callable[[], float] = time.monotonic) -> None:
        self._size = size
        self._clock = clock
        self._looks: OrderedDict[tuple[str, str], Look] = OrderedDict()

    def look(self, key: tuple[str, str], generation: str, counters: Mapping[str, float]) -> Growth:
        """Takes a look, and says what has changed since the last one.

        Args:
            key: the database and the node.
            generation: changes when the server counts anew.
            counters: figures that only grow, by name.
        """
        before = self._looks.pop(key, None)
        now = Look(self._clock(), generation, counters)
        self._looks[key] = now
        if len(self._looks) > self._size:
            self._looks.popitem(last=False)
        if before is None or before.generation != generation or now.at_s <= before.at_s:
            return Growth()
        interval = now.at_s - before.at_s
        return Growth(
            interval,
            {
                name: (value - before.counters[name]) / interval
                for name, value in counters.items()
                # Smaller than before: CONFIG RESETSTAT.
                if name in before.counters and value >= before.counters[name]
            },
        )
