"""Listing and getting databases."""

from __future__ import annotations

import uuid
from typing import Any

import grpc
import psycopg
import pytest

from studio.registry.v1 import registry_service_pb2 as messages
from tests.registry.harness import Registry, failing, running_registry, settings

Session = psycopg.Connection[tuple[Any, ...]]
Code = grpc.StatusCode


def insert(db: Session, project: str, name: str, **columns: str) -> None:
    """A row as an operator or an older deployment would have written it."""
    values = {"type": "redis", "status": "active", "description": None, "host": None, **columns}
    db.execute(
        "INSERT INTO platform.databases (project_id, name, type, status, description, host, connection_string) "
        "SELECT id, %(name)s, %(type)s::platform.database_type, %(status)s, %(description)s, %(host)s, 'sealed' "
        "FROM platform.projects WHERE ref = %(project)s",
        {**values, "project": project, "name": name},
    )


@pytest.fixture
def rows(db: Session) -> None:
    db.execute("INSERT INTO platform.projects (name, ref) VALUES ('Second', 'Second-2')")
    insert(db, "default", "cache", host="redis.internal", description="Sessions of 100% of users")
    insert(db, "default", "docs", type="mongodb", status="error", host="mongo_1.internal")
    insert(db, "default", "api-1", type="bun_api", status="inactive", description="C:\\path")
    insert(db, "Second-2", "cache", type="postgres")


def names(answer: messages.ListDatabasesResponse) -> list[str]:
    return [f"{each.project_ref}/{each.name}" for each in answer.databases]


ALL = ["Second-2/cache", "default/api-1", "default/cache", "default/docs"]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, ALL),
        ({"project_ref": "default"}, ALL[1:]),
        ({"project_ref": "Second-2"}, ALL[:1]),
        ({"project_ref": "nowhere"}, []),
        ({"project_ref": "DEFAULT"}, []),
        ({"type": "redis"}, ["default/cache"]),
        ({"type": "postgres"}, ["Second-2/cache"]),
        ({"type": "postgresql"}, ["Second-2/cache"]),
        ({"status": "error"}, ["default/docs"]),
        ({"status": "active", "type": "redis"}, ["default/cache"]),
        ({"status": "active", "type": "mongodb"}, []),
        ({"search": "CACHE"}, ["Second-2/cache", "default/cache"]),
        ({"search": "sessions"}, ["default/cache"]),
        ({"search": "mongo_1"}, ["default/docs"]),
        ({"search": "internal", "project_ref": "default"}, ["default/cache", "default/docs"]),
        # What LIKE would take for a pattern stands for itself.
        ({"search": "%"}, ["default/cache"]),
        ({"search": "_"}, ["default/docs"]),
        ({"search": "\\"}, ["default/api-1"]),
        ({"search": "c%e"}, []),
        ({"search": "a_i"}, []),
        # Values are never SQL.
        ({"search": "' OR '1'='1"}, []),
        ({"search": "'; DROP TABLE platform.databases; --"}, []),
        ({"project_ref": "' OR 1=1 --"}, []),
        ({"project_ref": "%(id)s"}, []),
        ({"search": "%s %(search)s {} $1"}, []),
    ],
    ids=lambda each: ascii(each)[:50],
)
@pytest.mark.usefixtures("rows")
async def test_filters(registry: Registry, filters: dict[str, str], expected: list[str]) -> None:
    assert names(await registry.list(**filters)) == expected
    assert names(await registry.list()) == ALL


@pytest.mark.usefixtures("rows")
async def test_columns_without_a_value_are_shown_empty(registry: Registry) -> None:
    (found,) = (await registry.list(project_ref="Second-2")).databases
    assert (found.description, found.host, found.port, found.database_name, found.username) == (
        "",
        "",
        0,
        "",
        "",
    )
    assert found.HasField("config")
    assert found.organization_name == ""
    assert not found.HasField("last_connected_at")


@pytest.mark.parametrize("size", [1, 2, 3, 7, 50])
async def test_pages_give_each_database_once_in_order(registry: Registry, db: Session, size: int) -> None:
    db.execute("INSERT INTO platform.projects (name, ref) VALUES ('B', 'b'), ('Long', repeat('é', 128))")
    for index in range(15):
        insert(db, ["default", "b", "é" * 128][index % 3], f"db-{index}")
    everything = names(await registry.list())
    found: list[str] = []
    token = ""
    while True:
        answer = await registry.list(page_size=size, page_token=token)
        assert len(answer.databases) <= size
        found += names(answer)
        token = answer.next_page_token
        if not token:
            break
    assert found == everything
    assert len(everything) == 15
    assert everything == sorted(everything, key=lambda each: each.split("/"))


async def test_a_database_added_behind_or_before_the_page_moves_nothing(
    registry: Registry, db: Session
) -> None:
    for name in ("b", "d", "f"):
        insert(db, "default", name)
    first = await registry.list(page_size=2)
    insert(db, "default", "a")
    insert(db, "default", "e")
    second = await registry.list(page_size=2, page_token=first.next_page_token)
    assert names(first) + names(second) == ["default/b", "default/d", "default/e", "default/f"]


async def test_a_page_holds_100_unless_asked_otherwise(registry: Registry, db: Session) -> None:
    for index in range(101):
        insert(db, "default", f"db-{index:03}")
    answer = await registry.list()
    assert len(answer.databases) == 100
    assert len((await registry.list(page_token=answer.next_page_token)).databases) == 1


async def test_the_next_token_is_also_a_header(registry: Registry, db: Session) -> None:
    insert(db, "default", "a")
    insert(db, "default", "b")
    call = registry.users.ListDatabases(messages.ListDatabasesRequest(page_size=1), metadata=registry.as_user)
    answer = await call
    headers = {str(name): value for name, value in await call.initial_metadata()}
    assert headers["x-next-page-token"] == answer.next_page_token != ""
    last = registry.users.ListDatabases(
        messages.ListDatabasesRequest(page_size=1, page_token=answer.next_page_token),
        metadata=registry.as_user,
    )
    assert (await last).next_page_token == ""
    assert "x-next-page-token" not in {name for name, _ in await last.initial_metadata()}


@pytest.mark.usefixtures("rows")
async def test_a_token_that_is_none_or_of_another_list_is_refused(registry: Registry) -> None:
    token = (await registry.list(page_size=1)).next_page_token
    for fields in (
        {"page_token": "nonsense"},
        {"page_token": token[:-4] + "AAAA"},
        {"page_token": token, "project_ref": "default"},
        {"page_token": token, "search": "c"},
    ):
        async with failing("INVALID_CURSOR", Code.INVALID_ARGUMENT):
            await registry.list(**fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"page_size": -1},
        {"page_size": 1001},
        {"type": "mysql"},
        {"status": "unknown"},
        {"search": "x" * 257},
        {"search": "a\0b"},
        {"project_ref": "a\0b"},
        {"page_token": "x" * 1025},
    ],
    ids=lambda each: ascii(each)[:40],
)
async def test_a_wrong_filter_is_refused(registry: Registry, fields: dict[str, Any]) -> None:
    async with failing("INVALID_ARGUMENT", Code.INVALID_ARGUMENT):
        await registry.list(**fields)


async def test_an_id_that_is_nobodys_is_not_found(registry: Registry) -> None:
    async with failing("DB_NOT_FOUND", Code.NOT_FOUND):
        await registry.get(str(uuid.uuid4()))
    async with failing("DB_NOT_FOUND", Code.NOT_FOUND):
        await registry.test_saved(str(uuid.uuid4()))


@pytest.mark.parametrize("database_id", ["", "1", "x" * 36, "' OR 1=1 --"])
async def test_an_id_that_is_no_uuid_is_refused(registry: Registry, database_id: str) -> None:
    async with failing("INVALID_ARGUMENT", Code.INVALID_ARGUMENT):
        await registry.get(database_id)


async def test_an_id_in_upper_case_is_the_same_id(registry: Registry) -> None:
    created = await registry.create()
    assert await registry.get(created.id.upper()) == created


async def test_a_table_without_the_migrations_is_said_to_everyone(migrated_url: str, db: Session) -> None:
    db.execute("DROP VIEW platform.databases_with_projects")
    async with running_registry(settings(migrated_url)) as registry:
        for _ in range(3):
            async with failing("REGISTRY_UNAVAILABLE", Code.UNAVAILABLE) as failure:
                await registry.list()
            assert "migrate" in failure.message
