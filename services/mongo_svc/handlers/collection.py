"""`studio.mongodb.v1.CollectionService`: requests to calls of the engine's modules, results to responses."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from google.api.httpbody_pb2 import HttpBody
from google.protobuf.empty_pb2 import Empty

from services.mongo_svc import answers, bodies, namespaces
from services.mongo_svc.catalog import changes, work
from services.mongo_svc.catalog.bounds import BOUNDS, Bounds
from services.mongo_svc.catalog.guard import check_changeable
from services.mongo_svc.client import Document, MongoClient
from services.mongo_svc.handlers import commands
from services.mongo_svc.handlers.long_work import LongWork
from services.mongo_svc.namespaces import CollectionInfo
from services.runtime.confirmation import if_production
from services.runtime.databases import Check, Databases
from studio.mongodb.v1 import collection_service_pb2 as pb
from studio.mongodb.v1 import mongo_service_pb2 as mongo_pb
from studio.mongodb.v1.collection_service_pb2_grpc import CollectionServiceServicer

if TYPE_CHECKING:
    import grpc

    Context = grpc.aio.ServicerContext[Any, Any]

UNKNOWN = -1.0


class CollectionHandler(CollectionServiceServicer):
    """The service.

    Args:
        databases: gives the clients.
        bounds: of work that takes long.
    """

    def __init__(self, databases: Databases[MongoClient], bounds: Bounds = BOUNDS) -> None:
        self._databases = databases
        self._bounds = bounds
        self._long = LongWork(databases, "works on collections", bounds)

    async def CreateCollection(self, request: pb.CreateCollectionRequest, context: Context) -> HttpBody:  # noqa: N802  the rpc
        """Makes a collection, a time series or a view."""
        del context
        body = bodies.read(request.body, pb.CreateCollectionBody)
        async with await self._databases.lease(request.database_id) as client:
            database = client.database_name(body.database_name)
            options = commands.of_collection(body, database)
            made = await changes.create(client, database, body.collection, options)
        return _answer(database, made, body.ejson)

    async def ModifyCollection(self, request: pb.ModifyCollectionRequest, context: Context) -> HttpBody:  # noqa: N802  the rpc
        """Changes a collection's rules, or a view."""
        del context
        body = bodies.read(request.body, pb.ModifyCollectionBody)
        async with await self._databases.lease(request.database_id) as client:
            database = client.database_name(body.database_name)
            options = commands.of_collection(body, database)
            changed = await changes.modify(client, database, body.collection, options)
        return _answer(database, changed, body.ejson)

    async def RenameCollection(self, request: pb.RenameCollectionRequest, context: Context) -> HttpBody:  # noqa: N802  the rpc
        """Renames a collection within its database."""
        del context
        if request.drop_target:
            await if_production("This drops the collection that has the new name.")
        async with await self._databases.lease(request.database_id) as client:
            database = client.database_name(request.database_name)
            renamed = await changes.rename(
                client, database, request.collection, request.new_name, drop_target=request.drop_target
            )
        return _answer(database, renamed)

    async def MoveCollection(  # noqa: N802  the rpc
        self, request: pb.MoveCollectionRequest, context: Context
    ) -> AsyncIterator[pb.CollectionWork]:
        """Moves a collection to another database."""
        del context
        async with self._long.begin(request.database_id) as (client, check):
            source = (client.database_name(request.database_name), request.collection)
            target = (client.database_name(request.new_database_name), request.new_name or request.collection)
            command = await changes.renaming(client, source, target, drop_target=request.drop_target)
            async for event in self._events(client, "admin", command, check):
                yield event

    async def DropCollection(self, request: pb.DropCollectionRequest, context: Context) -> Empty:  # noqa: N802  the rpc
        """Drops a collection or view."""
        del context
        async with await self._databases.lease(request.database_id) as client:
            await changes.drop(client, client.database_name(request.database_name), request.collection)
        return Empty()

    async def ConvertToCapped(  # noqa: N802  the rpc
        self, request: pb.ConvertToCappedRequest, context: Context
    ) -> AsyncIterator[pb.CollectionWork]:
        """Makes a collection a capped one."""
        del context
        size = commands.whole(request.size, "size")
        async with self._long.begin(request.database_id) as (client, check):
            database = await _changeable(client, request.database_name, request.collection)
            command = {"convertToCapped": request.collection, "size": size}
            async for event in self._events(client, database, command, check):
                yield event

    async def CompactCollection(  # noqa: N802  the rpc
        self, request: pb.CompactCollectionRequest, context: Context
    ) -> AsyncIterator[pb.CollectionWork]:
        """Gives disk space back."""
        del context
        given = {
            "dryRun": request.dry_run,
            "force": request.force,
            "freeSpaceTargetMB": request.free_space_target_mb,
        }
        options = {name: value for name, value in given.items() if value}
        async with self._long.begin(request.database_id) as (client, check):
            database = await _changeable(client, request.database_name, request.collection)
            command = {"compact": request.collection, **options}
            async for event in self._events(client, database, command, check):
                yield event

    async def _events(
        self, client: MongoClient, database: str, command: dict[str, Any], check: Check
    ) -> AsyncIterator[pb.CollectionWork]:
        async with contextlib.aclosing(work.run(client, database, command, check, self._bounds)) as reports:
            async for elapsed_ms, answer in reports:
                yield pb.CollectionWork(
                    elapsed_ms=elapsed_ms, done=answer is not None, bytes_freed=_freed(answer)
                )


async def _changeable(client: MongoClient, database: str, collection: str) -> str:
    """The database, where the collection is there and may be changed."""
    name = client.database_name(database)
    check_changeable(name, client.collection_name(name, collection))
    await namespaces.existing(client, name, collection)
    return name


def _freed(answer: Document | None) -> float:
    for name in ("bytesFreed", "estimatedBytesFreed"):
        if answer and name in answer:
            return float(answer[name])
    return UNKNOWN


def _answer(database: str, collection: CollectionInfo, mode: str = "") -> HttpBody:
    response = pb.CollectionResponse(database_name=database, collection=collection_info(collection))
    return answers.render(response, answers.mode_of(mode))


def collection_info(found: CollectionInfo) -> mongo_pb.CollectionInfo:
    """A collection as a message."""
    message = mongo_pb.CollectionInfo(
        name=found.name,
        type=found.type,
        read_only=found.type == namespaces.VIEW,
        is_system=namespaces.is_system(found.name),
    )
    if found.options is not None:
        message.options.bson = found.options
    return message
