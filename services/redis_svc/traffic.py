"""Counts what goes over connections: of each one for tests, of all together for metrics. No labels, no user's data.

Plain integers that are read when somebody asks for `/metrics`: counting must cost the hot path next to nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client import REGISTRY
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector


@dataclass(slots=True)
class Traffic:
    """What went over a connection."""

    writes: int = 0
    """Times something was handed to the socket."""
    commands: int = 0
    """Commands written."""


@dataclass(slots=True)
class Totals:
    """What went over all connections of this process."""

    writes: int = 0
    """Times something was handed to a socket."""
    commands: int = 0
    """Commands written."""
    in_flight: int = 0
    """Commands that wait to be written or answered."""
    open: int = 0
    """Connections that are open, dedicated ones included."""
    connects: int = 0
    """Connections made that callers share, the first ones and those after one was lost."""
    failed_connects: int = 0
    """Attempts, retries included, after which callers were told that there is no connection."""
    reconnects: int = 0
    """Connections made after one was lost."""
    redirects: int = 0
    """Commands that a node of a Redis Cluster sent to another one (MOVED, ASK)."""
    rediscoveries: int = 0
    """Times a Cluster's slots or a Sentinel's master were asked for."""


TOTALS = Totals()
"""Of this process."""

_COUNTERS = {
    "writes": "Writes to sockets of Redis servers; several commands may share one.",
    "commands": "Commands written to Redis servers.",
    "connects": "Connections made to Redis servers.",
    "failed_connects": "Connections to Redis servers that could not be made.",
    "reconnects": "Connections to Redis servers made after one was lost.",
    "redirects": "Commands that a node of a Redis Cluster sent to another one.",
    "rediscoveries": "Times that the servers of a Redis Cluster or of Sentinels were looked up.",
}


class _Collector(Collector):
    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        for name, text in _COUNTERS.items():
            yield CounterMetricFamily(f"studio_redis_{name}", text, value=getattr(TOTALS, name))
        yield GaugeMetricFamily(
            "studio_redis_commands_in_flight",
            "Commands that wait for a Redis server.",
            value=TOTALS.in_flight,
        )
        yield GaugeMetricFamily(
            "studio_redis_connections", "Connections to Redis servers that are open.", value=TOTALS.open
        )


REGISTRY.register(_Collector())
