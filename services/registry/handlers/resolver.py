"""`studio.registry.v1.ResolverService`: what the engines' services ask."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc

from services.registry.databases import Databases
from services.registry.feed import Feed
from services.registry.store import Change, Grants, Known, Store
from services.registry.store.rows import access_revision
from services.runtime.access import GRANTS, not_found
from studio.registry.v1 import resolver_service_pb2 as messages
from studio.registry.v1.resolver_service_pb2_grpc import ResolverServiceServicer

HEARTBEAT_S = 5.0
"""Longest silence of a watch that is alive."""

Context = grpc.aio.ServicerContext[Any, Any]
Event = messages.WatchConnectionsResponse


class ResolverHandler(ResolverServiceServicer):
    """Answers services.

    Args:
        databases: finds connections.
        store: compares what a watcher holds.
        feed: tells what changes.
    """

    def __init__(self, databases: Databases, store: Store, feed: Feed) -> None:
        self._databases = databases
        self._store = store
        self._feed = feed

    async def ResolveConnection(  # noqa: N802  the rpc's name
        self,
        request: messages.ResolveConnectionRequest,
        context: Context,  # noqa: ARG002
    ) -> messages.ResolveConnectionResponse:
        """One connection, sealed."""
        found = await self._databases.resolve(request.id, request.type)
        answer = messages.ResolveConnectionResponse(
            id=found.id,
            type=found.type,
            ciphertext=found.ciphertext,
            revision=found.revision,
            name=found.name,
            project_ref=found.project_ref,
            grants=_grants(found.grants),
            access_revision=access_revision(found.grants),
        )
        answer.config.update(found.config)
        return answer

    async def ResolveAccess(  # noqa: N802  the rpc's name
        self,
        request: messages.ResolveAccessRequest,
        context: Context,  # noqa: ARG002
    ) -> messages.ResolveAccessResponse:
        """What decides about callers."""
        found = await self._databases.get(request.id)
        if found.type != request.type:
            raise not_found()
        answer = messages.ResolveAccessResponse(
            name=found.name, project_ref=found.project_ref, grants=_grants(found.grants or {})
        )
        answer.config.update(found.config or {})
        return answer

    async def WatchConnections(  # noqa: N802  the rpc's name
        self,
        request: messages.WatchConnectionsRequest,
        context: Context,  # noqa: ARG002
    ) -> AsyncIterator[Event]:
        """What has changed, then SYNCED, then what changes."""
        # Subscribed before it compares: a change in between is told twice rather than never.
        with self._feed.subscribe(request.type) as subscription:
            known = [Known(each.id, each.revision, each.access_revision) for each in request.known]
            for change in await self._store.changes(request.type, known):
                yield await self._event(change)
            yield Event(kind=Event.KIND_SYNCED)
            while True:
                happened = await subscription.next(HEARTBEAT_S)
                yield await self._event(happened) if happened else Event(kind=Event.KIND_HEARTBEAT)

    async def _event(self, change: Change) -> Event:
        if change.access:
            grants = (await self._store.grants([change.id])).get(change.id.lower(), {})
            return Event(
                kind=Event.KIND_ACCESS_CHANGED,
                id=change.id,
                grants=_grants(grants),
                access_revision=access_revision(grants),
            )
        return Event(kind=Event.KIND_DELETED if change.deleted else Event.KIND_CHANGED, id=change.id)


def _grants(grants: Grants) -> list[messages.SubjectRole]:
    return [messages.SubjectRole(subject=subject, role=GRANTS[role]) for subject, role in grants.items()]
