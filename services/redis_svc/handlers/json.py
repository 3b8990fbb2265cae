"""`studio.redis.v1.JsonService`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from services.redis_svc.handlers.blobs import key_of
from services.redis_svc.types import json_documents
from studio.redis.v1 import json_service_pb2 as pb
from studio.redis.v1.json_service_pb2_grpc import JsonServiceServicer

if TYPE_CHECKING:
    import grpc

    from services.redis_svc.handlers.databases import Databases

    Context = grpc.aio.ServicerContext[Any, Any]


class JsonHandler(JsonServiceServicer):
    """The service.

    Args:
        databases: gives the clients.
    """

    def __init__(self, databases: Databases) -> None:
        self._databases = databases

    async def GetJson(self, request: pb.GetJsonRequest, context: Context) -> pb.GetJsonResponse:  # noqa: N802  the rpc
        """What a path selects."""
        del context
        async with await self._databases.client(request.database_id) as client:
            found = await json_documents.get(client, key_of(request), request.path)
        return pb.GetJsonResponse(json=found.json, type=found.type)

    async def SetJson(self, request: pb.SetJsonRequest, context: Context) -> pb.SetJsonResponse:  # noqa: N802  the rpc
        """Sets what a path selects."""
        del context
        expected = request.expected if request.HasField("expected") else None
        async with await self._databases.client(request.database_id) as client:
            await json_documents.set_(client, key_of(request), request.path, request.json, expected)
        return pb.SetJsonResponse()

    async def DeleteJson(self, request: pb.DeleteJsonRequest, context: Context) -> pb.DeleteJsonResponse:  # noqa: N802  the rpc
        """Removes what a path selects."""
        del context
        async with await self._databases.client(request.database_id) as client:
            deleted = await json_documents.delete(client, key_of(request), request.path)
        return pb.DeleteJsonResponse(deleted=deleted)
