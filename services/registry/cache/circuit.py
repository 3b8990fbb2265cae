"""Leaves a failing thing alone for a while, then lets a single caller find out whether it is back."""

from __future__ import annotations

import time
from collections.abc import Callable


class Circuit:
    """Closed while the thing works.

    Args:
        rest_s: how long it is left alone after a failure.
        clock: seconds that only grow.
    """

    def __init__(self, rest_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rest_s = rest_s
        self._clock = clock
        self._open_until: float | None = None

    def may_try(self) -> bool:
        """Whether to try now. While it is open, one caller each `rest_s` may."""
        if self._open_until is None:
            return True
        now = self._clock()
        if now < self._open_until:
            return False
        # The others go on without it until this one has succeeded.
        self._open_until = now + self._rest_s
        return True

    def failed(self) -> bool:
        """Notes a failure; returns whether it is the first one."""
        was_closed = self._open_until is None
        self._open_until = self._clock() + self._rest_s
        return was_closed

    def succeeded(self) -> bool:
        """Notes a success; returns whether it ends an outage."""
        was_open = self._open_until is not None
        self._open_until = None
        return was_open
