"""One HTTP/1.1 connection to an API: a request at a time out, its answer in, each part as it arrives.

Whom it belongs to and when it is used again is `pool`'s; what an answer means to the caller is `exchange`'s.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import cast

from services.bun_proxy.forward import failures
from services.bun_proxy.forward.messages import Headers, Request
from services.bun_proxy.forward.reading import AnswerReader, Receiver
from services.bun_proxy.limits import Limits
from services.runtime.errors import StudioError

COPY_BYTES = 4096
"""A chunk up to this size is copied behind its length: cheaper than handing three pieces to the kernel."""
WITH_LENGTH = frozenset({"POST", "PUT", "PATCH"})
"""Methods for which a body is expected: that there is none is said."""


class UpstreamConnection(asyncio.Protocol):
    """The connection.

    Args:
        where: the API's origin, for messages.
        limits: bounds.
        on_lost: called when it ends while nobody uses it.
    """

    def __init__(self, where: str, limits: Limits, on_lost: Callable[[UpstreamConnection], None]) -> None:
        self._where = where
        self._limits = limits
        self._on_lost = on_lost
        self._transport: asyncio.Transport | None = None
        self._reader: AnswerReader | None = None
        self._chunked = self._sent = self._keeps = False
        self.used = 0
        """Requests sent on it so far."""
        self.idle_since = 0.0
        """When it was last given back (`time.monotonic`)."""
        self.keep_idle_s = limits.keep_idle_s
        """How long it may be kept unused."""

    @property
    def is_reusable(self) -> bool:
        """Whether another request may follow: both messages are complete, and neither side wants to close."""
        return self._keeps and self._sent and self._transport is not None and not self._transport.is_closing()

    def begin(self, request: Request, receiver: Receiver) -> None:
        """Sends the head of a request; the answer goes to `receiver`."""
        self._reader = AnswerReader(self._where, self._limits, receiver, is_head=request.method == "HEAD")
        self._chunked = request.content_length is None
        self._sent = request.content_length == 0
        self._keeps = False
        self.used += 1
        self._write(_head(request))

    def send(self, chunk: bytes) -> None:
        """Sends a part of the request's body."""
        if not self._chunked:
            self._write(chunk)
        elif chunk:
            write_chunk(self._transport, chunk)

    def finish(self, trailers: Headers) -> None:
        """Ends the request's body."""
        if self._chunked:
            self._write(last_chunk(trailers))
        self._sent = True

    def leave(self) -> None:
        """The receiver wants nothing more; a connection whose answer is not complete is of no use then."""
        if self.is_reusable:
            self.resume_reading()  # the last part may have come while the receiver could take no more
        else:
            self.abort()

    def abort(self) -> None:
        """Closes at once; the receiver is not told."""
        self._drop_reader()
        if self._transport is not None:
            self._transport.abort()

    def rest(self) -> None:
        """It is kept for the next request."""
        self.idle_since = time.monotonic()

    def pause_reading(self) -> None:
        """Takes nothing more from the network."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Goes on."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    # Of asyncio.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the transport."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=self._limits.buffer_bytes)

    def connection_lost(self, error: Exception | None) -> None:
        """Ends what is going on."""
        self._keeps = False
        reader, receiver = self._reader, self._drop_reader()
        if reader is None or receiver is None:
            self._on_lost(self)
        elif reader.until_close and error is None:
            receiver.response_end([])
        elif reader.head_seen:
            receiver.upstream_failed(failures.broke_off(self._where))
        else:
            receiver.upstream_failed(failures.LostError(self._where))

    def pause_writing(self) -> None:
        """The API takes the request more slowly than it comes."""
        if self._reader is not None and self._reader.receiver is not None:
            self._reader.receiver.upstream_writable(writable=False)

    def resume_writing(self) -> None:
        """It has caught up."""
        if self._reader is not None and self._reader.receiver is not None:
            self._reader.receiver.upstream_writable(writable=True)

    def data_received(self, data: bytes) -> None:
        """Reads a part of the answer."""
        reader = self._reader
        if reader is None:
            # What comes unasked could be taken for the answer to the next request.
            self.abort()
            return
        try:
            reader.feed(data)
        except StudioError as error:
            receiver = self._drop_reader()
            self.abort()
            if receiver is not None:
                receiver.upstream_failed(error)
            return
        if reader.complete:
            self._keeps = reader.keeps and not reader.surplus
            self.keep_idle_s = reader.keep_idle_s
            receiver = self._drop_reader()
            if receiver is not None:
                receiver.response_end(reader.trailers)

    def _drop_reader(self) -> Receiver | None:
        """Forgets the answer; returns who still wanted it."""
        reader, self._reader = self._reader, None
        if reader is None:
            return None
        receiver, reader.receiver = reader.receiver, None
        return receiver

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)


def write_chunk(transport: asyncio.Transport | None, chunk: bytes) -> None:
    """Writes a chunk with its length: https://www.rfc-editor.org/rfc/rfc9112#section-7.1."""
    if transport is None:
        return
    length = b"%x\r\n" % len(chunk)
    if len(chunk) <= COPY_BYTES:
        transport.write(length + chunk + b"\r\n")
    else:
        transport.writelines((length, chunk, b"\r\n"))


def last_chunk(trailers: Headers) -> bytes:
    """What ends a chunked body."""
    return b"".join([b"0\r\n", *(b"%b: %b\r\n" % field for field in trailers), b"\r\n"])


def _head(request: Request) -> bytes:
    lines = [b"%b %b HTTP/1.1\r\n" % (request.method.encode(), request.target)]
    lines += [b"%b: %b\r\n" % field for field in request.headers]
    if request.content_length is None:
        lines.append(b"transfer-encoding: chunked\r\n")
    elif request.content_length or request.method in WITH_LENGTH:
        lines.append(b"content-length: %d\r\n" % request.content_length)
    lines.append(b"\r\n")
    return b"".join(lines)
