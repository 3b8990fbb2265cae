"""From results to messages of the contract."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from google.protobuf.timestamp_pb2 import Timestamp

from services.bun_proxy import history, paging
from services.bun_proxy.client import Counters
from services.bun_proxy.discovery import bounds
from services.bun_proxy.discovery.model import Document, Route
from services.bun_proxy.forward.breaker import BreakerStats
from services.bun_proxy.forward.calls import Call
from services.bun_proxy.forward.pool import PoolStats
from services.bun_proxy.limits import Limits
from services.bun_proxy.probe.health import Health
from services.runtime.errors import reason_name
from studio.bun.v1 import bun_service_pb2 as pb
from studio.bun.v1 import routes_pb2 as routes_pb
from studio.options.v1.errors_pb2 import ERROR_REASON_UNSPECIFIED

if TYPE_CHECKING:
    from google.protobuf.internal.containers import RepeatedCompositeFieldContainer


def set_time(field: Timestamp, seconds: float) -> None:
    """A time in seconds since 1970."""
    field.FromNanoseconds(int(seconds * 1e9))


def health(found: Health) -> pb.GetHealthResponse:
    """How an API is."""
    verdict, answer = found.verdict, found.answer
    response = pb.GetHealthResponse(
        status=verdict.status.value,
        latency_ms=-1.0,
        message=verdict.message,
        hint=verdict.hint,
        error_code="" if verdict.reason == ERROR_REASON_UNSPECIFIED else reason_name(verdict.reason),
    )
    if answer is not None:
        response.latency_ms = answer.latency_ms
        response.path = answer.path
        response.http_status = answer.status
        response.content_type = answer.header("content-type")[:256]
        if answer.media_type.startswith("text/") or answer.media_type.endswith(("json", "xml")):
            response.body = answer.text
        response.body_truncated = answer.truncated
    return response


def set_breaker(message: pb.Breaker, stats: BreakerStats) -> None:
    """What keeps requests from an API that can't be reached."""
    message.state = stats.state.value
    message.failures, message.opened, message.refused = stats.failures, stats.opened, stats.refused
    message.retry_after_s = stats.retry_after_s
    message.last_error = stats.last_error


def set_pool(message: pb.ConnectionPool, stats: PoolStats, limits: Limits) -> None:
    """Connections to an API."""
    message.idle, message.in_use, message.max_in_use = stats.idle, stats.in_use, limits.max_running
    message.opened, message.reused = stats.opened, stats.reused


def set_requests(message: pb.Requests, counters: Counters, calls_: Sequence[Call]) -> None:
    """Requests to an API."""
    message.running, message.retried = counters.running, counters.retried
    message.answered, message.failed = counters.answered, counters.failed
    stats = history.Stats("", "", calls_)
    message.remembered = len(calls_)
    message.client_errors, message.server_errors = stats.client_errors, stats.server_errors
    message.incomplete = stats.incomplete


def set_document(message: routes_pb.ApiDocument, document: Document) -> None:
    """A document without its routes."""
    message.path, message.format = document.path, document.format
    message.title, message.version, message.description = (
        document.title,
        document.version,
        document.description,
    )
    message.route_count, message.skipped = len(document.routes), document.skipped
    message.warnings.extend(document.warnings)
    message.tags.extend(document.tags)
    set_time(message.fetched_at, document.fetched_at)


def add_routes(
    field: RepeatedCompositeFieldContainer[routes_pb.Route], routes: Iterator[Route], size: int
) -> str:
    """Adds a page of routes; the token of the next one, empty where there is none."""
    left = bounds.PAGE_BYTES
    last: Route | None = None
    for number, each in enumerate(routes):
        if last is not None and (number >= size or left <= 0):
            return paging.make(last.key)
        message = _route(each)
        left -= message.ByteSize()
        field.append(message)
        last = each
    return ""


def _route(route: Route) -> routes_pb.Route:
    return routes_pb.Route(
        method=route.method,
        path=route.path,
        proxy_path=route.proxy_path,
        operation_id=route.operation_id,
        summary=route.summary,
        description=route.description,
        tags=route.tags,
        deprecated=route.deprecated,
        parameters=[
            routes_pb.Parameter(
                name=each.name,
                required=each.required,
                type=each.type,
                format=each.format,
                description=each.description,
                values=each.values,
                default_value=each.default,
                deprecated=each.deprecated,
                **{"in": each.place},
            )
            for each in route.parameters
        ],
        request_content_types=route.content_types,
        request_body_required=route.body_required,
        answers=[
            routes_pb.Answer(
                status=each.status, description=each.description, content_types=each.content_types
            )
            for each in route.outcomes
        ],
        security=route.security,
        is_public=route.is_public,
    )


def number(token: str) -> int:
    """The number of the last call of the page before; 0 for the first page.

    Raises:
        StudioError: INVALID_CURSOR.
    """
    key = paging.read(token, 1)
    if not key:
        return 0
    if not (key[0].isascii() and key[0].isdecimal()):
        raise paging.invalid()
    return int(key[0][:18])


def calls(page: history.Page) -> pb.ListCallsResponse:
    """A page of calls."""
    response = pb.ListCallsResponse(next_page_token=paging.make([str(page.next)]) if page.next else "")
    for entry in page.entries:
        call = entry.call
        message = response.calls.add(
            method=call.method,
            path=entry.path,
            route=entry.route,
            status=call.status,
            answer_ms=call.answer_ms,
            duration_ms=call.duration_ms,
            request_bytes=call.request_bytes,
            response_bytes=call.response_bytes,
            error_code=call.error_code,
        )
        set_time(message.at, call.at)
    _set_stats(response.total, page.total)
    for stats in page.by_route:
        _set_stats(response.by_route.add(), stats)
    return response


def _set_stats(message: pb.CallStats, stats: history.Stats) -> None:
    message.method, message.route, message.count = stats.method, stats.route, len(stats.calls)
    message.client_errors, message.server_errors = stats.client_errors, stats.server_errors
    message.incomplete = stats.incomplete
    message.p50_ms, message.p90_ms, message.p99_ms = stats.percentiles_ms()
    message.request_bytes = sum(call.request_bytes for call in stats.calls)
    message.response_bytes = sum(call.response_bytes for call in stats.calls)
    if stats.calls:
        set_time(message.last_at, max(call.at for call in stats.calls))
