"""Every gRPC service of MongoDB, with the handler that serves it."""

from __future__ import annotations

import asyncio

from services.mongo_svc.client import MongoClient
from services.mongo_svc.handlers.aggregation import AggregationHandler
from services.mongo_svc.handlers.collection import CollectionHandler
from services.mongo_svc.handlers.document import DocumentHandler
from services.mongo_svc.handlers.gridfs import GridFsHandler
from services.mongo_svc.handlers.index import IndexHandler
from services.mongo_svc.handlers.live import LiveHandler
from services.mongo_svc.handlers.mongo import MongoHandler
from services.mongo_svc.handlers.schema import SchemaHandler
from services.mongo_svc.handlers.server import ServerHandler
from services.mongo_svc.handlers.transfer import TransferHandler
from services.mongo_svc.handlers.user import UserHandler
from services.mongo_svc.settings import Settings
from services.runtime.databases import Databases
from services.runtime.server import Servicer
from studio.mongodb.v1.aggregation_service_pb2_grpc import add_AggregationServiceServicer_to_server
from studio.mongodb.v1.collection_service_pb2_grpc import add_CollectionServiceServicer_to_server
from studio.mongodb.v1.document_service_pb2_grpc import add_DocumentServiceServicer_to_server
from studio.mongodb.v1.gridfs_service_pb2_grpc import add_GridFsServiceServicer_to_server
from studio.mongodb.v1.index_service_pb2_grpc import add_IndexServiceServicer_to_server
from studio.mongodb.v1.live_service_pb2_grpc import add_LiveServiceServicer_to_server
from studio.mongodb.v1.mongo_service_pb2_grpc import add_MongoServiceServicer_to_server
from studio.mongodb.v1.schema_service_pb2_grpc import add_SchemaServiceServicer_to_server
from studio.mongodb.v1.server_service_pb2_grpc import add_ServerServiceServicer_to_server
from studio.mongodb.v1.transfer_service_pb2_grpc import add_TransferServiceServicer_to_server
from studio.mongodb.v1.user_service_pb2_grpc import add_UserServiceServicer_to_server

_SERVICES = (
    ("CollectionService", add_CollectionServiceServicer_to_server, CollectionHandler),
    ("IndexService", add_IndexServiceServicer_to_server, IndexHandler),
    ("MongoService", add_MongoServiceServicer_to_server, MongoHandler),
    ("DocumentService", add_DocumentServiceServicer_to_server, DocumentHandler),
    ("AggregationService", add_AggregationServiceServicer_to_server, AggregationHandler),
    ("SchemaService", add_SchemaServiceServicer_to_server, SchemaHandler),
    ("ServerService", add_ServerServiceServicer_to_server, ServerHandler),
    ("UserService", add_UserServiceServicer_to_server, UserHandler),
    ("TransferService", add_TransferServiceServicer_to_server, TransferHandler),
    ("GridFsService", add_GridFsServiceServicer_to_server, GridFsHandler),
)


def servicers(
    databases: Databases[MongoClient], settings: Settings, stopping: asyncio.Event
) -> tuple[Servicer, ...]:
    """The services, for the server.

    Args:
        databases: gives the clients.
        settings: of this service.
        stopping: set when it stops.
    """
    del settings
    live = LiveHandler(databases, stopping)
    return (
        *(Servicer(f"studio.mongodb.v1.{name}", add, handler(databases)) for name, add, handler in _SERVICES),
        Servicer("studio.mongodb.v1.LiveService", add_LiveServiceServicer_to_server, live),
    )
