"""Streams: entries both ways, groups, what is pending, and entries that are gone while they are."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from redis.asyncio import Redis

from services.redis_svc.client import RedisClient
from services.redis_svc.key_details import UNKNOWN
from services.redis_svc.types import stream_groups, stream_pending, streams
from services.redis_svc.types.stream_trim import trim
from services.redis_svc.types.streams import Entry, EntryPage
from services.runtime.errors import StudioError
from tests.redis_svc.conftest import OpenClient, StartServer
from tests.support.engines import ValkeyServer
from tests.support.failures import failure_of

StartValkey = Callable[..., Awaitable[ValkeyServer]]
Engine = tuple[RedisClient, Redis]

EVERY_BYTE = bytes(range(256))


async def fill(redis: Redis, entries: int) -> list[str]:
    """A stream `s` with entries 1-0, 2-0, …; returns their ids."""
    async with redis.pipeline(transaction=False) as pipe:
        for number in range(1, entries + 1):
            pipe.xadd("s", {"n": number}, id=f"{number}-0")
        await pipe.execute()
    return [f"{number}-0" for number in range(1, entries + 1)]


async def deliver(redis: Redis, *, count: int | None = None, consumer: str = "c") -> None:
    """Gives entries of `s` to a consumer of the group `g`."""
    await redis.xreadgroup("g", consumer, {"s": ">"}, count=count)


def ids(entries: list[Entry]) -> list[str]:
    return [entry.id for entry in entries]


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


# ---------------------------------------------------------------------------------------------------- groups


async def test_groups_are_made_moved_and_removed(any_engine: Engine) -> None:
    client, redis = any_engine
    await fill(redis, 5)

    await stream_groups.create(client, b"s", EVERY_BYTE, "0", create_stream=False)
    await stream_groups.create(client, b"s", b"late", "", create_stream=False)
    await stream_groups.create(client, b"new", b"g", "$", create_stream=True)

    groups = {group.name: group for group in await stream_groups.list_groups(client, b"s")}
    assert groups[EVERY_BYTE] == stream_groups.Group(
        EVERY_BYTE, 0, 0, "0-0", groups[EVERY_BYTE].entries_read, 5
    )
    assert (groups[b"late"].last_delivered_id, groups[b"late"].lag) == ("5-0", 0)
    assert await redis.xlen("new") == 0
    await stream_groups.set_position(client, b"s", b"late", "3-0")
    moved = next(each for each in await stream_groups.list_groups(client, b"s") if each.name == b"late")
    assert (moved.last_delivered_id, moved.entries_read) == ("3-0", UNKNOWN)
    await stream_groups.delete(client, b"s", EVERY_BYTE)
    assert [each.name for each in await stream_groups.list_groups(client, b"s")] == [b"late"]


async def test_of_those_who_make_the_same_group_one_does(any_engine: Engine) -> None:
    client, redis = any_engine
    await fill(redis, 1)

    outcomes = await asyncio.gather(
        *(stream_groups.create(client, b"s", b"g", "0", create_stream=False) for _ in range(10)),
        return_exceptions=True,
    )

    assert outcomes.count(None) == 1
    assert {each.reason_name for each in outcomes if isinstance(each, StudioError)} == {"CONFLICT"}


async def test_a_group_that_is_not_there(any_engine: Engine) -> None:
    client, redis = any_engine
    await fill(redis, 1)

    for call in (
        stream_groups.set_position(client, b"s", b"none", "0"),
        stream_groups.delete(client, b"s", b"none"),
        stream_groups.list_consumers(client, b"s", b"none"),
        stream_groups.delete_consumer(client, b"s", b"none", b"c"),
        stream_pending.list_pending(client, b"s", b"none"),
        stream_pending.acknowledge(client, b"s", b"none", ["1-0"]),
        stream_pending.claim(client, b"s", b"none", b"c", ["1-0"]),
        stream_pending.claim_idle(client, b"s", b"none", b"c"),
    ):
        assert (await failure_of(call)).reason_name == "ELEMENT_NOT_FOUND"


async def test_consumers_and_what_is_lost_with_them(any_engine: Engine) -> None:
    client, redis = any_engine
    await fill(redis, 5)
    await redis.xgroup_create("s", "g", 0)
    await redis.xgroup_createconsumer("s", "g", EVERY_BYTE)
    await deliver(redis, count=3)

    consumers = {each.name: each for each in await stream_groups.list_consumers(client, b"s", b"g")}
    assert {name: each.pending for name, each in consumers.items()} == {b"c": 3, EVERY_BYTE: 0}
    assert all(each.idle_ms >= 0 for each in consumers.values())
    assert consumers[EVERY_BYTE].inactive_ms == UNKNOWN
    assert await stream_groups.delete_consumer(client, b"s", b"g", b"c") == 3
    assert await stream_groups.delete_consumer(client, b"s", b"g", EVERY_BYTE) == 0
    error = await failure_of(stream_groups.delete_consumer(client, b"s", b"g", b"c"))
    assert error.reason_name == "ELEMENT_NOT_FOUND"


async def test_an_old_server_does_not_know_lag_entries_read_and_inactive(
    start_server: StartServer, open_client: OpenClient
) -> None:
    """Answers as Redis 6.2 does: https://redis.io/docs/latest/commands/xinfo-groups/, history."""
    group = b"*8\r\n$4\r\nname\r\n$1\r\ng\r\n$9\r\nconsumers\r\n:1\r\n$7\r\npending\r\n:2\r\n"
    group += b"$17\r\nlast-delivered-id\r\n$3\r\n5-0\r\n"
    consumer = b"*6\r\n$4\r\nname\r\n$1\r\nc\r\n$7\r\npending\r\n:2\r\n$4\r\nidle\r\n:7\r\n"

    async def old(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"PING\r\n")
        writer.write(b"+OK\r\n+PONG\r\n")
        await reader.readuntil(b"GROUPS\r\n")
        writer.write(b"+stream\r\n*1\r\n" + group)
        await reader.readuntil(b"CONSUMERS\r\n")
        writer.write(b"+stream\r\n*1\r\n" + consumer)
        await reader.read()

    client = open_client(f"redis://127.0.0.1:{await start_server(old)}")

    assert await stream_groups.list_groups(client, b"s") == [
        stream_groups.Group(b"g", 1, 2, "5-0", UNKNOWN, UNKNOWN)
    ]
    assert await stream_groups.list_consumers(client, b"s", b"g") == [
        stream_groups.Consumer(b"c", 2, 7, UNKNOWN)
    ]


# ---------------------------------------------------------------------------------------------------- pending


async def test_pages_of_what_is_pending_hold_each_once(any_engine: Engine) -> None:
    client, redis = any_engine
    everything = await fill(redis, 500)
    await redis.xgroup_create("s", "g", 0)
    await deliver(redis, count=300, consumer="a")
    await deliver(redis, consumer=EVERY_BYTE)  # type: ignore[arg-type]  # redis-py takes bytes as well

    found: list[stream_pending.Pending] = []
    start = ""
    while True:
        page = await stream_pending.list_pending(client, b"s", b"g", start=start, count=70)
        found += page.entries
        assert page.total == 500
        start = page.next_start
        if not start:
            break

    assert [each.id for each in found] == everything
    assert [each.consumer for each in found] == [b"a"] * 300 + [EVERY_BYTE] * 200
    assert {each.deliveries for each in found} == {1}
    page = await stream_pending.list_pending(client, b"s", b"g", consumer=EVERY_BYTE, count=1000)
    assert [each.id for each in page.entries] == everything[300:]
    assert (await stream_pending.list_pending(client, b"s", b"g", consumer=b"none")).entries == []


async def test_only_what_is_idle_for_long_enough(any_engine: Engine) -> None:
    client, redis = any_engine
    await fill(redis, 3)
    await redis.xgroup_create("s", "g", 0)
    await deliver(redis)
    await redis.xclaim("s", "g", "c", 0, ["2-0"], idle=3_600_000, justid=True)

    page = await stream_pending.list_pending(client, b"s", b"g", min_idle_ms=3_600_000)

    assert [each.id for each in page.entries] == ["2-0"]
    claimed = await stream_pending.claim(client, b"s", b"g", b"other", ["1-0", "2-0"], min_idle_ms=3_600_000)
    assert (ids(claimed.entries), claimed.deleted_ids) == (["2-0"], [])
    await redis.xclaim("s", "g", "c", 0, ["3-0"], idle=3_600_000, justid=True)
    claimed = await stream_pending.claim_idle(client, b"s", b"g", b"other", min_idle_ms=3_600_000)
    assert ids(claimed.entries) == ["3-0"]


async def test_acknowledging(any_engine: Engine) -> None:
    client, redis = any_engine
    await fill(redis, 4)
    await redis.xgroup_create("s", "g", 0)
    await deliver(redis, count=3)

    assert await stream_pending.acknowledge(client, b"s", b"g", ["1-0", "2", "4-0", "1-0"]) == 2
    assert await stream_pending.acknowledge(client, b"s", b"g", ["1-0"]) == 0
    assert (await stream_pending.list_pending(client, b"s", b"g")).total == 1


async def test_claiming_by_id_tells_what_is_gone(any_engine: Engine) -> None:
    client, redis = any_engine
    await fill(redis, 5)
    await redis.xgroup_create("s", "g", 0)
    await deliver(redis, count=4)
    await redis.xdel("s", "2-0")

    claimed = await stream_pending.claim(client, b"s", b"g", EVERY_BYTE, ["1-0", "2", "3-0", "5-0", "9-9"])

    assert claimed == stream_pending.Claimed(
        [Entry("1-0", [(b"n", b"1")]), Entry("3-0", [(b"n", b"3")])], ["2-0"], ""
    )
    pending = (await stream_pending.list_pending(client, b"s", b"g", consumer=EVERY_BYTE)).entries
    assert [(each.id, each.deliveries) for each in pending] == [("1-0", 2), ("3-0", 2)]


async def test_claiming_many_goes_on_where_it_stopped(any_engine: Engine) -> None:
    client, redis = any_engine
    everything = await fill(redis, 10)
    await redis.xgroup_create("s", "g", 0)
    await deliver(redis)

    claimed = await stream_pending.claim(client, b"s", b"g", b"d", everything, count=4)
    assert (ids(claimed.entries), claimed.next_start) == (everything[:4], "5-0")
    first = await stream_pending.claim_idle(client, b"s", b"g", b"e", count=6)
    rest = await stream_pending.claim_idle(client, b"s", b"g", b"e", start=first.next_start, count=6)
    assert ids(first.entries) + ids(rest.entries) == everything
    assert (first.next_start, rest.next_start) == ("7-0", "")


async def test_claiming_whatever_is_idle_tells_what_is_gone(any_engine: Engine) -> None:
    client, redis = any_engine
    await fill(redis, 3)
    await redis.xgroup_create("s", "g", 0)
    await deliver(redis)
    await redis.xdel("s", "2-0")

    claimed = await stream_pending.claim_idle(client, b"s", b"g", b"d")

    assert (ids(claimed.entries), claimed.deleted_ids, claimed.next_start) == (["1-0", "3-0"], ["2-0"], "")
    assert (await stream_pending.list_pending(client, b"s", b"g")).total == 2


async def test_of_two_who_claim_what_is_idle_one_gets_it(any_engine: Engine) -> None:
    client, redis = any_engine
    everything = await fill(redis, 20)
    await redis.xgroup_create("s", "g", 0)
    await deliver(redis)
    await redis.xclaim("s", "g", "c", 0, everything, idle=3_600_000, justid=True)  # type: ignore[arg-type]  # ids

    claims = await asyncio.gather(
        *(
            stream_pending.claim(client, b"s", b"g", b"%d" % number, everything, min_idle_ms=3_600_000)
            for number in range(10)
        )
    )

    assert sorted(len(claimed.entries) for claimed in claims) == [0] * 9 + [20]
    assert all(claimed.deleted_ids == [] for claimed in claims)


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
