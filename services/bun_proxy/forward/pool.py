"""The connections to one API: kept while they are fresh, the last used first, and a new one where none is left.

Of HTTP/1.1 each carries a request at a time; of HTTP/2 one carries many, and another is made when it is full.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from services.bun_proxy import metrics
from services.bun_proxy.forward.connection import UpstreamConnection
from services.bun_proxy.forward.dialing import Dialer
from services.bun_proxy.forward.http2 import Session, Stream
from services.bun_proxy.forward.reading import Upstream
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
    """The pool. How many requests run at a time is bounded by whoever asks for connections.

    Args:
        where: the API's origin, for messages.
        dialer: makes connections.
        limits: bounds.
        http2: whether HTTP/2 is offered.
    """

    def __init__(self, where: str, dialer: Dialer, limits: Limits, *, http2: bool = False) -> None:
        self._where = where
        self._dialer = dialer
        self._limits = limits
        self._idle: list[UpstreamConnection] = []
        self._in_use: set[UpstreamConnection] = set()
        self._sessions: list[Session] = []
        self._offers_http2 = http2
        self._dialling = asyncio.Lock()
        """So that callers who come at the same time share the first connection, where it turns out to be HTTP/2."""
        self._sweeper: asyncio.TimerHandle | None = None
        self._opened = self._reused = 0
        self._closed = False
        metrics.POOLS.add(self)

    async def acquire(self, *, fresh: bool = False) -> Upstream:
        """What one request is sent on; `release` it.

        Args:
            fresh: a new connection, whatever there is.

        Raises:
            StudioError: none can be made.
        """
        found = None if fresh else self._kept()
        if found is not None:
            return found
        if self._may_be_http2():
            async with self._dialling:
                found = None if fresh else self._kept()
                if found is not None:
                    return found
                if self._may_be_http2():
                    return await self._dial(Session(self._where, self._limits))
        return await self._dial(None)

    def release(self, connection: Upstream) -> None:
        """Keeps a connection for the next request, or closes it."""
        if not isinstance(connection, UpstreamConnection):
            self._start_sweeping()
            return
        self._in_use.discard(connection)
        if self._closed or not connection.is_reusable or len(self._idle) >= self._limits.max_idle:
            connection.abort()
            return
        connection.rest()
        self._idle.append(connection)
        self._start_sweeping()

    def stats(self) -> PoolStats:
        """The pool at this moment."""
        used = sum(session.running > 0 for session in self._sessions)
        return PoolStats(
            idle=len(self._idle) + len(self._sessions) - used,
            in_use=len(self._in_use) + used,
            opened=self._opened,
            reused=self._reused,
        )

    def close(self) -> None:
        """Closes every connection, also those in use."""
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        for connection in (*self._idle, *self._in_use):
            connection.abort()
        for session in self._sessions:
            session.close()
        self._idle.clear()

    def _may_be_http2(self) -> bool:
        return self._offers_http2

    def _kept(self) -> Upstream | None:
        """A connection that is there already."""
        self._sessions = [session for session in self._sessions if session.is_open]
        session = next((each for each in self._sessions if each.has_room), None)
        if session is not None:
            self._reused += 1
            return session.open_stream()
        now = time.monotonic()
        while self._idle:
            connection = self._idle.pop()
            if connection.is_reusable and now - connection.idle_since < connection.keep_idle_s:
                self._reused += 1
                self._in_use.add(connection)
                return connection
            connection.abort()
        return None

    async def _dial(self, session: Session | None) -> UpstreamConnection | Stream:
        connection = UpstreamConnection(self._where, self._limits, self._lost)
        is_http2 = await self._dialer.dial(connection, session)
        self._opened += 1
        if session is not None and is_http2:
            self._sessions.append(session)
            return session.open_stream()
        self._offers_http2 = False  # an API that does not want it is not asked again, nor waited for
        self._in_use.add(connection)
        return connection

    def _lost(self, connection: UpstreamConnection) -> None:
        if connection in self._idle:
            self._idle.remove(connection)

    def _start_sweeping(self) -> None:
        if self._sweeper is None and not self._closed:
            self._sweeper = asyncio.get_running_loop().call_later(SWEEP_S, self._sweep)

    def _sweep(self) -> None:
        now = time.monotonic()
        for connection in [each for each in self._idle if now - each.idle_since >= each.keep_idle_s]:
            self._idle.remove(connection)
            connection.abort()
        for session in self._sessions:
            if not session.running and now - session.idle_since >= self._limits.keep_idle_s:
                session.close()
        self._sessions = [session for session in self._sessions if session.is_open]
        self._sweeper = None
        if self._idle or self._sessions:
            self._start_sweeping()
