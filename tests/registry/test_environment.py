"""Connections that the environment names: beside stored ones, read-only, used like them."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from services.registry import environment
from studio.registry.v1.database_pb2 import Database
from studio.registry.v1.resolver_service_pb2 import (
    KnownConnection,
    ResolveConnectionRequest,
    ResolveConnectionResponse,
    WatchConnectionsRequest,
    WatchConnectionsResponse,
)
from tests.registry.harness import CANARY, Registry, ScriptedEngine, failing, keys, running_registry, settings

Code = grpc.StatusCode
REDIS = f"redis://u:{CANARY}@redis.railway.internal:6379/1"
VARIABLES = {
    "redis_url": REDIS,
    "mongodb_url": f"mongodb://u:{CANARY}@mongo.railway.internal/db",
    "bun_api_url": "https://bun.example.net/api",
    "bun_api_key": CANARY,
}
PUBLIC = {
    "redis_public_url": f"redis://u:{CANARY}@x.proxy.rlwy.net:7000/1",
    "mongodb_public_url": f"mongodb://u:{CANARY}@y.proxy.rlwy.net:7001/db",
    "bun_api_public_url": "https://bun.up.railway.app",
}
HERE = {"railway_environment_name": "production"}


@contextlib.asynccontextmanager
async def running(database_url: str | None = None, **more: str) -> AsyncIterator[Registry]:
    configuration = settings(database_url, environment_connections=True, **more)
    async with running_registry(configuration) as registry:
        yield registry


def by_name(databases: list[Database]) -> dict[str, Database]:
    return {each.name: each for each in databases}


async def resolve(registry: Registry, row: Database) -> ResolveConnectionResponse:
    request = ResolveConnectionRequest(id=row.id, type=row.type)
    return await registry.services.ResolveConnection(request, metadata=registry.as_service, timeout=20)


async def test_they_are_listed_without_a_platform_database() -> None:
    async with running(**VARIABLES) as registry:
        found = by_name(list((await registry.list(project_ref="default")).databases))
        assert {name: (each.type, each.host) for name, each in found.items()} == {
            "env-redis": ("redis", "redis.railway.internal"),
            "env-mongodb": ("mongodb", "mongo.railway.internal"),
            "env-bun-api": ("bun_api", "bun.example.net"),
        }
        redis = found["env-redis"]
        assert (redis.source, redis.status, redis.project_ref, redis.port) == (
            "environment",
            "active",
            "default",
            6379,
        )
        assert (redis.username, redis.database_name, redis.hint, redis.stale) == ("u", "1", "", False)
        assert redis.id == str(uuid.uuid5(environment.NAMESPACE, "REDIS_URL"))
        assert await registry.get(redis.id) == redis
        assert CANARY not in str(found)


async def test_ids_are_the_same_whatever_the_variable_says() -> None:
    async with running(redis_url="redis://a") as first, running(redis_public_url="redis://b") as second:
        assert [each.id for each in (await first.list()).databases] == [
            each.id for each in (await second.list()).databases
        ]


@pytest.mark.parametrize(
    ("variables", "host"),
    [
        (VARIABLES | PUBLIC, "x.proxy.rlwy.net"),
        (VARIABLES | PUBLIC | HERE, "redis.railway.internal"),
        (VARIABLES | PUBLIC | {"railway_environment_id": "1"}, "redis.railway.internal"),
        (VARIABLES | PUBLIC | {"railway_environment": "old"}, "redis.railway.internal"),
        (VARIABLES, "redis.railway.internal"),
        (PUBLIC, "x.proxy.rlwy.net"),
        (PUBLIC | HERE, "x.proxy.rlwy.net"),
    ],
)
async def test_the_address_that_can_be_reached_is_used(variables: dict[str, str], host: str) -> None:
    async with running(**variables) as registry:
        row = by_name(list((await registry.list()).databases))["env-redis"]
        assert row.host == host
        # Advice only where the private network can be reached.
        assert bool(row.hint) == (host.endswith(".rlwy.net") and HERE.items() <= variables.items())


async def test_they_resolve_test_and_are_watched(redis_engine: ScriptedEngine) -> None:
    async with running(**VARIABLES, redis_svc_address=redis_engine.address) as registry:
        row = by_name(list((await registry.list()).databases))["env-redis"]
        assert (await registry.test_saved(row.id)).success
        assert redis_engine.opened() == REDIS
        assert (await registry.get(row.id)).HasField("last_connected_at")
        found = await resolve(registry, row)
        assert keys().open(found.ciphertext, row_id=row.id, type_="redis") == REDIS
        async with failing("DB_NOT_FOUND", Code.NOT_FOUND):
            request = ResolveConnectionRequest(id=row.id, type="mongodb")
            await registry.services.ResolveConnection(request, metadata=registry.as_service)

        async def changed(revision: str) -> list[int]:
            known = [KnownConnection(id=row.id, revision=revision)]
            call = registry.services.WatchConnections(
                WatchConnectionsRequest(type="redis", known=known), metadata=registry.as_service
            )
            kinds: list[int] = []
            while not kinds or kinds[-1] != WatchConnectionsResponse.KIND_SYNCED:
                event: Any = await call.read()
                kinds.append(event.kind)
            call.cancel()
            return kinds[:-1]

        assert await changed(found.revision) == []
        assert await changed("of another value") == [WatchConnectionsResponse.KIND_CHANGED]
    # The same for another process, changed with the variable.
    async with running(**VARIABLES) as again:
        assert (await resolve(again, row)).revision == found.revision
    async with running(redis_url="redis://other") as other:
        assert (await resolve(other, row)).revision != found.revision


async def test_the_key_of_a_bun_api_stands_in_its_own_variable(redis_engine: ScriptedEngine) -> None:
    async with running(**VARIABLES) as registry:
        row = by_name(list((await registry.list()).databases))["env-bun-api"]
        found = await resolve(registry, row)
        url = keys("bun_api").open(found.ciphertext, row_id=row.id, type_="bun_api")
        assert url == f"https://:{CANARY}@bun.example.net/api"
    assert redis_engine.asked == []


@pytest.mark.parametrize("database", ["none", "migrated"])
async def test_they_cannot_be_changed(database: str, migrated_url: str, redis_engine: ScriptedEngine) -> None:
    url = migrated_url if database == "migrated" else None
    async with running(url, **VARIABLES, redis_svc_address=redis_engine.address) as registry:
        row = by_name(list((await registry.list()).databases))["env-redis"]
        async with failing("REGISTRY_READ_ONLY", Code.FAILED_PRECONDITION) as failure:
            await registry.update(row.id, host="other")
        assert "REDIS_URL" in failure.message
        async with failing("REGISTRY_READ_ONLY", Code.FAILED_PRECONDITION) as failure:
            await registry.delete(row.id.upper())
        assert "REDIS_URL" in failure.message
        assert redis_engine.asked == []


async def test_one_that_cannot_be_read_is_shown_with_what_is_wrong(migrated_url: str) -> None:
    wrong = {
        "redis_url": f"redis://:{CANARY}/x@host",
        "mongodb_public_url": f"{CANARY}",
        "bun_api_url": f"https://:{CANARY}@h",
        "bun_api_key": "another",
    }
    async with running(migrated_url, **wrong) as registry:
        found = by_name(list((await registry.list()).databases))
        assert set(found) == {"env-redis", "env-mongodb", "env-bun-api", "env-postgres"}
        assert CANARY not in str(found)
        for name, variable in (
            ("env-redis", "REDIS_URL"),
            ("env-mongodb", "MONGODB_PUBLIC_URL"),
            ("env-bun-api", "BUN_API_URL"),
        ):
            assert (found[name].status, found[name].host) == ("error", "")
            assert found[name].hint.startswith(f"{variable} can't be used: ")
            async with failing("CONNECTION_UNREADABLE", Code.FAILED_PRECONDITION) as failure:
                await resolve(registry, found[name])
            assert variable in failure.message
            assert CANARY not in failure.text
        # The others go on.
        assert (await registry.create()).name == "cache"
        assert found["env-postgres"].status == "active"


async def test_without_a_key_for_its_type_it_says_so(migrated_url: str) -> None:
    configuration = settings(migrated_url, environment_connections=True, pg_meta_crypto_key=None)
    async with running_registry(configuration) as registry:
        (row,) = (await registry.list()).databases
        assert (row.name, row.status) == ("env-postgres", "error")
        assert "PG_META_CRYPTO_KEY" in row.hint


async def test_pages_and_filters_hold_across_both_sources(migrated_url: str) -> None:
    async with running(migrated_url, **VARIABLES) as registry:
        for name in ("a", "env-c", "env-n", "z"):
            await registry.create(name=name)
        every = ["a", "env-bun-api", "env-c", "env-mongodb", "env-n", "env-postgres", "env-redis", "z"]
        for size in range(1, 10):
            seen: list[str] = []
            token = ""
            while True:
                page = await registry.list(page_size=size, page_token=token)
                assert len(page.databases) <= size
                seen += [each.name for each in page.databases]
                token = page.next_page_token
                if not token:
                    break
            assert seen == every, size
        for filters, expected in (
            ({"type": "redis"}, ["a", "env-c", "env-n", "env-redis", "z"]),
            ({"type": "postgresql"}, ["env-postgres"]),
            ({"status": "active"}, ["env-bun-api", "env-mongodb", "env-postgres", "env-redis"]),
            ({"status": "error"}, []),
            ({"search": "MONGO"}, ["env-mongodb"]),
            ({"search": "railway.internal"}, ["env-mongodb", "env-redis"]),
            ({"project_ref": "elsewhere"}, []),
        ):
            assert [each.name for each in (await registry.list(**filters)).databases] == expected, filters


async def test_their_names_are_taken(migrated_url: str) -> None:
    async with running(migrated_url, **VARIABLES) as registry:
        async with failing("ALREADY_EXISTS", Code.ALREADY_EXISTS):
            await registry.create(name="env-redis")
        created = await registry.create(name="other")
        async with failing("ALREADY_EXISTS", Code.ALREADY_EXISTS):
            await registry.update(created.id, name="env-redis")


async def test_they_can_be_switched_off(migrated_url: str) -> None:
    configuration = settings(migrated_url, environment_connections=False, redis_url=REDIS)
    async with running_registry(configuration) as registry:
        assert list((await registry.list()).databases) == []


@pytest.mark.parametrize(
    ("host", "here", "advised"),
    [
        ("x.proxy.rlwy.net", HERE, True),
        ("API.up.railway.app", HERE, True),
        ("x.proxy.rlwy.net", {}, False),
        ("redis.railway.internal", HERE, False),
        ("proxy.rlwy.net.example.net", HERE, False),
    ],
)
async def test_a_stored_connection_that_makes_a_detour_gets_advice(
    migrated_url: str, host: str, here: dict[str, str], *, advised: bool
) -> None:
    async with running(migrated_url, **here) as registry:
        created = await registry.create(connection_string=f"redis://{host}:7000")
        assert (".railway.internal" in created.hint) == advised
        assert (await registry.get(created.id)).hint == created.hint
