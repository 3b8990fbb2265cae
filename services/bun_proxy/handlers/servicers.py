"""Every gRPC service of Bun APIs, with the handler that serves it."""

from __future__ import annotations

from services.bun_proxy.client import ApiClient
from services.bun_proxy.discovery.catalogue import Catalogue
from services.bun_proxy.forward.calls import CallLog
from services.bun_proxy.handlers.bun import BunHandler
from services.runtime.databases import Databases
from services.runtime.server import Servicer
from studio.bun.v1.bun_service_pb2_grpc import add_BunServiceServicer_to_server


def servicers(databases: Databases[ApiClient], catalogue: Catalogue, calls: CallLog) -> tuple[Servicer, ...]:
    """The services, for the server."""
    return (
        Servicer(
            "studio.bun.v1.BunService",
            add_BunServiceServicer_to_server,
            BunHandler(databases, catalogue, calls),
        ),
    )
