"""When a list comes from the cache, when from PostgreSQL, and when the cache is emptied.

Never stale after an acknowledged write, of this replica or another:
- a write replaces the generation after its commit and before its answer;
- where that failed, or where a change was heard of (by PostgreSQL's notifications: also of another replica that could
  not reach the cache, or of somebody's SQL), this replica replaces it before it reads from the cache again;
- a generation older than one this replica has seen is a Redis that lost its memory: replaced, too;
- while changes can't be heard of, the cache is left alone.
"""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import hmac
import json
import re
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Protocol

from services.registry import metrics
from services.registry.cache import pages
from services.registry.cache.circuit import Circuit
from services.registry.cache.failures import CacheFailedError
from services.registry.feed import Feed
from services.registry.store.rows import Database, Filters, Key
from services.runtime import context
from services.runtime.logs import get_logger

if TYPE_CHECKING:
    from services.registry.cache.redis import CacheClient

PAGE_TTL_S = 60
GENERATION_TTL_S = 7 * 24 * 3600
"""Longer than any page lives, so that a generation never comes back beside pages of its own."""
REST_S = 5.0
"""How long a failing cache is left alone."""
MAX_LOADING = 1000
"""Pages being read from PostgreSQL at a time that others may wait for."""
_PURPOSE = b"studio-databases/v1/list-cache"

Load = Callable[[], Awaitable[list[Database]]]

log = get_logger(__name__)


class Lists(Protocol):
    """What the store asks of the cache."""

    async def page(self, filters: Filters, after: Key | None, limit: int, load: Load) -> list[Database]:
        """A page, from wherever it is."""

    async def changed(self) -> None:
        """Something that lists show has been written: no page of before may be served any more."""


class Uncached:
    """No cache."""

    async def page(self, filters: Filters, after: Key | None, limit: int, load: Load) -> list[Database]:  # noqa: ARG002
        """See `Lists.page`."""
        return await load()

    async def changed(self) -> None:
        """See `Lists.changed`."""


class CachedLists:
    """Pages in Redis.

    Args:
        client: that Redis.
        feed: tells when something has changed.
        secret: shared by the replicas: authenticates the pages.
        platform: which platform database this is; others may share the Redis.
        circuit: when to leave it alone.
    """

    def __init__(
        self, client: CacheClient, feed: Feed, *, secret: str, platform: str, circuit: Circuit | None = None
    ) -> None:
        self._client = client
        self._feed = feed
        self._secret = hmac.digest(secret.encode(), _PURPOSE + platform.encode(), hashlib.sha256)
        name = hmac.digest(self._secret, b"name", hashlib.sha256).hex()[:16]
        # In braces, so that a cluster keeps all of it on one node.
        self._prefix = f"studio-registry:{{{name}}}"
        self._generation_key = f"{self._prefix}:generation"
        self._circuit = circuit or Circuit(REST_S)
        self._generation = b""
        # Writes of this replica, and up to which of all changes the generation has been replaced.
        self._writes = 0
        self._settled = -1
        self._settling = asyncio.Lock()
        self._loading: dict[str, asyncio.Task[list[Database]]] = {}

    async def page(self, filters: Filters, after: Key | None, limit: int, load: Load) -> list[Database]:
        """See `Lists.page`.

        Raises:
            StudioError: as `load`; the cache's own failures are not the caller's.
        """
        if not self._feed.is_up or not self._circuit.may_try():
            metrics.CACHE_REQUESTS.labels("bypass").inc()
            return await load()
        suffix = _suffix(filters, after, limit)
        try:
            rows, key = await self._find(suffix)
        except CacheFailedError as error:
            self._failed(error)
            metrics.CACHE_REQUESTS.labels("error").inc()
            return await load()
        self._worked()
        metrics.CACHE_REQUESTS.labels("miss" if rows is None else "hit").inc()
        return await self._load_once(key, load) if rows is None else rows

    async def changed(self) -> None:
        """See `Lists.changed`. Where it fails, reads replace the generation before they trust the cache again."""
        self._writes += 1
        if not self._circuit.may_try():
            metrics.CACHE_INVALIDATIONS.labels("postponed").inc()
            return
        try:
            await self._replace_generation()
        except CacheFailedError as error:
            self._failed(error)
        else:
            self._worked()

    async def aclose(self) -> None:
        """Closes the connections; what is being read is given up."""
        tasks = list(self._loading.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._client.aclose()

    async def _find(self, suffix: str) -> tuple[list[Database] | None, str]:
        """The page, or None, and its key under the generation that holds now."""
        if self._settled < self._changes():
            async with self._settling:
                # One replacement serves all who wait for it.
                if self._settled < self._changes():
                    await self._replace_generation()
        # Other calls may replace it while this one waits.
        expected = self._generation
        key = self._key(expected, suffix)
        generation, stored = await self._client.get(self._generation_key, key)
        if generation != expected:
            key = self._key(await self._adopt(generation), suffix)
            (stored,) = await self._client.get(key)
        rows = pages.decode(self._secret, key, stored) if stored is not None else None
        return rows, key

    async def _adopt(self, generation: bytes | None) -> bytes:
        """Takes over what another replica has set, unless it can't be."""
        if generation is not None and _TOKEN.fullmatch(generation) and generation >= self._generation:
            self._generation = generation
            return generation
        # Lost (evicted, emptied, an older copy restored): pages of before may still lie there.
        return await self._replace_generation()

    async def _replace_generation(self) -> bytes:
        covered = self._changes()
        token = _later_than(self._generation)
        try:
            await self._client.set(self._generation_key, token, seconds=GENERATION_TTL_S)
        except CacheFailedError:
            metrics.CACHE_INVALIDATIONS.labels("error").inc()
            raise
        metrics.CACHE_INVALIDATIONS.labels("done").inc()
        self._generation = max(token, self._generation)
        self._settled = max(covered, self._settled)
        return token

    def _changes(self) -> int:
        """Changes so far, own and heard of; only grows."""
        return self._writes + self._feed.lists_version

    async def _load_once(self, key: str, load: Load) -> list[Database]:
        """One query for all who ask for the same page of the same generation at a time."""
        task = self._loading.get(key)
        if task is None:
            if len(self._loading) >= MAX_LOADING:
                return await load()
            task = asyncio.create_task(self._load(key, load), name="registry.list", context=context.shared())
            self._loading[key] = task
            task.add_done_callback(lambda done: self._loaded(key, done))
        # One that goes away must not take the answer from the others.
        return await asyncio.shield(task)

    async def _load(self, key: str, load: Load) -> list[Database]:
        rows = await load()
        page = pages.encode(self._secret, key, rows)
        if len(page) <= pages.MAX_BYTES and self._circuit.may_try():
            try:
                await self._client.set(key, page, seconds=PAGE_TTL_S)
            except CacheFailedError as error:
                self._failed(error)
        return rows

    def _loaded(self, key: str, done: asyncio.Task[list[Database]]) -> None:
        self._loading.pop(key, None)
        if not done.cancelled():
            done.exception()  # where all who waited are gone, nobody else looks at it

    def _key(self, generation: bytes, suffix: str) -> str:
        return f"{self._prefix}:{generation.decode()}:{suffix}"

    def _failed(self, error: CacheFailedError) -> None:
        if self._circuit.failed():
            # The name of the failure alone: the text of a refused login names the user.
            log.warning("cache.away", failure=str(error), rest_s=REST_S)

    def _worked(self) -> None:
        if self._circuit.succeeded():
            log.info("cache.back")


_TOKEN = re.compile(rb"\d{16}[0-9a-f]{8}")


def _later_than(other: bytes) -> bytes:
    """A generation that was never used and sorts after another: microseconds, then what no other replica has."""
    now = max(time.time_ns() // 1000, int(other[:16] or b"0") + 1)
    return f"{now:016d}{secrets.token_hex(4)}".encode()


def _suffix(filters: Filters, after: Key | None, limit: int) -> str:
    text = json.dumps([dataclasses.astuple(filters), after and dataclasses.astuple(after), limit])
    return hashlib.sha256(text.encode()).hexdigest()[:32]
