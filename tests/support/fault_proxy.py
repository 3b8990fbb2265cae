"""A TCP proxy that misbehaves on demand: cuts, stalls and refuses connections, and counts them.

    async with FaultProxy("127.0.0.1", server_port) as proxy:
        client = connect(proxy.host, proxy.port)
        proxy.stall()    # nothing passes any more; connections stay open
        proxy.resume()
        proxy.cut()      # open connections are reset
        await proxy.refuse()   # new ones are refused
        await proxy.accept()

With `tls` it speaks TLS to its clients and plain TCP to the server.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
from types import TracebackType
from typing import Self

HOST = "127.0.0.1"
CHUNK = 64 * 1024


class FaultProxy:
    """Listens on a free loopback port and forwards to one server."""

    def __init__(self, target_host: str, target_port: int, *, tls: ssl.SSLContext | None = None) -> None:
        self.host = HOST
        self.port = 0
        self.connections = 0
        """Connections accepted so far."""
        self.bytes_to_server = 0
        self.bytes_to_client = 0
        self._target = (target_host, target_port)
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._handlers: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._cut_after: int | None = None

    @property
    def open_connections(self) -> int:
        """Connections of clients that are open now."""
        return len(self._handlers)

    async def __aenter__(self) -> Self:
        await self.accept()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.refuse()
        self.resume()
        self.cut()
        for handler in list(self._handlers):
            handler.cancel()
        await asyncio.gather(*self._handlers, return_exceptions=True)

    async def accept(self) -> None:
        """Listens (again, and on the same port)."""
        if self._server is None:
            self._server = await asyncio.start_server(self._handle, HOST, self.port, ssl=self._tls)
            self.port = self._server.sockets[0].getsockname()[1]

    async def refuse(self) -> None:
        """Stops listening: new connections are refused, open ones stay."""
        server, self._server = self._server, None
        if server is not None:
            server.close()

    def stall(self) -> None:
        """Passes nothing on, in either direction, until `resume`."""
        self._flowing.clear()

    def resume(self) -> None:
        """Ends `stall`; what came meanwhile passes."""
        self._flowing.set()

    def cut(self) -> None:
        """Resets all open connections."""
        for writer in list(self._writers):
            reset(writer)

    def cut_after(self, count: int) -> None:
        """Resets the next connection that passes more than `count` bytes to its client: amid a reply."""
        self._cut_after = count

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.connections += 1
        self._handlers.add(task)
        try:
            with contextlib.suppress(OSError):
                await self._forward(reader, writer)
        except asyncio.CancelledError:
            pass  # the proxy is being closed; the server that called would only log it
        finally:
            self._handlers.discard(task)
            writer.close()  # also when this was cancelled before there was a connection to the server

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            server_reader, server_writer = await asyncio.open_connection(*self._target)
        except OSError:
            reset(writer)
            raise
        self._writers |= {writer, server_writer}
        pumps = (
            asyncio.create_task(self._pump(reader, server_writer, to_client=False)),
            asyncio.create_task(self._pump(server_reader, writer, to_client=True)),
        )
        try:
            # Either side's end is the end of both: no protocol here uses half-closed connections.
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            self._writers -= {writer, server_writer}
            for each in (writer, server_writer):
                each.close()
                with contextlib.suppress(OSError):
                    await each.wait_closed()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, to_client: bool
    ) -> None:
        while chunk := await reader.read(CHUNK):
            await self._flowing.wait()
            if to_client:
                if self._cut_after is not None and self.bytes_to_client + len(chunk) > self._cut_after:
                    writer.write(chunk[: max(0, self._cut_after - self.bytes_to_client)])
                    await writer.drain()
                    self._cut_after = None
                    return
                self.bytes_to_client += len(chunk)
            else:
                self.bytes_to_server += len(chunk)
            writer.write(chunk)
            await writer.drain()


def reset(writer: asyncio.StreamWriter) -> None:
    """Closes with RST instead of FIN, as a crashed host or a firewall does."""
    connection: socket.socket | None = writer.get_extra_info("socket")
    if connection is not None:
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
