"""A password leaves the registry sealed or not at all: not in logs, errors, answers, tables or queries."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from typing import Any

import grpc
import psycopg
import pytest
import structlog

from services.runtime import logs
from studio.registry.v1.database_pb2 import ConnectionDiagnosis
from studio.registry.v1.resolver_service_pb2 import ResolveConnectionRequest
from tests.registry.harness import CANARY, CRYPTO_KEYS, SUCCESS, Registry, ScriptedEngine

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


async def test_a_log_names_the_host(registry: Registry, log: io.StringIO) -> None:
    await registry.create()
    assert '"host": "127.0.0.1"' in log.getvalue()
