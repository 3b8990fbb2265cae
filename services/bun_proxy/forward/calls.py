"""The last calls of each API: what was asked, how it ended, how long it took. No bodies, headers or queries."""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MAX_PATH_CHARS = 256


@dataclass(frozen=True, slots=True)
class Call:
    """One request that was forwarded, or was to be."""

    at: float
    """When it began, in seconds since 1970."""
    method: str
    path: str
    """At the API, without the query; the first `MAX_PATH_CHARS` characters."""
    status: int
    """The answer's; 0 for none."""
    answer_ms: float
    """Milliseconds until the answer's headers; -1 without one."""
    duration_ms: float
    """Milliseconds until its end."""
    request_bytes: int
    """Of the request's body that were sent on."""
    response_bytes: int
    """Of the answer's body that came."""
    error_code: str
    """The reason's name where this service failed the call, `CANCELLED` where the caller went away; else empty."""


class CallLog:
    """The calls of every API, at most `apis` of them; the one that was called longest ago is forgotten first.

    Args:
        apis: APIs remembered.
        calls: calls remembered of each.
    """

    def __init__(self, apis: int, calls: int) -> None:
        self._apis = apis
        self._calls = calls
        self._found: OrderedDict[str, deque[tuple[int, Call]]] = OrderedDict()

    def add(self, database_id: str, call: Call) -> None:
        """Remembers a call."""
        calls = self._found.get(database_id)
        if calls is None:
            calls = self._found[database_id] = deque(maxlen=self._calls)
            if len(self._found) > self._apis:
                self._found.popitem(last=False)
        else:
            self._found.move_to_end(database_id)
        calls.append((calls[-1][0] + 1 if calls else 1, call))

    def of(self, database_id: str) -> Sequence[Call]:
        """The calls of an API, the last one first."""
        return tuple(call for _, call in self.numbered(database_id))

    def numbered(self, database_id: str) -> Sequence[tuple[int, Call]]:
        """The same with their numbers, which only grow: pages begin at one."""
        return tuple(reversed(self._found.get(database_id, ())))


def percentiles(values: Iterable[float], wanted: Sequence[float] = (50, 90, 99)) -> list[float]:
    """Percentiles by the nearest rank: each is a value that was measured. Empty without values."""
    ordered = sorted(values)
    if not ordered:
        return []
    return [ordered[max(0, math.ceil(each / 100 * len(ordered)) - 1)] for each in wanted]
