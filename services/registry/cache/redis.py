"""The few commands that the cache sends, each within milliseconds or not at all."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import redis.asyncio as aioredis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from services.registry import metrics
from services.registry.cache.failures import CacheFailedError

TIMEOUT_S = 0.05
"""To connect, and for each answer: a list of PostgreSQL's own takes a few milliseconds."""
CALL_TIMEOUT_S = 0.1
"""For a whole call, waiting for a connection, connecting and logging in included."""
MAX_CONNECTIONS = 8


class CacheClient:
    """A Redis of which nothing is expected.

    Args:
        url: `redis://`, `rediss://` or `unix://`.
    """

    def __init__(self, url: str) -> None:
        self._pool = aioredis.BlockingConnectionPool.from_url(
            url,
            max_connections=MAX_CONNECTIONS,
            timeout=TIMEOUT_S,
            socket_connect_timeout=TIMEOUT_S,
            socket_timeout=TIMEOUT_S,
            # The circuit decides when to try again.
            retry=Retry(NoBackoff(), 0),
        )
        # Any: the types of its commands cover both of its APIs.
        self._redis: Any = aioredis.Redis(connection_pool=self._pool)

    async def aclose(self) -> None:
        """Closes every connection."""
        await self._redis.aclose()
        await self._pool.disconnect()

    async def get(self, *keys: str) -> list[bytes | None]:
        """The values of several keys at one moment.

        Raises:
            CacheFailedError: it could not be asked.
        """
        async with _call():
            found: list[bytes | None] = await self._redis.mget(keys)
        return found

    async def set(self, key: str, value: bytes, *, seconds: int) -> None:
        """Stores a value.

        Raises:
            CacheFailedError: it could not be asked.
        """
        async with _call():
            await self._redis.set(key, value, ex=seconds)


@contextlib.asynccontextmanager
async def _call() -> AsyncIterator[None]:
    try:
        with metrics.CACHE_CALLS.track_inprogress():
            async with asyncio.timeout(CALL_TIMEOUT_S):
                yield
    except (RedisError, OSError, TimeoutError) as error:
        raise CacheFailedError(type(error).__name__) from error
