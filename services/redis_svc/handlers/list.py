"""`studio.redis.v1.ListService`: items of lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from services.redis_svc.handlers.blobs import all_bytes, key_of, to_blob, to_bytes, whole
from services.redis_svc.limits import DEFAULTS
from services.redis_svc.types import list as lists
from services.redis_svc.types import list_page
from studio.redis.v1 import list_service_pb2 as pb
from studio.redis.v1.list_service_pb2_grpc import ListServiceServicer

if TYPE_CHECKING:
    import grpc

    from services.redis_svc.handlers.databases import Databases

    Context = grpc.aio.ServicerContext[Any, Any]


class ListHandler(ListServiceServicer):
    """The service.

    Args:
        databases: gives the clients.
    """

    def __init__(self, databases: Databases) -> None:
        self._databases = databases

    async def ListItems(self, request: pb.ListItemsRequest, context: Context) -> pb.ListItemsResponse:  # noqa: N802  the rpc
        """A range of items."""
        del context
        start, offset = whole("start", request.start), whole("value_offset", request.value_offset)
        async with await self._databases.client(request.database_id) as client:
            page = await list_page.list_items(
                client,
                key_of(request),
                start=start,
                count=request.count,
                offset=offset,
                max_bytes=request.max_value_bytes,
            )
        return pb.ListItemsResponse(
            items=[to_blob(item.content, item.length) for item in page.items],
            start=page.start,
            length=page.length,
        )

    async def PushItems(self, request: pb.PushItemsRequest, context: Context) -> pb.PushItemsResponse:  # noqa: N802  the rpc
        """Adds items to one end."""
        del context
        items = all_bytes(request.items, "items")
        async with await self._databases.client(request.database_id) as client:
            length = await lists.push(
                client, key_of(request), items, left=request.left, if_exists=request.if_exists
            )
        return pb.PushItemsResponse(length=length)

    async def PopItems(self, request: pb.PopItemsRequest, context: Context) -> pb.PopItemsResponse:  # noqa: N802  the rpc
        """Takes items from one end."""
        del context
        async with await self._databases.client(request.database_id) as client:
            items, length = await lists.pop(client, key_of(request), left=request.left, count=request.count)
        return pb.PopItemsResponse(items=[to_blob(item) for item in items], length=length)

    async def SetItem(self, request: pb.SetItemRequest, context: Context) -> pb.SetItemResponse:  # noqa: N802  the rpc
        """Replaces an item."""
        del context
        index, content = whole("index", request.index), to_bytes(request.content, "content")
        expected = to_bytes(request.expected, "expected") if request.HasField("expected") else None
        async with await self._databases.client(request.database_id) as client:
            length = await lists.set_item(client, key_of(request), index, content, expected=expected)
        return pb.SetItemResponse(length=length)

    async def InsertItem(self, request: pb.InsertItemRequest, context: Context) -> pb.InsertItemResponse:  # noqa: N802  the rpc
        """Inserts an item beside another."""
        del context
        pivot, content = to_bytes(request.pivot, "pivot"), to_bytes(request.content, "content")
        async with await self._databases.client(request.database_id) as client:
            length = await lists.insert(client, key_of(request), pivot, content, before=request.before)
        return pb.InsertItemResponse(length=length)

    async def RemoveItems(  # noqa: N802  the rpc
        self, request: pb.RemoveItemsRequest, context: Context
    ) -> pb.RemoveItemsResponse:
        """Removes items that equal a value."""
        del context
        content = to_bytes(request.content, "content")
        async with await self._databases.client(request.database_id) as client:
            deleted = await lists.remove(client, key_of(request), content, request.count)
        return pb.RemoveItemsResponse(deleted=deleted)

    async def TrimList(self, request: pb.TrimListRequest, context: Context) -> pb.TrimListResponse:  # noqa: N802  the rpc
        """Keeps a range of items."""
        del context
        start, stop = whole("start", request.start), whole("stop", request.stop)
        async with await self._databases.client(request.database_id) as client:
            return pb.TrimListResponse(length=await lists.trim(client, key_of(request), start, stop))

    async def MoveItem(self, request: pb.MoveItemRequest, context: Context) -> pb.MoveItemResponse:  # noqa: N802  the rpc
        """Moves an item from one list to another."""
        del context
        target = to_bytes(request.target, "target")
        async with await self._databases.client(request.database_id) as client:
            item = await lists.move(
                client, key_of(request), target, from_left=request.from_left, to_left=request.to_left
            )
        # It has moved whole; what comes back of a huge one is its beginning.
        return pb.MoveItemResponse(item=to_blob(item[: DEFAULTS.default_range_bytes], len(item)))
