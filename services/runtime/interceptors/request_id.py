"""Gives the call its id, its rpc and its deadline, as context variables that everything inside can read."""

from __future__ import annotations

import asyncio
import os
import re
from typing import cast

from google.protobuf.message import Message

from services.runtime import context as call
from services.runtime.contract import Method
from services.runtime.interceptors.chain import Context, Handler, Request

HEADER = "x-request-id"
DEFAULT_DEADLINE_S = 30.0
"""For a unary call whose caller gave none; a stream without one lasts as long as its caller."""

_VALID = re.compile(r"[A-Za-z0-9._-]{1,128}")


class RequestId:
    """Takes the caller's `x-request-id`, or makes one.

    The gateway sends it back; a defect's sentence names it.
    """

    name = "request_id"

    def wrap(self, method: Method, handler: Handler) -> Handler:
        """The handler, with `context.request_id`, `context.method` and `context.deadline` set."""

        async def identified(request: Request, context: Context) -> Message | None:
            call.request_id.set(_request_id(context))
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


def _request_id(context: Context) -> str:
    for key, value in context.invocation_metadata() or ():
        if key == HEADER and isinstance(value, str) and _VALID.fullmatch(value):
            return value
    return os.urandom(16).hex()
