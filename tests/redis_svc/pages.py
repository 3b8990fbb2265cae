"""Pages of a listing, for tests."""

from __future__ import annotations

import dataclasses

from services.redis_svc.client import RedisClient
from services.redis_svc.keyspace import Query, list_keys


async def page_names(client: RedisClient, query: Query) -> tuple[list[bytes], str, int]:
    names: list[bytes] = []
    page = await list_keys(client, query, lambda keys: names.extend(keys.names))
    return names, page.cursor, page.total


async def all_names(client: RedisClient, query: Query, *, most: int = 1000) -> list[bytes]:
    names: list[bytes] = []
    for _ in range(most):
        found, cursor, _ = await page_names(client, query)
        names += found
        if not cursor:
            return names
        query = dataclasses.replace(query, cursor=cursor)
    raise AssertionError("the listing does not end")
