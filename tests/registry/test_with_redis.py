"""The registry, the Redis service and a real server together: diagnosis, resolving, and a change that arrives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import psycopg
import pytest
from pydantic import SecretStr

from deploy.local import ports
from services.redis_svc.app import open_app as open_redis
from services.redis_svc.settings import Settings as RedisSettings
from services.runtime.server import serve
from studio.redis.v1 import redis_service_pb2 as redis
from studio.redis.v1.redis_service_pb2_grpc import RedisServiceStub
from tests.registry.harness import (
    CRYPTO_KEYS,
    JWT_SECRET,
    SERVICE_SECRET,
    Registry,
    failing,
    running_registry,
    settings,
)
from tests.support.engines import ValkeyFactory

Session = psycopg.Connection[tuple[Any, ...]]
Code = grpc.StatusCode


@pytest.fixture
async def pair(migrated_url: str) -> AsyncIterator[tuple[Registry, RedisServiceStub]]:
    """A registry and a Redis service that know each other."""
    port = ports.pick()
    async with running_registry(settings(migrated_url, redis_svc_address=f"127.0.0.1:{port}")) as registry:
        stop = asyncio.Event()
        started: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        configuration = RedisSettings(
            grpc_address=f"127.0.0.1:{port}",
            http_address="127.0.0.1:0",
            jwt_secret=SecretStr(JWT_SECRET),
            service_token_secret=SecretStr(SERVICE_SECRET),
            redis_crypto_key=SecretStr(CRYPTO_KEYS["redis"]),
            registry_address=registry.address,
        )
        task = asyncio.create_task(serve("redis_svc", configuration, open_redis, stop=stop, started=started))
        async with asyncio.timeout(20):
            await started
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield registry, RedisServiceStub(channel)
        stop.set()
        await task


async def test_a_server_is_tested_registered_used_changed_and_gone(
    pair: tuple[Registry, RedisServiceStub], start_valkey: ValkeyFactory, db: Session
) -> None:
    registry, service = pair
    server = await start_valkey(password="p@ss:word/#?%")
    found = await registry.test(type="redis", connection_string=server.url)
    assert (found.success, found.stage) == (True, "done")
    assert found.server_version
    created = await registry.create(
        connection_string="", host=server.host, port=server.port, password=server.password, skip_test=False
    )
    assert created.status == "active"
    listing = redis.ListKeysRequest(database_id=created.id)
    assert list((await service.ListKeys(listing, metadata=registry.as_user)).keys) == []
    assert (await registry.test_saved(created.id)).success
    db.execute("DELETE FROM platform.databases")

    async def gone() -> None:
        while True:
            try:
                await service.ListKeys(listing, metadata=registry.as_user)
            except grpc.aio.AioRpcError as error:
                if error.code() == Code.NOT_FOUND:
                    return
                raise
            await asyncio.sleep(0.01)

    async with asyncio.timeout(10):
        await gone()


@pytest.mark.parametrize(
    ("change", "stage", "error_code"),
    [
        ("password", "authentication", "DB_INVALID_CREDENTIALS"),
        ("port", "tcp", "DB_CONNECTION_FAILED"),
        ("host", "dns", "DB_CONNECTION_FAILED"),
    ],
)
async def test_a_connection_that_fails_names_its_stage_and_is_not_stored(
    pair: tuple[Registry, RedisServiceStub],
    start_valkey: ValkeyFactory,
    change: str,
    stage: str,
    error_code: str,
) -> None:
    registry, _ = pair
    server = await start_valkey(password="right")
    wrong: dict[str, Any] = {"password": "wrong", "port": ports.pick(), "host": "no.such.invalid"}
    fields = {"host": server.host, "port": server.port, "password": "right", change: wrong[change]}
    found = await registry.test(type="redis", **fields)
    assert (found.success, found.stage, found.error_code) == (False, stage, error_code)
    async with failing(error_code, Code.FAILED_PRECONDITION) as failure:
        await registry.create(connection_string="", skip_test=False, **fields)
    assert failure.facts["stage"] == stage
    assert list((await registry.list()).databases) == []


async def test_a_service_with_another_key_is_said(
    migrated_url: str, pair: tuple[Registry, RedisServiceStub]
) -> None:
    registry, service = pair
    other = settings(migrated_url, redis_crypto_key="another-key-of-the-tests-0123456789")
    async with running_registry(other) as stranger:
        created = await stranger.create()
    found = await registry.test_saved(created.id)
    assert (found.success, found.error_code) == (False, "CONNECTION_UNREADABLE")
    async with failing("CONNECTION_UNREADABLE", Code.FAILED_PRECONDITION):
        await service.ListKeys(redis.ListKeysRequest(database_id=created.id), metadata=registry.as_user)
