"""Envoy's statistics for Prometheus: a listener of their own that leads to nothing else of the admin interface.

Whoever reaches the admin interface can stop Envoy and read its configuration with the secrets in it, so it stays a
socket of this user's. `GATEWAY_METRICS_ADDRESS` answers `GET /metrics`, as the services do, and 404 to whatever else is
asked. Which statistics there are is bounded: each of the names below exists once, or once a cluster, and clusters are
as many as services.
"""

from __future__ import annotations

from gateway.clusters import CONNECT_TIMEOUT_S, HTTP_OPTIONS
from gateway.errors import Config
from gateway.settings import GatewaySettings

CLUSTER = "admin"
ADMIN_PATH = "/stats/prometheus"
PATH = "/metrics"
TIMEOUT_S = 5
MAX_REQUESTS = 16
"""Scrapes at a time; one more is refused."""

KEPT = (
    r"http\.api\.downstream_(rq_total|rq_active|rq_[1-5]xx|rq_time|rq_timeout|rq_too_large|rq_overload_close)",
    r"http\.api\.downstream_cx_(total|active|destroy_remote_active_rq|idle_timeout|protocol_error)",
    r"http\.api\.downstream_cx_(rx|tx)_bytes_total",
    r"http\.api\.(no_route|rq_total)",
    r"http\.api\.jwt_authn\.(allowed|denied)",
    r"http\.api\.ext_authz\.(ok|denied|error)",
    r"http_local_rate_limit\..*|.*\.http_local_rate_limit\.(enabled|ok|rate_limited|enforced)",
    r"cluster\.[a-z_]+\.upstream_rq_(total|active|pending_active|pending_overflow|[1-5]xx|time|timeout)",
    r"cluster\.[a-z_]+\.upstream_rq_(retry|retry_success|retry_overflow|rx_reset|tx_reset)",
    r"cluster\.[a-z_]+\.upstream_cx_(total|active|connect_fail|connect_timeout|overflow)",
    r"cluster\.[a-z_]+\.upstream_cx_(rx|tx)_bytes_total",
    r"cluster\.[a-z_]+\.membership_(healthy|degraded|excluded|total|change)",
    r"cluster\.[a-z_]+\.(health_check\.(attempt|failure|success)|lb_healthy_panic)",
    r"cluster\.[a-z_]+\.outlier_detection\.(ejections_active|ejections_enforced_total)",
    r"cluster\.[a-z_]+\.circuit_breakers\.default\.(cx_open|rq_open|rq_pending_open|rq_retry_open)",
    r"cluster\.[a-z_]+\.update_(attempt|failure|success)",
    r"listener\.[^.]+\.downstream_cx_(overload_reject|overflow)|listener\.[^.]+\.ssl\.(handshake|connection_error)",
    r"listener_manager\.total_listeners_(active|draining)",
    r"overload\.envoy\..*",
    r"server\.(live|state|uptime|concurrency|memory_allocated|memory_heap_size|memory_physical_size)",
    r"server\.(total_connections|version|days_until_first_cert_expiring|worker_watchdog_(miss|mega_miss))",
    r"tracing\..*",
)
"""Statistics that are kept, by their names within Envoy; others are not even counted.

https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/stats and its neighbours describe them.
"""


def kept() -> Config:
    """Envoy's `StatsConfig`."""
    patterns = [{"safe_regex": {"regex": pattern}} for pattern in KEPT]
    return {"stats_matcher": {"inclusion_list": {"patterns": patterns}}}


def listener(settings: GatewaySettings) -> Config | None:
    """The listener; None where no address is set."""
    address = settings.gateway_metrics_address
    if address is None:
        return None
    manager = {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3"
        ".HttpConnectionManager",
        # Not counted itself: `KEPT` names the API's alone.
        "stat_prefix": "metrics",
        "codec_type": "HTTP1",
        "route_config": {"name": "metrics", "virtual_hosts": [_host()]},
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
                },
            }
        ],
        "common_http_protocol_options": {
            "idle_timeout": "60s",
            "headers_with_underscores_action": "REJECT_REQUEST",
        },
        "request_headers_timeout": f"{TIMEOUT_S}s",
        "request_timeout": f"{TIMEOUT_S}s",
        "stream_idle_timeout": f"{TIMEOUT_S}s",
        "max_request_headers_kb": 8,
        "generate_request_id": False,
    }
    return {
        "name": "metrics",
        "address": {
            "socket_address": {
                "address": address.host,
                "port_value": address.port,
                **({"ipv4_compat": True} if address.host == "::" else {}),
            }
        },
        "filter_chains": [
            {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
        ],
        # One socket: what little comes here needs no worker of its own.
        "enable_reuse_port": False,
        # It serves while the gateway drains, when one wants to see it do so.
        "drain_type": "MODIFY_ONLY",
    }


def _host() -> Config:
    exactly = {"name": ":path", "string_match": {"exact": PATH}}
    reading = {"name": ":method", "string_match": {"exact": "GET"}}
    return {
        "name": "metrics",
        "domains": ["*"],
        "routes": [
            {
                # By the header: a query would be the admin interface's to read.
                "match": {"path": PATH, "headers": [exactly, reading]},
                "route": {"cluster": CLUSTER, "prefix_rewrite": ADMIN_PATH, "timeout": f"{TIMEOUT_S}s"},
            },
            {
                "match": {"prefix": "/"},
                "direct_response": {"status": 404, "body": {"inline_string": "not found\n"}},
            },
        ],
    }


def cluster(settings: GatewaySettings, admin: Config) -> Config | None:
    """The way to the admin interface, whose `Address` is given; None where nobody may ask."""
    if settings.gateway_metrics_address is None:
        return None
    return {
        "name": CLUSTER,
        "type": "STATIC",
        "connect_timeout": f"{CONNECT_TIMEOUT_S}s",
        "load_assignment": {
            "cluster_name": CLUSTER,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": admin}}]}],
        },
        "typed_extension_protocol_options": {
            HTTP_OPTIONS: {
                "@type": f"type.googleapis.com/{HTTP_OPTIONS}",
                "explicit_http_config": {"http_protocol_options": {}},
            }
        },
        "circuit_breakers": {
            "thresholds": [
                {
                    "max_connections": MAX_REQUESTS,
                    "max_pending_requests": MAX_REQUESTS,
                    "max_requests": MAX_REQUESTS,
                }
            ]
        },
    }
