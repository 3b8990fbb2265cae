"""Every route of pg-meta is known, with the role it needs; what is not known does not pass."""

from __future__ import annotations

import re
from pathlib import Path

import psycopg
import pytest
from psycopg.rows import TupleRow

from deploy.local.engines.pg_meta import SERVER
from services.registry.pg_meta.routes import PREFIX, TABLE, Kind, find
from services.runtime.errors import StudioError
from studio.options.v1.access_pb2 import ROLE_ADMINISTRATOR, ROLE_DEVELOPER, ROLE_READ_ONLY
from tests.pg_meta.harness import Caller, refusal

ID = "6f1de6a0-6d6e-4bd2-9bc0-3dcb4a1f3f6a"
ROUTES = SERVER.parent / "routes"


def declared() -> set[tuple[str, str]]:
    """The method and path of each route in pg-meta's own program."""
    found = {("GET", "/"), ("GET", "/health")}  # `app.js`
    index = (ROUTES / "index.js").read_text()
    files = dict(re.findall(r"import (\w+) from '\./([\w/-]+\.js)'", index))
    registered = re.findall(r"fastify\.register\((\w+), \{ prefix: '([^']+)' \}\)", index)
    assert len(registered) == index.count("fastify.register(")
    for name, prefix in registered:
        text = (ROUTES / files[name]).read_text()
        calls = re.findall(r"fastify\.(\w+)\('([^']*)'", text)
        assert len(calls) == text.count("fastify."), f"{files[name]} declares routes in a form unknown here"
        found |= {(method.upper(), f"{prefix}{path}".rstrip("/") or "/") for method, path in calls}
    return found


def of_the_table(path: str) -> str:
    """The path as the table writes it."""
    path = re.sub(r":tableId\(.*\):ordinalPosition|:id\(\\\\d\+\\\\\.\\\\d\+\)", "{column}", path)
    return re.sub(r":id\([^)]*\)", "{id}", path).replace(":name", "{name}")


def test_the_table_has_each_route_of_pg_meta_and_no_other() -> None:
    assert {(method, of_the_table(path)) for method, path in declared()} == {
        (method, path) for path, methods in TABLE.items() for method in methods
    }


def test_the_paths_that_pg_meta_declares_are_where_its_program_looks() -> None:
    assert "app.get('/'" in (text := Path(SERVER.parent / "app.js").read_text())
    assert text.count("app.get(") == 2


@pytest.mark.parametrize(
    ("method", "path", "role", "kind"),
    [
        ("GET", "/tables?included_schemas=public", ROLE_READ_ONLY, Kind.READ),
        ("HEAD", "/tables/16384", ROLE_READ_ONLY, Kind.READ),
        ("POST", "/tables", ROLE_DEVELOPER, Kind.CHANGE),
        ("DELETE", "/columns/16384.2", ROLE_DEVELOPER, Kind.CHANGE),
        ("POST", "/roles", ROLE_ADMINISTRATOR, Kind.CHANGE),
        ("POST", "/extensions", ROLE_ADMINISTRATOR, Kind.CHANGE),
        ("DELETE", "/table-privileges", ROLE_ADMINISTRATOR, Kind.CHANGE),
        ("GET", "/extensions/uuid-ossp", ROLE_READ_ONLY, Kind.READ),
        ("POST", "/query", ROLE_READ_ONLY, Kind.SQL),
        ("POST", "/query?statementTimeoutSecs=5&queryTimeoutSecs=10", ROLE_READ_ONLY, Kind.SQL),
        ("POST", "/query/format", ROLE_READ_ONLY, Kind.TEXT),
        ("GET", "", ROLE_READ_ONLY, Kind.TEXT),
        ("GET", "/", ROLE_READ_ONLY, Kind.TEXT),
    ],
)
def test_a_route_has_its_role(method: str, path: str, role: int, kind: Kind) -> None:
    asked = find(method, f"{PREFIX}{ID.upper()}{path}")
    assert (asked.database_id, asked.role, asked.kind) == (ID, role, kind)


@pytest.mark.parametrize(
    ("method", "target", "reason"),
    [
        # pg-meta's router undoes escapes, cuts at `;` and ignores nothing else of these.
        ("POST", f"{PREFIX}{ID}/%71uery", "ROUTE_NOT_FOUND"),
        ("POST", f"{PREFIX}{ID}/query;x", "ROUTE_NOT_FOUND"),
        ("POST", f"{PREFIX}{ID}/query/", "ROUTE_NOT_FOUND"),
        ("POST", f"{PREFIX}{ID}/QUERY", "ROUTE_NOT_FOUND"),
        ("GET", f"{PREFIX}{ID}/tables/1;x=/../../query", "ROUTE_NOT_FOUND"),
        ("GET", f"{PREFIX}{ID}/extensions/a%2Fb/c", "ROUTE_NOT_FOUND"),
        ("GET", f"{PREFIX}{ID}/tables/\N{FULLWIDTH DIGIT ONE}", "ROUTE_NOT_FOUND"),
        ("GET", f"{PREFIX}{ID}/tables/1\n", "ROUTE_NOT_FOUND"),
        ("GET", f"{PREFIX}{ID}/metrics", "ROUTE_NOT_FOUND"),
        ("GET", PREFIX, "ROUTE_NOT_FOUND"),
        ("GET", f"{PREFIX}x/tables", "INVALID_ARGUMENT"),
        ("PUT", f"{PREFIX}{ID}/tables", "METHOD_NOT_ALLOWED"),
        ("GET", f"{PREFIX}{ID}/query", "METHOD_NOT_ALLOWED"),
        ("OPTIONS", f"{PREFIX}{ID}/tables", "METHOD_NOT_ALLOWED"),
        # This one is written into the SQL as it is.
        ("POST", f"{PREFIX}{ID}/query?statementTimeoutSecs=1';DROP%20TABLE%20x--", "INVALID_ARGUMENT"),
        ("POST", f"{PREFIX}{ID}/query?%73tatementTimeoutSecs=1'", "INVALID_ARGUMENT"),
        ("POST", f"{PREFIX}{ID}/query?statementTimeoutSecs=1\n", "INVALID_ARGUMENT"),
    ],
)
def test_what_is_not_in_the_table_is_refused(method: str, target: str, reason: str) -> None:
    with pytest.raises(StudioError) as raised:
        find(method, target)
    assert raised.value.reason_name == reason


async def test_each_reading_route_answers_those_who_may_only_read(
    reader: Caller, shop_oids: dict[str, int]
) -> None:
    for template, methods in TABLE.items():
        if "GET" not in methods:
            continue
        path = template.replace("{id}", str(shop_oids.get(template.split("/")[1], 1)))
        path = path.replace("{column}", f"{shop_oids['tables']}.1").replace("{name}", "plpgsql")
        # Two of them look into pg_authid, which takes a superuser.
        answer = await reader.ask("GET", path, database="super")
        # An item of a kind that the shop has none of.
        expected = {200} if "{id}" not in template or template.split("/")[1] in shop_oids else {404}
        assert answer.status_code in expected, f"{path}: {answer.text}"
        assert "error_code" not in answer.text


@pytest.fixture
def shop_oids(shop: psycopg.Connection[TupleRow]) -> dict[str, int]:
    """One item of each kind that is there."""
    items = {
        "tables": "'books'::regclass",
        "views": "'titles'::regclass",
        "schemas": "'public'::regnamespace",
        "functions": "'tidy'::regproc",
        "roles": "'shopkeeper'::regrole",
        "indexes": "'books_pkey'::regclass",
    }
    row = shop.execute(f"SELECT {', '.join(f'{each}::oid::int' for each in items.values())}").fetchone()
    assert row is not None
    return dict(zip(items, row, strict=True))


async def test_a_change_needs_a_developer_and_a_rule_an_administrator(
    reader: Caller, developer: Caller, administrator: Caller
) -> None:
    table = {"name": "made_here", "schema": "public"}
    assert refusal(await reader.ask("POST", "/tables", json=table)) == (403, "PERMISSION_DENIED")
    made = await developer.ask("POST", "/tables", json=table)
    assert made.status_code == 200, made.text
    assert (await developer.ask("DELETE", f"/tables/{made.json()['id']}")).status_code == 200
    role = {"name": "made_here"}
    assert refusal(await developer.ask("POST", "/roles", json=role)) == (403, "PERMISSION_DENIED")
    # It gets as far as PostgreSQL, where the connection's user may not.
    denied = await administrator.ask("POST", "/roles", json=role)
    assert denied.json()["message"] == "permission denied to create role"


async def test_a_read_only_connection_is_changed_by_nobody(administrator: Caller) -> None:
    answer = await administrator.ask("POST", "/tables", database="frozen", json={"name": "x"})
    assert refusal(answer) == (403, "CONNECTION_READ_ONLY")
    writing = await administrator.sql("INSERT INTO books VALUES (3, 'Dubliners')", database="frozen")
    assert refusal(writing) == (400, "COMMAND_REFUSED")
    assert (await administrator.sql("SELECT 1 AS one", database="frozen")).json() == [{"one": 1}]


async def test_a_wrong_method_is_405_and_says_which_there_are(developer: Caller) -> None:
    answer = await developer.ask("PUT", "/tables", json={})
    assert refusal(answer) == (405, "METHOD_NOT_ALLOWED")
    assert answer.headers["allow"] == "GET, HEAD, POST"
