"""An engine's service in this process, on real gRPC, beside a registry that holds what a test gives it."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any, TypeVar

import grpc
import jwt
from google.protobuf import json_format, struct_pb2
from google.rpc import error_details_pb2, status_pb2
from pydantic import SecretStr

from services.runtime.auth.service_tokens import ServiceTokens
from services.runtime.crypto import KeyRing
from services.runtime.server import OpenApp, serve
from services.runtime.settings import EngineSettings
from studio.options.v1.access_pb2 import ROLE_UNSPECIFIED, Role
from studio.registry.v1 import resolver_service_pb2 as resolver
from studio.registry.v1.resolver_service_pb2_grpc import (
    ResolverServiceServicer,
    add_ResolverServiceServicer_to_server,
)

JWT_SECRET = "user-tokens-of-the-tests-0123456789"
TOKEN_LIFETIME_S = 4 * 3600
"""Longer than a run of all tests: some tokens are made when the tests are collected."""
SERVICE_SECRET = "service-tokens-of-the-tests-0123456789"
CRYPTO_KEY = "crypto-key-of-the-tests-0123456789"
KEYS = KeyRing.from_secrets(CRYPTO_KEY)

SettingsT = TypeVar("SettingsT", bound=EngineSettings)

Event = resolver.WatchConnectionsResponse
Metadata = tuple[tuple[str, str], ...]


class Registry(ResolverServiceServicer):
    """Hands out sealed connections of one type and tells watchers what changes."""

    def __init__(self, type_: str) -> None:
        self._type = type_
        self.connections: dict[str, tuple[str, str]] = {}
        """URL and revision by id."""
        self.configs: dict[str, dict[str, object]] = {}
        """Settings that are not secret, by id; none where there are none."""
        self.grants: dict[str, dict[str, Role.ValueType]] = {}
        """Roles by subject, by id."""
        self.resolved = 0
        """Times it was asked."""
        self._watchers: set[asyncio.Queue[Event]] = set()

    def register(self, url: str, database_id: str = "", config: dict[str, object] | None = None) -> str:
        """Registers a URL, or changes one; returns its id."""
        known = database_id in self.connections
        database_id = database_id or str(uuid.uuid4())
        self.configs[database_id] = config or {}
        self.connections[database_id] = (url, str(uuid.uuid4()))
        if known:
            self._tell(Event(kind=Event.KIND_CHANGED, id=database_id))
        return database_id

    def remove(self, database_id: str) -> None:
        """Deletes a connection."""
        del self.connections[database_id]
        self._tell(Event(kind=Event.KIND_DELETED, id=database_id))

    def grant(self, database_id: str, subject: str, role: Role.ValueType) -> None:
        """Gives a subject a role on a connection; ROLE_UNSPECIFIED takes it back."""
        grants = self.grants.setdefault(database_id, {})
        grants.pop(subject, None)
        if role != ROLE_UNSPECIFIED:
            grants[subject] = role
        self._tell(
            Event(
                kind=Event.KIND_ACCESS_CHANGED,
                id=database_id,
                grants=self._grants(database_id),
                access_revision=str(uuid.uuid4()),
            )
        )

    def _grants(self, database_id: str) -> list[resolver.SubjectRole]:
        grants = self.grants.get(database_id, {})
        return [resolver.SubjectRole(subject=subject, role=role) for subject, role in grants.items()]

    @property
    def watchers(self) -> int:
        """Streams that are open."""
        return len(self._watchers)

    def _tell(self, event: Event) -> None:
        for watcher in self._watchers:
            watcher.put_nowait(event)

    async def ResolveAccess(  # noqa: N802  the rpc
        self,
        request: resolver.ResolveAccessRequest,
        context: grpc.aio.ServicerContext[Any, Any],  # noqa: ARG002  gRPC's signature
    ) -> resolver.ResolveAccessResponse:
        return resolver.ResolveAccessResponse(
            name="a database",
            project_ref="default",
            config=json_format.ParseDict(self.configs[request.id], struct_pb2.Struct()),
            grants=self._grants(request.id),
        )

    async def ResolveConnection(  # noqa: N802  the rpc
        self, request: resolver.ResolveConnectionRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> resolver.ResolveConnectionResponse:
        self.resolved += 1
        if request.id not in self.connections:
            status = status_pb2.Status(code=grpc.StatusCode.NOT_FOUND.value[0], message="no such database")
            status.details.add().Pack(
                error_details_pb2.ErrorInfo(reason="DB_NOT_FOUND", domain="studio-databases")
            )
            context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such database")
        url, revision = self.connections[request.id]
        return resolver.ResolveConnectionResponse(
            id=request.id,
            type=self._type,
            ciphertext=KEYS.seal(url, row_id=request.id, type_=self._type),
            revision=revision,
            name="a database",
            project_ref="default",
            config=json_format.ParseDict(self.configs[request.id], struct_pb2.Struct()),
            grants=self._grants(request.id),
        )

    async def WatchConnections(  # noqa: N802  the rpc
        self, request: resolver.WatchConnectionsRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[Event]:
        del request, context
        events: asyncio.Queue[Event] = asyncio.Queue()
        self._watchers.add(events)
        try:
            yield Event(kind=Event.KIND_SYNCED)
            while True:
                yield await events.get()
        finally:
            self._watchers.discard(events)


def as_user(role: str = "owner", **more: object) -> Metadata:
    """The metadata of a user's call, whose token has more claims where some are given."""
    now = int(time.time())
    claims = {"sub": f"{role}@test", "role": role, "iat": now, "exp": now + TOKEN_LIFETIME_S, **more}
    return (("authorization", f"Bearer {jwt.encode(claims, JWT_SECRET, algorithm='HS256')}"),)


def as_service() -> Metadata:
    """The metadata of another service's call."""
    return (("authorization", f"Bearer {ServiceTokens('registry', SecretStr(SERVICE_SECRET)).current()}"),)


@contextlib.asynccontextmanager
async def running_engine(
    name: str, type_: str, settings: type[SettingsT], open_app: OpenApp[SettingsT], **variables: object
) -> AsyncIterator[tuple[int, Registry]]:
    """Runs a registry and the service; yields its port and the registry; stops both at the end."""
    registry = Registry(type_)
    server = grpc.aio.server()
    add_ResolverServiceServicer_to_server(registry, server)
    values: dict[str, Any] = {
        "grpc_address": "127.0.0.1:0",
        "http_address": "127.0.0.1:0",
        "registry_address": f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}",
        "jwt_secret": JWT_SECRET,
        "service_token_secret": SERVICE_SECRET,
        "multi_db_crypto_key": CRYPTO_KEY,
        "shutdown_grace_s": 1,
        **variables,
    }
    await server.start()
    stop = asyncio.Event()
    started: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve(name, settings(**values), open_app, stop=stop, started=started))
    try:
        async with asyncio.timeout(20):
            port = await started
        yield port, registry
    finally:
        stop.set()
        await task
        await server.stop(None)
