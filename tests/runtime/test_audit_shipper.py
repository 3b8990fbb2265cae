"""From a service's spool to the registry: nothing is lost or stored twice, whichever side goes away when."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from services.runtime.audit import shipper
from services.runtime.audit.log import AuditLog
from services.runtime.audit.shipper import Shipper, to_registry
from services.runtime.audit.spool import Batch
from services.runtime.errors import StudioError
from services.runtime.server import Servicer
from services.runtime.tasks import cancelled
from studio.options.v1.errors_pb2 import ERROR_REASON_REGISTRY_UNAVAILABLE
from studio.registry.v1 import audit_service_pb2 as pb
from studio.registry.v1.audit_pb2 import AuditEvent
from studio.registry.v1.audit_service_pb2_grpc import AuditServiceServicer, add_AuditServiceServicer_to_server
from tests.runtime.conftest import Output
from tests.runtime.harness import running, service_tokens, settings, until

FAILURE = StudioError(ERROR_REASON_REGISTRY_UNAVAILABLE, "away")


class Store:
    """What a registry does with a batch: stores what it does not have, and says how far it is."""

    def __init__(self, fails: Iterable[str] = ()) -> None:
        self.events: list[bytes] = []
        self.next: dict[str, int] = {}
        self._fails = list(fails)

    async def send(self, batch: Batch) -> int:
        """Fails as told: `before` storing, or `after`, when the answer is lost."""
        fail = self._fails.pop(0) if self._fails else ""
        if fail == "before":
            raise FAILURE
        source = str(batch.source)
        expected = self.next.get(source, 1)
        assert batch.first <= expected, "there is a gap"
        self.events += batch.events[expected - batch.first :]
        self.next[source] = max(expected, batch.first + len(batch.events))
        if fail == "after":
            raise FAILURE
        return self.next[source]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipper, "SHIP_EVERY_S", 0.0)
    monkeypatch.setattr(shipper, "MAX_EVENTS", 10)


@pytest.fixture
def open_log(tmp_path: Path) -> Callable[[], AuditLog]:
    return lambda: AuditLog.open("tests", settings(audit_spool_dir=str(tmp_path / "spool")))


@contextlib.asynccontextmanager
async def shipping(log: AuditLog, store: Store) -> AsyncIterator[Shipper]:
    ship = Shipper(log, store.send)
    task = asyncio.create_task(ship.run())
    try:
        yield ship
    finally:
        await cancelled(task)


async def test_failures_and_lost_answers_double_and_lose_nothing(
    open_log: Callable[[], AuditLog], output: Output
) -> None:
    log, store = open_log(), Store(["before", "before", "after", "", "after"])
    expected = [b"%03d" % number for number in range(95)]
    async with shipping(log, store):
        for event in expected:
            log.spool.change(event)
        await until(lambda: not log.spool.waiting)
    assert store.events == expected
    assert len(output.of("audit.not_shipped")) <= 3, "an outage is told once, not at every try"
    log.close()


async def test_the_next_start_ships_what_was_left(open_log: Callable[[], AuditLog]) -> None:
    store = Store(["after"])
    for start in range(3):
        log = open_log()
        ship = Shipper(log, store.send)
        for number in range(25):
            log.spool.change(b"%d-%02d" % (start, number))
        # The first one ends with an answer outstanding; each start takes over what the one before has left.
        await ship.drain()
        log.close()
    assert store.events == [b"%d-%02d" % (start, number) for start in range(3) for number in range(25)]


async def test_what_was_never_sent_is_not_taken_for_stored(
    open_log: Callable[[], AuditLog], output: Output
) -> None:
    """Somebody has changed what the registry notes of this source."""
    log, store = open_log(), Store()
    ship = Shipper(log, store.send)
    log.spool.change(b"one")
    await ship.drain()
    store.next[str(log.spool.source)] = 9
    log.spool.change(b"two")
    async with shipping(log, store):
        await until(lambda: bool(output.of("audit.not_shipped")))
        assert log.spool.waiting == 1
        assert "audit_sources was changed" in output.of("audit.not_shipped")[0]["error"]
        store.next[str(log.spool.source)] = 2
        await until(lambda: not log.spool.waiting)
    assert store.events == [b"one", b"two"]
    log.close()


async def test_a_stop_waits_a_moment_for_what_is_left_and_no_longer(
    open_log: Callable[[], AuditLog], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipper, "DRAIN_S", 0.05)
    log = open_log()
    log.spool.change(b"event")

    async def never(_: Batch) -> int:
        await asyncio.Event().wait()
        return 0

    await Shipper(log, never).drain()
    assert log.spool.waiting == 1
    log.close()


class Audit(AuditServiceServicer):
    """Remembers what it was sent."""

    def __init__(self) -> None:
        self.requests: list[pb.RecordEventsRequest] = []

    async def RecordEvents(  # noqa: N802  the rpc's name
        self, request: pb.RecordEventsRequest, context: object
    ) -> pb.RecordEventsResponse:
        del context
        self.requests.append(request)
        return pb.RecordEventsResponse(next_sequence=request.first_sequence + len(request.events))

    # As generated: not implemented.
    ListAuditEvents: Any = AuditServiceServicer.ListAuditEvents
    ListDatabaseAuditEvents: Any = AuditServiceServicer.ListDatabaseAuditEvents
    ExportAuditEvents: Any = AuditServiceServicer.ExportAuditEvents


async def test_a_batch_travels_as_the_contract_has_it(open_log: Callable[[], AuditLog]) -> None:
    log, audit = open_log(), Audit()
    events = [AuditEvent(action="a.b", target={"key": "x" * size}) for size in (1, 127, 128, 4000)]
    service = Servicer("studio.registry.v1.AuditService", add_AuditServiceServicer_to_server, audit)
    tasks: list[asyncio.Task[None]] = []
    async with (
        running(service) as registry,
        to_registry(
            log,
            registry.address,
            service_tokens(),
            lambda _, run: tasks.append(asyncio.ensure_future(run())),
        ),
    ):
        for event in events:
            log.spool.change(event.SerializeToString())
        await until(lambda: not log.spool.waiting)
        tasks[0].cancel()
        await asyncio.wait(tasks)
    assert [event for request in audit.requests for event in request.events] == events
    assert audit.requests[0].first_sequence == 1
    assert len({request.source for request in audit.requests}) == 1
    log.close()
