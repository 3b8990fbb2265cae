"""A stream that fails after it has begun says so in its last event, and by its status."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import grpc
import pytest

from services.runtime import context as call
from services.runtime.errors import StudioError
from services.runtime.server import Servicer
from studio.options.v1.errors_pb2 import ERROR_REASON_DB_TIMEOUT, ERROR_REASON_KEY_NOT_FOUND
from studio.redis.v1 import bulk_service_pb2 as bulk
from studio.redis.v1 import common_pb2 as common
from studio.redis.v1.bulk_service_pb2_grpc import (
    BulkServiceServicer,
    BulkServiceStub,
    add_BulkServiceServicer_to_server,
)
from tests.runtime.harness import OWNER, UUID, running


class Failing(BulkServiceServicer):
    """Yields some progress, then raises."""

    def __init__(self, events: int, error: Exception) -> None:
        self._events = events
        self._error = error

    async def PreviewKeys(  # noqa: N802  the rpc's name
        self, request: bulk.PreviewKeysRequest, context: object
    ) -> AsyncIterator[common.WorkProgress]:
        del request, context
        for scanned in range(1, self._events + 1):
            yield common.WorkProgress(scanned=scanned, resume=f"r{scanned}")
        raise self._error

    # As generated: not implemented.
    DeleteSelected = BulkServiceServicer.DeleteSelected
    ExpireSelected = BulkServiceServicer.ExpireSelected
    CopySelected = BulkServiceServicer.CopySelected
    ExportKeys = BulkServiceServicer.ExportKeys
    ImportKeys = BulkServiceServicer.ImportKeys


async def read(events: int, error: Exception) -> tuple[list[common.WorkProgress], grpc.StatusCode]:
    servicer = Servicer(
        "studio.redis.v1.BulkService", add_BulkServiceServicer_to_server, Failing(events, error)
    )
    async with running(servicer) as service:
        request = bulk.PreviewKeysRequest(database_id=UUID, selection=common.KeySelection())
        stream = BulkServiceStub(service.channel).PreviewKeys(request, metadata=OWNER)
        seen: list[common.WorkProgress] = []
        with contextlib.suppress(grpc.aio.AioRpcError):
            async for event in stream:
                seen.append(event)  # noqa: PERF401  what came before the failure counts
        return seen, await stream.code()


class Deaf(Failing):
    """Does not notice that its caller goes away, and writes on."""

    def __init__(self) -> None:
        super().__init__(0, RuntimeError())
        self.noticed = False
        self.ended = asyncio.Event()

    async def PreviewKeys(  # noqa: N802  the rpc's name
        self, request: bulk.PreviewKeysRequest, context: object
    ) -> AsyncIterator[common.WorkProgress]:
        del request, context
        try:
            yield common.WorkProgress(scanned=1)
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:  # as in `asyncio.wait_for`
                self.noticed = call.is_cancelled()
            yield common.WorkProgress(scanned=2)
        finally:
            self.ended.set()


async def test_who_does_not_notice_that_the_caller_has_gone_away_can_ask_and_is_no_defect(
    capsys: pytest.CaptureFixture[str],
) -> None:
    handler = Deaf()
    servicer = Servicer("studio.redis.v1.BulkService", add_BulkServiceServicer_to_server, handler)
    async with running(servicer) as service:
        request = bulk.PreviewKeysRequest(database_id=UUID, selection=common.KeySelection())
        stream = BulkServiceStub(service.channel).PreviewKeys(request, metadata=OWNER)
        await stream.read()
        stream.cancel()
        async with asyncio.timeout(10):
            await handler.ended.wait()
    assert handler.noticed
    assert "rpc.defect" not in capsys.readouterr().out


async def test_the_last_event_carries_the_error() -> None:
    seen, code = await read(2, StudioError(ERROR_REASON_DB_TIMEOUT, "The server did not answer."))
    # The last one says how far the work had come, too.
    assert [(event.scanned, event.resume) for event in seen] == [(1, "r1"), (2, "r2"), (2, "r2")]
    last = seen[-1].error
    assert (last.message, last.error_code, last.retryable) == (
        "The server did not answer.",
        "DB_TIMEOUT",
        True,
    )
    assert code == grpc.StatusCode.DEADLINE_EXCEEDED


async def test_what_does_not_pass_is_not_retryable() -> None:
    seen, code = await read(1, StudioError(ERROR_REASON_KEY_NOT_FOUND, "There is no such key."))
    assert not seen[-1].error.retryable
    assert code == grpc.StatusCode.NOT_FOUND


async def test_a_defect_tells_nothing_but_the_request_id() -> None:
    seen, code = await read(1, RuntimeError("hunter2"))
    assert seen[-1].error.error_code == "INTERNAL"
    assert "hunter2" not in seen[-1].error.message
    assert code == grpc.StatusCode.INTERNAL


async def test_a_stream_that_never_began_fails_by_its_status_alone() -> None:
    seen, code = await read(0, StudioError(ERROR_REASON_KEY_NOT_FOUND, "There is no such key."))
    assert seen == []
    assert code == grpc.StatusCode.NOT_FOUND
