"""Refuses calls of a caller who makes too many, before anything is done or written down for them."""

from __future__ import annotations

from google.protobuf.message import Message

from services.runtime import context as call
from services.runtime.contract import Method
from services.runtime.interceptors.chain import Context, Handler, Request
from services.runtime.limits import CallerLimits


class Limit:
    """Counts each caller's calls and streams.

    Args:
        limits: of this process, shared by all it serves.
    """

    name = "limit"

    def __init__(self, limits: CallerLimits) -> None:
        self._limits = limits

    def wrap(self, method: Method, handler: Handler) -> Handler:
        """The handler, for callers who keep within their limits; services have none."""
        limits = self._limits
        if method.is_internal:
            return handler
        is_stream = method.server_streaming or method.client_streaming

        async def limited(request: Request, context: Context) -> Message | None:
            caller = call.caller.get()
            if caller is None:  # without `authenticate` before it there is nobody to count for
                return await handler(request, context)
            limits.count(caller)
            if not is_stream:
                return await handler(request, context)
            with limits.stream(caller):
                return await handler(request, context)

        return limited
