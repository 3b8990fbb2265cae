"""One connection of a caller: its requests in, their answers out."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, cast

import httptools

from services.bun_proxy.forward import headers
from services.bun_proxy.forward.connection import COPY_BYTES, last_chunk
from services.bun_proxy.forward.messages import Head, Headers, Incoming, Sender
from services.runtime import context as call
from services.runtime.errors import StudioError
from services.runtime.http_errors import to_http
from services.runtime.logs import get_logger
from studio.options.v1 import errors_pb2 as e

if TYPE_CHECKING:
    from services.bun_proxy.forward.server import Server

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

log = get_logger(__name__)


class Downstream(asyncio.Protocol):
    """The connection.

    Args:
        server: whose it is.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._limits = server.limits
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._task: asyncio.Task[None] | None = None
        self._closing = False
        """What still comes is not looked at; the connection closes once everything is written."""
        self._lost = False
        self._pipelined = False
        self._last = False
        """The parser goes no further, or the caller wants to close: no request follows this one."""
        self._served_requests = 0
        self._peer = ""
        self._out: list[bytes] = []
        self._quiet_since = self._loop.time()
        self._reset()

    def _reset(self) -> None:
        self._sender: Sender | None = None
        self._target = b""
        self._headers: Headers = []
        self._trailers: Headers = []
        self._early: list[bytes] = []
        self._early_bytes = self._field_bytes = self._quiet_bytes = self._discarded = 0
        self._begun = self._head_seen = self._complete = self._oversized = False
        self._awaits_continue = self._discarding = False
        self._method = ""
        self._is_head = False
        # Of the answer.
        self._responded = self._ended = self._chunked = False

    # A peer.

    def attach(self, sender: Sender) -> None:
        """Sends the request's body there."""
        self._sender = sender
        if self._awaits_continue and not self._complete:
            self._awaits_continue = False
            self._write(CONTINUE)
        early, self._early = self._early, []
        for chunk in early:
            sender.request_data(chunk)
        if self._complete:
            sender.request_end(self._trailers)
        elif early:
            self.resume_reading()

    def detach(self) -> None:
        """Sends it nowhere; what made us wait is over."""
        self._sender = None
        self.resume_reading()

    def respond(self, head: Head) -> None:
        """Writes the head of the answer."""
        self._responded = True
        lines = [b"HTTP/1.1 %d %b\r\n" % (head.status, head.reason)]
        lines += [b"%b: %b\r\n" % field for field in head.headers]
        if head.content_length is not None and head.status != HTTPStatus.NO_CONTENT:
            lines.append(b"content-length: %d\r\n" % head.content_length)
        elif head.has_body:
            self._chunked = True
            lines.append(b"transfer-encoding: chunked\r\n")
        if self._server.is_draining or self._pipelined:
            lines.append(b"connection: close\r\n")
        lines.append(b"\r\n")
        self._write(b"".join(lines))

    def data(self, chunk: bytes) -> None:
        """Writes a part of the answer's body."""
        if self._chunked:
            if chunk:
                self._write(b"%x\r\n" % len(chunk), chunk, b"\r\n")
        else:
            self._write(chunk)

    def end(self, trailers: Headers) -> None:
        """Ends the answer."""
        if self._chunked:
            self._write(last_chunk(trailers))
        self._ended = True

    def abort(self) -> None:
        """Closes at once."""
        if self._transport is not None:
            self._transport.abort()

    def pause_reading(self) -> None:
        """Takes nothing more from the network."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Goes on."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    # Of the server.

    def drain(self) -> None:
        """Closes when nothing runs; else after the answer."""
        if self._task is None and self._transport is not None:
            self._transport.close()

    def close_if_idle(self, now: float) -> None:
        """Closes where no request comes, or one does not come to the end of its headers."""
        most = self._limits.head_timeout_s if self._begun else self._limits.keep_client_idle_s
        if self._task is None and now - self._quiet_since > most:
            self.abort()

    # Of asyncio.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the transport, where there is room."""
        self._transport = cast("asyncio.Transport", transport)
        if not self._server.admit(self):
            self._transport.abort()
            return
        self._transport.set_write_buffer_limits(high=self._limits.buffer_bytes)
        self._peer = _peer(self._transport)

    def connection_lost(self, error: Exception | None) -> None:
        """Ends the request with the connection: the API's is closed at once."""
        del error
        self._lost = self._closing = True
        if self._task is None:
            self._server.forget(self)
        else:
            self._task.cancel()

    def pause_writing(self) -> None:
        """The caller takes the answer more slowly than it comes."""
        if self._sender is not None:
            self._sender.peer_writable(writable=False)

    def resume_writing(self) -> None:
        """It has caught up."""
        if self._sender is not None:
            self._sender.peer_writable(writable=True)

    def data_received(self, data: bytes) -> None:
        """Reads a part of a request."""
        if self._closing or self._pipelined:
            return
        self._quiet_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._last = True  # the handler refuses it; what follows is another protocol
        except httptools.HttpParserInvalidMethodError:
            self._refuse(_unsupported("This method is not forwarded."))
        except httptools.HttpParserError:
            self._refuse(self._too_large() if self._oversized else _malformed())
        else:
            if self._quiet_bytes > self._limits.head_bytes and not self._complete:
                self._refuse(self._too_large())

    # Of httptools.

    def on_message_begin(self) -> None:
        """A request begins."""
        if self._begun:
            self._pipelined = True
            return
        self._begun = True
        self._quiet_since = self._loop.time()

    def on_url(self, part: bytes) -> None:
        """A part of the target."""
        if not self._pipelined:
            self._target += part

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or after the body a trailer."""
        if self._pipelined:
            return
        fields = self._trailers if self._head_seen else self._headers
        self._field_bytes += len(name) + len(value)
        if len(fields) >= self._limits.request_fields or self._field_bytes > self._limits.head_bytes:
            self._oversized = True
            raise ValueError
        fields.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """The head is complete: somebody answers it while the body comes."""
        if self._pipelined:
            return
        self._head_seen = True
        self._quiet_bytes = self._field_bytes = 0
        if self._parser.get_http_version() != "1.1":
            raise ValueError
        self._last = headers.has_token(self._headers, b"connection", b"close")
        self._method = self._parser.get_method().decode("ascii")
        self._is_head = self._method == "HEAD"
        self._awaits_continue = headers.has_token(self._headers, b"expect", b"100-continue")
        self._task = self._loop.create_task(self._serve(self._incoming()))

    def on_body(self, chunk: bytes) -> None:
        """A part of the body."""
        if self._pipelined:
            return
        self._quiet_bytes = 0
        if self._sender is not None:
            self._sender.request_data(chunk)
        elif self._discarding:
            self._discarded += len(chunk)
            if self._discarded > self._limits.discard_bytes:
                self._close()
        else:
            self._early.append(chunk)
            self._early_bytes += len(chunk)
            if self._early_bytes > self._limits.early_bytes:
                self.pause_reading()

    def on_message_complete(self) -> None:
        """The request is complete."""
        if self._pipelined:
            return
        self._complete = True
        if self._sender is not None:
            self._sender.request_end(self._trailers)
        elif self._discarding:
            self._next()

    def _incoming(self) -> Incoming:
        length: int | None = 0
        if headers.has_token(self._headers, b"transfer-encoding", b"chunked"):
            length = None
        else:
            length = next(map(int, headers.values(self._headers, b"content-length")), 0)
        return Incoming(self._method, self._target, self._headers, length, self._peer)

    async def _serve(self, request: Incoming) -> None:
        failure: StudioError | None = None
        try:
            await self._server.handler(request, self)
        except StudioError as error:
            failure = error
        except asyncio.CancelledError:
            if not self._closing:  # cancelled by somebody else than us
                raise
        except Exception:
            log.exception("forward.defect")
            failure = StudioError(e.ERROR_REASON_INTERNAL, "Internal error; the log has it.")
        finally:
            self._task = None
            if self._lost:
                self._server.forget(self)
        if not self._closing:
            self._served(failure)

    def _served(self, failure: StudioError | None) -> None:
        """The handler is done: answers what it has not answered, and makes room for the next request."""
        if failure is not None and not self._responded:
            self._answer(failure)
        if not self._ended:
            self.abort()  # it must not look complete
        elif self._complete:
            self._next()
        else:
            # Read for a while: a caller that is still sending would see a reset instead of the answer.
            self._discarding = True
            self._early = []
            self.resume_reading()
            self._loop.call_later(self._limits.discard_s, self._give_up, self._served_requests)

    def _next(self) -> None:
        if self._pipelined or self._last or self._server.is_draining:
            self._close()
            return
        self._served_requests += 1
        self._reset()
        self._quiet_since = self._loop.time()
        self.resume_reading()

    def _give_up(self, request: int) -> None:
        if self._discarding and request == self._served_requests:
            self._close()

    def _refuse(self, error: StudioError) -> None:
        """The request itself is wrong: what comes after it can't be read."""
        if self._task is not None:
            if self._responded:
                self.abort()
                return
            self._closing = True
            self._task.cancel()
        self._answer(error, close=True)
        self._close()

    def _answer(self, error: StudioError, *, close: bool = False) -> None:
        answer = to_http(error)
        fields = [(name.encode(), value.encode()) for name, value in answer.headers]
        if call.request_id.get():
            fields.append((b"x-request-id", call.request_id.get().encode()))
        if close:
            fields.append((b"connection", b"close"))
        reason = HTTPStatus(answer.status).phrase.encode() if answer.status in set(HTTPStatus) else b""
        self.respond(Head(answer.status, reason, fields, len(answer.body), not self._is_head))
        if not self._is_head:
            self.data(answer.body)
        self.end([])

    def _close(self) -> None:
        self._closing = True
        self._flush()
        if self._transport is not None:
            self._transport.close()

    def _too_large(self) -> StudioError:
        return StudioError(
            e.ERROR_REASON_PAYLOAD_TOO_LARGE,
            f"The request's headers or trailers are larger than {self._limits.head_bytes // 1024} KiB, or more than "
            f"{self._limits.request_fields}.",
        )

    def _write(self, *parts: bytes) -> None:
        """Writes at the end of this turn of the event loop: a head and a short body in one system call."""
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out += parts

    def _flush(self) -> None:
        out, self._out = self._out, []
        if not out or self._transport is None:
            return
        if sum(map(len, out)) <= COPY_BYTES:
            self._transport.write(b"".join(out))
        else:
            self._transport.writelines(out)


def _unsupported(message: str) -> StudioError:
    return StudioError(e.ERROR_REASON_UNIMPLEMENTED, message)


def _malformed() -> StudioError:
    return StudioError(e.ERROR_REASON_INVALID_ARGUMENT, "The request is not valid HTTP/1.1.")


def _peer(transport: asyncio.Transport) -> str:
    """Who is at the other end, as gRPC names peers; empty where that is gone already."""
    name = transport.get_extra_info("peername")
    if not isinstance(name, tuple):
        return ""
    host, port = name[:2]
    return f"ipv6:[{host}]:{port}" if ":" in host else f"ipv4:{host}:{port}"
