"""Takes events from the spool to the registry: in batches, in order, until the registry says that it has them.

What was sent and not confirmed is sent again; the registry knows sequence numbers and skips what it has. So each event
is stored exactly once, whatever dies in between.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import grpc

from services.runtime import metrics
from services.runtime.audit.log import AuditLog
from services.runtime.audit.spool import Batch
from services.runtime.auth.service_tokens import ServiceTokens
from services.runtime.backoff import Backoff
from services.runtime.errors import StudioError
from services.runtime.logs import get_logger
from services.runtime.service_client import open_channel
from studio.options.v1.errors_pb2 import ERROR_REASON_AUDIT_UNAVAILABLE
from studio.registry.v1.audit_service_pb2 import RecordEventsRequest, RecordEventsResponse

SHIP_EVERY_S = 0.25
"""Seconds between batches that are not full: an event is in the log after about half a second."""
MAX_EVENTS = 1000
"""Events a batch: as many as the contract allows, since a batch costs the registry as much as two hundred events."""
MAX_BYTES = 1 << 20
TIMEOUT_S = 10.0
"""Of one batch."""
DRAIN_S = 3.0
"""Seconds that a service that stops tries to ship what is left; the rest is shipped by its next start."""

RECORD_EVENTS = "/studio.registry.v1.AuditService/RecordEvents"

Send = Callable[[Batch], Awaitable[int]]
"""Stores a batch; returns the sequence number that is expected next."""

Background = Callable[[str, Callable[[], Awaitable[None]]], None]
"""Runs something for ever, under a name."""

# Field number and wire type 2 (https://protobuf.dev/programming-guides/encoding/#structure).
_TAG = bytes([RecordEventsRequest.DESCRIPTOR.fields_by_name["events"].number << 3 | 2])

log = get_logger(__name__)


class Shipper:
    """Takes the events of a service away.

    Args:
        audit: what they lie in.
        send: stores them.
    """

    def __init__(self, audit: AuditLog, send: Send) -> None:
        self._audit = audit
        self._send = send
        self._backoff = Backoff()
        self._is_away = False
        self._sent = 0

    async def run(self) -> None:
        """Ships for ever."""
        while True:
            await self._audit.spool.arrived.wait()
            if not await self._ship():
                await asyncio.sleep(self._backoff.next_s())
            elif self._audit.spool.waiting < MAX_EVENTS:
                await asyncio.sleep(SHIP_EVERY_S)

    async def drain(self) -> None:
        """Ships what is left, as far as that goes in `DRAIN_S`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                while self._audit.spool.waiting and await self._ship():
                    pass

    async def _ship(self) -> bool:
        """Sends one batch; whether that worked."""
        spool = self._audit.spool
        batch = spool.batch(MAX_EVENTS, MAX_BYTES)
        if batch is None:
            return False
        try:
            self._note_sent(batch)
            expected = await self._send(batch)
            self._check(batch, expected)
        except (StudioError, grpc.aio.AioRpcError, OSError) as error:
            self._failed(error)
            return False
        spool.taken(batch.source, expected)
        stored = expected >= batch.first + len(batch.events)
        if stored:
            metrics.AUDIT_SHIPPED.inc(len(batch.events))
        if self._is_away:
            self._is_away = False
            log.info("audit.shipping_again", waiting=spool.waiting)
        self._backoff.reset()
        self._audit.note_lost()
        return True

    def _note_sent(self, batch: Batch) -> None:
        if batch.source == self._audit.spool.source:
            self._sent = max(self._sent, batch.first + len(batch.events) - 1)

    def _check(self, batch: Batch, expected: int) -> None:
        """Refuses to believe that something is stored that was never sent: then it would be lost without a trace.

        Raises:
            StudioError: AUDIT_UNAVAILABLE.
        """
        if batch.source == self._audit.spool.source and expected > self._sent + 1:
            raise StudioError(
                ERROR_REASON_AUDIT_UNAVAILABLE,
                f"the registry has event {expected - 1} of {batch.source}, of which {self._sent} were sent: "
                "platform.audit_sources was changed",
            )

    def _failed(self, error: Exception) -> None:
        if self._is_away:
            return
        self._is_away = True
        said = (
            f"{error.code().name}: {error.details()}"
            if isinstance(error, grpc.aio.AioRpcError)
            else str(error)
        )
        log.warning("audit.not_shipped", error=said, waiting=self._audit.spool.waiting)


def serialized(batch: Batch) -> bytes:
    """A batch as the bytes of a RecordEventsRequest: events are bytes already."""
    parts = [
        RecordEventsRequest(source=str(batch.source), first_sequence=batch.first).SerializeToString(),
    ]
    for event in batch.events:
        parts += (_TAG, _varint(len(event)), event)
    return b"".join(parts)


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:  # noqa: PLR2004  seven bits a byte
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


@contextlib.asynccontextmanager
async def shipping(audit: AuditLog, send: Send, background: Background) -> AsyncIterator[None]:
    """Ships while the block runs, and what is left at its end.

    Args:
        audit: whose events.
        send: stores them.
        background: runs something for ever, until the block ends.
    """
    shipper = Shipper(audit, send)
    background("audit.ship", shipper.run)
    try:
        yield
    finally:
        await shipper.drain()


@contextlib.asynccontextmanager
async def to_registry(
    audit: AuditLog, address: str, tokens: ServiceTokens, background: Background
) -> AsyncIterator[None]:
    """As `shipping`, to the registry at `host:port`, with this service's tokens."""
    async with open_channel(address, tokens) as channel:
        call: grpc.aio.UnaryUnaryMultiCallable[bytes, RecordEventsResponse] = channel.unary_unary(
            RECORD_EVENTS, bytes, RecordEventsResponse.FromString
        )

        async def send(batch: Batch) -> int:
            answer = await call(serialized(batch), timeout=TIMEOUT_S)
            return int(answer.next_sequence)

        async with shipping(audit, send, background):
            yield
