"""String values: ranges, conditions, expiry, and what is said when it does not work."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable

import pytest
from redis.asyncio import Redis

from services.redis_svc import values
from services.redis_svc.client import RedisClient
from services.redis_svc.values import Setting, Value
from services.runtime.errors import StudioError
from tests.redis_svc.conftest import OpenClient
from tests.support.engines import ValkeyServer

StartValkey = Callable[..., Awaitable[ValkeyServer]]
Engine = tuple[RedisClient, Redis]

EVERY_BYTE = bytes(range(256))


async def reason_of(awaitable: Awaitable[object]) -> str:
    with pytest.raises(StudioError) as caught:
        await awaitable
    return caught.value.reason_name


@pytest.mark.parametrize("value", [b"", b"text", EVERY_BYTE, "ünï¢ødé".encode(), b"\r\n$5\r\n"])
@pytest.mark.parametrize("key", [b"", b"key", EVERY_BYTE, b"a b\r\n", b"k" * 1_000_000])
async def test_what_is_set_is_what_is_read_whatever_its_bytes(
    any_engine: Engine, key: bytes, value: bytes
) -> None:
    client, redis = any_engine

    await values.set_value(client, key, value, Setting())

    assert await values.get(client, key) == Value(content=value, ttl_ms=-1, length=len(value))
    assert await redis.get(key) == value


@pytest.mark.parametrize(
    ("offset", "limit", "content"),
    [(0, 0, b"0123456789"), (0, 4, b"0123"), (3, 4, b"3456"), (8, 4, b"89"), (10, 4, b""), (1000, 1, b"")],
)
async def test_a_range_is_read(
    client: RedisClient, valkey: Redis, offset: int, limit: int, content: bytes
) -> None:
    await valkey.set("k", "0123456789")

    assert await values.get(client, b"k", offset=offset, limit=limit) == Value(content, -1, 10)


async def test_a_huge_value_comes_in_ranges(client: RedisClient, valkey: Redis) -> None:
    huge = bytes(range(256)) * 80_000
    await valkey.set("k", huge)

    first = await values.get(client, b"k")
    assert (len(first.content), first.length) == (1024 * 1024, len(huge))

    read = bytearray()
    while len(read) < len(huge):
        read += (await values.get(client, b"k", offset=len(read), limit=8 * 1024 * 1024)).content
    assert read == huge


async def test_a_read_is_one_round_trip(client: RedisClient, valkey: Redis) -> None:
    await valkey.set("k", "v")
    link = client.links[0]
    await link.execute(b"PING")
    before = dataclasses.replace(link.traffic)

    await values.get(client, b"k")

    assert link.traffic.writes - before.writes == 1


async def test_a_missing_key_is_not_found(client: RedisClient) -> None:
    assert await reason_of(values.get(client, b"nothing")) == "KEY_NOT_FOUND"


async def test_a_key_of_another_type_is_answered_with_the_type_it_has(
    client: RedisClient, valkey: Redis
) -> None:
    await valkey.hset("h", "a", "1")

    with pytest.raises(StudioError) as caught:
        await values.get(client, b"h")

    assert caught.value.reason_name == "WRONG_TYPE"
    assert caught.value.metadata["type"] == "hash"
    assert "hash" in caught.value.message


async def test_an_expiry_is_set_kept_and_removed(client: RedisClient, valkey: Redis) -> None:
    await values.set_value(client, b"k", b"1", Setting(ttl_ms=1_000_000))
    assert 0 < (await values.get(client, b"k")).ttl_ms <= 1_000_000

    await values.set_value(client, b"k", b"2", Setting(keep_ttl=True))
    assert 0 < (await values.get(client, b"k")).ttl_ms <= 1_000_000

    await values.set_value(client, b"k", b"3", Setting())
    assert await valkey.pttl("k") == -1


async def test_if_not_exists_sets_once(client: RedisClient) -> None:
    await values.set_value(client, b"k", b"1", Setting(if_not_exists=True))

    assert await reason_of(values.set_value(client, b"k", b"2", Setting(if_not_exists=True))) == "CONFLICT"
    assert (await values.get(client, b"k")).content == b"1"


async def test_if_exists_sets_only_then(client: RedisClient, valkey: Redis) -> None:
    assert await reason_of(values.set_value(client, b"k", b"1", Setting(if_exists=True))) == "KEY_NOT_FOUND"
    assert await valkey.exists("k") == 0

    await valkey.set("k", "0")
    await values.set_value(client, b"k", b"1", Setting(if_exists=True))
    assert await valkey.get("k") == b"1"


@pytest.mark.parametrize("before", [b"", b"text", EVERY_BYTE, b"x" * 2_000_000])
async def test_a_value_is_set_where_it_still_is_what_the_caller_saw(
    any_engine: Engine, before: bytes
) -> None:
    client, redis = any_engine
    await redis.set(EVERY_BYTE, before, px=1_000_000)

    await values.set_value(client, EVERY_BYTE, b"new", Setting(expected=before, keep_ttl=True))

    assert await redis.get(EVERY_BYTE) == b"new"
    assert await redis.pttl(EVERY_BYTE) > 0


@pytest.mark.parametrize("now", [b"other", b"", None])
async def test_a_value_that_is_another_by_now_is_not_set(
    client: RedisClient, valkey: Redis, now: bytes | None
) -> None:
    if now is not None:
        await valkey.set("k", now)

    for setting in (Setting(expected=b"seen"), Setting(expected=b"seen", if_exists=True, ttl_ms=5)):
        assert await reason_of(values.set_value(client, b"k", b"new", setting)) == "CONFLICT"
    assert await valkey.get("k") == now
    assert await valkey.pttl("k") == (-2 if now is None else -1)


async def test_a_key_that_is_no_string_any_more_is_not_set(client: RedisClient, valkey: Redis) -> None:
    await valkey.rpush("k", "item")

    assert await reason_of(values.set_value(client, b"k", b"new", Setting(expected=b"seen"))) == "CONFLICT"
    assert await valkey.lrange("k", 0, -1) == [b"item"]


async def test_a_key_that_must_not_exist_can_not_hold_what_is_expected(client: RedisClient) -> None:
    setting = Setting(expected=b"", if_not_exists=True)

    assert await reason_of(values.set_value(client, b"k", b"v", setting)) == "INVALID_ARGUMENT"


@pytest.mark.parametrize("rule", ["", "-@scripting"])
async def test_of_many_who_edit_the_same_value_one_wins(
    start_valkey: StartValkey, open_client: OpenClient, rule: str
) -> None:
    server = await start_valkey(users=(f"editor on >pw ~* +@all {rule}",))
    client = open_client(server.url_of("editor", "pw"))
    async with Redis.from_url(server.url) as admin:
        await admin.set("k", "start")

        done = await asyncio.gather(
            *(values.set_value(client, b"k", b"%d" % n, Setting(expected=b"start")) for n in range(8)),
            return_exceptions=True,
        )

        winners = [n for n, each in enumerate(done) if each is None]
        assert len(winners) == 1
        assert await admin.get("k") == b"%d" % winners[0]
    assert {each.reason_name for each in done if isinstance(each, StudioError)} == {"CONFLICT"}


async def test_a_value_beyond_the_limit_is_refused_before_it_is_sent(client: RedisClient) -> None:
    too_large = b"x" * (client.limits.max_value_bytes + 1)

    assert await reason_of(values.set_value(client, b"k", too_large, Setting())) == "PAYLOAD_TOO_LARGE"
    assert client.links[0].traffic.commands == 0


async def test_an_expiry_beyond_what_the_server_counts_is_the_users_mistake(client: RedisClient) -> None:
    setting = Setting(ttl_ms=2**63 - 1)

    assert await reason_of(values.set_value(client, b"k", b"v", setting)) == "DB_QUERY_ERROR"


async def test_a_replica_takes_no_writes_and_says_why(
    start_valkey: StartValkey, open_client: OpenClient
) -> None:
    primary = await start_valkey()
    replica = await start_valkey(replica_of=primary)

    with pytest.raises(StudioError) as caught:
        await values.set_value(open_client(replica.url), b"k", b"v", Setting())

    assert caught.value.reason_name == "DB_READ_ONLY"
    assert "replica" in caught.value.message


async def test_a_full_server_takes_no_writes_and_says_why(
    start_valkey: StartValkey, open_client: OpenClient
) -> None:
    server = await start_valkey(settings={"maxmemory": "1kb", "maxmemory-policy": "noeviction"})

    client = open_client(server.url)

    with pytest.raises(StudioError) as caught:
        await values.set_value(client, b"k", b"x", Setting())

    assert caught.value.reason_name == "DB_READ_ONLY"
    assert "maxmemory" in caught.value.message


@pytest.mark.parametrize(
    ("rules", "permission"),
    [("~* +@all -type", "+type"), ("~* +@all -getrange", "+getrange"), ("~other:* +@all", "~<pattern>")],
)
async def test_a_restricted_user_is_told_what_is_missing(
    start_valkey: StartValkey, open_client: OpenClient, rules: str, permission: str
) -> None:
    server = await start_valkey(users=(f"reader on >pw {rules}",))
    async with Redis.from_url(server.url) as admin:
        await admin.set("k", "v")

    with pytest.raises(StudioError) as caught:
        await values.get(open_client(server.url_of("reader", "pw")), b"k")

    assert caught.value.reason_name == "DB_PERMISSION_DENIED"
    assert caught.value.metadata["permission"] == permission


async def test_a_user_who_may_only_read_is_told_what_setting_needs(
    start_valkey: StartValkey, open_client: OpenClient
) -> None:
    server = await start_valkey(users=("reader on >pw ~* +@read",))

    with pytest.raises(StudioError) as caught:
        await values.set_value(open_client(server.url_of("reader", "pw")), b"k", b"v", Setting())

    assert caught.value.reason_name == "DB_PERMISSION_DENIED"
    assert "SET" in caught.value.message
