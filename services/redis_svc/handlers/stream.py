"""`studio.redis.v1.StreamService`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from services.redis_svc.handlers.blobs import key_of, to_blob, to_bytes, whole
from services.redis_svc.limits import DEFAULTS
from services.redis_svc.types import stream_groups, stream_pending, streams
from services.redis_svc.types.stream_trim import trim
from studio.redis.v1 import stream_entry_pb2 as entry_pb
from studio.redis.v1 import stream_groups_pb2 as groups_pb
from studio.redis.v1 import stream_service_pb2 as pb
from studio.redis.v1.stream_service_pb2_grpc import StreamServiceServicer

if TYPE_CHECKING:
    import grpc

    from services.redis_svc.handlers.databases import Databases

    Context = grpc.aio.ServicerContext[Any, Any]

_MOST_DELIVERIES = 2**31 - 1
"""What the contract's number holds."""


class StreamHandler(StreamServiceServicer):
    """The service.

    Args:
        databases: gives the clients.
    """

    def __init__(self, databases: Databases) -> None:
        self._databases = databases

    async def ListEntries(  # noqa: N802  the rpc
        self, request: pb.ListEntriesRequest, context: Context
    ) -> pb.ListEntriesResponse:
        """A range of entries."""
        del context
        async with await self._databases.client(request.database_id) as client:
            page = await streams.list_entries(
                client,
                key_of(request),
                start=request.start,
                end=request.end,
                count=request.count or DEFAULTS.default_page_values,
                reverse=request.reverse,
            )
        return pb.ListEntriesResponse(
            entries=_entries(page.entries),
            length=page.length,
            first_id=page.first_id,
            last_id=page.last_id,
            next_start=page.next_start,
        )

    async def AddEntry(self, request: pb.AddEntryRequest, context: Context) -> pb.AddEntryResponse:  # noqa: N802  the rpc
        """Adds an entry."""
        del context
        fields = [
            (
                to_bytes(each.field, f"fields[{index}].field"),
                to_bytes(each.content, f"fields[{index}].content"),
            )
            for index, each in enumerate(request.fields)
        ]
        max_length = whole("max_length", request.max_length)
        async with await self._databases.client(request.database_id) as client:
            id_ = await streams.add(client, key_of(request), fields, id_=request.id, max_length=max_length)
        return pb.AddEntryResponse(id=id_)

    async def DeleteEntries(  # noqa: N802  the rpc
        self, request: pb.DeleteEntriesRequest, context: Context
    ) -> pb.DeleteEntriesResponse:
        """Removes entries."""
        del context
        async with await self._databases.client(request.database_id) as client:
            deleted = await streams.delete(client, key_of(request), request.ids)
        return pb.DeleteEntriesResponse(deleted=deleted)

    async def TrimStream(self, request: pb.TrimStreamRequest, context: Context) -> pb.TrimStreamResponse:  # noqa: N802  the rpc
        """Removes the oldest entries."""
        del context
        max_length = whole("max_length", request.max_length) if request.HasField("max_length") else None
        async with await self._databases.client(request.database_id) as client:
            deleted = await trim(
                client,
                key_of(request),
                max_length=max_length,
                min_id=request.min_id,
                approximate=request.approximate,
            )
        return pb.TrimStreamResponse(deleted=deleted)

    async def ListGroups(  # noqa: N802  the rpc
        self, request: groups_pb.ListGroupsRequest, context: Context
    ) -> groups_pb.ListGroupsResponse:
        """The consumer groups."""
        del context
        async with await self._databases.client(request.database_id) as client:
            groups = await stream_groups.list_groups(client, key_of(request))
        return groups_pb.ListGroupsResponse(
            groups=[
                groups_pb.StreamGroup(
                    name=to_blob(each.name),
                    consumers=each.consumers,
                    pending=each.pending,
                    last_delivered_id=each.last_delivered_id,
                    entries_read=each.entries_read,
                    lag=each.lag,
                )
                for each in groups
            ]
        )

    async def CreateGroup(  # noqa: N802  the rpc
        self, request: groups_pb.CreateGroupRequest, context: Context
    ) -> groups_pb.CreateGroupResponse:
        """Makes a consumer group."""
        del context
        group = to_bytes(request.group, "group")
        async with await self._databases.client(request.database_id) as client:
            await stream_groups.create(
                client, key_of(request), group, request.start, create_stream=request.create_stream
            )
        return groups_pb.CreateGroupResponse()

    async def SetGroupPosition(  # noqa: N802  the rpc
        self, request: groups_pb.SetGroupPositionRequest, context: Context
    ) -> groups_pb.SetGroupPositionResponse:
        """Moves a group to another entry."""
        del context
        group = to_bytes(request.group, "group")
        async with await self._databases.client(request.database_id) as client:
            await stream_groups.set_position(client, key_of(request), group, request.start)
        return groups_pb.SetGroupPositionResponse()

    async def DeleteGroup(  # noqa: N802  the rpc
        self, request: groups_pb.DeleteGroupRequest, context: Context
    ) -> groups_pb.DeleteGroupResponse:
        """Removes a group."""
        del context
        async with await self._databases.client(request.database_id) as client:
            await stream_groups.delete(client, key_of(request), to_bytes(request.group, "group"))
        return groups_pb.DeleteGroupResponse()

    async def ListConsumers(  # noqa: N802  the rpc
        self, request: groups_pb.ListConsumersRequest, context: Context
    ) -> groups_pb.ListConsumersResponse:
        """The consumers of a group."""
        del context
        group = to_bytes(request.group, "group")
        async with await self._databases.client(request.database_id) as client:
            consumers = await stream_groups.list_consumers(client, key_of(request), group)
        return groups_pb.ListConsumersResponse(
            consumers=[
                groups_pb.StreamConsumer(
                    name=to_blob(each.name),
                    pending=each.pending,
                    idle_ms=each.idle_ms,
                    inactive_ms=each.inactive_ms,
                )
                for each in consumers
            ]
        )

    async def DeleteConsumer(  # noqa: N802  the rpc
        self, request: groups_pb.DeleteConsumerRequest, context: Context
    ) -> groups_pb.DeleteConsumerResponse:
        """Removes a consumer."""
        del context
        group, consumer = to_bytes(request.group, "group"), to_bytes(request.consumer, "consumer")
        async with await self._databases.client(request.database_id) as client:
            pending = await stream_groups.delete_consumer(client, key_of(request), group, consumer)
        return groups_pb.DeleteConsumerResponse(pending=pending)

    async def ListPending(  # noqa: N802  the rpc
        self, request: groups_pb.ListPendingRequest, context: Context
    ) -> groups_pb.ListPendingResponse:
        """What was delivered and not acknowledged."""
        del context
        async with await self._databases.client(request.database_id) as client:
            page = await stream_pending.list_pending(
                client,
                key_of(request),
                to_bytes(request.group, "group"),
                consumer=to_bytes(request.consumer, "consumer") if request.HasField("consumer") else None,
                start=request.start,
                count=request.count or DEFAULTS.default_page_values,
                min_idle_ms=whole("min_idle_ms", request.min_idle_ms),
            )
        return groups_pb.ListPendingResponse(
            entries=[
                groups_pb.PendingEntry(
                    id=each.id,
                    consumer=to_blob(each.consumer),
                    idle_ms=each.idle_ms,
                    deliveries=min(each.deliveries, _MOST_DELIVERIES),
                )
                for each in page.entries
            ],
            total=page.total,
            next_start=page.next_start,
        )

    async def AckEntries(  # noqa: N802  the rpc
        self, request: groups_pb.AckEntriesRequest, context: Context
    ) -> groups_pb.AckEntriesResponse:
        """Acknowledges entries."""
        del context
        group = to_bytes(request.group, "group")
        async with await self._databases.client(request.database_id) as client:
            acknowledged = await stream_pending.acknowledge(client, key_of(request), group, request.ids)
        return groups_pb.AckEntriesResponse(acknowledged=acknowledged)

    async def ClaimEntries(  # noqa: N802  the rpc
        self, request: groups_pb.ClaimEntriesRequest, context: Context
    ) -> groups_pb.ClaimEntriesResponse:
        """Hands pending entries to another consumer."""
        del context
        group, consumer = to_bytes(request.group, "group"), to_bytes(request.consumer, "consumer")
        min_idle_ms = whole("min_idle_ms", request.min_idle_ms)
        async with await self._databases.client(request.database_id) as client:
            if request.ids:
                claimed = await stream_pending.claim(
                    client,
                    key_of(request),
                    group,
                    consumer,
                    request.ids,
                    min_idle_ms=min_idle_ms,
                    count=request.count,
                )
            else:
                claimed = await stream_pending.claim_idle(
                    client,
                    key_of(request),
                    group,
                    consumer,
                    min_idle_ms=min_idle_ms,
                    start=request.start,
                    count=request.count or DEFAULTS.default_page_values,
                )
        return groups_pb.ClaimEntriesResponse(
            entries=_entries(claimed.entries), deleted_ids=claimed.deleted_ids, next_start=claimed.next_start
        )


def _entries(entries: Iterable[streams.Entry]) -> list[entry_pb.StreamEntry]:
    return [
        entry_pb.StreamEntry(
            id=each.id,
            fields=[
                entry_pb.StreamField(field=to_blob(name), content=to_blob(value))
                for name, value in each.fields
            ],
        )
        for each in entries
    ]
