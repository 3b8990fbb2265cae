"""Prometheus metrics of the registry alone. Labels hold types and outcomes, never a user's data."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

CACHE_REQUESTS = Counter(
    "studio_registry_cache_requests_total",
    "Lists asked of the cache: hit, miss, error, or bypassed while it is left alone.",
    ("result",),
)
CACHE_INVALIDATIONS = Counter(
    "studio_registry_cache_invalidations_total", "Invalidations of all cached lists.", ("result",)
)
CACHE_CALLS = Gauge("studio_registry_cache_calls_running", "Calls of the cache's Redis that are under way.")

PLATFORM_POOL = Gauge(
    "studio_registry_platform_connections",
    "Connections to the platform database by state, and calls that wait for one.",
    ("state",),
)
PLATFORM_POOL_MAX = Gauge(
    "studio_registry_platform_connections_max", "Connections to the platform database that may be open."
)

HEALTH_CHECKS = Counter("studio_registry_health_checks_total", "Health checks.", ("type", "result"))
HEALTH_SECONDS = Histogram(
    "studio_registry_health_check_duration_seconds",
    "Time of a health check.",
    ("type",),
    buckets=(0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 2.5, 5.0),
)
HEALTH_CHANGES = Counter(
    "studio_registry_health_status_changes_total", "Databases that moved to a status.", ("type", "status")
)
DATABASES = Gauge(
    "studio_registry_databases",
    "Databases that are checked, by type and status; in the replica that checks.",
    ("type", "status"),
)
HEALTH_LEADER = Gauge("studio_registry_health_leader", "1 in the replica that checks.")
HEALTH_RUNNING = Gauge("studio_registry_health_checks_running", "Health checks under way.")

PG_META_DECISIONS = Counter(
    "studio_registry_pg_meta_decisions_total",
    "Requests to pg-meta: allowed, or the reason of a refusal.",
    ("result",),
)

AUDIT_EVENTS = Counter("studio_registry_audit_events_total", "Events stored in the audit log.")
AUDIT_REMOVED = Counter("studio_registry_audit_removed_total", "Events that went by their age.")
