"""The connections to one API: kept while they are fresh, the last used first, and a new one where none is left."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from services.bun_proxy.forward.connection import UpstreamConnection
from services.bun_proxy.forward.dialing import Dialer
from services.bun_proxy.limits import Limits

SWEEP_S = 1.0


@dataclass(frozen=True, slots=True)
class PoolStats:
    """A pool at one moment."""

    idle: int
    """Connections that nobody uses."""
    in_use: int
    """Connections with a request on them."""
    opened: int
    """Connections made so far."""
    reused: int
    """Requests that found one."""


class ConnectionPool:
    """The pool. How many connections are in use at a time is bounded by whoever asks for them.

    Args:
        where: the API's origin, for messages.
        dialer: makes connections.
        limits: bounds.
    """

    def __init__(self, where: str, dialer: Dialer, limits: Limits) -> None:
        self._where = where
        self._dialer = dialer
        self._limits = limits
        self._idle: list[UpstreamConnection] = []
        self._in_use: set[UpstreamConnection] = set()
        self._sweeper: asyncio.TimerHandle | None = None
        self._opened = self._reused = 0
        self._closed = False

    async def acquire(self, *, fresh: bool = False) -> UpstreamConnection:
        """A connection for one request; `release` it.

        Args:
            fresh: a new one, whatever there is.

        Raises:
            StudioError: none can be made.
        """
        now = time.monotonic()
        while self._idle and not fresh:
            connection = self._idle.pop()
            if connection.is_reusable and now - connection.idle_since < connection.keep_idle_s:
                self._reused += 1
                self._in_use.add(connection)
                return connection
            connection.abort()
        connection = UpstreamConnection(self._where, self._limits, self._lost)
        await self._dialer.dial(connection)
        self._opened += 1
        self._in_use.add(connection)
        return connection

    def release(self, connection: UpstreamConnection) -> None:
        """Keeps a connection for the next request, or closes it."""
        self._in_use.discard(connection)
        if self._closed or not connection.is_reusable or len(self._idle) >= self._limits.max_idle:
            connection.abort()
            return
        connection.rest()
        self._idle.append(connection)
        if self._sweeper is None:
            self._sweeper = asyncio.get_running_loop().call_later(SWEEP_S, self._sweep)

    def stats(self) -> PoolStats:
        """The pool at this moment."""
        return PoolStats(len(self._idle), len(self._in_use), self._opened, self._reused)

    def close(self) -> None:
        """Closes every connection, also those in use."""
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        for connection in (*self._idle, *self._in_use):
            connection.abort()
        self._idle.clear()

    def _lost(self, connection: UpstreamConnection) -> None:
        if connection in self._idle:
            self._idle.remove(connection)

    def _sweep(self) -> None:
        now = time.monotonic()
        for connection in [each for each in self._idle if now - each.idle_since >= each.keep_idle_s]:
            self._idle.remove(connection)
            connection.abort()
        self._sweeper = asyncio.get_running_loop().call_later(SWEEP_S, self._sweep) if self._idle else None
