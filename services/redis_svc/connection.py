"""One socket to one server, shared by every caller: writes what is waiting in one go, hands replies out in order.

Each request is one payload (one command or many) with one future, however many replies it has. What is submitted
during one turn of the event loop leaves in one write, so sixteen callers cost far less than sixteen round trips. That
and hiredis's parser brought a Redis get behind the gateway from half of a no-op rpc's speed to nearly all of it.

A request whose caller has gone keeps its place in the order until its replies have come, so that no reply can reach
the next caller (the fault of CVE-2023-28858); one that was not written yet is never sent.

Connecting and logging in are `dialer`'s, reconnecting and trying again `link`'s.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from typing import cast

import hiredis

from services.redis_svc import command_spans, tls
from services.redis_svc.errors import is_parting, to_studio_error
from services.redis_svc.limits import Limits
from services.redis_svc.replies import INCOMPLETE, Reply, ServerError, new_parser
from services.redis_svc.traffic import TOTALS, Traffic
from services.runtime import tracing
from services.runtime.errors import StudioError
from studio.options.v1.errors_pb2 import ErrorReason

WRITE_CHUNK = 256 * 1024
"""Bytes joined for one write; more would only be copied."""
HIGH_WATER = 1024 * 1024
"""Bytes in the transport above which requests wait here instead, where a cancelled one can still be dropped."""
SEEN_BYTES = 16
"""First bytes from the server that are kept: they tell HTTP, TLS and SSH from Redis."""


class ConnectionLostError(StudioError):
    """The connection ended before the replies had come.

    Attributes:
        sent: whether the request may have reached the server, so that repeating it may do it twice.
    """

    def __init__(self, message: str, *, sent: bool, hint: str = "", stage: str = "protocol") -> None:
        metadata = {"stage": stage}
        super().__init__(ErrorReason.ERROR_REASON_DB_CONNECTION_FAILED, message, hint=hint, metadata=metadata)
        self.sent = sent


class CommandTimeoutError(StudioError):
    """The server did not answer in time. Whether it executed the request is not known."""

    def __init__(self, seconds: float) -> None:
        super().__init__(
            ErrorReason.ERROR_REASON_DB_TIMEOUT,
            f"The Redis server did not answer within {seconds:g} s.",
            hint="It may be busy with a long command, or the network between may be broken.",
            metadata={"stage": "protocol"},
        )


class _Request:
    __slots__ = ("deadline", "expected", "future", "payload", "size")

    def __init__(self, payload: bytes, expected: int, future: asyncio.Future[list[Reply]]) -> None:
        self.payload = payload
        self.size = len(payload)
        self.expected = expected
        self.future = future
        self.deadline = 0.0


class Connection(asyncio.Protocol):
    """The protocol of one socket. Made by `dialer`; usable from `connection_made` to `connection_lost`."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._parser = new_parser()
        self._waiting: deque[_Request] = deque()  # not written yet
        self._inflight: deque[_Request] = deque()  # written; the first one's replies come next
        self._replies: list[Reply] = []  # of the first in flight, so far
        self._unanswered = 0  # bytes received since a request was last answered in full
        self._commands = 0  # of callers, waiting or in flight
        self._bytes = 0
        self._flush_due = False
        self._paused = False
        self._leaving = False  # closes once nothing is in flight
        self._failure: StudioError | None = None
        self._watchdog: asyncio.TimerHandle | None = None
        self._progress_at = 0.0
        self._unwritten = 0  # bytes in the transport when the watchdog last looked
        self._lost = self._loop.create_future()
        self.traffic = Traffic()
        self.seen = b""
        """First bytes that the server sent."""

    # ------------------------------------------------------------------------------------------- callers

    @property
    def usable(self) -> bool:
        """Whether a request may be submitted."""
        return self._failure is None and self._transport is not None

    @property
    def failure(self) -> StudioError | None:
        """Why the connection ended; None while it lives."""
        return self._failure

    @property
    def waiting(self) -> int:
        """Requests that are not written yet."""
        return len(self._waiting)

    def submit(self, payload: bytes, expected: int) -> asyncio.Future[list[Reply]]:
        """Queues commands; they are written at the end of this turn of the event loop.

        Args:
            payload: the packed commands.
            expected: how many commands they are.

        Returns:
            A future of as many replies, in order. Cancelling it gives up the replies, nobody else's.

        Raises:
            StudioError: RESOURCE_EXHAUSTED when too much is in flight; DB_CONNECTION_FAILED when the connection has
                ended.
        """
        if self._failure is not None:
            raise self._lost_error(sent=False)
        if not expected:
            # Nothing would ever answer it, and it would be in the way of those that come after it.
            nothing = self._loop.create_future()
            nothing.set_result([])
            return nothing
        size = len(payload)
        commands, pending = self._commands + expected, self._bytes + size
        if commands > self._limits.max_inflight_commands or pending > self._limits.max_inflight_bytes:
            raise StudioError(
                ErrorReason.ERROR_REASON_RESOURCE_EXHAUSTED,
                "Too many commands wait for this Redis server.",
                hint="Try again in a moment.",
            )
        self._commands, self._bytes = commands, pending
        TOTALS.in_flight += expected
        request = _Request(payload, expected, self._loop.create_future())
        if tracing.tracer is not None:
            command_spans.follow(tracing.tracer, payload, expected, request.future)
        self._waiting.append(request)
        if not self._flush_due and not self._paused:
            self._flush_due = True
            self._loop.call_soon(self._flush)
        return request.future

    def close(self) -> None:
        """Ends the connection; what is in flight fails."""
        self._fail(ConnectionLostError("The connection was closed.", sent=True))

    def close_when_idle(self) -> None:
        """Ends the connection once what is in flight is answered."""
        self._leaving = True
        if not self._commands:
            self.close()

    def hand_over(self, protocol: asyncio.Protocol) -> asyncio.Transport:
        """Gives the socket to another protocol, for what is no order of requests and replies: MONITOR, SUBSCRIBE.

        `close` and `wait_closed` go on to work when the other one passes `connection_lost` on to this one.

        Raises:
            StudioError: DB_CONNECTION_FAILED when the connection has ended.
        """
        if self._failure is not None or self._transport is None:
            raise self._lost_error(sent=False)
        self._transport.set_protocol(protocol)
        return self._transport

    async def wait_closed(self) -> None:
        """Returns once the socket is closed."""
        await asyncio.shield(self._lost)

    # ------------------------------------------------------------------------------------------- transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the transport."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=HIGH_WATER)
        TOTALS.open += 1

    def pause_writing(self) -> None:
        """The server reads slower than callers write: requests wait here from now on."""
        self._paused = True

    def resume_writing(self) -> None:
        """Writes what has waited."""
        self._paused = False
        self._flush()

    def _flush(self) -> None:
        self._flush_due = False
        transport, waiting, inflight = self._transport, self._waiting, self._inflight
        if transport is None or self._failure is not None:
            return
        deadline = self._loop.time() + self._limits.command_timeout_s
        while waiting and not self._paused:
            chunks, size, commands = [], 0, 0
            while waiting and size < WRITE_CHUNK:
                request = waiting.popleft()
                if request.future.done():  # its caller has gone before anything was sent
                    self._release(request)
                    continue
                request.deadline = deadline
                chunks.append(request.payload)
                size += request.size
                request.payload = b""
                inflight.append(request)
                commands += request.expected
            if chunks:
                self.traffic.writes += 1
                self.traffic.commands += commands
                TOTALS.writes += 1
                TOTALS.commands += commands
                transport.write(chunks[0] if len(chunks) == 1 else b"".join(chunks))
        if inflight and self._watchdog is None:
            self._watchdog = self._loop.call_at(deadline, self._watch)

    def data_received(self, data: bytes) -> None:
        """Hands the replies in `data` to those who wait for them."""
        if not self.seen:
            self.seen = data[:SEEN_BYTES]
        if self._failure is not None:
            return
        self._progress_at = self._loop.time()
        self._unanswered += len(data)
        parser, inflight = self._parser, self._inflight
        try:
            parser.feed(data)
            gets, replies = parser.gets, self._replies
            add = replies.append
            missing = inflight[0].expected - len(replies) if inflight else 0
            while (reply := gets()) is not INCOMPLETE:
                if not missing:
                    self._unasked(reply)
                    return
                add(reply)
                missing -= 1
                if not missing:
                    self._answer(inflight.popleft(), replies)
                    replies = self._replies = []
                    add = replies.append
                    missing = inflight[0].expected if inflight else 0
        except hiredis.ProtocolError:
            self._fail(
                StudioError(
                    ErrorReason.ERROR_REASON_DB_PROTOCOL_ERROR,
                    "What answers at the address does not speak the Redis protocol.",
                    metadata={"stage": "protocol"},
                )
            )
            return
        if self._unanswered > self._limits.max_reply_bytes:
            self._fail(
                StudioError(
                    ErrorReason.ERROR_REASON_RESOURCE_EXHAUSTED,
                    f"The reply is larger than the {self._limits.max_reply_bytes} bytes that one call may return.",
                    hint="Ask for a smaller range or page.",
                )
            )

    def eof_received(self) -> None:
        """The server will send nothing more: with replies missing the connection is of no use."""

    def connection_lost(self, exc: Exception | None) -> None:
        """Fails what is left."""
        if isinstance(exc, ssl.SSLError):
            # In TLS 1.3 a server refuses our certificate, or that there is none, after our side of the handshake.
            self._fail(tls.explain(exc, "The server"))
        for reply in self._replies:
            if isinstance(reply, ServerError) and is_parting(reply):
                self._fail(to_studio_error(reply))
        self._fail(ConnectionLostError("The Redis server closed the connection.", sent=True))
        if not self._lost.done():
            self._lost.set_result(None)
            TOTALS.open -= 1

    # ------------------------------------------------------------------------------------------- inside

    def _answer(self, request: _Request, replies: list[Reply]) -> None:
        self._unanswered = 0
        self._release(request)
        if not request.future.done():
            request.future.set_result(replies)
        if self._leaving and not self._commands:
            self.close()

    def _release(self, request: _Request) -> None:
        TOTALS.in_flight -= request.expected
        self._commands -= request.expected
        self._bytes -= request.size

    def _unasked(self, reply: Reply) -> None:
        """A server that is full or protected says so at once, before any command, and hangs up."""
        if isinstance(reply, ServerError):
            self._fail(to_studio_error(reply))
            return
        self._fail(
            StudioError(
                ErrorReason.ERROR_REASON_DB_PROTOCOL_ERROR,
                "The server sent a reply that nobody asked for.",
                metadata={"stage": "protocol"},
            )
        )

    def _watch(self) -> None:
        """Runs when the first request in flight is due: tells its caller, and ends a connection that stands still."""
        self._watchdog = None
        now = self._loop.time()
        timeout = self._limits.command_timeout_s
        unwritten = self._transport.get_write_buffer_size() if self._transport is not None else 0
        if unwritten < self._unwritten:
            self._progress_at = now
        self._unwritten = unwritten
        overdue = False
        for request in self._inflight:
            if request.deadline > now:
                break
            overdue = True
            if not request.future.done():
                request.future.set_exception(CommandTimeoutError(timeout))
        # Written as the deadline is computed, so that rounding can't make a dead connection look alive.
        if overdue and now >= self._progress_at + timeout:
            self._fail(ConnectionLostError("The Redis server stopped answering.", sent=True))
        elif self._inflight:
            due = next((each.deadline for each in self._inflight if each.deadline > now), now + timeout)
            self._watchdog = self._loop.call_at(due, self._watch)

    def _fail(self, failure: StudioError) -> None:
        """Ends the connection: the first request in flight gets the failure itself, the others that it ended."""
        if self._failure is not None:
            return
        self._failure = failure
        if self._watchdog is not None:
            self._watchdog.cancel()
            self._watchdog = None
        if self._transport is not None:
            self._transport.abort()
        first = True
        for request in self._inflight:
            if not request.future.done():
                request.future.set_exception(failure if first else self._lost_error(sent=True))
            first = False
        for request in self._waiting:
            if not request.future.done():
                request.future.set_exception(self._lost_error(sent=False))
        self._inflight.clear()
        self._waiting.clear()
        self._replies = []
        TOTALS.in_flight -= self._commands
        self._commands = self._bytes = 0

    def _lost_error(self, *, sent: bool) -> ConnectionLostError:
        message = "The connection to the Redis server ended."
        if self._failure is not None and isinstance(self._failure, ConnectionLostError):
            message = self._failure.message
        return ConnectionLostError(message, sent=sent)
