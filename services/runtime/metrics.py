"""Prometheus metrics that every service has: rate, errors and duration of each rpc, pools, resolving.

Names begin with `studio_`; labels never hold a user's data.
"""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

# From a no-op (a few hundred microseconds) to the longest deadline.
BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0)

RPCS = Counter("studio_rpc_total", "Calls answered.", ("service", "method", "code"))
RPC_SECONDS = Histogram(
    "studio_rpc_duration_seconds", "Time to answer a call.", ("service", "method"), buckets=BUCKETS_S
)
RPCS_RUNNING = Gauge("studio_rpc_running", "Calls being served.", ("service", "method"))

POOL_CLIENTS = Gauge("studio_pool_clients", "Clients that are open.", ("pool", "state"))
POOL_EVENTS = Counter("studio_pool_events_total", "What happened to clients of a pool.", ("pool", "event"))

RESOLVED = Gauge("studio_resolver_connections", "Connections that are resolved.", ("type",))
RESOLVES = Counter("studio_resolver_requests_total", "Connections asked for.", ("type", "result"))
WATCH_SYNCED = Gauge("studio_resolver_watch_synced", "1 while changes arrive from the registry.", ("type",))

TLS_EXPIRES = Gauge(
    "studio_tls_certificate_expiry_timestamp_seconds",
    "When the service's own certificate ends; 0 without TLS.",
)
AUDIT_SPOOL_BYTES = Gauge("studio_audit_spool_bytes", "Bytes of the audit log's spool.")
AUDIT_WAITING = Gauge("studio_audit_events_waiting", "Events that the registry does not have yet.")
AUDIT_SHIPPED = Counter("studio_audit_events_shipped_total", "Events that the registry has.")
AUDIT_LOST = Counter("studio_audit_reads_lost_total", "Events of reads for which the spool had no room.")
AUDIT_REFUSED = Counter(
    "studio_audit_changes_refused_total", "Changes refused because they could not be recorded."
)

BACKGROUND_FAILURES = Counter("studio_background_failures_total", "Background tasks that failed.", ("task",))

WRONG_CREDENTIALS = Counter(
    "studio_wrong_credentials_total", "Credentials that were refused as wrong.", ("credential",)
)
CREDENTIALS_SYNCED = Gauge(
    "studio_credentials_watch_synced", "1 while it arrives which API keys and sessions have ended."
)
