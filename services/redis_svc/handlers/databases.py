"""From a database's id to its client, for the time of one call."""

from __future__ import annotations

from services.redis_svc.client import RedisClient
from services.runtime.pool import ClientPool, Lease
from services.runtime.resolver import Connection, Resolver


class Databases:
    """The registered databases.

    Args:
        resolver: knows the connections.
        pool: keeps their clients.
    """

    def __init__(self, resolver: Resolver, pool: ClientPool[Connection, RedisClient]) -> None:
        self._resolver = resolver
        self._pool = pool

    async def client(self, database_id: str) -> Lease[Connection, RedisClient]:
        """The client of a database, for an `async with`: it is not closed before the block ends.

        Raises:
            StudioError: DB_NOT_FOUND, REGISTRY_UNAVAILABLE, CONNECTION_UNREADABLE; RESOURCE_EXHAUSTED on entering.
        """
        connection = await self._resolver.resolve(database_id)
        return self._pool.lease(database_id, connection, connection.revision)
