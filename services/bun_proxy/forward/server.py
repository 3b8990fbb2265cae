"""The HTTP/1.1 server of the data plane: connections of the gateway, a request at a time, bodies as they arrive.

Knows nothing of APIs: what a request means is its handler's. A request that arrives before the last one is answered
(pipelining) is not served; its connection closes after the answer, and whoever sent it sends it again.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable

from services.bun_proxy.forward.downstream import Downstream
from services.bun_proxy.forward.messages import Incoming, Peer
from services.bun_proxy.limits import Limits

BACKLOG = 1024
SWEEP_S = 5.0


Handler = Callable[[Incoming, Peer], Awaitable[None]]
"""Answers a request through its peer; what it raises becomes the answer where there is none yet."""


class Server:
    """The server.

    Args:
        handler: answers requests.
        limits: bounds.
    """

    def __init__(self, handler: Handler, limits: Limits) -> None:
        self.handler = handler
        self.limits = limits
        self.connections: set[Downstream] = set()
        self.is_draining = False
        self._server: asyncio.Server | None = None
        self._sweeper: asyncio.Task[None] | None = None
        self._empty = asyncio.Event()
        self._empty.set()

    async def start(self, address: str) -> int:
        """Listens; returns the port.

        Raises:
            OSError: the address is taken, or not of this host.
        """
        sock = _listening(address)
        self._server = await asyncio.get_running_loop().create_server(
            lambda: Downstream(self), sock=sock, backlog=BACKLOG
        )
        self._sweeper = asyncio.create_task(self._sweep(), name="proxy idle")
        port: int = sock.getsockname()[1]
        return port

    def drain(self) -> None:
        """Takes no more connections and requests; what runs goes on."""
        self.is_draining = True
        if self._server is not None:
            self._server.close()
        for connection in list(self.connections):
            connection.drain()

    async def aclose(self, grace_s: float) -> None:
        """Ends what has not ended after `grace_s` seconds."""
        self.drain()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace_s):
                await self._empty.wait()
        for connection in list(self.connections):
            connection.abort()
        await self._empty.wait()
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.gather(self._sweeper, return_exceptions=True)

    def admit(self, connection: Downstream) -> bool:
        """Whether there is room for one more connection."""
        if self.is_draining or len(self.connections) >= self.limits.max_connections:
            return False
        self.connections.add(connection)
        self._empty.clear()
        return True

    def forget(self, connection: Downstream) -> None:
        """A connection is closed, and its request over."""
        self.connections.discard(connection)
        if not self.connections:
            self._empty.set()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            now = asyncio.get_running_loop().time()
            for connection in list(self.connections):
                connection.close_if_idle(now)


def _listening(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    if ":" in host:
        both = host == "::" and socket.has_dualstack_ipv6()
        return socket.create_server(
            (host, int(port)), family=socket.AF_INET6, backlog=BACKLOG, dualstack_ipv6=both
        )
    return socket.create_server((host, int(port)), backlog=BACKLOG)
