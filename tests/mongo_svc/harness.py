"""The MongoDB service in this process, on real gRPC, beside a registry that holds what a test gives it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import grpc

from services.mongo_svc.app import open_app
from services.mongo_svc.settings import Settings
from studio.mongodb.v1.mongo_service_pb2_grpc import MongoServiceStub
from studio.registry.v1.engine_service_pb2_grpc import EngineServiceStub
from tests.support.engine_service import Registry, as_service, as_user, running_engine

__all__ = ["Service", "as_service", "as_user", "running_service"]


class Service:
    """A running MongoDB service and its callers."""

    def __init__(self, port: int, registry: Registry) -> None:
        self.registry = registry
        self.channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}")
        self.mongo = MongoServiceStub(self.channel)
        self.engine = EngineServiceStub(self.channel)


@contextlib.asynccontextmanager
async def running_service(**settings: object) -> AsyncIterator[Service]:
    """Runs a registry and the service; stops both at the end."""
    async with running_engine("mongo_svc", "mongodb", Settings, open_app, **settings) as (port, registry):
        service = Service(port, registry)
        yield service
        await service.channel.close()
