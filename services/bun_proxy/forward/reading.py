"""Reads one answer of an API as it arrives: strict, bounded, each part passed on at once."""

from __future__ import annotations

from typing import Protocol

import httptools

from services.bun_proxy.forward import failures, headers
from services.bun_proxy.forward.messages import Head, Headers, Request, Source
from services.bun_proxy.limits import Limits
from services.runtime.errors import StudioError

INFORMATIONAL = 200
"""Below it an answer is not the answer yet."""
BODILESS = frozenset({204, 304})
KEEP_ALIVE_MARGIN_S = 1.0
"""A server that says how long it keeps a connection is believed but for this."""
MAX_WHY = 100
"""Characters of what the parser says."""


class Receiver(Protocol):
    """Who gets an answer."""

    def response_head(self, head: Head) -> None:
        """It begins."""

    def response_data(self, chunk: bytes) -> None:
        """A part of its body."""

    def response_end(self, trailers: Headers) -> None:
        """It is complete."""

    def upstream_failed(self, error: StudioError) -> None:
        """There will be no more of it."""

    def upstream_writable(self, *, writable: bool) -> None:
        """Whether the API can take more of the request."""


class Upstream(Source, Protocol):
    """What a request is sent on: a connection of HTTP/1.1, or a stream of HTTP/2."""

    used: int
    """Requests that the connection has carried before."""

    @property
    def is_reusable(self) -> bool:
        """Whether it carries another request when this one is over."""

    def begin(self, request: Request, receiver: Receiver) -> None:
        """Sends the head of a request; the answer goes to `receiver`."""

    def send(self, chunk: bytes) -> None:
        """Sends a part of its body."""

    def finish(self, trailers: Headers) -> None:
        """Ends its body."""

    def leave(self) -> None:
        """The receiver wants nothing more."""

    def abort(self) -> None:
        """Gives the request up; the receiver is not told."""


class AnswerReader:
    """The reader.

    Args:
        where: the API's origin, for messages.
        limits: bounds.
        receiver: gets the head and the body; whoever feeds the reader tells it of the end.
        is_head: the request was HEAD: there is no body, whatever the headers say.
    """

    def __init__(self, where: str, limits: Limits, receiver: Receiver, *, is_head: bool) -> None:
        self.receiver: Receiver | None = receiver
        """None once nobody wants the rest."""
        self.trailers: Headers = []
        self.complete = False
        self.until_close = False
        """The body ends where the connection does."""
        self.surplus = False
        """More has come than belongs to the answer."""
        self.keeps = False
        """The server lets another request follow."""
        self.head_seen = False
        self.keep_idle_s = limits.keep_idle_s
        self._parser = httptools.HttpResponseParser(self)
        self._where = where
        self._limits = limits
        self._is_head = is_head
        self._headers: Headers = []
        self._reason = b""
        self._oversized = False
        self._field_bytes = 0
        self._quiet_bytes = 0
        """Read since the last part of a head or body was complete: what the parser keeps for itself is no more."""

    def feed(self, data: bytes) -> None:
        """Reads what has come.

        Raises:
            StudioError: DB_PROTOCOL_ERROR; it is no answer that may be passed on.
        """
        self._quiet_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            raise failures.no_http(self._where, "it switches to another protocol unasked") from None
        except httptools.HttpParserError as error:
            if self._oversized:
                raise self._too_large() from None
            if not self.complete:
                why = str(error) or type(error).__name__
                raise failures.no_http(self._where, why[:MAX_WHY].lower()) from None
            self.surplus = True
        if self._quiet_bytes > self._limits.head_bytes and not self.complete:
            raise self._too_large()

    def on_message_begin(self) -> None:
        """A message begins; after the answer, none should."""
        self.surplus = self.surplus or self.complete

    def on_status(self, part: bytes) -> None:
        """A part of the words behind the status."""
        self._reason += part

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or after the body a trailer."""
        if self.complete:
            return
        fields = self.trailers if self.head_seen else self._headers
        self._field_bytes += len(name) + len(value)
        if len(fields) >= self._limits.head_fields or self._field_bytes > self._limits.head_bytes:
            self._oversized = True
            raise ValueError
        fields.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """The head is complete."""
        status = self._parser.get_status_code()
        if self.complete or status < INFORMATIONAL:
            return
        self._quiet_bytes = self._field_bytes = 0
        self.head_seen = True
        chunked = headers.has_token(self._headers, b"transfer-encoding", b"chunked")
        length = None if chunked else next(map(int, headers.values(self._headers, b"content-length")), None)
        has_body = not self._is_head and status not in BODILESS
        self.until_close = has_body and length is None and not chunked
        self.keeps = (
            self._parser.get_http_version() == "1.1"
            and not self.until_close
            and not headers.has_token(self._headers, b"connection", b"close")
        )
        self._read_keep_alive()
        self.complete = self._is_head  # the parser does not know, and waits for a body
        if self.receiver is not None:
            self.receiver.response_head(Head(status, self._reason, self._headers, length, has_body))

    def on_body(self, chunk: bytes) -> None:
        """A part of the body."""
        if self.complete:
            self.surplus = True
            return
        self._quiet_bytes = 0
        if self.receiver is not None:
            self.receiver.response_data(chunk)

    def on_message_complete(self) -> None:
        """The answer, or an informational one before it, is complete."""
        if self.head_seen:
            self.complete = True
        else:
            self._headers = []
            self._reason = b""

    def _too_large(self) -> StudioError:
        return failures.head_too_large(self._where, self._limits.head_bytes, self._limits.head_fields)

    def _read_keep_alive(self) -> None:
        """`Keep-Alive: timeout=5`, as Node.js says it."""
        for value in headers.values(self._headers, b"keep-alive"):
            name, _, seconds = value.lower().partition(b",")[0].partition(b"=")
            if name.strip() == b"timeout" and seconds.strip().isdigit():
                told_s = int(seconds.strip()[:6])
                self.keep_idle_s = min(self.keep_idle_s, max(0.0, told_s - KEEP_ALIVE_MARGIN_S))
