"""Streams whose server hangs, or whose sender sends nothing: they end with their database or caller all the same."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import bson
import grpc
import pymongo
import pytest
from google.api.httpbody_pb2 import HttpBody
from google.rpc import error_details_pb2, status_pb2
from gridfs import GridFSBucket
from prometheus_client import REGISTRY

from services.mongo_svc.app import open_app
from services.mongo_svc.settings import Settings
from studio.mongodb.v1 import aggregation_service_pb2 as aggregation
from studio.mongodb.v1 import document_reads_pb2 as reads_pb
from studio.mongodb.v1 import gridfs_service_pb2 as gridfs
from studio.mongodb.v1 import transfer_service_pb2 as transfer
from studio.mongodb.v1.aggregation_service_pb2_grpc import AggregationServiceStub
from studio.mongodb.v1.document_service_pb2_grpc import DocumentServiceStub
from studio.mongodb.v1.gridfs_service_pb2_grpc import GridFsServiceStub
from studio.mongodb.v1.transfer_service_pb2_grpc import TransferServiceStub
from tests.support.engine_service import as_user, running_engine
from tests.support.mongodb import MongoFactory, MongoServer

Call = Any
"""A call of grpcio."""

WHERE: dict[str, Any] = {"database_name": "test", "collection": "c"}
LARGE = [("grpc.max_receive_message_length", -1), ("grpc.http2.bdp_probe", 0)]
"""Options of a channel: whatever size a message has, and a window that doesn't grow until a whole stream is in it."""
BOUND_S = 10
"""Seconds, far less than a server that hangs is waited for."""


@pytest.fixture
async def server(start_mongodb: MongoFactory) -> MongoServer:
    """A server with more in a collection and a file than lies in buffers on the way."""
    server = await asyncio.to_thread(start_mongodb, auth=False)

    def fill() -> None:
        with pymongo.MongoClient[dict[str, Any]](server.url) as client:
            for n in range(12):
                client["test"]["c"].insert_one({"_id": n, "bytes": bytes(4_000_000)})
            GridFSBucket(client["test"]).upload_from_stream_with_id(1, "file", bytes(48_000_000))

    await asyncio.to_thread(fill)
    return server


def body(**more: Any) -> HttpBody:  # noqa: ANN401  JSON
    return HttpBody(data=json.dumps(WHERE | more).encode())


def stream(channel: grpc.aio.Channel, database_id: str) -> Call:
    request = reads_pb.StreamDocumentsRequest(database_id=database_id, body=body())
    return DocumentServiceStub(channel).StreamDocuments(request, metadata=as_user())


def aggregate(channel: grpc.aio.Channel, database_id: str) -> Call:
    request = aggregation.StreamAggregateRequest(database_id=database_id, body=body(pipeline=[]))
    return AggregationServiceStub(channel).StreamAggregate(request, metadata=as_user())


def export(channel: grpc.aio.Channel, database_id: str) -> Call:
    request = transfer.ExportDocumentsRequest(database_id=database_id, body=body(format="bson"))
    return TransferServiceStub(channel).ExportDocuments(request, metadata=as_user())


def download(channel: grpc.aio.Channel, database_id: str) -> Call:
    request = gridfs.DownloadFileRequest(database_id=database_id, database_name="test", id="1")
    return GridFsServiceStub(channel).DownloadFile(request, metadata=as_user())


READERS = [stream, aggregate, export, download]


def leased() -> float | None:
    """Databases of which a client is in use."""
    return REGISTRY.get_sample_value("studio_pool_clients", {"pool": "mongodb", "state": "in_use"})


def reason_of(error: grpc.aio.AioRpcError) -> str:
    details = dict(error.trailing_metadata() or ())["grpc-status-details-bin"]
    info = error_details_pb2.ErrorInfo()
    assert isinstance(details, bytes)
    status_pb2.Status.FromString(details).details[0].Unpack(info)
    return str(info.reason)


async def to_the_end(call: Call) -> str:
    """Reads all; returns the reason of the failure."""
    try:
        while await call.read() is not grpc.aio.EOF:
            pass
    except grpc.aio.AioRpcError as error:
        return reason_of(error)
    return ""


async def test_streams_from_a_server_that_hangs_end_when_their_database_is_deleted(
    server: MongoServer,
) -> None:
    async with (
        running_engine("mongo_svc", "mongodb", Settings, open_app) as (port, registry),
        grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=LARGE) as channel,
    ):
        database_id = registry.register(server.url)
        calls = [begin(channel, database_id) for begin in READERS]
        for call in calls:
            await call.read()
        server.suspend()
        registry.remove(database_id)
        async with asyncio.timeout(BOUND_S):
            assert await asyncio.gather(*map(to_the_end, calls)) == ["DB_NOT_FOUND"] * len(READERS)


async def test_an_import_into_a_server_that_hangs_ends_when_its_database_is_deleted(
    server: MongoServer,
) -> None:
    async with (
        running_engine("mongo_svc", "mongodb", Settings, open_app) as (port, registry),
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        database_id = registry.register(server.url)
        call: Call = TransferServiceStub(channel).ImportDocuments(metadata=as_user())
        first: dict[str, Any] = {
            "database_id": database_id,
            "database_name": "test",
            "collection": "new",
            "format": "bson",
        }
        await call.write(
            transfer.ImportDocumentsRequest(**first, body=HttpBody(data=bson.encode({"_id": 0})))
        )
        async with asyncio.timeout(BOUND_S):
            while not leased():  # noqa: ASYNC110  nobody tells of it
                await asyncio.sleep(0.02)
        server.suspend()
        await call.write(transfer.ImportDocumentsRequest(body=HttpBody(data=bson.encode({"_id": 1}))))
        await call.done_writing()
        registry.remove(database_id)
        async with asyncio.timeout(BOUND_S):
            assert await to_the_end(call) == "DB_NOT_FOUND"


async def test_a_reader_that_goes_away_from_a_server_that_hangs_leaves_nothing_in_use(
    server: MongoServer,
) -> None:
    async with (
        running_engine("mongo_svc", "mongodb", Settings, open_app) as (port, registry),
        grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=LARGE) as channel,
    ):
        database_id = registry.register(server.url)
        calls = [begin(channel, database_id) for begin in READERS]
        for call in calls:
            await call.read()
        assert leased() == 1
        server.suspend()
        for call in calls:
            call.cancel()
        async with asyncio.timeout(BOUND_S):
            while leased():  # noqa: ASYNC110  nobody tells of it
                await asyncio.sleep(0.02)


@pytest.mark.parametrize("what", ["import", "upload"])
async def test_a_sender_that_sends_nothing_hears_that_its_database_was_changed(
    mongodb_url: str, mongodb_database: str, what: str
) -> None:
    async with (
        running_engine("mongo_svc", "mongodb", Settings, open_app) as (port, registry),
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        database_id = registry.register(mongodb_url)
        where: dict[str, Any] = {"database_id": database_id, "database_name": mongodb_database}
        call: Call
        if what == "import":
            call = TransferServiceStub(channel).ImportDocuments(metadata=as_user())
            data = HttpBody(data=bson.encode({"_id": 1}))
            await call.write(
                transfer.ImportDocumentsRequest(**where, collection="c", format="bson", body=data)
            )
        else:
            call = GridFsServiceStub(channel).UploadFile(metadata=as_user())
            await call.write(gridfs.UploadFileRequest(**where, filename="f", body=HttpBody(data=b"begin")))
        async with asyncio.timeout(BOUND_S):
            while not leased():  # noqa: ASYNC110  nobody tells of it
                await asyncio.sleep(0.02)
            registry.register(mongodb_url, database_id)
            if what == "import":
                assert await to_the_end(call) == "DB_UNAVAILABLE"
            else:
                with pytest.raises(grpc.aio.AioRpcError) as failure:
                    await call
                assert reason_of(failure.value) == "DB_UNAVAILABLE"
