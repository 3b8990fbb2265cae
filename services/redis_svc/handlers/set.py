"""`studio.redis.v1.SetService`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from services.redis_svc.handlers.blobs import all_bytes, key_of, to_blob, to_bytes
from services.redis_svc.limits import DEFAULTS
from services.redis_svc.types import sets
from services.redis_svc.types.scan import SET, scan
from studio.redis.v1 import set_service_pb2 as pb
from studio.redis.v1.set_service_pb2_grpc import SetServiceServicer

if TYPE_CHECKING:
    import grpc

    from services.redis_svc.handlers.databases import Databases

    Context = grpc.aio.ServicerContext[Any, Any]


class SetHandler(SetServiceServicer):
    """The service.

    Args:
        databases: gives the clients.
    """

    def __init__(self, databases: Databases) -> None:
        self._databases = databases

    async def ListMembers(  # noqa: N802  the rpc
        self, request: pb.ListMembersRequest, context: Context
    ) -> pb.ListMembersResponse:
        """One page of members."""
        del context
        pattern = to_bytes(request.pattern, "pattern")
        count = request.count or DEFAULTS.default_page_values
        async with await self._databases.client(request.database_id) as client:
            page = await scan(
                client, key_of(request), SET, count=count, cursor=request.cursor, pattern=pattern
            )
        members = [to_blob(member) for (member,) in page.elements]
        return pb.ListMembersResponse(members=members, cursor=page.cursor, length=page.length)

    async def AddMembers(  # noqa: N802  the rpc
        self, request: pb.AddMembersRequest, context: Context
    ) -> pb.AddMembersResponse:
        """Adds members."""
        del context
        members = all_bytes(request.members, "members")
        async with await self._databases.client(request.database_id) as client:
            done = await sets.add(client, key_of(request), members)
        return pb.AddMembersResponse(added=done.elements, length=done.length)

    async def RemoveMembers(  # noqa: N802  the rpc
        self, request: pb.RemoveMembersRequest, context: Context
    ) -> pb.RemoveMembersResponse:
        """Removes members."""
        del context
        members = all_bytes(request.members, "members")
        async with await self._databases.client(request.database_id) as client:
            done = await sets.remove(client, key_of(request), members)
        return pb.RemoveMembersResponse(deleted=done.elements, length=done.length)
