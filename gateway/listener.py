"""The one listener: what of HTTP is accepted, how much, how slowly, and what is logged of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gateway import console, engines, filters, routes, tracing
from gateway.errors import local_replies
from gateway.names import CORS
from gateway.settings import GatewaySettings
from services.runtime.contract import Contract

Config = dict[str, Any]

MAX_HEADERS_KB = 96
"""Path and query included: a key of 64 KB, percent-encoded in part, still fits a GET."""
MAX_HEADERS = 100
HEADERS_TIMEOUT_S = 10
"""From the first byte of a request to the end of its headers."""
STREAM_IDLE_S = 60
"""Without a byte in either direction, before an answer and while it is read."""
CONNECTION_IDLE_S = 300
BUFFER_BYTES = 2**20
"""Of a connection, before it is told to wait."""

USER_AGENT_CHARACTERS = 200


def listener(contract: Contract, settings: GatewaySettings, descriptors: Path) -> Config:
    """Envoy's `Listener`."""
    host = settings.gateway_host
    address = {
        "address": host,
        "port_value": settings.gateway_port,
        # One socket for both families.
        **({"ipv4_compat": True} if host == "::" else {}),
    }
    manager = {
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": connection_manager(contract, settings, descriptors),
    }
    return {
        "name": "api",
        "address": {"socket_address": address},
        "filter_chains": [{"filters": [manager]}],
        "per_connection_buffer_limit_bytes": BUFFER_BYTES,
        # Each worker accepts on a socket of its own; the kernel spreads connections over them.
        "enable_reuse_port": True,
        # A client that vanished without a word.
        "tcp_keepalive": {"keepalive_probes": 3, "keepalive_time": 60, "keepalive_interval": 10},
    }


def connection_manager(contract: Contract, settings: GatewaySettings, descriptors: Path) -> Config:
    """Envoy's `HttpConnectionManager`."""
    host = routes.virtual_host(contract, settings, descriptors.parent)
    if settings.cors_allow_origins:
        host["typed_per_filter_config"] = {CORS: filters.cors_policy(settings)}
    return {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3"
        ".HttpConnectionManager",
        "stat_prefix": "api",
        # HTTP/2 without TLS by its preface, HTTP/1.1 otherwise.
        "codec_type": "AUTO",
        "route_config": {
            "name": "api",
            "virtual_hosts": [host],
            "max_direct_response_body_size_bytes": console.MAX_FILE_BYTES,
        },
        "http_filters": filters.http_filters(contract, settings, descriptors),
        "local_reply_config": local_replies(marked=settings.gateway_max_refused_per_address > 0),
        **_paths_and_headers(settings),
        **_timeouts(),
        **tracing.tracing(settings),
        "access_log": [_access_log(settings)],
    }


def _longest_s(settings: GatewaySettings) -> float:
    """`timeout` begins when a request has arrived, so this bounds its arriving."""
    return routes.REQUEST_TIMEOUT_S + settings.gateway_request_timeout_s + 2 * routes.DEADLINE_MARGIN_S


def _paths_and_headers(settings: GatewaySettings) -> Config:
    return {
        # `%2F` and `%5C`: what is one segment to Envoy could be two to a service.
        "path_with_escaped_slashes_action": "REJECT_REQUEST",
        # Not resolved: `routes` refuses `..` and `//`, so nothing that is left has two readings.
        "normalize_path": False,
        "merge_slashes": False,
        "max_request_headers_kb": MAX_HEADERS_KB,
        "common_http_protocol_options": {
            "idle_timeout": f"{CONNECTION_IDLE_S}s",
            "max_headers_count": MAX_HEADERS,
            # Of what has no bound of its own: the body, then the answer.
            "max_stream_duration": f"{_longest_s(settings):.3f}s",
            # `x_request_id` and `x-request-id` are one name to much software.
            "headers_with_underscores_action": "REJECT_REQUEST",
        },
        "http2_protocol_options": {
            "max_concurrent_streams": 256,
            "initial_stream_window_size": 2**20,
            "initial_connection_window_size": 4 * 2**20,
            # One bad request must not take the others on its connection along.
            "override_stream_error_on_invalid_http_message": True,
        },
        "http_protocol_options": {
            # Answer 400, then close: the client learns why. Without it HTTP/1 just loses the connection.
            "override_stream_error_on_invalid_http_message": False,
            # Of what is forwarded to an API. HTTP/2 has them anyway.
            "enable_trailers": engines.forwards(settings),
        },
        # The peer's address is the client's, or where proxies stand before us what the first of them has added to
        # `x-forwarded-for`; nothing a client says of itself there is believed.
        "use_remote_address": True,
        "xff_num_trusted_hops": settings.gateway_trusted_hops,
        "skip_xff_append": False,
        # Nobody is internal: else loopback and private peers may set `x-envoy-*` headers, retries among them.
        # An empty list means the default, which is all of those; this network is nobody's.
        "internal_address_config": {"cidr_ranges": [{"address_prefix": "255.255.255.255", "prefix_len": 32}]},
        "early_header_mutation_extensions": [_strip_headers(settings)],
        # An id of our own on each request, the same one in the log, at the services and in the answer.
        "generate_request_id": True,
        "preserve_external_request_id": False,
        "always_set_request_id_in_response": True,
        # Says nothing of what serves.
        "server_header_transformation": "PASS_THROUGH",
        "strip_trailing_host_dot": True,
    }


def _strip_headers(settings: GatewaySettings) -> Config:
    """Removes what only this system may say, before tracing and routing look at it."""
    prefixes = ("x-envoy-", "x-studio-")
    names = ("x-connection-encrypted", *tracing.ignored_headers(settings))
    removals: list[Config] = [
        {"remove_on_match": {"key_matcher": {"prefix": prefix, "ignore_case": True}}} for prefix in prefixes
    ]
    removals += [{"remove": name} for name in names]
    return {
        "name": "envoy.http.early_header_mutation.header_mutation",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.http.early_header_mutation.header_mutation.v3"
            ".HeaderMutation",
            "mutations": removals,
        },
    }


def _timeouts() -> Config:
    return {
        "request_headers_timeout": f"{HEADERS_TIMEOUT_S}s",
        # It would hold for all: uploads take as long as they take. `max_stream_duration` is what others have.
        "request_timeout": "0s",
        "stream_idle_timeout": f"{STREAM_IDLE_S}s",
        # While draining: how long after the first GOAWAY new requests on a connection are still taken.
        "drain_timeout": "2s",
        "delayed_close_timeout": "1s",
    }


def _access_log(settings: GatewaySettings) -> Config:
    """One JSON line a request on stdout; no query string and no header that may hold a secret."""
    return {
        "name": "envoy.access_loggers.stdout",
        # The health checks of an orchestrator would be most of the log.
        "filter": {"not_health_check_filter": {}},
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog",
            "log_format": {
                "json_format": {
                    "event": "gateway.request",
                    "timestamp": "%START_TIME(%Y-%m-%dT%H:%M:%S.%3fZ)%",
                    "request_id": "%RESP(X-REQUEST-ID)%",
                    "trace_id": tracing.logged_id(settings),
                    # As the client sent them, not as the transcoder made them.
                    "method": "%REQ(X-ENVOY-ORIGINAL-METHOD?:METHOD)%",
                    "path": "%PATH(NQ:ORIG_OR_PATH)%",
                    "protocol": "%PROTOCOL%",
                    "status": "%RESPONSE_CODE%",
                    "duration_ms": "%DURATION%",
                    "bytes_received": "%BYTES_RECEIVED%",
                    "bytes_sent": "%BYTES_SENT%",
                    "upstream": "%UPSTREAM_CLUSTER_RAW%",
                    "upstream_host": "%UPSTREAM_HOST%",
                    "flags": "%RESPONSE_FLAGS%",
                    "details": "%RESPONSE_CODE_DETAILS%",
                    "client": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
                    "user_agent": f"%REQ(USER-AGENT):{USER_AGENT_CHARACTERS}%",
                }
            },
        },
    }
