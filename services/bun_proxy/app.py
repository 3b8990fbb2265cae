"""Puts the Bun API service together: resolver of connections, pool of clients, data plane, handlers."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Sequence

from services.bun_proxy.client import ApiClient
from services.bun_proxy.discovery.catalogue import Catalogue
from services.bun_proxy.forward.calls import CallLog
from services.bun_proxy.forward.plane import Plane
from services.bun_proxy.forward.server import Server
from services.bun_proxy.handlers.servicers import servicers
from services.bun_proxy.options import limits_of, parse
from services.bun_proxy.probe.diagnose import diagnose
from services.bun_proxy.settings import TYPE, Settings
from services.runtime import engine, tracing
from services.runtime.client_address import TrustedProxies
from services.runtime.confirmation import Confirmations
from services.runtime.databases import Databases
from services.runtime.diagnosis import engine_service
from services.runtime.interceptors.admit import Admit
from services.runtime.interceptors.audit import Audit
from services.runtime.interceptors.authenticate import Authenticate
from services.runtime.interceptors.authorize import Authorize
from services.runtime.interceptors.chain import Step
from services.runtime.interceptors.limit import Limit
from services.runtime.interceptors.observe import Observe
from services.runtime.interceptors.request_id import RequestId
from services.runtime.interceptors.trace import Trace
from services.runtime.logs import get_logger
from services.runtime.pool import ClientPool
from services.runtime.resolver import Connection
from services.runtime.server import Runtime, Servicer

log = get_logger(__name__)


@contextlib.asynccontextmanager
async def open_app(settings: Settings, runtime: Runtime[Settings]) -> AsyncIterator[Sequence[Servicer]]:
    """Builds the service and yields what it serves; closes every connection at the end."""
    policy, limits = settings.address_policy(), settings.limits()
    calls = CallLog(limits.apis_remembered, limits.calls_kept)

    async def create(connection: Connection) -> ApiClient:
        options = parse(connection.connection_string.get_secret_value(), connection.config)
        bounds = limits_of(connection.config, limits)
        return ApiClient(connection.id, options, policy, bounds, calls)

    pool = ClientPool[Connection, ApiClient](
        name=TYPE,
        create=create,
        close=ApiClient.aclose,
        on_discard=ApiClient.retire,
        max_clients=settings.max_clients,
        idle_timeout_s=settings.client_idle_timeout_s,
    )

    def gone(database_id: str) -> None:
        catalogue.discard(database_id)

    test = functools.partial(diagnose, policy=policy, limits=limits)
    async with engine.connections(runtime, pool, on_gone=gone) as resolver:
        databases = Databases(resolver, pool)
        catalogue = Catalogue(databases)
        async with _data_plane(settings, runtime, databases):
            yield (
                *servicers(databases, catalogue, calls),
                engine_service(settings.keys(), TYPE, test),
            )


@contextlib.asynccontextmanager
async def _data_plane(
    settings: Settings, runtime: Runtime[Settings], databases: Databases[ApiClient]
) -> AsyncIterator[None]:
    """Forwards requests until the service stops; what runs then has the service's grace."""
    steps: list[Step] = [
        RequestId(TrustedProxies(settings.trusted_proxies)),
        *([Trace(tracing.tracer)] if tracing.tracer is not None else []),
        Observe(),
        Admit(settings.bun_max_requests),
        Authenticate(runtime.identity),
        Limit(runtime.limits),
        Audit(runtime.audit),
        Authorize(runtime.rights),
    ]
    confirmations = Confirmations(settings.service_token_secret.get_secret_value())
    server = Server(
        Plane(databases, steps, confirmations, runtime.leaving).handle, settings.limits(), runtime.tls
    )
    try:
        port = await server.start(settings.proxy_address)
    except OSError as error:
        raise SystemExit(
            f"configuration: PROXY_ADDRESS {settings.proxy_address} can't be bound: {error.strerror}"
        ) from None
    log.info("proxy.started", port=port)
    draining = asyncio.create_task(_drain(server, runtime), name="proxy drain")
    try:
        yield
    finally:
        draining.cancel()
        await server.aclose(settings.shutdown_grace_s)


async def _drain(server: Server, runtime: Runtime[Settings]) -> None:
    """Stops taking requests together with gRPC."""
    await runtime.stopping.wait()
    server.drain()
