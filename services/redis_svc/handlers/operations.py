"""The gRPC services about work on many keys, commands and live streams, with the handlers that serve them."""

from __future__ import annotations

from services.redis_svc.console.bounds import BOUNDS
from services.redis_svc.console.confirmation import PURPOSE
from services.redis_svc.console.run import Console
from services.redis_svc.handlers.bulk import BulkHandler
from services.redis_svc.handlers.console import ConsoleHandler
from services.redis_svc.handlers.databases import Databases
from services.redis_svc.handlers.live import LiveHandler
from services.redis_svc.settings import Settings
from services.runtime.confirmation import Confirmations
from services.runtime.server import Servicer
from studio.redis.v1.bulk_service_pb2_grpc import add_BulkServiceServicer_to_server
from studio.redis.v1.console_service_pb2_grpc import add_ConsoleServiceServicer_to_server
from studio.redis.v1.live_service_pb2_grpc import add_LiveServiceServicer_to_server


def operations(databases: Databases, settings: Settings) -> tuple[Servicer, ...]:
    """The services, for the server."""
    # The processes of the system share this secret, so that each takes the confirmations of the others.
    secret = settings.service_token_secret.get_secret_value()
    console = Console(Confirmations(secret, PURPOSE, BOUNDS.confirmation_s))
    return (
        Servicer("studio.redis.v1.BulkService", add_BulkServiceServicer_to_server, BulkHandler(databases)),
        Servicer(
            "studio.redis.v1.ConsoleService",
            add_ConsoleServiceServicer_to_server,
            ConsoleHandler(databases, console),
        ),
        Servicer("studio.redis.v1.LiveService", add_LiveServiceServicer_to_server, LiveHandler(databases)),
    )
