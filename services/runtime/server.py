"""Runs a service: settings, logs, the chain around its handlers, health, reflection, metrics, graceful stop."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import signal
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import grpc
import uvloop
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from services.runtime import logs, loop_lag, metrics, tracing
from services.runtime.audit.log import AuditLog
from services.runtime.auth.attempts import Attempts
from services.runtime.auth.credential_client import RegistryCredentials
from services.runtime.auth.credentials import Credentials, Source
from services.runtime.auth.identity import Identity
from services.runtime.auth.service_tokens import ServiceTokens
from services.runtime.auth.sessions import SessionTokens
from services.runtime.auth.tokens import TokenVerifier
from services.runtime.backoff import Backoff
from services.runtime.client_address import TrustedProxies
from services.runtime.confirmation import Confirmations
from services.runtime.contract import load_contract
from services.runtime.health_http import HealthServer
from services.runtime.interceptors.admit import Admit
from services.runtime.interceptors.audit import Audit
from services.runtime.interceptors.authenticate import Authenticate
from services.runtime.interceptors.authorize import Authorize
from services.runtime.interceptors.chain import Chain, Step
from services.runtime.interceptors.confirm import Confirm
from services.runtime.interceptors.limit import Limit
from services.runtime.interceptors.observe import Observe
from services.runtime.interceptors.recover import Recover
from services.runtime.interceptors.request_id import RequestId
from services.runtime.interceptors.trace import Trace
from services.runtime.interceptors.validate import Validate
from services.runtime.limits import CallerLimits
from services.runtime.rights import Rights
from services.runtime.settings import EngineSettings, ServiceSettings, load
from services.runtime.tasks import cancelled
from services.runtime.tls.credentials import server_credentials
from services.runtime.tls.files import CertificateFiles
from services.runtime.version import VERSION

if TYPE_CHECKING:
    from services.runtime.auth.jwks import Jwks

SettingsT = TypeVar("SettingsT", bound=ServiceSettings)

MAX_REQUEST_BYTES = 32 << 20
MAX_RESPONSE_BYTES = 64 << 20
MAX_METADATA_BYTES = 128 << 10
"""Headers of one call. The gateway takes 96 KiB and passes the path and query on among them; gRPC's own 8 KiB would
answer RESOURCE_EXHAUSTED, as if it passed by itself, to a key that stays too long."""
STREAM_WINDOW_BYTES = 1 << 20
"""Bytes of a stream of requests that may be on the way before the handler has asked for them.

gRPC's own guess grows to tens of megabytes for each stream on a fast network: an upload of 300 MB made a service grow
by 60 to 139 MB, and by 39 with this, at the same speed.
"""
OPEN_RPCS = 256
"""Calls of health and reflection beside `max_concurrent_rpcs`, which holds for the contract's."""
STEADY_S = 60.0
"""A background task that ran so long before it failed is started again at once, as after a first failure."""

log = logs.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Servicer:
    """One gRPC service and what answers it."""

    service: str
    """Full name: `studio.redis.v1.RedisService`."""
    add: Callable[[Any, grpc.aio.Server], None]
    """The generated `add_…Servicer_to_server`."""
    handler: object
    """The servicer."""


@dataclass
class Runtime(Generic[SettingsT]):
    """What a service gets from here."""

    settings: SettingsT
    service_tokens: ServiceTokens
    identity: Identity
    """Knows callers: for what a service serves beside gRPC."""
    audit: AuditLog
    """The record of who did what."""
    limits: CallerLimits
    """How much one caller may have, of all that the service serves."""
    rights: Rights = field(default_factory=Rights)
    """Finds databases for the steps: a service whose rpcs are about databases says how when it opens."""
    tls: CertificateFiles | None = None
    """What this service shows to others of this system, and whom it lets in; None for plain connections."""
    leaving: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the service is told to stop: it says that it is not to be chosen any more, and still takes calls."""
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the service stops: a stream without an end of its own ends then, others have `shutdown_grace_s`."""
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def background(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        """Runs something for ever: when it fails that is logged and counted, and it is started again."""
        self._tasks.append(asyncio.create_task(_supervise(name, run), name=name))

    def know_credentials(self, source: Source) -> None:
        """Says where API keys are known, and what has been revoked; listens there from now on."""
        credentials = self.identity.credentials
        credentials.use(source)
        self.background("credentials.watch", credentials.watch)
        self.background("credentials.note_uses", credentials.note_uses)

    async def stop_background(self) -> None:
        """Cancels what `background` started and waits for it."""
        await cancelled(*self._tasks)


OpenApp = Callable[[SettingsT, Runtime[SettingsT]], AbstractAsyncContextManager[Sequence[Servicer]]]
"""Builds a service's parts and yields its servicers; closes what it opened."""


def run(name: str, settings_class: type[SettingsT], open_app: OpenApp[SettingsT]) -> None:
    """Runs a service until SIGTERM or SIGINT.

    Raises:
        SystemExit: the settings are wrong or an address is taken; with a sentence. Or whatever else ended the service;
            the log has it.
    """
    settings = load(settings_class)
    logs.configure(name, settings.log_level)
    try:
        uvloop.run(_run_until_signal(name, settings, open_app))
    except Exception:
        # Python would print it to standard error, a connection string in it as it is.
        log.exception("service.failed")
        sys.exit(1)


async def _at_once() -> None:
    """Waits for nobody to notice."""


async def serve(
    name: str,
    settings: SettingsT,
    open_app: OpenApp[SettingsT],
    *,
    stop: asyncio.Event,
    started: asyncio.Future[int] | None = None,
    notice: Callable[[], Awaitable[None]] = _at_once,
) -> None:
    """Runs a service until `stop` is set.

    Args:
        name: name of the service, in logs and tokens.
        settings: its settings; port 0 in an address picks a free one.
        open_app: builds it.
        stop: ends it: not serving, finish what runs, close.
        started: gets the gRPC port once calls are taken.
        notice: waits between saying that it does not serve and the end of serving, for callers to notice.

    Raises:
        SystemExit: an address can't be bound; with a sentence.
    """
    healthy = health.aio.HealthServicer()
    ready = threading.Event()
    tls = settings.service_tls()
    _describe(name, tls)
    audit = AuditLog.open(name, settings)
    try:
        probes = _bind_probes(settings, ready)
    except BaseException:
        audit.close()
        raise
    try:
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(tracing.tracing(name, settings))
            identity = await stack.enter_async_context(_identity(settings))
            tokens = ServiceTokens(name, settings.service_token_secret, tls)
            limits = CallerLimits(settings.rates(), settings.max_streams_per_caller)
            runtime = Runtime(settings, tokens, identity, audit, limits, tls=tls)
            runtime.background("loop.lag", loop_lag.watch)
            if isinstance(settings, EngineSettings):
                registry = RegistryCredentials(settings.registry_target, tokens)
                stack.push_async_callback(registry.aclose)
                runtime.know_credentials(registry)
            servicers = await stack.enter_async_context(_open(open_app, settings, runtime))
            _check_rights(runtime.rights, servicers)
            chain = steps(settings, identity, audit, limits, runtime.rights)
            server = _build(settings, chain, servicers, healthy)
            try:
                port = _bind(server, settings.grpc_address, tls)
                await server.start()
                await _set_serving(healthy, servicers)
                ready.set()
                log.info("service.started", grpc_port=port, http_port=probes.port)
                if started is not None:
                    started.set_result(port)
                await stop.wait()
                await _leave(runtime, healthy, ready)
                await notice()
            finally:
                # Also when this task is cancelled: what listens must not outlive what it answers with.
                await _leave(runtime, healthy, ready)
                runtime.stopping.set()
                log.info("service.stopping", grace_s=settings.shutdown_grace_s)
                await server.stop(settings.shutdown_grace_s)
    finally:
        probes.close()
        audit.close()
        log.info("service.stopped")


async def _leave(
    runtime: Runtime[SettingsT], healthy: health.aio.HealthServicer, ready: threading.Event
) -> None:
    """Says everywhere that this process is not to be chosen any more. Idempotent."""
    if runtime.leaving.is_set():
        return
    ready.clear()
    runtime.leaving.set()
    await healthy.enter_graceful_shutdown()
    log.info("service.leaving")


def steps(
    settings: ServiceSettings,
    identity: Identity,
    audit: AuditLog,
    limits: CallerLimits,
    rights: Rights,
) -> list[Step]:
    """The steps around every handler, outermost first: the order of the design, asserted by a test."""
    return [
        Recover(),
        RequestId(TrustedProxies(settings.trusted_proxies)),
        *([Trace(tracing.tracer)] if tracing.tracer is not None else []),
        Observe(),
        Admit(settings.max_concurrent_rpcs),
        Authenticate(identity),
        Limit(limits),
        Audit(audit),
        Authorize(rights),
        Validate(),
        Confirm(Confirmations(settings.service_token_secret.get_secret_value()), rights),
    ]


def identity_of(settings: ServiceSettings, keys: Jwks | None = None) -> Identity:
    """What knows the callers of a service with these settings."""
    return Identity(
        TokenVerifier(
            jwt_secret=settings.jwt_secret, keys=keys, service_secret=settings.service_token_secret
        ),
        Credentials(offline_s=settings.credentials_offline_s),
        SessionTokens(settings.service_token_secret),
        Attempts(settings.auth_failures_max),
    )


@contextlib.asynccontextmanager
async def _identity(settings: ServiceSettings) -> AsyncIterator[Identity]:
    keys = None
    if settings.jwt_jwks_url:
        # Brings httpx along: 4 MB that a service without a JWKS does not need.
        from services.runtime.auth import jwks  # noqa: PLC0415

        keys = jwks.Jwks(settings.jwt_jwks_url)
    identity = identity_of(settings, keys)
    try:
        yield identity
    finally:
        await identity.credentials.aclose()
        if keys is not None:
            await keys.aclose()


@contextlib.asynccontextmanager
async def _open(
    open_app: OpenApp[SettingsT], settings: SettingsT, runtime: Runtime[SettingsT]
) -> AsyncIterator[Sequence[Servicer]]:
    try:
        async with open_app(settings, runtime) as servicers:
            try:
                yield servicers
            finally:
                await runtime.stop_background()
    finally:
        await runtime.stop_background()  # where `open_app` started some and failed


def _build(
    settings: ServiceSettings,
    chain: Sequence[Step],
    servicers: Sequence[Servicer],
    healthy: health.aio.HealthServicer,
) -> grpc.aio.Server:
    server = grpc.aio.server(
        interceptors=[Chain(load_contract(), chain)],
        maximum_concurrent_rpcs=settings.max_concurrent_rpcs + OPEN_RPCS,
        options=(
            ("grpc.max_receive_message_length", MAX_REQUEST_BYTES),
            ("grpc.max_send_message_length", MAX_RESPONSE_BYTES),
            ("grpc.max_metadata_size", MAX_METADATA_BYTES),
            ("grpc.absolute_max_metadata_size", MAX_METADATA_BYTES),
            ("grpc.http2.bdp_probe", 0),
            ("grpc.http2.lookahead_bytes", STREAM_WINDOW_BYTES),
            # Two processes on one port would share connections, not calls; a port that is taken must fail.
            ("grpc.so_reuseport", 0),
            # Callers that ping more often than their keepalive of 20 s are cut off.
            ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
            ("grpc.keepalive_permit_without_calls", 1),
        ),
    )
    for servicer in servicers:
        servicer.add(servicer.handler, server)
    health_pb2_grpc.add_HealthServicer_to_server(healthy, server)
    names = (*(servicer.service for servicer in servicers), health.SERVICE_NAME, reflection.SERVICE_NAME)
    reflection.enable_server_reflection(names, server)
    return server


def _check_rights(rights: Rights, servicers: Sequence[Servicer]) -> None:
    """At the start, not at the first call: calls about databases need somebody who finds them."""
    served = {servicer.service for servicer in servicers}
    about = [
        each for each in load_contract().methods.values() if each.service in served and each.database_field
    ]
    if about and not rights.is_used:
        raise RuntimeError(
            f"{about[0].path} is about a database, and this service can't find one: Rights.use"
        )


def _bind(server: grpc.aio.Server, address: str, tls: CertificateFiles | None) -> int:
    try:
        if tls is None:
            return server.add_insecure_port(address)
        return server.add_secure_port(address, server_credentials(tls))
    except RuntimeError:
        raise SystemExit(
            f"configuration: GRPC_ADDRESS {address} can't be bound: taken, or not of this host"
        ) from None


def _bind_probes(settings: ServiceSettings, ready: threading.Event) -> HealthServer:
    try:
        return HealthServer(settings.http_address, ready.is_set)
    except OSError as error:
        raise SystemExit(
            f"configuration: HTTP_ADDRESS {settings.http_address} can't be bound: {error.strerror}"
        ) from None


def _describe(name: str, tls: CertificateFiles | None) -> None:
    metrics.BUILD.labels(name, VERSION).set(1)
    if tls is not None:
        metrics.TLS_EXPIRES.set_function(functools.partial(_expiry, tls))


def _expiry(tls: CertificateFiles) -> float:
    return tls.current().expires_at.timestamp()


async def _set_serving(
    healthy: health.aio.HealthServicer,
    servicers: Sequence[Servicer],
) -> None:
    for name in ("", *(servicer.service for servicer in servicers)):
        await healthy.set(name, health_pb2.HealthCheckResponse.SERVING)


async def _run_until_signal(name: str, settings: SettingsT, open_app: OpenApp[SettingsT]) -> None:
    stop, at_once = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def terminate() -> None:
        # A second one doesn't want to wait.
        (at_once if stop.is_set() else stop).set()

    def interrupt() -> None:
        # Somebody sits at a terminal.
        at_once.set()
        stop.set()

    async def notice() -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(settings.shutdown_notice_s):
                await at_once.wait()

    loop.add_signal_handler(signal.SIGTERM, terminate)
    loop.add_signal_handler(signal.SIGINT, interrupt)
    await serve(name, settings, open_app, stop=stop, notice=notice)


async def _supervise(name: str, run: Callable[[], Awaitable[None]]) -> None:
    backoff = Backoff()
    loop = asyncio.get_running_loop()
    while True:
        started = loop.time()
        try:
            await run()
        except Exception:
            if loop.time() - started > STEADY_S:
                backoff.reset()
            metrics.BACKGROUND_FAILURES.labels(name).inc()
            wait_s = backoff.next_s()
            log.exception("background.failed", task=name, retry_in_s=round(wait_s, 2))
            await asyncio.sleep(wait_s)
        else:
            return
