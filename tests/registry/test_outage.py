"""PostgreSQL down at the start, killed in the middle, hung, and not there at all."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Callable

import grpc
import pytest
from psycopg import conninfo

from services.registry.store import pool
from studio.registry.v1.database_pb2 import Database
from studio.registry.v1.registry_service_pb2 import ListDatabasesResponse
from studio.registry.v1.resolver_service_pb2 import (
    KnownConnection,
    WatchConnectionsRequest,
    WatchConnectionsResponse,
)
from tests.registry.harness import Registry, failing, running_registry, settings
from tests.support.engines import PostgresServer
from tests.support.fault_proxy import FaultProxy

Code = grpc.StatusCode


@pytest.fixture
async def registry(own_server: PostgresServer) -> AsyncIterator[Registry]:
    async with running_registry(settings(own_server.url)) as running:
        await recovered(running)
        yield running


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110  what is waited for happens in the server
            await asyncio.sleep(0.01)


async def recovered(registry: Registry) -> None:
    async with asyncio.timeout(30):
        while True:
            with contextlib.suppress(grpc.aio.AioRpcError):
                if not await registry.list_is_stale():
                    return
            await asyncio.sleep(0.05)


async def test_down_at_the_start_it_starts_says_so_and_recovers(own_server: PostgresServer) -> None:
    own_server.kill()
    async with running_registry(settings(own_server.url)) as registry:
        async with failing("REGISTRY_UNAVAILABLE", Code.UNAVAILABLE) as failure:
            await registry.list()
        assert failure.retry_after
        async with failing("REGISTRY_UNAVAILABLE", Code.UNAVAILABLE):
            await registry.get(str(uuid.uuid4()))
        async with failing("REGISTRY_UNAVAILABLE", Code.UNAVAILABLE):
            await registry.create()
        async with failing("REGISTRY_UNAVAILABLE", Code.UNAVAILABLE):
            call = registry.services.WatchConnections(
                WatchConnectionsRequest(type="redis"), metadata=registry.as_service
            )
            await call.read()
        own_server.start()
        await recovered(registry)
        created = await registry.create(name="after-the-start")
        assert await registry.get(created.id) == created


async def test_restarted_between_calls_no_call_fails(own_server: PostgresServer, registry: Registry) -> None:
    await asyncio.gather(*(registry.list() for _ in range(50)))  # several connections, all of them dead soon
    own_server.kill()
    own_server.start()
    await registry.list()
    await registry.create(name="after-the-restart")


async def test_killed_under_load_no_acknowledged_write_is_lost_and_every_answer_is_clean(
    own_server: PostgresServer, registry: Registry
) -> None:
    acknowledged: list[Database] = []
    failures: list[grpc.aio.AioRpcError] = []
    stop = asyncio.Event()

    async def work(worker: int) -> None:
        number = 0
        while not stop.is_set():
            number += 1
            try:
                if number % 2:
                    acknowledged.append(await registry.create(name=f"load-{worker}-{number}"))
                else:
                    await registry.list(page_size=10)
            except grpc.aio.AioRpcError as error:
                failures.append(error)
                await asyncio.sleep(0.01)

    workers = [asyncio.create_task(work(index)) for index in range(16)]
    await until(lambda: len(acknowledged) >= 50)
    own_server.kill()
    await until(lambda: len(failures) >= 50)
    before = len(acknowledged)
    own_server.start()
    await until(lambda: len(acknowledged) >= before + 50)
    stop.set()
    await asyncio.gather(*workers)
    assert {error.code() for error in failures} <= {
        Code.UNAVAILABLE,
        Code.RESOURCE_EXHAUSTED,
        Code.ALREADY_EXISTS,
    }
    assert all(
        any(name == "retry-after" for name, _ in error.trailing_metadata() or ())
        for error in failures
        if error.code() != Code.ALREADY_EXISTS
    )
    for created in acknowledged:
        assert await registry.get(created.id) == created


async def test_a_watch_ends_with_the_server_and_misses_nothing_after_it(
    own_server: PostgresServer, registry: Registry
) -> None:
    created = await registry.create(name="watched")
    held = KnownConnection(id=created.id, revision="of before")

    async def synced() -> tuple[
        list[int], grpc.aio.UnaryStreamCall[WatchConnectionsRequest, WatchConnectionsResponse]
    ]:
        async with asyncio.timeout(30):
            while True:
                call = registry.services.WatchConnections(
                    WatchConnectionsRequest(type="redis", known=[held]), metadata=registry.as_service
                )
                kinds: list[int] = []
                try:
                    while not kinds or kinds[-1] != WatchConnectionsResponse.KIND_SYNCED:
                        event = await call.read()
                        assert isinstance(event, WatchConnectionsResponse)
                        kinds.append(event.kind)
                except grpc.aio.AioRpcError:
                    await asyncio.sleep(0.05)
                else:
                    return kinds, call

    _, call = await synced()
    own_server.kill()
    async with failing("REGISTRY_UNAVAILABLE", Code.UNAVAILABLE):
        async with asyncio.timeout(10):
            await call.read()
    own_server.start()
    kinds, call = await synced()
    assert kinds == [WatchConnectionsResponse.KIND_CHANGED, WatchConnectionsResponse.KIND_SYNCED]
    call.cancel()


async def test_a_server_that_hangs_is_answered_in_time(
    migrated_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "ANSWER_TIMEOUT_S", 0.5)
    given = conninfo.conninfo_to_dict(migrated_url)
    async with FaultProxy(str(given["host"]), int(str(given["port"]))) as proxy:
        url = conninfo.make_conninfo(migrated_url, host=proxy.host, port=proxy.port)
        async with running_registry(settings(url, database_pool_size=2, database_pool_waiting=5)) as registry:
            await registry.create(name="before")
            await recovered(registry)
            proxy.stall()
            calls = [registry.list() for _ in range(20)] + [registry.create(name="during")]
            async with asyncio.timeout(30):
                outcomes = await asyncio.gather(*calls, return_exceptions=True)
            codes = [each.code() for each in outcomes if isinstance(each, grpc.aio.AioRpcError)]
            # More calls than may wait are refused at once; of the others, reads answer with what was known.
            assert Code.RESOURCE_EXHAUSTED in codes
            assert set(codes) <= {Code.RESOURCE_EXHAUSTED, Code.UNAVAILABLE}
            assert isinstance(outcomes[-1], grpc.aio.AioRpcError)
            answers = [each for each in outcomes if isinstance(each, ListDatabasesResponse)]
            assert answers
            assert all([row.stale for row in each.databases] == [True] for each in answers)
            proxy.cut()
            proxy.resume()
            await recovered(registry)
            await registry.create(name="after")


async def test_a_watch_does_not_delay_the_stop(migrated_url: str) -> None:
    grace = settings(migrated_url, shutdown_grace_s=600)
    async with asyncio.timeout(60), running_registry(grace) as registry:
        await recovered(registry)
        call = registry.services.WatchConnections(
            WatchConnectionsRequest(type="redis"), metadata=registry.as_service
        )
        with contextlib.suppress(grpc.aio.AioRpcError):
            await call.read()
        # The end of the block stops the registry and waits for it: with the watch open that would take 600 s.
