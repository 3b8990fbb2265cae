"""Consumer groups of streams: what is pending, acknowledged and claimed, and entries that are gone meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from redis.asyncio import Redis

from services.redis_svc.client import RedisClient
from services.redis_svc.key_details import UNKNOWN
from services.redis_svc.types import stream_groups, stream_pending
from services.redis_svc.types.streams import Entry
from services.runtime.errors import StudioError
from tests.redis_svc.conftest import OpenClient
from tests.redis_svc.streams import deliver, fill, ids
from tests.support.engines import ValkeyServer
from tests.support.failures import failure_of
from tests.support.odd_servers import StartServer

StartValkey = Callable[..., Awaitable[ValkeyServer]]
Engine = tuple[RedisClient, Redis]

EVERY_BYTE = bytes(range(256))


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
