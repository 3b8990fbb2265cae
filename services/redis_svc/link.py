"""The way to a server: keeps one connection, makes it anew when it is lost, repeats what is safe to repeat.

A connection attempt is made once for all who wait. When it has failed, callers get that failure for a moment instead
of trying each on their own: a server that is down is asked now and then, not by every request. Which server holds a key
and where a topology's servers are is not known here: `client`, `sentinel`, `cluster`.
"""

from __future__ import annotations

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager

from services.redis_svc.connection import CommandTimeoutError, Connection, ConnectionLostError
from services.redis_svc.limits import Limits
from services.redis_svc.replies import Command, Reply, pack
from services.redis_svc.traffic import TOTALS, Traffic
from services.runtime import context
from services.runtime.backoff import Backoff
from services.runtime.errors import StudioError
from studio.options.v1 import errors_pb2 as e

_PASSING = frozenset({e.ERROR_REASON_DB_CONNECTION_FAILED, e.ERROR_REASON_DB_UNAVAILABLE})


class Started:
    """A request under way; `replies` waits for it, and repeats it when its connection is lost."""

    __slots__ = ("_expected", "_future", "_link", "_payload")

    def __init__(
        self, link: Link, payload: bytes, expected: int, future: asyncio.Future[list[Reply]] | None
    ) -> None:
        self._link = link
        self._payload = payload
        self._expected = expected
        self._future = future

    async def replies(self) -> list[Reply]:
        """The replies, one a command."""
        if self._future is not None:
            try:
                return await self._future
            except ConnectionLostError:
                pass  # what is started this way only reads
        return await self._link.request(self._payload, self._expected)

    def cancel(self) -> None:
        """Gives the replies up."""
        if self._future is not None and not self._future.cancel() and not self._future.cancelled():
            self._future.exception()  # seen: asyncio would log it as forgotten


class Link(ABC):
    """The way to a server, as callers see it."""

    @property
    def connection(self) -> Connection | None:
        """The current connection, or the last one; None where there is none yet."""
        return None

    @property
    def traffic(self) -> Traffic:
        """What went over the current connection."""
        return self.connection.traffic if self.connection is not None else Traffic()

    async def execute(self, *command: bytes | str | int, repeatable: bool = True) -> Reply:
        """One command and its reply; see `request`."""
        return (await self.request(pack((command,)), 1, repeatable=repeatable))[0]

    async def execute_many(self, commands: Sequence[Command], *, repeatable: bool = True) -> list[Reply]:
        """Several commands in one write and their replies, in order; see `request`."""
        return await self.request(pack(commands), len(commands), repeatable=repeatable)

    @abstractmethod
    async def request(self, payload: bytes, expected: int, *, repeatable: bool = True) -> list[Reply]:
        """Sends packed commands and returns as many replies. Error replies are among them, not raised.

        Args:
            payload: the packed commands.
            expected: how many commands they are.
            repeatable: whether executing them twice does no harm. Others are sent again only where they certainly
                were not executed.

        Raises:
            StudioError: DB_CONNECTION_FAILED, DB_TIMEOUT, RESOURCE_EXHAUSTED, or why no connection can be made. Where
                a change may or may not have been made, the message says so and `outcome` in the metadata is `unknown`.
        """

    @abstractmethod
    def start(self, payload: bytes, expected: int) -> Started:
        """Begins a request that only reads, so that its caller can work while the server does."""

    @abstractmethod
    def dedicated(self) -> AbstractAsyncContextManager[Connection]:
        """A connection of its own, for what the shared one must not see (WATCH, MULTI); closed at the end.

        Raises:
            StudioError: RESOURCE_EXHAUSTED when as many as allowed are open; why none can be made.
        """


class ServerLink(Link):
    """One server.

    Args:
        dial: makes a connection that is logged in.
        limits: tries and waits.
    """

    def __init__(self, dial: Callable[[], Awaitable[Connection]], limits: Limits) -> None:
        self._dial = dial
        self._limits = limits
        self._connection: Connection | None = None
        self._connecting: asyncio.Task[Connection] | None = None
        self._cooldown = Backoff(first_s=limits.backoff_s * 2, longest_s=limits.backoff_cap_s)
        self._failure: StudioError | None = None
        self._failure_until = 0.0
        self._closed = False
        self._dedicated = 0
        self._was_connected = False

    @property
    def connection(self) -> Connection | None:
        """As `Link.connection`."""
        return self._connection

    async def request(self, payload: bytes, expected: int, *, repeatable: bool = True) -> list[Reply]:
        """As `Link.request`."""
        backoff: Backoff | None = None
        tries = self._limits.tries
        while True:
            tries -= 1
            connection = self._connection
            if connection is None or connection.failure is not None:
                connection = await self._connect()
            try:
                return await connection.submit(payload, expected)
            except ConnectionLostError as error:
                if error.sent and not repeatable:
                    raise unknown_outcome(error) from None
                if tries <= 0:
                    raise
            except CommandTimeoutError as error:
                if not repeatable:
                    raise unknown_outcome(error) from None
                raise
            backoff = backoff or Backoff(first_s=self._limits.backoff_s, longest_s=self._limits.backoff_cap_s)
            await asyncio.sleep(backoff.next_s())

    def start(self, payload: bytes, expected: int) -> Started:
        """As `Link.start`."""
        connection = self._connection
        if connection is None or connection.failure is not None:
            return Started(self, payload, expected, None)
        return Started(self, payload, expected, connection.submit(payload, expected))

    @contextlib.asynccontextmanager
    async def dedicated(self) -> AsyncIterator[Connection]:
        """As `Link.dedicated`."""
        if self._dedicated >= self._limits.max_dedicated:
            raise StudioError(
                e.ERROR_REASON_RESOURCE_EXHAUSTED,
                "Too many connections of their own are open to this Redis server.",
                hint="Try again in a moment.",
            )
        self._dedicated += 1
        try:
            connection = await self._dial()
            try:
                yield connection
            finally:
                connection.close()
                await connection.wait_closed()
        finally:
            self._dedicated -= 1

    def leave(self) -> None:
        """Makes the next request dial anew. What is in flight on the old connection is still answered."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close_when_idle()

    async def aclose(self) -> None:
        """Closes the connection; what is in flight fails."""
        self._closed = True
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.wait([self._connecting])
        if self._connection is not None:
            self._connection.close()
            await self._connection.wait_closed()

    async def _connect(self) -> Connection:
        if self._connecting is None:
            if self._closed:
                raise ConnectionLostError("The connection was closed.", sent=False)
            if self._failure is not None and asyncio.get_running_loop().time() < self._failure_until:
                raise self._failure.with_traceback(None)
            # Without the deadline of whoever came first: the others may have more time.
            self._connecting = asyncio.create_task(
                self._try_to_connect(), name="redis connect", context=context.shared()
            )
            self._connecting.add_done_callback(self._connected)
        # Shared by all who wait: one that goes away must not cancel it for the others.
        return await asyncio.shield(self._connecting)

    async def _try_to_connect(self) -> Connection:
        backoff = Backoff(first_s=self._limits.backoff_s, longest_s=self._limits.backoff_cap_s)
        tries = self._limits.tries
        while True:
            tries -= 1
            try:
                return await self._dial()
            except StudioError as error:
                if tries <= 0 or error.reason not in _PASSING:
                    raise
            await asyncio.sleep(backoff.next_s())

    def _connected(self, task: asyncio.Task[Connection]) -> None:
        self._connecting = None
        if task.cancelled():
            return
        failure = task.exception()
        if failure is None:
            TOTALS.connects += 1
            TOTALS.reconnects += self._was_connected
            self._was_connected = True
            self._connection, self._failure = task.result(), None
            self._cooldown.reset()
        elif isinstance(failure, StudioError):
            TOTALS.failed_connects += 1
            self._failure = failure
            self._failure_until = asyncio.get_running_loop().time() + self._cooldown.next_s()


def unknown_outcome(error: StudioError) -> StudioError:
    """The error for a change that was sent and not answered."""
    return StudioError(
        error.reason,
        f"{error.message} Whether the change was made is not known.",
        hint="Look before you repeat it.",
        metadata={**error.metadata, "outcome": "unknown"},
    )
