"""Puts the MongoDB service together: resolver of connections, pool of clients, handlers."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence

from services.mongo_svc.client import MongoClient
from services.mongo_svc.handlers.servicers import servicers
from services.mongo_svc.options import parse
from services.mongo_svc.settings import TYPE, Settings
from services.runtime.databases import Databases
from services.runtime.pool import ClientPool
from services.runtime.resolver import Connection, Resolver
from services.runtime.server import Runtime, Servicer


@contextlib.asynccontextmanager
async def open_app(settings: Settings, runtime: Runtime[Settings]) -> AsyncIterator[Sequence[Servicer]]:
    """Builds the service and yields what it serves; closes every connection at the end."""
    keys, policy, limits = settings.keys(), settings.address_policy(), settings.limits()

    async def create(connection: Connection) -> MongoClient:
        options = parse(connection.connection_string.get_secret_value(), connection.config)
        return MongoClient(options, policy, limits)

    pool = ClientPool[Connection, MongoClient](
        name=TYPE,
        create=create,
        close=MongoClient.aclose,
        max_clients=settings.max_clients,
        idle_timeout_s=settings.client_idle_timeout_s,
    )
    resolver = Resolver(
        type_=TYPE,
        address=settings.registry_address,
        tokens=runtime.service_tokens,
        keys=keys,
        on_gone=pool.discard,
    )
    runtime.background("resolver.watch", resolver.watch)
    runtime.background("pool.idle", pool.run)
    try:
        yield servicers(Databases(resolver, pool), settings)
    finally:
        await pool.aclose()
        await resolver.aclose()
