"""Health checks made by hand, and what is told of them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import psycopg

from services.registry.health import state
from services.registry.health.schedule import Schedule
from studio.registry.v1 import health_pb2 as messages
from tests.registry.harness import (
    Registry,
    ScriptedEngine,
    running_registry,
    settings,
)

Session = psycopg.Connection[tuple[Any, ...]]
FAST = {"health_interval_s": 0.1, "health_idle_interval_s": 0.1}
NEVER = {"health_interval_s": 3600, "health_idle_interval_s": 3600}


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while True:
            if condition():
                return
            await asyncio.sleep(0.02)


def status(db: Session, database_id: str) -> str:
    row = db.execute("SELECT status FROM platform.databases WHERE id = %s", (database_id,)).fetchone()
    assert row is not None
    return str(row[0])


def count(db: Session, query: str) -> int:
    row = db.execute(f"SELECT count(*) FROM {query}".encode()).fetchone()
    assert row is not None
    return int(row[0])


async def health(registry: Registry, id_: str, **fields: Any) -> messages.GetDatabaseHealthResponse:  # noqa: ANN401  any field
    request = messages.GetDatabaseHealthRequest(id=id_, **fields)
    return await registry.users.GetDatabaseHealth(request, metadata=registry.as_user, timeout=20)


async def stats(registry: Registry, project_ref: str = "") -> messages.GetDatabaseStatsResponse:
    request = messages.GetDatabaseStatsRequest(project_ref=project_ref)
    return await registry.users.GetDatabaseStats(request, metadata=registry.as_user, timeout=20)


@contextlib.asynccontextmanager
async def checking(database_url: str, engine: ScriptedEngine, **more: object) -> AsyncIterator[Registry]:
    configuration = settings(database_url, redis_svc_address=engine.address, **{**FAST, **more})
    async with running_registry(configuration) as running:
        yield running


class Clockwork:
    """The checker's own statements, made by hand."""

    def __init__(self, connection: psycopg.AsyncConnection[Any], db: Session) -> None:
        self._connection = connection
        self._db = db

    async def found(self, *database_ids: str, ms: float | None = 1.0, code: str = "") -> list[state.Moved]:
        """Records a check of each: `ms` is None where it failed."""
        results = [
            state.Result(id_, self.version(id_), ms, code if ms is None else "") for id_ in database_ids
        ]
        return await state.record(self._connection, results)

    def version(self, database_id: str) -> str:
        row = self._db.execute(
            "SELECT connection_version::text FROM platform.databases WHERE id = %s", (database_id,)
        ).fetchone()
        assert row is not None
        return str(row[0])

    async def due(self, when: Schedule, types: tuple[str, ...] = ("redis",)) -> list[str]:
        found = await state.due(self._connection, when, types=types, running=(), limit=100)
        return [each.id for each in found]

    async def prune(self, what: str, rows: int) -> bool:
        return await state.prune(self._connection, what, rows=rows)
