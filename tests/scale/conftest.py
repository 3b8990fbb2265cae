"""A fleet of three replicas of redis_svc, two of mongo_svc and two of the registry behind one gateway."""

from __future__ import annotations

import functools
import secrets
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import grpc
import psycopg
import pytest
from psycopg import sql
from pymongo import MongoClient
from redis import Redis

from studio.mongodb.v1.mongo_service_pb2 import ListCollectionsRequest
from studio.mongodb.v1.mongo_service_pb2_grpc import MongoServiceStub
from studio.redis.v1.redis_service_pb2 import GetValueRequest
from studio.redis.v1.redis_service_pb2_grpc import RedisServiceStub
from tests.scale.fleet import Fleet, Replica, fleet
from tests.scale.load import Load
from tests.support.engines import PostgresServer, ValkeyServer
from tests.support.failures import until
from tests.support.mongodb import MongoServer

POSTGRES_POOL = 3
MONGODB_POOL = 3
"""Small, so that the load would exceed them if they did not hold."""
DATABASES = "/api/platform/databases"


@dataclass
class Scaled:
    """A running fleet with a Redis and a MongoDB."""

    fleet: Fleet
    gateway: Replica
    redis_id: str
    mongodb_id: str
    redis_url: str
    mongodb_url: str

    def load(self) -> Load:
        """Calls that are safe to repeat, of every service."""
        paths = {
            "redis value": f"/api/platform/redis/{self.redis_id}/get?key=where",
            "redis keys": f"/api/platform/redis/{self.redis_id}/keys?count=50&read_mask=type,ttl_ms",
            "mongodb documents": f"/api/platform/mongodb/{self.mongodb_id}/collections?database_name=scale",
            "databases": f"{DATABASES}?page_size=20",
        }
        token = self.fleet.headers()["authorization"].removeprefix("Bearer ")
        return Load([self.gateway.host], self.gateway.port, token, paths)


async def register(running: Fleet, gateway: Replica, type_: str, url: str) -> str:
    """Adds a database; returns its id."""
    async with running.client(gateway) as client:
        answer = await client.post(
            DATABASES,
            json={
                "projectRef": "default",
                "name": f"scale-{secrets.token_hex(4)}",
                "type": type_,
                "connectionString": url,
            },
        )
    assert answer.is_success, answer.text
    return str(answer.json()["id"])


async def _knows(scaled: Scaled, replica: Replica) -> bool:
    """Whether a replica has used its database: from then on it needs no registry for that."""
    metadata = tuple(scaled.fleet.headers().items())
    async with grpc.aio.insecure_channel(replica.address) as channel:
        try:
            if replica.service == "redis_svc":
                get = GetValueRequest(database_id=scaled.redis_id, key="where")
                await RedisServiceStub(channel).GetValue(get, metadata=metadata)
            else:
                listed = ListCollectionsRequest(database_id=scaled.mongodb_id, database_name="scale")
                await MongoServiceStub(channel).ListCollections(listed, metadata=metadata)
        except grpc.aio.AioRpcError:
            return False
    return True


@pytest.fixture(scope="module")
def platform_url(postgres_server: PostgresServer) -> Iterator[str]:
    """An empty platform database for the tests of a file."""
    name = f"scale_{secrets.token_hex(8)}"
    with psycopg.connect(postgres_server.url, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield postgres_server.url.removesuffix("/postgres") + f"/{name}"
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(scope="module")
async def scaled(
    platform_url: str,
    valkey_server: ValkeyServer,
    mongodb_server: MongoServer,
) -> AsyncIterator[Scaled]:
    """The fleet."""
    with Redis.from_url(valkey_server.url) as redis:
        redis.flushall()
        redis.mset({"where": "0", **{f"key:{number}": number for number in range(200)}})
    with MongoClient[dict[str, Any]](mongodb_server.url) as mongodb:
        mongodb["scale"]["documents"].insert_many([{"number": number} for number in range(100)])
    async with fleet(
        platform_url,
        DATABASE_POOL_SIZE=str(POSTGRES_POOL),
        MONGODB_CONNECTIONS_PER_SERVER=str(MONGODB_POOL),
        # What is counted here are the connections of calls.
        HEALTH_INTERVAL_S="3600",
        HEALTH_IDLE_INTERVAL_S="3600",
    ) as running:
        await running.migrate()
        started = [
            *(running.launch("registry", f"127.0.1.{number}") for number in (1, 2)),
            *(running.launch("redis_svc", f"127.0.1.{number}") for number in (1, 2, 3)),
            *(running.launch("mongo_svc", f"127.0.1.{number}") for number in (1, 2)),
        ]
        running.announce(*started)
        gateway = running.launch("gateway", "127.0.1.1")
        await running.ready(*started)
        await running.ready(gateway, path="/readyz")
        for replica in started:
            await until(functools.partial(running.is_healthy, gateway, replica))
        redis_id = await register(running, gateway, "redis", valkey_server.url)
        mongodb_id = await register(running, gateway, "mongodb", mongodb_server.url)
        scaled = Scaled(running, gateway, redis_id, mongodb_id, valkey_server.url, mongodb_server.url)
        for replica in (*running.named("redis_svc"), *running.named("mongo_svc")):
            await until(functools.partial(_knows, scaled, replica))
        yield scaled
        with MongoClient[dict[str, Any]](mongodb_server.url) as mongodb:
            mongodb.drop_database("scale")
