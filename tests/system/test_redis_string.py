"""Strings, bits and HyperLogLogs over REST; whole values set only where they still are what the caller saw."""

from __future__ import annotations

import asyncio
import base64

import pytest
from redis.asyncio import Redis

from tests.support.redis_api import Json, RedisApi, blob
from tests.system.conftest import OpenRedisApi

EVERY_BYTE = bytes(range(256))


def encoded(text: bytes) -> str:
    return base64.b64encode(text).decode()


async def test_parts_are_written_whatever_their_bytes(
    redis_api: RedisApi, redis_engine: Redis, redis_key: str
) -> None:
    name = redis_key.encode() + EVERY_BYTE

    for number, spelling in enumerate(("key_base64", "keyBase64"), 1):
        answer = await redis_api.post(
            "string/append", **{spelling: encoded(name), "content": blob(EVERY_BYTE)}
        )
        assert answer == {"length": 256 * number}
    answer = await redis_api.post(
        "string/range", key_base64=encoded(name), offset=2, content={"valueBase64": encoded(b"\xff\x00")}
    )
    assert answer == {"length": 512}
    assert await redis_engine.get(name) == b"\x00\x01\xff\x00" + EVERY_BYTE[4:] + EVERY_BYTE


async def test_a_number_beyond_2_to_the_53_is_counted_exactly(
    redis_api: RedisApi, redis_engine: Redis, redis_key: str
) -> None:
    await redis_engine.set(redis_key, "9007199254740993")

    assert await redis_api.post("string/increment", key=redis_key, by="1") == {"value": "9007199254740994"}
    assert await redis_api.post("string/increment", key=redis_key, by="-0.5") == {
        "value": "9007199254740993.5"
    }
    refused = await redis_api.post_refused("string/increment", key=redis_key, by="1")
    assert refused == (400, "DB_QUERY_ERROR")


async def test_of_those_who_count_at_once_none_is_lost(
    redis_api: RedisApi, redis_engine: Redis, redis_key: str
) -> None:
    await asyncio.gather(*(redis_api.post("string/increment", key=redis_key, by="2") for _ in range(50)))

    assert await redis_engine.get(redis_key) == b"100"


async def test_bits(redis_api: RedisApi, redis_engine: Redis, redis_key: str) -> None:
    bits = [{"offset": 0, "on": True}, {"offset": 9, "on": True}, {"offset": 0}]

    assert await redis_api.post("bits/set", key=redis_key, bits=bits) == {"previous": [0, 0, 1]}
    assert await redis_engine.get(redis_key) == b"\x00\x40"
    assert await redis_api.get("bits", key=redis_key, offsets=[0, 9, 4294967295]) == {
        "bits": [0, 1, 0],
        "set": 1,
    }
    assert await redis_api.get("bits", key=redis_key, end=0) == {"bits": [], "set": 0}
    assert await redis_api.get("bits", key=redis_key, start=-1) == {"bits": [], "set": 1}


async def test_hyperloglogs(redis_api: RedisApi, redis_key: str) -> None:
    elements = [{"value": str(number)} for number in range(100)]
    other = f"{redis_key}:other"

    assert await redis_api.post("hyperloglog/add", key=redis_key, elements=elements) == {"changed": True}
    assert await redis_api.post("hyperloglog/add", key=redis_key, elements=elements[:1]) == {"changed": False}
    await redis_api.post("hyperloglog/add", key=other, elements=[blob(EVERY_BYTE)])
    count = await redis_api.post("hyperloglog/count", keys=[{"value": redis_key}, {"value": other}])
    assert 97 <= count["count"] <= 105
    refused = await redis_api.post_refused("hyperloglog/count", keys=[{"value": f"{redis_key}:none"}])
    assert refused == (404, "KEY_NOT_FOUND")


@pytest.mark.parametrize(
    ("route", "fields"),
    [
        ("string/append", {}),
        ("string/range", {"content": {"value": "x"}, "offset": 0.5}),
        ("string/range", {"content": {"value": "x"}, "offset": -1}),
        ("string/increment", {"by": "one"}),
        ("string/increment", {"by": "99999999999999999999"}),
        ("bits/set", {"bits": []}),
        ("bits/set", {"bits": [{"offset": 4294967296}]}),
        ("bits/set", {"bits": [{"offset": 1.5}]}),
        ("hyperloglog/add", {"elements": []}),
        ("string/append", {"content": {"value": "beg", "fullLength": 100}}),
    ],
)
async def test_a_malformed_request(redis_api: RedisApi, redis_key: str, route: str, fields: Json) -> None:
    assert await redis_api.post_refused(route, key=redis_key, **fields) == (400, "INVALID_ARGUMENT")


ROUTES: dict[str, tuple[Json, str]] = {
    "string/append": ({"content": {"value": "x"}}, "+append"),
    "string/range": ({"content": {"value": "x"}}, "+setrange"),
    "string/increment": ({"by": "1"}, "+incrby"),
    "bits/set": ({"bits": [{"offset": 0}]}, "+bitfield"),
    "hyperloglog/add": ({"elements": [{"value": "x"}]}, "+pfadd"),
}


async def test_refusals(
    redis_api: RedisApi,
    redis_reader: RedisApi,
    restricted_redis_api: OpenRedisApi,
    redis_engine: Redis,
    redis_key: str,
) -> None:
    assert await redis_api.get_refused("bits", key=redis_key) == (404, "KEY_NOT_FOUND")
    await redis_engine.rpush(redis_key, "item")
    api = await restricted_redis_api("type", "exists")
    for route, (fields, permission) in ROUTES.items():
        assert await redis_api.post_refused(route, key=redis_key, **fields) == (400, "WRONG_TYPE")
        refused = await redis_reader.post_refused(route, key=redis_key, **fields)
        assert refused == (403, "PERMISSION_DENIED")
        assert await api.permission("POST", route, key=redis_key, **fields) == permission
    assert await redis_api.get_refused("bits", key=redis_key) == (400, "WRONG_TYPE")
    assert await redis_engine.lrange(redis_key, 0, -1) == [b"item"]
    await redis_engine.delete(redis_key)
    await redis_engine.set(redis_key, "v")
    assert await api.permission("GET", "bits", key=redis_key) == "+bitcount"
    assert await api.permission("POST", "hyperloglog/count", keys=[{"value": redis_key}]) == "+pfcount"


async def test_a_value_is_set_where_it_still_is_what_the_caller_saw(
    redis_api: RedisApi, redis_engine: Redis, redis_key: str
) -> None:
    await redis_engine.set(redis_key, EVERY_BYTE, px=1_000_000)

    await redis_api.post(
        "set", key=redis_key, value="1", expectedValueBase64=encoded(EVERY_BYTE), keepTtl=True
    )
    await redis_api.post("set", key=redis_key, value="", expected_value="1", keep_ttl=True)
    await redis_api.post("set", key=redis_key, value="3", expected_value="", keep_ttl=True)
    for expected in ("2", ""):
        refused = await redis_api.post_refused("set", key=redis_key, value="4", expectedValue=expected)
        assert refused == (409, "CONFLICT")
    assert await redis_engine.get(redis_key) == b"3"
    assert await redis_engine.pttl(redis_key) > 0
    refused = await redis_api.post_refused("set", key=f"{redis_key}:none", value="4", expectedValue="")
    assert refused == (409, "CONFLICT")
    refused = await redis_api.post_refused(
        "set", key=redis_key, value="4", expectedValue="3", ifNotExists=True
    )
    assert refused == (400, "INVALID_ARGUMENT")


async def test_of_many_who_edit_a_value_one_wins(
    redis_api: RedisApi, redis_engine: Redis, redis_key: str
) -> None:
    await redis_engine.set(redis_key, "start")
    route = f"/api/platform/redis/{await RedisApi.sample_id(redis_api.http)}/set"

    answers = await asyncio.gather(
        *(
            redis_api.http.post(
                route, json={"key": redis_key, "value": f"{number}", "expectedValue": "start"}
            )
            for number in range(20)
        )
    )

    winners = [number for number, answer in enumerate(answers) if answer.status_code == 200]
    assert len(winners) == 1
    assert {answer.status_code for answer in answers} == {200, 409}
    assert await redis_engine.get(redis_key) == b"%d" % winners[0]
