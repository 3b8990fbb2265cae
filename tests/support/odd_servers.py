"""TCP servers that do with a connection what a test says, and waiting for what has no event of its own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol

from deploy.local import ports

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class StartServer(Protocol):
    """Starts a TCP server that does what the function says with each connection; returns its port."""

    async def __call__(self, serve: Serve, host: str = "127.0.0.1") -> int: ...


async def until(condition: Callable[[], bool]) -> None:
    """Waits for what another task is about to bring about."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  what is waited for has no event of its own
            await asyncio.sleep(0.001)


@contextlib.asynccontextmanager
async def odd_servers() -> AsyncIterator[StartServer]:
    """Starts servers; ends them all."""
    servers: list[asyncio.Server] = []
    tasks: set[asyncio.Task[None]] = set()

    async def start(serve: Serve, host: str = "127.0.0.1") -> int:
        async def guarded(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            tasks.add(task)
            try:
                with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                    await serve(reader, writer)
            finally:
                tasks.discard(task)
                writer.close()

        server = await asyncio.start_server(guarded, host, 0)
        servers.append(server)
        port: int = server.sockets[0].getsockname()[1]
        return port

    yield start
    for server in servers:
        server.close()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def unused_port() -> int:
    """A loopback port where nobody listens, and which nobody is given: not below us, and not in a process beside us."""
    return ports.pick()
