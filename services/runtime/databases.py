"""From a database's id to its client, for the time of one call; enforces read-only connections, here alone."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Generic, TypeVar

from services.runtime import context as call
from services.runtime.errors import StudioError
from services.runtime.pool import ClientPool, Lease
from services.runtime.resolver import Connection, Resolver
from services.runtime.tasks import cancelled
from studio.options.v1.access_pb2 import ROLE_READ_ONLY
from studio.options.v1.errors_pb2 import ERROR_REASON_CONNECTION_READ_ONLY, ERROR_REASON_DB_UNAVAILABLE

ClientT = TypeVar("ClientT")
T = TypeVar("T")

Check = Callable[[], Awaitable[None]]
"""Raises when long work must end: the database is gone, or is another one now."""

CHECK_S = 0.5
"""Seconds between two looks of long work whether it must end: a deleted database is dropped within one."""

_SEPARATORS = re.compile(r"[_-]")
_READ_ONLY = "readonly"
_PRODUCTION = "production"
_FALSE = frozenset({"", "false", "no", "0", "off"})


class Databases(Generic[ClientT]):
    """The registered databases.

    Args:
        resolver: knows the connections.
        pool: keeps their clients.
    """

    def __init__(self, resolver: Resolver, pool: ClientPool[Connection, ClientT]) -> None:
        self._resolver = resolver
        self._pool = pool

    async def lease(self, database_id: str, *, only_reads: bool = False) -> Lease[Connection, ClientT]:
        """The client of a database, for an `async with`: it is not closed before the block ends.

        On connections registered as read-only, rpcs that need a higher role than read_only are refused, whatever the
        caller's role. Those with that role must change nothing, or look at `connection` for what they may do.

        Args:
            database_id: which one.
            only_reads: this use changes nothing, though the rpc needs a higher role: the source of a copy.

        Raises:
            StudioError: DB_NOT_FOUND, REGISTRY_UNAVAILABLE, CONNECTION_UNREADABLE, CONNECTION_READ_ONLY;
                RESOURCE_EXHAUSTED on entering.
        """
        connection = await self._resolver.resolve(database_id)
        method = call.method.get()
        needs_more = method is not None and method.role > ROLE_READ_ONLY and not only_reads
        if needs_more and is_read_only(connection.config):
            raise connection_read_only()
        return self._pool.lease(database_id, connection, connection.revision)

    async def connection(self, database_id: str) -> Connection:
        """What is known of a database's connection; costs no call where it is known already.

        Raises:
            StudioError: DB_NOT_FOUND, REGISTRY_UNAVAILABLE, CONNECTION_UNREADABLE.
        """
        return await self._resolver.resolve(database_id)

    async def check_of(self, database_id: str) -> Check:
        """A check that long work asks now and then: is its caller there, and its database the one it began with?

        Raises:
            StudioError: as `connection`; the check itself DB_NOT_FOUND and DB_UNAVAILABLE.
        """
        connection = await self.connection(database_id)

        async def check() -> None:
            if call.is_cancelled():
                raise asyncio.CancelledError
            # Raises DB_NOT_FOUND by itself where the database is gone.
            if (await self.connection(database_id)).revision != connection.revision:
                raise StudioError(ERROR_REASON_DB_UNAVAILABLE, "The connection has been changed.")

        return check


async def while_unchanged(
    items: AsyncGenerator[T, None], check: Check, every_s: float = CHECK_S
) -> AsyncGenerator[T, None]:
    """The items of long work, until it must end; also while the next one does not come.

    Args:
        items: closed at the end. Each is waited for in a task of its own, so they hold no `asyncio.timeout` from one to
            the next.
        check: asked before the first item, and every so often from then on.
        every_s: seconds between.

    Raises:
        StudioError: what the check raises.
    """
    clock = asyncio.get_running_loop().time
    async with contextlib.aclosing(items):
        await check()
        checked_at = clock()
        while True:
            waiting = asyncio.create_task(_next(items))
            try:
                while not waiting.done():
                    await asyncio.wait({waiting}, timeout=max(0.0, checked_at + every_s - clock()))
                    if clock() >= checked_at + every_s:
                        await check()
                        checked_at = clock()
            finally:
                await cancelled(waiting)
                if not waiting.cancelled():
                    waiting.exception()  # looked at: where the check has raised, nobody asks for it any more
            try:
                item = waiting.result()
            except StopAsyncIteration:
                return
            yield item


async def _next(items: AsyncGenerator[T, None]) -> T:
    return await anext(items)


def is_read_only(config: Mapping[str, object]) -> bool:
    """Whether a database is registered as read-only. What is neither false nor absent counts as true.

    In whatever spelling, `readOnly` among them: who has asked for it must not find the database changed.
    """
    return _is_set(config, _READ_ONLY)


def is_production(config: Mapping[str, object]) -> bool:
    """Whether a database is registered as one of production: what destroys data there is asked about first.

    Read as `is_read_only` is: what is neither false nor absent counts as true.
    """
    return _is_set(config, _PRODUCTION)


def _is_set(config: Mapping[str, object], flag: str) -> bool:
    return any(_holds(value) for name, value in config.items() if _SEPARATORS.sub("", name).lower() == flag)


def _holds(value: object) -> bool:
    return value.strip().lower() not in _FALSE if isinstance(value, str) else bool(value)


def connection_read_only() -> StudioError:
    """The error for a change on a connection that is registered as read-only."""
    return StudioError(
        ERROR_REASON_CONNECTION_READ_ONLY,
        "This database is registered as read-only.",
        hint="An administrator can change that: `read_only` in the config of the database.",
    )
