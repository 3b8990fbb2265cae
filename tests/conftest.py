"""Fixtures for all tests: the real engines, and the whole system."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from pymongo import AsyncMongoClient
from redis.asyncio import Redis

from deploy.local.engines import Secantus, Valkey
from deploy.local.environment import NO_PROXY
from deploy.local.state import State
from tests.support.engines import BunServer, PgMetaServer, PostgresServer, ValkeyFactory, ValkeyServer
from tests.support.hung import pending_tasks
from tests.support.local_system import LocalSystem
from tests.support.mongodb import MongoFactory, MongoServer

# Everything that tests call is on this machine, whatever proxy it reaches others by.
os.environ["no_proxy"] = os.environ["NO_PROXY"] = ",".join(NO_PROXY)


@pytest.fixture(scope="session")
def engine_state() -> Iterator[State]:
    """A state directory for the engines that all tests share; deleted at the end, wherever its parts lie."""
    state = State(Path(tempfile.mkdtemp(prefix="studio-tests-")))
    state.create()
    yield state
    state.remove()


@pytest.fixture(scope="session")
def postgres_server(engine_state: State) -> Iterator[PostgresServer]:
    """One PostgreSQL for all tests; `database_url` gives a test its own database on it."""
    server = PostgresServer(engine_state)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def database_url(postgres_server: PostgresServer) -> Iterator[str]:
    """An empty database, dropped after the test."""
    name = f"test_{secrets.token_hex(8)}"
    with psycopg.connect(postgres_server.url, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield postgres_server.url.removesuffix("/postgres") + f"/{name}"
        # FORCE: a test that fails may leave connections behind.
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def valkey_server(engine_state: State) -> Iterator[ValkeyServer]:
    """One Valkey for all tests, with a password."""
    engine = Valkey(engine_state, durable=False)
    server = ValkeyServer(engine, engine_state, password=engine.password)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def valkey_url(valkey_server: ValkeyServer) -> str:
    """The URL of the shared Valkey."""
    return valkey_server.url


@pytest.fixture
async def valkey(valkey_url: str) -> AsyncIterator[Redis]:
    """A client of the shared Valkey, which is empty when the test begins. It returns bytes."""
    async with Redis.from_url(valkey_url) as client:
        await client.flushall()
        yield client


@pytest.fixture
async def start_valkey() -> AsyncIterator[ValkeyFactory]:
    """Starts further servers, with options; see `ValkeyFactory`."""
    state = State(Path(tempfile.mkdtemp(prefix="studio-valkey-")))
    state.create()
    factory = ValkeyFactory(state)
    try:
        yield factory
    finally:
        await factory.aclose()
        shutil.rmtree(state.path)


@pytest.fixture(scope="session")
def mongodb_server(engine_state: State) -> Iterator[MongoServer]:
    """One MongoDB for all tests, with a password. Tests that stop it start it again."""
    server = MongoServer(Secantus(engine_state, durable=False), engine_state)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def mongodb_url(request: pytest.FixtureRequest) -> str:
    """The URL of the shared MongoDB, of a user that may do everything; `TEST_MONGODB_URL` names another server."""
    if url := os.environ.get("TEST_MONGODB_URL"):
        return url
    server: MongoServer = request.getfixturevalue("mongodb_server")
    return server.url


@pytest.fixture
async def mongodb(mongodb_url: str) -> AsyncIterator[AsyncMongoClient[dict[str, Any]]]:
    """A client of the shared MongoDB."""
    async with AsyncMongoClient[dict[str, Any]](mongodb_url, uuidRepresentation="standard") as client:
        yield client


@pytest.fixture
async def mongodb_database(mongodb: AsyncMongoClient[dict[str, Any]]) -> AsyncIterator[str]:
    """The name of a database of the test's own on the shared MongoDB, dropped after the test."""
    name = f"test_{secrets.token_hex(8)}"
    yield name
    await mongodb.drop_database(name)


@pytest.fixture
def start_mongodb() -> Iterator[MongoFactory]:
    """Starts further servers, with options; see `MongoFactory`."""
    state = State(Path(tempfile.mkdtemp(prefix="studio-mongodb-")))
    state.create()
    factory = MongoFactory(state)
    try:
        yield factory
    finally:
        factory.close()
        shutil.rmtree(state.path)


@pytest.fixture(scope="session")
def bun_server(engine_state: State) -> Iterator[BunServer]:
    """One sample Bun API for all tests."""
    server = BunServer(engine_state)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def pg_meta_server(engine_state: State) -> Iterator[PgMetaServer]:
    """One pg-meta for all tests."""
    server = PgMetaServer(engine_state)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def system() -> Iterator[LocalSystem]:
    """The whole system, traced. Tests share it: leave it running, and name what you create so that it is yours."""
    running = LocalSystem(Path(tempfile.mkdtemp(prefix="studio-system-")), traced=True)
    try:
        running.open()
        yield running
        # Whatever the tests have done to it, no secret of it, or of theirs, may show anywhere.
        running.check_disclosures()
    finally:
        running.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    call: pytest.CallInfo[None],
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Tells what a test that hangs waits for.

    Also has what a test printed reach the process that collects reports: it takes UTF-8, which has no lone surrogates.
    """
    report = yield
    if call.excinfo is not None and "from pytest-timeout" in str(call.excinfo.value):
        report.sections.append(("Tasks that wait", pending_tasks()))
    report.sections = [
        (name, text.encode(errors="backslashreplace").decode()) for name, text in report.sections
    ]
    return report
