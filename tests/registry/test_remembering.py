"""Reads while PostgreSQL is away: what was known last, marked as that; writes say when to come back."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Iterator

import grpc
import psycopg
import pytest

from services.registry.store import remembering
from studio.registry.v1.resolver_service_pb2 import ResolveConnectionRequest
from tests.registry.harness import CANARY, Registry, failing, keys, running_registry, settings
from tests.support.engines import PostgresServer

Code = grpc.StatusCode
REDIS = f"redis://:{CANARY}@h:6379"


@pytest.fixture
def server(own_server: PostgresServer) -> Iterator[PostgresServer]:
    """Up and empty when a test begins, up when it ends."""
    with psycopg.connect(own_server.url, autocommit=True) as connection:
        connection.execute("DELETE FROM platform.databases")
    yield own_server
    with contextlib.suppress(psycopg.OperationalError), psycopg.connect(own_server.url):
        return
    own_server.start()


@pytest.fixture
async def registry(server: PostgresServer) -> AsyncIterator[Registry]:
    async with running_registry(settings(server.url)) as running:
        await current(running)
        yield running


async def current(registry: Registry) -> None:
    """Waits until it answers from PostgreSQL."""
    async with asyncio.timeout(30):
        while True:
            with contextlib.suppress(grpc.aio.AioRpcError):
                if not await registry.list_is_stale():
                    return
            await asyncio.sleep(0.05)


async def test_reads_answer_what_was_known_and_say_so(server: PostgresServer, registry: Registry) -> None:
    created = [await registry.create(name=name) for name in ("a", "b", "c")]
    await registry.delete(created[0].id)
    changed = await registry.update(created[1].id, description="changed")
    server.kill()
    listed = list((await registry.list(project_ref="default")).databases)
    # What was written a moment ago is known, without having been read.
    assert [(each.name, each.description) for each in listed] == [("b", "changed"), ("c", "")]
    assert all(each.stale for each in listed)
    assert await registry.list_is_stale()
    found = await registry.get(changed.id.upper())
    assert found.stale
    found.stale = False
    assert found == changed
    request = ResolveConnectionRequest(id=changed.id, type="redis")
    sealed = await registry.services.ResolveConnection(request, metadata=registry.as_service)
    assert keys().open(sealed.ciphertext, row_id=changed.id, type_="redis").startswith("redis://")
    # What is not known may exist all the same.
    for unknown in (created[0].id, str(uuid.uuid4())):
        async with failing("REGISTRY_UNAVAILABLE", Code.UNAVAILABLE) as failure:
            await registry.get(unknown)
        assert failure.retry_after
    server.start()
    await current(registry)
    assert await registry.get(changed.id) == changed
    async with failing("DB_NOT_FOUND", Code.NOT_FOUND):
        await registry.get(created[0].id)


async def test_writes_are_refused_and_say_when_to_come_back(
    server: PostgresServer, registry: Registry
) -> None:
    created = await registry.create()
    server.kill()
    for write in (
        registry.create(name="other"),
        registry.update(created.id, description="x"),
        registry.update(created.id, host="x"),
        registry.delete(created.id),
        registry.create(name="repeated", request_id=str(uuid.uuid4())),
    ):
        async with failing("REGISTRY_UNAVAILABLE", Code.UNAVAILABLE) as failure:
            await write
        assert failure.retry_after
    server.start()
    await current(registry)
    assert await registry.get(created.id) == created


async def test_pages_and_filters_hold_in_an_outage(server: PostgresServer, registry: Registry) -> None:
    for number in range(7):
        await registry.create(name=f"n{number}")
    first = await registry.list(page_size=3)
    server.kill()
    second = await registry.list(page_size=3, page_token=first.next_page_token)
    third = await registry.list(page_size=3, page_token=second.next_page_token)
    pages = (first, second, third)
    assert [each.name for page in pages for each in page.databases] == [f"n{number}" for number in range(7)]
    assert third.next_page_token == ""
    assert [each.name for each in (await registry.list(search="N4")).databases] == ["n4"]


async def test_what_others_wrote_is_known_too(
    server: PostgresServer, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remembering, "REFRESH_EVERY_S", 0.05)
    monkeypatch.setattr(remembering, "REFRESH_GAP_S", 0.01)
    monkeypatch.setattr(remembering, "PAGE", 2)
    async with running_registry(settings(server.url)) as other:
        await current(other)
        created = [await registry.create(name=f"n{number}") for number in range(5)]
        await registry.delete(created[0].id)
        async with asyncio.timeout(20):
            while True:
                # Two readings from here on, at least.
                await asyncio.sleep(0.2)
                server.kill()
                names = [each.name for each in (await other.list()).databases]
                server.start()
                await current(other)
                if names == ["n1", "n2", "n3", "n4"]:
                    return


async def test_the_environment_is_known_without_ever_having_reached_postgresql(
    server: PostgresServer,
) -> None:
    server.kill()
    configuration = settings(server.url, environment_connections=True, redis_url=REDIS)
    async with running_registry(configuration) as registry:
        assert [each.name for each in (await registry.list()).databases] == ["env-postgres", "env-redis"]
        assert await registry.list_is_stale()
        (redis,) = (await registry.list(type="redis")).databases
        request = ResolveConnectionRequest(id=redis.id, type="redis")
        assert (await registry.services.ResolveConnection(request, metadata=registry.as_service)).ciphertext
        async with failing("REGISTRY_UNAVAILABLE", Code.UNAVAILABLE):
            await registry.get(str(uuid.uuid4()))
        server.start()
        await current(registry)


async def test_more_rows_than_are_remembered_are_no_harm(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remembering, "MAX_REMEMBERED", 2)
    monkeypatch.setattr(remembering, "PAGE", 2)
    async with running_registry(settings(server.url)) as registry:
        await current(registry)
        for number in range(5):
            await registry.create(name=f"n{number}")
        assert len((await registry.list()).databases) == 5
        server.kill()
        assert len((await registry.list()).databases) == 2
        server.start()
        await current(registry)
