"""The whole system as other tests use it."""

from __future__ import annotations

from typing import Any

import httpx
import psycopg
import pytest
from pymongo import AsyncMongoClient
from redis.asyncio import Redis

from deploy.local.readiness import grpc_serving, http_ok
from tests.support.local_system import LocalSystem

DATABASES = "/api/platform/databases"


async def test_it_answers_over_http_with_a_token_of_each_role(system: LocalSystem) -> None:
    for role in ("owner", "administrator", "developer", "read_only"):
        async with system.client(role) as client:
            answer = await client.get(DATABASES, params={"projectRef": "default"})
        assert answer.status_code == httpx.codes.OK
        assert {"sample-redis", "sample-mongodb"} <= {database["name"] for database in answer.json()}
    assert system.http.get(DATABASES).status_code == httpx.codes.UNAUTHORIZED


async def test_its_engines_can_be_reached_directly(system: LocalSystem) -> None:
    assert system.engines.keys() == {"postgres", "redis", "mongodb", "bun", "pg_meta"}
    async with Redis.from_url(system.engines["redis"]) as client:
        assert await client.dbsize() >= 5000
    async with AsyncMongoClient[dict[str, Any]](system.engines["mongodb"]) as mongodb:
        assert await mongodb.shop.orders.estimated_document_count() >= 5000
    with psycopg.connect(system.engines["postgres"]) as connection:
        assert connection.execute("SELECT count(*) FROM platform.databases").fetchone() is not None


def test_a_proxy_in_the_environment_does_not_keep_it_from_being_ready(
    system: LocalSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for service in ("registry", "redis_svc", "mongo_svc"):
        grpc_serving(system.address(service))()
    http_ok(f"{system.url}/healthz")()


def test_a_process_that_is_killed_comes_back(system: LocalSystem) -> None:
    before = system.pid("redis_svc")
    after = system.kill("redis_svc")
    assert after not in {0, before}
    assert [event.kind for event in system.events if event.name == "redis_svc"][-2:] == ["exited", "spawned"]
    system.wait_reached()


def test_a_process_that_is_stopped_stays_down_until_it_is_started(system: LocalSystem) -> None:
    system.stop("redis_svc")
    assert system.pid("redis_svc") == 0
    system.start("redis_svc")
    assert system.pid("redis_svc") != 0
    system.wait_reached()


def test_postgres_comes_back_with_its_data_when_it_is_killed(system: LocalSystem) -> None:
    def count() -> tuple[int, ...] | None:
        with psycopg.connect(system.engines["postgres"]) as connection:
            return connection.execute("SELECT count(*) FROM platform.databases").fetchone()

    before = count()
    system.kill("postgres")
    assert count() == before
    system.kill("registry")  # it reconnects by itself, but later tests shall not have to wait for that
    system.wait_reached()
