"""Finds out who calls. Envoy has looked at the token already; gRPC callers don't pass Envoy."""

from __future__ import annotations

from google.protobuf.message import Message

from services.runtime import context as call
from services.runtime.auth.tokens import TokenVerifier, bearer_token
from services.runtime.contract import Method
from services.runtime.errors import StudioError
from services.runtime.interceptors.chain import Context, Handler, Request
from studio.options.v1.errors_pb2 import ERROR_REASON_AUTH_INVALID_TOKEN, ERROR_REASON_AUTH_REQUIRED

HEADER = "authorization"


class Authenticate:
    """Verifies the bearer token of each call.

    Args:
        verifier: knows the keys.
    """

    name = "authenticate"

    def __init__(self, verifier: TokenVerifier) -> None:
        self._verifier = verifier

    def wrap(self, method: Method, handler: Handler) -> Handler:  # noqa: ARG002  every rpc alike
        """The handler, with `context.caller` set."""

        async def authenticated(request: Request, context: Context) -> Message | None:
            values = [value for key, value in context.invocation_metadata() or () if key == HEADER]
            if len(values) > 1:
                # Whoever looked before us may have looked at another one.
                raise StudioError(
                    ERROR_REASON_AUTH_INVALID_TOKEN, "The header `authorization` is there more than once."
                )
            token = bearer_token(values[0]) if values and isinstance(values[0], str) else ""
            if not token:
                raise StudioError(
                    ERROR_REASON_AUTH_REQUIRED, "A bearer token is required in the header `authorization`."
                )
            call.caller.set(await self._verifier.verify(token))
            return await handler(request, context)

        return authenticated
