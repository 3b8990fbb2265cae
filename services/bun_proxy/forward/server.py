"""The HTTP/1.1 server of the data plane: connections of the gateway, a request at a time, bodies as they arrive.

Knows nothing of APIs: what a request means is its handler's. A request that arrives before the last one is answered
(pipelining) is not served; its connection closes after the answer, and whoever sent it sends it again.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Awaitable, Callable

from services.bun_proxy.forward.downstream import Downstream
from services.bun_proxy.forward.messages import Incoming, Peer
from services.bun_proxy.limits import Limits
from services.runtime.logs import get_logger
from services.runtime.tls.contexts import server_context
from services.runtime.tls.files import CHECK_S, CertificateFiles
from services.runtime.tls.material import Material

BACKLOG = 1024
SWEEP_S = 5.0
HANDSHAKE_S = 5.0
"""Seconds that a TLS handshake may take."""

log = get_logger(__name__)

Handler = Callable[[Incoming, Peer], Awaitable[None]]
"""Answers a request through its peer; what it raises becomes the answer where there is none yet."""


class Server:
    """The server.

    Args:
        handler: answers requests.
        limits: bounds.
        tls: certificates; who connects must have one of the same authority. None for plain connections.
    """

    def __init__(self, handler: Handler, limits: Limits, tls: CertificateFiles | None = None) -> None:
        self.handler = handler
        self.limits = limits
        self.connections: set[Downstream] = set()
        self.is_draining = False
        self._tls = tls
        self._socket: socket.socket | None = None
        self._server: asyncio.Server | None = None
        self._background: list[asyncio.Task[None]] = []
        self._empty = asyncio.Event()
        self._empty.set()

    async def start(self, address: str) -> int:
        """Listens; returns the port.

        Raises:
            OSError: the address is taken, or not of this host.
        """
        self._socket = _listening(address)
        port: int = self._socket.getsockname()[1]
        self._background.append(asyncio.create_task(self._sweep(), name="proxy idle"))
        if self._tls is None:
            self._server = await self._accept(self._socket, None)
        else:
            used = self._tls.current()
            self._server = await self._accept(self._socket, server_context(used))
            self._background.append(asyncio.create_task(self._renew(self._tls, used), name="proxy tls"))
        return port

    def drain(self) -> None:
        """Takes no more connections and requests; what runs goes on."""
        self.is_draining = True
        self._close_if_draining()
        if self._socket is not None:
            self._socket.close()
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
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)

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

    async def _accept(self, listening: socket.socket, context: ssl.SSLContext | None) -> asyncio.Server:
        # A copy: closing this server leaves the socket, and who waits in its queue, to the next one.
        return await asyncio.get_running_loop().create_server(
            lambda: Downstream(self),
            sock=listening.dup(),
            backlog=BACKLOG,
            ssl=context,
            ssl_handshake_timeout=None if context is None else HANDSHAKE_S,
        )

    async def _renew(self, tls: CertificateFiles, used: Material) -> None:
        """Accepts by the newest certificates. One context can't forget an authority, so each set has its own."""
        while True:
            await asyncio.sleep(CHECK_S)
            now = tls.current()
            if now is used or self._socket is None or self._server is None or self.is_draining:
                continue
            former = self._server
            try:
                self._server = await self._accept(self._socket, server_context(now))
            except OSError:
                log.exception(
                    "proxy.tls_not_renewed"
                )  # no file descriptor is free, say: the former one goes on
                continue
            used = now
            former.close()
            # Draining may have begun meanwhile.
            self._close_if_draining()

    def _close_if_draining(self) -> None:
        if self.is_draining and self._server is not None:
            self._server.close()

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
