"""`studio.redis.v1.LiveService`: what is going on, as messages."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any

from services.redis_svc.handlers import blobs
from services.redis_svc.live.bounds import BOUNDS, Bounds
from services.redis_svc.live.feed import listening
from services.redis_svc.live.mailbox import Mailbox
from services.redis_svc.live.messages import (
    Asked,
    keyspace_prefix,
    keyspace_subscriptions,
    messages,
    publish,
    subscriptions,
)
from services.redis_svc.live.monitor import monitor
from services.redis_svc.url import parse
from services.runtime.errors import StudioError
from services.runtime.places import Places
from studio.options.v1 import errors_pb2 as e
from studio.redis.v1 import live_service_pb2 as pb
from studio.redis.v1.live_service_pb2_grpc import LiveServiceServicer

if TYPE_CHECKING:
    import grpc

    from services.redis_svc.client import RedisClient
    from services.redis_svc.handlers.databases import Databases

    Context = grpc.aio.ServicerContext[Any, Any]

Check = Callable[[], Awaitable[None]]


class LiveHandler(LiveServiceServicer):
    """The service.

    Args:
        databases: gives the clients.
        bounds: of the streams.
    """

    def __init__(self, databases: Databases, bounds: Bounds = BOUNDS) -> None:
        self._databases = databases
        self._bounds = bounds
        self._places = Places("live streams", bounds.streams, bounds.streams_of_one_database)

    async def Monitor(  # noqa: N802  the rpc
        self, request: pb.MonitorRequest, context: Context
    ) -> AsyncIterator[pb.MonitorResponse]:
        """What the server runs."""
        del context

        async def ask(client: RedisClient) -> Asked:
            # In a Cluster each node tells of what it runs itself.
            return {link: ([(b"MONITOR",)], 1) for link in client.links}

        seconds = request.seconds or self._bounds.monitor_s
        async with self._listening(request.database_id, ask) as (mailbox, check):
            stream = monitor(mailbox, self._bounds, check, seconds=seconds, text=request.filter)
            async with contextlib.aclosing(stream):
                async for seen in stream:
                    if seen is None:
                        yield pb.MonitorResponse(heartbeat=True, dropped=mailbox.dropped)
                        continue
                    yield pb.MonitorResponse(
                        at_unix_ms=seen.at_unix_ms,
                        database=seen.database,
                        client=seen.client,
                        arguments=map(blobs.to_blob, seen.arguments),
                        dropped=mailbox.dropped,
                    )

    async def Subscribe(  # noqa: N802  the rpc
        self, request: pb.SubscribeRequest, context: Context
    ) -> AsyncIterator[pb.SubscribeResponse]:
        """Messages of channels."""
        del context

        async def ask(client: RedisClient) -> Asked:
            return subscriptions(client, request.channels, request.patterns, request.shard_channels)

        async with self._listening(request.database_id, ask) as (mailbox, check):
            stream = messages(mailbox, self._bounds, check)
            begun = False
            async with contextlib.aclosing(stream):
                async for message in stream:
                    if message is None:
                        # The first one says that the subscriptions stand.
                        yield pb.SubscribeResponse(
                            heartbeat=begun, subscribed=not begun, dropped=mailbox.dropped
                        )
                        begun = True
                        continue
                    yield pb.SubscribeResponse(
                        at_unix_ms=message.at_unix_ms,
                        channel=blobs.to_blob(message.channel),
                        pattern=message.pattern.decode("utf-8", "backslashreplace"),
                        payload=blobs.to_blob(message.payload),
                        dropped=mailbox.dropped,
                    )

    async def WatchKeyspace(  # noqa: N802  the rpc
        self, request: pb.WatchKeyspaceRequest, context: Context
    ) -> AsyncIterator[pb.WatchKeyspaceResponse]:
        """Events of keys."""
        del context
        pattern = blobs.to_bytes(request.pattern, "pattern")
        connection = await self._databases.connection(request.database_id)
        database = parse(connection.connection_string.get_secret_value(), connection.config).database
        skipped = len(keyspace_prefix(database))

        async def ask(client: RedisClient) -> Asked:
            return await keyspace_subscriptions(client, database, pattern)

        async with self._listening(request.database_id, ask) as (mailbox, check):
            stream = messages(mailbox, self._bounds, check)
            async with contextlib.aclosing(stream):
                async for message in stream:
                    if message is None:
                        yield pb.WatchKeyspaceResponse(heartbeat=True, dropped=mailbox.dropped)
                        continue
                    yield pb.WatchKeyspaceResponse(
                        at_unix_ms=message.at_unix_ms,
                        key=blobs.to_blob(message.channel[skipped:]),
                        event=message.payload.decode("utf-8", "backslashreplace"),
                        dropped=mailbox.dropped,
                    )

    async def Publish(self, request: pb.PublishRequest, context: Context) -> pb.PublishResponse:  # noqa: N802  the rpc
        """Sends a message."""
        del context
        channel = blobs.to_bytes(request.channel, "channel")
        payload = blobs.to_bytes(request.payload, "payload")
        async with await self._databases.client(request.database_id) as client:
            receivers = await publish(client, channel, payload, shard=request.shard)
        return pb.PublishResponse(receivers=receivers)

    @contextlib.asynccontextmanager
    async def _listening(
        self, database_id: str, ask: Callable[[RedisClient], Awaitable[Asked]]
    ) -> AsyncIterator[tuple[Mailbox, Check]]:
        """Connections that listen, and what tells that they must end."""
        with self._places.take(database_id):
            revision = (await self._databases.connection(database_id)).revision

            async def check() -> None:
                # Raises DB_NOT_FOUND by itself where the database is gone.
                if (await self._databases.connection(database_id)).revision != revision:
                    raise StudioError(e.ERROR_REASON_DB_UNAVAILABLE, "The connection has been changed.")

            async with contextlib.AsyncExitStack() as stack:
                # The stream's own connections outlive the lease: a stream must keep no other database's client out.
                async with await self._databases.client(database_id, only_reads=True) as client:
                    asked = await ask(client)
                    timeout_s = client.limits.command_timeout_s
                    mailbox = await stack.enter_async_context(listening(asked, self._bounds, timeout_s))
                yield mailbox, check
