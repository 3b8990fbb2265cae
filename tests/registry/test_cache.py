"""The list cache: shared by replicas, never stale after an acknowledged write, and not missed when it is gone."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

import psycopg
import pytest
from prometheus_client import REGISTRY
from redis.asyncio import Redis

from services.registry.cache import lists
from services.registry.cache import redis as cache_redis
from services.registry.store.postgres import Postgres
from services.registry.store.rows import Database
from studio.registry.v1.registry_service_pb2 import ListDatabasesResponse
from tests.registry.harness import CANARY, Registry, running_registry, settings
from tests.registry.test_watch import listening
from tests.support.engines import ValkeyFactory, ValkeyServer

T = TypeVar("T")
FromCache = Callable[[Callable[[], Awaitable[Any]]], Awaitable[Any]]
INSERT = """
INSERT INTO platform.databases (project_id, name, type, connection_string)
SELECT id, 'inserted', 'redis', 'x' FROM platform.projects
"""
Session = psycopg.Connection[tuple[Any, ...]]


def requests(result: str) -> float:
    return REGISTRY.get_sample_value("studio_registry_cache_requests_total", {"result": result}) or 0.0


async def names(registry: Registry, **fields: Any) -> list[str]:  # noqa: ANN401  any field of the request
    return [each.name for each in (await registry.list(**fields)).databases]


async def contents(server: ValkeyServer) -> dict[bytes, bytes]:
    """All that is cached."""
    async with Redis.from_url(server.url) as client:
        keys: list[Any] = await client.keys()
        values: list[Any] = await client.mget(keys) if keys else []
    return dict(zip(keys, values, strict=True))


def page_of(everything: dict[bytes, bytes]) -> bytes:
    """The key of the one page of the generation that holds."""
    (generation,) = [value for key, value in everything.items() if key.endswith(b":generation")]
    (page,) = [key for key in everything if generation in key]
    return page


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Redis that works is waited for, however busy the machine is: here it is not speed that counts."""
    monkeypatch.setattr(cache_redis, "TIMEOUT_S", 10.0)
    monkeypatch.setattr(cache_redis, "CALL_TIMEOUT_S", 20.0)


@pytest.fixture
def impatience(patience: None, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001  what this replaces
    """For a Redis that does not work: it is given up soon, and tried again often."""
    monkeypatch.setattr(cache_redis, "TIMEOUT_S", 0.1)
    monkeypatch.setattr(cache_redis, "CALL_TIMEOUT_S", 0.2)
    monkeypatch.setattr(lists, "REST_S", 0.01)


@pytest.fixture
async def cache(start_valkey: ValkeyFactory) -> ValkeyServer:
    """The Redis with the lists."""
    return await start_valkey()


@contextlib.asynccontextmanager
async def replica(database_url: str, server: ValkeyServer) -> AsyncIterator[Registry]:
    configuration = settings(database_url, registry_cache_url=server.url, health_interval_s=0)
    async with running_registry(configuration) as running:
        await listening(running)
        yield running


@pytest.fixture
async def cached(migrated_url: str, cache: ValkeyServer) -> AsyncIterator[Registry]:
    async with replica(migrated_url, cache) as running:
        yield running


@pytest.fixture
async def second(migrated_url: str, cache: ValkeyServer) -> AsyncIterator[Registry]:
    async with replica(migrated_url, cache) as running:
        yield running


@pytest.fixture
def from_cache(monkeypatch: pytest.MonkeyPatch) -> FromCache:
    """Repeats a call until it asks PostgreSQL nothing, and returns what it then says.

    At first it may well ask: word of earlier changes may still be on its way.
    """
    queries = 0
    query_page = Postgres._query_page  # noqa: SLF001  to count its calls

    async def counted(*arguments: Any) -> list[Database]:  # noqa: ANN401  passed on
        nonlocal queries
        queries += 1
        return await query_page(*arguments)

    async def from_cache(call: Callable[[], Awaitable[T]]) -> T:
        async with asyncio.timeout(10):
            while True:
                before = queries
                answer = await call()
                if queries == before:
                    return answer

    monkeypatch.setattr(Postgres, "_query_page", counted)
    return from_cache


async def test_a_list_is_cached_by_filter_and_page(cached: Registry, from_cache: FromCache) -> None:
    for name in ("a", "b", "c"):
        await cached.create(name=name, description="Größe", connection_string=f"redis://u:{CANARY}@h:1/2")
    first = await cached.list(page_size=2)
    asked: list[dict[str, Any]] = [
        {"page_size": 2},
        {"page_size": 2, "page_token": first.next_page_token},
        {"search": "b"},
        {"type": "mongodb"},
    ]
    expected = [await cached.list(**fields) for fields in asked]
    assert [[each.name for each in answer.databases] for answer in expected] == [["a", "b"], ["c"], ["b"], []]

    async def again() -> list[ListDatabasesResponse]:
        return [await cached.list(**fields) for fields in asked]

    assert await from_cache(again) == expected


async def test_pages_live_for_a_minute(cached: Registry, cache: ValkeyServer) -> None:
    await cached.create()
    await cached.list()
    async with Redis.from_url(cache.url) as client:
        page = page_of(await contents(cache))
        assert 0 < await client.ttl(page) <= 60


async def test_no_secret_is_in_the_cache(cached: Registry, cache: ValkeyServer, db: Session) -> None:
    created = await cached.create()
    await cached.list()
    ciphertext = db.execute("SELECT connection_string FROM platform.databases").fetchone()
    assert ciphertext is not None
    everything = b"".join(key + value for key, value in (await contents(cache)).items())
    assert created.id.encode() in everything
    assert CANARY.encode() not in everything
    assert str(ciphertext[0]).encode() not in everything
    assert b"v1." not in everything


async def test_every_write_shows_at_once_in_every_replica(cached: Registry, second: Registry) -> None:
    for registry, other in ((cached, second), (second, cached)) * 10:
        created = await registry.create(name="new")
        assert await names(other) == ["new"]
        assert await names(registry) == ["new"]
        await registry.update(created.id, name="renamed")
        assert await names(other) == ["renamed"]
        await registry.delete(created.id)
        assert await names(other) == []


async def test_sql_of_others_shows_as_soon_as_it_is_heard_of(cached: Registry, db: Session) -> None:
    created = await cached.create()
    statements = [
        ("UPDATE platform.databases SET name = 'by-sql'", "by-sql"),
        ("UPDATE platform.databases SET status = 'error'", "error"),
        ("UPDATE platform.databases SET description = 'text'", "text"),
        ("UPDATE platform.projects SET name = 'Renamed'", "Renamed"),
        ("UPDATE platform.organizations SET name = 'Other'", "Other"),
        ("DELETE FROM platform.databases", ""),
        (INSERT, "inserted"),
        ("TRUNCATE platform.databases", ""),
    ]
    assert created.id in str(await cached.list())
    for statement, shown in statements:
        db.execute(statement.encode())
        async with asyncio.timeout(10):
            while True:
                answer = await cached.list()
                if (shown in str(answer)) if shown else not answer.databases:
                    break


async def test_a_health_check_that_finds_nothing_new_leaves_lists_alone(
    migrated_url: str, cached: Registry, db: Session
) -> None:
    await cached.create()
    with psycopg.connect(migrated_url, autocommit=True) as listener:
        listener.execute("LISTEN studio_lists")
        db.execute("UPDATE platform.databases SET last_connected_at = now()")
        db.execute("UPDATE platform.databases SET status = 'error'")
        assert len(list(listener.notifies(timeout=10, stop_after=1))) == 1
        assert list(listener.notifies(timeout=0)) == []


@pytest.mark.parametrize("garbage", [b"", b"\x01", b"nonsense", b"[]", b"\x01" + b"\0" * 200])
async def test_garbage_in_the_cache_is_ignored_and_replaced(
    cached: Registry, cache: ValkeyServer, garbage: bytes, from_cache: FromCache
) -> None:
    await cached.create(name="a")
    await cached.list()
    async with Redis.from_url(cache.url) as client:
        await client.set(page_of(await contents(cache)), garbage)
    assert await names(cached) == ["a"]
    assert await from_cache(lambda: names(cached)) == ["a"]


async def test_a_page_copied_to_another_key_is_no_page(
    cached: Registry, cache: ValkeyServer, from_cache: FromCache
) -> None:
    await cached.create(name="a")
    await from_cache(cached.list)
    before = await contents(cache)
    page = page_of(before)
    await cached.list(type="mongodb")
    (other,) = (await contents(cache)).keys() - before.keys()
    async with Redis.from_url(cache.url) as client:
        await client.set(other, before[page])
    assert await names(cached, type="mongodb") == []
    assert await from_cache(lambda: names(cached)) == ["a"]


@pytest.mark.parametrize("token", [b"", b"1", b"9999999999999999zzzzzzzz", b"0" * 24, None])
async def test_a_generation_that_was_lost_or_is_nonsense_is_replaced(
    cached: Registry, cache: ValkeyServer, token: bytes | None
) -> None:
    await cached.create(name="a")
    await cached.list()
    (key,) = [key for key in await contents(cache) if key.endswith(b":generation")]
    before = (await contents(cache))[key]
    async with Redis.from_url(cache.url) as client:
        if token is None:
            await client.delete(key)
        else:
            await client.set(key, token)
        assert await names(cached) == ["a"]
        assert (await contents(cache))[key] > before


async def test_a_redis_that_comes_back_with_an_older_copy_serves_none_of_it(
    cached: Registry, cache: ValkeyServer
) -> None:
    created = await cached.create(name="old")
    await cached.list()
    older = await contents(cache)
    await cached.update(created.id, name="new")
    async with Redis.from_url(cache.url) as client:
        await client.flushall()
        for key, value in older.items():
            await client.set(key, value)
    assert await names(cached) == ["new"]


@contextlib.asynccontextmanager
async def gone(server: ValkeyServer) -> AsyncIterator[None]:
    server.kill()
    yield


@contextlib.asynccontextmanager
async def hung(server: ValkeyServer) -> AsyncIterator[None]:
    server.suspend()
    yield
    server.resume()


@contextlib.asynccontextmanager
async def full(server: ValkeyServer) -> AsyncIterator[None]:
    async with Redis.from_url(server.url) as client:
        await client.config_set("maxmemory-policy", "noeviction")
        await client.config_set("maxmemory", "1")
        yield
        await client.config_set("maxmemory", "0")


@contextlib.asynccontextmanager
async def read_only(server: ValkeyServer) -> AsyncIterator[None]:
    async with Redis.from_url(server.url) as client:
        await client.replicaof("127.0.0.1", "1")
        yield
        await client.replicaof("NO", "ONE")


TROUBLES = {"gone": gone, "hung": hung, "full": full, "read-only": read_only}


@pytest.mark.usefixtures("impatience")
@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES)
async def test_lists_are_right_while_the_cache_is_in_trouble_and_afterwards(
    cached: Registry,
    second: Registry,
    cache: ValkeyServer,
    trouble: Any,  # noqa: ANN401  a context manager's factory
) -> None:
    created = await cached.create(name="before")
    assert (await names(cached), await names(second)) == (["before"], ["before"])
    async with trouble(cache):
        for number in range(5):
            await cached.update(created.id, name=f"during-{number}")
            assert await names(cached) == [f"during-{number}"]
            # The other hears of it from PostgreSQL, where the cache can't tell.
            async with asyncio.timeout(10):
                while await names(second) != [f"during-{number}"]:
                    continue
    # Pages of before the trouble may still lie in there.
    for registry in (cached, second):
        assert await names(registry) == ["during-4"]


async def test_a_cache_in_trouble_is_left_alone(
    cached: Registry, cache: ValkeyServer, from_cache: FromCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    await cached.create(name="a")
    await from_cache(cached.list)
    monkeypatch.setattr(cache_redis, "CALL_TIMEOUT_S", 0.1)
    cache.suspend()
    errors, bypasses = requests("error"), requests("bypass")
    for _ in range(20):
        assert await names(cached) == ["a"]
    cache.resume()
    # One call found out; the others, for 5 s, did not even try.
    assert requests("error") - errors <= 2
    assert requests("bypass") - bypasses >= 18


async def test_while_changes_can_not_be_heard_the_cache_is_not_trusted(cached: Registry, db: Session) -> None:
    await cached.create(name="a")
    await cached.list()
    db.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND query LIKE 'LISTEN%'"
    )
    db.execute("UPDATE platform.databases SET name = 'unheard'")
    # Whether it has noticed the loss or not: what it says must become right and stay so.
    async with asyncio.timeout(10):
        while await names(cached) != ["unheard"]:
            continue
    await listening(cached)
    assert await names(cached) == ["unheard"]
