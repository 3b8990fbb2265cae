"""A password leaves the registry sealed or not at all: not in logs, errors, answers, tables or queries."""

from __future__ import annotations

import io
import logging
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import psycopg
import pytest
import structlog
from google.protobuf.field_mask_pb2 import FieldMask

from services.runtime import logs
from studio.registry.v1.database_pb2 import ConnectionDiagnosis
from studio.registry.v1.resolver_service_pb2 import ResolveConnectionRequest
from tests.registry.harness import (
    CANARY,
    CRYPTO_KEYS,
    SUCCESS,
    Registry,
    ScriptedEngine,
    running_registry,
    settings,
)

Session = psycopg.Connection[tuple[Any, ...]]


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Everything that is logged, as the service logs it."""
    written = io.StringIO()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    logs.configure("registry", "INFO", stream=written)
    yield written
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


URL = f"redis://:{CANARY}@127.0.0.1:6379/0"
CREATE_ONLY = {"name", "project_ref", "skip_test"}
ATTEMPTS: list[dict[str, Any]] = [
    {"name": "stored"},
    {"name": "tested", "skip_test": False},
    {"name": "Wrong Name"},
    {"name": "stored"},
    {"project_ref": "nowhere"},
    {"connection_string": f"redis://:{CANARY}@x@host"},
    {"connection_string": f"redis://:{CANARY}/x@host"},
    {"connection_string": f"redis://host:{CANARY}"},
    {"connection_string": f"{CANARY}://host"},
    {"connection_string": f"mongodb://u:{CANARY}@host"},
    {"connection_string": "", "host": "h", "password": CANARY},
    {"connection_string": "", "host": "h h", "password": CANARY},
    {"password": CANARY, "username": "other"},
    {"type": "mongodb", "connection_string": f"mongodb://u:{CANARY}@h/?maxPoolSize={CANARY}"},
    {"type": "postgres", "connection_string": f"postgres://u:{CANARY}@h/d?password={CANARY}"},
    {"type": "bun_api", "connection_string": f"https://:{CANARY}@host/base", "name": "bun"},
]


CHANGES: list[Callable[[str], dict[str, Any]]] = [
    lambda secret: {"password": secret},
    lambda secret: {"password": secret, "username": "app", "host": "h2"},
    lambda secret: {"password": secret, "host": "not a host"},
    lambda secret: {"password": secret, "name": "stored"},
    lambda secret: {"password": secret, "update_mask": FieldMask(paths=["password", secret])},
    lambda secret: {"connection_string": f"rediss://u:{secret}@h3"},
    lambda secret: {"connection_string": f"redis://u:{secret}@x@h3"},
    lambda secret: {"connection_string": f"mongodb://u:{secret}@h3"},
    lambda secret: {"connection_string": f"redis://u:{secret}@h4", "skip_test": True},
    lambda secret: {"connection_string": f"redis://u:{secret}@h4", "password": secret},
]


async def test_the_password_is_nowhere(
    registry: Registry, redis_engine: ScriptedEngine, db: Session, log: io.StringIO
) -> None:
    closed = ConnectionDiagnosis(stage="tcp", error_code="DB_CONNECTION_FAILED", message="closed")
    answers = (SUCCESS, closed, grpc.StatusCode.UNAVAILABLE)
    seen: list[str] = []
    for number, fields in enumerate(ATTEMPTS):
        redis_engine.answer = answers[number % 3]
        unsaved = {name: value for name, value in fields.items() if name not in CREATE_ONLY}
        for call in (
            registry.create(**fields),
            registry.test(**{"type": "redis", "connection_string": URL, **unsaved}),
        ):
            try:
                seen.append(str(await call))
            except grpc.aio.AioRpcError as error:
                seen.append(f"{error!r} {error.trailing_metadata()!r}")
    await _change(registry, redis_engine, seen)
    seen.append(str(await registry.list()))
    for each in (await registry.list()).databases:
        seen.append(str(await registry.get(each.id)))
        seen.append(str(await registry.test_saved(each.id)))
        request = ResolveConnectionRequest(id=each.id, type=each.type)
        seen.append(str(await registry.services.ResolveConnection(request, metadata=registry.as_service)))
    assert len((await registry.list()).databases) >= 3
    everywhere = {
        "answers": "\n".join(seen),
        "logs": log.getvalue(),
        "table": str(db.execute("SELECT d::text FROM platform.databases_with_projects d").fetchall()),
        "activity": str(db.execute("SELECT query FROM pg_stat_activity").fetchall()),
    }
    for place, text in everywhere.items():
        assert text, place
        assert CANARY not in text, place
        for key in CRYPTO_KEYS.values():
            assert key not in text, place


async def _change(registry: Registry, redis_engine: ScriptedEngine, seen: list[str]) -> None:
    """Every way in which a password can come with a change, with every outcome of its test."""
    failing = ConnectionDiagnosis(
        stage="authentication", error_code="DB_INVALID_CREDENTIALS", message="The password is wrong."
    )
    stored = await registry.create(name="changed")
    for answer in (failing, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL, SUCCESS):
        redis_engine.answer = answer
        for number, fields in enumerate(CHANGES):
            try:
                seen.append(str(await registry.update(stored.id, **fields(f"{CANARY}-{number}"))))
            except grpc.aio.AioRpcError as error:
                seen.append(f"{error!r} {error.trailing_metadata()!r}")
    again = {"name": "again", "request_id": str(uuid.uuid4())}
    await registry.create(**again)
    try:
        await registry.create(**again, connection_string=f"redis://:{CANARY}-2@h")
    except grpc.aio.AioRpcError as error:
        seen.append(f"{error!r} {error.trailing_metadata()!r}")


async def test_the_password_of_a_variable_is_nowhere(log: io.StringIO) -> None:
    variables: dict[str, Any] = {
        "redis_url": URL,
        "mongodb_url": f"mongodb://u:{CANARY}/x@h",
        "bun_api_url": "https://h",
        "bun_api_key": CANARY,
    }
    async with running_registry(settings(None, environment_connections=True, **variables)) as registry:
        rows = list((await registry.list()).databases)
        seen = [str(rows)]
        for each in rows:
            for call in (
                registry.test_saved(each.id),
                registry.update(each.id, password=f"{CANARY}-new"),
                registry.delete(each.id),
                registry.services.ResolveConnection(
                    ResolveConnectionRequest(id=each.id, type=each.type), metadata=registry.as_service
                ),
            ):
                try:
                    seen.append(str(await call))
                except grpc.aio.AioRpcError as error:
                    seen.append(f"{error!r} {error.trailing_metadata()!r}")
    assert len(rows) == 3
    assert CANARY not in "\n".join(seen)
    assert CANARY not in log.getvalue()


async def test_a_log_names_the_host(registry: Registry, log: io.StringIO) -> None:
    await registry.create()
    assert '"host": "127.0.0.1"' in log.getvalue()
