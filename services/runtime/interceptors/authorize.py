"""Lets a call through when the contract says that its caller may make it. Default deny."""

from __future__ import annotations

from google.protobuf.message import Message

from services.runtime import context as call
from services.runtime.context import Caller
from services.runtime.contract import Method
from services.runtime.errors import StudioError
from services.runtime.interceptors.chain import Context, Handler, Request
from studio.options.v1 import access_pb2
from studio.options.v1.errors_pb2 import ERROR_REASON_PERMISSION_DENIED


class Authorize:
    """Compares the caller's role with the rpc's."""

    name = "authorize"

    def wrap(self, method: Method, handler: Handler) -> Handler:
        """The handler, for those who may call it."""

        async def authorized(request: Request, context: Context) -> Message | None:
            caller = call.caller.get()
            if caller is None or not allows(method, caller):
                raise StudioError(ERROR_REASON_PERMISSION_DENIED, _sentence(method, caller))
            return await handler(request, context)

        return authorized


def allows(method: Method, caller: Caller) -> bool:
    """Whether this caller may call this rpc.

    Internal rpcs are for services alone, and services call nothing else; an rpc without a rule is for nobody.
    """
    if method.role == access_pb2.ROLE_UNSPECIFIED or not method.action:
        return False
    if method.is_internal or caller.is_service:
        return method.is_internal and caller.is_service
    return caller.role >= method.role


def role_name(role: access_pb2.Role.ValueType) -> str:
    """`administrator` for ROLE_ADMINISTRATOR."""
    return access_pb2.Role.Name(role).removeprefix("ROLE_").lower()


def _sentence(method: Method, caller: Caller | None) -> str:
    if method.is_internal:
        return f"{method.name} is for services of this system only."
    if caller is None or caller.role == access_pb2.ROLE_UNSPECIFIED:
        return f"The token carries no role; {method.name} needs at least {role_name(method.role)}."
    return f"{method.name} needs the role {role_name(method.role)} or higher; the caller is {role_name(caller.role)}."
