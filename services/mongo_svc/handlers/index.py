"""`studio.mongodb.v1.IndexService`: requests to calls of the engine's modules, results to responses."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from google.api.httpbody_pb2 import HttpBody
from google.protobuf.empty_pb2 import Empty

from services.mongo_svc import answers, bodies
from services.mongo_svc.catalog.bounds import BOUNDS, Bounds
from services.mongo_svc.client import MongoClient
from services.mongo_svc.handlers import commands
from services.mongo_svc.handlers.long_work import LongWork
from services.mongo_svc.indexes import building, changes, listing
from services.runtime.databases import Databases
from studio.mongodb.v1 import index_service_pb2 as pb
from studio.mongodb.v1.common_pb2 import Unavailable
from studio.mongodb.v1.index_service_pb2_grpc import IndexServiceServicer

if TYPE_CHECKING:
    import grpc

    Context = grpc.aio.ServicerContext[Any, Any]


class IndexHandler(IndexServiceServicer):
    """The service.

    Args:
        databases: gives the clients.
        bounds: of builds.
    """

    def __init__(self, databases: Databases[MongoClient], bounds: Bounds = BOUNDS) -> None:
        self._databases = databases
        self._bounds = bounds
        self._long = LongWork(databases, "builds of indexes", bounds)

    async def ListIndexes(self, request: pb.ListIndexesRequest, context: Context) -> HttpBody:  # noqa: N802  the rpc
        """The indexes of a collection."""
        del context
        async with await self._databases.lease(request.database_id) as client:
            database = client.database_name(request.database_name)
            found = await listing.list_indexes(client, database, request.collection)
        response = pb.ListIndexesResponse(
            indexes=map(_index, found.indexes),
            unavailable=[
                Unavailable(what=each.what, permission=each.permission, role=each.role)
                for each in found.unavailable
            ],
        )
        return answers.render(response, answers.mode_of(request.ejson))

    async def CreateIndexes(  # noqa: N802  the rpc
        self, request: pb.CreateIndexesRequest, context: Context
    ) -> AsyncIterator[pb.IndexBuild]:
        """Builds indexes."""
        del context
        body = bodies.read(request.body, pb.CreateIndexesBody)
        specifications = [commands.of_index(spec, place) for place, spec in enumerate(body.indexes)]
        for each in specifications:
            each.setdefault("name", building.default_name(each["key"]))
        async with self._long.begin(request.database_id) as (client, check):
            database = client.database_name(body.database_name)
            work = building.Build(client, database, body.collection, specifications)
            async with contextlib.aclosing(building.build(work, self._bounds, check)) as events:
                async for event in events:
                    yield _build(event)

    async def ModifyIndex(self, request: pb.ModifyIndexRequest, context: Context) -> HttpBody:  # noqa: N802  the rpc
        """Hides an index, or changes it."""
        del context
        change: dict[str, Any] = {}
        if request.HasField("hidden"):
            change["hidden"] = request.hidden
        if request.HasField("expire_after_seconds"):
            change["expireAfterSeconds"] = request.expire_after_seconds
        if request.HasField("prepare_unique"):
            change["prepareUnique"] = request.prepare_unique
        if request.unique:
            change["unique"] = True
        async with await self._databases.lease(request.database_id) as client:
            database = client.database_name(request.database_name)
            index = await changes.modify(
                client, database, request.collection, request.name, change, dry_run=request.dry_run
            )
        return answers.render(pb.ModifyIndexResponse(index=_index(index)), answers.mode_of(request.ejson))

    async def DropIndexes(self, request: pb.DropIndexesRequest, context: Context) -> Empty:  # noqa: N802  the rpc
        """Drops indexes."""
        del context
        async with await self._databases.lease(request.database_id) as client:
            database = client.database_name(request.database_name)
            await changes.drop(client, database, request.collection, request.name)
        return Empty()


def _index(index: listing.Index) -> pb.IndexInfo:
    message = pb.IndexInfo(
        name=index.name,
        type=index.type,
        unique=index.unique,
        sparse=index.sparse,
        hidden=index.hidden,
        partial=index.partial,
        expire_after_seconds=index.expire_after_s,
        size_bytes=index.size_bytes,
        used=index.used,
        used_since=_time(index.used_since),
        usage=[
            pb.IndexUsage(node=each.node, shard=each.shard, used=each.used, since=_time(each.since))
            for each in index.usage
        ],
    )
    message.key.bson = index.key
    message.options.bson = index.options
    if index.build is not None:
        message.build.CopyFrom(
            pb.BuildProgress(
                message=index.build.message, work_done=index.build.done, work_total=index.build.total
            )
        )
    return message


def _build(event: building.BuildEvent) -> pb.IndexBuild:
    return pb.IndexBuild(
        names=event.names,
        message=event.progress.message,
        work_done=event.progress.done,
        work_total=event.progress.total,
        elapsed_ms=event.elapsed_ms,
        done=event.done,
        existing=event.existing,
    )


def _time(value: dt.datetime | None) -> str:
    return "" if value is None else value.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")
