"""Prometheus metrics that every service has: rate, errors and duration of each rpc, pools, resolving, the process.

Names are `studio_<area>_<what>[_<unit>][_total]`, units are seconds and bytes; labels hold types and outcomes, never a
user's data. docs/observability.md lists them all.
"""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics

# A second series beside each counter and histogram, which nothing here asks for.
disable_created_metrics()  # type: ignore[no-untyped-call]

# From a no-op (a few hundred microseconds) to the longest deadline.
BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0)

RPCS = Counter("studio_rpc_calls_total", "Calls answered.", ("service", "method", "code"))
RPC_SECONDS = Histogram(
    "studio_rpc_duration_seconds",
    "Time to answer a call; `kind` is unary, or stream for one that lasts as long as its caller wants.",
    ("service", "method", "kind"),
    buckets=BUCKETS_S,
)
RPCS_RUNNING = Gauge("studio_rpc_running", "Calls being served.", ("service", "method"))

POOL_CLIENTS = Gauge(
    "studio_pool_clients", "Clients by state, and calls that wait for one.", ("pool", "state")
)
POOL_MAX = Gauge("studio_pool_clients_max", "Clients that may be open at a time.", ("pool",))
POOL_EVENTS = Counter("studio_pool_events_total", "What happened to clients of a pool.", ("pool", "event"))

RESOLVED = Gauge("studio_resolver_connections", "Connections that are resolved.", ("type",))
RESOLVES = Counter("studio_resolver_requests_total", "Connections asked for.", ("type", "result"))
WATCH_SYNCED = Gauge("studio_resolver_watch_synced", "1 while changes arrive from the registry.", ("type",))
WATCH_RECONNECTS = Counter(
    "studio_resolver_watch_reconnects_total", "Times that the watch of changes was lost.", ("type",)
)
RESOLVER_STALE = Gauge(
    "studio_resolver_stale_seconds",
    "Since when no changes arrive from the registry; 0 while they do.",
    ("type",),
)

TLS_EXPIRES = Gauge(
    "studio_tls_certificate_expiry_timestamp_seconds",
    "When the service's own certificate ends; 0 without TLS.",
)
AUDIT_SPOOL_BYTES = Gauge("studio_audit_spool_bytes", "Bytes of the audit log's spool.")
AUDIT_SPOOL_MAX = Gauge("studio_audit_spool_max_bytes", "Bytes that the spool may hold.")
AUDIT_OLDEST = Gauge(
    "studio_audit_oldest_event_age_seconds",
    "Age of the oldest event that the registry does not have; 0 without.",
)
AUDIT_WAITING = Gauge("studio_audit_events_waiting", "Events that the registry does not have yet.")
AUDIT_SHIPPED = Counter("studio_audit_events_shipped_total", "Events that the registry has.")
AUDIT_LOST = Counter("studio_audit_reads_lost_total", "Events of reads for which the spool had no room.")
AUDIT_REFUSED = Counter(
    "studio_audit_changes_refused_total", "Changes refused because they could not be recorded."
)

BACKGROUND_FAILURES = Counter("studio_background_failures_total", "Background tasks that failed.", ("task",))

WRONG_CREDENTIALS = Counter(
    "studio_auth_wrong_credentials_total", "Credentials that were refused as wrong.", ("credential",)
)
CREDENTIALS_SYNCED = Gauge(
    "studio_auth_watch_synced", "1 while it arrives which API keys and sessions have ended."
)

LOOP_LAG = Histogram(
    "studio_loop_lag_seconds",
    "How late the event loop ran what was due.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5),
)
BUILD = Gauge("studio_build_info", "1, with the name and version of the service.", ("service", "version"))
