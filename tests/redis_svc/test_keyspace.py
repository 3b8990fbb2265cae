"""Listing keys: every page bounded, every key found, what is told of it right."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from redis.asyncio import Redis

from services.redis_svc.client import RedisClient
from services.redis_svc.key_details import Keys, Wanted
from services.redis_svc.keyspace import Page, Query, list_keys
from services.runtime.errors import StudioError
from tests.redis_svc.conftest import OpenClient
from tests.support.engines import ValkeyServer
from tests.support.fault_proxy import FaultProxy
from tests.support.odd_servers import StartServer

StartValkey = Callable[..., Awaitable[ValkeyServer]]
Engine = tuple[RedisClient, Redis]

NOTHING = Wanted(type=False, ttl=False, memory=False, length=False)
Row = tuple[str | None, int | None, int | None, int | None]


async def one_page(client: RedisClient, query: Query, **options: Any) -> tuple[dict[bytes, Row], Page]:  # noqa: ANN401
    rows: dict[bytes, Row] = {}

    def emit(keys: Keys) -> None:
        columns: list[list[Any]] = [
            column or [None] * len(keys.names)
            for column in (keys.types, keys.ttls, keys.memory, keys.lengths)
        ]
        for name, *row in zip(keys.names, *columns, strict=True):
            assert name not in rows, "twice on one page"
            rows[name] = tuple(row)

    page = await list_keys(client, query, emit, **options)
    return rows, page


async def all_pages(client: RedisClient, query: Query) -> tuple[dict[bytes, Row], list[int]]:
    rows: dict[bytes, Row] = {}
    sizes = []
    while True:
        found, page = await one_page(client, query)
        assert not rows.keys() & found.keys(), "a key on two pages"
        rows |= found
        sizes.append(len(found))
        if not page.cursor:
            return rows, sizes
        query = dataclasses.replace(query, cursor=page.cursor)


async def fill(redis: Redis, count: int, prefix: str = "user") -> set[bytes]:
    async with redis.pipeline(transaction=False) as pipe:
        for number in range(count):
            pipe.set(f"{prefix}:{number}", number)
        await pipe.execute()
    return {f"{prefix}:{number}".encode() for number in range(count)}


async def one_of_each(redis: Redis) -> dict[bytes, tuple[str, int]]:
    """A key of every type, and its length."""
    await redis.set("string", "12345")
    await redis.rpush("list", "a", "b", "c")
    await redis.hset("hash", mapping={"a": "1", "b": "2"})
    await redis.sadd("set", "a", "b", "c", "d")
    await redis.zadd("zset", {"a": 1})
    await redis.xadd("stream", {"a": "1"})
    await redis.xadd("stream", {"a": "2"})
    lengths = {"string": 5, "list": 3, "hash": 2, "set": 4, "zset": 1, "stream": 2}
    return {name.encode(): (name, length) for name, length in lengths.items()}


async def test_every_type_is_told_with_its_length_memory_and_ttl(any_engine: Engine) -> None:
    client, redis = any_engine
    expected = await one_of_each(redis)
    await redis.pexpire("hash", 1_000_000)

    rows, page = await one_page(client, Query())

    assert {name: (row[0], row[3]) for name, row in rows.items()} == expected
    assert all(row[2] is not None and row[2] > 0 for row in rows.values())
    ttl = rows.pop(b"hash")[1]
    assert ttl is not None
    assert 0 < ttl <= 1_000_000
    assert {row[1] for row in rows.values()} == {-1}
    assert page == Page(cursor="", scanned=6, total=6)


@pytest.mark.parametrize("count", [1, 7, 100, 499, 1000, 5000])
async def test_each_key_of_a_keyspace_that_stands_still_is_returned_exactly_once(
    any_engine: Engine, count: int
) -> None:
    client, redis = any_engine
    expected = await fill(redis, 700)

    rows, sizes = await all_pages(client, Query(count=count))

    assert set(rows) == expected
    assert max(sizes) <= 2 * count + 20


async def test_every_byte_survives_in_a_key_and_in_a_pattern(any_engine: Engine) -> None:
    client, redis = any_engine
    names = {bytes([byte]) + b"key\r\n" for byte in range(256)} | {bytes(range(256)), b""}
    for name in names:
        await redis.set(name, b"")

    rows, _ = await all_pages(client, Query())
    assert set(rows) == names

    rows, _ = await all_pages(client, Query(pattern=b"\xffkey*"))
    assert set(rows) == {b"\xffkey\r\n"}


async def test_a_key_of_a_megabyte_is_listed(client: RedisClient, valkey: Redis) -> None:
    name = b"k" * 1_000_000
    await valkey.set(name, "v")

    rows, _ = await one_page(client, Query())

    assert rows[name][0] == "string"


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (b"", {b"user:1", b"user:12", b"User:1", b"cart[1]"}),
        (b"*", {b"user:1", b"user:12", b"User:1", b"cart[1]"}),
        (b"user:*", {b"user:1", b"user:12"}),
        (b"user:?", {b"user:1"}),
        (b"[uU]ser:1", {b"user:1", b"User:1"}),
        (b"cart\\[1\\]", {b"cart[1]"}),
        (b"nothing", set()),
    ],
)
async def test_a_pattern_is_the_servers_own(
    client: RedisClient, valkey: Redis, pattern: bytes, expected: set[bytes]
) -> None:
    for name in ("user:1", "user:12", "User:1", "cart[1]"):
        await valkey.set(name, "v")

    rows, page = await one_page(client, Query(pattern=pattern))

    assert set(rows) == expected
    assert page.total == 4


@pytest.mark.parametrize("type_", ["string", "list", "hash", "set", "zset", "stream"])
@pytest.mark.parametrize("wanted", [Wanted(), Wanted(ttl=False, memory=False), Wanted(type=False), NOTHING])
async def test_a_type_filters(client: RedisClient, valkey: Redis, type_: str, wanted: Wanted) -> None:
    expected = await one_of_each(valkey)

    rows, _ = await one_page(client, Query(type=type_, wanted=wanted))

    assert set(rows) == {type_.encode()}
    row = rows[type_.encode()]
    assert row[0] == (type_ if wanted.type or wanted.length else None)
    assert row[3] == (expected[type_.encode()][1] if wanted.length else None)


async def test_a_type_that_the_server_does_not_know_is_said_to_be_unknown(client: RedisClient) -> None:
    with pytest.raises(StudioError) as caught:
        await one_page(client, Query(type="strnig"))

    assert caught.value.reason_name == "INVALID_ARGUMENT"
    assert caught.value.violations[0].field == "type"


@pytest.mark.parametrize(
    "wanted",
    [Wanted(), NOTHING, *(dataclasses.replace(NOTHING, **{name: True}) for name in Wanted.__slots__)],
)
async def test_only_what_is_wanted_is_looked_up(client: RedisClient, valkey: Redis, wanted: Wanted) -> None:
    await valkey.set("k", "value", px=100_000)
    await valkey.config_resetstat()

    rows, _ = await one_page(client, Query(wanted=wanted))

    (row,) = rows.values()
    asked = {name.partition("|")[0] for name in await valkey.info("commandstats")}
    assert ("cmdstat_type" in asked) == (wanted.type or wanted.length)
    assert ("cmdstat_pttl" in asked) == wanted.ttl
    assert ("cmdstat_memory" in asked) == wanted.memory
    assert ("cmdstat_strlen" in asked) == wanted.length
    assert "cmdstat_keys" not in asked
    assert (row[1] is not None, row[2] is not None) == (wanted.ttl, wanted.memory)
    assert row[3] == (5 if wanted.length else None)


@pytest.mark.parametrize(
    "cursor", ["abc", "-1", "1.5", " 1", "18446744073709551616", "9" * 21, "\u0661", "0x10", "1\n", "1;2"]
)
async def test_a_cursor_that_is_none_is_refused(client: RedisClient, cursor: str) -> None:
    with pytest.raises(StudioError) as caught:
        await one_page(client, Query(cursor=cursor))

    assert caught.value.reason_name == "INVALID_CURSOR"


@pytest.mark.parametrize("cursor", ["", "0", "18446744073709551615"])
async def test_a_cursor_beyond_what_a_double_holds_goes_through(client: RedisClient, cursor: str) -> None:
    await one_page(client, Query(cursor=cursor))


async def test_a_key_that_scan_returns_twice_is_on_the_page_once(
    start_server: StartServer, open_client: OpenClient
) -> None:
    """SCAN may, while the server's table grows or shrinks: within one step, and from one step to the next."""

    async def repeating(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"PING\r\n")
        writer.write(b"+OK\r\n+PONG\r\n")
        await reader.readuntil(b"PING\r\n")
        writer.write(b"+PONG\r\n")
        await reader.readuntil(b"SCAN\r\n")  # behind DBSIZE, in the same write
        writer.write(b":3\r\n*2\r\n$1\r\n7\r\n*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\na\r\n")
        await reader.readuntil(b"SCAN\r\n$1\r\n7\r\n")
        writer.write(b"*2\r\n$1\r\n0\r\n*2\r\n$1\r\nb\r\n$1\r\nc\r\n")
        await reader.read()

    client = open_client(f"redis://127.0.0.1:{await start_server(repeating)}")
    await client.links[0].execute(b"PING")

    rows, page = await one_page(client, Query(wanted=NOTHING))

    assert list(rows) == [b"a", b"b", b"c"]
    assert page.cursor == ""


@pytest.mark.parametrize("reply", [b":3\r\n", b"$-1\r\n", b"*-1\r\n", b"*1\r\n:1\r\n", b"*2\r\n:1\r\n*0\r\n"])
async def test_a_page_that_is_none_is_the_servers_fault_not_ours(
    start_server: StartServer, open_client: OpenClient, reply: bytes
) -> None:
    async def odd(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"PING\r\n")
        writer.write(b"+OK\r\n+PONG\r\n")
        await reader.readuntil(b"SCAN\r\n")
        writer.write(reply)
        await reader.read()

    client = open_client(f"redis://127.0.0.1:{await start_server(odd)}")

    with pytest.raises(StudioError) as caught:
        await one_page(client, Query())

    assert caught.value.reason_name == "DB_PROTOCOL_ERROR"


async def test_a_rare_pattern_costs_a_bounded_scan_and_the_cursor_goes_on(
    valkey: Redis, valkey_url: str, open_client: OpenClient
) -> None:
    client = open_client(valkey_url, scan_budget_keys=1000, scan_step=100)
    await fill(valkey, 5000)
    await valkey.set("needle", "v")
    await valkey.config_resetstat()

    rows, page = await one_page(client, Query(pattern=b"needle", count=10))

    scans = (await valkey.info("commandstats"))["cmdstat_scan"]["calls"]
    assert scans <= 14  # 10, then steps of 100 up to 1000
    assert page.cursor
    assert 1000 <= page.scanned <= 1200
    assert page.total == 5001

    rows, sizes = await all_pages(client, Query(pattern=b"needle", count=10))
    assert set(rows) == {b"needle"}
    assert 0 in sizes


async def test_a_page_never_says_that_it_saw_fewer_keys_than_it_returned(
    client: RedisClient, valkey: Redis
) -> None:
    await fill(valkey, 2000)
    query = Query(pattern=b"user:*", count=1)
    overfull = 0  # pages on which the server returned more than it was asked for
    for _ in range(200):
        rows, page = await one_page(client, query)
        overfull += len(rows) > query.count
        assert page.scanned >= len(rows)
        query = dataclasses.replace(query, cursor=page.cursor)
    assert overfull


async def test_time_that_has_run_out_ends_the_page_not_the_listing(
    client: RedisClient, valkey: Redis
) -> None:
    await fill(valkey, 5000)

    _, page = await one_page(client, Query(pattern=b"nothing"), time_left_s=0)

    assert page.cursor
    assert page.scanned <= 500


async def test_no_write_asks_for_more_than_a_step(client: RedisClient, valkey: Redis) -> None:
    """Others share the connection: a page of thousands of keys must not be one write."""
    await fill(valkey, 6000)
    link = client.links[0]
    await link.execute(b"PING")
    before = dataclasses.replace(link.traffic)

    rows, _ = await one_page(client, Query(count=5000))

    steps = len(rows) / client.limits.scan_step
    assert link.traffic.writes - before.writes >= steps


async def test_a_call_in_between_does_not_wait_for_the_whole_page(
    open_client: OpenClient, valkey_url: str, valkey: Redis
) -> None:
    client = open_client(valkey_url, scan_budget_s=60)
    await fill(valkey, 60_000)
    link = client.links[0]
    await link.execute(b"PING")
    listing = asyncio.create_task(one_page(client, Query(count=30_000)))
    await asyncio.sleep(0)

    for _ in range(3):
        assert await link.execute(b"PING") == b"PONG"
    assert not listing.done()
    rows, _ = await listing
    assert len(rows) >= 30_000


async def test_a_key_that_expires_or_goes_while_a_page_is_made_is_left_out(
    client: RedisClient, valkey: Redis
) -> None:
    expected = await fill(valkey, 3000)
    stop = False

    async def churn() -> None:
        number = 0
        while not stop:
            number += 1
            await valkey.set(f"brief:{number}", "v", px=1)
            await valkey.set(f"gone:{number}", "v")
            await valkey.delete(f"gone:{number}")

    churning = asyncio.create_task(churn())
    for wanted in (
        Wanted(),
        dataclasses.replace(NOTHING, ttl=True),
        dataclasses.replace(NOTHING, memory=True),
    ):
        seen: set[bytes] = set()
        query = Query(count=50, wanted=wanted)
        while True:
            rows, page = await one_page(client, query)
            seen |= rows.keys()
            assert all(row[0] != "none" and row[1] != -2 for row in rows.values())
            if not page.cursor:
                break
            query = dataclasses.replace(query, cursor=page.cursor)
        assert expected <= seen
    stop = True
    await churning


async def test_a_connection_lost_amid_a_page_is_made_anew_and_the_page_is_whole(
    valkey: Redis, valkey_url: str, open_client: OpenClient
) -> None:
    expected = await fill(valkey, 4000)
    port = int(valkey_url.rpartition(":")[2])
    async with FaultProxy("127.0.0.1", port) as proxy:
        client = open_client(valkey_url.replace(f":{port}", f":{proxy.port}"))
        proxy.cut_after(60_000)

        rows, page = await one_page(client, Query(count=10_000))

        assert proxy.connections == 2
    assert set(rows) == expected
    assert not page.cursor


async def test_a_cancelled_listing_leaves_the_connection_in_step(client: RedisClient, valkey: Redis) -> None:
    await fill(valkey, 5000)
    for turns in range(40):
        listing = asyncio.create_task(one_page(client, Query(count=2000)))
        for _ in range(turns):
            await asyncio.sleep(0)
        listing.cancel()
        assert await client.links[0].execute(b"ECHO", b"%d" % turns) == b"%d" % turns
        await asyncio.gather(listing, return_exceptions=True)


async def test_a_user_without_memory_usage_sees_the_rest(
    start_valkey: StartValkey, open_client: OpenClient
) -> None:
    server = await start_valkey(users=("browser on >pw ~* +@all -memory -dbsize",))
    async with Redis.from_url(server.url) as admin:
        await one_of_each(admin)

    rows, page = await one_page(open_client(server.url_of("browser", "pw")), Query())

    assert {row[2] for row in rows.values()} == {-1}
    assert rows[b"set"] == ("set", -1, -1, 4)
    assert page.total == -1


async def test_a_key_that_the_user_may_not_read_is_listed_without_details(
    start_valkey: StartValkey, open_client: OpenClient
) -> None:
    server = await start_valkey(users=("browser on >pw ~mine:* +@all",))
    async with Redis.from_url(server.url) as admin:
        await admin.set("mine:1", "12")
        await admin.set("theirs", "12")

    rows, _ = await one_page(open_client(server.url_of("browser", "pw")), Query())

    assert rows[b"theirs"] == ("", -1, -1, -1)
    assert rows[b"mine:1"][0] == "string"
    assert rows[b"mine:1"][3] == 2


@pytest.mark.parametrize("command", ["scan", "type", "pttl"])
async def test_a_user_who_may_not_run_a_command_is_told_which(
    start_valkey: StartValkey, open_client: OpenClient, command: str
) -> None:
    server = await start_valkey(users=(f"browser on >pw ~* +@all -{command}",))
    async with Redis.from_url(server.url) as admin:
        await admin.set("k", "v")

    with pytest.raises(StudioError) as caught:
        await one_page(open_client(server.url_of("browser", "pw")), Query())

    assert caught.value.reason_name == "DB_PERMISSION_DENIED"
    assert caught.value.metadata["permission"] == f"+{command}"
    assert command.upper() in caught.value.message
