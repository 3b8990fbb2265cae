"""From a database's id to what to connect to: asks the registry once, then listens for changes.

At steady state resolving costs a dictionary lookup. While the registry is away, what was resolved goes on working;
when the watch is back it is compared first, and what changed meanwhile is dropped.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import grpc
from google.protobuf import json_format
from pydantic import SecretStr

from services.runtime import context, metrics
from services.runtime.access import Registered, Role
from services.runtime.auth.service_tokens import ServiceTokens
from services.runtime.backoff import Backoff, retry
from services.runtime.crypto import KeyRing, SealedValueError
from services.runtime.errors import StudioError
from services.runtime.logs import get_logger
from services.runtime.rights import Rights
from services.runtime.service_client import open_channel
from services.runtime.statuses import from_other_service
from studio.options.v1 import errors_pb2 as reasons
from studio.registry.v1 import resolver_service_pb2 as messages
from studio.registry.v1.resolver_service_pb2_grpc import ResolverServiceStub

RESOLVE_TIMEOUT_S = 2.0
"""One try; a registry that does not answer so long is not asked again for this call."""
MAX_CONNECTIONS = 10_000
"""As many as a watch may name: the bound of `WatchConnectionsRequest.known`."""
MAX_OVERTAKEN = 3
"""Answers in a row that a change may overtake before the last one is taken as it is."""
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
    """Changes whenever anything of this does, except the grants."""
    name: str
    """Name inside its project."""
    project_ref: str
    """Short name of its project."""
    config: dict[str, Any]
    """Settings that are not secret."""
    connection_string: SecretStr
    """The engine's URL with its credentials."""
    grants: Mapping[str, Role] = field(default_factory=dict)
    """Roles on it by subject."""
    access_revision: str = ""
    """Changes whenever the grants do."""


@dataclass(frozen=True, slots=True)
class _Unusable:
    """A database whose connection can't be used: what is known of it all the same. See `Registered`."""

    id: str
    type: str
    name: str
    project_ref: str
    config: dict[str, Any]
    grants: Mapping[str, Role]


class _Asking:
    """A question to the registry, shared by all who wait for it."""

    __slots__ = ("overtaken", "task")

    def __init__(self, task: asyncio.Task[Connection]) -> None:
        self.task = task
        self.overtaken = False
        """A change came in meanwhile: the answer may be older than it."""


class Resolver:
    """The connections of one type.

    Args:
        type_: the type this service serves.
        address: gRPC address of the registry.
        tokens: this service's tokens.
        keys: opens the connection strings.
        on_gone: called with the id of a connection that changed or was deleted.
        rights: told how to find databases, and of grants that change.
        max_connections: connections remembered, `MAX_CONNECTIONS` at most; the one unused for the longest is
            forgotten first.
    """

    def __init__(
        self,
        *,
        type_: str,
        address: str,
        tokens: ServiceTokens,
        keys: KeyRing,
        on_gone: Callable[[str], None],
        rights: Rights,
        max_connections: int = MAX_CONNECTIONS,
    ) -> None:
        self._type = type_
        self._channel = open_channel(address, tokens)
        self._stub = ResolverServiceStub(self._channel)
        self._keys = keys
        self._on_gone = on_gone
        self._rights = rights
        rights.use(self.find)
        self._max_connections = min(max_connections, MAX_CONNECTIONS)
        self._known: OrderedDict[str, Connection] = OrderedDict()
        self._asking: dict[str, _Asking] = {}
        metrics.RESOLVED.labels(type_).set_function(lambda: len(self._known))
        self._hits = metrics.RESOLVES.labels(type_, "known")
        self._misses = metrics.RESOLVES.labels(type_, "asked")
        self._synced = metrics.WATCH_SYNCED.labels(type_)
        self._lost_at: float | None = time.monotonic()
        self._lost = metrics.WATCH_RECONNECTS.labels(type_)
        metrics.RESOLVER_STALE.labels(type_).set_function(self._stale_s)

    async def resolve(self, database_id: str) -> Connection:
        """The connection of a database; pools use its `id` as key, since a UUID can be spelled in several ways.

        Raises:
            StudioError: DB_NOT_FOUND; REGISTRY_UNAVAILABLE when it is not known and the registry can't be asked;
                CONNECTION_UNREADABLE when this service's keys don't open it.
        """
        database_id = database_id.lower()  # as the registry's events spell it
        known = self._known.get(database_id)
        if known is not None:
            self._known.move_to_end(database_id)
            self._hits.inc()
            return known
        self._misses.inc()
        asking = await self._answer(database_id)
        for _ in range(MAX_OVERTAKEN):
            if asking.overtaken:
                asking = await self._answer(database_id)
        if asking.task.cancelled():
            raise StudioError(reasons.ERROR_REASON_SERVICE_UNAVAILABLE, "The service is stopping.")
        return asking.task.result()

    def describe(self, database_id: str) -> tuple[str, str] | None:
        """Name and project of a database, where it is known already."""
        known = self._known.get(database_id)
        return None if known is None else (known.name, known.project_ref)

    async def find(self, database_id: str) -> Registered:
        """What decides about callers of a database; also of one whose connection can't be used.

        Raises:
            StudioError: DB_NOT_FOUND, REGISTRY_UNAVAILABLE.
        """
        try:
            return await self.resolve(database_id)
        except StudioError as error:
            if error.reason not in _UNUSABLE:
                raise
        request = messages.ResolveAccessRequest(id=database_id.lower(), type=self._type)

        async def once() -> messages.ResolveAccessResponse:
            return await self._stub.ResolveAccess(request, timeout=RESOLVE_TIMEOUT_S)

        try:
            found = await retry(once, when=_is_refused)
        except grpc.aio.AioRpcError as error:
            raise _failure(error) from error
        return _Unusable(
            id=database_id.lower(),
            type=self._type,
            name=found.name,
            project_ref=found.project_ref,
            config=json_format.MessageToDict(found.config),
            grants=_grants(found.grants),
        )

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
            self._lost.inc()
            if self._lost_at is None:
                self._lost_at = time.monotonic()
            wait_s = backoff.next_s()
            log.warning("resolver.watch_lost", type=self._type, error=reason, retry_in_s=round(wait_s, 2))
            await asyncio.sleep(wait_s)

    def _stale_s(self) -> float:
        """For the thread that answers `/metrics`."""
        lost_at = self._lost_at
        return 0.0 if lost_at is None else time.monotonic() - lost_at

    async def aclose(self) -> None:
        """Ends what is asked and closes the channel to the registry."""
        tasks = [asking.task for asking in self._asking.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await self._channel.close()

    async def _watch_once(self, backoff: Backoff) -> None:
        compared = {each.id: (each.revision, each.access_revision) for each in self._known.values()}
        known = [
            messages.KnownConnection(id=id_, revision=revision, access_revision=access_revision)
            for id_, (revision, access_revision) in compared.items()
        ]
        stream = self._stub.WatchConnections(messages.WatchConnectionsRequest(type=self._type, known=known))
        try:
            while True:
                async with asyncio.timeout(SILENCE_S):
                    event = await stream.read()
                if not isinstance(event, Event):
                    return
                if event.kind == Event.KIND_SYNCED:
                    self._synchronized(compared)
                    backoff.reset()
                elif event.kind in (Event.KIND_CHANGED, Event.KIND_DELETED):
                    self._drop(event.id)
                elif event.kind == Event.KIND_ACCESS_CHANGED:
                    self._regrant(event)
        finally:
            stream.cancel()

    def _synchronized(self, compared: dict[str, tuple[str, str]]) -> None:
        """From here on changes arrive. What was resolved after the comparison began may have missed one."""
        for database_id in list(self._asking):
            self._overtake(database_id)
        missed = [
            each
            for each in self._known.values()
            if compared.get(each.id) != (each.revision, each.access_revision)
        ]
        for each in missed:
            # Only forgotten: where it has not changed, its client stays as it is.
            del self._known[each.id]
        self._synced.set(1)
        self._lost_at = None
        log.info("resolver.watch_synced", type=self._type, known=len(self._known))

    def _drop(self, database_id: str) -> None:
        self._known.pop(database_id, None)
        self._overtake(database_id)
        self._on_gone(database_id)

    def _regrant(self, event: Event) -> None:
        """Other grants on the same connection: its client and the streams of others stay as they are."""
        grants = _grants(event.grants)
        known = self._known.get(event.id)
        if known is not None:
            self._known[event.id] = replace(known, grants=grants, access_revision=event.access_revision)
        self._overtake(event.id)
        self._rights.changed(event.id, grants)

    def _overtake(self, database_id: str) -> None:
        asking = self._asking.pop(database_id, None)
        if asking is not None:
            asking.overtaken = True

    async def _answer(self, database_id: str) -> _Asking:
        asking = self._asking.get(database_id) or self._start_asking(database_id)
        # Shared by all who wait: one that goes away must not cancel it for the others.
        await asyncio.wait([asking.task])
        return asking

    def _start_asking(self, database_id: str) -> _Asking:
        task = asyncio.create_task(
            self._ask(database_id), name=f"resolve {self._type}", context=context.shared()
        )
        asking = self._asking[database_id] = _Asking(task)
        task.add_done_callback(lambda _: self._asked(database_id, asking))
        return asking

    def _asked(self, database_id: str, asking: _Asking) -> None:
        if self._asking.get(database_id) is asking:
            del self._asking[database_id]
        task = asking.task
        if task.cancelled() or task.exception() is not None or asking.overtaken:
            return
        found = self._known[database_id] = task.result()
        # Streams that were let through by what was known before may have to end by this.
        self._rights.changed(database_id, found.grants)
        if len(self._known) > self._max_connections:
            self._known.popitem(last=False)

    async def _ask(self, database_id: str) -> Connection:
        request = messages.ResolveConnectionRequest(id=database_id, type=self._type)

        async def once() -> messages.ResolveConnectionResponse:
            return await self._stub.ResolveConnection(request, timeout=RESOLVE_TIMEOUT_S)

        try:
            found = await retry(once, when=_is_refused)
        except grpc.aio.AioRpcError as error:
            raise _failure(error) from error
        return self._opened(database_id, found)

    def _opened(self, database_id: str, found: messages.ResolveConnectionResponse) -> Connection:
        try:
            # Bound to what was asked for, whatever the answer says of itself.
            url = self._keys.open(found.ciphertext, row_id=database_id, type_=self._type)
        except SealedValueError as error:
            log.warning("resolver.unreadable", database_id=database_id, reason=str(error))
            raise StudioError(
                reasons.ERROR_REASON_CONNECTION_UNREADABLE,
                f"The stored connection of {found.name!r} does not open with this service's key.",
                hint="Set the key that sealed it among the retired keys, or save the connection again.",
            ) from None
        return Connection(
            id=database_id,
            type=self._type,
            revision=found.revision,
            name=found.name,
            project_ref=found.project_ref,
            config=json_format.MessageToDict(found.config),
            connection_string=SecretStr(url),
            grants=_grants(found.grants),
            access_revision=found.access_revision,
        )


def _grants(listed: Iterable[messages.SubjectRole]) -> dict[str, Role]:
    return {each.subject: each.role for each in listed}


def _failure(error: grpc.aio.AioRpcError) -> StudioError:
    found = from_other_service(error)
    if found.reason not in _AWAY:
        return found
    return StudioError(
        reasons.ERROR_REASON_REGISTRY_UNAVAILABLE,
        "The registry can't be reached, and this database has not been used here before.",
    )


# What gRPC itself says when nobody answers; a reason of the registry's own is passed on.
_AWAY = (reasons.ERROR_REASON_SERVICE_UNAVAILABLE, reasons.ERROR_REASON_DEADLINE_EXCEEDED)


# What the registry says of a connection, not of the database.
_UNUSABLE = (reasons.ERROR_REASON_DB_INACTIVE, reasons.ERROR_REASON_CONNECTION_UNREADABLE)


def _is_refused(error: BaseException) -> bool:
    return isinstance(error, grpc.aio.AioRpcError) and error.code() is grpc.StatusCode.UNAVAILABLE
