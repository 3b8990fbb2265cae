"""Every gRPC service about keys, values and the server itself, with the handler that serves it."""

from __future__ import annotations

from services.redis_svc.handlers.databases import Databases
from services.redis_svc.handlers.hash import HashHandler
from services.redis_svc.handlers.json import JsonHandler
from services.redis_svc.handlers.key import KeyHandler
from services.redis_svc.handlers.list import ListHandler
from services.redis_svc.handlers.redis import RedisHandler
from services.redis_svc.handlers.server import ServerHandler
from services.redis_svc.handlers.set import SetHandler
from services.redis_svc.handlers.sorted_set import SortedSetHandler
from services.redis_svc.handlers.stream import StreamHandler
from services.redis_svc.handlers.string import StringHandler
from services.runtime.server import Servicer
from studio.redis.v1.hash_service_pb2_grpc import add_HashServiceServicer_to_server
from studio.redis.v1.json_service_pb2_grpc import add_JsonServiceServicer_to_server
from studio.redis.v1.key_service_pb2_grpc import add_KeyServiceServicer_to_server
from studio.redis.v1.list_service_pb2_grpc import add_ListServiceServicer_to_server
from studio.redis.v1.redis_service_pb2_grpc import add_RedisServiceServicer_to_server
from studio.redis.v1.server_service_pb2_grpc import add_ServerServiceServicer_to_server
from studio.redis.v1.set_service_pb2_grpc import add_SetServiceServicer_to_server
from studio.redis.v1.sorted_set_service_pb2_grpc import add_SortedSetServiceServicer_to_server
from studio.redis.v1.stream_service_pb2_grpc import add_StreamServiceServicer_to_server
from studio.redis.v1.string_service_pb2_grpc import add_StringServiceServicer_to_server

_SERVICES = (
    ("RedisService", add_RedisServiceServicer_to_server, RedisHandler),
    ("KeyService", add_KeyServiceServicer_to_server, KeyHandler),
    ("StringService", add_StringServiceServicer_to_server, StringHandler),
    ("HashService", add_HashServiceServicer_to_server, HashHandler),
    ("ListService", add_ListServiceServicer_to_server, ListHandler),
    ("SetService", add_SetServiceServicer_to_server, SetHandler),
    ("SortedSetService", add_SortedSetServiceServicer_to_server, SortedSetHandler),
    ("StreamService", add_StreamServiceServicer_to_server, StreamHandler),
    ("JsonService", add_JsonServiceServicer_to_server, JsonHandler),
    ("ServerService", add_ServerServiceServicer_to_server, ServerHandler),
)


def servicers(databases: Databases) -> tuple[Servicer, ...]:
    """The services, for the server."""
    return tuple(
        Servicer(f"studio.redis.v1.{name}", add, handler(databases)) for name, add, handler in _SERVICES
    )
