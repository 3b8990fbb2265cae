"""Prometheus metrics of bun_proxy alone: its connections to APIs, over all of them."""

from __future__ import annotations

from typing import Protocol

from prometheus_client import Gauge

from services.runtime.instances import Instances


class Stats(Protocol):
    """What is asked of a pool's numbers."""

    @property
    def idle(self) -> int:
        """Connections that nobody uses."""

    @property
    def in_use(self) -> int:
        """Connections with a request on them."""


class Counted(Protocol):
    """A pool of connections to one API."""

    def stats(self) -> Stats:
        """The pool at this moment."""


POOLS = Instances[Counted]()

_CONNECTIONS = Gauge("studio_bun_connections", "Connections to Bun APIs by state.", ("state",))
_CONNECTIONS.labels("open").set_function(
    lambda: POOLS.total(lambda pool: pool.stats().idle + pool.stats().in_use)
)
_CONNECTIONS.labels("in_use").set_function(lambda: POOLS.total(lambda pool: pool.stats().in_use))
