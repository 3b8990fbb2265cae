"""Sets over REST."""

from __future__ import annotations

import asyncio
import base64

from redis.asyncio import Redis

from tests.support.redis_api import RedisApi, blob, content
from tests.system.conftest import OpenRedisApi

EVERY_BYTE = bytes(range(256))


async def test_members_survive_the_way_in_and_out(
    redis_api: RedisApi, redis_engine: Redis, redis_key: str
) -> None:
    everything = [*(bytes([byte]) for byte in range(256)), EVERY_BYTE, b"text", "ü".encode()]
    name = base64.b64encode(redis_key.encode()).decode()

    added = await redis_api.post(
        "set-members/add", keyBase64=name, members=[blob(each) for each in everything]
    )

    assert added == {"added": len(everything), "length": len(everything)}
    page = await redis_api.get("set-members", key=redis_key, count=1000)
    assert sorted(content(each) for each in page["members"]) == sorted(everything)
    assert {"value": "ü", "full_length": 0} in page["members"]
    assert (page["cursor"], page["length"]) == ("", len(everything))
    gone = await redis_api.post(
        "set-members/remove", key=redis_key, members=[blob(EVERY_BYTE), {"value": "none"}]
    )
    assert gone == {"deleted": 1, "length": len(everything) - 1}
    assert await redis_engine.smembers(redis_key) == {*everything} - {EVERY_BYTE}


async def test_pages_hold_each_member_once(redis_api: RedisApi, redis_engine: Redis, redis_key: str) -> None:
    await redis_engine.sadd(redis_key, *(f"m{number}" for number in range(5000)))

    found: list[bytes] = []
    cursor = "0"
    while cursor:
        page = await redis_api.get("set-members", key=redis_key, count=300, cursor=cursor)
        found += [content(each) for each in page["members"]]
        assert len(page["members"]) <= 300
        cursor = page["cursor"]

    assert sorted(found) == sorted(b"m%d" % number for number in range(5000))
    some = await redis_api.get("set-members", key=redis_key, count=1000, pattern__value="m499?")
    assert some["length"] == 5000


async def test_a_member_that_many_add_is_new_once(redis_api: RedisApi, redis_key: str) -> None:
    answers = await asyncio.gather(
        *(redis_api.post("set-members/add", key=redis_key, members=[{"value": "same"}]) for _ in range(20))
    )

    assert sorted(each["added"] for each in answers) == [0] * 19 + [1]


async def test_refusals(
    redis_api: RedisApi, redis_reader: RedisApi, redis_engine: Redis, redis_key: str
) -> None:
    members = [{"value": "a"}]
    assert await redis_api.get_refused("set-members", key=redis_key) == (404, "KEY_NOT_FOUND")
    assert await redis_api.post_refused("set-members/remove", key=redis_key, members=members) == (
        404,
        "KEY_NOT_FOUND",
    )
    await redis_engine.set(redis_key, "v")
    assert await redis_api.get_refused("set-members", key=redis_key) == (400, "WRONG_TYPE")
    assert await redis_api.post_refused("set-members/add", key=redis_key, members=members) == (
        400,
        "WRONG_TYPE",
    )
    wrongs: list[dict[str, object]] = [{"members": []}, {"members": [{}]}, {"members": members, "key": None}]
    for wrong in wrongs:
        assert await redis_api.post_refused("set-members/add", **{"key": redis_key, **wrong}) == (
            400,
            "INVALID_ARGUMENT",
        )
    assert await redis_api.get_refused("set-members", key=redis_key, count=1001) == (400, "INVALID_ARGUMENT")
    assert await redis_api.get_refused("set-members", key=redis_key, cursor="x") == (400, "INVALID_CURSOR")
    assert await redis_reader.post_refused("set-members/add", key=redis_key, members=members) == (
        403,
        "PERMISSION_DENIED",
    )


async def test_a_restricted_user_learns_what_is_missing(
    restricted_redis_api: OpenRedisApi, redis_engine: Redis, redis_key: str
) -> None:
    await redis_engine.sadd(redis_key, "a")
    api = await restricted_redis_api("type", "scard")
    members = [{"value": "a"}]

    assert await api.permission("GET", "set-members", key=redis_key) == "+sscan"
    assert await api.permission("POST", "set-members/add", key=redis_key, members=members) == "+sadd"
    assert await api.permission("POST", "set-members/remove", key=redis_key, members=members) == "+srem"
