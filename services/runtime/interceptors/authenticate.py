"""Finds out who calls. Envoy has looked at the token already; gRPC callers don't pass Envoy."""

from __future__ import annotations

from google.protobuf.message import Message

from services.runtime import context as call
from services.runtime.auth.identity import Identity
from services.runtime.contract import Method
from services.runtime.interceptors.chain import Context, Handler, Request


class Authenticate:
    """Knows the caller of each call; a stream ends with its caller's credential.

    Args:
        identity: knows callers.
    """

    name = "authenticate"

    def __init__(self, identity: Identity) -> None:
        self._identity = identity

    def wrap(self, method: Method, handler: Handler) -> Handler:
        """The handler, with `context.caller` set."""
        lasts = method.server_streaming or method.client_streaming

        async def authenticated(request: Request, context: Context) -> Message | None:
            caller = await self._identity.caller(call.headers_of(context))
            call.caller.set(caller)
            if lasts and not caller.is_service:
                with self._identity.credentials.while_valid(caller):
                    return await handler(request, context)
            return await handler(request, context)

        return authenticated
