"""Keys as such, the tree of their names, and listing by size and expiry, over REST."""

from __future__ import annotations

import asyncio
import base64
import time

import pytest
from redis.asyncio import Redis

from tests.support.redis_api import Json, RedisApi, blob, content
from tests.system.conftest import OpenRedisApi

EVERY_BYTE = bytes(range(256))


def encoded(text: bytes) -> str:
    return base64.b64encode(text).decode()


async def test_all_that_is_known_of_a_key(redis_api: RedisApi, redis_engine: Redis, redis_key: str) -> None:
    name = redis_key.encode() + EVERY_BYTE
    await redis_engine.rpush(name, "a", "b")
    await redis_engine.pexpire(name, 1_000_000)

    for spelling in ({"key_base64": encoded(name)}, {"keyBase64": encoded(name), "memorySamples": 10}):
        facts = await redis_api.get("key", **spelling)
        assert facts["key"] == {"value_base64": encoded(name), "full_length": 0}
        assert (facts["type"], facts["length"], facts["encoding"], facts["frequency"]) == (
            "list",
            2,
            "listpack",
            -1,
        )
        assert 0 < facts["ttl_ms"] <= 1_000_000
        assert facts["memory_bytes"] > 256
        assert (0 <= facts["idle_s"] < 60, facts["reference_count"]) == (True, 1)


async def test_a_key_is_renamed_copied_and_deleted_whatever_its_bytes(
    redis_api: RedisApi, redis_engine: Redis, redis_key: str
) -> None:
    name = redis_key.encode()
    await redis_engine.set(name, EVERY_BYTE)

    assert await redis_api.post("key/rename", key=redis_key, newKey=blob(name + EVERY_BYTE)) == {
        "key": {"value_base64": encoded(name + EVERY_BYTE), "full_length": 0}
    }
    assert await redis_api.post(
        "key/copy", key_base64=encoded(name + EVERY_BYTE), new_key={"value": redis_key}
    ) == {"key": {"value": redis_key, "full_length": 0}}
    assert await redis_engine.get(name) == EVERY_BYTE
    keys = [blob(name + EVERY_BYTE), {"value": redis_key}, {"value": f"{redis_key}:none"}]
    assert await redis_api.post("key/delete", keys=keys) == {"deleted": 2}
    assert await redis_engine.exists(name, name + EVERY_BYTE) == 0


async def test_a_name_that_is_taken(redis_api: RedisApi, redis_engine: Redis, redis_key: str) -> None:
    taken = f"{redis_key}:taken"
    await redis_engine.mset({redis_key: "v", taken: "other"})

    for route in ("key/rename", "key/copy"):
        refused = await redis_api.post_refused(route, key=redis_key, newKey={"value": taken})
        assert refused == (409, "CONFLICT")
    assert await redis_engine.get(taken) == b"other"
    await redis_api.post("key/copy", key=redis_key, newKey={"value": taken}, overwrite=True)
    await redis_api.post("key/rename", key=redis_key, newKey={"value": taken}, overwrite=True)
    assert await redis_engine.mget(redis_key, taken) == [None, b"v"]


async def test_of_many_who_want_the_same_name_one_gets_it(
    redis_api: RedisApi, redis_engine: Redis, redis_key: str
) -> None:
    names = [f"{redis_key}:{number}" for number in range(10)]
    await redis_engine.mset(dict.fromkeys(names, "v"))
    route = f"/api/platform/redis/{await RedisApi.sample_id(redis_api.http)}/key/rename"

    answers = await asyncio.gather(
        *(redis_api.http.post(route, json={"key": name, "newKey": {"value": redis_key}}) for name in names)
    )

    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 9


async def test_an_expiry_is_set_and_removed(redis_api: RedisApi, redis_engine: Redis, redis_key: str) -> None:
    await redis_engine.set(redis_key, "v")

    left = (await redis_api.post("key/expire", key=redis_key, ttlMs=500_000))["ttl_ms"]
    assert 0 < left <= 500_000
    in_an_hour = int(time.time() * 1000) + 3_600_000
    left = (await redis_api.post("key/expire", key=redis_key, at_unix_ms=in_an_hour))["ttl_ms"]
    assert 500_000 < left <= 3_600_000
    assert await redis_api.post("key/expire", key=redis_key) == {"ttl_ms": -1}
    assert await redis_api.post("key/expire", key=redis_key, atUnixMs=1) == {"ttl_ms": 0}
    assert await redis_engine.exists(redis_key) == 0


@pytest.mark.parametrize(
    ("route", "fields"),
    [
        ("key/rename", {"newKey": {"value": "x"}}),
        ("key/copy", {"newKey": {"value": "x"}}),
        ("key/expire", {"ttlMs": 1000}),
    ],
)
async def test_a_missing_key_is_not_found(
    redis_api: RedisApi, redis_key: str, route: str, fields: Json
) -> None:
    assert await redis_api.post_refused(route, key=redis_key, **fields) == (404, "KEY_NOT_FOUND")
    assert await redis_api.get_refused("key", key=redis_key) == (404, "KEY_NOT_FOUND")


@pytest.mark.parametrize(
    ("route", "fields"),
    [
        ("key/rename", {"key": "x"}),
        ("key/rename", {"newKey": {"value": "x"}}),
        ("key/copy", {"key": "x", "newKey": {"value": "y"}, "targetDatabase": -1}),
        ("key/delete", {"keys": []}),
        ("key/delete", {"keys": [{}]}),
        ("key/delete", {"keys": [{"value": "x"}] * 1001}),
        ("key/expire", {"key": "x", "ttlMs": 0}),
        ("key/expire", {"key": "x", "ttlMs": 1.5}),
        ("key/expire", {"key": "x", "ttlMs": 1, "atUnixMs": 1}),
    ],
)
async def test_a_malformed_request(redis_api: RedisApi, route: str, fields: Json) -> None:
    assert await redis_api.post_refused(route, **fields) == (400, "INVALID_ARGUMENT")


async def test_roles_and_a_restricted_user(
    redis_reader: RedisApi, restricted_redis_api: OpenRedisApi, redis_engine: Redis, redis_key: str
) -> None:
    await redis_engine.set(redis_key, "v")
    routes: dict[str, Json] = {
        "key/rename": {"key": redis_key, "newKey": {"value": f"{redis_key}:new"}},
        "key/copy": {"key": redis_key, "newKey": {"value": f"{redis_key}:new"}},
        "key/delete": {"keys": [{"value": redis_key}]},
        "key/expire": {"key": redis_key, "ttlMs": 1000},
    }
    for route, fields in routes.items():
        assert await redis_reader.post_refused(route, **fields) == (403, "PERMISSION_DENIED")
    assert (await redis_reader.get("key", key=redis_key))["type"] == "string"

    api = await restricted_redis_api("type", "exists")
    assert await api.permission("GET", "key", key=redis_key) == "+pttl"
    assert await api.permission("GET", "namespaces") == "+scan"
    missing = {
        "key/rename": "+renamenx",
        "key/copy": "+copy",
        "key/delete": "+unlink",
        "key/expire": "+pexpire",
    }
    for route, fields in routes.items():
        assert await api.permission("POST", route, **fields) == missing[route]
    assert await redis_engine.get(redis_key) == b"v"


async def whole_tree(api: RedisApi, **query: object) -> tuple[dict[bytes, int], set[bytes], Json]:
    groups: dict[bytes, int] = {}
    keys: set[bytes] = set()
    cursor = ""
    while True:
        page = await api.get("namespaces", cursor=cursor, **query)
        for each in page["namespaces"]:
            prefix = content(each["prefix"])
            groups[prefix] = groups.get(prefix, 0) + each["keys"]
        keys |= {content(key) for key in page["keys"]}
        assert page["partial"] == bool(page["cursor"])
        cursor = page["cursor"]
        if not cursor:
            return groups, keys, page


async def test_the_tree_of_names(redis_api: RedisApi, redis_engine: Redis, redis_key: str) -> None:
    root = redis_key.encode()
    for rest in (b"a:1", b"a:2", b"b", b"\xff\x00:1", b"a::x", b"[x]*:1"):
        await redis_engine.set(root + b"::" + rest, "v")

    groups, keys, page = await whole_tree(redis_api, prefix__value=f"{redis_key}::")
    assert groups == {root + b"::a:": 3, root + b"::\xff\x00:": 1, root + b"::[x]*:": 1}
    assert keys == {root + b"::b"}
    assert page["omitted"] == 0
    assert page["total_estimate"] >= 6

    groups, keys, _ = await whole_tree(redis_api, prefix__value=redis_key, separator="::")
    assert (groups, keys) == ({root + b"::": 6}, set())
    groups, keys, _ = await whole_tree(redis_api, prefix__value_base64=encoded(root + b"::\xff\x00:"))
    assert (groups, keys) == ({}, {root + b"::\xff\x00:1"})
    groups, keys, _ = await whole_tree(redis_api, prefix__value=f"{redis_key}::[x]*:")
    assert (groups, keys) == ({}, {root + b"::[x]*:1"})
    groups, keys, _ = await whole_tree(redis_api, prefix__value=redis_key, type="hash")
    assert (groups, keys) == ({}, set())
    assert await redis_api.get_refused("namespaces", cursor="x") == (400, "INVALID_CURSOR")
    assert await redis_api.get_refused("namespaces", separator="x" * 17) == (400, "INVALID_ARGUMENT")


async def test_keys_are_listed_by_size_and_expiry(
    redis_api: RedisApi, redis_engine: Redis, redis_key: str
) -> None:
    await redis_engine.set(f"{redis_key}:large", "v" * 100_000)
    await redis_engine.set(f"{redis_key}:soon", "v", px=500_000)
    await redis_engine.set(f"{redis_key}:later", "v" * 100_000, px=50_000_000)

    async def names(**query: object) -> set[str]:
        found: set[str] = set()
        cursor = ""
        while True:
            page = await redis_api.get("keys", pattern=f"{redis_key}:*", cursor=cursor, **query)
            found |= {key["key"].rpartition(":")[2] for key in page["keys"]}
            cursor = page["cursor"]
            if not cursor:
                return found

    assert await names(min_memory_bytes=50_000) == {"large", "later"}
    assert await names(minMemoryBytes=50_000, maxTtlMs=-1) == {"large"}
    assert await names(max_ttl_ms=600_000) == {"soon"}
    assert await names(max_ttl_ms=60_000_000, read_mask="type") == {"soon", "later"}
    assert await redis_api.get_refused("keys", max_ttl_ms=-2) == (400, "INVALID_ARGUMENT")
    assert await redis_api.get_refused("keys", min_memory_bytes=0.5) == (400, "INVALID_ARGUMENT")
