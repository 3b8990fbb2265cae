"""A migrated database and a registry on it, for every test of this directory that asks."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.rows import TupleRow

from deploy.local.state import State
from services.registry.migrations import migrate
from tests.registry.harness import Registry, ScriptedEngine, running_engine, running_registry, settings
from tests.registry.health import NEVER, Clockwork, checking
from tests.support.engines import PostgresServer


@pytest.fixture
def migrated_url(database_url: str) -> str:
    """A database of the test's own with both migrations."""
    migrate(database_url)
    return database_url


@pytest.fixture(scope="module")
def own_server() -> Iterator[PostgresServer]:
    """A migrated PostgreSQL that only one file of tests uses, so that they may kill it. Durable, as in production."""
    state = State(Path(tempfile.mkdtemp(prefix="studio-registry-")))
    state.create()
    server = PostgresServer(state, durable=True)
    server.start()
    migrate(server.url)
    yield server
    server.stop()
    state.remove()


@pytest.fixture
def db(migrated_url: str) -> Iterator[psycopg.Connection[TupleRow]]:
    """An operator's session in the migrated database."""
    with psycopg.connect(migrated_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
async def redis_engine() -> AsyncIterator[ScriptedEngine]:
    """The service that tests Redis connections."""
    async with running_engine() as scripted:
        yield scripted


@pytest.fixture
async def registry(migrated_url: str, redis_engine: ScriptedEngine) -> AsyncIterator[Registry]:
    """A registry on the migrated database."""
    async with running_registry(settings(migrated_url, redis_svc_address=redis_engine.address)) as running:
        yield running


@pytest.fixture
async def checked(migrated_url: str, redis_engine: ScriptedEngine) -> AsyncIterator[Registry]:
    """A registry that checks ten times a second."""
    async with checking(migrated_url, redis_engine) as running:
        yield running


@pytest.fixture
async def quiet(migrated_url: str, redis_engine: ScriptedEngine) -> AsyncIterator[Registry]:
    """A registry that leaves the checks to the test."""
    async with checking(migrated_url, redis_engine, **NEVER) as running:
        yield running


@pytest.fixture
async def clockwork(migrated_url: str, db: psycopg.Connection[TupleRow]) -> AsyncIterator[Clockwork]:
    async with await psycopg.AsyncConnection.connect(migrated_url, autocommit=True) as connection:
        yield Clockwork(connection, db)
