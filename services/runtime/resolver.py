"""From a database's id to what to connect to: asks the registry once, then listens for changes.

At steady state resolving costs a dictionary lookup. While the registry is away, what was resolved goes on working;
when the watch is back it is compared first, and what changed meanwhile is dropped.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf import json_format
from pydantic import SecretStr

from services.runtime import context, metrics
from services.runtime.auth.service_tokens import ServiceTokens
from services.runtime.backoff import Backoff, retry
from services.runtime.crypto import KeyRing, SealedValueError
from services.runtime.errors import StudioError
from services.runtime.logs import get_logger
from services.runtime.service_client import open_channel
from services.runtime.statuses import from_rpc_error
from studio.options.v1 import errors_pb2 as reasons
from studio.registry.v1 import resolver_service_pb2 as messages
from studio.registry.v1.resolver_service_pb2_grpc import ResolverServiceStub

RESOLVE_TIMEOUT_S = 2.0
SILENCE_S = 15.0
"""A watch that says nothing for so long is dead: the registry sends a heartbeat every 5 s."""

Event = messages.WatchConnectionsResponse

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Connection:
    """One registered database as its engine's service needs it."""

    id: str
    """UUID of the database."""
    type: str
    """`redis`, `mongodb`, `bun_api` or `postgres`."""
    revision: str
    """Changes whenever anything of this does."""
    name: str
    """Name inside its project."""
    project_ref: str
    """Short name of its project."""
    config: dict[str, Any]
    """Settings that are not secret."""
    connection_string: SecretStr
    """The engine's URL with its credentials."""


class Resolver:
    """The connections of one type.

    Args:
        type_: the type this service serves.
        address: gRPC address of the registry.
        tokens: this service's tokens.
        keys: opens the connection strings.
        on_gone: called with the id of a connection that changed or was deleted.
        max_connections: connections remembered; the one unused for the longest is forgotten first.
    """

    def __init__(
        self,
        *,
        type_: str,
        address: str,
        tokens: ServiceTokens,
        keys: KeyRing,
        on_gone: Callable[[str], None],
        max_connections: int = 10_000,
    ) -> None:
        self._type = type_
        self._channel = open_channel(address, tokens)
        self._stub = ResolverServiceStub(self._channel)
        self._keys = keys
        self._on_gone = on_gone
        self._max_connections = max_connections
        self._known: OrderedDict[str, Connection] = OrderedDict()
        self._asking: dict[str, asyncio.Task[Connection]] = {}
        metrics.RESOLVED.labels(type_).set_function(lambda: len(self._known))
        self._hits = metrics.RESOLVES.labels(type_, "known")
        self._misses = metrics.RESOLVES.labels(type_, "asked")
        self._synced = metrics.WATCH_SYNCED.labels(type_)

    async def resolve(self, database_id: str) -> Connection:
        """The connection of a database.

        Raises:
            StudioError: DB_NOT_FOUND; REGISTRY_UNAVAILABLE when it is not known and the registry can't be asked;
                CONNECTION_UNREADABLE when this service's keys don't open it.
        """
        known = self._known.get(database_id)
        if known is not None:
            self._known.move_to_end(database_id)
            self._hits.inc()
            return known
        self._misses.inc()
        asking = self._asking.get(database_id)
        if asking is None:
            asking = asyncio.create_task(self._ask(database_id), name=f"resolve {self._type}")
            self._asking[database_id] = asking
            asking.add_done_callback(lambda task: self._asked(database_id, task))
        # Shared by all who wait: one that goes away must not cancel it for the others.
        return await asyncio.shield(asking)

    async def watch(self) -> None:
        """Drops connections as they change, for ever; reconnects when the registry was away."""
        backoff = Backoff()
        while True:
            try:
                await self._watch_once(backoff)
                reason = "the registry ended the stream"
            except grpc.aio.AioRpcError as error:
                reason = f"{error.code().name}: {error.details()}"
            except TimeoutError:
                reason = "no heartbeat"
            self._synced.set(0)
            wait_s = backoff.next_s()
            log.warning("resolver.watch_lost", type=self._type, error=reason, retry_in_s=round(wait_s, 2))
            await asyncio.sleep(wait_s)

    async def aclose(self) -> None:
        """Closes the channel to the registry."""
        for task in list(self._asking.values()):
            task.cancel()
        await self._channel.close()

    async def _watch_once(self, backoff: Backoff) -> None:
        known = [
            messages.KnownConnection(id=each.id, revision=each.revision) for each in self._known.values()
        ]
        stream = self._stub.WatchConnections(messages.WatchConnectionsRequest(type=self._type, known=known))
        try:
            while True:
                async with asyncio.timeout(SILENCE_S):
                    event = await stream.read()
                if not isinstance(event, Event):
                    return
                self._apply(event, backoff)
        finally:
            stream.cancel()

    def _apply(self, event: Event, backoff: Backoff) -> None:
        if event.kind == Event.KIND_SYNCED:
            self._synced.set(1)
            backoff.reset()
            log.info("resolver.watch_synced", type=self._type, known=len(self._known))
        elif event.kind in (Event.KIND_CHANGED, Event.KIND_DELETED):
            self._drop(event.id)

    def _drop(self, database_id: str) -> None:
        self._known.pop(database_id, None)
        # An answer that is under way may be older than this event: whoever asks next asks anew.
        self._asking.pop(database_id, None)
        self._on_gone(database_id)

    def _asked(self, database_id: str, task: asyncio.Task[Connection]) -> None:
        overtaken = self._asking.get(database_id) is not task
        if not overtaken:
            del self._asking[database_id]
        if task.cancelled() or task.exception() is not None or overtaken:
            return
        self._known[database_id] = task.result()
        if len(self._known) > self._max_connections:
            self._known.popitem(last=False)

    async def _ask(self, database_id: str) -> Connection:
        request = messages.ResolveConnectionRequest(id=database_id, type=self._type)

        async def once() -> messages.ResolveConnectionResponse:
            return await self._stub.ResolveConnection(request, timeout=context.remaining_s(RESOLVE_TIMEOUT_S))

        try:
            found = await retry(once, when=_is_passing)
        except grpc.aio.AioRpcError as error:
            raise self._failure(error) from error
        return self._opened(found)

    def _opened(self, found: messages.ResolveConnectionResponse) -> Connection:
        try:
            url = self._keys.open(found.ciphertext, row_id=found.id, type_=found.type)
        except SealedValueError as error:
            log.warning("resolver.unreadable", database_id=found.id, reason=str(error))
            raise StudioError(
                reasons.ERROR_REASON_CONNECTION_UNREADABLE,
                f"the stored connection of {found.name!r} does not open with this service's key",
                hint="set the key that sealed it among the retired keys, or save the connection again",
            ) from None
        return Connection(
            id=found.id,
            type=found.type,
            revision=found.revision,
            name=found.name,
            project_ref=found.project_ref,
            config=json_format.MessageToDict(found.config),
            connection_string=SecretStr(url),
        )

    def _failure(self, error: grpc.aio.AioRpcError) -> StudioError:
        if _is_passing(error):
            return StudioError(
                reasons.ERROR_REASON_REGISTRY_UNAVAILABLE,
                "the registry can't be reached, and this database has not been used here before",
            )
        return from_rpc_error(error)


def _is_passing(error: BaseException) -> bool:
    passing = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
    return isinstance(error, grpc.aio.AioRpcError) and error.code() in passing
