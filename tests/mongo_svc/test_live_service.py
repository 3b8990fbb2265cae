"""Streams of changes as the service serves them: over gRPC, until it stops."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import grpc
import pytest
from google.api.httpbody_pb2 import HttpBody
from pymongo import AsyncMongoClient

from services.mongo_svc.app import open_app
from services.mongo_svc.settings import Settings
from studio.mongodb.v1.live_service_pb2 import WatchChangesRequest
from studio.mongodb.v1.live_service_pb2_grpc import LiveServiceStub
from tests.support.engine_service import as_user, running_engine


async def test_a_stream_ends_with_a_word_when_the_service_stops(
    mongodb_url: str, mongodb_database: str, mongodb: AsyncMongoClient[dict[str, Any]]
) -> None:
    async with running_engine("mongo_svc", "mongodb", Settings, open_app, shutdown_grace_s=5) as (
        port,
        registry,
    ):
        channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}")
        call = LiveServiceStub(channel).WatchChanges(
            watch(registry.register(mongodb_url), mongodb_database), metadata=as_user("read_only")
        )
        assert json.loads(_data(await call.read()))["heartbeat"]
        await mongodb[mongodb_database]["c"].insert_one({"_id": 1})
        assert json.loads(_data(await call.read()))["document_key"] == {"_id": 1}
        rest = asyncio.create_task(_until_the_end(call))
    events = await rest
    assert [event["error"]["error_code"] for event in events] == ["SERVICE_UNAVAILABLE"]
    assert events[0]["error"]["retryable"]
    await channel.close()


async def test_a_stream_ends_when_its_connection_is_changed(mongodb_url: str, mongodb_database: str) -> None:
    async with (
        running_engine("mongo_svc", "mongodb", Settings, open_app) as (port, registry),
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        database_id = registry.register(mongodb_url)
        call = LiveServiceStub(channel).WatchChanges(
            watch(database_id, mongodb_database), metadata=as_user("read_only")
        )
        await call.read()
        registry.register(mongodb_url, database_id)
        events = await _until_the_end(call)
    assert [event["error"]["error_code"] for event in events] == ["DB_UNAVAILABLE"]


def watch(database_id: str, database: str) -> WatchChangesRequest:
    body = HttpBody(data=json.dumps({"database_name": database, "collection": "c"}).encode())
    return WatchChangesRequest(database_id=database_id, body=body)


async def _until_the_end(call: Any) -> list[dict[str, Any]]:  # noqa: ANN401  a call of grpcio
    """The events but for heartbeats, until the call fails."""
    found: list[dict[str, Any]] = []

    async def collect() -> None:
        while True:
            found.append(json.loads(_data(await call.read())))

    async with asyncio.timeout(20):
        with pytest.raises(grpc.aio.AioRpcError):
            await collect()
    return [event for event in found if not event.get("heartbeat")]


def _data(message: Any) -> str:  # noqa: ANN401  a message, or what says that there is none
    text = message.data.decode()
    assert text.startswith("data: ")
    assert text.endswith("\n\n")
    return str(text.removeprefix("data: "))
