"""Clients for streams, beside those that everybody shares.

A stream keeps a connection busy for hours. From the pool that all calls share it would take one away from them, and its
lease would keep the client of another database out. So the streams of a database have one client of their own, which
is closed with the last of them.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from services.mongo_svc.client import MongoClient


@dataclass(slots=True)
class _Shared:
    client: MongoClient
    users: int = 0


class StreamClients:
    """The clients of the streams that run."""

    def __init__(self) -> None:
        self._clients: dict[tuple[str, str], _Shared] = {}

    @property
    def open(self) -> int:
        """Clients that are open."""
        return len(self._clients)

    @contextlib.asynccontextmanager
    async def of(
        self, database_id: str, revision: str, create: Callable[[], MongoClient]
    ) -> AsyncIterator[MongoClient]:
        """The client of a database's streams, for the time of one.

        Args:
            database_id: which database.
            revision: of its connection: streams of a changed one get another client.
            create: makes it, where there is none.
        """
        key = (database_id, revision)
        shared = self._clients.get(key) or self._clients.setdefault(key, _Shared(create()))
        shared.users += 1
        try:
            yield shared.client
        finally:
            shared.users -= 1
            if not shared.users:
                del self._clients[key]
                await shared.client.aclose()
