"""`studio.redis.v1.StringService`: strings in part, and the types that live in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from services.redis_svc.handlers.blobs import all_bytes, key_of, to_bytes, whole
from services.redis_svc.types import bitmap, hyperloglog, string
from studio.redis.v1 import string_service_pb2 as pb
from studio.redis.v1.string_service_pb2_grpc import StringServiceServicer

if TYPE_CHECKING:
    import grpc

    from services.redis_svc.handlers.databases import Databases

    Context = grpc.aio.ServicerContext[Any, Any]


class StringHandler(StringServiceServicer):
    """The service.

    Args:
        databases: gives the clients.
    """

    def __init__(self, databases: Databases) -> None:
        self._databases = databases

    async def AppendValue(  # noqa: N802  the rpc
        self, request: pb.AppendValueRequest, context: Context
    ) -> pb.AppendValueResponse:
        """Adds bytes to the end."""
        del context
        content = to_bytes(request.content, "content")
        async with await self._databases.client(request.database_id) as client:
            return pb.AppendValueResponse(length=await string.append(client, key_of(request), content))

    async def SetRange(self, request: pb.SetRangeRequest, context: Context) -> pb.SetRangeResponse:  # noqa: N802  the rpc
        """Overwrites part of a string."""
        del context
        offset, content = whole("offset", request.offset), to_bytes(request.content, "content")
        expected = to_bytes(request.expected, "expected") if request.HasField("expected") else None
        async with await self._databases.client(request.database_id) as client:
            length = await string.set_range(client, key_of(request), offset, content, expected)
        return pb.SetRangeResponse(length=length)

    async def IncrementValue(  # noqa: N802  the rpc
        self, request: pb.IncrementValueRequest, context: Context
    ) -> pb.IncrementValueResponse:
        """Adds to a number."""
        del context
        async with await self._databases.client(request.database_id) as client:
            return pb.IncrementValueResponse(
                value=await string.increment(client, key_of(request), request.by)
            )

    async def GetBits(self, request: pb.GetBitsRequest, context: Context) -> pb.GetBitsResponse:  # noqa: N802  the rpc
        """Single bits, and how many are set in a range."""
        del context
        offsets = [whole("offsets", offset) for offset in request.offsets]
        start = whole("start", request.start)
        end = whole("end", request.end) if request.HasField("end") else -1
        async with await self._databases.client(request.database_id) as client:
            bits, count = await bitmap.get_bits(client, key_of(request), offsets, start, end)
        return pb.GetBitsResponse(bits=bits, set=count)

    async def SetBits(self, request: pb.SetBitsRequest, context: Context) -> pb.SetBitsResponse:  # noqa: N802  the rpc
        """Sets single bits."""
        del context
        bits = [(whole("bits.offset", bit.offset), bit.on) for bit in request.bits]
        async with await self._databases.client(request.database_id) as client:
            return pb.SetBitsResponse(previous=await bitmap.set_bits(client, key_of(request), bits))

    async def CountHyperLogLog(  # noqa: N802  the rpc
        self, request: pb.CountHyperLogLogRequest, context: Context
    ) -> pb.CountHyperLogLogResponse:
        """About how many different elements HyperLogLogs have seen together."""
        del context
        keys = all_bytes(request.keys, "keys")
        async with await self._databases.client(request.database_id) as client:
            return pb.CountHyperLogLogResponse(count=await hyperloglog.count(client, keys))

    async def AddHyperLogLog(  # noqa: N802  the rpc
        self, request: pb.AddHyperLogLogRequest, context: Context
    ) -> pb.AddHyperLogLogResponse:
        """Adds elements to a HyperLogLog."""
        del context
        elements = all_bytes(request.elements, "elements")
        async with await self._databases.client(request.database_id) as client:
            return pb.AddHyperLogLogResponse(changed=await hyperloglog.add(client, key_of(request), elements))
