"""Bounds the calls served at a time; one more is refused at once.

gRPC has such a bound of its own, but refuses without a reason of ours and would refuse health checks, too: a busy
service would be taken for a dead one.
"""

from __future__ import annotations

from google.protobuf.message import Message

from services.runtime.contract import Method
from services.runtime.errors import StudioError
from services.runtime.interceptors.chain import Context, Handler, Request
from studio.options.v1.errors_pb2 import ERROR_REASON_RESOURCE_EXHAUSTED


class Admit:
    """Counts the calls of all rpcs together; streams count for as long as they last.

    Args:
        max_running: calls served at a time.
    """

    name = "admit"

    def __init__(self, max_running: int) -> None:
        self._max_running = max_running
        self._running = 0

    def wrap(self, method: Method, handler: Handler) -> Handler:  # noqa: ARG002  every rpc alike
        """The handler, while there is room."""

        async def admitted(request: Request, context: Context) -> Message | None:
            if self._running >= self._max_running:
                raise StudioError(
                    ERROR_REASON_RESOURCE_EXHAUSTED,
                    f"This service is serving {self._max_running} calls, as many as it may; try again in a moment.",
                )
            self._running += 1
            try:
                return await handler(request, context)
            finally:
                self._running -= 1

        return admitted
