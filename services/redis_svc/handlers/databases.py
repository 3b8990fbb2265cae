"""From a database's id to its client, for the time of one call."""

from __future__ import annotations

from types import TracebackType

from services.redis_svc.client import RedisClient
from services.redis_svc.url import is_read_only
from services.runtime import context as call
from services.runtime.errors import StudioError
from services.runtime.pool import ClientPool, Lease
from services.runtime.resolver import Connection, Resolver
from studio.options.v1.access_pb2 import ROLE_READ_ONLY
from studio.options.v1.errors_pb2 import ERROR_REASON_CONNECTION_READ_ONLY


class Use:
    """One use of a client: `async with use as client`."""

    __slots__ = ("_lease",)

    def __init__(self, lease: Lease[Connection, RedisClient]) -> None:
        self._lease = lease

    async def __aenter__(self) -> RedisClient:
        client = await self._lease.__aenter__()
        if not client.is_ready:
            try:
                await client.ready()
            except BaseException:
                await self._lease.__aexit__(None, None, None)
                raise
        return client

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._lease.__aexit__(kind, error, traceback)


class Databases:
    """The registered databases.

    Args:
        resolver: knows the connections.
        pool: keeps their clients.
    """

    def __init__(self, resolver: Resolver, pool: ClientPool[Connection, RedisClient]) -> None:
        self._resolver = resolver
        self._pool = pool

    async def client(self, database_id: str, *, only_reads: bool = False) -> Use:
        """The client of a database, for an `async with`: it is not closed before the block ends.

        The one place where read-only connections are enforced: on those, rpcs that need a higher role than read_only
        are refused, whatever the caller's role. Those with that role must change nothing, or look at `connection` for
        what they may do.

        Args:
            database_id: which one.
            only_reads: this use changes nothing, though the rpc needs a higher role: the source of a copy.

        Raises:
            StudioError: DB_NOT_FOUND, REGISTRY_UNAVAILABLE, CONNECTION_UNREADABLE, CONNECTION_READ_ONLY;
                RESOURCE_EXHAUSTED and, where the servers of a Cluster are not known, DB_CONNECTION_FAILED and others
                on entering.
        """
        connection = await self._resolver.resolve(database_id)
        method = call.method.get()
        needs_more = method is not None and method.role > ROLE_READ_ONLY and not only_reads
        if needs_more and is_read_only(connection.config):
            raise connection_read_only()
        return Use(self._pool.lease(database_id, connection, connection.revision))

    async def connection(self, database_id: str) -> Connection:
        """What is known of a database's connection; costs no call where it is known already.

        Raises:
            StudioError: DB_NOT_FOUND, REGISTRY_UNAVAILABLE, CONNECTION_UNREADABLE.
        """
        return await self._resolver.resolve(database_id)


def connection_read_only() -> StudioError:
    """The error for a change on a connection that is registered as read-only."""
    return StudioError(
        ERROR_REASON_CONNECTION_READ_ONLY,
        "This database is registered as read-only.",
        hint="An administrator can change that: `read_only` in the config of the database.",
    )
