"""The last calls of an API, filtered, page by page, and taken together: percentiles by route."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from services.bun_proxy.discovery.patterns import Patterns
from services.bun_proxy.forward.calls import Call, percentiles

ROUTES_SHOWN = 100
DEFAULT_PAGE = 100
CLIENT_ERRORS = range(400, 500)
SERVER_ERRORS = range(500, 1000)


@dataclass(frozen=True, slots=True)
class Query:
    """Which calls are wanted; empty or 0 for any."""

    method: str = ""
    path: str = ""
    """Contained in theirs."""
    route: str = ""
    min_status: int = 0
    max_status: int = 0
    only_incomplete: bool = False
    min_duration_ms: float = 0.0
    size: int = DEFAULT_PAGE
    before: int = 0
    """Number of the last call of the page before; 0 for the first page."""

    def takes(self, call: Call, path: str, route: str) -> bool:
        """Whether a call is wanted."""
        return (
            (not self.method or call.method == self.method)
            and self.path in path
            and (not self.route or route == self.route)
            and (not self.min_status or call.status >= self.min_status)
            and (not self.max_status or 0 < call.status <= self.max_status)
            and (not self.only_incomplete or bool(call.error_code))
            and call.duration_ms >= self.min_duration_ms
        )


@dataclass(frozen=True, slots=True)
class Entry:
    """A call as it is shown."""

    number: int
    call: Call
    path: str
    """Below the base path."""
    route: str


@dataclass(frozen=True, slots=True)
class Stats:
    """Calls taken together."""

    method: str
    route: str
    calls: Sequence[Call] = field(repr=False)

    @property
    def client_errors(self) -> int:
        """Answered with 4xx."""
        return sum(call.status in CLIENT_ERRORS for call in self.calls)

    @property
    def server_errors(self) -> int:
        """Answered with 5xx."""
        return sum(call.status in SERVER_ERRORS for call in self.calls)

    @property
    def incomplete(self) -> int:
        """Without a complete answer."""
        return sum(bool(call.error_code) for call in self.calls)

    def percentiles_ms(self) -> tuple[float, float, float]:
        """The 50th, 90th and 99th of their times; -1 each without calls."""
        found = percentiles(call.duration_ms for call in self.calls)
        return (found[0], found[1], found[2]) if found else (-1.0, -1.0, -1.0)


@dataclass(frozen=True, slots=True)
class Page:
    """A page of calls, and all that match taken together."""

    entries: Sequence[Entry]
    next: int
    """Number of the last one; 0 on the last page."""
    total: Stats
    by_route: Sequence[Stats]


def page(numbered: Sequence[tuple[int, Call]], query: Query, patterns: Patterns, base_path: str) -> Page:
    """A page of calls.

    Args:
        numbered: the calls with their numbers, the last one first.
        query: which are wanted.
        patterns: the API's routes, as far as they are known.
        base_path: of its connection.
    """
    found = []
    routes: dict[tuple[str, str], list[Call]] = {}
    for number, call in numbered:
        path = call.path.removeprefix(base_path) or "/"
        route = patterns.route_of(path)
        if query.takes(call, path, route):
            found.append(Entry(number, call, path, route))
            routes.setdefault((call.method, route), []).append(call)
    rest = [each for each in found if not query.before or each.number < query.before]
    shown = rest[: query.size]
    most = sorted(routes.items(), key=lambda each: (-len(each[1]), each[0]))[:ROUTES_SHOWN]
    return Page(
        entries=shown,
        next=shown[-1].number if len(rest) > len(shown) else 0,
        total=Stats("", "", [each.call for each in found]),
        by_route=[Stats(method, route, calls) for (method, route), calls in most],
    )
