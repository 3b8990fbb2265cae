"""What happens to every request before it is forwarded: the steps of the chain, and which API it is for.

The steps are those around every rpc; what they ask of gRPC's context a request has, too. Methods that only read need
the role read_only, all others developer, and on connections registered as read-only they are refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import cast

from services.bun_proxy.client import ApiClient
from services.bun_proxy.forward import headers, paths
from services.bun_proxy.forward.messages import Head, Incoming, Peer, Request
from services.runtime import client_address, confirmation, tracing
from services.runtime import context as call
from services.runtime.audit.notes import note_names
from services.runtime.auth import identity
from services.runtime.confirmation import Asked, Confirmations
from services.runtime.contract import DATABASE_FIELD, Method
from services.runtime.databases import Databases, is_production
from services.runtime.errors import StudioError
from services.runtime.interceptors.chain import Context, Step, wrapped
from services.runtime.interceptors.chain import Request as CallRequest
from studio.bun.v1.forwarding_pb2 import ForwardRequest
from studio.options.v1 import access_pb2
from studio.options.v1 import errors_pb2 as e

READING = frozenset({"GET", "HEAD", "OPTIONS"})
NOT_FORWARDED = frozenset({"CONNECT", "TRACE"})
"""A tunnel is no request; TRACE would send the stored key back."""
ACTION = "bun.forward"
_OF_STEPS = frozenset(
    name.encode()
    for name in (*identity.HEADERS, "x-request-id", client_address.HEADER, tracing.HEADER)
    if name != identity.VERB
)
"""Headers that the steps ask for."""


class Plane:
    """Forwards requests.

    Args:
        databases: gives the APIs.
        steps: what comes first, outermost first.
        confirmations: asks about deletions on production APIs.
        leaving: set when the service is not to be chosen any more.
    """

    def __init__(
        self,
        databases: Databases[ApiClient],
        steps: Sequence[Step],
        confirmations: Confirmations,
        leaving: asyncio.Event,
    ) -> None:
        self._databases = databases
        self._confirmations = confirmations
        self._leaving = leaving
        self._read = wrapped(steps, READ, self._forward)
        self._change = wrapped(steps, CHANGE, self._forward)
        self._nowhere = wrapped(steps, NOWHERE, _refuse)

    async def handle(self, incoming: Incoming, peer: Peer) -> None:
        """Answers a request.

        Raises:
            StudioError: it is refused, or there is no answer.
        """
        if incoming.target == b"/healthz":
            status, reason = (503, b"Service Unavailable") if self._leaving.is_set() else (200, b"OK")
            body = b'{"status":"stopping"}' if self._leaving.is_set() else b'{"status":"ok"}'
            peer.respond(
                Head(status, reason, [(b"content-type", b"application/json")], len(body), has_body=True)
            )
            peer.data(body)
            peer.end([])
            return
        asked = _Call(incoming, peer)
        try:
            place = asked.place = paths.read(incoming.target)
        except StudioError as error:
            # Told to those who may call at all: so it goes through the steps, too.
            asked.refusal = error
            await self._nowhere(ForwardRequest(), cast("Context", asked))
            return
        behavior = self._read if incoming.method in READING else self._change
        request = ForwardRequest(database_id=place.database_id, method=incoming.method, path=place.path)
        await behavior(request, cast("Context", asked))

    async def _forward(self, _asked: CallRequest, context: Context) -> None:
        asked = cast("_Call", context)
        incoming, place = asked.incoming, asked.place
        if place is None:
            raise RuntimeError("a request without a place is refused before it comes here")
        note_names(method=incoming.method, path=place.path)
        _check(incoming)
        if incoming.method == "DELETE":
            await self._confirm(incoming, place.database_id)
        async with await self._databases.lease(place.database_id) as api:
            await api.forward(_request(incoming, place, api), asked.answer_to)

    async def _confirm(self, incoming: Incoming, database_id: str) -> None:
        """Of the body nothing is known yet; the token is for this path and query."""
        api = await self._databases.connection(database_id)
        if not is_production(api.config):
            return
        caller = call.caller.get()
        asked = Asked(
            caller=caller.subject if caller else "",
            action=ACTION,
            database=api,
            request=[incoming.method.encode(), incoming.target],
            why="This request deletes something.",
        )
        self._confirmations.demand(asked, _token(incoming))


def _token(incoming: Incoming) -> str:
    name = confirmation.HEADER.encode()
    return next((value.decode("latin-1") for each, value in incoming.headers if each == name), "")


class _Call:
    """A request in the shape of what the steps read of gRPC's context."""

    __slots__ = ("answer_to", "incoming", "place", "refusal")

    def __init__(self, incoming: Incoming, peer: Peer) -> None:
        self.incoming = incoming
        self.answer_to = peer
        self.place: paths.Place | None = None
        self.refusal: StudioError | None = None

    def invocation_metadata(self) -> list[tuple[str, str]]:
        """The headers that the steps ask for."""
        found = [
            (name.decode(), value.decode("latin-1"))
            for name, value in self.incoming.headers
            if name in _OF_STEPS
        ]
        # What the gateway tells of a request that it has made an rpc of.
        return [*found, (identity.VERB, self.incoming.method)]

    def peer(self) -> str:
        """Whose connection it came on."""
        return self.incoming.peer

    def time_remaining(self) -> None:
        """HTTP knows no deadline."""
        return


async def _refuse(_request: CallRequest, context: Context) -> None:
    refusal = cast("_Call", context).refusal
    raise refusal or RuntimeError("there is nothing to refuse")


def _check(incoming: Incoming) -> None:
    if incoming.method in NOT_FORWARDED:
        raise StudioError(e.ERROR_REASON_UNIMPLEMENTED, f"{incoming.method} is not forwarded.")
    if headers.has_token(incoming.headers, b"connection", b"upgrade"):
        raise StudioError(
            e.ERROR_REASON_UNIMPLEMENTED,
            "Upgrades, such as to a WebSocket, are not forwarded.",
            hint="Connect to the API itself.",
        )
    if headers.asks_for_another_method(incoming.headers):
        raise StudioError(
            e.ERROR_REASON_INVALID_ARGUMENT,
            "A header such as X-HTTP-Method-Override, which makes another method of the request's, is not forwarded.",
            hint="Send the request with that method itself.",
        )
    if headers.has_passed_here(incoming.headers):
        raise StudioError(
            e.ERROR_REASON_INVALID_ARGUMENT,
            "The request has been forwarded here before: the API leads back to this system.",
        )


def _request(incoming: Incoming, place: paths.Place, api: ApiClient) -> Request:
    target = place.target(api.options.base_path)
    return Request(
        method=incoming.method,
        path=target.partition(b"?")[0].decode(),
        target=target,
        headers=headers.to_api(
            incoming.headers, api.options, prefix=place.prefix, client=call.address.get().encode()
        ),
        content_length=incoming.content_length,
        prefix=place.prefix.encode(),
    )


def _method(
    name: str,
    role: access_pb2.Role.ValueType,
    effect: access_pb2.Effect.ValueType,
    database_field: str = DATABASE_FIELD,
) -> Method:
    """Forwarding as the steps see it. A stream: without a deadline, since bodies may have no end."""
    service = "studio.bun.v1.BunService"
    return Method(
        path=f"/{service}/{name}",
        service=service,
        name=name,
        role=role,
        action=ACTION if database_field else "bun.nowhere",
        http=(),
        success_status=200,
        server_streaming=True,
        request=ForwardRequest.DESCRIPTOR.full_name,
        response="google.protobuf.Empty",
        comment="",
        effect=effect,
        database_field=database_field,
        any_caller=not database_field,
    )


READ = _method("ForwardRead", access_pb2.ROLE_READ_ONLY, access_pb2.EFFECT_READS)
CHANGE = _method("ForwardChange", access_pb2.ROLE_DEVELOPER, access_pb2.EFFECT_CHANGES)
NOWHERE = _method("Forward", access_pb2.ROLE_READ_ONLY, access_pb2.EFFECT_NONE, database_field="")
"""A path that leads to no API."""
