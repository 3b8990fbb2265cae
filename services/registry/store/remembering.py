"""Answers reads from memory while the platform database is away, and says so.

A copy of every row (without secrets but the ciphertext) is read in the background, page by page; what this process
writes is noted at once, so that whoever got an answer to a write finds it again in the outage. Once a read has failed,
the next ones don't wait for the same: the background reading finds out when the database is back. Writes always go to
the database. Rows beyond MAX_REMEMBERED are not known in an outage.
"""

from __future__ import annotations

import asyncio
import dataclasses
import random
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeVar

from services.registry.cache.lists import Lists
from services.registry.store.pool import Pool
from services.registry.store.postgres import Postgres
from services.registry.store.rows import (
    Change,
    Database,
    Edit,
    Entry,
    Filters,
    Grant,
    Grants,
    Key,
    Known,
    Listed,
    NewDatabase,
    Request,
    Sealed,
)
from services.registry.store.shelf import Shelf
from services.runtime.errors import StudioError
from services.runtime.logs import get_logger
from studio.options.v1.errors_pb2 import ERROR_REASON_REGISTRY_UNAVAILABLE

T = TypeVar("T")

MAX_REMEMBERED = 10_000
"""Rows kept in memory, about 2 KiB each."""
PAGE = 500
"""Rows read at a time: a few milliseconds of the event loop."""
REFRESH_EVERY_S = 15.0
REFRESH_GAP_S = 1.0
"""Shortest time between two readings, however often something changes."""
PROBE_EVERY_S = 0.25
"""How often a database that is away is tried again."""
_FIRST_ID = "00000000-0000-0000-0000-000000000000"

log = get_logger(__name__)


class Remembering:
    """The platform database with a memory. `run` must run in the background.

    Args:
        pool: connections to the platform database.
        lists: keeps pages of lists.
        on_read: told the ids of what somebody looks at.
    """

    def __init__(
        self,
        pool: Pool,
        lists: Lists | None = None,
        on_read: Callable[[Iterable[str]], None] = lambda _: None,
    ) -> None:
        self._postgres = Postgres(pool, self._keep, lists, on_read)
        self._shelf = Shelf()
        self._loaded = False
        self._away = False
        self._why = ""  # what was wrong when it was asked last
        self._wake = asyncio.Event()
        # Ids written or deleted while a reading runs: what it brings of them may be older.
        self._touched: set[str] = set()

    async def run(self) -> None:
        """Reads the rows again and again, for ever."""
        while True:
            try:
                await self._refresh()
            except StudioError as error:
                # A crowded pool says nothing of the database.
                if error.reason == ERROR_REASON_REGISTRY_UNAVAILABLE:
                    self._fall(error)
            self._wake.clear()
            # Jitter, so that replicas don't read at the same time.
            longest_s = PROBE_EVERY_S if self._away else REFRESH_EVERY_S
            try:
                async with asyncio.timeout(random.uniform(0.8, 1.2) * longest_s):  # noqa: S311  spreads load
                    await self._wake.wait()
                    await asyncio.sleep(REFRESH_GAP_S)
            except TimeoutError:
                continue

    def heard(self, change: Change | None) -> None:
        """Notes what another process did; None where anything may have happened."""
        if change is not None and change.deleted:
            self._drop(change.id)
        else:
            self._wake.set()

    async def list_page(self, filters: Filters, after: Key | None, limit: int) -> Listed:
        """See `Store.list_page`."""
        return await self._read(
            lambda: self._postgres.list_page(filters, after, limit),
            lambda: Listed([_stale(row) for row in self._shelf.list_page(filters, after, limit)], stale=True),
        )

    async def get(self, database_id: str) -> Database | None:
        """See `Store.get`."""
        return await self._read(
            lambda: self._postgres.get(database_id), lambda: _stale(_found(self._shelf.get(database_id)))
        )

    async def sealed(self, database_id: str) -> Sealed | None:
        """See `Store.sealed`."""
        return await self._read(
            lambda: self._postgres.sealed(database_id), lambda: _found(self._shelf.sealed(database_id))
        )

    def check_writable(self, database_id: str) -> None:
        """See `Store.check_writable`: all of them are."""

    async def check_free(self, project_ref: str, name: str) -> None:
        """See `Store.check_free`."""
        await self._postgres.check_free(project_ref, name)

    async def insert(self, new: NewDatabase) -> Database:
        """See `Store.insert`."""
        return await self._postgres.insert(new)

    async def request(self, request_id: str) -> Request | None:
        """See `Store.request`."""
        return await self._postgres.request(request_id)

    async def update(self, edit: Edit) -> Database | None:
        """See `Store.update`."""
        return await self._postgres.update(edit)

    async def delete(self, database_id: str) -> bool:
        """See `Store.delete`."""
        deleted = await self._postgres.delete(database_id)
        self._drop(database_id.lower())
        return deleted

    async def replace_ciphertext(self, database_id: str, old: str, new: str) -> None:
        """See `Store.replace_ciphertext`."""
        await self._postgres.replace_ciphertext(database_id, old, new)

    async def record_success(self, database_id: str, tested: str) -> None:
        """See `Store.record_success`."""
        await self._postgres.record_success(database_id, tested)

    async def grants(self, database_ids: Sequence[str]) -> dict[str, Grants]:
        """See `Store.grants`."""
        return await self._read(
            lambda: self._postgres.grants(database_ids),
            lambda: {
                id_: found.grants
                for id_, found in ((each, _found(self._shelf.sealed(each))) for each in database_ids)
                if found.grants
            },
        )

    async def list_grants(self, database_id: str) -> list[Grant]:
        """See `Store.list_grants`."""
        return await self._postgres.list_grants(database_id)

    async def put_grant(
        self, database_id: str, subject: str, role: str, created_by: str, *, stored: bool = True
    ) -> Grant:
        """See `Store.put_grant`."""
        return await self._postgres.put_grant(database_id, subject, role, created_by, stored=stored)

    async def delete_grant(self, database_id: str, grant_id: str) -> bool:
        """See `Store.delete_grant`."""
        return await self._postgres.delete_grant(database_id, grant_id)

    async def changes(self, type_: str, known: Sequence[Known]) -> list[Change]:
        """See `Store.changes`."""
        return await self._postgres.changes(type_, known)

    async def _read(self, ask: Callable[[], Awaitable[T]], remember: Callable[[], T]) -> T:
        if not self._away:
            try:
                return await ask()
            except StudioError as error:
                if error.reason != ERROR_REASON_REGISTRY_UNAVAILABLE:
                    raise
                self._fall(error)
                if not self._loaded:
                    raise
        if not self._loaded:
            # Who forgot to migrate has to learn that, whoever noticed first.
            raise _unavailable(self._why)
        return remember()

    def _fall(self, why: StudioError) -> None:
        self._why = why.message
        if not self._away:
            self._away = True
            log.warning("store.away", remembered=len(self._shelf))
        self._wake.set()

    def _rise(self) -> None:
        if self._away:
            self._away = False
            log.info("store.back")

    async def _refresh(self) -> None:
        self._touched.clear()
        read: dict[str, Entry] = {}
        after = _FIRST_ID
        while len(read) < MAX_REMEMBERED:
            page = await self._postgres.entries(after, PAGE)
            read |= {entry.database.id: entry for entry in page}
            if len(page) < PAGE:
                break
            after = page[-1].database.id
        # What was written meanwhile comes first: whoever got an answer to it may ask for it.
        shelf = Shelf(entry for entry in self._shelf if entry.database.id in self._touched)
        for id_, entry in read.items():
            if id_ not in self._touched and len(shelf) < MAX_REMEMBERED:
                shelf.put(entry)
        self._shelf, self._loaded = shelf, True
        self._rise()

    def _keep(self, entry: Entry) -> None:
        self._touched.add(entry.database.id)
        if self._shelf.get(entry.database.id) is not None or len(self._shelf) < MAX_REMEMBERED:
            self._shelf.put(entry)
        self._rise()

    def _drop(self, database_id: str) -> None:
        self._touched.add(database_id)
        self._shelf.remove(database_id)


def _stale(row: Database) -> Database:
    return dataclasses.replace(row, stale=True)


def _found(row: T | None) -> T:
    # It may have been registered since: that there is none is not known.
    if row is None:
        raise _unavailable()
    return row


def _unavailable(why: str = "") -> StudioError:
    return StudioError(
        ERROR_REASON_REGISTRY_UNAVAILABLE,
        why
        or "The platform database can't be reached, and what was asked for is not known without it; try again.",
    )
