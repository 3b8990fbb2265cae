"""Makes the work on a call a span of its trace. Only in the chain where traces are wanted."""

from __future__ import annotations

import grpc
from google.protobuf.message import Message

from services.runtime import context as call
from services.runtime.contract import Method
from services.runtime.errors import StudioError
from services.runtime.interceptors.chain import Context, Handler, Request
from services.runtime.interceptors.observe import status_of
from services.runtime.tracing import Tracer
from studio.options.v1.access_pb2 import ROLE_INTERNAL

FAULTS = frozenset(
    {
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
    }
)
"""Statuses that are the server's failures: https://opentelemetry.io/docs/specs/semconv/rpc/grpc/."""


class Trace:
    """A span a call.

    Args:
        tracer: makes them.
    """

    name = "trace"

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def wrap(self, method: Method, handler: Handler) -> Handler:
        """The handler, as a span. What services ask of each other on their own account is none."""
        tracer = self._tracer
        name = f"{method.service}/{method.name}"
        known = {"rpc.system": "grpc", "rpc.service": method.service, "rpc.method": method.name}
        is_internal = method.role == ROLE_INTERNAL

        async def traced(request: Request, context: Context) -> Message | None:
            parent = call.traceparent.get()
            if is_internal and not parent:
                return await handler(request, context)
            attributes = {**known, "studio.request_id": call.request_id.get()}
            with tracer.serving(name, attributes, parent) as span:
                if span is None:
                    return await handler(request, context)
                try:
                    answer = await handler(request, context)
                except BaseException as error:
                    code = status_of(error)
                    span.set("rpc.grpc.status_code", code.value[0])
                    kind = error.reason_name if isinstance(error, StudioError) else code.name
                    if code in FAULTS:
                        span.failed(kind)
                    else:
                        span.set("error.type", kind)
                    raise
                else:
                    span.set("rpc.grpc.status_code", 0)
                    return answer

        return traced
