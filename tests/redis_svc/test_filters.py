"""Listing keys by what they take and when they expire: bounded work, every key that fits, none that doesn't."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable

import pytest
from redis.asyncio import Redis

from services.redis_svc.client import RedisClient
from services.redis_svc.key_details import Keys, Wanted
from services.redis_svc.keyspace import Page, Query, list_keys
from services.runtime.errors import StudioError
from tests.redis_svc.conftest import OpenClient
from tests.support.engines import ValkeyServer

StartValkey = Callable[..., Awaitable[ValkeyServer]]

NOTHING = Wanted(type=False, ttl=False, memory=False, length=False)


async def all_pages(client: RedisClient, query: Query) -> tuple[list[bytes], list[Page], list[Keys]]:
    names: list[bytes] = []
    pages: list[Page] = []
    steps: list[Keys] = []
    while not pages or pages[-1].cursor:
        pages.append(await list_keys(client, query, steps.append))
        query = dataclasses.replace(query, cursor=pages[-1].cursor)
    for keys in steps:
        names += keys.names
    return sorted(names), pages, steps


async def fill(redis: Redis) -> None:
    """A thousand small keys that never expire, ten large ones, ten that expire soon, ten later."""
    async with redis.pipeline(transaction=False) as pipe:
        for number in range(1000):
            pipe.set(f"small:{number}", "v")
        for number in range(10):
            pipe.set(f"large:{number}", "v" * 10_000)
            pipe.set(f"soon:{number}", "v", px=500_000)
            pipe.set(f"later:{number}", "v" * 10_000, px=50_000_000)
        await pipe.execute()


def ten(*prefixes: str) -> list[bytes]:
    return sorted(f"{prefix}:{number}".encode() for prefix in prefixes for number in range(10))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (Query(min_memory=5000), ten("large", "later")),
        (Query(max_ttl_ms=600_000), ten("soon")),
        (Query(max_ttl_ms=60_000_000), ten("soon", "later")),
        (Query(min_memory=5000, max_ttl_ms=60_000_000), ten("later")),
        (Query(min_memory=5000, max_ttl_ms=-1), ten("large")),
        (Query(pattern=b"large:*", max_ttl_ms=60_000_000), []),
        (Query(pattern=b"s*", max_ttl_ms=60_000_000), ten("soon")),
        (Query(type="hash", min_memory=1), []),
        (Query(type="string", min_memory=5000), ten("large", "later")),
    ],
)
@pytest.mark.parametrize("wanted", [Wanted(), NOTHING])
async def test_keys_by_size_and_expiry(
    client: RedisClient, valkey: Redis, query: Query, expected: list[bytes], wanted: Wanted
) -> None:
    await fill(valkey)

    names, _, steps = await all_pages(client, dataclasses.replace(query, wanted=wanted))

    assert names == expected
    for keys in steps:
        rows = len(keys.names)
        assert len(keys.ttls) == (rows if wanted.ttl else 0)
        assert len(keys.memory) == (rows if wanted.memory else 0)
        assert len(keys.lengths) == (rows if wanted.length else 0)


async def test_keys_that_never_expire_page_by_page(client: RedisClient, valkey: Redis) -> None:
    await fill(valkey)

    names, pages, _ = await all_pages(client, Query(max_ttl_ms=-1, count=50))

    assert len(names) == 1010
    assert len(set(names)) == 1010
    assert len(pages) >= 3


async def test_a_rare_size_costs_a_bounded_scan_and_empty_pages_go_on(
    valkey: Redis, valkey_url: str, open_client: OpenClient
) -> None:
    client = open_client(valkey_url, scan_budget_keys=500, scan_step=100)
    async with valkey.pipeline(transaction=False) as pipe:
        for number in range(5000):
            pipe.set(f"small:{number}", "v")
        await pipe.execute()
    await valkey.set("needle", "v" * 10_000)
    await valkey.config_resetstat()

    steps: list[Keys] = []
    page = await list_keys(client, Query(min_memory=5000, count=10), steps.append)

    stats = await valkey.info("commandstats")
    assert stats["cmdstat_memory|usage"]["calls"] <= 800
    assert page.cursor
    assert page.scanned <= 800
    assert page.total == 5001

    names, pages, _ = await all_pages(client, Query(min_memory=5000, count=10))
    assert names == [b"needle"]
    assert len(pages) > 5


async def test_a_user_without_memory_usage_is_told_so_where_it_decides(
    start_valkey: StartValkey, open_client: OpenClient
) -> None:
    server = await start_valkey(users=("browser on >pw ~* +@all -memory",))
    async with Redis.from_url(server.url) as admin:
        await admin.set("k", "v")
    client = open_client(server.url_of("browser", "pw"))

    with pytest.raises(StudioError) as caught:
        await all_pages(client, Query(min_memory=1))
    assert caught.value.reason_name == "DB_PERMISSION_DENIED"
    assert caught.value.metadata["permission"].startswith("+memory")

    names, _, _ = await all_pages(client, Query(max_ttl_ms=-1))
    assert names == [b"k"]
