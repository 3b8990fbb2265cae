"""Events as services send them, and the log as users and operators see it."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from services.registry.audit.chain import ChainKeys, row_hash
from services.registry.audit.rows import COLUMNS, TABLE, stamp, to_line
from services.registry.audit.verification import Findings, verify_chain
from services.registry.store.pool import Pool
from services.registry.stored_values import session
from studio.registry.v1 import audit_service_pb2 as messages
from studio.registry.v1.audit_pb2 import AuditEvent
from tests.registry.commands import Done, command
from tests.registry.harness import SERVICE_SECRET, Registry, user_token

Session = psycopg.Connection[tuple[Any, ...]]
KEYS = ChainKeys(SERVICE_SECRET)
NOON = datetime(2150, 5, 1, 12, tzinfo=UTC)
"""When the events of the tests are; the registry's own, which are of now, are left out by that."""
BEGINNING: Any = NOON - timedelta(hours=1)


def event(number: int = 0, **fields: Any) -> AuditEvent:  # noqa: ANN401  any field of the message
    """An event that began so many seconds after NOON."""
    target = fields.pop("target", {"key": f"user:{number}"})
    values = {
        "action": "redis.key.set",
        "effect": "changes",
        "outcome": "ok",
        "actor": "ada@example.org",
        "credential": "token",
        "role": "developer",
        "database_id": "6c1f0d0e-0000-4000-8000-000000000001",
        "database_name": "cache",
        "project_ref": "default",
        "duration_ms": 1.25,
        "client_address": "192.0.2.7",
        "request_id": f"request-{number}",
        **fields,
    }
    message = AuditEvent(target=target, **values)
    message.at.FromDatetime(NOON + timedelta(seconds=number))
    return message


def events(count: int, **fields: Any) -> list[AuditEvent]:  # noqa: ANN401  as above
    return [event(number, **fields) for number in range(count)]


async def record(registry: Registry, sent: Sequence[AuditEvent], *, source: str = "", first: int = 1) -> int:
    """Sends events as a service does; returns what is expected next."""
    request = messages.RecordEventsRequest(
        source=source or str(uuid.uuid4()), first_sequence=first, events=sent
    )
    answer = await registry.audit.RecordEvents(request, metadata=registry.as_service, timeout=20)
    return int(answer.next_sequence)


def bearer(role: str = "owner", **claims: object) -> tuple[tuple[str, str]]:
    return (("authorization", f"Bearer {user_token(role, **claims)}"),)


async def page(
    registry: Registry,
    *,
    metadata: tuple[tuple[str, str], ...] = (),
    **fields: Any,  # noqa: ANN401  as above
) -> messages.ListAuditEventsResponse:
    asked = messages.ListAuditEventsRequest(**{"since": BEGINNING, **fields})
    return await registry.audit.ListAuditEvents(asked, metadata=metadata or registry.as_user, timeout=20)


async def walk(registry: Registry, **fields: Any) -> list[AuditEvent]:  # noqa: ANN401  as above
    """All pages."""
    found: list[AuditEvent] = []
    token = ""
    while True:
        answer = await page(registry, page_token=token, **fields)
        found += answer.events
        token = answer.next_page_token
        if not token:
            return found


def verify(url: str, keys: ChainKeys = KEYS, **more: Any) -> Findings:  # noqa: ANN401  as `verify_chain`
    with session(url) as connection:
        return verify_chain(connection, keys, **more)


def verify_audit(url: str, *arguments: str, **variables: str) -> Done:
    """The command, with the secret that the registries of the tests have."""
    return command(url, "verify-audit", *arguments, **{"SERVICE_TOKEN_SECRET": SERVICE_SECRET, **variables})


def count(db: Session) -> int:
    row = db.execute(
        "SELECT count(*) FROM platform.database_audit_log WHERE service <> 'registry'"
    ).fetchone()
    assert row is not None
    return int(row[0])


def pool(url: str) -> Pool:
    return Pool(url, size=4, waiting=100)


def fill(db: Session, sent: Iterable[tuple[datetime, AuditEvent]], key: bytes = KEYS.current) -> None:
    """Rows as they would be, had the registry stored each event at its time."""
    row = db.execute("SELECT sequence, hash FROM platform.audit_chain").fetchone()
    assert row is not None
    sequence, digest = row
    source = str(uuid.uuid4())
    with (
        db.cursor() as cursor,
        cursor.copy(f"COPY {TABLE} ({', '.join(COLUMNS)}, hash) FROM STDIN".encode()) as copy,
    ):
        for number, (at, each) in enumerate(sent, start=1):
            sequence += 1
            line = to_line(each, sequence, stamp(at), source, number, "redis_svc")
            digest = row_hash(key, digest, line)
            copy.write(line + b"\t\\\\x" + digest.hex().encode() + b"\n")
    db.execute("UPDATE platform.audit_chain SET sequence = %s, hash = %s", (sequence, digest))
