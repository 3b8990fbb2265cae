"""Fixtures of the tests that go through the gateway: the sample engines over REST, and clients of their own."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from pymongo import AsyncMongoClient
from redis.asyncio import Redis

from tests.support.local_system import LocalSystem
from tests.support.mongo_api import MongoApi
from tests.support.redis_api import RedisApi

OpenRedisApi = Callable[..., Awaitable[RedisApi]]


@pytest.fixture
async def redis_engine(system: LocalSystem) -> AsyncIterator[Redis]:
    """A client of the sample Redis itself, to see what a call has done. All tests share that Redis."""
    async with Redis.from_url(system.engines["redis"]) as client:
        yield client


@pytest.fixture
async def redis_api(system: LocalSystem) -> AsyncIterator[RedisApi]:
    """The sample Redis over REST, as a developer."""
    async with system.client("developer") as client:
        yield RedisApi(client, await RedisApi.sample_id(client))


@pytest.fixture
async def redis_reader(system: LocalSystem) -> AsyncIterator[RedisApi]:
    """The same for someone who may only read."""
    async with system.client("read_only") as client:
        yield RedisApi(client, await RedisApi.sample_id(client))


@pytest.fixture
async def mongo_engine(system: LocalSystem) -> AsyncIterator[AsyncMongoClient[dict[str, Any]]]:
    """A client of the sample MongoDB itself, to see what a call has done. All tests share that MongoDB."""
    url = system.engines["mongodb"]
    async with AsyncMongoClient[dict[str, Any]](url, uuidRepresentation="standard") as client:
        yield client


@pytest.fixture
async def mongo_api(system: LocalSystem) -> AsyncIterator[MongoApi]:
    """The sample MongoDB over REST, as a developer."""
    async with system.client("developer") as client:
        yield MongoApi(client, await MongoApi.sample_id(client))


@pytest.fixture
async def mongo_reader(system: LocalSystem) -> AsyncIterator[MongoApi]:
    """The same for someone who may only read."""
    async with system.client("read_only") as client:
        yield MongoApi(client, await MongoApi.sample_id(client))


@pytest.fixture
async def mongo_admin(system: LocalSystem) -> AsyncIterator[MongoApi]:
    """The same for an administrator."""
    async with system.client("administrator") as client:
        yield MongoApi(client, await MongoApi.sample_id(client))


@pytest.fixture
async def mongo_database(mongo_engine: AsyncMongoClient[dict[str, Any]]) -> AsyncIterator[str]:
    """The name of a database of the test's own on the sample MongoDB; it is dropped afterwards."""
    name = f"test_{secrets.token_hex(8)}"
    yield name
    await mongo_engine.drop_database(name)


@pytest.fixture
async def redis_key(redis_engine: Redis) -> AsyncIterator[str]:
    """The name of a key of the test's own; what begins with it is deleted afterwards."""
    name = f"test-{secrets.token_hex(8)}"
    yield name
    async for key in redis_engine.scan_iter(f"{name}*", count=1000):
        await redis_engine.unlink(key)


@pytest.fixture
async def restricted_redis_api(system: LocalSystem, redis_engine: Redis) -> AsyncIterator[OpenRedisApi]:
    """Registers the sample Redis once more, for an ACL user that may run these commands only.

    await restricted_redis_api("get", "type")
    """
    opened: list[tuple[str, str]] = []
    async with system.client("owner") as owner:

        async def open_(*commands: str) -> RedisApi:
            name = f"test-{secrets.token_hex(8)}"
            await redis_engine.acl_setuser(
                name,
                enabled=True,
                passwords=["+pw"],
                keys=["*"],
                commands=[f"+{command}" for command in ("ping", *commands)],
            )
            where = system.engines["redis"].rpartition("@")[2].removeprefix("redis://")
            answer = await owner.post(
                "/api/platform/databases",
                json={
                    "projectRef": "default",
                    "name": name,
                    "type": "redis",
                    "connectionString": f"redis://{name}:pw@{where}",
                },
            )
            assert answer.is_success, answer.text
            database_id: str = answer.json()["id"]
            opened.append((name, database_id))
            return RedisApi(owner, database_id)

        yield open_
        for name, database_id in opened:
            await owner.delete(f"/api/platform/databases/{database_id}")
            await redis_engine.acl_deluser(name)
