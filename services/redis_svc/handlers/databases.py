"""From a database's id to its client, for the time of one call."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from services.redis_svc.client import RedisClient
from services.runtime.pool import ClientPool
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

    @contextlib.asynccontextmanager
    async def client(self, database_id: str) -> AsyncIterator[RedisClient]:
        """The client of a database; it is not closed before the block ends."""
        connection = await self._resolver.resolve(database_id)
        async with self._pool.lease(connection.id, connection, connection.revision) as client:
            yield client
