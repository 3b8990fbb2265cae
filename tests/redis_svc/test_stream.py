"""Streams: entries both ways, ids, trimming, and what is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from redis.asyncio import Redis

from services.redis_svc.client import RedisClient
from services.redis_svc.types import stream_groups, stream_pending, streams
from services.redis_svc.types.stream_trim import trim
from services.redis_svc.types.streams import Entry, EntryPage
from tests.redis_svc.conftest import OpenClient
from tests.redis_svc.streams import deliver, fill, ids
from tests.support.engines import ValkeyServer
from tests.support.failures import failure_of

StartValkey = Callable[..., Awaitable[ValkeyServer]]
Engine = tuple[RedisClient, Redis]

EVERY_BYTE = bytes(range(256))


# ---------------------------------------------------------------------------------------------------- entries


async def test_fields_keep_their_bytes_their_order_and_their_duplicates(any_engine: Engine) -> None:
    client, redis = any_engine
    fields = [(b"b", b"1"), (EVERY_BYTE, EVERY_BYTE), (b"a", b""), (b"b", b"2"), (b"", b"x")]
    fields += [(bytes([byte]), bytes([255 - byte])) for byte in range(256)]

    first = await streams.add(client, EVERY_BYTE, fields, id_="1-1")
    second = await streams.add(client, EVERY_BYTE, [(b"f", b"v")])

    assert first == "1-1"
    page = await streams.list_entries(client, EVERY_BYTE)
    assert page == EntryPage([Entry("1-1", fields), Entry(second, [(b"f", b"v")])], 2, "1-1", second, "")
    assert await redis.xlen(EVERY_BYTE) == 2


@pytest.mark.parametrize("id_", ["0-0", "1-1", "0-5", "1", "5-5"])
async def test_an_id_that_is_too_small_is_named(client: RedisClient, valkey: Redis, id_: str) -> None:
    await valkey.xadd("s", {"f": "v"}, id="5-5")

    error = await failure_of(streams.add(client, b"s", [(b"f", b"v")], id_=id_))

    assert (error.reason_name, [each.field for each in error.violations]) == ("INVALID_ARGUMENT", ["id"])
    assert await valkey.xlen("s") == 1


@pytest.mark.parametrize(
    "id_", ["x", "-", "+", "1-", "-1", "1-2-3", "(1-1", "18446744073709551616", "*-1", "1 "]
)
async def test_what_is_no_id_is_named(client: RedisClient, valkey: Redis, id_: str) -> None:
    await valkey.xadd("s", {"f": "v"}, id="5-5")

    for call, field in (
        (streams.add(client, b"s", [(b"f", b"v")], id_=id_), "id"),
        (streams.delete(client, b"s", ["1-1", id_]), "ids[1]"),
        (stream_pending.acknowledge(client, b"s", b"g", [id_]), "ids[0]"),
        (stream_pending.claim(client, b"s", b"g", b"c", [id_]), "ids[0]"),
        (stream_groups.set_position(client, b"s", b"g", id_), "start"),
        (trim(client, b"s", min_id=id_), "min_id"),
    ):
        error = await failure_of(call)
        assert (error.reason_name, [each.field for each in error.violations]) == ("INVALID_ARGUMENT", [field])
    if id_ not in {"-", "+", "(1-1"}:
        for end in ("start", "end"):
            error = await failure_of(streams.list_entries(client, b"s", **{end: id_}))  # type: ignore[arg-type]  # ids
            assert [each.field for each in error.violations] == [end]


async def test_a_given_id_and_a_given_millisecond(any_engine: Engine) -> None:
    client, _ = any_engine

    assert await streams.add(client, b"s", [(b"f", b"v")], id_="5-5") == "5-5"
    assert await streams.add(client, b"s", [(b"f", b"v")], id_="5-*") == "5-6"
    assert await streams.add(client, b"s", [(b"f", b"v")], id_="7") == "7-0"
    assert int((await streams.add(client, b"s", [(b"f", b"v")], id_="*")).partition("-")[0]) > 7


async def test_of_those_who_add_the_same_id_one_does(any_engine: Engine) -> None:
    client, redis = any_engine

    outcomes = await asyncio.gather(
        *(streams.add(client, b"s", [(b"n", b"%d" % number)], id_="1-1") for number in range(20)),
        return_exceptions=True,
    )

    (winner,) = [number for number, outcome in enumerate(outcomes) if outcome == "1-1"]
    assert await redis.xrange("s") == [(b"1-1", {b"n": b"%d" % winner})]


@pytest.mark.parametrize("reverse", [False, True])
async def test_pages_hold_each_entry_once_both_ways(any_engine: Engine, *, reverse: bool) -> None:
    client, redis = any_engine
    everything = await fill(redis, 2500)

    found: list[str] = []
    bounds = {"start": "", "end": ""}
    while True:
        page = await streams.list_entries(client, b"s", count=700, reverse=reverse, **bounds)
        found += ids(page.entries)
        assert (page.length, page.first_id, page.last_id) == (2500, "1-0", "2500-0")
        assert len(page.entries) <= 700
        if not page.next_start:
            break
        bounds["end" if reverse else "start"] = page.next_start

    assert found == (everything[::-1] if reverse else everything)


@pytest.mark.parametrize(
    ("start", "end", "found"),
    [
        ("3-0", "5-0", "345"),
        ("(3-0", "(5-0", "4"),
        ("3", "5", "345"),
        ("-", "2-0", "12"),
        ("5-1", "+", "6"),
        ("9", "", ""),
    ],
)
async def test_ranges(any_engine: Engine, start: str, end: str, found: str) -> None:
    client, redis = any_engine
    await fill(redis, 6)

    page = await streams.list_entries(client, b"s", start=start, end=end)
    assert ids(page.entries) == [f"{number}-0" for number in found]
    page = await streams.list_entries(client, b"s", start=start, end=end, reverse=True)
    assert ids(page.entries) == [f"{number}-0" for number in reversed(found)]


async def test_a_page_goes_on_behind_an_entry_that_is_deleted_meanwhile(
    client: RedisClient, valkey: Redis
) -> None:
    await fill(valkey, 5)
    page = await streams.list_entries(client, b"s", count=2)
    await valkey.xdel("s", page.next_start)

    page = await streams.list_entries(client, b"s", start=page.next_start)

    assert ids(page.entries) == ["4-0", "5-0"]


async def test_an_empty_stream_is_there(any_engine: Engine) -> None:
    client, redis = any_engine
    await fill(redis, 2)

    assert await streams.delete(client, b"s", ["1-0", "2-0", "9-9"]) == 2
    assert await streams.delete(client, b"s", ["1-0"]) == 0
    assert await streams.list_entries(client, b"s") == EntryPage([], 0, "", "2-0", "")


async def test_a_page_of_large_entries_ends_early(
    valkey: Redis, valkey_url: str, open_client: OpenClient
) -> None:
    client = open_client(valkey_url, page_bytes=1_000_000)
    for number in range(50):
        await valkey.xadd("s", {"f": "x" * 100_000}, id=f"{number + 1}-0")

    found: list[str] = []
    start = ""
    while True:
        page = await streams.list_entries(client, b"s", start=start, count=1000)
        found += ids(page.entries)
        assert 0 < len(page.entries) <= 12
        start = page.next_start
        if not start:
            break

    assert found == [f"{number}-0" for number in range(1, 51)]


@pytest.mark.parametrize(
    ("how", "left"),
    [
        ({"max_length": 2}, 2),
        ({"max_length": 0}, 0),
        ({"max_length": 10_000_000}, 25_000),
        ({"min_id": "24991-0"}, 10),
        ({"min_id": "24991-0", "approximate": True}, 100),
        ({"max_length": 150, "approximate": True}, 200),
    ],
)
async def test_trimming(any_engine: Engine, how: dict[str, int | str], left: int) -> None:
    """More entries than one step removes."""
    client, redis = any_engine
    await fill(redis, 25_000)

    deleted = await trim(client, b"s", **how)  # type: ignore[arg-type]  # either of the forms

    assert deleted == 25_000 - await redis.xlen("s")
    length = await redis.xlen("s")
    assert length == left if "approximate" not in how else length <= left


@pytest.mark.parametrize("how", [{}, {"max_length": 1, "min_id": "1-0"}])
async def test_a_trim_says_one_of_two(client: RedisClient, how: dict[str, int | str]) -> None:
    error = await failure_of(trim(client, b"s", **how))  # type: ignore[arg-type]  # either of the forms
    assert error.reason_name == "INVALID_ARGUMENT"


async def test_adding_can_trim(client: RedisClient, valkey: Redis) -> None:
    await fill(valkey, 1000)

    await streams.add(client, b"s", [(b"f", b"v")], max_length=100)

    assert 100 <= await valkey.xlen("s") <= 200


# ---------------------------------------------------------------------------------------------------- refusals


async def test_a_missing_key_and_one_of_another_type(any_engine: Engine) -> None:
    client, redis = any_engine
    await redis.set("k", "v")

    for key, reason in ((b"none", "KEY_NOT_FOUND"), (b"k", "WRONG_TYPE")):
        for call in (
            streams.list_entries(client, key),
            streams.delete(client, key, ["1-0"]),
            trim(client, key, max_length=1),
            stream_groups.list_groups(client, key),
            stream_groups.create(client, key, b"g", "0", create_stream=False),
            stream_groups.set_position(client, key, b"g", "0"),
            stream_groups.delete(client, key, b"g"),
            stream_groups.list_consumers(client, key, b"g"),
            stream_groups.delete_consumer(client, key, b"g", b"c"),
            stream_pending.list_pending(client, key, b"g"),
            stream_pending.acknowledge(client, key, b"g", ["1-0"]),
            stream_pending.claim(client, key, b"g", b"c", ["1-0"]),
            stream_pending.claim_idle(client, key, b"g", b"c"),
        ):
            error = await failure_of(call)
            assert (error.reason_name, error.metadata.get("type", "string")) == (reason, "string")
    for wrong in (
        streams.add(client, b"k", [(b"f", b"v")]),
        stream_groups.create(client, b"k", b"g", "0", create_stream=True),
    ):
        error = await failure_of(wrong)
        assert (error.reason_name, error.metadata["type"]) == ("WRONG_TYPE", "string")
    assert not await redis.exists("none")


async def test_a_user_learns_which_permission_is_missing_and_needs_no_more_than_the_work_takes(
    start_valkey: StartValkey, open_client: OpenClient
) -> None:
    rules = ("reader on >pw ~* +type +xlen +xrange", "worker on >pw ~* +xack +xadd")
    server = await start_valkey(users=rules)
    reader = open_client(server.url_of("reader", "pw"))
    worker = open_client(server.url_of("worker", "pw"))
    async with Redis.from_url(server.url) as redis:
        await fill(redis, 2)
        await redis.xgroup_create("s", "g", 0)
        await deliver(redis)

    page = await streams.list_entries(reader, b"s", count=1)
    assert (ids(page.entries), page.first_id, page.last_id) == (["1-0"], "", "")
    assert await stream_pending.acknowledge(worker, b"s", b"g", ["1-0"]) == 1
    assert await streams.add(worker, b"s", [(b"f", b"v")], id_="9-0") == "9-0"
    for call, permission in (
        (streams.list_entries(reader, b"s", reverse=True), "+xrevrange"),
        (streams.add(reader, b"s", [(b"f", b"v")]), "+xadd"),
        (stream_groups.list_groups(reader, b"s"), "+xinfo|groups"),
        (stream_groups.create(reader, b"s", b"h", "0", create_stream=False), "+xgroup|create"),
        (stream_pending.list_pending(reader, b"s", b"g"), "+xpending"),
        (stream_pending.acknowledge(reader, b"s", b"g", ["2-0"]), "+xack"),
        (stream_pending.claim_idle(reader, b"s", b"g", b"c"), "+xautoclaim"),
        (trim(reader, b"s", max_length=0), "+xtrim"),
    ):
        error = await failure_of(call)
        assert (error.reason_name, error.metadata["permission"]) == ("DB_PERMISSION_DENIED", permission)
