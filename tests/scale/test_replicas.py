"""Replicas behind one gateway: calls are spread, replicas come and go under load, and connections stay bounded."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections import Counter
from collections.abc import AsyncIterator

import grpc
import psycopg
import pytest
from pymongo import AsyncMongoClient
from redis.asyncio import Redis

from benchmarks.http_load import Target, connect
from services.runtime.tasks import cancelled
from studio.redis.v1.redis_service_pb2 import GetValueRequest
from studio.redis.v1.redis_service_pb2_grpc import RedisServiceStub
from studio.registry.v1.registry_service_pb2 import UpdateDatabaseRequest
from studio.registry.v1.registry_service_pb2_grpc import RegistryServiceStub
from tests.scale.conftest import MONGODB_POOL, POSTGRES_POOL, Scaled
from tests.scale.fleet import Replica
from tests.support.failures import until

CALLS = 1500
CONNECTIONS = 8
POSTGRES_BESIDE = 2
"""Of a registry beside its pool: for notifications, and for the turn at checking health."""
MONGODB_BESIDE = 2
"""Of a mongo_svc to each server beside its pool: PyMongo watches it and measures the way there."""


@pytest.mark.parametrize(
    ("connections", "least", "most"),
    [
        # Asked one at a time all are equally free: 500 calls each, and ten times the deviation of picking at random.
        (1, 0.25, 0.42),
        # Else who is busy gets less, and here they share two processors.
        (CONNECTIONS, 0.20, 0.45),
    ],
)
async def test_calls_are_spread_evenly(scaled: Scaled, connections: int, least: float, most: float) -> None:
    before = await scaled.fleet.hosts(scaled.gateway, "redis_svc")
    token = scaled.fleet.headers()["authorization"].removeprefix("Bearer ")
    target = Target(scaled.gateway.host, scaled.gateway.port, token)
    request = target.get(f"/api/platform/redis/{scaled.redis_id}/get?key=where")
    calls = CALLS // connections * connections

    async def loop() -> Counter[bytes]:
        client = await connect(target)
        statuses = Counter([(await client.ask(request))[9:12] for _ in range(calls // connections)])
        client.close()
        return statuses

    answers = await asyncio.gather(*(loop() for _ in range(connections)))
    assert sum(answers, Counter()) == {b"200": calls}

    after = await scaled.fleet.hosts(scaled.gateway, "redis_svc")
    share = {host: (after[host]["rq_total"] - before[host]["rq_total"]) / calls for host in after}
    assert len(share) == 3
    assert all(least <= each <= most for each in share.values()), share


async def test_every_replica_hears_of_a_change_at_any_registry(scaled: Scaled) -> None:
    registries, services = scaled.fleet.named("registry"), scaled.fleet.named("redis_svc")
    async with Redis.from_url(f"{scaled.redis_url}/1") as other:
        await other.set("where", "1")
    for changed_at, expected in ((registries[0], b"1"), (registries[1], b"0")):
        assert {await _where(scaled, each) for each in services} == {b"0" if expected == b"1" else b"1"}
        async with _channel(scaled, changed_at) as (channel, metadata):
            request = UpdateDatabaseRequest(id=scaled.redis_id)
            request.connection_string = f"{scaled.redis_url}/{expected.decode()}"
            await RegistryServiceStub(channel).UpdateDatabase(request, metadata=metadata)
        for service in services:
            # Not by asking anew: what was resolved holds until a registry says that it has changed.
            await until(functools.partial(_reads, scaled, service, expected))


async def test_replicas_come_and_go_without_a_failed_call(scaled: Scaled) -> None:
    fleet = scaled.fleet
    redis, registry, mongo = (fleet.named(name) for name in ("redis_svc", "registry", "mongo_svc"))
    replicas = {"redis_svc": 3, "registry": 2, "mongo_svc": 2}
    async with scaled.load().running(CONNECTIONS) as load, _counted(scaled) as most:
        await load.more(100)
        fleet.crash(redis[0])
        await load.more(100)
        (added,) = await fleet.add("redis_svc", "127.0.1.4")
        await until(lambda: fleet.is_called(scaled.gateway, added))
        fleet.dismiss(redis[1])
        assert await redis[1].ended() == 0
        fleet.crash(registry[0])
        await load.more(100)
        (another,) = await fleet.add("registry", "127.0.1.3")
        await until(lambda: fleet.is_called(scaled.gateway, another))
        fleet.dismiss(registry[1])
        fleet.dismiss(mongo[0])
        assert await registry[1].ended() == 0
        assert await mongo[0].ended() == 0
        await load.more(100)
    assert load.failures == []

    for cluster in replicas:
        assert await fleet.statistic(scaled.gateway, f"cluster.{cluster}.upstream_rq_retry_overflow") == 0
    # Reads of values and lists of keys share the one connection that each process has to a database.
    # An engine may still know those of one that has gone when its successor's have come.
    assert 0 < most["redis"] <= replicas["redis_svc"] + 1
    assert 0 < most["postgres"] <= (replicas["registry"] + 1) * (POSTGRES_POOL + POSTGRES_BESIDE)
    assert 0 < most["mongodb"] <= replicas["mongo_svc"] * (MONGODB_POOL + MONGODB_BESIDE)


async def test_one_registry_at_a_time_checks_health(scaled: Scaled) -> None:
    fleet = scaled.fleet
    await fleet.add("registry", "127.0.1.5")
    async with await psycopg.AsyncConnection.connect(fleet.database_url, autocommit=True) as platform:

        async def holders() -> list[int]:
            cursor = await platform.execute(
                "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND database = "
                "(SELECT oid FROM pg_database WHERE datname = current_database())"
            )
            return [pid for (pid,) in await cursor.fetchall()]

        async def one_holds(*, other_than: int = 0) -> bool:
            found = await holders()
            assert len(found) <= 1
            return bool(found) and found[0] != other_than

        await until(one_holds)
        (leader,) = await holders()
        await platform.execute("SELECT pg_terminate_backend(%s)", (leader,))
        await until(lambda: one_holds(other_than=leader))


async def test_names_that_have_only_an_ipv6_address_are_found(scaled: Scaled) -> None:
    fleet = scaled.fleet
    registry_port = fleet.named("registry")[0].port
    registry = fleet.launch("registry", "::1")
    served = fleet.launch("redis_svc", "::1", REGISTRY_ADDRESS=f"registry-six.test:{registry_port}")
    gateway = fleet.launch(
        "gateway",
        "::1",
        REGISTRY_ADDRESS=f"registry-six.test:{registry_port}",
        REDIS_SVC_ADDRESS=f"redis-six.test:{served.port}",
        MONGO_SVC_ADDRESS="",
    )
    fleet.names.zone["registry-six.test"] = fleet.names.zone["redis-six.test"] = ["::1"]
    await fleet.ready(registry, served)
    await fleet.ready(gateway, path="/readyz")
    async with fleet.client(gateway) as client:
        answer = await client.get(f"/api/platform/redis/{scaled.redis_id}/get?key=where")
    assert answer.status_code == 200, answer.text
    assert list(await fleet.hosts(gateway, "redis_svc")) == ["::1"]


@contextlib.asynccontextmanager
async def _channel(
    scaled: Scaled, replica: Replica
) -> AsyncIterator[tuple[grpc.aio.Channel, tuple[tuple[str, str], ...]]]:
    async with grpc.aio.insecure_channel(replica.address) as channel:
        yield channel, tuple(scaled.fleet.headers().items())


async def _where(scaled: Scaled, replica: Replica) -> bytes:
    """What one replica reads, asked directly."""
    async with _channel(scaled, replica) as (channel, metadata):
        request = GetValueRequest(database_id=scaled.redis_id, key="where")
        answer = await RedisServiceStub(channel).GetValue(request, metadata=metadata)
    return str(answer.value).encode()


async def _reads(scaled: Scaled, replica: Replica, expected: bytes) -> bool:
    return await _where(scaled, replica) == expected


@contextlib.asynccontextmanager
async def _counted(scaled: Scaled) -> AsyncIterator[dict[str, int]]:
    """The most connections that each engine has had at a time, of those that are not the test's own."""
    most = {"redis": 0, "postgres": 0, "mongodb": 0}

    async def count() -> None:
        async with (
            Redis.from_url(scaled.redis_url) as redis,
            AsyncMongoClient[dict[str, object]](scaled.mongodb_url) as mongodb,
            await psycopg.AsyncConnection.connect(scaled.fleet.database_url, autocommit=True) as postgres,
        ):
            own = await redis.client_id()
            while True:
                clients = [each for each in await redis.client_list() if int(each["id"]) != own]
                cursor = await postgres.execute(
                    "SELECT count(*) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
                row = await cursor.fetchone()
                status = await mongodb.admin.command("serverStatus")
                found = {
                    "redis": len(clients),
                    "postgres": row[0] if row else 0,
                    # The test's own client has one beside those that watch.
                    "mongodb": int(status["connections"]["current"]) - 1 - MONGODB_BESIDE,
                }
                for name, number in found.items():
                    most[name] = max(most[name], number)
                await asyncio.sleep(0.1)

    counting = asyncio.create_task(count())
    try:
        yield most
    finally:
        await cancelled(counting)
        assert counting.cancelled(), counting.exception()
