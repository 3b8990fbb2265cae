"""From a database's id to its client: as for every engine, and a Cluster's servers are known before the first use."""

from __future__ import annotations

from types import TracebackType

from services.redis_svc.client import RedisClient
from services.runtime import databases
from services.runtime.pool import Lease
from services.runtime.resolver import Connection


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


class Databases(databases.Databases[RedisClient]):
    """The registered databases."""

    async def client(self, database_id: str, *, only_reads: bool = False) -> Use:
        """The client of a database, for an `async with`; see `lease`.

        Raises:
            StudioError: as `lease`; and on entering, where the servers of a Cluster are not known, DB_CONNECTION_FAILED
                and others.
        """
        return Use(await self.lease(database_id, only_reads=only_reads))
