"""Counts and times each call; logs those that failed or were slow.

A call that went well is not logged here: the gateway's access log has it, and a line costs more than a small call.
"""

from __future__ import annotations

import asyncio
import time

import grpc
from google.protobuf.message import Message

from services.runtime import context as call
from services.runtime import metrics
from services.runtime.contract import Method
from services.runtime.errors import StudioError
from services.runtime.interceptors.chain import Context, Handler, Request
from services.runtime.logs import get_logger
from services.runtime.statuses import code_of
from studio.options.v1 import errors_pb2 as e

CLOCKS_DIFFER_S = 0.05
"""A caller's deadline passes on its own clock first, by the way the request took."""
SLOW_S = 1.0
SAID = frozenset(
    {
        e.ERROR_REASON_AUTH_REQUIRED,
        e.ERROR_REASON_AUTH_INVALID_TOKEN,
        e.ERROR_REASON_PERMISSION_DENIED,
        e.ERROR_REASON_CSRF_REJECTED,
        e.ERROR_REASON_RESOURCE_EXHAUSTED,
        e.ERROR_REASON_SERVICE_UNAVAILABLE,
        e.ERROR_REASON_REGISTRY_UNAVAILABLE,
        e.ERROR_REASON_DEADLINE_EXCEEDED,
        e.ERROR_REASON_INTERNAL,
        e.ERROR_REASON_REGISTRY_READ_ONLY,
        e.ERROR_REASON_CONNECTION_UNREADABLE,
        e.ERROR_REASON_AUDIT_UNAVAILABLE,
        e.ERROR_REASON_DB_CONNECTION_FAILED,
        e.ERROR_REASON_DB_TIMEOUT,
        e.ERROR_REASON_DB_INVALID_CREDENTIALS,
        e.ERROR_REASON_DB_TLS_FAILED,
        e.ERROR_REASON_DB_ADDRESS_DENIED,
        e.ERROR_REASON_DB_UNAVAILABLE,
        e.ERROR_REASON_DB_PROTOCOL_ERROR,
    }
)
"""Reasons whose sentences are about this system. Others are about what the caller has sent, and may quote it or what an
engine says of it: a value, a filter, a document's key. The caller has been told; the log is for others to read."""

log = get_logger(__name__)


class Observe:
    """Metrics by method and code."""

    name = "observe"

    def wrap(self, method: Method, handler: Handler) -> Handler:
        """The handler, measured."""
        labels = (method.service, method.name)
        running = metrics.RPCS_RUNNING.labels(*labels)
        is_stream = method.server_streaming or method.client_streaming
        seconds = metrics.RPC_SECONDS.labels(*labels, "stream" if is_stream else "unary")
        succeeded = metrics.RPCS.labels(*labels, "OK")

        async def observed(request: Request, context: Context) -> Message | None:
            running.inc()
            started = time.perf_counter()
            try:
                response = await handler(request, context)
            except BaseException as error:
                code = status_of(error)
                metrics.RPCS.labels(*labels, code.name).inc()
                _log_failure(method, code, error, time.perf_counter() - started)
                raise
            else:
                succeeded.inc()
                return response
            finally:
                elapsed = time.perf_counter() - started
                seconds.observe(elapsed)
                running.dec()
                if elapsed > SLOW_S and not is_stream:
                    log.info("rpc.slow", method=method.path, duration_ms=round(elapsed * 1000))

        return observed


def status_of(error: BaseException) -> grpc.StatusCode:
    """As which status a handler's failure reaches the caller."""
    if isinstance(error, StudioError):
        return code_of(error)
    if isinstance(error, asyncio.CancelledError):
        # The deadline's passing cancels the handler, too.
        passed = call.remaining_s(1.0) <= CLOCKS_DIFFER_S
        return grpc.StatusCode.DEADLINE_EXCEEDED if passed else grpc.StatusCode.CANCELLED
    if isinstance(error, TimeoutError):
        return grpc.StatusCode.DEADLINE_EXCEEDED
    return grpc.StatusCode.INTERNAL


def _said(error: BaseException) -> str | None:
    return None if isinstance(error, StudioError) and error.reason not in SAID else str(error)


def _log_failure(method: Method, code: grpc.StatusCode, error: BaseException, elapsed_s: float) -> None:
    if isinstance(error, Exception) and not isinstance(error, (StudioError, TimeoutError)):
        return  # a defect: `recover` logs it with its traceback
    caller = call.caller.get()
    log.info(
        "rpc.failed",
        method=method.path,
        code=code.name,
        reason=error.reason_name if isinstance(error, StudioError) else None,
        error=_said(error),
        subject=caller.subject if caller else None,
        duration_ms=round(elapsed_s * 1000, 1),
    )
