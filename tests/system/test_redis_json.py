"""JSON documents over REST: the embedded engine has none, and says so."""

from __future__ import annotations

import pytest
from redis.asyncio import Redis

from tests.support.redis_api import RedisApi


@pytest.mark.parametrize("name", ["key", "keyBase64", "key_base64"])
async def test_a_server_without_json_is_no_fault_of_ours(
    redis_api: RedisApi, redis_engine: Redis, redis_key: str, name: str
) -> None:
    await redis_engine.set("test-json-key", "{}")  # dGVzdC1qc29uLWtleQ==, in base64
    key = {name: "test-json-key" if name == "key" else "dGVzdC1qc29uLWtleQ=="}
    refusal = (400, "NOT_SUPPORTED")

    assert await redis_api.get_refused("json", **key) == refusal
    assert await redis_api.get_refused("json", **key, path="$.a") == refusal
    assert await redis_api.post_refused("json/set", **key, json="{}") == refusal
    assert await redis_api.post_refused("json/set", **key, json="{}", expected="[{}]") == refusal
    assert await redis_api.post_refused("json/delete", **key) == refusal
    assert await redis_api.get_refused("json", key=redis_key) == refusal
    assert await redis_engine.getdel("test-json-key") == b"{}"


async def test_refusals(redis_api: RedisApi, redis_reader: RedisApi, redis_key: str) -> None:
    invalid = (400, "INVALID_ARGUMENT")
    assert await redis_api.post_refused("json/set", key=redis_key, json="") == invalid
    assert await redis_api.get_refused("json", key=redis_key, path="$" * 4097) == invalid
    assert await redis_api.get_refused("json") == invalid
    denied = (403, "PERMISSION_DENIED")
    assert await redis_reader.post_refused("json/delete", key=redis_key) == denied
