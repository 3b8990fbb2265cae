"""`studio.mongodb.v1.TransferService`: documents as files, in both directions."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from typing import TYPE_CHECKING, Any

from google.api.httpbody_pb2 import HttpBody

from services.mongo_svc import answers, bodies, policy
from services.mongo_svc.client import MongoClient
from services.mongo_svc.handlers import attachments, fields
from services.mongo_svc.transfer.bounds import BOUNDS, Bounds
from services.mongo_svc.transfer.exporting import Export, Exporter, content_type, file_name
from services.mongo_svc.transfer.importing import Importer, Progress
from services.mongo_svc.transfer.reading import Format
from services.mongo_svc.transfer.writing import Failure, Target
from services.runtime.confirmation import if_production
from services.runtime.databases import Databases
from services.runtime.errors import StudioError, invalid_argument
from services.runtime.places import Places
from services.runtime.statuses import retry_after_s, sentence
from studio.mongodb.v1 import transfer_service_pb2 as pb
from studio.mongodb.v1.transfer_service_pb2_grpc import TransferServiceServicer
from studio.options.v1 import errors_pb2 as e

if TYPE_CHECKING:
    import grpc

    Context = grpc.aio.ServicerContext[Any, Any]


class TransferHandler(TransferServiceServicer):
    """The service.

    Args:
        databases: gives the clients.
        bounds: how much is done at a time.
    """

    def __init__(self, databases: Databases[MongoClient], bounds: Bounds = BOUNDS) -> None:
        self._databases = databases
        self._bounds = bounds
        self._places = Places("exports and imports", bounds.transfers, bounds.transfers_of_one_database)

    async def ExportDocuments(  # noqa: N802  the rpc
        self, request: pb.ExportDocumentsRequest, context: Context
    ) -> AsyncIterator[HttpBody]:
        """Streams documents as a file."""
        wanted = _export(bodies.read(request.body, pb.ExportDocumentsBody))
        type_ = content_type(wanted)
        database_id = request.database_id
        check = await self._databases.check_of(database_id)
        with self._places.take(database_id):
            async with await self._databases.lease(database_id) as client:
                policy.check_source(client.database_name(wanted.database), wanted.collection)
                exporter = Exporter(client, wanted, check, self._bounds)
                begun = False
                async with contextlib.aclosing(exporter.pieces()) as pieces:
                    try:
                        async for piece in pieces:
                            if not begun:
                                await context.send_initial_metadata(attachments.headers(file_name(wanted)))
                            begun = True
                            yield HttpBody(content_type=type_, data=piece)
                    except Exception as error:
                        if begun:
                            yield HttpBody(content_type=type_, data=_last_bytes(exporter, error))
                        raise
                if not begun:  # an empty file is a file
                    await context.send_initial_metadata(attachments.headers(file_name(wanted)))
                    yield HttpBody(content_type=type_)

    async def ImportDocuments(  # noqa: N802  the rpc
        self, requests: AsyncIterator[pb.ImportDocumentsRequest], context: Context
    ) -> AsyncIterator[pb.ImportProgress]:
        """Writes the documents of a file."""
        del context
        first = await anext(requests)
        format_ = _format(first)
        if first.mode not in {"", "insert"}:
            await if_production("This import changes documents that are there already.")
        database_id = first.database_id
        check = await self._databases.check_of(database_id)
        with self._places.take(database_id):
            async with await self._databases.lease(database_id) as client:
                policy.check_target(client.database_name(first.database_name), first.collection)
                target = Target(
                    collection=client.collection(first.database_name, first.collection),
                    mode=first.mode or "insert",
                    key=tuple(first.key_fields) or ("_id",),
                    stop_on_error=first.stop_on_error,
                    bypass_validation=first.bypass_validation,
                )
                importer = Importer(target, format_, check, self._bounds)
                async with contextlib.aclosing(importer.run(_content(first, requests))) as reports:
                    async for report in reports:
                        event = _event(report)
                        yield event
                        # Should the work fail now, this event is sent once more, with the error.
                        event.ClearField("failures")


async def _content(
    first: pb.ImportDocumentsRequest, rest: AsyncIterator[pb.ImportDocumentsRequest]
) -> AsyncGenerator[bytes, None]:
    yield first.body.data
    async for message in rest:
        yield message.body.data


def _export(body: pb.ExportDocumentsBody) -> Export:
    return Export(
        database=body.database_name,
        collection=body.collection,
        format=body.format or "json",
        filter=fields.optional_query(body, "filter"),
        projection=fields.optional_query(body, "projection"),
        sort=fields.optional_query(body, "sort"),
        collation=fields.optional_document(body, "collation"),
        limit=_whole("limit", body.limit),
        mode=answers.mode_of(body.ejson),
        gzip=body.gzip,
        after_id=fields.value(body, "after_id"),
        fields=tuple(body.fields),
        delimiter=_delimiter(body.delimiter),
        header=not body.without_header,
        guard_formulas=body.guard_formulas,
    )


def _format(request: pb.ImportDocumentsRequest) -> Format:
    types: dict[str, str] = {}
    for each in request.types:
        name, equals, type_ = each.rpartition("=")
        if not equals:
            raise invalid_argument("types", "must be written name=type")
        types[name] = type_
    if not request.format:
        raise invalid_argument("format", "must be json, ndjson, csv or bson")
    return Format(
        name=request.format,
        skip_rows=_whole("skip_rows", request.skip_rows),
        delimiter=_delimiter(request.delimiter),
        columns=tuple(request.columns),
        types=types,
        ignore_blanks=request.ignore_blanks,
        null_text=request.null_text,
        with_rows=request.with_rows,
    )


def _event(progress: Progress) -> pb.ImportProgress:
    counts = progress.counts
    return pb.ImportProgress(
        rows=progress.rows,
        inserted=counts.inserted,
        updated=counts.updated,
        unmatched=counts.unmatched,
        failed=counts.failed,
        bytes=progress.size,
        failures=[_failure(each) for each in progress.failures],
        done=progress.done,
        resume=str(progress.resume),
        elapsed_ms=progress.elapsed_ms,
    )


def _failure(failure: Failure) -> pb.RowFailure:
    message = pb.RowFailure(
        row=failure.row, line=failure.line, error_code=failure.code, message=failure.message
    )
    if failure.line:
        with contextlib.suppress(UnicodeDecodeError):
            message.text = failure.content.decode()
            return message
    message.text_base64 = base64.b64encode(failure.content).decode()
    return message


def _whole(name: str, value: float) -> int:
    if not value.is_integer():
        raise invalid_argument(name, "must be a whole number")
    return int(value)


def _delimiter(text: str) -> str:
    if text in {'"', "\r", "\n", "\0"}:
        raise invalid_argument("delimiter", "can't be a quote, the end of a line or NUL")
    return text or ","


def _last_bytes(exporter: Exporter, error: Exception) -> bytes:
    """What readers over HTTP get, whose status was sent long before; gRPC callers get the status as well."""
    failure = (
        error
        if isinstance(error, StudioError)
        else StudioError(e.ERROR_REASON_INTERNAL, "The export failed; the log of the service says why.")
    )
    return exporter.broken(
        sentence(failure), failure.reason_name, retryable=retry_after_s(failure) is not None
    )
