"""Recording: every event once, in an unbroken chain, whatever is in it and however often it is sent."""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import psycopg
import pytest

from services.runtime import logs
from studio.registry.v1 import audit_service_pb2 as messages
from studio.registry.v1.audit_pb2 import AuditEvent
from tests.registry.audit.events import (
    NOON,
    bearer,
    count,
    event,
    events,
    page,
    record,
    verify,
    walk,
)
from tests.registry.harness import Registry, failing, running_registry, settings

Session = psycopg.Connection[tuple[Any, ...]]

# What COPY escapes, what JSON escapes, what PostgreSQL takes for NULL or the end of input, and plain text.
ODD = [
    "",
    "\\N",
    "\\.",
    "a\tb\nc\rd\be\vf\fg\\h\x01\x1f\x7f",
    "a\0b",
    '{"x": "}',
    "Zoë 🎲 \u2028",
    "%(at)s %s '",
]


async def test_what_is_recorded_is_what_is_shown(registry: Registry, migrated_url: str) -> None:
    sent = event(
        7,
        credential="api_key",
        credential_id="key-1",
        outcome="failed",
        reason="DB_TIMEOUT",
        target={"database_name": "0", "key": "user:7"},
        service="bun_proxy",
        duration_ms=1234.567,
    )
    await record(registry, [sent])
    (shown,) = (await page(registry)).events
    assert shown.HasField("recorded_at")
    sent.recorded_at.CopyFrom(shown.recorded_at)
    sent.sequence = "1"
    assert shown == sent
    assert verify(migrated_url).fault == ""


async def test_an_event_without_a_service_is_its_senders(registry: Registry) -> None:
    await record(registry, [event()])
    assert [each.service for each in (await page(registry)).events] == ["redis_svc"]


async def test_any_text_is_kept_and_verifies(registry: Registry, migrated_url: str) -> None:
    fields = ("action", "actor", "database_id", "database_name", "client_address", "request_id", "reason")
    for number, text in enumerate(ODD):
        target = {"key": text, text or "k": "v"}
        sent = event(2 * number, target=target, **dict.fromkeys(fields, text))
        await record(registry, [sent, event(2 * number + 1)])
        last, first = (await page(registry, page_size=2)).events
        kept = text.replace("\0", "\N{REPLACEMENT CHARACTER}")
        assert {getattr(first, field) for field in fields} == {kept}
        assert first.target == {"key": kept, kept or "k": "v"}
        assert last.request_id == f"request-{2 * number + 1}"
    assert verify(migrated_url).fault == ""


async def test_no_event_is_refused(registry: Registry, migrated_url: str) -> None:
    """One that is would keep all behind it from being sent."""
    odd = AuditEvent(duration_ms=float("nan"))
    odd.at.seconds = 1 << 60
    long = event(actor="a" * 10_000, target={f"kind{number:02}": "n" * 10_000 for number in range(40)})
    late = event(duration_ms=float("inf"))
    late.at.nanos = -5
    assert await record(registry, [AuditEvent(), odd, long, late]) == 5
    answer = await page(registry, since=datetime(2000, 1, 1, tzinfo=UTC))
    shown = [each for each in answer.events if each.service == "redis_svc"]
    assert len(shown) == 4
    (cut,) = [each for each in shown if each.actor.startswith("a" * 20)]
    assert len(cut.actor) == 512
    assert sorted(cut.target) == [f"kind{number:02}" for number in range(16)]
    assert {len(name) for name in cut.target.values()} == {512}
    assert verify(migrated_url).fault == ""


async def test_a_batch_sent_again_is_stored_once(registry: Registry, db: Session, migrated_url: str) -> None:
    """As after an answer that was lost; also where more has come since, or the repeat holds more."""
    source, sent = str(uuid.uuid4()), events(10)
    assert await record(registry, sent[:4], source=source) == 5
    assert await record(registry, sent[:4], source=source) == 5
    assert await record(registry, sent[2:7], source=source, first=3) == 8
    assert await record(registry, sent[:2], source=source) == 8
    assert await record(registry, sent, source=source.upper()) == 11
    assert await record(registry, [], source=source, first=11) == 11
    assert count(db) == 10
    assert [each.request_id for each in reversed(await walk(registry))] == [f"request-{n}" for n in range(10)]
    assert verify(migrated_url).fault == ""


async def test_events_that_never_came_are_told(registry: Registry, migrated_url: str) -> None:
    source = str(uuid.uuid4())
    await record(registry, events(2), source=source)
    assert await record(registry, [event(9)], source=source, first=6) == 7
    (told,) = (
        await page(registry, action="registry.audit.missing", since=datetime(2000, 1, 1, tzinfo=UTC))
    ).events
    assert told.target == {"source": source, "first": "3", "last": "5"}
    assert (told.outcome, told.service) == ("unknown", "redis_svc")
    assert verify(migrated_url).fault == ""


async def test_two_registries_record_into_one_chain(migrated_url: str, db: Session) -> None:
    """Many sources at once, each batch sent to both: in every order, and each event is there once."""
    configuration = settings(migrated_url)
    sources = [str(uuid.uuid4()) for _ in range(8)]

    async def send(source: str, registries: list[Registry]) -> None:
        for first in range(1, 51, 10):
            batch = [event(number, actor=source) for number in range(first, first + 10)]
            answers = [record(each, batch, source=source, first=first) for each in registries]
            assert await asyncio.gather(*answers) == [first + 10] * 2

    async with running_registry(configuration) as one, running_registry(configuration) as other:
        await asyncio.gather(*(send(source, [one, other]) for source in sources))
        for source in sources:
            shown = await walk(one, actor=source)
            assert [each.request_id for each in reversed(shown)] == [f"request-{n}" for n in range(1, 51)]
    assert count(db) == 400
    assert verify(migrated_url).fault == ""


async def test_a_batch_that_is_not_stored_leaves_nothing(
    registry: Registry, db: Session, migrated_url: str
) -> None:
    """The row that fails is the last one: neither the rows before it nor the place of the source stay."""
    source = str(uuid.uuid4())
    await record(registry, events(3), source=source)
    db.execute(
        "ALTER TABLE platform.database_audit_log ADD CONSTRAINT no CHECK (request_id <> 'request-5') NOT VALID"
    )
    with pytest.raises(grpc.aio.AioRpcError):
        await record(registry, events(6), source=source)
    assert count(db) == 3
    db.execute("ALTER TABLE platform.database_audit_log DROP CONSTRAINT no")
    assert await record(registry, events(6), source=source) == 7
    assert count(db) == 6
    assert verify(migrated_url).fault == ""


async def test_only_services_record(registry: Registry) -> None:
    request = messages.RecordEventsRequest(source=str(uuid.uuid4()), first_sequence=1, events=[event()])
    async with failing("PERMISSION_DENIED", grpc.StatusCode.PERMISSION_DENIED):
        await registry.audit.RecordEvents(request, metadata=bearer("owner"), timeout=20)


async def test_a_sequence_that_is_none_is_refused(registry: Registry) -> None:
    for first in (0, -1, float("nan"), 2.0**60):
        async with failing("INVALID_ARGUMENT", grpc.StatusCode.INVALID_ARGUMENT):
            await registry.audit.RecordEvents(
                messages.RecordEventsRequest(source=str(uuid.uuid4()), first_sequence=first),
                metadata=registry.as_service,
                timeout=20,
            )


async def test_a_log_that_was_cut_by_hand_goes_on(
    registry: Registry, db: Session, migrated_url: str, tmp_path: Path
) -> None:
    """Recording goes on, the registry's log says what it found, and the cut stays a fault."""
    source = str(uuid.uuid4())
    await record(registry, events(5), source=source)
    with (tmp_path / "log").open("w+") as lines:
        logs.configure("registry", stream=lines)
        db.execute("DELETE FROM platform.database_audit_log WHERE sequence > 3")
        db.execute(
            "UPDATE platform.audit_chain SET (sequence, hash) = "
            "(SELECT sequence, hash FROM platform.database_audit_log WHERE sequence = 3)"
        )
        assert "the last event is 3, and platform.audit_sources says 5" in verify(migrated_url).fault
        assert await record(registry, [event(6)], source=source, first=6) == 7
        db.execute("DELETE FROM platform.audit_chain")
        assert await record(registry, [event(7)], source=source, first=7) == 8
        lines.seek(0)
        assert lines.read().count("audit.rewound") == 1
    assert f"row 4 is event 6 of source {source}, whose last one is 3" in verify(migrated_url).fault
    assert [each.request_id for each in await walk(registry)] == [f"request-{n}" for n in (7, 6, 2, 1, 0)]


async def test_without_a_platform_database_events_are_lines_of_the_log(tmp_path: Path) -> None:
    async with running_registry(settings(None)) as registry:
        with (tmp_path / "log").open("w+") as lines:
            logs.configure("registry", stream=lines)
            assert await record(registry, [event(credential="api_key", credential_id="key-1")], first=5) == 6
            lines.seek(0)
            (line,) = [each for each in lines if '"audit.event"' in each]
        for told in (
            "redis.key.set",
            "ada@example.org",
            "user:0",
            "key-1",
            "api_key",
            NOON.strftime("%Y-%m-%dT%H"),
        ):
            assert told in line
        answer = await page(registry)
        assert (list(answer.events), answer.next_page_token) == ([], "")
