"""Puts the registry together: which part gets which."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence

from services.registry.databases import Databases
from services.registry.engines import Engines
from services.registry.feed import Feed
from services.registry.handlers.registry import RegistryHandler
from services.registry.handlers.resolver import ResolverHandler
from services.registry.listener import Listener
from services.registry.paging import PageTokens
from services.registry.settings import Settings
from services.registry.store import Store
from services.registry.store.nothing import Nothing
from services.registry.store.pool import Pool
from services.registry.store.postgres import Postgres
from services.registry.vault import Vault
from services.runtime.logs import get_logger
from services.runtime.server import Runtime, Servicer
from studio.registry.v1 import registry_service_pb2_grpc, resolver_service_pb2_grpc

log = get_logger(__name__)


@contextlib.asynccontextmanager
async def open_app(settings: Settings, runtime: Runtime[Settings]) -> AsyncIterator[Sequence[Servicer]]:
    """The registry's servicers; starts whether or not PostgreSQL is up."""
    feed = Feed()

    async def end_watches() -> None:
        # A watch has no end of its own: left alone, each would use up the whole grace.
        await runtime.stopping.wait()
        feed.down()

    runtime.background("registry.end_watches", end_watches)
    async with contextlib.AsyncExitStack() as stack:
        store = await _open_store(settings, runtime, feed, stack)
        engines = Engines(settings.engine_addresses(), runtime.service_tokens)
        stack.push_async_callback(engines.aclose)
        pages = PageTokens(settings.service_token_secret.get_secret_value())
        databases = Databases(store, Vault(settings), engines, pages)
        yield [
            Servicer(
                "studio.registry.v1.RegistryService",
                registry_service_pb2_grpc.add_RegistryServiceServicer_to_server,
                RegistryHandler(databases),
            ),
            Servicer(
                "studio.registry.v1.ResolverService",
                resolver_service_pb2_grpc.add_ResolverServiceServicer_to_server,
                ResolverHandler(databases, store, feed),
            ),
        ]


async def _open_store(
    settings: Settings, runtime: Runtime[Settings], feed: Feed, stack: contextlib.AsyncExitStack
) -> Store:
    if settings.database_url is None:
        log.warning("registry.without_database", consequence="nothing is stored; set DATABASE_URL")
        feed.up()  # there is nothing to miss
        return Nothing()
    url = settings.database_url.get_secret_value()
    listen_url = settings.database_listen_url
    listener = Listener(listen_url.get_secret_value() if listen_url else url, feed)
    runtime.background("registry.listener", listener.run)
    pool = Pool(url, size=settings.database_pool_size, waiting=settings.database_pool_waiting)
    stack.push_async_callback(pool.aclose)
    await pool.open()
    return Postgres(pool)
