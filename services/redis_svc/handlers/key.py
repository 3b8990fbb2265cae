"""`studio.redis.v1.KeyService`: keys as such, whatever they hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from services.redis_svc import keys, namespaces
from services.redis_svc.handlers.blobs import all_bytes, key_of, to_blob, to_bytes, whole
from services.runtime import context as call
from services.runtime.confirmation import if_production
from services.runtime.errors import invalid_argument
from studio.redis.v1 import key_service_pb2 as pb
from studio.redis.v1.key_service_pb2_grpc import KeyServiceServicer

if TYPE_CHECKING:
    import grpc

    from services.redis_svc.handlers.databases import Databases

    Context = grpc.aio.ServicerContext[Any, Any]

_LONGEST_CALL_S = 60.0
REPLACES = "This replaces what the new key holds already."


class KeyHandler(KeyServiceServicer):
    """The service.

    Args:
        databases: gives the clients.
    """

    def __init__(self, databases: Databases) -> None:
        self._databases = databases

    async def GetKey(self, request: pb.GetKeyRequest, context: Context) -> pb.GetKeyResponse:  # noqa: N802  the rpc
        """All that is known of a key but its value."""
        del context
        key = key_of(request)
        async with await self._databases.client(request.database_id) as client:
            facts = await keys.get_key(client, key, memory_samples=request.memory_samples)
        return pb.GetKeyResponse(
            key=to_blob(key),
            type=facts.type,
            ttl_ms=facts.ttl_ms,
            memory_bytes=facts.memory,
            length=facts.length,
            encoding=facts.encoding,
            idle_s=facts.idle_s,
            frequency=facts.frequency,
            reference_count=facts.references,
        )

    async def RenameKey(self, request: pb.RenameKeyRequest, context: Context) -> pb.RenameKeyResponse:  # noqa: N802  the rpc
        """Gives a key another name."""
        del context
        if request.overwrite:
            await if_production(REPLACES)
        new_key = to_bytes(request.new_key, "new_key")
        async with await self._databases.client(request.database_id) as client:
            await keys.rename(client, key_of(request), new_key, overwrite=request.overwrite)
        return pb.RenameKeyResponse(key=to_blob(new_key))

    async def CopyKey(self, request: pb.CopyKeyRequest, context: Context) -> pb.CopyKeyResponse:  # noqa: N802  the rpc
        """Copies a key inside the server."""
        del context
        if request.overwrite:
            await if_production(REPLACES)
        new_key = to_bytes(request.new_key, "new_key")
        database = request.target_database if request.HasField("target_database") else None
        async with await self._databases.client(request.database_id) as client:
            await keys.copy(client, key_of(request), new_key, overwrite=request.overwrite, database=database)
        return pb.CopyKeyResponse(key=to_blob(new_key))

    async def DeleteKeys(self, request: pb.DeleteKeysRequest, context: Context) -> pb.DeleteKeysResponse:  # noqa: N802  the rpc
        """Removes keys."""
        del context
        names = all_bytes(request.keys, "keys")
        async with await self._databases.client(request.database_id) as client:
            return pb.DeleteKeysResponse(deleted=await keys.delete(client, names))

    async def SetExpiry(self, request: pb.SetExpiryRequest, context: Context) -> pb.SetExpiryResponse:  # noqa: N802  the rpc
        """Sets when a key expires, or that it never does."""
        del context
        ttl_ms = whole("ttl_ms", request.ttl_ms) if request.HasField("ttl_ms") else None
        at_unix_ms = whole("at_unix_ms", request.at_unix_ms) if request.HasField("at_unix_ms") else None
        if ttl_ms is not None and at_unix_ms is not None:
            raise invalid_argument("at_unix_ms", "and ttl_ms exclude each other")
        async with await self._databases.client(request.database_id) as client:
            left = await keys.set_expiry(client, key_of(request), ttl_ms=ttl_ms, at_unix_ms=at_unix_ms)
        return pb.SetExpiryResponse(ttl_ms=left)

    async def ListNamespaces(  # noqa: N802  the rpc
        self, request: pb.ListNamespacesRequest, context: Context
    ) -> pb.ListNamespacesResponse:
        """One level of the tree of names, as far as one call sees it."""
        del context
        async with await self._databases.client(request.database_id) as client:
            level = await namespaces.list_namespaces(
                client,
                prefix=to_bytes(request.prefix, "prefix"),
                separator=request.separator.encode() or namespaces.DEFAULT_SEPARATOR,
                type_=request.type,
                cursor=request.cursor,
                time_left_s=call.remaining_s(_LONGEST_CALL_S),
            )
        return pb.ListNamespacesResponse(
            namespaces=[pb.Namespace(prefix=to_blob(name), keys=count) for name, count in level.groups],
            keys=[to_blob(name) for name in level.keys],
            cursor=level.cursor,
            scanned=level.scanned,
            total_estimate=level.total,
            partial=bool(level.cursor),
            omitted=level.omitted,
        )
