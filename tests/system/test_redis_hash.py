"""Hashes over REST."""

from __future__ import annotations

import asyncio
import base64

import pytest
from redis.asyncio import Redis

from tests.support.redis_api import Json, RedisApi, blob, content
from tests.system.conftest import OpenRedisApi

EVERY_BYTE = bytes(range(256))
MIB = 1024 * 1024


def encoded(text: bytes) -> str:
    return base64.b64encode(text).decode()


async def all_fields(api: RedisApi, key: str, **query: object) -> dict[bytes, Json]:
    found: dict[bytes, Json] = {}
    cursor = ""
    while True:
        page = await api.get("hash", key=key, cursor=cursor, **query)
        found |= {content(each["field"]): each for each in page["fields"]}
        cursor = page["cursor"]
        if not cursor:
            assert page["length"] >= len(found)
            return found


async def test_fields_survive_the_way_in_and_out(
    redis_api: RedisApi, redis_engine: Redis, redis_key: str
) -> None:
    everything = {bytes([byte]): bytes([255 - byte]) for byte in range(256)}
    everything |= {EVERY_BYTE: EVERY_BYTE, b"": b"", "ü".encode(): "ü".encode()}
    fields = [{"field": blob(name), "content": blob(value)} for name, value in everything.items()]
    name = encoded(redis_key.encode())

    added = await redis_api.post("hash/set", keyBase64=name, fields=fields)

    assert added == {"added": len(everything), "length": len(everything)}
    found = await all_fields(redis_api, redis_key)
    assert {field: content(each["content"]) for field, each in found.items()} == everything
    assert found["ü".encode()]["content"] == {"value": "ü", "full_length": 0}
    for field in (EVERY_BYTE, b"\xff", b""):
        one = await redis_api.get("hash/field", key_base64=name, field__value_base64=encoded(field))
        assert content(one["field"]["content"]) == everything[field]
    gone = await redis_api.post("hash/delete", key=redis_key, fields=[blob(EVERY_BYTE), {"value": "none"}])
    assert gone == {"deleted": 1}
    assert not await redis_engine.hexists(redis_key, EVERY_BYTE)


async def test_pages_patterns_and_spellings(redis_api: RedisApi, redis_engine: Redis, redis_key: str) -> None:
    await redis_engine.hset(
        redis_key, items=[part for number in range(3000) for part in (f"f{number}", "x" * 100)]
    )

    found = await all_fields(redis_api, redis_key, count=200, maxValueBytes=10)
    assert len(found) == 3000
    assert found[b"f7"]["content"] == {"value": "x" * 10, "full_length": 100}
    found = await all_fields(redis_api, redis_key, pattern__value="f299?", max_value_bytes=1000)
    assert found.keys() == {b"f299%d" % number for number in range(10)}
    assert {each["content"]["full_length"] for each in found.values()} == {0}


async def test_huge_values_do_not_travel_with_the_page_and_come_in_ranges(
    redis_api: RedisApi, redis_engine: Redis, redis_key: str
) -> None:
    huge = EVERY_BYTE * 48_000
    await redis_engine.hset(redis_key, mapping={"huge": huge, "small": "v"})

    found = await all_fields(redis_api, redis_key)
    assert found[b"huge"]["content"]["full_length"] == len(huge)
    assert len(content(found[b"huge"]["content"])) <= 4096
    assert content(found[b"small"]["content"]) == b"v"

    read = b""
    while len(read) < len(huge):
        part = await redis_api.get(
            "hash/field", key=redis_key, field__value="huge", offset=len(read), limit=5 * MIB
        )
        assert part["field"]["content"]["full_length"] == len(huge)
        read += content(part["field"]["content"])
    assert read == huge


async def test_the_beginning_of_a_value_is_not_taken_for_the_value(
    redis_api: RedisApi, redis_engine: Redis, redis_key: str
) -> None:
    """A client that sends back what a page showed would cut the value off."""
    await redis_engine.hset(redis_key, "f", "x" * 10_000)
    shown = (await all_fields(redis_api, redis_key))[b"f"]

    assert await redis_api.post_refused("hash/set", key=redis_key, fields=[shown]) == (
        400,
        "INVALID_ARGUMENT",
    )
    assert await redis_engine.hget(redis_key, "f") == b"x" * 10_000


async def test_one_field_in_conflict_and_nothing_is_changed(
    redis_api: RedisApi, redis_engine: Redis, redis_key: str
) -> None:
    await redis_engine.hset(redis_key, mapping={"a": "1", "b": "2"})
    new = {"value": "new"}
    good: list[Json] = [
        {"field": {"value": "a"}, "content": new, "expected": {"value": "1"}},
        {"field": {"value": "c"}, "content": new, "absent": True},
    ]
    bad: list[Json] = [
        {"field": {"value": "b"}, "content": new, "expected": {"value": "1"}},
        {"field": {"value": "b"}, "content": new, "absent": True},
        {"field": {"value": "none"}, "content": new, "expected": {"value": ""}},
    ]

    for each in bad:
        refused = await redis_api.post_refused("hash/set", key=redis_key, fields=[*good, each])
        assert refused == (409, "CONFLICT")
    assert await redis_engine.hgetall(redis_key) == {b"a": b"1", b"b": b"2"}
    assert await redis_api.post("hash/set", key=redis_key, fields=good) == {"added": 1, "length": 3}


async def test_of_many_who_edit_a_field_one_wins(
    redis_api: RedisApi, redis_engine: Redis, redis_key: str
) -> None:
    await redis_engine.hset(redis_key, "f", "start")
    route = f"/api/platform/redis/{await RedisApi.sample_id(redis_api.http)}/hash/set"

    async def edit(number: int) -> int:
        field = {"field": {"value": "f"}, "content": {"value": f"{number}"}, "expected": {"value": "start"}}
        return (await redis_api.http.post(route, json={"key": redis_key, "fields": [field]})).status_code

    statuses = await asyncio.gather(*map(edit, range(20)))

    assert sorted(statuses) == [200] + [409] * 19
    assert await redis_engine.hget(redis_key, "f") == b"%d" % statuses.index(200)


async def test_fields_expire_on_their_own(redis_api: RedisApi, redis_engine: Redis, redis_key: str) -> None:
    fields: list[Json] = [
        {"field": {"value": "a"}, "content": {"value": "1"}, "ttlMs": 1_000_000},
        {"field": {"value": "b"}, "content": {"value": "2"}, "ttl_ms": -1},
    ]
    await redis_api.post("hash/set", key=redis_key, fields=fields)

    found = await all_fields(redis_api, redis_key, withTtl=True)
    assert 0 < found[b"a"]["ttl_ms"] <= 1_000_000
    assert found[b"b"]["ttl_ms"] == -1
    names = [{"value": "a"}, {"value": "b"}, {"value": "none"}]
    expired = await redis_api.post("hash/expire", key=redis_key, fields=names, ttlMs=500_000)
    assert expired == {"results": [1, 1, -2]}
    assert await redis_api.post("hash/expire", key=redis_key, fields=names) == {"results": [1, 1, -2]}
    assert await redis_engine.hpttl(redis_key, "a", "b") == [-1, -1]


@pytest.mark.parametrize(
    ("route", "fields"),
    [
        ("hash/set", {"fields": []}),
        ("hash/set", {"fields": [{"field": {"value": "a"}}]}),
        ("hash/set", {"fields": [{"content": {"value": "a"}}]}),
        ("hash/set", {"fields": [{"field": {"value": "a"}, "content": {"value": "b"}, "ttlMs": 0.5}]}),
        ("hash/set", {"fields": [{"field": {"value": "a"}, "content": {"value": "b"}, "ttlMs": -2}]}),
        ("hash/set", {"fields": [{"field": {"value": "a"}, "content": {"value": "b"}}] * 2}),
        (
            "hash/set",
            {
                "fields": [
                    {
                        "field": {"value": "a"},
                        "content": {"value": "b"},
                        "expected": {"value": "c"},
                        "absent": True,
                    }
                ]
            },
        ),
        ("hash/delete", {"fields": []}),
        ("hash/expire", {"fields": [{"value": "a"}], "ttlMs": 0}),
    ],
)
async def test_a_malformed_request(redis_api: RedisApi, redis_key: str, route: str, fields: Json) -> None:
    assert await redis_api.post_refused(route, key=redis_key, **fields) == (400, "INVALID_ARGUMENT")


async def test_refusals(
    redis_api: RedisApi,
    redis_reader: RedisApi,
    restricted_redis_api: OpenRedisApi,
    redis_engine: Redis,
    redis_key: str,
) -> None:
    names = [{"value": "f"}]
    sets = [{"field": {"value": "f"}, "content": {"value": "x"}}]
    writes: dict[str, Json] = {
        "hash/set": {"fields": sets},
        "hash/delete": {"fields": names},
        "hash/expire": {"fields": names, "ttlMs": 1000},
    }
    missing = {"hash/set": "+hset", "hash/delete": "+hdel", "hash/expire": "+hpexpire"}
    api = await restricted_redis_api("type", "hlen", "exists")

    assert await redis_api.get_refused("hash", key=redis_key) == (404, "KEY_NOT_FOUND")
    assert await redis_api.get_refused("hash/field", key=redis_key, field__value="f") == (
        404,
        "KEY_NOT_FOUND",
    )
    refused = await redis_api.post_refused("hash/expire", key=redis_key, fields=names)
    assert refused == (404, "KEY_NOT_FOUND")

    await redis_engine.hset(redis_key, "f", "v")
    refused = await redis_api.get_refused("hash/field", key=redis_key, field__value="none")
    assert refused == (404, "ELEMENT_NOT_FOUND")
    assert await redis_api.get_refused("hash", key=redis_key, cursor="x") == (400, "INVALID_CURSOR")
    assert await redis_api.get_refused("hash", key=redis_key, count=1001) == (400, "INVALID_ARGUMENT")
    assert await api.permission("GET", "hash", key=redis_key) == "+hscan"
    assert await api.permission("GET", "hash/field", key=redis_key, field__value="f") == "+hstrlen"
    for route, fields in writes.items():
        refused = await redis_reader.post_refused(route, key=redis_key, **fields)
        assert refused == (403, "PERMISSION_DENIED")
        assert await api.permission("POST", route, key=redis_key, **fields) == missing[route]
    assert await redis_engine.hgetall(redis_key) == {b"f": b"v"}

    await redis_engine.delete(redis_key)
    await redis_engine.set(redis_key, "v")
    assert await redis_api.get_refused("hash", key=redis_key) == (400, "WRONG_TYPE")
    assert await redis_api.get_refused("hash/field", key=redis_key, field__value="f") == (400, "WRONG_TYPE")
    for route, fields in writes.items():
        assert await redis_api.post_refused(route, key=redis_key, **fields) == (400, "WRONG_TYPE")
