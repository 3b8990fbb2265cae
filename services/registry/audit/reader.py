"""Reads the audit log: pages from the newest event on, and all events from the oldest on, in bounded statements."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from services.registry.audit.filters import MAX_SCANNED, Conditions, Filters, Scope, conditions
from services.registry.paging import DEFAULT_PAGE_SIZE, PageTokens
from services.registry.store.pool import Pool
from services.runtime.errors import invalid_argument

EXPORT_ROWS = 1000
"""Events read at a time by an export."""

_LIST = "audit-log"
_COLUMNS = (
    "sequence",
    "recorded_at",
    "occurred_at",
    "action",
    "effect",
    "outcome",
    "reason",
    "actor",
    "credential",
    "credential_id",
    "role",
    "database_id",
    "database_name",
    "project_ref",
    "target",
    "duration_us",
    "client_address",
    "request_id",
    "service",
)
_FIRST = datetime(1, 1, 1, tzinfo=UTC)
_END = datetime(9999, 12, 31, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Event:
    """One row, as `AuditEvent` has it."""

    sequence: int
    recorded_at: datetime
    occurred_at: datetime
    action: str
    effect: str
    outcome: str
    reason: str
    actor: str
    credential: str
    credential_id: str
    role: str
    database_id: str
    database_name: str
    project_ref: str
    target: dict[str, str]
    duration_us: int
    client_address: str
    request_id: str
    service: str


class Reader(Protocol):
    """What shows the log."""

    async def page(
        self, filters: Filters, scope: Scope, *, page_size: int, page_token: str
    ) -> tuple[Sequence[Event], str]:
        """One page, newest first, and the token of the next one, empty where this is the last.

        Raises:
            StudioError: INVALID_ARGUMENT, INVALID_CURSOR, REGISTRY_UNAVAILABLE, RESOURCE_EXHAUSTED.
        """

    def export(self, filters: Filters, scope: Scope) -> AsyncIterator[Sequence[Event]]:
        """All events that are stored now, oldest first, some at a time.

        Raises:
            StudioError: as `page`.
        """


class StoredLog:
    """Reads the platform database.

    Args:
        pool: connections to it.
        tokens: makes page tokens.
    """

    def __init__(self, pool: Pool, tokens: PageTokens) -> None:
        self._pool = pool
        self._tokens = tokens

    async def page(
        self, filters: Filters, scope: Scope, *, page_size: int, page_token: str
    ) -> tuple[Sequence[Event], str]:
        """See `Reader`."""
        _check(filters)
        size = page_size or DEFAULT_PAGE_SIZE
        key = (_LIST, *filters.texts(), *scope.texts())
        asked = conditions(filters, scope)
        place: dict[str, Any] = {"at": _END, "sequence": 0}
        if page_token:
            at, sequence = self._tokens.read(key, page_token, 2)
            place = {"at": datetime.fromisoformat(at), "sequence": int(sequence)}
        rows = await self._pool.read(
            statement(asked, filters, limit=size + 1),
            {**asked.parameters, **_times(filters), **place},
            by_index=True,
        )
        events = [Event(*row[:-2]) for row in rows if row[-2]]
        if len(events) > size:
            last = events[size - 1]
        elif rows and rows[-1][-1] >= MAX_SCANNED:
            last = Event(*rows[-1][:-2])
        else:
            return events, ""
        return events[:size], self._tokens.make(key, (last.occurred_at.isoformat(), str(last.sequence)))

    async def export(self, filters: Filters, scope: Scope) -> AsyncIterator[Sequence[Event]]:
        """See `Reader`."""
        _check(filters)
        asked = conditions(filters, scope)
        # What is stored meanwhile may belong anywhere: it is left to the next export.
        ((end,),) = await self._pool.read("SELECT coalesce(max(sequence), 0) FROM platform.audit_chain", {})
        query = statement(asked, filters, limit=EXPORT_ROWS, is_export=True)
        place: dict[str, Any] = {"at": _FIRST, "sequence": 0}
        while True:
            parameters = {**asked.parameters, **_times(filters), **place, "end": end}
            rows = await self._pool.read(query, parameters, by_index=True)
            yield [Event(*row[:-2]) for row in rows if row[-2]]
            if len(rows) < EXPORT_ROWS and not (rows and rows[-1][-1] >= MAX_SCANNED):
                return
            last = Event(*rows[-1][:-2])
            place = {"at": last.occurred_at, "sequence": last.sequence}


class NoLog:
    """Of a registry without a platform database: nothing is kept, so there is nothing to show."""

    async def page(
        self,
        filters: Filters,
        scope: Scope,  # noqa: ARG002
        *,
        page_size: int,  # noqa: ARG002
        page_token: str,  # noqa: ARG002
    ) -> tuple[Sequence[Event], str]:
        """No event."""
        _check(filters)
        return (), ""

    async def export(self, filters: Filters, scope: Scope) -> AsyncIterator[Sequence[Event]]:  # noqa: ARG002
        """No event."""
        _check(filters)
        yield ()


def statement(asked: Conditions, filters: Filters, *, limit: int, is_export: bool = False) -> str:
    """The query of a page: its rows with whether they fit, and their number among those it has looked at.

    The last row that may be looked at comes along, fitting or not: the next page begins behind it.

    Args:
        asked: what `conditions` made of the filters.
        filters: for its times.
        limit: rows at most.
        is_export: from the oldest row on, and only rows up to `end`.
    """
    order, compare = ("ASC", ">") if is_export else ("DESC", "<")
    # As the index of the lead has it: see deploy/sql/007_audit_log.sql.
    place, at = "occurred_at", "%({})s"
    if asked.by_time_alone:
        place, at = f"({place} AT TIME ZONE 'UTC')", "(%({})s::timestamptz AT TIME ZONE 'UTC')"
    times = [f"({place}, sequence) {compare} ({at.format('at')}, %(sequence)s)"]
    if filters.since is not None:
        times.append(f"{place} >= {at.format('since')}")
    if filters.until is not None:
        times.append(f"{place} < {at.format('until')}")
    if is_export:
        # In a form that no index answers: that of the sequence would have to be sorted.
        times.append("sequence + 0 <= %(end)s")
    by_place = f"ORDER BY place {order}, sequence {order}"
    columns = ", ".join(_COLUMNS)
    # Where nothing is left to be compared, what is looked at is what is shown.
    looks_at = MAX_SCANNED if asked.rest else limit
    # Numbers stand in the text, not in parameters: the plan must know how few rows are wanted.
    branches = [
        f"SELECT * FROM (SELECT {columns}, {place} AS place"  # noqa: S608  values are parameters
        f" FROM platform.database_audit_log WHERE {branch} AND {' AND '.join(times)}"
        f" ORDER BY {place} {order}, sequence {order} LIMIT {looks_at}) AS branch"
        for branch in asked.branches
    ]
    return (
        f"SELECT {columns}, fits, number FROM ("  # noqa: S608  as above
        f"SELECT *, {asked.rest or 'true'} AS fits, row_number() OVER ({by_place}) AS number FROM ("
        f"{' UNION ALL '.join(branches)} {by_place} LIMIT {looks_at}) AS looked_at"
        f") AS numbered WHERE fits OR number = {MAX_SCANNED} {by_place} LIMIT {limit}"
    )


def _times(filters: Filters) -> dict[str, Any]:
    return {"since": filters.since, "until": filters.until}


def _check(filters: Filters) -> None:
    if filters.since and filters.until and filters.since > filters.until:
        raise invalid_argument("until", "must not be before `since`")
