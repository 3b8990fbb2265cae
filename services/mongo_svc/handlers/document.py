"""`studio.mongodb.v1.DocumentService`: requests to calls of the engine's modules, results to responses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.api.httpbody_pb2 import HttpBody

from services.mongo_svc import answers, ejson, errors, find
from services.mongo_svc.client import MongoClient
from services.runtime.databases import Databases
from studio.mongodb.v1 import document_service_pb2 as pb
from studio.mongodb.v1.document_service_pb2_grpc import DocumentServiceServicer

if TYPE_CHECKING:
    import grpc

    Context = grpc.aio.ServicerContext[Any, Any]


class DocumentHandler(DocumentServiceServicer):
    """The service.

    Args:
        databases: gives the clients.
    """

    def __init__(self, databases: Databases[MongoClient]) -> None:
        self._databases = databases

    async def GetDocument(self, request: pb.GetDocumentRequest, context: Context) -> HttpBody:  # noqa: N802  the rpc
        """One document by its `_id`."""
        del context
        id_ = ejson.loads_value(request.id.encode(), what="id")
        async with await self._databases.lease(request.database_id) as client:
            document = await find.by_id(client, request.database_name, request.collection, id_)
        if document is None:
            raise errors.document_not_found()
        response = pb.GetDocumentResponse()
        response.document.bson = document
        return answers.render(response, answers.mode_of(request.ejson))
