"""`studio.redis.v1.BulkService`: work on many keys, as streams of progress."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from google.api import httpbody_pb2

from services.redis_svc.bulk import simple
from services.redis_svc.bulk.bounds import BOUNDS, Bounds
from services.redis_svc.bulk.copying import copy
from services.redis_svc.bulk.export import DUMP, error_line, export
from services.redis_svc.bulk.importing import Importer
from services.redis_svc.bulk.job import Job
from services.redis_svc.bulk.selection import Progress, Selection
from services.redis_svc.handlers import blobs
from services.runtime.confirmation import if_production
from services.runtime.errors import StudioError, invalid_argument
from services.runtime.places import Places
from services.runtime.statuses import retry_after_s, sentence
from studio.options.v1 import errors_pb2 as e
from studio.redis.v1 import bulk_service_pb2 as pb
from studio.redis.v1.bulk_service_pb2_grpc import BulkServiceServicer
from studio.redis.v1.common_pb2 import KeyFailure, KeySelection, WorkProgress

if TYPE_CHECKING:
    import grpc

    from services.redis_svc.handlers.databases import Databases

    Context = grpc.aio.ServicerContext[Any, Any]

NDJSON = "application/x-ndjson"


@dataclass(frozen=True, slots=True)
class _Asked:
    """What every request says."""

    operation: str
    database_id: str
    selection: KeySelection
    resume: str
    only_reads: bool = False


class BulkHandler(BulkServiceServicer):
    """The service.

    Args:
        databases: gives the clients.
        bounds: how much is done at a time.
    """

    def __init__(self, databases: Databases, bounds: Bounds = BOUNDS) -> None:
        self._databases = databases
        self._bounds = bounds
        self._places = Places("jobs", bounds.jobs, bounds.jobs_of_one_database)

    async def PreviewKeys(  # noqa: N802  the rpc
        self, request: pb.PreviewKeysRequest, context: Context
    ) -> AsyncIterator[WorkProgress]:
        """Counts the selected keys."""
        del context
        asked = _Asked("preview", request.database_id, request.selection, request.resume, only_reads=True)
        async with self._job(asked) as job:
            async for event in _events(simple.preview(job, with_memory=request.with_memory)):
                yield event

    async def DeleteSelected(  # noqa: N802  the rpc
        self, request: pb.DeleteSelectedRequest, context: Context
    ) -> AsyncIterator[WorkProgress]:
        """Removes them."""
        del context
        asked = _Asked("delete", request.database_id, request.selection, request.resume)
        async with self._job(asked) as job:
            async for event in _events(simple.delete(job)):
                yield event

    async def ExpireSelected(  # noqa: N802  the rpc
        self, request: pb.ExpireSelectedRequest, context: Context
    ) -> AsyncIterator[WorkProgress]:
        """Sets their expiry."""
        del context
        asked = _Asked("expire", request.database_id, request.selection, request.resume)
        ttl_ms = blobs.whole("ttl_ms", request.ttl_ms) if request.HasField("ttl_ms") else None
        async with self._job(asked) as job:
            async for event in _events(simple.expire(job, ttl_ms)):
                yield event

    async def CopySelected(  # noqa: N802  the rpc
        self, request: pb.CopySelectedRequest, context: Context
    ) -> AsyncIterator[WorkProgress]:
        """Copies them to another Redis."""
        del context
        target_id = request.target_database_id
        if target_id == request.database_id:
            raise invalid_argument("target_database_id", "must be another database")
        if request.overwrite:
            await if_production("This replaces keys that are there already.", database_id=target_id)
        operation = f"copy to {target_id}"
        asked = _Asked(operation, request.database_id, request.selection, request.resume, only_reads=True)
        async with self._job(asked) as job, await self._databases.client(target_id) as target:
            async for event in _events(copy(job, target, overwrite=request.overwrite)):
                yield event

    async def ExportKeys(  # noqa: N802  the rpc
        self, request: pb.ExportKeysRequest, context: Context
    ) -> AsyncIterator[httpbody_pb2.HttpBody]:
        """Writes them out."""
        del context
        format_ = request.format or DUMP
        operation = f"export {format_}"
        asked = _Asked(operation, request.database_id, request.selection, request.resume, only_reads=True)
        begun = False
        async with self._job(asked) as job, contextlib.aclosing(export(job, format_)) as chunks:
            try:
                async for chunk in chunks:
                    yield httpbody_pb2.HttpBody(content_type=NDJSON, data=chunk)
                    begun = True
            except Exception as error:
                if begun:
                    yield httpbody_pb2.HttpBody(content_type=NDJSON, data=_last_line(error))
                raise

    async def ImportKeys(self, request: pb.ImportKeysRequest, context: Context) -> pb.ImportKeysResponse:  # noqa: N802  the rpc
        """Takes lines of an export."""
        del context
        first_line = blobs.whole("first_line", request.first_line) or 1
        if request.overwrite:
            # One confirmation for all parts of an import.
            await if_production("This replaces keys that are there already.", without=("lines", "first_line"))
        async with await self._databases.client(request.database_id) as client:
            importer = Importer(client, overwrite=request.overwrite, bounds=self._bounds)
            with self._places.take(request.database_id):
                report = await importer.run(request.lines, first_line)
        response = pb.ImportKeysResponse(lines=report.lines, succeeded=report.succeeded, failed=report.failed)
        for each in report.failures:
            key = blobs.to_blob(each.key) if each.key is not None else None
            response.failures.add(line=each.line, key=key, message=each.message)
        return response

    @contextlib.asynccontextmanager
    async def _job(self, asked: _Asked) -> AsyncIterator[Job]:
        database_id = asked.database_id
        check = await self._databases.check_of(database_id)
        with self._places.take(database_id):
            async with await self._databases.client(database_id, only_reads=asked.only_reads) as client:
                yield Job(
                    asked.operation, client, _selection(asked.selection), asked.resume, self._bounds, check
                )


async def _events(progress: AsyncGenerator[Progress, None]) -> AsyncIterator[WorkProgress]:
    async with contextlib.aclosing(progress) as reports:
        async for each in reports:
            yield _event(each)


def _event(progress: Progress) -> WorkProgress:
    counts = progress.counts
    return WorkProgress(
        scanned=counts.scanned,
        matched=counts.matched,
        succeeded=counts.succeeded,
        failed=counts.failed,
        memory_bytes=counts.memory_bytes,
        total_estimate=progress.total_estimate,
        sample=map(blobs.to_blob, progress.sample),
        failures=[KeyFailure(key=blobs.to_blob(key), message=why) for key, why in progress.failures],
        done=progress.done,
        resume=progress.resume,
        elapsed_ms=progress.elapsed_ms,
    )


def _selection(selection: KeySelection) -> Selection:
    return Selection(
        keys=blobs.all_bytes(selection.keys, "selection.keys"),
        pattern=blobs.to_bytes(selection.pattern, "selection.pattern"),
        type=selection.type,
    )


def _last_line(error: Exception) -> bytes:
    """What readers over HTTP get, whose status was sent long before; gRPC callers get the status as well."""
    failure = (
        error
        if isinstance(error, StudioError)
        else StudioError(e.ERROR_REASON_INTERNAL, "The export failed; the log of the service says why.")
    )
    retryable = retry_after_s(failure) is not None
    return error_line(sentence(failure), failure.reason_name, retryable=retryable)
