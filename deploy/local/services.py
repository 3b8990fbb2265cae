"""The project's own processes: how each is started, and with which of the secrets.

To add one: write its `Service` and list it in `SERVICES`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from deploy.local import tls
from deploy.local.environment import inherited
from deploy.local.options import LOOPBACK, ROOT
from deploy.local.program import Program
from deploy.local.readiness import grpc_serving, http_ok
from deploy.local.state import State

SERVICES_STAGE = 1
GATEWAY_STAGE = 2
MAX_SOCKET_DIR = 80
CRYPTO_DEFAULT = "MULTI_DB_CRYPTO_KEY"
ALONE = {"SHUTDOWN_NOTICE_S": "0"}
"""Nobody takes over from a process here: waiting for others to notice that it stops would only take time."""
CONSOLE = ROOT / "console" / "dist"
"""Where `make console` builds the web pages."""


@dataclass(frozen=True, kw_only=True)
class Context:
    """What the environments of the processes are made of."""

    state: State
    database_url: str
    jwt_secret: str
    gateway_host: str
    gateway_port: int
    pg_meta_url: str
    pg_meta_crypto_key: str
    """What pg-meta opens the connections of callers with."""
    environment: Mapping[str, str]
    """Of the user who called: tuning, and secrets that shall replace the generated ones."""


@dataclass(frozen=True, kw_only=True)
class Service:
    """One of our services: `python -m services.<name>`."""

    name: str
    address_variable: str
    """By which the others find it."""
    crypto_keys: tuple[str, ...]
    """The engines (`REDIS`, …) whose connection strings it opens or seals."""
    own_variables: Callable[[Context], Mapping[str, str]] = lambda _: {}
    """Variables that only this service gets."""


# What the user's environment may name for the registry. REDIS_URL and MONGODB_URL are not among them: here they replace
# the embedded engines and are registered. The cache is the user's choice: without one, nothing of the registry lies in
# the Redis that users look at.
REGISTRY_VARIABLES = (
    "REGISTRY_CACHE_URL",
    "REDIS_PUBLIC_URL",
    "MONGODB_PUBLIC_URL",
    "BUN_API_URL",
    "BUN_API_PUBLIC_URL",
    "BUN_API_KEY",
)


def _registry_variables(context: Context) -> dict[str, str]:
    given = {name: value for name in REGISTRY_VARIABLES if (value := context.environment.get(name))}
    return {"DATABASE_URL": context.database_url, **given, **_pg_meta(context)}


def _pg_meta(context: Context) -> dict[str, str]:
    """What the registry needs to lead pg-meta to databases."""
    return {"PG_META_URL": context.pg_meta_url, "PG_META_CRYPTO_KEY": context.pg_meta_crypto_key}


SERVICES = (
    Service(
        name="registry",
        address_variable="REGISTRY_ADDRESS",
        crypto_keys=("REDIS", "MONGODB", "BUN"),
        own_variables=_registry_variables,
    ),
    Service(name="redis_svc", address_variable="REDIS_SVC_ADDRESS", crypto_keys=("REDIS",)),
    Service(name="mongo_svc", address_variable="MONGO_SVC_ADDRESS", crypto_keys=("MONGODB",)),
    Service(
        name="bun_proxy",
        address_variable="BUN_PROXY_ADDRESS",
        crypto_keys=("BUN",),
        own_variables=lambda context: {"PROXY_ADDRESS": _forwarding(context.state)},
    ),
)


def addresses(state: State) -> dict[str, str]:
    """The gRPC address of each service, by the service's name."""
    return {service.name: f"{LOOPBACK}:{state.port(service.name)}" for service in SERVICES}


def _forwarding(state: State) -> str:
    """Where bun_proxy takes the requests that it forwards."""
    return f"{LOOPBACK}:{state.port('bun_proxy_forwarding')}"


def programs(context: Context) -> list[Program]:
    """The services and the gateway, in the order in which they start."""
    return [*(_service(service, context) for service in SERVICES), _gateway(context)]


def migrate_environment(context: Context) -> dict[str, str]:
    """The environment of `python -m services.registry migrate`."""
    return _service_environment(SERVICES[0], context)


def _service(service: Service, context: Context) -> Program:
    return Program(
        name=service.name,
        argv=(sys.executable, "-m", f"services.{service.name}"),
        env=_service_environment(service, context),
        cwd=ROOT,
        ready=grpc_serving(
            addresses(context.state)[service.name], partial(tls.probe_credentials, context.environment)
        ),
        stage=SERVICES_STAGE,
    )


def _service_environment(service: Service, context: Context) -> dict[str, str]:
    return {
        **ALONE,
        **inherited(context.environment),
        **_service_addresses(context.state),
        "GRPC_ADDRESS": addresses(context.state)[service.name],
        "HTTP_ADDRESS": f"{LOOPBACK}:{context.state.port(f'{service.name}_http')}",
        "AUDIT_SPOOL_DIR": str(context.state.path / "spool" / service.name),
        **_user_keys(context),
        "SERVICE_TOKEN_SECRET": _service_token_secret(context),
        **tls.given(context.environment, tls.SERVICES),
        **_trace_headers(context),
        **_crypto_keys(service, context),
        **service.own_variables(context),
    }


def _service_token_secret(context: Context) -> str:
    return context.environment.get("SERVICE_TOKEN_SECRET") or context.state.secret("SERVICE_TOKEN_SECRET")


def _gateway(context: Context) -> Program:
    state_dir = context.state.path / "gateway"
    return Program(
        name="gateway",
        argv=(sys.executable, "-m", "gateway"),
        env={
            **ALONE,
            **inherited(context.environment),
            **_service_addresses(context.state),
            **_user_keys(context),
            **_trace_headers(context),
            **tls.given(context.environment, tls.SERVICES + tls.GATEWAY),
            "GATEWAY_HOST": context.gateway_host,
            "GATEWAY_PORT": str(context.gateway_port),
            "GATEWAY_METRICS_ADDRESS": f"{LOOPBACK}:{context.state.port('gateway_metrics')}",
            "BUN_PROXY_HTTP_ADDRESS": _forwarding(context.state),
            "PG_META_URL": context.pg_meta_url,
            # By which the registry knows it, to decide about requests to pg-meta.
            "SERVICE_TOKEN_SECRET": _service_token_secret(context),
            **({"CONSOLE_DIR": str(CONSOLE)} if CONSOLE.is_dir() else {}),
            # Envoy's admin interface is a socket in there; where the path is too long, it finds a place itself.
            **({"GATEWAY_STATE_DIR": str(state_dir)} if len(bytes(state_dir)) < MAX_SOCKET_DIR else {}),
        },
        cwd=ROOT,
        ready=http_ok(
            f"{url(context.gateway_host, context.gateway_port, context.environment)}/healthz",
            partial(tls.client_context, context.environment),
        ),
        stage=GATEWAY_STAGE,
    )


def url(host: str, port: int, environment: Mapping[str, str]) -> str:
    """The gateway's URL for a caller on this machine."""
    scheme = "https" if tls.given(environment, tls.GATEWAY) else "http"
    reachable = {"0.0.0.0": LOOPBACK, "::": LOOPBACK}.get(host, host)  # noqa: S104  told apart, not bound
    return f"{scheme}://[{reachable}]:{port}" if ":" in reachable else f"{scheme}://{reachable}:{port}"


def _service_addresses(state: State) -> dict[str, str]:
    return {service.address_variable: addresses(state)[service.name] for service in SERVICES}


def _trace_headers(context: Context) -> dict[str, str]:
    """What a collector of traces wants to see: for our own processes alone."""
    name = "OTEL_EXPORTER_OTLP_HEADERS"
    return {name: context.environment[name]} if context.environment.get(name) else {}


def _user_keys(context: Context) -> dict[str, str]:
    """What verifies the tokens of users."""
    keys = {"JWT_SECRET": context.jwt_secret}
    if jwks := context.environment.get("JWT_JWKS_URL"):
        keys["JWT_JWKS_URL"] = jwks
    return keys


def _crypto_keys(service: Service, context: Context) -> dict[str, str]:
    """The keys of connection strings that `service` may have: the user's, else the generated default."""
    names = [f"{engine}_CRYPTO_KEY" for engine in service.crypto_keys]
    names += [CRYPTO_DEFAULT, "PG_META_CRYPTO_KEY"]
    names += [name.replace("_CRYPTO_KEY", "_CRYPTO_KEYS_RETIRED") for name in names]
    given = {name: value for name in names if (value := context.environment.get(name))}
    return {CRYPTO_DEFAULT: context.state.secret(CRYPTO_DEFAULT), **given}
