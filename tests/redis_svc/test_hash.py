"""Hashes: pages bounded in bytes, edits that don't overwrite another's, fields that expire."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable

import pytest
from redis.asyncio import Redis

from services.redis_svc.client import RedisClient
from services.redis_svc.types import hash as hashes
from services.redis_svc.types.hash import NewField
from services.redis_svc.types.hash_page import Field, Page, Query, list_fields
from services.runtime.errors import StudioError
from tests.redis_svc.conftest import OpenClient
from tests.redis_svc.old_server import serve_older, without
from tests.support.engines import ValkeyServer
from tests.support.failures import failure_of
from tests.support.odd_servers import StartServer

StartValkey = Callable[..., Awaitable[ValkeyServer]]
Engine = tuple[RedisClient, Redis]
Call = Callable[[RedisClient], Awaitable[object]]

EVERY_BYTE = bytes(range(256))
MIB = 1024 * 1024


async def all_fields(
    client: RedisClient, key: bytes, query: Query | None = None
) -> tuple[dict[bytes, Field], list[Page]]:
    fields: dict[bytes, Field] = {}
    pages: list[Page] = []
    query = query or Query()
    while not pages or pages[-1].cursor:
        pages.append(await list_fields(client, key, query))
        fields.update({field.name: field for field in pages[-1].fields})
        query = dataclasses.replace(query, cursor=pages[-1].cursor)
    return fields, pages


def no_novalues(words: list[bytes]) -> bytes | None:
    return b"ERR syntax error" if b"NOVALUES" in words else without("HPTTL", "HPEXPIRE", "HPERSIST")(words)


@pytest.fixture
async def older(
    start_valkey: StartValkey, start_server: StartServer, open_client: OpenClient
) -> tuple[RedisClient, ValkeyServer]:
    """A server as before Redis 7.4."""
    server = await start_valkey(password="")
    port = await start_server(serve_older(server.host, server.port, no_novalues))
    return open_client(f"redis://127.0.0.1:{port}"), server


async def test_what_is_set_is_what_is_listed_whatever_its_bytes(any_engine: Engine) -> None:
    client, redis = any_engine
    expected = {bytes([byte]): bytes([255 - byte]) for byte in range(256)} | {
        EVERY_BYTE: EVERY_BYTE,
        b"": b"",
    }

    added = await hashes.set_fields(client, EVERY_BYTE, [NewField(*pair) for pair in expected.items()])

    assert added == (258, 258)
    assert await redis.hgetall(EVERY_BYTE) == expected
    fields, _ = await all_fields(client, EVERY_BYTE)
    assert {name: field.content for name, field in fields.items()} == expected
    for name in (b"\xff", b"", EVERY_BYTE):
        assert (await hashes.get_field(client, EVERY_BYTE, name)).content == expected[name]
    assert await hashes.delete_fields(client, EVERY_BYTE, [*expected, b"none"]) == 258
    assert await redis.exists(EVERY_BYTE) == 0


async def test_a_large_hash_comes_page_by_page_every_field_once(any_engine: Engine) -> None:
    client, redis = any_engine
    expected = {b"f%d" % number: b"v%d" % number for number in range(5000)}
    await redis.hset("h", items=[part for pair in expected.items() for part in pair])

    fields, pages = await all_fields(client, b"h", Query(count=200))

    assert {name: field.content for name, field in fields.items()} == expected
    assert len(pages) > 10
    assert all(len(page.fields) < 300 and page.length == 5000 for page in pages)


async def test_a_pattern_filters_and_a_rare_one_costs_a_bounded_scan(
    valkey: Redis, valkey_url: str, open_client: OpenClient
) -> None:
    client = open_client(valkey_url, scan_budget_keys=1000, scan_step=100)
    await valkey.hset(
        "h", items=["needle*", "v", *(part for number in range(5000) for part in (f"f{number}", "v"))]
    )
    await valkey.config_resetstat()

    page = await list_fields(client, b"h", Query(pattern=b"needle\\*", count=10))

    assert (await valkey.info("commandstats"))["cmdstat_hscan"]["calls"] <= 12
    assert page.cursor
    fields, _ = await all_fields(client, b"h", Query(pattern=b"needle\\*", count=10))
    assert fields.keys() == {b"needle*"}


async def test_a_hundred_values_of_megabytes_do_not_travel(client: RedisClient, valkey: Redis) -> None:
    for number in range(100):
        await valkey.hset("h", f"huge{number}", b"x" * 2 * MIB)
        await valkey.hset("h", f"small{number}", b"y" * 5000)
    await valkey.config_resetstat()

    fields, pages = await all_fields(client, b"h", Query(count=200))

    sent = int((await valkey.info("stats"))["total_net_output_bytes"])
    assert sent < 2 * client.limits.page_value_bytes * len(pages)
    assert len(fields) == 200
    for name, field in fields.items():
        if name.startswith(b"small"):
            assert (field.content, field.length) == (b"y" * 4096, 5000)
        else:
            assert field.length == 2 * MIB
            assert field.content in {b"", b"x" * 4096}
    assert sum(field.content != b"" for field in fields.values()) < 110


@pytest.mark.parametrize(("max_value_bytes", "expected"), [(0, 4096), (10, 10), (20_000, 10_000)])
async def test_a_long_value_is_cut_and_its_length_said(
    client: RedisClient, valkey: Redis, max_value_bytes: int, expected: int
) -> None:
    await valkey.hset("h", "f", "x" * 10_000)

    (field,) = (await list_fields(client, b"h", Query(max_value_bytes=max_value_bytes))).fields

    assert (len(field.content), field.length) == (expected, 10_000)


async def test_on_an_older_server_pages_are_bounded_as_well(older: tuple[RedisClient, ValkeyServer]) -> None:
    client, server = older
    async with Redis.from_url(server.url) as redis:
        for number in range(60):
            await redis.hset("h", f"f{number}", b"x" * MIB)
        await redis.hset("small", mapping={f"f{number}": "v" for number in range(2000)})

        fields, pages = await all_fields(client, b"h", Query(count=100, with_ttl=True))
        assert len(fields) == 60
        assert len(pages) >= 3  # a server's bucket of fields comes whole
        assert {(len(field.content), field.length, field.ttl_ms) for field in fields.values()} == {
            (4096, MIB, -1)
        }

        fields, pages = await all_fields(client, b"small", Query(count=500))
        assert len(fields) == 2000
        assert len(pages) < 10


async def test_a_long_field_comes_in_ranges(client: RedisClient, valkey: Redis) -> None:
    huge = EVERY_BYTE * 20_000
    await valkey.hset("h", "f", huge)

    first = await hashes.get_field(client, b"h", b"f")
    assert (first.content, first.length) == (huge[:MIB], len(huge))

    read = b""
    while len(read) < len(huge):
        read += (await hashes.get_field(client, b"h", b"f", offset=len(read), limit=2 * MIB)).content
    assert read == huge
    assert (await hashes.get_field(client, b"h", b"f", offset=len(huge) + 5)).content == b""


async def test_without_scripts_a_range_is_cut_here_up_to_a_bound(
    start_valkey: StartValkey, open_client: OpenClient
) -> None:
    server = await start_valkey(users=("browser on >pw ~* +@all -@scripting",))
    async with Redis.from_url(server.url) as admin:
        await admin.hset("h", mapping={"a": b"0123456789" * 1000, "b": b"x" * 100_000})
    client = open_client(server.url_of("browser", "pw"), max_value_bytes=50_000)

    assert (await hashes.get_field(client, b"h", b"a", offset=5, limit=10)).content == b"5678901234"
    error = await failure_of(hashes.get_field(client, b"h", b"b", limit=10))
    assert (error.reason_name, error.metadata["permission"]) == ("PAYLOAD_TOO_LARGE", "+eval")


async def test_what_is_not_there(client: RedisClient, valkey: Redis) -> None:
    await valkey.hset("h", "f", "v")

    for call in (
        list_fields(client, b"none", Query()),
        hashes.get_field(client, b"none", b"f"),
        hashes.expire_fields(client, b"none", [b"f"], ttl_ms=1),
    ):
        assert (await failure_of(call)).reason_name == "KEY_NOT_FOUND"
    assert (await failure_of(hashes.get_field(client, b"h", b"none"))).reason_name == "ELEMENT_NOT_FOUND"
    assert await hashes.delete_fields(client, b"none", [b"f"]) == 0
    assert (await failure_of(list_fields(client, b"h", Query(cursor="x")))).reason_name == "INVALID_CURSOR"


async def test_a_hash_that_expires_between_two_pages_is_not_found(client: RedisClient, valkey: Redis) -> None:
    await valkey.hset("h", mapping={f"f{number}": "v" for number in range(2000)})
    page = await list_fields(client, b"h", Query(count=10))
    await valkey.delete("h")

    assert (
        await failure_of(list_fields(client, b"h", Query(cursor=page.cursor)))
    ).reason_name == "KEY_NOT_FOUND"


async def test_fields_that_go_while_a_page_is_made_are_left_out(client: RedisClient, valkey: Redis) -> None:
    stays = {b"stays%d" % number for number in range(1000)}
    await valkey.hset("h", items=[part for name in stays for part in (name, b"v")])
    stop = False

    async def churn() -> None:
        number = 0
        while not stop:
            number += 1
            await valkey.hset("h", f"brief{number % 100}", "v")
            await valkey.hdel("h", f"brief{(number + 50) % 100}")

    churning = asyncio.create_task(churn())
    for _ in range(10):
        fields, _ = await all_fields(client, b"h", Query(count=100, with_ttl=True))
        assert stays <= fields.keys()
        assert all(field.ttl_ms == -1 for field in fields.values())
    stop = True
    await churning


async def test_new_fields_are_counted(client: RedisClient, valkey: Redis) -> None:
    await valkey.hset("h", "a", "1")

    assert await hashes.set_fields(client, b"h", [NewField(b"a", b"2"), NewField(b"b", b"1")]) == (1, 2)


async def test_a_field_is_set_where_it_still_is_what_the_caller_saw(any_engine: Engine) -> None:
    client, redis = any_engine
    await redis.hset("h", mapping={b"a": EVERY_BYTE, b"b": b""})
    fields = [
        NewField(b"a", b"new", expected=EVERY_BYTE),
        NewField(b"b", b"new", expected=b""),
        NewField(b"c", b"new", absent=True),
        NewField(b"d", b"new"),
    ]

    assert await hashes.set_fields(client, b"h", fields) == (2, 4)
    assert set((await redis.hgetall("h")).values()) == {b"new"}


@pytest.mark.parametrize(
    "conflicting",
    [
        NewField(b"a", b"new", expected=b"other"),
        NewField(b"a", b"new", expected=b""),
        NewField(b"none", b"new", expected=b"1"),
        NewField(b"none", b"new", expected=b""),
        NewField(b"a", b"new", absent=True),
    ],
)
@pytest.mark.parametrize("rule", ["", "-@scripting"])
async def test_one_field_in_conflict_and_nothing_is_changed(
    start_valkey: StartValkey, open_client: OpenClient, conflicting: NewField, rule: str
) -> None:
    server = await start_valkey(users=(f"editor on >pw ~* +@all {rule}",))
    client = open_client(server.url_of("editor", "pw"))
    async with Redis.from_url(server.url) as admin:
        await admin.hset("h", mapping={"a": "1", "b": "2"})

        error = await failure_of(
            hashes.set_fields(
                client, b"h", [NewField(b"b", b"new", expected=b"2"), NewField(b"x", b"new"), conflicting]
            )
        )

        assert (error.reason_name, error.metadata["index"]) == ("CONFLICT", "1")
        assert await admin.hgetall("h") == {b"a": b"1", b"b": b"2"}


@pytest.mark.parametrize("rule", ["", "-@scripting"])
async def test_of_many_who_edit_the_same_field_one_wins(
    start_valkey: StartValkey, open_client: OpenClient, rule: str
) -> None:
    server = await start_valkey(users=(f"editor on >pw ~* +@all {rule}",))
    client = open_client(server.url_of("editor", "pw"))
    async with Redis.from_url(server.url) as admin:
        await admin.hset("h", "f", "start")

        done = await asyncio.gather(
            *(
                hashes.set_fields(client, b"h", [NewField(b"f", b"%d" % n, expected=b"start")])
                for n in range(8)
            ),
            return_exceptions=True,
        )

        winners = [n for n, each in enumerate(done) if each == (0, 1)]
        assert len(winners) == 1
        assert await admin.hget("h", "f") == b"%d" % winners[0]
    assert {each.reason_name for each in done if isinstance(each, StudioError)} == {"CONFLICT"}


async def test_a_user_who_can_not_edit_safely_is_told_so(
    start_valkey: StartValkey, open_client: OpenClient
) -> None:
    server = await start_valkey(users=("editor on >pw ~* +@all -@scripting -multi",))
    async with Redis.from_url(server.url) as admin:
        await admin.hset("h", "f", "1")
        client = open_client(server.url_of("editor", "pw"))

        error = await failure_of(hashes.set_fields(client, b"h", [NewField(b"f", b"2", expected=b"1")]))

        assert (error.reason_name, error.metadata["permission"]) == ("DB_PERMISSION_DENIED", "+multi")
        assert await admin.hget("h", "f") == b"1"


async def test_ten_thousand_fields_under_a_condition(client: RedisClient, valkey: Redis) -> None:
    names = [b"f%d" % number for number in range(10_000)]
    fields = [NewField(name, b"v", ttl_ms=1_000_000, absent=True) for name in names]

    assert await hashes.set_fields(client, b"h", fields) == (10_000, 10_000)
    assert -1 not in await valkey.hpttl("h", *names)
    assert (await failure_of(hashes.set_fields(client, b"h", fields[-1:]))).reason_name == "CONFLICT"


async def test_the_same_field_twice_is_a_mistake(client: RedisClient) -> None:
    error = await failure_of(hashes.set_fields(client, b"h", [NewField(b"a", b"1"), NewField(b"a", b"2")]))

    assert error.reason_name == "INVALID_ARGUMENT"


async def test_fields_expire_on_their_own(client: RedisClient, valkey: Redis) -> None:
    await hashes.set_fields(
        client, b"h", [NewField(b"a", b"1", ttl_ms=1_000_000), NewField(EVERY_BYTE, b"2")]
    )

    fields, _ = await all_fields(client, b"h", Query(with_ttl=True))
    assert 0 < fields[b"a"].ttl_ms <= 1_000_000
    assert fields[EVERY_BYTE].ttl_ms == -1
    fields, _ = await all_fields(client, b"h")
    assert fields[b"a"].ttl_ms == -1

    assert await hashes.expire_fields(client, b"h", [EVERY_BYTE, b"none"], ttl_ms=500_000) == [1, -2]
    assert 0 < (await hashes.get_field(client, b"h", EVERY_BYTE)).ttl_ms <= 500_000
    assert await hashes.expire_fields(client, b"h", [EVERY_BYTE, b"none"]) == [1, -2]
    assert await hashes.expire_fields(client, b"h", [EVERY_BYTE]) == [-1]

    await hashes.set_fields(client, b"h", [NewField(b"a", b"new")])
    assert (await hashes.get_field(client, b"h", b"a")).ttl_ms == -1
    assert await valkey.hlen("h") == 2


async def test_an_older_server_can_not_expire_fields_and_changes_nothing(
    older: tuple[RedisClient, ValkeyServer],
) -> None:
    client, server = older
    async with Redis.from_url(server.url) as redis:
        await redis.hset("h", "f", "1")

        for call in (
            hashes.expire_fields(client, b"h", [b"f"], ttl_ms=1000),
            hashes.expire_fields(client, b"h", [b"f"]),
            hashes.set_fields(client, b"h", [NewField(b"f", b"2", ttl_ms=1000)]),
            hashes.set_fields(client, b"new", [NewField(b"f", b"2", ttl_ms=1000, absent=True)]),
        ):
            assert (await failure_of(call)).reason_name == "NOT_SUPPORTED"
        assert await redis.hget("h", "f") == b"1"
        assert await redis.dbsize() == 1
        assert (await hashes.get_field(client, b"h", b"f")).ttl_ms == -1


async def test_a_user_who_may_not_make_fields_expire_does_not_set_them_either(
    start_valkey: StartValkey, open_client: OpenClient
) -> None:
    server = await start_valkey(users=("editor on >pw ~* +@all -hpexpire",))
    client = open_client(server.url_of("editor", "pw"))

    error = await failure_of(hashes.set_fields(client, b"h", [NewField(b"f", b"2", ttl_ms=1000)]))

    assert (error.reason_name, error.metadata["permission"]) == ("DB_PERMISSION_DENIED", "+hpexpire")
    async with Redis.from_url(server.url) as admin:
        assert await admin.exists("h") == 0


CALLS: dict[str, Call] = {
    "HSCAN": lambda client: list_fields(client, b"k", Query()),
    "HSTRLEN": lambda client: list_fields(client, b"k", Query()),
    "HMGET": lambda client: list_fields(client, b"k", Query()),
    "HPTTL": lambda client: list_fields(client, b"k", Query(with_ttl=True)),
    "HGET": lambda client: hashes.get_field(client, b"k", b"f"),
    "HSET": lambda client: hashes.set_fields(client, b"k", [NewField(b"f", b"x")]),
    "HSET in a script": lambda client: hashes.set_fields(client, b"k", [NewField(b"f", b"x", expected=b"v")]),
    "HGET in a script": lambda client: hashes.set_fields(client, b"k", [NewField(b"f", b"x", expected=b"v")]),
    "HDEL": lambda client: hashes.delete_fields(client, b"k", [b"f"]),
    "HPEXPIRE": lambda client: hashes.expire_fields(client, b"k", [b"f"], ttl_ms=1_000_000),
    "HPERSIST": lambda client: hashes.expire_fields(client, b"k", [b"f"]),
}


@pytest.mark.parametrize("call", CALLS)
async def test_a_key_of_another_type_is_answered_with_the_type_it_has(
    client: RedisClient, valkey: Redis, call: str
) -> None:
    await valkey.set("k", "v")

    error = await failure_of(CALLS[call](client))

    assert (error.reason_name, error.metadata["type"]) == ("WRONG_TYPE", "string")
    assert await valkey.get("k") == b"v"


@pytest.mark.parametrize("call", CALLS)
async def test_a_user_who_may_not_run_the_command_is_told_which(
    start_valkey: StartValkey, open_client: OpenClient, call: str
) -> None:
    command = call.partition(" ")[0].lower()
    server = await start_valkey(users=(f"browser on >pw ~* +@all -{command}",))
    async with Redis.from_url(server.url) as admin:
        await admin.hset("k", "f", "v")

        error = await failure_of(CALLS[call](open_client(server.url_of("browser", "pw"))))

        assert (error.reason_name, error.metadata["permission"]) == ("DB_PERMISSION_DENIED", f"+{command}")
        assert await admin.hgetall("k") == {b"f": b"v"}
