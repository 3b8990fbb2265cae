"""How much of a process one caller may have: calls a second, by role, and streams at a time.

So that one who asks in a loop, or forgets to close what he opened, leaves room for the others. What all callers
together may have is `interceptors.admit`'s.
"""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from services.runtime import context as call
from services.runtime.client_address import network
from services.runtime.context import Caller
from services.runtime.errors import StudioError
from studio.options.v1.access_pb2 import Role
from studio.options.v1.errors_pb2 import ERROR_REASON_RESOURCE_EXHAUSTED

BURST_S = 2.0
"""A caller who was quiet may make at once the calls of so many seconds."""
MAX_CALLERS = 10_000
"""Callers whose calls are counted; past that the one known for the longest begins anew."""
STREAMS_RETRY_S = 5.0


_Key = tuple[Role.ValueType, str, str]
"""Role, subject, and of the anonymous, who share one, the address."""


class CallerLimits:
    """Counts for one process.

    Args:
        rates: calls a second by role; 0 for any. Roles that are not there have no limit: services.
        max_streams: streams of one caller at a time; 0 for any.
        clock: seconds, never going back.
    """

    def __init__(
        self,
        rates: Mapping[Role.ValueType, int],
        max_streams: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._intervals = {role: 1 / rate for role, rate in rates.items() if rate}
        self._rates = rates
        self._max_streams = max_streams
        self._clock = clock
        self._due: dict[_Key, float] = {}
        """When a caller who makes calls evenly would have come to the number he has made."""
        self._streams: Counter[_Key] = Counter()

    def count(self, caller: Caller) -> None:
        """Counts a call.

        One number a caller is enough: the generic cell rate algorithm, which is a token bucket read backwards
        (https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm).

        Raises:
            StudioError: RESOURCE_EXHAUSTED, with the seconds until there is room again.
        """
        interval_s = self._intervals.get(caller.role)
        if interval_s is None:
            return
        key, now = _key(caller), self._clock()
        due = self._due.get(key)
        if due is None:
            if len(self._due) >= MAX_CALLERS:
                del self._due[next(iter(self._due))]
            due = now
        ahead_s = due - now
        # Half a call more than the burst: intervals are added up, and are no whole binary fractions.
        if ahead_s > BURST_S - interval_s / 2:
            raise StudioError(
                ERROR_REASON_RESOURCE_EXHAUSTED,
                f"Too many calls in a short time: one caller may make {self._rates[caller.role]} a second here.",
                retry_after_s=ahead_s - BURST_S + interval_s,
            )
        self._due[key] = max(due, now) + interval_s

    @contextlib.contextmanager
    def stream(self, caller: Caller) -> Iterator[None]:
        """Counts a stream for the time of a block.

        Raises:
            StudioError: RESOURCE_EXHAUSTED.
        """
        if not self._max_streams or caller.is_service:
            yield
            return
        key = _key(caller)
        if self._streams[key] >= self._max_streams:
            raise StudioError(
                ERROR_REASON_RESOURCE_EXHAUSTED,
                f"One caller may have {self._max_streams} streams open at a time here; close one first.",
                retry_after_s=STREAMS_RETRY_S,
            )
        self._streams[key] += 1
        try:
            yield
        finally:
            self._streams[key] -= 1
            if not self._streams[key]:
                del self._streams[key]


def _key(caller: Caller) -> _Key:
    return (caller.role, caller.subject, network(call.address.get()) if caller.is_anonymous else "")
