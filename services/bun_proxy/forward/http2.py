"""HTTP/2 to APIs that agree on it in the TLS handshake: many requests on one connection, each a stream of its own.

h2 keeps the protocol; here is what joins it to the network: who waits for whom, and what an event means for a request.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import cast

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings
from hyperframe.frame import Frame, GoAwayFrame

from services.bun_proxy.forward import failures, headers
from services.bun_proxy.forward.messages import Head, Headers, Request
from services.bun_proxy.forward.reading import BODILESS, Receiver
from services.bun_proxy.limits import Limits
from services.runtime.errors import StudioError

PROTOCOL = "h2"
"""As ALPN names it: https://www.rfc-editor.org/rfc/rfc9113#section-3.2."""
STREAM_WINDOW = 1 << 20
"""Bytes of an answer that may be on their way before the caller has taken what came: as the gateway allows."""
CONNECTION_WINDOW = 16 << 20
"""The same of all streams together: one caller that is slow must not hold up the others."""
DEFAULT_WINDOW = 65_535

_ONLY_HTTP1 = frozenset({b"connection", b"host", b"keep-alive", b"transfer-encoding", b"content-length"})
_REASON = b""
"""HTTP/2 has no words behind the status: https://www.rfc-editor.org/rfc/rfc9113#section-8.3.2."""


class _Protocol(h2.connection.H2Connection):
    """h2, which takes GOAWAY for the end of the connection; it is a server's polite way to stop taking new requests.

    What runs is still answered: https://www.rfc-editor.org/rfc/rfc9113#section-6.8.
    """

    def _receive_goaway_frame(self, frame: GoAwayFrame) -> tuple[list[Frame], list[h2.events.Event]]:
        event = h2.events.ConnectionTerminated()
        event.last_stream_id = frame.last_stream_id
        return [], [event]


class Session(asyncio.Protocol):
    """The connection.

    Args:
        where: the API's origin, for messages.
        limits: bounds.
    """

    def __init__(self, where: str, limits: Limits) -> None:
        self.where = where
        self.limits = limits
        config = h2.config.H2Configuration(client_side=True, header_encoding=None)
        self.protocol = _Protocol(config)
        self.used = 0
        """Requests sent on it so far."""
        self.idle_since = time.monotonic()
        self.can_write = True
        """Whether the network takes more."""
        self._opened: set[Stream] = set()
        """Streams that were given out, begun or not."""
        self._streams: dict[int, Stream] = {}
        """Those that were begun and go on, by their numbers."""
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._transport: asyncio.Transport | None = None
        self._going_away = False
        self._quiet_bytes = 0
        """Read since something was complete: h2 keeps frames of 16 MiB before it finds that they are too large."""

    @property
    def running(self) -> int:
        """Requests on it now."""
        return len(self._opened)

    @property
    def is_open(self) -> bool:
        """Whether it takes another request, now or later."""
        return self._transport is not None and not self._transport.is_closing() and not self._going_away

    @property
    def has_room(self) -> bool:
        """Whether it takes another request now."""
        return self.is_open and self.running < self.protocol.remote_settings.max_concurrent_streams

    async def ready(self) -> None:
        """Returns once the API has said how many requests it takes at a time, or the connection has ended.

        Whoever does not wait for that long closes the connection.
        """
        try:
            await asyncio.shield(self._ready)
        except asyncio.CancelledError:
            self.close()
            raise

    def open_stream(self) -> Stream:
        """What one request is sent on; its `leave` makes room for the next."""
        stream = Stream(self)
        self._opened.add(stream)
        return stream

    def begin(self, stream: Stream, fields: Headers, *, ends: bool) -> int:
        """Sends the head of a request; returns the number of its stream."""
        number = self.protocol.get_next_available_stream_id()
        self.protocol.send_headers(number, fields, end_stream=ends)
        self._streams[number] = stream
        self.used += 1
        self.flush()
        return number

    def end(self, stream: Stream, number: int, *, complete: bool) -> None:
        """A request is over; one that is not complete is given up."""
        self._opened.discard(stream)
        self.idle_since = time.monotonic()
        was_running = self._streams.pop(number, None) is not None
        if self._going_away and not self._streams:
            self.close()
        elif (
            was_running and not complete and self._transport is not None and not self._transport.is_closing()
        ):
            try:
                self.protocol.reset_stream(number, h2.errors.ErrorCodes.CANCEL)
            except h2.exceptions.ProtocolError:
                return  # it has ended by itself
            self.flush()

    def flush(self) -> None:
        """Writes what the protocol has to say."""
        data = self.protocol.data_to_send()
        if data and self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def close(self) -> None:
        """Closes at once."""
        if self._transport is not None:
            self._transport.abort()

    # Of asyncio.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Says how we want to speak."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=self.limits.buffer_bytes)
        codes = h2.settings.SettingCodes
        self.protocol.local_settings = h2.settings.Settings(
            client=True,
            initial_values={
                codes.ENABLE_PUSH: 0,
                codes.INITIAL_WINDOW_SIZE: STREAM_WINDOW,
                codes.MAX_HEADER_LIST_SIZE: self.limits.head_bytes,
            },
        )
        self.protocol.decoder.max_header_list_size = self.limits.head_bytes
        self.protocol.initiate_connection()
        self.protocol.increment_flow_control_window(CONNECTION_WINDOW - DEFAULT_WINDOW)
        self.flush()

    def connection_lost(self, error: Exception | None) -> None:
        """Ends every request."""
        del error
        self._settle()
        self._fail_all(None)

    def pause_writing(self) -> None:
        """The network takes no more."""
        self.can_write = False

    def resume_writing(self) -> None:
        """It does again."""
        self.can_write = True
        for stream in list(self._streams.values()):
            stream.pump()

    def data_received(self, data: bytes) -> None:
        """Reads what has come."""
        try:
            events = self.protocol.receive_data(data)
        except h2.exceptions.DenialOfServiceError:
            self._refuse(self._too_large())
            return
        except h2.exceptions.ProtocolError:
            self._refuse(failures.no_http(self.where, "it breaks the rules of HTTP/2"))
            return
        self._quiet_bytes = 0 if events else self._quiet_bytes + len(data)
        if self._quiet_bytes > self.limits.head_bytes + self.protocol.max_inbound_frame_size:
            self._refuse(self._too_large())
            return
        for event in events:
            self._handle(event)
        self.flush()

    def _handle(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.ConnectionTerminated):
            self._going_away = True
            last = event.last_stream_id or 0
            for number, stream in [each for each in self._streams.items() if each[0] > last]:
                self._streams.pop(number)
                stream.lose(None)
            if not self._streams:
                self.close()
        elif isinstance(event, (h2.events.RemoteSettingsChanged, h2.events.WindowUpdated)):
            self._settle()
            for stream in list(self._streams.values()):
                stream.pump()
        else:
            stream_id = getattr(event, "stream_id", None)
            found = self._streams.get(stream_id) if stream_id is not None else None
            if found is not None:
                found.handle(event)
            elif isinstance(event, h2.events.DataReceived):
                # Of a request that was given up: else the window of all shrinks for ever.
                self.protocol.acknowledge_received_data(
                    event.flow_controlled_length or 0, event.stream_id or 0
                )

    def _too_large(self) -> StudioError:
        return failures.head_too_large(self.where, self.limits.head_bytes, self.limits.head_fields)

    def _settle(self) -> None:
        if not self._ready.done():
            self._ready.set_result(None)

    def _refuse(self, error: StudioError) -> None:
        self.flush()  # it tells the server why
        self._fail_all(error)
        self.close()

    def _fail_all(self, error: StudioError | None) -> None:
        self._going_away = True
        streams, self._streams = list(self._streams.values()), {}
        for stream in streams:
            stream.lose(error)


class Stream:
    """One request and its answer, as `UpstreamConnection` is one for HTTP/1.1.

    Args:
        session: the connection.
    """

    is_reusable = False
    """The connection is; a stream carries one request."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.used = session.used
        """Requests that the connection has carried before."""
        self._receiver: Receiver | None = None
        self._number = 0
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._told_to_wait = False
        self._trailers: Headers | None = None
        """Of the request; None while it goes on."""
        self._sent = False
        self._head_seen = self._complete = False
        self._is_head = False
        self._answer_trailers: Headers = []
        self._paused = False
        self._untaken = 0
        """Bytes that came and the caller has not taken: the API is not told to send as many more."""

    def begin(self, request: Request, receiver: Receiver) -> None:
        """Sends the head of a request; the answer goes to `receiver`."""
        self._receiver = receiver
        self._is_head = request.method == "HEAD"
        authority = next(headers.values(request.headers, b"host"), b"")
        fields = [
            (b":method", request.method.encode()),
            (b":scheme", b"https"),
            (b":authority", authority),
            (b":path", request.target),
            *(field for field in request.headers if field[0] not in _ONLY_HTTP1),
        ]
        if request.content_length:
            fields.append((b"content-length", b"%d" % request.content_length))
        self._sent = request.content_length == 0
        try:
            self._number = self.session.begin(self, fields, ends=self._sent)
        except h2.exceptions.H2Error:
            self.lose(None)  # it is going away, or has less room than it said

    def send(self, chunk: bytes) -> None:
        """Sends a part of the request's body, as far as the API takes it; the rest waits here."""
        self._waiting.append(chunk)
        self._waiting_bytes += len(chunk)
        self.pump()

    def finish(self, trailers: Headers) -> None:
        """Ends the request's body."""
        if not self._sent:
            self._trailers = trailers
            self.pump()

    def leave(self) -> None:
        """The receiver wants nothing more."""
        self._receiver = None
        self.session.end(self, self._number, complete=self._complete and self._sent)
        self._take_all()

    def abort(self) -> None:
        """As `leave`; the other requests on the connection go on."""
        self.leave()

    def pause_reading(self) -> None:
        """Lets the API send no more than is on its way."""
        self._paused = True

    def resume_reading(self) -> None:
        """Goes on."""
        self._paused = False
        self._take_all()

    def pump(self) -> None:
        """Sends what waits, as much as the API and the network take."""
        if self._receiver is None or not self._number:
            return
        try:
            self._pump()
        except h2.exceptions.ProtocolError:
            return  # the API has ended the stream; the event that says so is on its way
        self.session.flush()
        self._tell()

    def handle(self, event: h2.events.Event) -> None:
        """What the API says of it."""
        if isinstance(event, h2.events.ResponseReceived):
            self._head(event.headers)
        elif isinstance(event, h2.events.DataReceived):
            self._untaken += event.flow_controlled_length or 0
            if self._receiver is not None:
                self._receiver.response_data(bytes(event.data))
            if not self._paused:
                self._take_all()
        elif isinstance(event, h2.events.TrailersReceived):
            self._answer_trailers = [(bytes(name), bytes(value)) for name, value in event.headers]
        elif isinstance(event, h2.events.StreamEnded):
            self._complete = True
            receiver, self._receiver = self._receiver, None
            if receiver is not None:
                receiver.response_end(self._answer_trailers)
        elif isinstance(event, h2.events.StreamReset):
            self.session.end(self, self._number, complete=True)
            self.lose(None)

    def lose(self, error: StudioError | None) -> None:
        """There is no more of the answer."""
        receiver, self._receiver = self._receiver, None
        where = self.session.where
        if receiver is not None:
            lost = failures.broke_off(where) if self._head_seen else failures.LostError(where)
            receiver.upstream_failed(error or lost)

    def _head(self, fields: list[tuple[bytes, bytes]]) -> None:
        status = int(dict(fields)[b":status"])
        kept = [(bytes(name), bytes(value)) for name, value in fields if not name.startswith(b":")]
        if len(kept) > self.session.limits.head_fields:
            limits = self.session.limits
            self.lose(failures.head_too_large(self.session.where, limits.head_bytes, limits.head_fields))
            return
        self._head_seen = True
        length = next(map(int, headers.values(kept, b"content-length")), None)
        has_body = not self._is_head and status not in BODILESS
        if self._receiver is not None:
            self._receiver.response_head(Head(status, _REASON, kept, length, has_body))

    def _pump(self) -> None:
        protocol = self.session.protocol
        while self._waiting and self.session.can_write:
            room = min(protocol.local_flow_control_window(self._number), protocol.max_outbound_frame_size)
            if room <= 0:
                return
            chunk = self._waiting.popleft()
            if len(chunk) > room:
                self._waiting.appendleft(chunk[room:])
                chunk = chunk[:room]
            self._waiting_bytes -= len(chunk)
            protocol.send_data(self._number, chunk)
            self.session.flush()
        if not self._waiting and self._trailers is not None and not self._sent:
            self._sent = True
            if self._trailers:
                protocol.send_headers(self._number, self._trailers, end_stream=True)
            else:
                protocol.end_stream(self._number)

    def _tell(self) -> None:
        """Has the caller wait while too much waits here."""
        too_much = self._waiting_bytes > self.session.limits.buffer_bytes
        if too_much != self._told_to_wait and self._receiver is not None:
            self._told_to_wait = too_much
            self._receiver.upstream_writable(writable=not too_much)

    def _take_all(self) -> None:
        taken, self._untaken = self._untaken, 0
        if taken and self._number:
            self.session.protocol.acknowledge_received_data(taken, self._number)
            self.session.flush()
