"""Lets a call through when the contract and the grants say that its caller may make it. Default deny.

Decided once, here: no handler is reached without. An rpc about a registered database needs the caller's role on that
database, and who may not even read it is told that there is none; of a copy the source needs no more than reading.
Other rpcs need the token's own role, and their handlers leave out what the caller may not see.
"""

from __future__ import annotations

import re

from google.protobuf.message import Message

from services.runtime import context as call
from services.runtime.access import Registered, Role, not_found, role_name
from services.runtime.audit.notes import note_database
from services.runtime.context import Caller
from services.runtime.contract import Method
from services.runtime.errors import StudioError
from services.runtime.interceptors.chain import Context, Handler, Request, Requests
from services.runtime.interceptors.validate import check
from services.runtime.rights import Right, Rights
from studio.options.v1 import access_pb2
from studio.options.v1.errors_pb2 import ERROR_REASON_DB_NOT_FOUND, ERROR_REASON_PERMISSION_DENIED

_UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")


class Authorize:
    """Compares what the caller is with what the rpc needs.

    Args:
        rights: knows the databases, and ends the streams of those who lose their right.
    """

    name = "authorize"

    def __init__(self, rights: Rights) -> None:
        self._rights = rights

    def wrap(self, method: Method, handler: Handler) -> Handler:
        """The handler, for those who may call it."""
        if not method.database_field or method.is_internal or not _is_declared(method):
            return _by_token(method, handler)
        needed = needed_roles(method)
        lasts = method.server_streaming or method.client_streaming

        async def authorized(request: Request, context: Context) -> Message | None:
            caller = call.caller.get()
            if caller is None or caller.is_service:
                raise StudioError(ERROR_REASON_PERMISSION_DENIED, _sentence(method, caller))
            if caller.is_anonymous:  # whatever is asked for, without looking
                raise _anonymous(method)
            named = await request.first() if isinstance(request, Requests) else request
            rights = [
                await self._right(method, caller, field, least, named)
                for field, least in needed
                if not (method.any_caller and not getattr(named, field))
            ]
            if not lasts:
                return await handler(request, context)
            async with self._rights.while_held(rights):
                return await handler(request, context)

        return authorized

    async def _right(
        self, method: Method, caller: Caller, field: str, least: Role, request: Message
    ) -> Right:
        database = await self._find(getattr(request, field), request)
        if field == method.database_field:
            call.database.set(database)
            note_database(database.id, database.name, database.project_ref)
        right = Right(caller, database, least, method.name)
        why = right.check(database.grants)
        if why is not None:
            raise why
        return right

    async def _find(self, database_id: str, request: Message) -> Registered:
        if not _UUID.fullmatch(database_id):
            check(request)  # says which rule it breaks
            raise not_found()
        try:
            return await self._rights.connection(database_id)
        except StudioError as error:
            if error.reason != ERROR_REASON_DB_NOT_FOUND:
                raise
            raise not_found() from error  # word for word, whoever said it


def needed_roles(method: Method) -> tuple[tuple[str, Role], ...]:
    """The fields of a request that name a database, and the least role on each."""
    if method.any_caller:
        return ((method.database_field, access_pb2.ROLE_READ_ONLY),)
    if method.target_field:
        return ((method.database_field, access_pb2.ROLE_READ_ONLY), (method.target_field, method.role))
    return ((method.database_field, method.role),)


def allows(method: Method, caller: Caller) -> bool:
    """Whether this caller may call this rpc by what the token says, where it is about no single database.

    Internal rpcs are for services alone, and services call nothing else; an rpc without a rule is for nobody.
    """
    if not _is_declared(method):
        return False
    if method.is_internal or caller.is_service:
        return method.is_internal and caller.is_service
    if caller.is_anonymous:
        return False
    return method.any_caller or caller.role >= method.role


def _by_token(method: Method, handler: Handler) -> Handler:
    async def authorized(request: Request, context: Context) -> Message | None:
        caller = call.caller.get()
        if caller is None or not allows(method, caller):
            raise StudioError(ERROR_REASON_PERMISSION_DENIED, _sentence(method, caller))
        return await handler(request, context)

    return authorized


def _is_declared(method: Method) -> bool:
    return method.role != access_pb2.ROLE_UNSPECIFIED and bool(method.action)


def _anonymous(method: Method) -> StudioError:
    if method.any_caller:
        return StudioError(ERROR_REASON_PERMISSION_DENIED, f"{method.name} is not for anonymous callers.")
    return not_found()


def _sentence(method: Method, caller: Caller | None) -> str:
    if method.is_internal:
        return f"{method.name} is for services of this system only."
    if caller is None or caller.role == access_pb2.ROLE_UNSPECIFIED:
        return f"The token carries no role; {method.name} needs at least {role_name(method.role)}."
    return f"{method.name} needs the role {role_name(method.role)} or higher; the caller is {role_name(caller.role)}."
