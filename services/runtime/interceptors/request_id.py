"""Gives the call its ids, its client's address, its rpc and its deadline, for everything inside to read."""

from __future__ import annotations

import asyncio
import os
import re
from typing import cast

from google.protobuf.message import Message

from services.runtime import client_address, tracing
from services.runtime import context as call
from services.runtime.client_address import TrustedProxies
from services.runtime.contract import Method
from services.runtime.interceptors.chain import Context, Handler, Request

HEADER = "x-request-id"
DEFAULT_DEADLINE_S = 30.0
"""For a unary call whose caller gave none; a stream without one lasts as long as its caller."""

_VALID = re.compile(r"[A-Za-z0-9._-]{1,128}")


class RequestId:
    """Takes the caller's `x-request-id`, or makes one.

    The gateway sends it back; a defect's sentence names it.

    Args:
        proxies: who is believed about the address of a client.
    """

    name = "request_id"

    def __init__(self, proxies: TrustedProxies) -> None:
        self._proxies = proxies

    def wrap(self, method: Method, handler: Handler) -> Handler:
        """The handler, with `context.request_id`, `trace_id`, `address`, `method` and `deadline` set."""
        proxies = self._proxies

        async def identified(request: Request, context: Context) -> Message | None:
            request_id, told, traceparent = _told(context)
            call.request_id.set(request_id)
            # Also where nothing is traced: the caller looks for its own traces' ids in logs.
            if traceparent and (trace_id := tracing.trace_id(traceparent)):
                call.traceparent.set(traceparent)
                call.trace_id.set(trace_id)
            call.address.set(proxies.client(context.peer(), told))
            call.method.set(method)
            # None without a deadline, whatever the stubs say.
            remaining_s = cast("float | None", context.time_remaining())
            if remaining_s is None and method.server_streaming:
                return await handler(request, context)
            end = asyncio.get_running_loop().time() + (
                DEFAULT_DEADLINE_S if remaining_s is None else remaining_s
            )
            call.deadline.set(end)
            if remaining_s is not None:
                return await handler(request, context)  # gRPC itself cancels the call
            async with asyncio.timeout_at(end):
                return await handler(request, context)

        return identified


def _told(context: Context) -> tuple[str, str | None, str]:
    """The id of the call, the client's address and the trace as the headers have them."""
    request_id = traceparent = ""
    address = None
    for key, value in call.headers_of(context):
        if key == HEADER:
            if isinstance(value, str) and _VALID.fullmatch(value):
                request_id = value
        elif key == client_address.HEADER and isinstance(value, str):
            # The last one, which the nearest proxy wrote.
            address = value
        elif key == tracing.HEADER and isinstance(value, str):
            traceparent = value
    return request_id or os.urandom(16).hex(), address, traceparent
