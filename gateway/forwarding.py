"""Requests that bun_proxy forwards to users' APIs: plain HTTP from end to end, since no rpc could keep its form.

Envoy adds what it adds everywhere (token, CORS, request id, limits of headers) and touches nothing else: bodies pass as
they come, of any size, trailers included; no answer is transcoded, reshaped or compressed.
"""

from __future__ import annotations

from collections.abc import Iterator

from gateway import clusters, engines
from gateway.errors import METADATA, Config
from gateway.filters import cors_policy, without_reshaping
from gateway.names import COMPRESSOR, CORS, DISABLED, LUA, TRANSCODER
from gateway.retries import retries
from gateway.settings import GatewaySettings

PATHS = r"/api/platform/bun/[^/]+/proxy(?:/.*)?"
SAFE_METHODS = "GET|HEAD|OPTIONS"

IDLE_S = 310
"""Without a byte in either direction: a little longer than a connection's config may allow an API, so that bun_proxy
says what happened."""
CONNECTION_IDLE_S = 60
"""bun_proxy keeps an unused connection longer: a request never meets one that is just being closed."""
MAX_HEADERS = 160
"""Of an answer: bun_proxy passes fewer."""
MAX_HEADERS_KB = 96

_CORS_OF_API = (
    "access-control-allow-credentials",
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-allow-origin",
    "access-control-allow-private-network",
    "access-control-expose-headers",
    "access-control-max-age",
)


def cluster(settings: GatewaySettings) -> Config:
    """bun_proxy's port for plain HTTP."""
    most = settings.gateway_max_requests_per_service
    return {
        **clusters.common(engines.FORWARDING, settings.bun_proxy_http_address, settings.service_dns_server),
        "typed_extension_protocol_options": {clusters.HTTP_OPTIONS: _http1()},
        "health_checks": [clusters.health_check({"http_health_check": {"path": "/healthz"}})],
        # A request has a connection of its own.
        "circuit_breakers": {
            "thresholds": [
                {
                    "max_connections": most,
                    "max_pending_requests": most,
                    "max_requests": most,
                    **clusters.retry_budget(),
                }
            ]
        },
        **clusters.watched(),
    }


def preflights(settings: GatewaySettings) -> Config:
    """What the match of a preflight's route needs so that pages may send any header to an API."""
    return {CORS: _cors(settings)}


def routes(settings: GatewaySettings) -> Iterator[Config]:
    """The routes: one for methods that are safe to repeat, one for all others."""
    safe = {"name": ":method", "string_match": {"safe_regex": {"regex": SAFE_METHODS}}}
    repeated = retries("connect-failure,reset-before-request")
    yield _route({**_match(), "headers": [safe]}, settings, {"retry_policy": repeated})
    yield _route(_match(), settings, {})


def _match() -> Config:
    return {"safe_regex": {"regex": PATHS}}


def _route(match: Config, settings: GatewaySettings, action: Config) -> Config:
    config: Config = {TRANSCODER: DISABLED, LUA: without_reshaping(settings), COMPRESSOR: DISABLED}
    if settings.cors_allow_origins:
        config[CORS] = _cors(settings)
    return {
        "match": match,
        # Also where the path has no id: Envoy's own answers name the service.
        "metadata": {"filter_metadata": {METADATA: {"service": engines.BY_NAME["bun"].service}}},
        "typed_per_filter_config": config,
        "route": {
            "cluster": engines.FORWARDING,
            # However long a body takes: only silence ends it.
            "timeout": "0s",
            "max_stream_duration": {"max_stream_duration": "0s"},
            "idle_timeout": f"{IDLE_S}s",
            **action,
        },
        # Which pages may read an answer at this origin is not the API's to say; the CORS filter says it after this.
        "response_headers_to_remove": list(_CORS_OF_API),
    }


def _cors(settings: GatewaySettings) -> Config:
    # `*` does not mean `authorization`: https://fetch.spec.whatwg.org/#cors-non-wildcard-request-header-name
    return {**cors_policy(settings), "allow_headers": "authorization, *", "expose_headers": "*"}


def _http1() -> Config:
    return {
        "@type": f"type.googleapis.com/{clusters.HTTP_OPTIONS}",
        "common_http_protocol_options": {
            "idle_timeout": f"{CONNECTION_IDLE_S}s",
            "max_headers_count": MAX_HEADERS,
            "max_response_headers_kb": MAX_HEADERS_KB,
        },
        "explicit_http_config": {"http_protocol_options": {"enable_trailers": True}},
    }
