"""A registered API as the rest of the service sees it: requests in, answers out, with its pool, breaker and calls."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from services.bun_proxy.forward.breaker import Breaker
from services.bun_proxy.forward.calls import MAX_PATH_CHARS, Call, CallLog
from services.bun_proxy.forward.dialing import Dialer, RefusedError
from services.bun_proxy.forward.exchange import Exchange
from services.bun_proxy.forward.failures import LostError, request_too_large
from services.bun_proxy.forward.messages import Peer, Request
from services.bun_proxy.forward.pool import ConnectionPool
from services.bun_proxy.limits import Limits
from services.bun_proxy.options import ApiOptions
from services.runtime import tracing
from services.runtime.addresses import AddressPolicy
from services.runtime.durations import milliseconds
from services.runtime.errors import StudioError
from studio.options.v1 import errors_pb2 as e

TRIES = 2
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})
"""That traces name; others are whatever a caller makes up."""
RETRY_AFTER_S = 0.05
"""Before a second try of an API that refused a connection: one that restarts refuses for a moment."""
RETIRED_S = 0.5
"""Requests to an API whose connection is changed or deleted may run on for so long: most are over by then."""

_UNREACHED = frozenset(
    {
        e.ERROR_REASON_DB_CONNECTION_FAILED,
        e.ERROR_REASON_DB_TIMEOUT,
        e.ERROR_REASON_DB_PROTOCOL_ERROR,
        e.ERROR_REASON_DB_TLS_FAILED,
    }
)
"""Failures that the breaker counts."""


@dataclass
class Counters:
    """What has happened since the client was made."""

    running: int = 0
    """Requests at this moment."""
    answered: int = 0
    """Requests that got an answer, whatever its status."""
    failed: int = 0
    """Requests without one, or with one that broke off."""
    retried: int = 0
    """Requests that were sent again."""


class ApiClient:
    """The API.

    Args:
        database_id: of its registration.
        options: where it is, and its key.
        policy: which addresses may be dialled.
        limits: bounds.
        calls: remembers what was called.
    """

    def __init__(
        self, database_id: str, options: ApiOptions, policy: AddressPolicy, limits: Limits, calls: CallLog
    ) -> None:
        self.database_id = database_id
        self.options = options
        self.limits = limits
        self.pool = ConnectionPool(
            options.origin, Dialer(options, policy, limits), limits, http2=options.http2
        )
        self.breaker = Breaker(limits.breaker_failures, limits.breaker_open_s)
        self.counters = Counters()
        self._calls = calls
        self._scopes: set[asyncio.Timeout] = set()
        self._ends_at: float | None = None

    async def forward(self, request: Request, peer: Peer, *, remember: bool = True) -> None:
        """Sends a request and passes its answer on; returns once both are complete.

        Args:
            request: its head, as the API gets it.
            peer: who asks.
            remember: whether it is listed among the API's calls.

        Raises:
            StudioError: there is no answer, or it broke off: RESOURCE_EXHAUSTED, PAYLOAD_TOO_LARGE, DB_UNAVAILABLE
                (also when the connection is changed or deleted meanwhile),
                DB_CONNECTION_FAILED, DB_TIMEOUT, DB_PROTOCOL_ERROR, DB_TLS_FAILED, DB_ADDRESS_DENIED.
        """
        most = self.limits.max_request_bytes
        if most and (request.content_length or 0) > most:
            raise request_too_large(most)
        if self.counters.running >= self.limits.max_running:
            raise StudioError(
                e.ERROR_REASON_RESOURCE_EXHAUSTED,
                f"{self.limits.max_running} requests to this API are running, as many as may; try again in a moment.",
            )
        trial = self.breaker.admit()
        exchange = Exchange(request, peer, self.options, self.limits, self.breaker.succeeded)
        started, at = time.perf_counter(), time.time()
        error_code = "CANCELLED"
        span = _span(request)
        self.counters.running += 1
        try:
            await self._unless_retired(exchange, request)
            error_code = ""
        except StudioError as error:
            error_code = error.reason_name
            if exchange.answered_at is None and error.reason in _UNREACHED:
                self.breaker.failed(error)
            raise
        finally:
            self.counters.running -= 1
            if trial:
                self.breaker.release()
            self._count(error_code)
            if span is not None:
                span.set("http.response.status_code", exchange.status)
                if error_code:
                    span.failed(error_code)
                span.end()
            if remember:
                self._calls.add(self.database_id, _call(exchange, request, started, at, error_code))

    async def aclose(self) -> None:
        """Closes every connection."""
        self.pool.close()

    def retire(self) -> None:
        """The connection is changed or deleted: what runs, such as a stream without an end, ends in a moment."""
        if self._ends_at is not None:
            return
        self._ends_at = asyncio.get_running_loop().time() + RETIRED_S
        for scope in self._scopes:
            scope.reschedule(self._ends_at)

    async def _unless_retired(self, exchange: Exchange, request: Request) -> None:
        scope = asyncio.timeout_at(self._ends_at)
        try:
            async with scope:
                self._scopes.add(scope)
                await self._try(exchange, request)
        except TimeoutError:
            raise StudioError(
                e.ERROR_REASON_DB_UNAVAILABLE, "The connection has been changed or deleted meanwhile."
            ) from None
        finally:
            self._scopes.discard(scope)

    async def _try(self, exchange: Exchange, request: Request) -> None:
        """Sends the request, once more where that can't do it twice: the API has not seen it, or may see it again."""
        for left in reversed(range(TRIES)):
            try:
                # A connection that was kept may have been closed meanwhile; after one was, the others are old, too.
                connection = await self.pool.acquire(fresh=left < TRIES - 1)
            except RefusedError:
                if not left or not request.is_repeatable:
                    raise
                await asyncio.sleep(RETRY_AFTER_S)
            else:
                was_used = connection.used > 0
                try:
                    await exchange.run(connection)
                except LostError:
                    if not left or not was_used or not request.is_repeatable:
                        raise
                else:
                    return
                finally:
                    self.pool.release(connection)
            self.counters.retried += 1

    def _count(self, error_code: str) -> None:
        if error_code:
            self.counters.failed += 1
        else:
            self.counters.answered += 1


def _span(request: Request) -> tracing.Span | None:
    """Of the call of the API: neither where it is nor what was asked of it."""
    if tracing.tracer is None:
        return None
    method = request.method if request.method in METHODS else "_OTHER"
    return tracing.tracer.calling(method, {"http.request.method": method, "studio.engine": "bun_api"})


def _call(exchange: Exchange, request: Request, started: float, at: float, error_code: str) -> Call:
    answered = exchange.answered_at
    return Call(
        at=at,
        method=request.method,
        path=request.path[:MAX_PATH_CHARS],
        status=exchange.status,
        answer_ms=-1.0 if answered is None else milliseconds(answered - started),
        duration_ms=milliseconds(time.perf_counter() - started),
        request_bytes=exchange.request_bytes,
        response_bytes=exchange.response_bytes,
        error_code=error_code,
    )
