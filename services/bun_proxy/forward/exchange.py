"""One request and its answer: joins a peer and a connection, makes the faster side wait, and watches the time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from services.bun_proxy.forward import failures, headers
from services.bun_proxy.forward.messages import Head, Headers, Peer, Request
from services.bun_proxy.forward.reading import Upstream
from services.bun_proxy.limits import Limits
from services.bun_proxy.options import ApiOptions
from services.runtime.errors import StudioError


class Exchange:
    """The exchange.

    Args:
        request: its head, as the API gets it.
        peer: who asks.
        options: where it goes.
        limits: bounds.
        on_answer: called when the answer begins.
    """

    def __init__(
        self,
        request: Request,
        peer: Peer,
        options: ApiOptions,
        limits: Limits,
        on_answer: Callable[[], None],
    ) -> None:
        self._request = request
        self._peer = peer
        self._options = options
        self._limits = limits
        self._on_answer = on_answer
        self._loop = asyncio.get_running_loop()
        self._connection: Upstream | None = None
        self._done: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._active_at = self._loop.time()
        self._request_ended = False
        self._answer_ended = False
        self.status = 0
        """Of the answer; 0 before it begins."""
        self.answered_at: float | None = None
        """When it began (`time.perf_counter`: uvloop's own clock counts in milliseconds)."""
        self.request_bytes = 0
        """Of the request's body, sent on so far."""
        self.response_bytes = 0
        """Of the answer's body, so far."""

    async def run(self, connection: Upstream) -> None:
        """Sends the request on a connection and passes the answer to the peer.

        Returns once both are complete. When it is cancelled, the connection is closed at once.

        Raises:
            StudioError: there is no answer, or it broke off; `LostError` where the request may be sent again.
        """
        self._connection = connection
        self._done = self._loop.create_future()
        self._active_at = self._loop.time()
        try:
            connection.begin(self._request, self)
            self._peer.attach(self)
            self._arm()
            await self._done
        finally:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            self._peer.detach()
            self._connection = None
            connection.leave()

    # Of the peer.

    def request_data(self, chunk: bytes) -> None:
        """Passes a part of the request's body on."""
        self.request_bytes += len(chunk)
        self._active_at = self._loop.time()
        most = self._limits.max_request_bytes
        if most and self.request_bytes > most:
            self._fail(failures.request_too_large(most))
        elif self._connection is not None:
            self._connection.send(chunk)

    def request_end(self, trailers: Headers) -> None:
        """Ends the request's body."""
        self._request_ended = True
        self._active_at = self._loop.time()
        if self._connection is not None:
            self._connection.finish(headers.trailers(trailers))
        if self._timer is not None:
            self._arm()
        self._complete()

    def peer_writable(self, *, writable: bool) -> None:
        """Has the API wait for the peer."""
        if self._connection is not None:
            if writable:
                self._connection.resume_reading()
            else:
                self._connection.pause_reading()

    # Of the connection.

    def response_head(self, head: Head) -> None:
        """Begins the answer."""
        self.status = head.status
        self._active_at = self._loop.time()
        self.answered_at = time.perf_counter()
        self._on_answer()
        most = self._limits.max_response_bytes
        if most and head.has_body and (head.content_length or 0) > most:
            self._fail(failures.answer_too_large(most))
            return
        if self._timer is not None and self._deadline() < self._timer.when():
            self._arm()
        fields = headers.to_caller(head.headers, self._options, self._request.prefix)
        self._peer.respond(Head(head.status, head.reason, fields, head.content_length, head.has_body))

    def response_data(self, chunk: bytes) -> None:
        """Passes a part of the answer's body on."""
        self.response_bytes += len(chunk)
        self._active_at = self._loop.time()
        most = self._limits.max_response_bytes
        if most and self.response_bytes > most:
            self._fail(failures.answer_too_large(most))
        else:
            self._peer.data(chunk)

    def response_end(self, trailers: Headers) -> None:
        """Ends the answer. What is left of the request goes nowhere: the API has said what it thinks of it."""
        self._answer_ended = True
        self._peer.end(headers.trailers(trailers))
        self._complete()

    def upstream_failed(self, error: StudioError) -> None:
        """Ends the exchange."""
        self._fail(error)

    def upstream_writable(self, *, writable: bool) -> None:
        """Has the peer wait for the API."""
        if writable:
            self._peer.resume_reading()
        else:
            self._peer.pause_reading()

    def _complete(self) -> None:
        if self._answer_ended and self._done is not None and not self._done.done():
            self._done.set_result(None)

    def _fail(self, error: StudioError) -> None:
        if self._connection is not None:
            self._connection.abort()
        if self._done is not None and not self._done.done():
            self._done.set_exception(error)

    def _deadline(self) -> float:
        """When the exchange is given up unless something happens, on the event loop's clock."""
        if self._request_ended and self.answered_at is None:
            return self._active_at + self._limits.answer_timeout_s
        return self._active_at + self._limits.idle_timeout_s

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(self._deadline(), self._watch)

    def _watch(self) -> None:
        """Looks whether the time is up: once in a while, not at every chunk, which would cost more than the chunk."""
        if self._loop.time() < self._deadline():
            self._arm()
        elif self._request_ended and self.answered_at is None:
            self._fail(failures.silent(self._options.origin, self._limits.answer_timeout_s))
        else:
            self._fail(failures.idle(self._options.origin, self._limits.idle_timeout_s))
