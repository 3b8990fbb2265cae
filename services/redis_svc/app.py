"""Puts the Redis service together: resolver of connections, pool of clients, handlers."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import AsyncIterator, Sequence

from services.redis_svc.client import RedisClient
from services.redis_svc.diagnose import diagnose
from services.redis_svc.handlers.databases import Databases
from services.redis_svc.handlers.operations import operations
from services.redis_svc.handlers.servicers import servicers
from services.redis_svc.settings import TYPE, Settings
from services.redis_svc.url import parse
from services.runtime import engine
from services.runtime.diagnosis import engine_service
from services.runtime.pool import ClientPool
from services.runtime.resolver import Connection
from services.runtime.server import Runtime, Servicer


@contextlib.asynccontextmanager
async def open_app(settings: Settings, runtime: Runtime[Settings]) -> AsyncIterator[Sequence[Servicer]]:
    """Builds the service and yields what it serves; closes every connection at the end."""
    policy, limits = settings.address_policy(), settings.limits()

    async def create(connection: Connection) -> RedisClient:
        options = parse(connection.connection_string.get_secret_value(), connection.config)
        return RedisClient(options, policy, limits, allow_unix=settings.redis_allow_unix_sockets)

    test = functools.partial(
        diagnose, policy=policy, limits=limits, allow_unix=settings.redis_allow_unix_sockets
    )
    pool = ClientPool[Connection, RedisClient](
        name=TYPE,
        create=create,
        close=RedisClient.aclose,
        max_clients=settings.redis_max_connections,
        idle_timeout_s=settings.client_idle_timeout_s,
    )
    async with engine.connections(runtime, pool) as resolver:
        databases = Databases(resolver, pool)
        yield (
            *servicers(databases),
            *operations(databases, settings),
            engine_service(settings.keys(), TYPE, test),
        )
