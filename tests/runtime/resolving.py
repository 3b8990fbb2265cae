"""A small registry that speaks the real protocol, and a resolver that asks it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Any

from google.protobuf import struct_pb2

from services.runtime.crypto import KeyRing
from services.runtime.errors import StudioError
from services.runtime.resolver import Connection, Resolver
from services.runtime.rights import Rights
from services.runtime.tasks import cancelled
from studio.options.v1 import errors_pb2 as reasons
from studio.options.v1.access_pb2 import Role
from studio.registry.v1 import resolver_service_pb2 as messages
from studio.registry.v1.resolver_service_pb2_grpc import ResolverServiceServicer
from tests.runtime.harness import Running, service_tokens, until

Event = messages.WatchConnectionsResponse
KEYS = KeyRing.from_secrets("engine-secret-0123456789-abcdefghi")
ONE, TWO = str(uuid.UUID(int=0xABC)), str(uuid.UUID(int=0xDEF))


class Registry(ResolverServiceServicer):
    """Rows, and watchers that are told what the test says."""

    def __init__(self) -> None:
        self.rows: dict[str, messages.ResolveConnectionResponse] = {}
        self.asked: list[str] = []
        self.known: list[dict[str, str]] = []
        self.watchers: list[asyncio.Queue[Event | None]] = []
        self.answering = asyncio.Event()
        self.answering.set()
        self.failures: list[StudioError] = []
        self.syncs = True
        self.request_ids: list[str] = []

    def put(self, id_: str, revision: str = "1", *, url: str = "redis://u:p@h", keys: KeyRing = KEYS) -> None:
        config = struct_pb2.Struct()
        config.update({"tls": True})
        self.rows[id_] = messages.ResolveConnectionResponse(
            id=id_,
            type="redis",
            ciphertext=keys.seal(url, row_id=id_, type_="redis"),
            revision=revision,
            name=f"name-{revision}",
            project_ref="default",
            config=config,
        )

    def grant(self, id_: str, **roles: Role.ValueType) -> None:
        grants = [messages.SubjectRole(subject=subject, role=role) for subject, role in roles.items()]
        del self.rows[id_].grants[:]
        self.rows[id_].grants.extend(grants)
        self.rows[id_].access_revision = f"grants {sorted(roles.items())}"
        row = self.rows[id_]
        self.tell(Event.KIND_ACCESS_CHANGED, id_, grants=row.grants, access_revision=row.access_revision)

    def tell(self, kind: Event.Kind.ValueType, id_: str = "", **more: Any) -> None:  # noqa: ANN401  fields
        for watcher in self.watchers:
            watcher.put_nowait(Event(kind=kind, id=id_, **more))

    async def ResolveConnection(  # noqa: N802  the rpc's name
        self, request: messages.ResolveConnectionRequest, context: object
    ) -> messages.ResolveConnectionResponse:
        del context
        self.asked.append(request.id)
        if self.failures:
            raise self.failures.pop(0)
        found = self.rows.get(request.id)
        await self.answering.wait()
        if found is None or found.type != request.type:
            raise StudioError(reasons.ERROR_REASON_DB_NOT_FOUND, "there is no such database")
        return found

    async def ResolveAccess(  # noqa: N802  as above
        self, request: messages.ResolveAccessRequest, context: object
    ) -> messages.ResolveAccessResponse:
        del context
        found = self.rows[request.id]
        return messages.ResolveAccessResponse(
            name=found.name, project_ref=found.project_ref, config=found.config, grants=found.grants
        )

    async def WatchConnections(  # noqa: N802  as above
        self, request: messages.WatchConnectionsRequest, context: object
    ) -> AsyncIterator[Event]:
        del context
        queue: asyncio.Queue[Event | None] = asyncio.Queue()
        self.watchers.append(queue)
        self.known.append({each.id: each.revision for each in request.known})
        try:
            for each in request.known:
                row = self.rows.get(each.id)
                if row is None:
                    yield Event(kind=Event.KIND_DELETED, id=each.id)
                elif row.revision != each.revision:
                    yield Event(kind=Event.KIND_CHANGED, id=each.id)
                elif row.access_revision != each.access_revision:
                    yield Event(
                        kind=Event.KIND_ACCESS_CHANGED,
                        id=each.id,
                        grants=row.grants,
                        access_revision=row.access_revision,
                    )
            if self.syncs:
                yield Event(kind=Event.KIND_SYNCED)
            while (event := await queue.get()) is not None:
                yield event
        finally:
            self.watchers.remove(queue)


class Client:
    """A resolver and what it says is gone."""

    def __init__(self, service: Running, *, max_connections: int = 100, keys: KeyRing = KEYS) -> None:
        self.gone: list[str] = []
        self.rights = Rights()
        self.resolver = Resolver(
            type_="redis",
            address=service.address,
            tokens=service_tokens("redis_svc"),
            keys=keys,
            on_gone=self.gone.append,
            rights=self.rights,
            max_connections=max_connections,
        )
        self.task: asyncio.Task[None] | None = None

    async def resolve(self, id_: str = ONE) -> Connection:
        return await self.resolver.resolve(id_)

    def watch(self) -> None:
        self.task = asyncio.create_task(self.resolver.watch())

    async def watch_in_step(self, registry: Registry) -> None:
        """Watches, and returns when everything the registry has said so far has arrived."""
        self.watch()
        await until(lambda: len(registry.watchers) == 1)
        marker = str(uuid.uuid4())
        registry.tell(Event.KIND_CHANGED, marker)
        await until(lambda: self.gone == [marker])
        self.gone.clear()

    async def aclose(self) -> None:
        if self.task is not None:
            await cancelled(self.task)
        await self.resolver.aclose()
