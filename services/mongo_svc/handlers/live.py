"""`studio.mongodb.v1.LiveService`: what changes, as it happens."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import struct
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from bson import Timestamp
from google.api.httpbody_pb2 import HttpBody

from services.mongo_svc import answers, bodies, ejson
from services.mongo_svc.client import MongoClient
from services.mongo_svc.ejson import Element
from services.mongo_svc.live import changes, events, tokens
from services.mongo_svc.live.bounds import BOUNDS, Bounds
from services.mongo_svc.live.clients import StreamClients
from services.runtime.databases import Databases
from services.runtime.errors import StudioError, invalid_argument
from services.runtime.places import Places
from studio.mongodb.v1 import live_service_pb2 as pb
from studio.mongodb.v1.live_service_pb2_grpc import LiveServiceServicer
from studio.options.v1 import errors_pb2 as e

if TYPE_CHECKING:
    import grpc

    Context = grpc.aio.ServicerContext[Any, Any]

_DOCUMENT, _TIMESTAMP = 0x03, 0x11


class LiveHandler(LiveServiceServicer):
    """The service.

    Args:
        databases: gives the clients.
        stopping: set when the service stops.
        bounds: of the streams.
    """

    def __init__(
        self, databases: Databases[MongoClient], stopping: asyncio.Event, bounds: Bounds = BOUNDS
    ) -> None:
        self._databases = databases
        self._stopping = stopping
        self._bounds = bounds
        self._places = Places("streams of changes", bounds.streams, bounds.streams_of_one_database)
        self._clients = StreamClients()

    async def WatchChanges(  # noqa: N802  the rpc
        self, request: pb.WatchChangesRequest, context: Context
    ) -> AsyncIterator[HttpBody]:
        """The changes, as events or as BSON."""
        del context
        body = bodies.read(request.body, pb.WatchChangesBody)
        query = _query(body)
        mode, as_bson = answers.mode_of(body.ejson), body.format == "bson"
        with self._places.take(request.database_id):
            check_database = await self._databases.check_of(request.database_id)
            revision = (await self._databases.connection(request.database_id)).revision

            async def check_alive() -> None:
                if self._stopping.is_set():
                    raise StudioError(e.ERROR_REASON_SERVICE_UNAVAILABLE, "The service is stopping.")
                await check_database()

            async with contextlib.AsyncExitStack() as stack:
                # The stream's own client outlives the lease: a stream must keep no other database's client out.
                async with await self._databases.lease(request.database_id) as shared:
                    name = "" if body.all_databases else shared.database_name(body.database_name)
                    query = dataclasses.replace(query, pipeline=changes.check(query, _array(body), name))
                    create = functools.partial(shared.dedicated, self._bounds.connections)
                    client = await stack.enter_async_context(
                        self._clients.of(request.database_id, revision, create)
                    )
                turns = changes.watch(client, query, self._bounds, check_alive)
                async with contextlib.aclosing(turns):
                    async for turn in turns:
                        if as_bson:
                            yield HttpBody(content_type=bodies.BSON_TYPE, data=events.as_bson(turn))
                        else:
                            yield HttpBody(content_type=events.EVENT_STREAM, data=events.as_json(turn, mode))


def _query(body: pb.WatchChangesBody) -> changes.Query:
    if body.all_databases and (body.database_name or body.collection):
        raise invalid_argument("all_databases", "leaves no room for a database or collection")
    if body.resume and body.HasField("start_at_operation_time"):
        raise invalid_argument("start_at_operation_time", "can't be given together with resume")
    if body.HasField("collation") and body.collation.type != _DOCUMENT:
        raise invalid_argument("collation", "must be an object")
    return changes.Query(
        database=body.database_name,
        collection=body.collection,
        all_databases=body.all_databases,
        full_document=body.full_document,
        full_document_before_change=""
        if body.full_document_before_change == "off"
        else body.full_document_before_change,
        resume=tokens.from_text(body.resume) if body.resume else b"",
        start_at=_timestamp(body) if body.HasField("start_at_operation_time") else None,
        show_expanded_events=body.show_expanded_events,
        collation=body.collation.bson,
        comment=body.comment,
    )


def _timestamp(body: pb.WatchChangesBody) -> Timestamp:
    given = body.start_at_operation_time
    if given.type != _TIMESTAMP:
        raise invalid_argument(
            "start_at_operation_time", 'must be a timestamp: {"$timestamp": {"t": 1700000000, "i": 1}}'
        )
    increment, seconds = struct.unpack("<II", given.bson)
    return Timestamp(seconds, increment)


def _array(body: pb.WatchChangesBody) -> bytes:
    return ejson.build(
        Element(each.type or _DOCUMENT, str(place).encode(), each.bson)
        for place, each in enumerate(body.pipeline)
    )
