"""What every rpc needs that works on a server for long: a place, the client, and a look whether it is still wanted."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from services.mongo_svc.catalog.bounds import Bounds
from services.mongo_svc.client import MongoClient
from services.runtime.databases import Check, Databases
from services.runtime.places import Places


class LongWork:
    """Gives the places of one kind of work.

    Args:
        databases: gives the clients.
        what: the work in the plural, for messages.
        bounds: how much at a time.
    """

    def __init__(self, databases: Databases[MongoClient], what: str, bounds: Bounds) -> None:
        self._databases = databases
        self._places = Places(what, bounds.jobs, bounds.jobs_of_one_database)

    @contextlib.asynccontextmanager
    async def begin(self, database_id: str) -> AsyncIterator[tuple[MongoClient, Check]]:
        """The client, for the time of a block, and what to ask now and then.

        Raises:
            StudioError: RESOURCE_EXHAUSTED where no place is free; as `Databases.lease`.
        """
        check = await self._databases.check_of(database_id)
        with self._places.take(database_id):
            async with await self._databases.lease(database_id) as client:
                yield client, check
