"""The list cache by itself: queries that meet writes and each other, and its circuit."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from services.registry.cache import lists, pages
from services.registry.cache import redis as cache_redis
from services.registry.cache.circuit import Circuit
from services.registry.cache.lists import CachedLists
from services.registry.cache.redis import CacheClient
from services.registry.feed import Feed
from services.registry.store.rows import Database, Filters
from tests.registry.test_pages import row
from tests.support.engines import ValkeyFactory, ValkeyServer


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Redis that works is waited for, however busy the machine is: here it is not speed that counts."""
    monkeypatch.setattr(cache_redis, "TIMEOUT_S", 10.0)
    monkeypatch.setattr(cache_redis, "CALL_TIMEOUT_S", 20.0)


@pytest.fixture
async def cache(start_valkey: ValkeyFactory) -> ValkeyServer:
    """The Redis with the lists."""
    return await start_valkey()


@pytest.fixture
async def alone(cache: ValkeyServer) -> AsyncIterator[tuple[CachedLists, Feed]]:
    """The cache without a registry, to hold queries in the middle."""
    feed = Feed()
    feed.up()
    cached = CachedLists(CacheClient(cache.url), feed, secret="secret-of-the-tests", platform="p")
    yield cached, feed
    await cached.aclose()


class Query:
    """A query of PostgreSQL that takes as long as the test wants."""

    def __init__(self, *rows: Database) -> None:
        self.rows = list(rows)
        self.asked = 0
        self.begun = asyncio.Event()
        self.may_end = asyncio.Event()

    async def __call__(self) -> list[Database]:
        self.asked += 1
        self.begun.set()
        await self.may_end.wait()
        return self.rows


async def test_a_query_that_a_write_overtook_is_not_served_afterwards(
    alone: tuple[CachedLists, Feed],
) -> None:
    cached, _ = alone
    old, new = Query(row("old")), Query(row("new"))
    new.may_end.set()
    reading = asyncio.create_task(cached.page(Filters(), None, 10, old))
    await old.begun.wait()
    await cached.changed()  # the write is acknowledged after this
    assert await cached.page(Filters(), None, 10, new) == new.rows
    old.may_end.set()
    assert await reading == old.rows  # it began before the write
    assert await cached.page(Filters(), None, 10, new) == new.rows


async def test_what_one_replica_has_read_serves_the_others(
    alone: tuple[CachedLists, Feed], cache: ValkeyServer
) -> None:
    first, feed = alone
    other = CachedLists(CacheClient(cache.url), feed, secret="secret-of-the-tests", platform="p")
    stranger = CachedLists(CacheClient(cache.url), feed, secret="secret-of-the-tests", platform="q")
    query, queries_of_others = Query(row("a")), Query()
    query.may_end.set()
    queries_of_others.may_end.set()
    for each in (first, other, stranger):  # at its start, each replica replaces the generation
        await each.page(Filters(), None, 1, queries_of_others)
    assert await first.page(Filters(), None, 10, query) == query.rows
    assert await other.page(Filters(), None, 10, query) == query.rows
    assert query.asked == 1
    # Another platform on the same Redis sees none of it.
    assert await stranger.page(Filters(), None, 10, queries_of_others) == []
    for each in (other, stranger):
        await each.aclose()


async def test_many_who_miss_at_a_time_ask_postgresql_once(alone: tuple[CachedLists, Feed]) -> None:
    cached, _ = alone
    query = Query(row("a"))
    calls = [asyncio.create_task(cached.page(Filters(), None, 10, query)) for _ in range(50)]
    await query.begun.wait()
    calls[0].cancel()  # the first to ask goes away, and the others don't
    query.may_end.set()
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(outcomes[0], asyncio.CancelledError)
    assert outcomes[1:] == [query.rows] * 49
    assert query.asked == 1


async def test_a_failed_query_is_everybodys_and_is_not_cached(alone: tuple[CachedLists, Feed]) -> None:
    cached, _ = alone

    async def fails() -> list[Database]:
        raise ZeroDivisionError

    outcomes = await asyncio.gather(
        *(cached.page(Filters(), None, 10, fails) for _ in range(3)), return_exceptions=True
    )
    assert [type(each) for each in outcomes] == [ZeroDivisionError] * 3
    query = Query(row("a"))
    query.may_end.set()
    assert await cached.page(Filters(), None, 10, query) == query.rows


async def test_an_open_circuit_lets_one_caller_try() -> None:
    now = 0.0
    circuit = Circuit(5.0, clock=lambda: now)
    assert circuit.may_try()
    assert circuit.failed()
    assert not circuit.failed()
    now = 4.9
    assert not circuit.may_try()
    now = 5.0
    assert [circuit.may_try() for _ in range(3)] == [True, False, False]
    assert circuit.succeeded()
    assert [circuit.may_try() for _ in range(3)] == [True] * 3
    assert not circuit.succeeded()


def test_generations_only_grow_whatever_the_clock_does() -> None:
    ahead = lists._later_than(f"{time.time_ns() // 1000 + 10**9:016d}00000000".encode())  # noqa: SLF001
    assert lists._later_than(ahead) > ahead  # noqa: SLF001
    assert pages.MAX_BYTES < 512 << 20
