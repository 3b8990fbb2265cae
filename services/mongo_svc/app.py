"""Puts the MongoDB service together: resolver of connections, pool of clients, handlers."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import AsyncIterator, Sequence

from services.mongo_svc import guard
from services.mongo_svc.client import MongoClient
from services.mongo_svc.diagnose import diagnose
from services.mongo_svc.handlers.servicers import servicers
from services.mongo_svc.options import parse
from services.mongo_svc.settings import TYPE, Settings
from services.runtime import engine
from services.runtime.databases import Databases
from services.runtime.diagnosis import engine_service
from services.runtime.pool import ClientPool
from services.runtime.resolver import Connection
from services.runtime.server import Runtime, Servicer


@contextlib.asynccontextmanager
async def open_app(settings: Settings, runtime: Runtime[Settings]) -> AsyncIterator[Sequence[Servicer]]:
    """Builds the service and yields what it serves; closes every connection at the end."""
    await guard.prove()
    policy, limits = settings.address_policy(), settings.limits()

    async def create(connection: Connection) -> MongoClient:
        text = connection.connection_string.get_secret_value()
        options = parse(text, connection.config, tls_directory=settings.mongodb_tls_directory)
        return MongoClient(options, policy, limits, allow_unix=settings.mongodb_allow_unix_sockets)

    test = functools.partial(
        diagnose,
        policy=policy,
        limits=limits,
        allow_unix=settings.mongodb_allow_unix_sockets,
        tls_directory=settings.mongodb_tls_directory,
    )

    pool = ClientPool[Connection, MongoClient](
        name=TYPE,
        create=create,
        close=MongoClient.aclose,
        max_clients=settings.mongodb_max_pool_size,
        idle_timeout_s=settings.client_idle_timeout_s,
    )
    async with engine.connections(runtime, pool) as resolver:
        yield (
            *servicers(Databases(resolver, pool), settings, runtime.stopping),
            engine_service(settings.keys(), TYPE, test),
        )
