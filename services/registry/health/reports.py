"""What users are told: the history of one database, and how many there are of each type and status.

Counts come from the table itself, which an index answers in about a millisecond; `platform.database_stats` is as old as
its last refresh and is there for those who read with SQL.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from services.registry.health import schedule
from services.registry.store.pool import Pool
from services.registry.store.rows import Database, Filters
from services.runtime.errors import StudioError
from studio.options.v1.errors_pb2 import ERROR_REASON_REGISTRY_UNAVAILABLE

MAX_HISTORY = 3000
"""Samples of an answer: a day of checks every 30 s, 2880, and the hours before."""
MAX_REMEMBERED = 100
"""Projects, and what their callers see, whose last counts are known in an outage."""
DAY = timedelta(hours=schedule.SAMPLE_HOURS)
HOUR = timedelta(hours=1)

_SAMPLES = """
SELECT checked_at, 1, (latency_ms IS NULL)::int, coalesce(latency_ms, 0), coalesce(latency_ms, 0), error_code
FROM platform.database_health
WHERE database_id = %(id)s AND checked_at >= %(since)s
ORDER BY checked_at DESC LIMIT %(limit)s
"""
_HOURS = """
SELECT hour, checks, errors, CASE WHEN checks > errors THEN latency_ms_sum / (checks - errors) ELSE 0 END,
  latency_ms_max, error_code
FROM platform.database_health_hourly
WHERE database_id = %(id)s AND hour >= %(since)s AND hour < %(until)s
ORDER BY hour
"""
_LAST = "SELECT last_checked_at FROM platform.database_health_state WHERE database_id = %(id)s"
_VISIBLE = """
(%(project_ref)s = '' OR p.ref = %(project_ref)s)
AND (%(projects)s::text[] IS NULL OR p.ref = ANY(%(projects)s::text[]))
AND (%(granted_to)s::text IS NULL OR EXISTS (
  SELECT FROM platform.database_permissions g WHERE g.database_id = d.id AND g.subject = %(granted_to)s))
"""
_COUNTS = f"""
SELECT d.type::text, coalesce(d.status, 'inactive'), count(*)::int
FROM platform.databases d JOIN platform.projects p ON p.id = d.project_id
WHERE {_VISIBLE}
GROUP BY 1, 2
"""  # noqa: S608  constants only
# Whole hours from the hourly rows, and what is left of the first one from its checks.
_DAY = f"""
WITH bounds AS (
  SELECT now() - interval '24 hours' AS since, date_trunc('hour', now() - interval '24 hours', 'UTC')
    + interval '1 hour' AS full_hour
), mine AS (
  SELECT d.id FROM platform.databases d JOIN platform.projects p ON p.id = d.project_id
  WHERE {_VISIBLE}
), parts AS (
  SELECT h.checks, h.errors, h.latency_ms_sum
  FROM platform.database_health_hourly h JOIN mine ON mine.id = h.database_id, bounds
  WHERE h.hour >= bounds.full_hour
  UNION ALL
  SELECT 1, (h.latency_ms IS NULL)::int, coalesce(h.latency_ms, 0)
  FROM platform.database_health h JOIN mine ON mine.id = h.database_id, bounds
  WHERE h.checked_at >= bounds.since AND h.checked_at < bounds.full_hour
)
SELECT coalesce(sum(errors), 0)::int,
  coalesce(sum(latency_ms_sum) / nullif(sum(checks) - sum(errors), 0), 0)::float8
FROM parts
"""  # noqa: S608  constants only


@dataclass(frozen=True, slots=True)
class Span:
    """One check, or those of an hour."""

    at: datetime
    checks: int
    errors: int
    latency_ms: float
    """Mean of the successful ones."""
    max_latency_ms: float
    error_code: str


@dataclass(frozen=True, slots=True)
class History:
    """The checks of one database, oldest first."""

    spans: Sequence[Span]
    last_checked_at: datetime | None

    @property
    def checks(self) -> int:
        """How many."""
        return sum(span.checks for span in self.spans)

    @property
    def errors(self) -> int:
        """How many failed."""
        return sum(span.errors for span in self.spans)

    @property
    def latency_ms(self) -> float:
        """Mean of the successful ones."""
        succeeded = self.checks - self.errors
        total = sum(span.latency_ms * (span.checks - span.errors) for span in self.spans)
        return total / succeeded if succeeded else 0.0


@dataclass(frozen=True, slots=True)
class Stats:
    """How many databases there are."""

    counts: Counter[tuple[str, str]]
    """By type and status."""
    errors_24h: int = 0
    latency_ms_24h: float = 0.0
    stale: bool = False


class Reports:
    """Reads what the checker has written.

    Args:
        pool: connections to the platform database; None where there is none.
        unstored: the connections that don't come from the platform database, of those that filters let through.
    """

    def __init__(
        self, pool: Pool | None, unstored: Callable[[Filters], Awaitable[Iterable[Database]]]
    ) -> None:
        self._pool = pool
        self._unstored = unstored
        self._remembered: OrderedDict[Filters, Stats] = OrderedDict()

    async def history(self, database_id: str, since: datetime | None) -> History:
        """The checks since then: each of the last day, those before by the hour; at most MAX_HISTORY.

        Args:
            database_id: of a database that exists.
            since: the last 24 hours where it is None; never more than 30 days.

        Raises:
            StudioError: REGISTRY_UNAVAILABLE.
        """
        if self._pool is None:
            return History((), None)
        now = datetime.now(UTC)
        since = max(since or now - DAY, now - timedelta(days=schedule.HOURLY_DAYS))
        # Every check of the day where that fits beside the hours, else those of its last part.
        full = since if since >= now - DAY else _hour(now - DAY) + HOUR
        room = MAX_HISTORY - int((now - since) / HOUR) - 2
        rows = await self._pool.read(_SAMPLES, {"id": database_id, "since": full, "limit": room + 1})
        samples = [Span(*row) for row in reversed(rows)]
        if len(samples) > room:
            full = _hour(samples[0].at) + HOUR
            samples = [span for span in samples if span.at >= full]
        hours: list[Span] = []
        if full > since:
            parameters = {"id": database_id, "since": _hour(since), "until": full}
            hours = [Span(*row) for row in await self._pool.read(_HOURS, parameters)]
        last: list[tuple[Any, ...]] = await self._pool.read(_LAST, {"id": database_id})
        return History((*hours, *samples), last[0][0] if last else None)

    async def stats(self, filters: Filters) -> Stats:
        """The counts of what a project shows and the caller may see; those of before an outage while it lasts.

        Raises:
            StudioError: REGISTRY_UNAVAILABLE, and they have never been asked for.
        """
        stats = Stats(Counter())
        if self._pool is not None:
            try:
                stats = await self._ask(self._pool, filters)
            except StudioError as error:
                if error.reason != ERROR_REASON_REGISTRY_UNAVAILABLE or filters not in self._remembered:
                    raise
                stats = replace(self._remembered[filters], stale=True)
        own = Counter((row.type, row.status) for row in await self._unstored(filters))
        return replace(stats, counts=stats.counts + own)

    async def _ask(self, pool: Pool, filters: Filters) -> Stats:
        parameters = {
            "project_ref": filters.project_ref,
            "projects": None if filters.projects is None else list(filters.projects),
            "granted_to": filters.granted_to,
        }
        counts = Counter(
            {(type_, status): count for type_, status, count in await pool.read(_COUNTS, parameters)}
        )
        ((errors, latency_ms),) = await pool.read(_DAY, parameters)
        stats = self._remembered[filters] = Stats(counts, errors, latency_ms)
        self._remembered.move_to_end(filters)
        if len(self._remembered) > MAX_REMEMBERED:
            self._remembered.popitem(last=False)
        return stats


def _hour(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
