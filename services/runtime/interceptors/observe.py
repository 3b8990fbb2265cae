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

CLOCKS_DIFFER_S = 0.05
"""A caller's deadline passes on its own clock first, by the way the request took."""
SLOW_S = 1.0

log = get_logger(__name__)


class Observe:
    """Metrics by method and code."""

    name = "observe"

    def wrap(self, method: Method, handler: Handler) -> Handler:
        """The handler, measured."""
        labels = (method.service, method.name)
        running = metrics.RPCS_RUNNING.labels(*labels)
        seconds = metrics.RPC_SECONDS.labels(*labels)
        succeeded = metrics.RPCS.labels(*labels, "OK")

        async def observed(request: Request, context: Context) -> Message | None:
            running.inc()
            started = time.perf_counter()
            try:
                response = await handler(request, context)
            except BaseException as error:
                code = _code(error)
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
                if elapsed > SLOW_S and not (method.server_streaming or method.client_streaming):
                    log.info("rpc.slow", method=method.path, duration_ms=round(elapsed * 1000))

        return observed


def _code(error: BaseException) -> grpc.StatusCode:
    if isinstance(error, StudioError):
        return code_of(error)
    if isinstance(error, asyncio.CancelledError):
        # The deadline's passing cancels the handler, too.
        passed = call.remaining_s(1.0) <= CLOCKS_DIFFER_S
        return grpc.StatusCode.DEADLINE_EXCEEDED if passed else grpc.StatusCode.CANCELLED
    if isinstance(error, TimeoutError):
        return grpc.StatusCode.DEADLINE_EXCEEDED
    return grpc.StatusCode.INTERNAL


def _log_failure(method: Method, code: grpc.StatusCode, error: BaseException, elapsed_s: float) -> None:
    if isinstance(error, Exception) and not isinstance(error, (StudioError, TimeoutError)):
        return  # a defect: `recover` logs it with its traceback
    caller = call.caller.get()
    log.info(
        "rpc.failed",
        method=method.path,
        code=code.name,
        reason=error.reason_name if isinstance(error, StudioError) else None,
        error=str(error),
        subject=caller.subject if caller else None,
        duration_ms=round(elapsed_s * 1000, 1),
    )
