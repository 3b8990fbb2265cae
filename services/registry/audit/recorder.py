"""Stores events, each exactly once and tied to the one before, however many registries do so at a time.

A source's events have sequences without a gap; how far each source is stored is written in the same transaction as its
rows. So a batch that is sent again, because its answer was lost, is recognised, also by another registry. The row of
`platform.audit_chain` is locked for that long: one registry at a time goes on with the chain.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, cast

from services.registry import metrics
from services.registry.audit.chain import BEGINNING, ChainKeys, Link, row_hash
from services.registry.audit.rows import COLUMNS, TABLE, stamp, to_line
from services.registry.store.pool import Connection, Pool
from services.runtime.gate import Gate
from services.runtime.logs import get_logger
from studio.registry.v1.audit_pb2 import AuditEvent

MAX_WAITING = 100
"""Batches that may wait for the one that is being stored; one more is refused, and its sender tries again."""
LOST_ACTION = "registry.audit.missing"
"""Action of the event that says that events of a source never came."""

_LOCK = "SELECT sequence, hash FROM platform.audit_chain FOR UPDATE"
# A statement of its own, behind the lock: it sees what whoever held it has committed.
_PLACE = """
SELECT clock_timestamp(), last.recorded_at, coalesce(last.sequence, 0), coalesce(
  (SELECT next_sequence FROM platform.audit_sources WHERE source = %(source)s), 1)
FROM (VALUES (1)) one LEFT JOIN (
  SELECT sequence, recorded_at FROM platform.database_audit_log ORDER BY sequence DESC LIMIT 1
) last ON true
"""
# Of a chain whose one row was deleted by hand: it goes on where the log ends.
_MEND = """
INSERT INTO platform.audit_chain (sequence, hash)
SELECT sequence, hash FROM platform.database_audit_log ORDER BY sequence DESC LIMIT 1
"""
_COPY = f"COPY {TABLE} ({', '.join(COLUMNS)}, hash) FROM STDIN"
_MOVE = "UPDATE platform.audit_chain SET sequence = %(sequence)s, hash = %(hash)s"
_NOTE = """
INSERT INTO platform.audit_sources (source, next_sequence) VALUES (%(source)s, %(next)s)
ON CONFLICT (source) DO UPDATE SET next_sequence = excluded.next_sequence, last_seen_at = now()
"""

log = get_logger(__name__)


class Recorder(Protocol):
    """Where events go: the rpc's, and the registry's own."""

    async def record(
        self, source: str, first_sequence: int, events: Sequence[AuditEvent], *, service: str
    ) -> int:
        """Stores events of a source.

        Args:
            source: a UUID that whoever keeps the events until they are stored has given himself.
            first_sequence: place of the first one among all of this source, from 1.
            events: in their order; at most 1000.
            service: who sends them; stands in those that don't say.

        Returns:
            The sequence that is expected next: those before are stored.

        Raises:
            StudioError: REGISTRY_UNAVAILABLE, RESOURCE_EXHAUSTED: nothing is stored; send them again.
        """


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the log is to be continued."""

    head: Link
    """The end of the chain."""
    now: datetime
    """Time of the database, but never before that of the last row."""
    sequence: int
    """Of the last row: that of the head, unless somebody has added rows by hand."""
    expected: int
    """Sequence of the source that comes next."""


class StoredEvents:
    """Records into the platform database.

    Args:
        pool: connections to it.
        keys: sign the chain.
    """

    def __init__(self, pool: Pool, keys: ChainKeys) -> None:
        self._pool = pool
        self._key = keys.current
        # One at a time, so that those who wait for the lock don't hold the connections of everybody else.
        self._gate = Gate(1, MAX_WAITING, "Too many batches of audit events wait to be stored.")
        self._last = BEGINNING

    async def record(
        self, source: str, first_sequence: int, events: Sequence[AuditEvent], *, service: str
    ) -> int:
        """See `Recorder`."""
        source = str(uuid.UUID(source))
        async with self._gate:
            async with self._pool.write(changes_lists=False) as connection:
                place = await _place(connection, source)
                self._note_head(place)
                fresh = events[max(0, place.expected - first_sequence) :]
                if not fresh:
                    return place.expected
                first = first_sequence + len(events) - len(fresh)
                rows, end = self._rows(place, source, first, fresh, service)
                async with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
                    await copy.write(rows)
                following = first_sequence + len(events)
                async with connection.pipeline():
                    await connection.execute(_MOVE, {"sequence": end.sequence, "hash": end.hash})
                    await connection.execute(_NOTE, {"source": source, "next": following})
            self._last = end
        metrics.AUDIT_EVENTS.inc(len(fresh))
        return following

    def _rows(
        self, place: _Place, source: str, first: int, events: Sequence[AuditEvent], service: str
    ) -> tuple[bytes, Link]:
        """What COPY takes, and where the chain ends then."""
        recorded_at = stamp(place.now)
        numbered = list(enumerate(events, start=first))
        if first > place.expected:
            numbered.insert(0, (place.expected, _lost(place, first, source)))
        sequence, digest, key = place.sequence, place.head.hash, self._key
        parts: list[bytes] = []
        for source_sequence, event in numbered:
            sequence += 1
            line = to_line(event, sequence, recorded_at, source, source_sequence, service)
            digest = row_hash(key, digest, line)
            parts += (line, b"\t\\\\x", digest.hex().encode(), b"\n")
        return b"".join(parts), Link(sequence, digest)

    def _note_head(self, place: _Place) -> None:
        """Says so where the log is not the one that was left: some of that shows in no chain."""
        head, last = place.head, self._last
        if head.sequence < last.sequence or (head.sequence == last.sequence and head.hash != last.hash):
            log.error("audit.rewound", was=str(last), found=str(head))
        if place.sequence > head.sequence:
            log.error("audit.foreign_rows", head=str(head), last_row=place.sequence)
        self._last = head


class LoggedEvents:
    """Records into the log of the registry, where there is no platform database: a line an event, perhaps twice."""

    async def record(
        self, source: str, first_sequence: int, events: Sequence[AuditEvent], *, service: str
    ) -> int:
        """See `Recorder`."""
        for source_sequence, event in enumerate(events, start=first_sequence):
            log.info(
                "audit.event",
                at=event.at.ToJsonString() if event.HasField("at") else "",
                action=event.action,
                effect=event.effect,
                outcome=event.outcome,
                reason=event.reason,
                actor=event.actor,
                # Not `credential`: the redactor masks what is called so.
                known_by=event.credential,
                known_by_id=event.credential_id,
                role=event.role,
                database_id=event.database_id,
                database_name=event.database_name,
                project_ref=event.project_ref,
                target=dict(event.target),
                duration_ms=event.duration_ms,
                client_address=event.client_address,
                request=event.request_id,
                served_by=event.service or service,
                source=source,
                source_sequence=source_sequence,
            )
        metrics.AUDIT_EVENTS.inc(len(events))
        return first_sequence + len(events)


async def _place(connection: Connection, source: str) -> _Place:
    """Locks the chain, and says where to go on."""
    async with connection.pipeline():
        chain = await connection.execute(_LOCK)
        known = await connection.execute(_PLACE, {"source": source})
        ends, found = await chain.fetchone(), await known.fetchone()
    if ends is None:
        cursor = await connection.execute(f"{_MEND} RETURNING sequence, hash")
        ends = await cursor.fetchone() or await _begin(connection)
    now, before, last, expected = cast("tuple[datetime, datetime | None, int, int]", found)
    head = Link(*ends)
    return _Place(head, max(now, before or now), max(head.sequence, last), expected)


async def _begin(connection: Connection) -> tuple[int, bytes]:
    await connection.execute("INSERT INTO platform.audit_chain DEFAULT VALUES")
    return BEGINNING.sequence, BEGINNING.hash


def _lost(place: _Place, first: int, source: str) -> AuditEvent:
    log.error("audit.events_lost", source=source, expected=place.expected, came=first)
    event = AuditEvent(
        action=LOST_ACTION,
        effect="changes",
        outcome="unknown",
        target={"source": source, "first": str(place.expected), "last": str(first - 1)},
    )
    event.at.FromDatetime(place.now)
    return event
