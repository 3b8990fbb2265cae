"""The rpcs of `studio.mongodb.v1.DocumentService` that read."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from google.api.httpbody_pb2 import HttpBody

from services.mongo_svc import answers, bodies, counting, errors, find, paging
from services.mongo_svc.bounds import STREAMS, STREAMS_OF_ONE_DATABASE
from services.mongo_svc.client import MongoClient
from services.mongo_svc.handlers import fields, raw_streams
from services.runtime.databases import Databases, while_unchanged
from services.runtime.places import Places
from studio.mongodb.v1 import document_reads_pb2 as reads_pb
from studio.mongodb.v1.document_service_pb2_grpc import DocumentServiceServicer

if TYPE_CHECKING:
    import grpc

    Context = grpc.aio.ServicerContext[Any, Any]

MAX_PAGE = 10_000
"""Documents of a page; the contract says it, too."""


class DocumentReads(DocumentServiceServicer):
    """The rpcs that read.

    Args:
        databases: gives the clients.
    """

    def __init__(self, databases: Databases[MongoClient]) -> None:
        self._databases = databases
        self._streams = Places("streams of documents", STREAMS, STREAMS_OF_ONE_DATABASE)

    async def ListDocuments(self, request: reads_pb.ListDocumentsRequest, context: Context) -> HttpBody:  # noqa: N802  the rpc
        """A page, asked in an address."""
        del context
        async with await self._databases.lease(request.database_id) as client:
            fields.check_collection(client, request)
            query = find.Query(
                database=request.database_name,
                collection=request.collection,
                filter=fields.text_document(request.filter, "filter"),
                projection=fields.text_document(request.projection, "projection"),
                sort=fields.text_document(request.sort, "sort"),
                skip=request.skip,
                limit=request.limit,
                collation=fields.text_document(request.collation, "collation"),
                hint=fields.text_hint(request.hint),
                max_time_s=fields.seconds(request.max_time_ms),
                comment=request.comment,
            )
            return await _page(client, query, request.page_token, request.ejson)

    async def FindDocuments(self, request: reads_pb.FindDocumentsRequest, context: Context) -> HttpBody:  # noqa: N802  the rpc
        """A page, asked in a body."""
        del context
        body = bodies.read(request.body, reads_pb.FindDocumentsBody)
        async with await self._databases.lease(request.database_id) as client:
            query = fields.page_query(body, client, MAX_PAGE)
            return await _page(client, query, body.page_token, body.ejson)

    async def StreamDocuments(  # noqa: N802  the rpc
        self, request: reads_pb.StreamDocumentsRequest, context: Context
    ) -> AsyncIterator[HttpBody]:
        """All documents as the server's batches."""
        del context
        body = bodies.read(request.body, reads_pb.FindDocumentsBody)
        check = await self._databases.check_of(request.database_id)
        async with await self._databases.lease(request.database_id) as client:
            query = fields.page_query(body, client, 0)
            with self._streams.take(request.database_id):
                batches = while_unchanged(find.raw_batches(client, query), check)
                async with contextlib.aclosing(raw_streams.chunks(batches)) as chunks:
                    async for chunk in chunks:
                        yield chunk

    async def GetDocument(self, request: reads_pb.GetDocumentRequest, context: Context) -> HttpBody:  # noqa: N802  the rpc
        """One document by its `_id`."""
        del context
        id_ = fields.text_id(request.id)
        async with await self._databases.lease(request.database_id) as client:
            fields.check_collection(client, request)
            document = await find.by_id(client, request.database_name, request.collection, id_)
        if document is None:
            raise errors.document_not_found()
        response = reads_pb.GetDocumentResponse()
        response.document.bson = document
        return answers.render(response, answers.mode_of(request.ejson))

    async def CountDocuments(  # noqa: N802  the rpc
        self, request: reads_pb.CountDocumentsRequest, context: Context
    ) -> reads_pb.CountDocumentsResponse:
        """How many documents match."""
        del context
        body = bodies.read(request.body, reads_pb.CountDocumentsBody)
        async with await self._databases.lease(request.database_id) as client:
            fields.check_collection(client, body)
            query = find.Query(
                body.database_name,
                body.collection,
                filter=fields.query(body, "filter"),
                collation=fields.document(body, "collation"),
                hint=fields.hint(body),
                max_time_s=fields.seconds(body.max_time_ms),
                comment=body.comment,
            )
            found = await counting.count(client, query, exact=body.exact)
        return reads_pb.CountDocumentsResponse(count=found.number, precision=found.precision)

    async def ListDistinctValues(  # noqa: N802  the rpc
        self, request: reads_pb.ListDistinctValuesRequest, context: Context
    ) -> HttpBody:
        """The values of a field."""
        del context
        body = bodies.read(request.body, reads_pb.ListDistinctValuesBody)
        async with await self._databases.lease(request.database_id) as client:
            fields.check_collection(client, body)
            query = find.Query(
                body.database_name,
                body.collection,
                filter=fields.query(body, "filter"),
                limit=body.limit or counting.DEFAULT_VALUES,
                collation=fields.document(body, "collation"),
                hint=fields.hint(body),
                max_time_s=fields.seconds(body.max_time_ms),
                comment=body.comment,
            )
            found = await counting.distinct(client, query, body.field)
        response = reads_pb.ListDistinctValuesResponse(truncated=found.truncated)
        for each in found.values:
            fields.put(response.values.add(), each)
        return await answers.rendered(response, answers.mode_of(body.ejson))


async def _page(client: MongoClient, query: find.Query, token: str, ejson_: str) -> HttpBody:
    if not query.limit:
        query = dataclasses.replace(query, limit=client.limits.default_page_documents)
    found = await paging.page(client, query, token)
    response = reads_pb.ListDocumentsResponse(next_page_token=found.next)
    for each in found.documents:
        response.documents.add(bson=each)
    return await answers.rendered(response, answers.mode_of(ejson_))
