"""Lists over REST."""

from __future__ import annotations

import asyncio
import base64

import pytest
from redis.asyncio import Redis

from tests.support.redis_api import Json, RedisApi, blob, content
from tests.system.conftest import OpenRedisApi

EVERY_BYTE = bytes(range(256))
MIB = 1024 * 1024


async def test_items_survive_the_way_in_and_out(
    redis_api: RedisApi, redis_engine: Redis, redis_key: str
) -> None:
    items = [*(bytes([byte]) for byte in range(256)), EVERY_BYTE, b"", "ü".encode()]
    name = base64.b64encode(redis_key.encode()).decode()

    pushed = await redis_api.post("list/push", keyBase64=name, items=[blob(item) for item in items])
    assert pushed == {"length": len(items)}
    pushed = await redis_api.post(
        "list/push", key_base64=name, items=[{"value": "a"}, {"value": "b"}], left=True, ifExists=True
    )
    assert pushed == {"length": len(items) + 2}

    expected = [b"b", b"a", *items]
    assert await redis_engine.lrange(redis_key, 0, -1) == expected
    page = await redis_api.get("list", key=redis_key, count=1000)
    assert [content(item) for item in page["items"]] == expected
    assert (page["start"], page["length"]) == (0, len(expected))
    page = await redis_api.get("list", key=redis_key, start=-1)
    assert page == {
        "items": [{"value": "ü", "full_length": 0}],
        "start": len(expected) - 1,
        "length": len(expected),
    }
    taken = await redis_api.post("list/pop", key=redis_key, left=True, count=1000)
    assert [content(item) for item in taken["items"]] == expected
    assert taken["length"] == 0


async def test_a_page_of_huge_items_is_bounded_and_each_comes_in_ranges(
    redis_api: RedisApi, redis_engine: Redis, redis_key: str
) -> None:
    for number in range(12):
        await redis_engine.rpush(redis_key, b"%02d" % number * 2 * MIB)

    indexes = []
    start = 0
    while start < 12:
        page = await redis_api.get("list", key=redis_key, start=start, max_value_bytes=3)
        assert page["start"] == start
        assert all(item["full_length"] == 4 * MIB for item in page["items"])
        indexes += [int(item["value"][:2]) for item in page["items"]]
        start += len(page["items"])
    assert indexes == list(range(12))

    query: Json = {"start": -1, "count": 1, "maxValueBytes": MIB}
    page = await redis_api.get("list", key=redis_key, valueOffset=4 * MIB - 3, **query)
    assert page["items"] == [{"value": "111", "full_length": 4 * MIB}]


async def test_an_item_is_edited_where_it_still_is_what_the_caller_saw(
    redis_api: RedisApi, redis_engine: Redis, redis_key: str
) -> None:
    await redis_engine.rpush(redis_key, "a", EVERY_BYTE, "c")

    done = await redis_api.post(
        "list/set", key=redis_key, index=-2, content={"value": "b"}, expected=blob(EVERY_BYTE)
    )
    assert done == {"length": 3}
    for index in (1, 7):
        refused = await redis_api.post_refused(
            "list/set", key=redis_key, index=index, content={"value": "x"}, expected={"value": "old"}
        )
        assert refused == (409, "CONFLICT")
    assert await redis_api.post("list/set", key=redis_key, index=0, content=blob(EVERY_BYTE)) == {"length": 3}
    assert await redis_engine.lrange(redis_key, 0, -1) == [EVERY_BYTE, b"b", b"c"]


async def test_of_many_who_edit_an_item_one_wins(
    redis_api: RedisApi, redis_engine: Redis, redis_key: str
) -> None:
    await redis_engine.rpush(redis_key, "start")
    route = f"/api/platform/redis/{await RedisApi.sample_id(redis_api.http)}/list/set"

    async def edit(number: int) -> int:
        body = {
            "key": redis_key,
            "index": 0,
            "content": {"value": f"{number}"},
            "expected": {"value": "start"},
        }
        return (await redis_api.http.post(route, json=body)).status_code

    statuses = await asyncio.gather(*map(edit, range(20)))

    assert sorted(statuses) == [200] + [409] * 19
    assert await redis_engine.lindex(redis_key, 0) == b"%d" % statuses.index(200)


async def test_items_are_inserted_removed_moved_and_trimmed(
    redis_api: RedisApi, redis_engine: Redis, redis_key: str
) -> None:
    await redis_engine.rpush(redis_key, "a", EVERY_BYTE, "a", "z")

    for before in (True, False):
        await redis_api.post(
            "list/insert", key=redis_key, pivot=blob(EVERY_BYTE), content={"value": "x"}, before=before
        )
    assert await redis_engine.lrange(redis_key, 0, -1) == [b"a", b"x", EVERY_BYTE, b"x", b"a", b"z"]
    assert await redis_api.post("list/remove", key=redis_key, content={"value": "a"}, count=-1) == {
        "deleted": 1
    }
    assert await redis_api.post("list/remove", key=redis_key, content={"value": "x"}) == {"deleted": 2}
    target = f"{redis_key}:target"
    moved = await redis_api.post("list/move", key=redis_key, target={"value": target}, toLeft=True)
    assert moved == {"item": {"value": "z", "full_length": 0}}
    moved = await redis_api.post("list/move", key=redis_key, target={"value": target}, from_left=True)
    assert moved == {"item": {"value": "a", "full_length": 0}}
    assert await redis_engine.lrange(target, 0, -1) == [b"z", b"a"]
    assert await redis_api.post("list/trim", key=target, start=-1, stop=-1) == {"length": 1}
    assert await redis_engine.lrange(target, 0, -1) == [b"a"]


@pytest.mark.parametrize(
    ("route", "fields"),
    [
        ("list/push", {"items": []}),
        ("list/pop", {"count": 1001}),
        ("list/set", {"content": {"value": "x"}}),
        ("list/set", {"content": {"value": "x"}, "index": 0.5}),
        ("list/set", {"index": 0}),
        ("list/set", {"index": 0, "content": {"value": "x", "full_length": 9000}}),
        ("list/insert", {"content": {"value": "x"}}),
        ("list/remove", {}),
        ("list/trim", {}),
        ("list/trim", {"start": 0}),
        ("list/trim", {"start": 0, "stop": 1.5}),
        ("list/move", {}),
    ],
)
async def test_a_malformed_request_changes_nothing(
    redis_api: RedisApi, redis_engine: Redis, redis_key: str, route: str, fields: Json
) -> None:
    await redis_engine.rpush(redis_key, "a", "b", "c")

    assert await redis_api.post_refused(route, key=redis_key, **fields) == (400, "INVALID_ARGUMENT")
    assert await redis_engine.lrange(redis_key, 0, -1) == [b"a", b"b", b"c"]


ROUTES: dict[str, tuple[Json, str]] = {
    "list/push": ({"items": [{"value": "x"}], "ifExists": True}, "+rpushx"),
    "list/pop": ({}, "+lrange"),
    "list/set": ({"index": 0, "content": {"value": "x"}}, "+lset"),
    "list/insert": ({"pivot": {"value": "item"}, "content": {"value": "x"}}, "+linsert"),
    "list/trim": ({"start": 0, "stop": 0}, "+ltrim"),
    "list/move": ({"target": {"value": "other"}}, "+lmove"),
    "list/remove": ({"content": {"value": "item"}}, "+lrem"),
}


async def test_refusals(
    redis_api: RedisApi,
    redis_reader: RedisApi,
    restricted_redis_api: OpenRedisApi,
    redis_engine: Redis,
    redis_key: str,
) -> None:
    api = await restricted_redis_api("type", "exists", "llen")
    assert await redis_api.get_refused("list", key=redis_key) == (404, "KEY_NOT_FOUND")
    for route, (fields, _) in ROUTES.items():
        if route != "list/remove":
            assert await redis_api.post_refused(route, key=redis_key, **fields) == (404, "KEY_NOT_FOUND")

    await redis_engine.rpush(redis_key, "item")
    assert await api.permission("GET", "list", key=redis_key) == "+lrange"
    for route, (fields, permission) in ROUTES.items():
        assert await api.permission("POST", route, key=redis_key, **fields) == permission
        refused = await redis_reader.post_refused(route, key=redis_key, **fields)
        assert refused == (403, "PERMISSION_DENIED")
    refused = await redis_api.post_refused("list/set", key=redis_key, index=1, content={"value": "x"})
    assert refused == (404, "ELEMENT_NOT_FOUND")
    refused = await redis_api.post_refused(
        "list/insert", key=redis_key, pivot={"value": "none"}, content={"value": "x"}
    )
    assert refused == (404, "ELEMENT_NOT_FOUND")
    assert await redis_engine.lrange(redis_key, 0, -1) == [b"item"]

    await redis_engine.delete(redis_key)
    await redis_engine.set(redis_key, "v")
    assert await redis_api.get_refused("list", key=redis_key) == (400, "WRONG_TYPE")
    for route, (fields, _) in ROUTES.items():
        assert await redis_api.post_refused(route, key=redis_key, **fields) == (400, "WRONG_TYPE")
