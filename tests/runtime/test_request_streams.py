"""Streams of requests go through the same steps as any call, and are read no faster than the handler asks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest
from google.api.httpbody_pb2 import HttpBody

from services.runtime.errors import StudioError
from services.runtime.server import Servicer
from studio.mongodb.v1 import gridfs_service_pb2 as gridfs
from studio.mongodb.v1 import transfer_service_pb2 as transfer
from studio.mongodb.v1.gridfs_service_pb2_grpc import (
    GridFsServiceServicer,
    GridFsServiceStub,
    add_GridFsServiceServicer_to_server,
)
from studio.mongodb.v1.transfer_service_pb2_grpc import (
    TransferServiceServicer,
    TransferServiceStub,
    add_TransferServiceServicer_to_server,
)
from studio.options.v1.errors_pb2 import ERROR_REASON_DB_TIMEOUT
from tests.runtime.harness import OWNER, UUID, bearer, running, token

Code = grpc.StatusCode


class GridFs(GridFsServiceServicer):
    """Counts what it is sent."""

    def __init__(self) -> None:
        self.reached = False

    async def UploadFile(  # noqa: N802  the rpc's name
        self, requests: AsyncIterator[gridfs.UploadFileRequest], context: object
    ) -> HttpBody:
        del context
        self.reached = True
        parts = [each.body.data async for each in requests]
        return HttpBody(data=b"|".join(parts))

    # As generated: not implemented.
    ListBuckets = GridFsServiceServicer.ListBuckets
    ListFiles = GridFsServiceServicer.ListFiles
    DownloadFile = GridFsServiceServicer.DownloadFile
    RenameFile = GridFsServiceServicer.RenameFile
    DeleteFile = GridFsServiceServicer.DeleteFile


class Transfer(TransferServiceServicer):
    """Answers each message before it takes the next; fails at one that is empty."""

    def __init__(self) -> None:
        self.taken = 0

    async def ImportDocuments(  # noqa: N802  the rpc's name
        self, requests: AsyncIterator[transfer.ImportDocumentsRequest], context: object
    ) -> AsyncIterator[transfer.ImportProgress]:
        del context
        async for each in requests:
            self.taken += 1
            if not each.body.data:
                raise StudioError(ERROR_REASON_DB_TIMEOUT, "The server did not answer.")
            yield transfer.ImportProgress(rows=self.taken, resume=str(self.taken))

    ExportDocuments = TransferServiceServicer.ExportDocuments


def gridfs_servicer(handler: GridFs) -> Servicer:
    return Servicer("studio.mongodb.v1.GridFsService", add_GridFsServiceServicer_to_server, handler)


def transfer_servicer(handler: Transfer) -> Servicer:
    return Servicer("studio.mongodb.v1.TransferService", add_TransferServiceServicer_to_server, handler)


def upload(database_id: str, *parts: bytes) -> list[gridfs.UploadFileRequest]:
    return [
        gridfs.UploadFileRequest(
            database_id=database_id if place == 0 else "",
            filename="f" if place == 0 else "",
            body=HttpBody(data=part),
        )
        for place, part in enumerate(parts)
    ]


async def test_the_first_message_is_looked_at_and_handed_on() -> None:
    async with running(gridfs_servicer(GridFs())) as service:
        stub = GridFsServiceStub(service.channel)
        answer = await stub.UploadFile(iter(upload(UUID, b"a", b"b", b"c")), metadata=OWNER)
    assert answer.data == b"a|b|c"


@pytest.mark.parametrize(
    ("database_id", "metadata", "code"),
    [
        ("no uuid", (), Code.UNAUTHENTICATED),
        (UUID, bearer(token("read_only")), Code.PERMISSION_DENIED),
        ("no uuid", OWNER, Code.INVALID_ARGUMENT),
    ],
)
async def test_who_may_not_call_is_told_without_sending_any_more(
    database_id: str, metadata: tuple[tuple[str, str], ...], code: grpc.StatusCode
) -> None:
    """The stream never ends by itself: whoever read it first would wait for ever."""

    async def endless() -> AsyncIterator[gridfs.UploadFileRequest]:
        if code is not Code.UNAUTHENTICATED:  # the first message names the database
            yield upload(database_id, b"a")[0]
        await asyncio.Event().wait()

    async with running(gridfs_servicer(handler := GridFs())) as service:
        call = GridFsServiceStub(service.channel).UploadFile(endless(), metadata=metadata)
        async with asyncio.timeout(30):
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await call
    assert raised.value.code() is code
    assert not handler.reached


async def test_a_stream_without_a_message_is_refused() -> None:
    async with running(gridfs_servicer(handler := GridFs())) as service:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await GridFsServiceStub(service.channel).UploadFile(iter(()), metadata=OWNER)
    assert raised.value.code() is Code.INVALID_ARGUMENT
    assert not handler.reached


def part(data: bytes) -> transfer.ImportDocumentsRequest:
    return transfer.ImportDocumentsRequest(
        database_id=UUID, collection="c", format="json", body=HttpBody(data=data)
    )


async def next_event(
    call: grpc.aio.StreamStreamCall[transfer.ImportDocumentsRequest, transfer.ImportProgress],
) -> transfer.ImportProgress:
    event = await call.read()
    assert isinstance(event, transfer.ImportProgress)
    return event


async def test_both_directions_at_once() -> None:
    async with running(transfer_servicer(Transfer())) as service:
        call = TransferServiceStub(service.channel).ImportDocuments(metadata=OWNER)
        for number in (1, 2):
            await call.write(part(b"x"))
            event = await next_event(call)
            assert (event.rows, event.resume) == (number, str(number))
        await call.write(part(b""))
        last = await next_event(call)
        # How far it had come, and why it could not go on.
        assert (last.rows, last.error.error_code, last.error.retryable) == (2, "DB_TIMEOUT", True)
        assert await call.code() is Code.DEADLINE_EXCEEDED


async def test_what_nobody_takes_is_not_taken_in() -> None:
    """A service that is slow slows its callers: what they send waits with them, not in its memory."""
    size, messages = 2**20, 200
    sent = 0
    may_go_on = asyncio.Event()

    class Slow(Transfer):
        async def ImportDocuments(  # noqa: N802  the rpc's name
            self, requests: AsyncIterator[transfer.ImportDocumentsRequest], context: object
        ) -> AsyncIterator[transfer.ImportProgress]:
            del context
            await anext(requests)
            await may_go_on.wait()
            async for _ in requests:
                self.taken += 1
            yield transfer.ImportProgress(rows=self.taken)

    async def body() -> AsyncIterator[transfer.ImportDocumentsRequest]:
        nonlocal sent
        for _ in range(messages):
            yield part(bytes(size))
            sent += 1

    async with running(transfer_servicer(Slow())) as service, asyncio.timeout(60):
        call = TransferServiceStub(service.channel).ImportDocuments(body(), metadata=OWNER)
        seen = -1
        while seen != sent:
            seen = sent
            await asyncio.sleep(0.2)
        assert sent < messages // 4, "the rest waits with its sender"
        may_go_on.set()
        assert (await next_event(call)).rows == messages - 1
