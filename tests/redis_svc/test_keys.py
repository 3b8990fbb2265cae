"""Keys as such: what is known of one, its name, its expiry, its end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest
from redis.asyncio import Redis

from services.redis_svc import keys
from services.redis_svc.client import RedisClient
from services.runtime.errors import StudioError
from tests.redis_svc.conftest import OpenClient
from tests.redis_svc.old_server import serve_older, without
from tests.support.engines import ValkeyServer
from tests.support.failures import failure_of
from tests.support.odd_servers import StartServer

StartValkey = Callable[..., Awaitable[ValkeyServer]]
Engine = tuple[RedisClient, Redis]

EVERY_BYTE = bytes(range(256))


async def reason_of(awaitable: Awaitable[object]) -> str:
    return (await failure_of(awaitable)).reason_name


async def test_all_that_is_known_of_a_key_but_its_value(any_engine: Engine) -> None:
    client, redis = any_engine
    await redis.hset(EVERY_BYTE, mapping={"a": "1", "b": "2"})
    await redis.pexpire(EVERY_BYTE, 1_000_000)

    facts = await keys.get_key(client, EVERY_BYTE)

    assert (facts.type, facts.length, facts.references, facts.frequency) == ("hash", 2, 1, -1)
    assert facts.encoding in {"listpack", "ziplist"}
    assert 0 < facts.ttl_ms <= 1_000_000
    assert facts.memory > 0
    assert facts.idle_s >= 0


async def test_looking_at_a_key_asks_for_a_bounded_sample_of_it(client: RedisClient, valkey: Redis) -> None:
    await valkey.rpush("k", *range(10))
    commands: list[str] = []
    async with valkey.monitor() as monitor:
        await keys.get_key(client, b"k", memory_samples=7)
        await keys.get_key(client, b"k")
        while len(commands) < 2:
            command = (await monitor.next_command())["command"]
            commands += [command] if command.startswith("MEMORY") else []

    assert [command.split()[-2:] for command in commands] == [["SAMPLES", "7"], ["SAMPLES", "5"]]


async def test_under_an_lfu_policy_a_key_has_a_frequency(
    start_valkey: StartValkey, open_client: OpenClient
) -> None:
    server = await start_valkey(settings={"maxmemory-policy": "allkeys-lfu"})
    async with Redis.from_url(server.url) as redis:
        await redis.set("k", "v")

    facts = await keys.get_key(open_client(server.url), b"k")

    assert facts.frequency >= 0
    assert facts.idle_s == -1


async def test_a_user_without_object_and_memory_sees_the_rest(
    start_valkey: StartValkey, open_client: OpenClient
) -> None:
    server = await start_valkey(users=("browser on >pw ~* +@all -object -memory -strlen",))
    async with Redis.from_url(server.url) as admin:
        await admin.set("k", "v")

    facts = await keys.get_key(open_client(server.url_of("browser", "pw")), b"k")

    assert (facts.type, facts.ttl_ms) == ("string", -1)
    assert (facts.memory, facts.length, facts.encoding, facts.references) == (-1, -1, "", -1)


@pytest.mark.parametrize(("rule", "permission"), [("-type", "+type"), ("-pttl", "+pttl")])
async def test_a_user_who_may_not_look_is_told_what_is_missing(
    start_valkey: StartValkey, open_client: OpenClient, rule: str, permission: str
) -> None:
    server = await start_valkey(users=(f"browser on >pw ~* +@all {rule}",))

    error = await failure_of(keys.get_key(open_client(server.url_of("browser", "pw")), b"k"))

    assert (error.reason_name, error.metadata["permission"]) == ("DB_PERMISSION_DENIED", permission)


async def test_a_missing_key_is_not_found_whatever_is_asked(client: RedisClient) -> None:
    assert await reason_of(keys.get_key(client, b"none")) == "KEY_NOT_FOUND"
    assert await reason_of(keys.rename(client, b"none", b"new", overwrite=False)) == "KEY_NOT_FOUND"
    assert await reason_of(keys.rename(client, b"none", b"new", overwrite=True)) == "KEY_NOT_FOUND"
    assert await reason_of(keys.copy(client, b"none", b"new", overwrite=False)) == "KEY_NOT_FOUND"
    assert await reason_of(keys.copy(client, b"none", b"new", overwrite=True)) == "KEY_NOT_FOUND"
    assert await reason_of(keys.set_expiry(client, b"none", ttl_ms=1)) == "KEY_NOT_FOUND"
    assert await reason_of(keys.set_expiry(client, b"none")) == "KEY_NOT_FOUND"


@pytest.mark.parametrize("new_key", [b"", b"new", EVERY_BYTE, b"\r\n"])
async def test_a_key_is_renamed_with_its_expiry(any_engine: Engine, new_key: bytes) -> None:
    client, redis = any_engine
    await redis.set("k", "v", px=1_000_000)

    await keys.rename(client, b"k", new_key, overwrite=False)

    assert await redis.get(new_key) == b"v"
    assert await redis.pttl(new_key) > 0
    assert await redis.exists("k") == 0


async def test_a_name_that_is_taken_is_overwritten_only_where_asked(
    client: RedisClient, valkey: Redis
) -> None:
    await valkey.mset({"k": "v", "taken": "other"})

    assert await reason_of(keys.rename(client, b"k", b"taken", overwrite=False)) == "CONFLICT"
    assert await valkey.mget("k", "taken") == [b"v", b"other"]
    await keys.rename(client, b"k", b"taken", overwrite=True)
    assert await valkey.mget("k", "taken") == [None, b"v"]


async def test_of_many_who_want_the_same_name_one_gets_it(client: RedisClient, valkey: Redis) -> None:
    await valkey.mset({f"k{n}": n for n in range(20)})

    done = await asyncio.gather(
        *(keys.rename(client, b"k%d" % n, b"new", overwrite=False) for n in range(20)), return_exceptions=True
    )

    assert sum(each is None for each in done) == 1
    assert {each.reason_name for each in done if isinstance(each, StudioError)} == {"CONFLICT"}
    assert await valkey.dbsize() == 20


async def test_a_key_is_copied_with_its_expiry(any_engine: Engine) -> None:
    client, redis = any_engine
    await redis.set("k", EVERY_BYTE, px=1_000_000)

    await keys.copy(client, b"k", EVERY_BYTE, overwrite=False)

    assert await redis.get(EVERY_BYTE) == await redis.get("k") == EVERY_BYTE
    assert await redis.pttl(EVERY_BYTE) > 0


async def test_a_copy_replaces_only_where_asked(client: RedisClient, valkey: Redis) -> None:
    await valkey.mset({"k": "v", "taken": "other"})

    assert await reason_of(keys.copy(client, b"k", b"taken", overwrite=False)) == "CONFLICT"
    assert await valkey.get("taken") == b"other"
    await keys.copy(client, b"k", b"taken", overwrite=True)
    assert await valkey.get("taken") == b"v"


async def test_a_copy_goes_to_another_database(client: RedisClient, valkey: Redis, valkey_url: str) -> None:
    await valkey.set("k", "v")

    await keys.copy(client, b"k", b"k", overwrite=False, database=3)

    async with Redis.from_url(valkey_url + "/3") as third:
        assert await third.get("k") == b"v"
    assert await valkey.get("k") == b"v"


@pytest.mark.parametrize(
    ("new_key", "database", "field"), [(b"k", None, "new_key"), (b"new", 9999, "target_database")]
)
async def test_a_copy_that_can_not_be(
    client: RedisClient, valkey: Redis, new_key: bytes, database: int | None, field: str
) -> None:
    await valkey.set("k", "v")

    error = await failure_of(keys.copy(client, b"k", new_key, overwrite=True, database=database))

    assert error.reason_name == "INVALID_ARGUMENT"
    assert error.violations[0].field == field


async def test_a_server_that_can_not_copy_says_so(
    start_valkey: StartValkey, start_server: StartServer, open_client: OpenClient
) -> None:
    server = await start_valkey(password="")
    port = await start_server(serve_older(server.host, server.port, without("COPY")))

    error = await failure_of(keys.copy(open_client(f"redis://127.0.0.1:{port}"), b"k", b"n", overwrite=True))

    assert (error.reason_name, error.metadata["command"]) == ("NOT_SUPPORTED", "COPY")


async def test_keys_are_deleted_whatever_their_bytes_and_counted(any_engine: Engine) -> None:
    client, redis = any_engine
    names = [bytes([byte]) for byte in range(256)] + [EVERY_BYTE, b""]
    for name in names:
        await redis.set(name, "v")
    await redis.set("stays", "v")

    assert await keys.delete(client, [*names, b"none"]) == 258
    assert await redis.keys() == [b"stays"]


async def test_deleting_leaves_the_freeing_to_the_background(client: RedisClient, valkey: Redis) -> None:
    await valkey.set("k", "v")
    await valkey.config_resetstat()

    await keys.delete(client, [b"k"])

    assert "cmdstat_unlink" in await valkey.info("commandstats")


@pytest.mark.parametrize("rule", ["-unlink", "-@all +del"])
async def test_a_user_who_may_del_but_not_unlink_deletes(
    start_valkey: StartValkey, open_client: OpenClient, rule: str
) -> None:
    server = await start_valkey(users=(f"editor on >pw ~* +@all {rule}",))
    async with Redis.from_url(server.url) as admin:
        await admin.mset({"a": 1, "b": 2})

    assert await keys.delete(open_client(server.url_of("editor", "pw")), [b"a", b"b", b"c"]) == 2


async def test_a_server_without_unlink_deletes(
    start_valkey: StartValkey, start_server: StartServer, open_client: OpenClient
) -> None:
    server = await start_valkey(password="")
    async with Redis.from_url(server.url) as redis:
        await redis.mset({"a": 1, "b": 2})
    port = await start_server(serve_older(server.host, server.port, without("UNLINK")))

    assert await keys.delete(open_client(f"redis://127.0.0.1:{port}"), [b"a", b"b", b"c"]) == 2


async def test_a_key_that_the_user_may_not_delete_spares_the_others(
    start_valkey: StartValkey, open_client: OpenClient
) -> None:
    server = await start_valkey(users=("editor on >pw ~mine* +@all", "reader on >pw ~* +@read"))
    async with Redis.from_url(server.url) as admin:
        await admin.mset({"mine": 1, "theirs": 2})

        error = await failure_of(
            keys.delete(open_client(server.url_of("editor", "pw")), [b"mine", b"theirs"])
        )
        assert (error.reason_name, error.metadata["permission"]) == ("DB_PERMISSION_DENIED", "~<pattern>")
        error = await failure_of(keys.delete(open_client(server.url_of("reader", "pw")), [b"mine"]))
        assert (error.reason_name, error.metadata["permission"]) == ("DB_PERMISSION_DENIED", "+unlink")
        assert await admin.dbsize() == 2


async def test_an_expiry_is_set_moved_and_removed(any_engine: Engine) -> None:
    client, redis = any_engine
    await redis.set("k", "v")

    assert 0 < await keys.set_expiry(client, b"k", ttl_ms=500_000) <= 500_000
    in_an_hour = int(time.time() * 1000) + 3_600_000
    assert 500_000 < await keys.set_expiry(client, b"k", at_unix_ms=in_an_hour) <= 3_600_000
    assert await keys.set_expiry(client, b"k") == -1
    assert await redis.pttl("k") == -1
    assert await keys.set_expiry(client, b"k") == -1


async def test_a_time_that_is_over_ends_the_key(client: RedisClient, valkey: Redis) -> None:
    await valkey.set("k", "v")

    assert await keys.set_expiry(client, b"k", at_unix_ms=1) == 0
    assert await valkey.exists("k") == 0


async def test_the_longest_expiry_that_a_request_can_give(client: RedisClient, valkey: Redis) -> None:
    await valkey.set("k", "v")

    assert await keys.set_expiry(client, b"k", ttl_ms=2**53 - 1) > 2**52
