"""Puts the registry together: which part gets which."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING

from services.registry import environment
from services.registry.audit.reader import NoLog, Reader, StoredLog
from services.registry.audit.recorder import LoggedEvents, Recorder, StoredEvents
from services.registry.audit.retention import Retention
from services.registry.cache.lists import CachedLists, Lists, Uncached
from services.registry.credentials.feed import CredentialFeed
from services.registry.credentials.keys import ApiKeys
from services.registry.credentials.memory import MemoryCredentials
from services.registry.credentials.postgres import PostgresCredentials
from services.registry.credentials.sessions import Sessions
from services.registry.credentials.source import StoredCredentials
from services.registry.databases import Databases
from services.registry.engines import Engines
from services.registry.feed import Feed
from services.registry.flags import Flags
from services.registry.grants.visible import finder
from services.registry.handlers.access import AccessHandler
from services.registry.handlers.audit import AuditHandler
from services.registry.handlers.authorization import AuthorizationHandler
from services.registry.handlers.credentials import ApiKeyHandler, CredentialHandler, SessionHandler
from services.registry.handlers.documentation import DocumentationHandler
from services.registry.handlers.registry import RegistryHandler
from services.registry.handlers.resolver import ResolverHandler
from services.registry.health.checker import Checker
from services.registry.health.interest import Interest
from services.registry.health.reports import Reports
from services.registry.idempotency import Digests
from services.registry.listener import Listener
from services.registry.paging import PageTokens
from services.registry.pg_meta.connection import Dialling
from services.registry.settings import Settings
from services.registry.store import Store
from services.registry.store.environment import WithEnvironment
from services.registry.store.nothing import Nothing
from services.registry.store.pool import Pool, platform_name
from services.registry.store.remembering import Remembering
from services.registry.updates import Updates
from services.registry.vault import Vault
from services.runtime.addresses import AddressPolicy
from services.runtime.audit.shipper import shipping
from services.runtime.audit.spool import Batch
from services.runtime.logs import get_logger
from services.runtime.server import Runtime, Servicer
from studio.envoy.auth.v3 import external_auth_pb2_grpc
from studio.registry.v1 import (
    access_service_pb2_grpc,
    api_key_service_pb2_grpc,
    audit_service_pb2_grpc,
    credential_service_pb2_grpc,
    documentation_service_pb2_grpc,
    registry_service_pb2_grpc,
    resolver_service_pb2_grpc,
    session_service_pb2_grpc,
)
from studio.registry.v1.audit_pb2 import AuditEvent

if TYPE_CHECKING:
    from services.registry.pg_meta.postgres import Postgres

log = get_logger(__name__)


@contextlib.asynccontextmanager
async def open_app(settings: Settings, runtime: Runtime[Settings]) -> AsyncIterator[Sequence[Servicer]]:
    """The registry's servicers; starts whether or not PostgreSQL is up."""
    feed, ends = Feed(), CredentialFeed()

    async def end_watches() -> None:
        # A watch has no end of its own: left alone, each would use up the whole grace.
        await runtime.stopping.wait()
        feed.down()
        ends.down()

    runtime.background("registry.end_watches", end_watches)
    async with contextlib.AsyncExitStack() as stack:
        stored, pool = await _open_store(settings, runtime, feed, ends, stack)
        vault, flags = Vault(settings), Flags(settings.flags())
        pg_meta = _open_pg_meta(settings, vault, stack)
        others = {"postgres": pg_meta.diagnose} if pg_meta else {}
        engines = Engines(settings.engine_addresses(), runtime.service_tokens, others)
        stack.push_async_callback(engines.aclose)
        pages = PageTokens(settings.service_token_secret.get_secret_value())
        named = environment.read(settings.connection_variables(), on_railway=settings.on_railway())
        secret = settings.service_token_secret.get_secret_value()
        store = WithEnvironment(stored, named, vault, secret, feed.version)
        databases = Databases(store, vault, engines, pages, flags=flags, digests=Digests(secret))
        updates = Updates(databases, store, vault, flags)
        runtime.rights.use(finder(databases))
        _start_checks(settings, runtime, engines, vault)
        reader, recorder = _open_audit(settings, runtime, pool, pages)

        async def store_own(batch: Batch) -> int:
            events = [AuditEvent.FromString(each) for each in batch.events]
            return await recorder.record(str(batch.source), batch.first, events, service="registry")

        await stack.enter_async_context(shipping(runtime.audit, store_own, runtime.background))
        access = pg_meta.access(databases, runtime) if pg_meta else None
        yield [
            Servicer(
                "studio.registry.v1.RegistryService",
                registry_service_pb2_grpc.add_RegistryServiceServicer_to_server,
                RegistryHandler(
                    databases, updates, Reports(pool, store.own), on_railway=settings.on_railway()
                ),
            ),
            Servicer(
                "studio.registry.v1.AccessService",
                access_service_pb2_grpc.add_AccessServiceServicer_to_server,
                AccessHandler(store),
            ),
            Servicer(
                "studio.registry.v1.ResolverService",
                resolver_service_pb2_grpc.add_ResolverServiceServicer_to_server,
                ResolverHandler(databases, store, feed),
            ),
            Servicer(
                "studio.registry.v1.DocumentationService",
                documentation_service_pb2_grpc.add_DocumentationServiceServicer_to_server,
                DocumentationHandler(settings.documented_areas()),
            ),
            Servicer(
                "studio.registry.v1.AuditService",
                audit_service_pb2_grpc.add_AuditServiceServicer_to_server,
                AuditHandler(reader, recorder),
            ),
            Servicer(
                "envoy.service.auth.v3.Authorization",
                external_auth_pb2_grpc.add_AuthorizationServicer_to_server,
                AuthorizationHandler(access),
            ),
            *_credentials(runtime, pool, ends, pages),
        ]


def _credentials(
    runtime: Runtime[Settings], pool: Pool | None, ends: CredentialFeed, pages: PageTokens
) -> Sequence[Servicer]:
    """API keys and sessions; this process, too, learns from here what they are worth."""
    identity = runtime.identity
    store = PostgresCredentials(pool) if pool else MemoryCredentials()
    source = StoredCredentials(store, ends)
    runtime.know_credentials(source)
    opened = Sessions(identity.sessions, store, ends, identity.credentials)
    return (
        Servicer(
            "studio.registry.v1.ApiKeyService",
            api_key_service_pb2_grpc.add_ApiKeyServiceServicer_to_server,
            ApiKeyHandler(ApiKeys(store, ends, pages)),
        ),
        Servicer(
            "studio.registry.v1.SessionService",
            session_service_pb2_grpc.add_SessionServiceServicer_to_server,
            SessionHandler(opened),
        ),
        Servicer(
            "studio.registry.v1.CredentialService",
            credential_service_pb2_grpc.add_CredentialServiceServicer_to_server,
            CredentialHandler(source),
        ),
    )


def _open_pg_meta(settings: Settings, vault: Vault, stack: contextlib.AsyncExitStack) -> Postgres | None:
    if settings.pg_meta_url is None or settings.pg_meta_crypto_key is None:
        return None
    # Brings httpx along: 4 MB that a registry without pg-meta does not need.
    from services.registry.pg_meta.postgres import Postgres  # noqa: PLC0415

    policy = AddressPolicy(settings.outbound_deny, settings.outbound_allow)
    opened = Postgres(
        settings.pg_meta_url,
        settings.pg_meta_crypto_key.get_secret_value(),
        vault,
        Dialling(policy, allow_unix=settings.pg_meta_allow_unix_sockets),
    )
    stack.push_async_callback(opened.aclose)
    return opened


async def _open_store(
    settings: Settings,
    runtime: Runtime[Settings],
    feed: Feed,
    ends: CredentialFeed,
    stack: contextlib.AsyncExitStack,
) -> tuple[Store, Pool | None]:
    if settings.database_url is None:
        log.warning("registry.without_database", consequence="nothing is stored; set DATABASE_URL")
        feed.up()  # there is nothing to miss
        ends.up()
        return Nothing(), None
    url = settings.database_url.get_secret_value()
    listen_url = settings.database_listen_url
    listener = Listener(listen_url.get_secret_value() if listen_url else url, feed, ends)
    runtime.background("registry.listener", listener.run)
    lists = _open_cache(settings, url, feed, stack)
    pool = Pool(
        url,
        size=settings.database_pool_size,
        waiting=settings.database_pool_waiting,
        after_write=lists.changed,
    )
    stack.push_async_callback(pool.aclose)
    await pool.open()
    when = settings.health_schedule()
    interest = Interest(pool, when)
    if when.is_on:
        runtime.background("registry.interest", interest.run)
    store = Remembering(pool, lists, interest.note)
    feed.observe(store.heard)
    runtime.background("registry.remember", store.run)
    return store, pool


def _open_audit(
    settings: Settings, runtime: Runtime[Settings], pool: Pool | None, pages: PageTokens
) -> tuple[Reader, Recorder]:
    if pool is None:
        return NoLog(), LoggedEvents()
    keys = settings.chain_keys()
    runtime.background("registry.audit", Retention(pool, keys, settings.audit_retention_days).run)
    return StoredLog(pool, pages), StoredEvents(pool, keys)


def _start_checks(settings: Settings, runtime: Runtime[Settings], engines: Engines, vault: Vault) -> None:
    when, flags = settings.health_schedule(), settings.flags()
    url = settings.database_listen_url or settings.database_url
    if url is None or not when.is_on:
        return
    types = [type_ for type_ in settings.tested_types() if flags.get(type_, True)]
    checker = Checker(url.get_secret_value(), engines, types, vault, when)
    runtime.background("registry.health", checker.run)


def _open_cache(settings: Settings, database_url: str, feed: Feed, stack: contextlib.AsyncExitStack) -> Lists:
    url = settings.cache_url()
    if url is None:
        return Uncached()
    # Brings redis-py along: 6 MB that a registry without a cache does not need.
    from services.registry.cache.redis import CacheClient  # noqa: PLC0415

    try:
        client = CacheClient(url)
    except ValueError:
        # REDIS_URL names a connection of the users' in the first place, perhaps one through Sentinel.
        log.warning("registry.without_cache", consequence="REDIS_URL can't be used: set REGISTRY_CACHE_URL")
        return Uncached()
    secret = settings.service_token_secret.get_secret_value()
    cached = CachedLists(client, feed, secret=secret, platform=platform_name(database_url))
    stack.push_async_callback(cached.aclose)
    return cached
