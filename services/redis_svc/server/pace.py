"""How large a step of an analysis may be, and how long to rest after it, so that nobody else notices.

A Redis does one thing at a time: while it works on a step, everybody waits, and whoever comes in one of a hundred such
moments makes up the 99th percentile. So what counts is how short a step is: worth some 30 microseconds of the server's
time. Steps were compared with a second client's GETs, where it, the server and the engine's modules alone (no gateway)
shared two cores with other work. Medians of separate runs, whose idle values varied tenfold: steps of 4 keys made the
99th percentile 1.7 to 1.8 times what it is without, of 10 keys 2.0 to 2.3 times, of 100 keys (one run) 6.8 times. Rests
made little difference to that; they leave processors to others. `benchmarks.redis_guard` measures the whole system.

A step's cost is what its round trip takes beyond that of a PING. Where the network takes long anyway, other clients'
calls do as well, and larger steps are as little felt.
"""

from __future__ import annotations

from collections import deque

MIN_STEP = 4
MAX_STEP = 500
"""Keys of a step."""
HOLD_S = 0.000_03
"""Time of the server that a step is worth, next to it."""
MAX_HOLD_S = 0.002
"""The same, however far away it is."""
HOLD_SHARE = 0.25
"""Of a PING's round trip that a step is worth."""
REST_FACTOR = 2.0
"""Time for others, after each time of the server's and of this process."""
MIN_REST_S = 0.001
"""Shorter rests are saved up: timers of the event loop don't tell less."""
MAX_REST_S = 0.25
"""A server that stood still for another reason is not waited for longer."""
_FIRST_COST_S = 0.000_01
"""Of a key, before anything was measured."""
_LEAST_COST_S = 0.000_001
_LEARN = 0.2
"""Weight of each new measurement."""
_PINGS = 8
"""Round trips remembered; the shortest is what the network takes."""


class Pace:
    """Steps and rests of one analysis on one server."""

    def __init__(self) -> None:
        self._cost = _FIRST_COST_S
        self._pings: deque[float] = deque(maxlen=_PINGS)
        self._owed = 0.0

    @property
    def step(self) -> int:
        """Keys of the next step."""
        hold = min(max(HOLD_S, self._network * HOLD_SHARE), MAX_HOLD_S)
        return max(MIN_STEP, min(MAX_STEP, int(hold / self._cost)))

    def pinged(self, took_s: float) -> None:
        """Learns what the network takes."""
        self._pings.append(took_s)

    def worked(self, keys: int, took_s: float, busy_s: float = 0.0) -> None:
        """Learns what a step has cost.

        Args:
            keys: of the step.
            took_s: its round trip.
            busy_s: processor time that it took here: the server may be on the same machine.
        """
        held = max(took_s - self._network, keys * _LEAST_COST_S)
        self._cost += (max(held / max(keys, 1), _LEAST_COST_S) - self._cost) * _LEARN
        self._owed += min((held + busy_s) * REST_FACTOR, MAX_REST_S)

    def rest(self) -> float:
        """Seconds to rest now; 0 while it is too little to tell."""
        if self._owed < MIN_REST_S:
            return 0.0
        owed, self._owed = self._owed, 0.0
        return min(owed, MAX_REST_S)

    @property
    def _network(self) -> float:
        return min(self._pings, default=0.0)
