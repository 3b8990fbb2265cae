"""A registry without DATABASE_URL: reads find nothing, writes are refused, nothing crashes."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator

import grpc
import pytest

from studio.registry.v1.resolver_service_pb2 import (
    KnownConnection,
    ResolveConnectionRequest,
    WatchConnectionsRequest,
    WatchConnectionsResponse,
)
from tests.registry.harness import CANARY, Registry, ScriptedEngine, failing, running_registry, settings

Code = grpc.StatusCode
ID = str(uuid.uuid4())


@pytest.fixture
async def bare(redis_engine: ScriptedEngine) -> AsyncIterator[Registry]:
    async with running_registry(settings(None, redis_svc_address=redis_engine.address)) as running:
        yield running


async def test_reads_find_nothing(bare: Registry) -> None:
    answer = await bare.list(project_ref="default")
    assert (list(answer.databases), answer.next_page_token) == ([], "")
    async with failing("DB_NOT_FOUND", Code.NOT_FOUND):
        await bare.get(ID)
    async with failing("DB_NOT_FOUND", Code.NOT_FOUND):
        await bare.test_saved(ID)
    async with failing("DB_NOT_FOUND", Code.NOT_FOUND):
        request = ResolveConnectionRequest(id=ID, type="redis")
        await bare.services.ResolveConnection(request, metadata=bare.as_service)


async def test_writes_are_refused_and_say_what_is_missing(
    bare: Registry, redis_engine: ScriptedEngine
) -> None:
    async with failing("REGISTRY_READ_ONLY", Code.FAILED_PRECONDITION) as failure:
        await bare.create(skip_test=False)
    assert "DATABASE_URL" in failure.message
    assert redis_engine.asked == []


async def test_connections_can_be_tested(bare: Registry) -> None:
    assert (await bare.test(type="redis", connection_string=f"redis://:{CANARY}@h")).success


async def test_a_watcher_is_told_that_what_it_holds_is_gone(bare: Registry) -> None:
    request = WatchConnectionsRequest(type="redis", known=[KnownConnection(id=ID, revision="x")])
    call = bare.services.WatchConnections(request, metadata=bare.as_service)
    events = [await call.read(), await call.read()]
    call.cancel()
    assert events == [
        WatchConnectionsResponse(kind=WatchConnectionsResponse.KIND_DELETED, id=ID),
        WatchConnectionsResponse(kind=WatchConnectionsResponse.KIND_SYNCED),
    ]
