"""Reports as messages of the contract."""

from __future__ import annotations

from services.registry.connection_strings import TYPES
from services.registry.health.reports import History, Stats
from services.registry.store import Database
from studio.registry.v1 import health_pb2 as messages

STATUSES = ("active", "inactive", "error")


def to_health(row: Database, history: History) -> messages.GetDatabaseHealthResponse:
    """How a database has been."""
    message = messages.GetDatabaseHealthResponse(
        id=row.id,
        status=row.status,
        checks=history.checks,
        errors=history.errors,
        latency_ms=history.latency_ms,
    )
    for span in history.spans:
        sample = messages.HealthSample(
            checks=span.checks,
            errors=span.errors,
            latency_ms=span.latency_ms,
            max_latency_ms=span.max_latency_ms,
            error_code=span.error_code,
        )
        sample.at.FromDatetime(span.at)
        message.history.append(sample)
    if history.last_checked_at is not None:
        message.last_checked_at.FromDatetime(history.last_checked_at)
    return message


def to_stats(stats: Stats) -> messages.GetDatabaseStatsResponse:
    """How many databases there are; every type and status is there."""
    by_type, by_status = dict.fromkeys(TYPES, 0), dict.fromkeys(STATUSES, 0)
    for (type_, status), count in stats.counts.items():
        by_type[type_] += count
        by_status[status] += count
    return messages.GetDatabaseStatsResponse(
        total=stats.counts.total(),
        by_type=by_type,
        by_status=by_status,
        counts=[
            messages.DatabaseCount(type=type_, status=status, count=count)
            for (type_, status), count in sorted(stats.counts.items())
        ],
        errors_24h=stats.errors_24h,
        latency_ms_24h=stats.latency_ms_24h,
        stale=stats.stale,
    )
