"""Long keys: in the query as far as the gateway takes one, in a body beyond."""

from __future__ import annotations

import pytest
from redis.asyncio import Redis

from tests.support.redis_api import RedisApi


@pytest.mark.parametrize("length", [9_000, 60_000])
async def test_a_key_of_many_kilobytes_is_read_by_its_query(
    redis_api: RedisApi, redis_engine: Redis, redis_key: str, length: int
) -> None:
    key = redis_key + "k" * length
    await redis_engine.set(key, "found")
    assert (await redis_api.get("get", key=key))["value"] == "found"


async def test_a_key_of_a_megabyte_goes_in_a_body(
    redis_api: RedisApi, redis_engine: Redis, redis_key: str
) -> None:
    key = redis_key + "k" * 2**20
    await redis_api.post("set", key=key, value="v")
    assert await redis_engine.get(key) == b"v"
