"""What the checker reads and writes, on the connection that holds its lock: once that is lost, it can write no more."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.registry.health import schedule
from services.registry.health.schedule import Schedule
from services.registry.store.guard import Connection

# Whoever has never been checked is due one interval after its creation: then it was tested just now.
_DUE = """
SELECT d.id::text, d.type::text, d.connection_version::text, d.connection_string, coalesce(d.config, '{}')
FROM platform.databases d
LEFT JOIN platform.database_health_state s ON s.database_id = d.id
WHERE d.status IN ('active', 'error') AND d.deactivated_at IS NULL
  AND d.type::text = ANY(%(types)s) AND d.id <> ALL(%(running)s::uuid[])
  AND coalesce(s.last_checked_at, d.created_at, 'epoch') + coalesce(s.jitter, 1) * make_interval(secs => CASE
      WHEN s.last_viewed_at > now() - make_interval(secs => %(idle_after)s)
        OR d.status = 'active' AND s.failures > 0 OR d.status = 'error' AND s.successes > 0
      THEN %(interval)s ELSE %(idle_interval)s END) <= now()
ORDER BY s.last_checked_at NULLS FIRST
LIMIT %(limit)s
"""
# Only for the connection that was tested: one that has changed meanwhile is another. Rows are locked by id, like
# everywhere. The counts begin anew where the status or the connection is no longer what they were about.
_RECORD = """
WITH result AS (
  SELECT * FROM unnest(%(ids)s::uuid[], %(versions)s::uuid[], %(latencies)s::float8[], %(codes)s::text[])
    AS r (id, version, latency_ms, error_code)
), live AS (
  SELECT d.id, d.status, d.connection_version, r.latency_ms, r.error_code
  FROM platform.databases d JOIN result r ON r.id = d.id AND r.version = d.connection_version
  WHERE d.status IN ('active', 'error') AND d.deactivated_at IS NULL
  ORDER BY d.id
  FOR NO KEY UPDATE OF d
), sample AS (
  INSERT INTO platform.database_health (database_id, checked_at, latency_ms, error_code)
  SELECT id, now(), latency_ms, error_code FROM live
  ON CONFLICT DO NOTHING
), hourly AS (
  INSERT INTO platform.database_health_hourly AS h
    (database_id, hour, checks, errors, latency_ms_sum, latency_ms_max, error_code)
  SELECT id, date_trunc('hour', now(), 'UTC'), 1, (latency_ms IS NULL)::int, coalesce(latency_ms, 0),
    coalesce(latency_ms, 0), error_code
  FROM live
  ON CONFLICT (database_id, hour) DO UPDATE SET
    checks = h.checks + 1,
    errors = h.errors + excluded.errors,
    latency_ms_sum = h.latency_ms_sum + excluded.latency_ms_sum,
    latency_ms_max = greatest(h.latency_ms_max, excluded.latency_ms_max),
    error_code = CASE WHEN excluded.errors > 0 THEN excluded.error_code ELSE h.error_code END
), counted AS (
  SELECT live.*,
    CASE WHEN live.latency_ms IS NULL THEN coalesce(s.failures, 0) + 1 ELSE 0 END AS failures,
    CASE WHEN live.latency_ms IS NULL THEN 0 ELSE coalesce(s.successes, 0) + 1 END AS successes
  FROM live LEFT JOIN platform.database_health_state s
    ON s.database_id = live.id AND s.status = live.status AND s.connection_version = live.connection_version
), verdict AS (
  SELECT c.*, CASE
    WHEN c.status = 'active' AND c.failures >= %(to_error)s THEN 'error'
    WHEN c.status = 'error' AND c.successes >= %(to_active)s THEN 'active'
    ELSE c.status END AS after
  FROM counted c
), state AS (
  INSERT INTO platform.database_health_state AS s
    (database_id, last_checked_at, jitter, failures, successes, status, connection_version)
  SELECT id, now(), 1 + %(jitter)s * (2 * random() - 1), failures, successes, after, connection_version FROM verdict
  ON CONFLICT (database_id) DO UPDATE SET
    last_checked_at = excluded.last_checked_at,
    jitter = excluded.jitter,
    failures = excluded.failures,
    successes = excluded.successes,
    status = excluded.status,
    connection_version = excluded.connection_version
)
UPDATE platform.databases d
SET status = v.after,
  last_connected_at = CASE WHEN v.latency_ms IS NULL THEN d.last_connected_at ELSE now() END
FROM verdict v
WHERE d.id = v.id AND (v.latency_ms IS NOT NULL OR v.after <> v.status)
RETURNING d.id::text, d.type::text, v.status, v.after
"""
_PRUNE = {
    "samples": """
DELETE FROM platform.database_health h USING (
  SELECT database_id, checked_at FROM platform.database_health
  WHERE checked_at < now() - make_interval(hours => %(hours)s) ORDER BY checked_at LIMIT %(rows)s
) old WHERE h.database_id = old.database_id AND h.checked_at = old.checked_at
""",
    "hours": """
DELETE FROM platform.database_health_hourly h USING (
  SELECT database_id, hour FROM platform.database_health_hourly
  WHERE hour < now() - make_interval(days => %(days)s) ORDER BY hour LIMIT %(rows)s
) old WHERE h.database_id = old.database_id AND h.hour = old.hour
""",
}


@dataclass(frozen=True, slots=True)
class Due:
    """A database to check now."""

    id: str
    type: str
    version: str
    """Which connection this is; see `connection_version`."""
    stored: str = field(repr=False)
    config: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Result:
    """What a check found."""

    id: str
    version: str
    latency_ms: float | None
    """None where it failed."""
    error_code: str


@dataclass(frozen=True, slots=True)
class Moved:
    """A database whose status changed."""

    id: str
    type: str
    before: str
    after: str


async def due(
    connection: Connection, when: Schedule, *, types: Sequence[str], running: Collection[str], limit: int
) -> list[Due]:
    """The databases whose check is due, the longest overdue first.

    Args:
        connection: the checker's.
        when: the intervals.
        types: those that somebody can check here.
        running: ids to leave out.
        limit: most of them.
    """
    parameters = {
        "types": list(types),
        "running": list(running),
        "interval": when.interval_s,
        "idle_interval": when.idle_interval_s,
        "idle_after": when.idle_after_s,
        "limit": limit,
    }
    rows = await (await connection.execute(_DUE, parameters)).fetchall()
    return [Due(*row) for row in rows]


async def record(connection: Connection, results: Sequence[Result]) -> list[Moved]:
    """Keeps what was found, and moves the status where it was found often enough; returns those moves."""
    parameters = {
        "ids": [each.id for each in results],
        "versions": [each.version for each in results],
        "latencies": [each.latency_ms for each in results],
        "codes": [each.error_code for each in results],
        "jitter": schedule.JITTER,
        "to_error": schedule.FAILURES_TO_ERROR,
        "to_active": schedule.SUCCESSES_TO_ACTIVE,
    }
    rows = await (await connection.execute(_RECORD, parameters)).fetchall()
    return [Moved(*row) for row in rows if row[2] != row[3]]


async def count(connection: Connection, types: Sequence[str]) -> dict[tuple[str, str], int]:
    """How many databases of these types there are, by type and status."""
    query = (
        "SELECT type::text, status, count(*) FROM platform.databases WHERE type::text = ANY(%s) GROUP BY 1, 2"
    )
    rows = await (await connection.execute(query, (list(types),))).fetchall()
    return {(type_, status): found for type_, status, found in rows}


async def prune(connection: Connection, what: str, *, rows: int = schedule.PRUNE_ROWS) -> bool:
    """Deletes some of what is too old; returns whether there may be more.

    Args:
        connection: the checker's.
        what: `samples` or `hours`.
        rows: most rows to delete.
    """
    # An hour more than is shown: the full resolution begins with a whole hour.
    limits = {"hours": schedule.SAMPLE_HOURS + 1, "days": schedule.HOURLY_DAYS, "rows": rows}
    return (await connection.execute(_PRUNE[what], limits)).rowcount == rows
