"""Keeps the documents of APIs for a while, and that there is none; asks an API once, however many want to know."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass, field

from services.bun_proxy.client import ApiClient
from services.bun_proxy.discovery import bounds
from services.bun_proxy.discovery.find import find
from services.bun_proxy.discovery.model import Document
from services.bun_proxy.discovery.patterns import Patterns
from services.bun_proxy.probe.places import places_of
from services.runtime.databases import Databases
from services.runtime.errors import StudioError
from studio.options.v1 import errors_pb2 as e

_KEPT = frozenset({e.ERROR_REASON_API_DOCUMENT_NOT_FOUND, e.ERROR_REASON_API_DOCUMENT_INVALID})
"""Failures that stay for a while. Others pass, and the breaker bounds what they cost."""


@dataclass(slots=True)
class _Entry:
    revision: str
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    fetched_at: float = 0.0
    document: Document | None = None
    patterns: Patterns | None = None
    failure: StudioError | None = None

    def is_fresh(self, *, refresh: bool) -> bool:
        """Whether what is known is young enough; `refresh` asks for more."""
        if self.document is None and self.failure is None:
            return False
        kept_s = bounds.KEPT_S if self.document is not None else bounds.FAILURE_KEPT_S
        return time.monotonic() - self.fetched_at < (bounds.REFRESH_S if refresh else kept_s)


class Catalogue:
    """The documents.

    Args:
        databases: gives the APIs.
    """

    def __init__(self, databases: Databases[ApiClient]) -> None:
        self._databases = databases
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        # Reading takes a thread, and with it half of the time that the event loop has.
        self._reading = asyncio.Semaphore(bounds.READ_AT_A_TIME)

    async def document(self, database_id: str, *, refresh: bool = False) -> Document:
        """The document of an API, asked for where it is not known or is old.

        Args:
            database_id: which API.
            refresh: asks, unless that was done a moment ago.

        Raises:
            StudioError: as `find`, and as `Databases.lease`.
        """
        connection = await self._databases.connection(database_id)
        entry = self._entry(database_id, connection.revision)
        async with entry.lock:
            if not entry.is_fresh(refresh=refresh):
                await self._fetch(database_id, entry)
        if entry.document is None:
            raise _again(entry.failure)
        return entry.document

    def known_patterns(self, database_id: str, revision: str) -> Patterns:
        """The routes of an API as far as they are known; asks nobody."""
        entry = self._entries.get(database_id)
        known = entry.patterns if entry is not None and entry.revision == revision else None
        return known or Patterns()

    def discard(self, database_id: str) -> None:
        """Forgets an API."""
        self._entries.pop(database_id, None)

    async def _fetch(self, database_id: str, entry: _Entry) -> None:
        # Of this moment: it may have changed while another call held the lock.
        connection = await self._databases.connection(database_id)
        try:
            async with await self._databases.lease(database_id) as api:
                document = await find(api, places_of(connection.config), self._reading)
        except StudioError as error:
            if error.reason not in _KEPT:
                raise
            entry.document, entry.patterns, entry.failure = None, None, error
        else:
            entry.document, entry.patterns, entry.failure = document, Patterns(document.routes), None
        entry.fetched_at = time.monotonic()

    def _entry(self, database_id: str, revision: str) -> _Entry:
        entry = self._entries.get(database_id)
        if entry is None or entry.revision != revision:
            entry = self._entries[database_id] = _Entry(revision)
            while len(self._entries) > bounds.DOCUMENTS_KEPT:
                self._entries.popitem(last=False)
        self._entries.move_to_end(database_id)
        return entry


def _again(failure: StudioError | None) -> StudioError:
    """A failure that is kept, for one more caller: raising one exception twice would add to its traceback each time."""
    if failure is None:
        return StudioError(e.ERROR_REASON_API_DOCUMENT_NOT_FOUND, "The API's document is not known.")
    return StudioError(failure.reason, failure.message, hint=failure.hint, metadata=failure.metadata)
