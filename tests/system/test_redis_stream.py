"""Streams and their consumer groups over REST."""

from __future__ import annotations

import asyncio

import pytest
from redis.asyncio import Redis

from tests.support.redis_api import Json, RedisApi, blob, content
from tests.system.conftest import OpenRedisApi

EVERY_BYTE = bytes(range(256))
GROUP = {"value": "g"}


@pytest.fixture
async def stream(redis_engine: Redis, redis_key: str) -> str:
    """A stream of five entries, 1-0 to 5-0, of which the group `g` has given three to the consumer `c`."""
    for number in range(1, 6):
        await redis_engine.xadd(redis_key, {"n": number}, id=f"{number}-0")
    await redis_engine.xgroup_create(redis_key, "g", 0)
    await redis_engine.xreadgroup("g", "c", {redis_key: ">"}, count=3)
    return redis_key


def ids(entries: list[Json]) -> list[str]:
    return [each["id"] for each in entries]


async def test_fields_survive_the_way_in_and_out(redis_api: RedisApi, redis_key: str) -> None:
    fields = [(b"b", b"1"), (EVERY_BYTE, EVERY_BYTE), (b"a", b""), (b"b", b"2")]
    fields += [(bytes([byte]), bytes([255 - byte])) for byte in range(256)]
    body = [{"field": blob(name), "content": blob(value)} for name, value in fields]

    assert await redis_api.post("stream/add", key=redis_key, fields=body, id="7-7") == {"id": "7-7"}

    page = await redis_api.get("stream", key=redis_key)
    (entry,) = page.pop("entries")
    assert entry["id"] == "7-7"
    assert [(content(each["field"]), content(each["content"])) for each in entry["fields"]] == fields
    assert page == {"length": 1, "first_id": "7-7", "last_id": "7-7", "next_start": ""}


@pytest.mark.parametrize("reverse", [False, True])
async def test_pages_hold_each_entry_once_both_ways(
    redis_api: RedisApi, redis_engine: Redis, redis_key: str, *, reverse: bool
) -> None:
    everything = [f"{number}-0" for number in range(1, 2001)]
    async with redis_engine.pipeline(transaction=False) as pipe:
        for each in everything:
            pipe.xadd(redis_key, {"f": "v"}, id=each)
        await pipe.execute()

    found: list[str] = []
    where: dict[str, str] = {}
    while True:
        page = await redis_api.get("stream", key=redis_key, count=300, reverse=reverse, **where)
        found += ids(page["entries"])
        if not page["next_start"]:
            break
        where = {"end" if reverse else "start": page["next_start"]}

    assert found == (everything[::-1] if reverse else everything)
    some = await redis_api.get("stream", key=redis_key, start="(5-0", end="8")
    assert ids(some["entries"]) == ["6-0", "7-0", "8-0"]


async def test_of_those_who_add_the_same_id_one_does(
    redis_api: RedisApi, redis_engine: Redis, redis_key: str
) -> None:
    async def add(number: int) -> int:
        fields = [{"field": {"value": "n"}, "content": {"value": str(number)}}]
        return await redis_api.post_status("stream/add", key=redis_key, fields=fields, id="1-1")

    answers = await asyncio.gather(*(add(number) for number in range(20)))

    assert sorted(answers) == [200] + [400] * 19
    assert await redis_engine.xrange(redis_key) == [(b"1-1", {b"n": b"%d" % answers.index(200)})]


async def test_deleting_and_trimming(redis_api: RedisApi, redis_engine: Redis, stream: str) -> None:
    assert await redis_api.post("stream/delete", key=stream, ids=["2-0", "9-9"]) == {"deleted": 1}
    assert await redis_api.post("stream/trim", key=stream, minId="3-0") == {"deleted": 1}
    assert await redis_api.post("stream/trim", key=stream, max_length=1) == {"deleted": 2}
    assert await redis_api.post("stream/trim", key=stream, maxLength=1, approximate=True) == {"deleted": 0}
    assert await redis_engine.xrange(stream) == [(b"5-0", {b"n": b"5"})]
    assert await redis_api.post("stream/trim", key=stream, maxLength=0) == {"deleted": 1}
    page = await redis_api.get("stream", key=stream)
    assert page == {"entries": [], "length": 0, "first_id": "", "last_id": "5-0", "next_start": ""}


async def test_groups(redis_api: RedisApi, stream: str) -> None:
    binary = blob(EVERY_BYTE)

    assert await redis_api.post("stream/groups/create", key=stream, group=binary, start="2-0") == {}
    refused = await redis_api.post_refused("stream/groups/create", key=stream, group=binary)
    assert refused == (409, "CONFLICT")
    groups = (await redis_api.get("stream/groups", key=stream))["groups"]
    assert {content(each["name"]): each["lag"] for each in groups} == {b"g": 2, EVERY_BYTE: -1}
    mine = next(each for each in groups if content(each["name"]) == b"g")
    assert (mine["consumers"], mine["pending"], mine["last_delivered_id"]) == (1, 3, "3-0")
    assert await redis_api.post("stream/groups/position", key=stream, group=binary, start="$") == {}
    groups = (await redis_api.get("stream/groups", key=stream))["groups"]
    moved = next(each for each in groups if content(each["name"]) == EVERY_BYTE)
    assert (moved["last_delivered_id"], moved["lag"]) == ("5-0", 0)
    assert await redis_api.post("stream/groups/delete", key=stream, group=binary) == {}
    refused = await redis_api.post_refused("stream/groups/delete", key=stream, group=binary)
    assert refused == (404, "ELEMENT_NOT_FOUND")


async def test_a_group_can_make_its_stream(redis_api: RedisApi, redis_engine: Redis, redis_key: str) -> None:
    refused = await redis_api.post_refused("stream/groups/create", key=redis_key, group=GROUP)
    assert refused == (404, "KEY_NOT_FOUND")
    assert not await redis_engine.exists(redis_key)

    await redis_api.post("stream/groups/create", key=redis_key, group=GROUP, createStream=True)

    assert await redis_engine.xlen(redis_key) == 0


async def test_consumers(redis_api: RedisApi, stream: str) -> None:
    found = (await redis_api.get("stream/consumers", key=stream, group__value="g"))["consumers"]
    assert [(content(each["name"]), each["pending"]) for each in found] == [(b"c", 3)]
    assert found[0]["idle_ms"] >= 0
    assert found[0]["inactive_ms"] >= 0
    who = {"key": stream, "group": GROUP, "consumer": {"value": "c"}}
    assert await redis_api.post("stream/consumers/delete", **who) == {"pending": 3}
    refused = await redis_api.post_refused("stream/consumers/delete", **who)
    assert refused == (404, "ELEMENT_NOT_FOUND")


async def test_pending_acknowledged_and_claimed(
    redis_api: RedisApi, redis_engine: Redis, stream: str
) -> None:
    page = await redis_api.get("stream/pending", key=stream, group__value="g", count=2)
    assert (ids(page["entries"]), page["total"], page["next_start"]) == (["1-0", "2-0"], 3, "3-0")
    page = await redis_api.get(
        "stream/pending", key=stream, group__value="g", start="3-0", consumer__value="c"
    )
    assert (ids(page["entries"]), page["next_start"]) == (["3-0"], "")
    assert (page["entries"][0]["consumer"]["value"], page["entries"][0]["deliveries"]) == ("c", 1)
    page = await redis_api.get("stream/pending", key=stream, group__value="g", minIdleMs=3600000)
    assert (page["entries"], page["total"]) == ([], 3)

    acked = await redis_api.post("stream/ack", key=stream, group=GROUP, ids=["1-0", "5-0"])
    assert acked == {"acknowledged": 1}
    await redis_engine.xdel(stream, "2-0")
    claim = {"key": stream, "group": GROUP, "consumer": blob(EVERY_BYTE)}
    claimed = await redis_api.post("stream/claim", **claim, ids=["2-0", "3-0"])
    assert (ids(claimed["entries"]), claimed["deleted_ids"]) == (["3-0"], ["2-0"])
    assert claimed["entries"][0]["fields"][0]["content"]["value"] == "3"
    nothing = await redis_api.post("stream/claim", **claim, min_idle_ms=3600000, ids=["3-0"])
    assert nothing == {"entries": [], "deleted_ids": [], "next_start": ""}


async def test_claiming_whatever_is_idle(redis_api: RedisApi, redis_engine: Redis, stream: str) -> None:
    await redis_engine.xdel(stream, "1-0")
    claim = {"key": stream, "group": GROUP, "consumer": {"value": "d"}, "count": 2}

    first = await redis_api.post("stream/claim", **claim)
    rest = await redis_api.post("stream/claim", **claim, start=first["next_start"])

    assert ids(first["entries"]) + ids(rest["entries"]) == ["2-0", "3-0"]
    assert (first["deleted_ids"], rest["next_start"]) == (["1-0"], "")


async def test_refusals(
    redis_api: RedisApi, redis_reader: RedisApi, redis_engine: Redis, redis_key: str, stream: str
) -> None:
    fields = [{"field": {"value": "f"}, "content": {"value": "v"}}]
    who: dict[str, object] = {"group": GROUP, "consumer": {"value": "c"}}
    await redis_engine.set(f"{redis_key}-string", "v")
    posts: list[tuple[str, dict[str, object]]] = [
        ("stream/delete", {"ids": ["1-0"]}),
        ("stream/trim", {"maxLength": 1}),
        ("stream/groups/position", {"group": GROUP, "start": "0"}),
        ("stream/groups/delete", {"group": GROUP}),
        ("stream/consumers/delete", who),
        ("stream/ack", {"group": GROUP, "ids": ["1-0"]}),
        ("stream/claim", who),
    ]
    gets: list[tuple[str, dict[str, object]]] = [
        ("stream", {}),
        ("stream/groups", {}),
        ("stream/consumers", {"group__value": "g"}),
        ("stream/pending", {"group__value": "g"}),
    ]
    for key, refusal in (("none", (404, "KEY_NOT_FOUND")), ("string", (400, "WRONG_TYPE"))):
        name = f"{redis_key}-{key}"
        for route, body in posts:
            assert await redis_api.post_refused(route, key=name, **body) == refusal, route
        for route, query in gets:
            assert await redis_api.get_refused(route, key=name, **query) == refusal, route
    wrong = await redis_api.post_refused("stream/add", key=f"{redis_key}-string", fields=fields)
    assert wrong == (400, "WRONG_TYPE")
    gone = await redis_api.get_refused("stream/pending", key=stream, group__value="none")
    assert gone == (404, "ELEMENT_NOT_FOUND")
    invalid: list[tuple[str, dict[str, object]]] = [
        ("stream/add", {"fields": fields, "id": "nonsense"}),
        ("stream/add", {"fields": fields, "id": "1-0"}),
        ("stream/add", {"fields": []}),
        ("stream/add", {"fields": [{"field": {"value": "f"}}]}),
        ("stream/trim", {}),
        ("stream/trim", {"maxLength": 1.5}),
        ("stream/trim", {"minId": "x"}),
        ("stream/delete", {"ids": ["x"]}),
        ("stream/groups/position", {"group": GROUP}),
        ("stream/claim", {"group": GROUP}),
    ]
    for route, body in invalid:
        assert await redis_api.post_refused(route, key=stream, **body) == (400, "INVALID_ARGUMENT"), route
    assert await redis_api.get_refused("stream", key=stream, start="x") == (400, "INVALID_ARGUMENT")
    denied = await redis_reader.post_refused("stream/add", key=stream, fields=fields)
    assert denied == (403, "PERMISSION_DENIED")


async def test_a_restricted_user_learns_what_is_missing(
    restricted_redis_api: OpenRedisApi, stream: str
) -> None:
    api = await restricted_redis_api("type", "xlen")
    fields = [{"field": {"value": "f"}, "content": {"value": "v"}}]

    assert await api.permission("GET", "stream", key=stream) == "+xrange"
    assert await api.permission("POST", "stream/add", key=stream, fields=fields) == "+xadd"
    assert await api.permission("GET", "stream/groups", key=stream) == "+xinfo|groups"
    assert await api.permission("GET", "stream/pending", key=stream, group__value="g") == "+xpending"
