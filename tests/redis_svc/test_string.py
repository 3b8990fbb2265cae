"""Strings in part: append, overwrite, count; bits; HyperLogLogs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from redis.asyncio import Redis

from services.redis_svc.client import RedisClient
from services.redis_svc.types import bitmap, hyperloglog, string
from tests.redis_svc.conftest import OpenClient
from tests.support.engines import ValkeyServer
from tests.support.failures import failure_of

StartValkey = Callable[..., Awaitable[ValkeyServer]]
Engine = tuple[RedisClient, Redis]
Call = Callable[[RedisClient], Awaitable[object]]

EVERY_BYTE = bytes(range(256))


async def test_what_is_appended_stands_at_the_end(any_engine: Engine) -> None:
    client, redis = any_engine

    assert await string.append(client, EVERY_BYTE, b"begin") == 5
    assert await string.append(client, EVERY_BYTE, EVERY_BYTE) == 261
    assert await string.append(client, EVERY_BYTE, b"") == 261

    assert await redis.get(EVERY_BYTE) == b"begin" + EVERY_BYTE


async def test_a_range_is_overwritten_and_a_gap_filled(any_engine: Engine) -> None:
    client, redis = any_engine
    await redis.set("k", "0123456789")

    assert await string.set_range(client, b"k", 3, EVERY_BYTE[:4]) == 10
    assert await redis.get("k") == b"012" + EVERY_BYTE[:4] + b"789"
    assert await string.set_range(client, b"k", 12, b"x") == 13
    assert await redis.get("k") == b"012" + EVERY_BYTE[:4] + b"789\0\0x"
    assert await string.set_range(client, b"new", 2, b"x") == 3


async def test_a_range_is_overwritten_only_where_it_is_what_was_seen(any_engine: Engine) -> None:
    client, redis = any_engine
    await redis.set("k", b"01" + EVERY_BYTE, ex=600)

    error = await failure_of(string.set_range(client, b"k", 2, b"new", expected=b"old"))
    assert error.reason_name == "CONFLICT"
    assert await redis.get("k") == b"01" + EVERY_BYTE
    assert await string.set_range(client, b"k", 2, b"new", expected=EVERY_BYTE[:3]) == 258
    assert await redis.get("k") == b"01new" + EVERY_BYTE[3:]
    assert await redis.ttl("k") > 0

    error = await failure_of(string.set_range(client, b"gone", 0, b"new", expected=b"old"))
    assert error.reason_name == "CONFLICT"
    assert await redis.exists("gone") == 0
    assert await string.set_range(client, b"k", 258, b"more", expected=b"") == 262


async def test_two_who_append_at_once_lose_nothing(client: RedisClient, valkey: Redis) -> None:
    await asyncio.gather(*(string.append(client, b"k", b"%02d" % number) for number in range(100)))

    value = await valkey.get("k")
    assert isinstance(value, bytes)
    assert sorted(value[at : at + 2] for at in range(0, 200, 2)) == [
        b"%02d" % number for number in range(100)
    ]


@pytest.mark.parametrize(
    ("before", "by", "after"),
    [
        (None, "1", "1"),
        ("41", "+1", "42"),
        ("5", "-007", "-2"),
        ("9007199254740993", "1", "9007199254740994"),
        ("1", "0.5", "1.5"),
        ("1.5", "+1.0", "2.5"),
        (None, "-0.25", "-0.25"),
    ],
)
async def test_a_number_is_counted(
    client: RedisClient, valkey: Redis, before: str | None, by: str, after: str
) -> None:
    if before is not None:
        await valkey.set("k", before)

    assert await string.increment(client, b"k", by) == after
    assert await valkey.get("k") == after.encode()


@pytest.mark.parametrize(
    ("value", "by", "reason"),
    [
        ("text", "1", "DB_QUERY_ERROR"),
        ("text", "1.5", "DB_QUERY_ERROR"),
        ("1.5", "1", "DB_QUERY_ERROR"),
        ("9223372036854775807", "1", "DB_QUERY_ERROR"),
        ("1", "9223372036854775808", "INVALID_ARGUMENT"),
    ],
)
async def test_what_is_no_number_stays_as_it_is(
    client: RedisClient, valkey: Redis, value: str, by: str, reason: str
) -> None:
    await valkey.set("k", value)

    assert (await failure_of(string.increment(client, b"k", by))).reason_name == reason
    assert await valkey.get("k") == value.encode()


async def test_bits_are_set_at_once_and_say_what_they_were(any_engine: Engine) -> None:
    client, redis = any_engine

    assert await bitmap.set_bits(client, EVERY_BYTE, [(0, True), (7, True), (0, False), (9, True)]) == [
        0,
        0,
        1,
        0,
    ]
    assert await redis.get(EVERY_BYTE) == b"\x01\x40"
    assert await bitmap.get_bits(client, EVERY_BYTE, [0, 7, 9, 1000]) == ([0, 1, 1, 0], 2)


async def test_bits_are_counted_in_a_range_of_bytes(client: RedisClient, valkey: Redis) -> None:
    await valkey.set("k", b"\xff\x0f\x01")

    for (start, end), count in {
        (0, -1): 13,
        (0, 0): 8,
        (1, 1): 4,
        (-1, -1): 1,
        (1, 100): 5,
        (5, 9): 0,
    }.items():
        assert await bitmap.get_bits(client, b"k", [], start, end) == ([], count)


async def test_the_last_bit_of_the_longest_string(client: RedisClient, valkey: Redis) -> None:
    await valkey.set("k", "v")

    assert await bitmap.get_bits(client, b"k", [bitmap.MAX_OFFSET]) == ([0], 5)


async def test_hyperloglogs_count_what_they_have_seen_together(any_engine: Engine) -> None:
    client, _ = any_engine

    assert await hyperloglog.add(client, b"a", [b"x", EVERY_BYTE, b""])
    assert not await hyperloglog.add(client, b"a", [b"x"])
    await hyperloglog.add(client, EVERY_BYTE, [b"x", b"y"])

    assert await hyperloglog.count(client, [b"a"]) == 3
    assert await hyperloglog.count(client, [b"a", EVERY_BYTE, b"none"]) == 4


async def test_a_million_elements_within_a_percent_or_two(client: RedisClient) -> None:
    for start in range(0, 100_000, 10_000):
        await hyperloglog.add(client, b"a", [b"%d" % number for number in range(start, start + 10_000)])

    assert abs(await hyperloglog.count(client, [b"a"]) - 100_000) < 3000


CALLS: dict[str, Call] = {
    "APPEND": lambda client: string.append(client, b"k", b"x"),
    "SETRANGE": lambda client: string.set_range(client, b"k", 0, b"x"),
    "GETRANGE": lambda client: string.set_range(client, b"k", 0, b"x", expected=b"y"),
    "INCRBY": lambda client: string.increment(client, b"k", "1"),
    "INCRBYFLOAT": lambda client: string.increment(client, b"k", "1.0"),
    "GETBIT": lambda client: bitmap.get_bits(client, b"k", [0]),
    "BITFIELD": lambda client: bitmap.set_bits(client, b"k", [(0, True)]),
    "PFCOUNT": lambda client: hyperloglog.count(client, [b"k"]),
    "PFADD": lambda client: hyperloglog.add(client, b"k", [b"x"]),
}


@pytest.mark.parametrize("command", CALLS)
async def test_a_key_of_another_type_is_answered_with_the_type_it_has(
    client: RedisClient, valkey: Redis, command: str
) -> None:
    await valkey.rpush("k", "item")

    error = await failure_of(CALLS[command](client))

    assert (error.reason_name, error.metadata["type"]) == ("WRONG_TYPE", "list")
    assert await valkey.lrange("k", 0, -1) == [b"item"]


@pytest.mark.parametrize("command", ["PFCOUNT", "PFADD"])
async def test_a_string_that_is_no_hyperloglog(client: RedisClient, valkey: Redis, command: str) -> None:
    await valkey.set("k", "text")

    error = await failure_of(CALLS[command](client))

    assert (error.reason_name, error.metadata["type"]) == ("WRONG_TYPE", "string")
    assert "HyperLogLog" in error.message


@pytest.mark.parametrize("command", ["GETBIT", "PFCOUNT"])
async def test_what_is_not_there_is_not_counted(client: RedisClient, command: str) -> None:
    assert (await failure_of(CALLS[command](client))).reason_name == "KEY_NOT_FOUND"


@pytest.mark.parametrize("command", CALLS)
async def test_a_user_who_may_not_run_the_command_is_told_which(
    start_valkey: StartValkey, open_client: OpenClient, command: str
) -> None:
    server = await start_valkey(users=(f"browser on >pw ~* +@all -{command.lower()}",))
    async with Redis.from_url(server.url) as admin:
        await admin.set("k", "1")

    error = await failure_of(CALLS[command](open_client(server.url_of("browser", "pw"))))

    assert (error.reason_name, error.metadata["permission"]) == (
        "DB_PERMISSION_DENIED",
        f"+{command.lower()}",
    )
    assert command in error.message
