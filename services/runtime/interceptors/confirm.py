"""Asks for a confirmation before a call that destroys something on a production database."""

from __future__ import annotations

from collections.abc import Collection

from google.api.httpbody_pb2 import HttpBody
from google.protobuf.message import Message

from services.runtime import confirmation
from services.runtime import context as call
from services.runtime.confirmation import Asked, Confirmations, Connections
from services.runtime.contract import Method
from services.runtime.databases import is_production
from services.runtime.interceptors.chain import Context, Handler, Request, Requests
from studio.options.v1.access_pb2 import EFFECT_ENDANGERS

WHY = "This call destroys data, or disturbs others who use the database."


class Confirm:
    """Asks by the effect that the contract states, and lets handlers ask by what a request holds.

    Args:
        confirmations: gives the tokens.
        connections: knows the databases.
    """

    name = "confirm"

    def __init__(self, confirmations: Confirmations, connections: Connections) -> None:
        self._confirmations = confirmations
        self._connections = connections

    def wrap(self, method: Method, handler: Handler) -> Handler:
        """The handler, for calls that need no confirmation or have one."""
        connections = self._connections
        if not method.database_field or method.is_internal:
            return handler
        asks = method.effect == EFFECT_ENDANGERS and not method.confirmed_inside

        async def confirmed(request: Request, context: Context) -> Message | None:
            # Of a stream now: handlers take its first message away.
            first = await request.first() if isinstance(request, Requests) else request
            question = _Question(self._confirmations, connections, method, first, context)
            confirmation.question.set(question)
            if asks:
                await question.if_production(WHY)
            return await handler(request, context)

        return confirmed


class _Question:
    """What can be asked about one call."""

    __slots__ = ("_confirmations", "_connections", "_context", "_method", "_request")

    def __init__(
        self,
        confirmations: Confirmations,
        connections: Connections,
        method: Method,
        request: Message,
        context: Context,
    ) -> None:
        self._confirmations = confirmations
        self._connections = connections
        self._method = method
        self._request = request
        self._context = context

    async def if_production(self, why: str, database_id: str = "", without: Collection[str] = ()) -> None:
        """See `confirmation.if_production`."""
        named = database_id or getattr(self._request, self._method.database_field)
        database = await self._connections.connection(named)
        if not is_production(database.config):
            return
        caller = call.caller.get()
        asked = Asked(
            caller=caller.subject if caller else "",
            action=self._method.action,
            database=database,
            request=[_bound(self._request, without, without_bodies=self._method.client_streaming)],
            why=why,
        )
        self._confirmations.demand(asked, _token(self._context))


def _bound(request: Message, without: Collection[str], *, without_bodies: bool) -> bytes:
    """The request as a token is bound to it: of a stream, where bytes are cut anyhow, all but the bytes."""
    bodies = [
        field.name
        for field in request.DESCRIPTOR.fields
        if without_bodies
        and field.message_type is not None
        and field.message_type.full_name == HttpBody.DESCRIPTOR.full_name
    ]
    if without or bodies:
        copy = type(request)()
        copy.CopyFrom(request)
        for name in (*without, *bodies):
            copy.ClearField(name)
        request = copy
    return request.SerializeToString(deterministic=True)


def _token(context: Context) -> str:
    for key, value in call.headers_of(context):
        if key == confirmation.HEADER and isinstance(value, str):
            return value
    return ""
