"""Prometheus metrics of the MongoDB service alone: the driver's connections, over all clients and servers."""

from __future__ import annotations

from prometheus_client import Gauge
from pymongo.asynchronous.pool import Pool

from services.runtime.instances import Instances

POOLS = Instances[Pool]()
"""Each client has one for each of its servers."""


def count(pool: Pool) -> None:
    """Counts a pool's connections; not those of monitors, which carry no command."""
    if not pool.is_sdam:
        POOLS.add(pool)


_CONNECTIONS = Gauge(
    "studio_mongodb_connections",
    "Connections to MongoDB servers by state, and commands that wait for one.",
    ("state",),
)
_CONNECTIONS.labels("open").set_function(
    lambda: POOLS.total(lambda pool: len(pool.conns) + pool.active_sockets)
)
_CONNECTIONS.labels("in_use").set_function(lambda: POOLS.total(lambda pool: pool.active_sockets))
_CONNECTIONS.labels("waiting").set_function(
    lambda: POOLS.total(lambda pool: max(0, pool.operation_count - pool.requests))
)
