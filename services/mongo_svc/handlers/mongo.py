"""`studio.mongodb.v1.MongoService`: requests to calls of the engine's modules, results to responses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.api.httpbody_pb2 import HttpBody
from google.protobuf.empty_pb2 import Empty

from services import VERSION
from services.mongo_svc import answers, bodies, namespaces, stats
from services.mongo_svc.catalog import changes
from services.mongo_svc.client import MongoClient
from services.mongo_svc.handlers import commands
from services.mongo_svc.handlers.collection import collection_info
from services.runtime.databases import Databases
from services.runtime.errors import invalid_argument
from studio.mongodb.v1 import mongo_service_pb2 as pb
from studio.mongodb.v1.collection_service_pb2 import CreateCollectionBody
from studio.mongodb.v1.mongo_service_pb2_grpc import MongoServiceServicer

if TYPE_CHECKING:
    import grpc

    Context = grpc.aio.ServicerContext[Any, Any]


class MongoHandler(MongoServiceServicer):
    """The service.

    Args:
        databases: gives the clients.
    """

    def __init__(self, databases: Databases[MongoClient]) -> None:
        self._databases = databases

    async def GetStatus(self, request: pb.GetStatusRequest, context: Context) -> pb.GetStatusResponse:  # noqa: N802  the rpc
        """Says that the service is up."""
        del request, context
        return pb.GetStatusResponse(service="mongo_svc", version=VERSION)

    async def ListDatabases(  # noqa: N802  the rpc
        self, request: pb.ListDatabasesRequest, context: Context
    ) -> pb.ListDatabasesResponse:
        """The databases that the user may see."""
        del context
        async with await self._databases.lease(request.database_id) as client:
            found = await namespaces.list_databases(client, with_sizes=request.with_sizes)
            default = client.options.database_name
        response = pb.ListDatabasesResponse(default_database_name=default)
        for each in found:
            response.databases.add(name=each.name, size_bytes=each.size_bytes, is_system=each.is_system)
        return response

    async def CreateDatabase(self, request: pb.CreateDatabaseRequest, context: Context) -> HttpBody:  # noqa: N802  the rpc
        """Makes a database by its first collection."""
        del context
        body = bodies.read(request.body, CreateCollectionBody)
        if not body.database_name:
            raise invalid_argument("database_name", "must be given")
        async with await self._databases.lease(request.database_id) as client:
            options = commands.of_collection(body, body.database_name)
            made = await changes.create_database(client, body.database_name, body.collection, options)
        response = pb.CreateDatabaseResponse(
            database_name=body.database_name, collection=collection_info(made)
        )
        return answers.render(response, answers.mode_of(body.ejson))

    async def DropDatabase(self, request: pb.DropDatabaseRequest, context: Context) -> Empty:  # noqa: N802  the rpc
        """Drops a database."""
        del context
        async with await self._databases.lease(request.database_id) as client:
            await changes.drop_database(client, request.database_name, request.confirm)
        return Empty()

    async def ListCollections(self, request: pb.ListCollectionsRequest, context: Context) -> HttpBody:  # noqa: N802  the rpc
        """A page of the collections of a database."""
        del context
        query = namespaces.CollectionQuery(
            database=request.database_name,
            search=request.search,
            type=request.type,
            size=request.page_size or namespaces.DEFAULT_PAGE,
            after=request.page_token,
        )
        async with await self._databases.lease(request.database_id) as client:
            page = await namespaces.list_collections(client, query)
        response = pb.ListCollectionsResponse(
            collections=map(collection_info, page.collections), next_page_token=page.next
        )
        return answers.render(response, answers.mode_of(request.ejson))

    async def GetStats(self, request: pb.GetStatsRequest, context: Context) -> pb.GetStatsResponse:  # noqa: N802  the rpc
        """How large a database or a collection is."""
        del context
        async with await self._databases.lease(request.database_id) as client:
            name = client.database_name(request.database_name)
            found = (
                await stats.of_collection(client, name, request.collection)
                if request.collection
                else await stats.of_database(client, name)
            )
        return pb.GetStatsResponse(
            database_name=name,
            collection=request.collection,
            document_count=found.documents,
            data_bytes=found.data_bytes,
            average_document_bytes=found.average_bytes,
            storage_bytes=found.storage_bytes,
            index_bytes=found.index_bytes,
            index_count=found.indexes,
            collection_count=found.collections,
            view_count=found.views,
            capped=found.capped,
            index_sizes=found.index_sizes,
            type=found.type,
            free_storage_bytes=found.free_bytes,
            max_bytes=found.max_bytes,
            max_documents=found.max_documents,
            bucket_count=found.buckets,
            shards=[
                pb.ShardStats(
                    shard=each.shard,
                    document_count=each.documents,
                    data_bytes=each.data_bytes,
                    storage_bytes=each.storage_bytes,
                    index_bytes=each.index_bytes,
                )
                for each in found.shards
            ],
        )
