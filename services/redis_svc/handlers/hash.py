"""`studio.redis.v1.HashService`: fields of hashes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from services.redis_svc.handlers.blobs import all_bytes, key_of, to_blob, to_bytes, whole
from services.redis_svc.types import hash as hashes
from services.redis_svc.types import hash_page
from services.runtime import context as call
from services.runtime.errors import invalid_argument
from studio.redis.v1 import hash_service_pb2 as pb
from studio.redis.v1.hash_service_pb2_grpc import HashServiceServicer

if TYPE_CHECKING:
    import grpc

    from services.redis_svc.handlers.databases import Databases

    Context = grpc.aio.ServicerContext[Any, Any]

_LONGEST_CALL_S = 60.0


class HashHandler(HashServiceServicer):
    """The service.

    Args:
        databases: gives the clients.
    """

    def __init__(self, databases: Databases) -> None:
        self._databases = databases

    async def ListHashFields(  # noqa: N802  the rpc
        self, request: pb.ListHashFieldsRequest, context: Context
    ) -> pb.ListHashFieldsResponse:
        """One page of fields."""
        del context
        query = hash_page.Query(
            cursor=request.cursor,
            count=request.count,
            pattern=to_bytes(request.pattern, "pattern"),
            max_value_bytes=request.max_value_bytes,
            with_ttl=request.with_ttl,
        )
        async with await self._databases.client(request.database_id) as client:
            page = await hash_page.list_fields(
                client, key_of(request), query, time_left_s=call.remaining_s(_LONGEST_CALL_S)
            )
        return pb.ListHashFieldsResponse(
            fields=[_message(field) for field in page.fields], cursor=page.cursor, length=page.length
        )

    async def GetHashField(  # noqa: N802  the rpc
        self, request: pb.GetHashFieldRequest, context: Context
    ) -> pb.GetHashFieldResponse:
        """One field, or a range of its value."""
        del context
        name, offset = to_bytes(request.field, "field"), whole("offset", request.offset)
        async with await self._databases.client(request.database_id) as client:
            field = await hashes.get_field(client, key_of(request), name, offset=offset, limit=request.limit)
        return pb.GetHashFieldResponse(field=_message(field))

    async def SetHashFields(  # noqa: N802  the rpc
        self, request: pb.SetHashFieldsRequest, context: Context
    ) -> pb.SetHashFieldsResponse:
        """Sets fields."""
        del context
        fields = [_new_field(field) for field in request.fields]
        async with await self._databases.client(request.database_id) as client:
            added, length = await hashes.set_fields(client, key_of(request), fields)
        return pb.SetHashFieldsResponse(added=added, length=length)

    async def DeleteHashFields(  # noqa: N802  the rpc
        self, request: pb.DeleteHashFieldsRequest, context: Context
    ) -> pb.DeleteHashFieldsResponse:
        """Removes fields."""
        del context
        names = all_bytes(request.fields, "fields")
        async with await self._databases.client(request.database_id) as client:
            deleted = await hashes.delete_fields(client, key_of(request), names)
        return pb.DeleteHashFieldsResponse(deleted=deleted)

    async def ExpireHashFields(  # noqa: N802  the rpc
        self, request: pb.ExpireHashFieldsRequest, context: Context
    ) -> pb.ExpireHashFieldsResponse:
        """Sets or removes the expiry of fields."""
        del context
        names = all_bytes(request.fields, "fields")
        ttl_ms = whole("ttl_ms", request.ttl_ms) if request.HasField("ttl_ms") else None
        async with await self._databases.client(request.database_id) as client:
            results = await hashes.expire_fields(client, key_of(request), names, ttl_ms=ttl_ms)
        return pb.ExpireHashFieldsResponse(results=results)


def _message(field: hash_page.Field) -> pb.HashField:
    return pb.HashField(
        field=to_blob(field.name), content=to_blob(field.content, field.length), ttl_ms=field.ttl_ms
    )


def _new_field(field: pb.HashField) -> hashes.NewField:
    if not field.HasField("content"):
        raise invalid_argument("fields.content", "is missing")
    has_expected = field.HasField("expected")
    if has_expected and field.absent:
        raise invalid_argument("fields.expected", "and absent exclude each other")
    ttl_ms = whole("fields.ttl_ms", field.ttl_ms)
    return hashes.NewField(
        name=to_bytes(field.field, "fields.field"),
        content=to_bytes(field.content, "fields.content"),
        ttl_ms=ttl_ms if ttl_ms > 0 else None,
        expected=to_bytes(field.expected, "fields.expected") if has_expected else None,
        absent=field.absent,
    )
