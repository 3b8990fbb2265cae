"""Sorted sets and places over REST."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from redis.asyncio import Redis

from tests.support.redis_api import RedisApi, blob, content
from tests.system.conftest import OpenRedisApi

EVERY_BYTE = bytes(range(256))


async def test_members_and_scores_survive_the_way_in_and_out(
    redis_api: RedisApi, redis_engine: Redis, redis_key: str
) -> None:
    everything = [*(bytes([byte]) for byte in range(256)), EVERY_BYTE]
    members = [{"member": blob(each), "score": str(at)} for at, each in enumerate(everything)]
    members[0]["score"] = "-inf"
    members[-1]["score"] = "inf"
    members[1]["score"] = "0.30000000000000004"

    added = await redis_api.post("sorted-set/add", key=redis_key, members=members)

    assert added == {"added": 257, "changed": 0, "length": 257}
    page = await redis_api.get("sorted-set", key=redis_key, count=1000)
    assert [content(each["member"]) for each in page["members"]] == everything
    assert [float(each["score"]) for each in page["members"]] == [
        float(str(each["score"])) for each in members
    ]
    assert page["members"][0]["score"] == "-inf"
    gone = await redis_api.post("sorted-set/remove", key=redis_key, members=[blob(EVERY_BYTE)])
    assert gone == {"deleted": 1, "length": 256}
    assert await redis_engine.zscore(redis_key, EVERY_BYTE) is None


async def test_ranges(redis_api: RedisApi, redis_engine: Redis, redis_key: str) -> None:
    await redis_engine.zadd(redis_key, {name: at for at, name in enumerate("abcdef")})

    async def names(**query: object) -> str:
        page = await redis_api.get("sorted-set", key=redis_key, **query)
        assert page["length"] == 6
        return "".join(each["member"]["value"] for each in page["members"])

    assert await names() == "abcdef"
    assert await names(offset=2, count=2) == "cd"
    assert await names(reverse=True, count=2) == "fe"
    assert await names(by="score", min="(1", max="4") == "cde"
    assert await names(by="score", max="2", reverse=True) == "cba"
    assert await names(by="score", min="-inf", max="+inf", offset=4) == "ef"
    assert await names(pattern__value="[ab]") in {"ab", "ba"}
    await redis_engine.zadd(redis_key, dict.fromkeys("abcdef", 0))
    assert await names(by="lex", min="[b", max="(e") == "bcd"


async def test_pages_hold_each_member_once(redis_api: RedisApi, redis_engine: Redis, redis_key: str) -> None:
    await redis_engine.zadd(redis_key, {f"{number:04}": number for number in range(3000)})

    found: list[str] = []
    more = True
    while more:
        page = await redis_api.get("sorted-set", key=redis_key, offset=len(found), count=700)
        found += [each["member"]["value"] for each in page["members"]]
        more = page["more"]
    assert found == [f"{number:04}" for number in range(3000)]

    matched: list[str] = []
    cursor = "0"
    while cursor:
        page = await redis_api.get("sorted-set", key=redis_key, pattern__value="1*", cursor=cursor, count=100)
        matched += [each["member"]["value"] for each in page["members"]]
        cursor = page["cursor"]
        assert page["more"] == bool(cursor)
    assert sorted(matched) == [f"{number:04}" for number in range(1000, 2000)]


async def test_of_edits_that_saw_the_same_score_one_wins(
    redis_api: RedisApi, redis_engine: Redis, redis_key: str
) -> None:
    await redis_engine.zadd(redis_key, {"a": 1})

    async def edit(score: int) -> int:
        members = [{"member": {"value": "a"}, "score": str(score), "expectedScore": "1"}]
        return await redis_api.post_status("sorted-set/add", key=redis_key, members=members)

    answers = await asyncio.gather(*(edit(score) for score in range(2, 20)))

    assert sorted(answers) == [200] + [409] * 17
    assert await redis_engine.zscore(redis_key, "a") == answers.index(200) + 2
    stale = [
        {"member": {"value": "new"}, "score": "1"},
        {"member": {"value": "a"}, "score": "5", "expected_score": "1"},
    ]
    assert await redis_api.post_refused("sorted-set/add", key=redis_key, members=stale) == (409, "CONFLICT")
    assert await redis_engine.zcard(redis_key) == 1


async def test_places(redis_api: RedisApi, redis_key: str) -> None:
    places = [
        {"member": {"value": "Palermo"}, "longitude": 13.361389, "latitude": 38.115556},
        {"member": blob(EVERY_BYTE), "longitude": 15.087269, "latitude": 37.502669},
    ]

    assert await redis_api.post("geo/add", key=redis_key, places=places) == {"added": 2}
    found = await redis_api.get("geo", key=redis_key, longitude=15, latitude=37, radiusM=200000)

    assert [content(each["member"]) for each in found["places"]] == [EVERY_BYTE, b"Palermo"]
    assert [each["distance_m"] for each in found["places"]] == pytest.approx([56441, 190442], abs=1)
    assert found["places"][1]["longitude"] == pytest.approx(13.361389, abs=1e-5)
    near = await redis_api.get("geo", key=redis_key, longitude=15, latitude=37, radius_m=200000, count=1)
    assert len(near["places"]) == 1
    assert await redis_api.get_refused("geo", key=redis_key, longitude=181, latitude=0, radius_m=1) == (
        400,
        "INVALID_ARGUMENT",
    )
    assert await redis_api.get_refused("geo", key=f"{redis_key}-none", radius_m=1) == (404, "KEY_NOT_FOUND")


async def test_refusals(
    redis_api: RedisApi, redis_reader: RedisApi, redis_engine: Redis, redis_key: str
) -> None:
    members = [{"member": {"value": "a"}, "score": "1"}]
    missing = (404, "KEY_NOT_FOUND")
    assert await redis_api.get_refused("sorted-set", key=redis_key) == missing
    assert (
        await redis_api.post_refused("sorted-set/remove", key=redis_key, members=[{"value": "a"}]) == missing
    )
    await redis_engine.set(redis_key, "v")
    wrong = (400, "WRONG_TYPE")
    assert await redis_api.get_refused("sorted-set", key=redis_key) == wrong
    assert await redis_api.post_refused("sorted-set/add", key=redis_key, members=members) == wrong
    assert (
        await redis_api.post_refused("geo/add", key=redis_key, places=[{"member": {"value": "a"}}]) == wrong
    )
    invalid = (400, "INVALID_ARGUMENT")
    for query in (
        {"by": "size"},
        {"by": "score", "min": "x"},
        {"by": "lex", "max": "x"},
        {"min": "1"},
        {"offset": 1.5},
        {"offset": -1},
        {"cursor": "5"},
    ):
        assert await redis_api.get_refused("sorted-set", key=redis_key, **query) == invalid
    for bad in ("", "nan", "1.2.3", "one"):
        body = [{"member": {"value": "a"}, "score": bad}]
        assert await redis_api.post_refused("sorted-set/add", key=redis_key, members=body) == invalid
    assert (
        await redis_api.post_refused(
            "sorted-set/add", key=redis_key, members=members, onlyNew=True, only_existing=True
        )
        == invalid
    )
    denied = (httpx.codes.FORBIDDEN, "PERMISSION_DENIED")
    assert await redis_reader.post_refused("sorted-set/add", key=redis_key, members=members) == denied


async def test_a_restricted_user_learns_what_is_missing(
    restricted_redis_api: OpenRedisApi, redis_engine: Redis, redis_key: str
) -> None:
    await redis_engine.zadd(redis_key, {"a": 1})
    api = await restricted_redis_api("type", "zcard", "zscore")
    members = [{"member": {"value": "a"}, "score": "1"}]
    expecting = [{**members[0], "expectedScore": "1"}]

    assert await api.permission("GET", "sorted-set", key=redis_key) == "+zrange"
    assert await api.permission("POST", "sorted-set/add", key=redis_key, members=members) == "+zadd"
    assert await api.permission("POST", "sorted-set/add", key=redis_key, members=expecting) == "+watch"
    assert await api.permission("GET", "geo", key=redis_key, radius_m=1) == "+geosearch"
