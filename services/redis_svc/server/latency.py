"""How long things take: the latency monitor's events, the server's statistics by command, one PING from here.

https://redis.io/docs/latest/operate/oss_and_stack/management/optimization/latency-monitor/
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter  # the event loop's own clock has milliseconds only, under uvloop

from services.redis_svc.client import RedisClient
from services.redis_svc.errors import to_studio_error
from services.redis_svc.replies import Reply, ServerError
from services.redis_svc.server.facts import (
    COMMANDS,
    LATENCIES,
    UNKNOWN,
    Facts,
    as_number,
    read_facts,
    read_settings,
)
from services.redis_svc.server.nodes import Node, ask_all, nodes_of
from services.runtime.errors import StudioError
from studio.options.v1 import errors_pb2 as e

MAX_COMMANDS = 100
THRESHOLD = "latency-monitor-threshold"
_EVENT_PARTS = 4
_REFUSALS = frozenset(
    {e.ERROR_REASON_DB_PERMISSION_DENIED, e.ERROR_REASON_NOT_SUPPORTED, e.ERROR_REASON_DB_QUERY_ERROR}
)
"""What is answered where a server keeps something to itself; anything else is trouble."""


@dataclass(frozen=True, slots=True)
class Event:
    """A kind of event that took long."""

    name: str
    at_unix_ms: float
    latest_ms: float
    max_ms: float


@dataclass(slots=True)
class CommandTimes:
    """What the server counts of a command."""

    name: str
    calls: float = 0.0
    usec: float = 0.0
    p50_us: float = UNKNOWN
    p99_us: float = UNKNOWN

    @property
    def usec_per_call(self) -> float:
        """Mean microseconds."""
        return self.usec / self.calls if self.calls else 0.0


@dataclass(frozen=True, slots=True)
class Latency:
    """Of all servers together."""

    events: list[Event]
    threshold_ms: float
    """0 when the monitor is off, -1 where the server does not tell."""
    commands: list[CommandTimes]
    """Most calls first."""
    round_trip_ms: float


async def get_latency(client: RedisClient) -> Latency:
    """What the servers say of their latency. What one of them keeps to itself is missing.

    Raises:
        StudioError: the user may ask for nothing of it: why. DB_CONNECTION_FAILED, …
    """

    async def ask(node: Node) -> tuple[list[Event], float, dict[str, CommandTimes], float, list[StudioError]]:
        refusals: list[StudioError] = []
        started = perf_counter()
        # Whatever the answer: it came, and took so long.
        await node.link.execute(b"PING")
        round_trip_ms = (perf_counter() - started) * 1000
        latest = await node.link.execute(b"LATENCY", b"LATEST")
        if isinstance(latest, ServerError):
            refusals.append(to_studio_error(latest, command="LATENCY LATEST"))
        threshold = as_number((await read_settings(node.link, THRESHOLD)).get(THRESHOLD))
        commands: dict[str, CommandTimes] = {}
        try:
            commands = command_times(await read_facts(node.link, COMMANDS, LATENCIES))
        except StudioError as error:
            if error.reason not in _REFUSALS:
                raise
            refusals.append(error)
        events = list(parse_events(latest))
        return events, UNKNOWN if threshold is None else threshold, commands, round_trip_ms, refusals

    answers = await ask_all(await nodes_of(client), ask)
    for *_, refusals in answers:
        if len(refusals) > 1:
            raise refusals[0]
    return Latency(
        events=_latest(event for events, *_ in answers for event in events),
        threshold_ms=max(answer[1] for answer in answers),
        commands=combine([answer[2] for answer in answers])[:MAX_COMMANDS],
        round_trip_ms=max(answer[3] for answer in answers),
    )


def parse_events(reply: Reply) -> Iterator[Event]:
    """The events in a reply of LATENCY LATEST: name, seconds since 1970, latest and longest in milliseconds."""
    for entry in reply if isinstance(reply, list) else ():
        if not isinstance(entry, list) or len(entry) < _EVENT_PARTS or not isinstance(entry[0], bytes):
            continue
        at_s, latest, longest = (float(each) if isinstance(each, int) else UNKNOWN for each in entry[1:4])
        yield Event(entry[0].decode("utf-8", "replace"), at_s * 1000, latest, longest)


def command_times(facts: Facts) -> dict[str, CommandTimes]:
    """INFO's commandstats and latencystats, by command."""
    found: dict[str, CommandTimes] = {}
    for name, row in facts.rows(COMMANDS, "cmdstat_").items():
        calls, usec = (as_number(row.get(key)) or 0.0 for key in ("calls", "usec"))
        if not calls:
            continue  # every one was rejected: it has taken no time
        found[name] = CommandTimes(name.replace("|", " "), calls, usec)
    for name, row in facts.rows(LATENCIES, "latency_percentiles_usec_").items():
        if name in found:
            p50, p99 = (as_number(row.get(key)) for key in ("p50", "p99"))
            found[name].p50_us = UNKNOWN if p50 is None else p50
            found[name].p99_us = UNKNOWN if p99 is None else p99
    return found


def combine(servers: Sequence[dict[str, CommandTimes]]) -> list[CommandTimes]:
    """Several servers' figures as one: calls summed, percentiles those of the worst. Most calls first."""
    sums: dict[str, CommandTimes] = {}
    for server in servers:
        for name, times in server.items():
            known = sums.setdefault(name, CommandTimes(times.name))
            known.calls += times.calls
            known.usec += times.usec
            known.p50_us = max(known.p50_us, times.p50_us)
            known.p99_us = max(known.p99_us, times.p99_us)
    return sorted(sums.values(), key=lambda each: (-each.calls, each.name))


def _latest(events: Iterator[Event]) -> list[Event]:
    """One a kind: the last time it happened, and the longest that it took anywhere."""
    found: dict[str, Event] = {}
    for event in events:
        known = found.get(event.name)
        if known is not None:
            newer = max(known, event, key=lambda each: each.at_unix_ms)
            event = Event(event.name, newer.at_unix_ms, newer.latest_ms, max(known.max_ms, event.max_ms))  # noqa: PLW2901
        found[event.name] = event
    return sorted(found.values(), key=lambda each: -each.max_ms)
