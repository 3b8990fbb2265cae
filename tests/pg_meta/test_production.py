"""Production databases of PostgreSQL ask before SQL runs that may change something, and before anything is deleted."""

from __future__ import annotations

import psycopg
import pytest
from psycopg.rows import TupleRow

from services.registry.pg_meta.read_only import reads_plainly
from services.runtime.confirmation import HEADER
from tests.pg_meta.harness import Caller
from tests.support.confirmations import asked_over_http

PLAIN = ["SELECT count(*) FROM books", "EXPLAIN SELECT 1", "TABLE books"]
CHANGES = [
    "INSERT INTO books VALUES (77, 'x')",
    "WITH more AS (INSERT INTO books VALUES (77, 'x') RETURNING *) SELECT * FROM more",
    "SELECT 1; INSERT INTO books VALUES (77, 'x')",
    "EXPLAIN ANALYZE INSERT INTO books VALUES (77, 'x')",
]


@pytest.mark.parametrize("database", ["live", "live-super"])
@pytest.mark.parametrize("sql", PLAIN)
async def test_sql_that_reads_runs(developer: Caller, sql: str, database: str) -> None:
    answer = await developer.sql(sql, database=database)
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("sql", CHANGES)
async def test_sql_that_may_change_something_runs_once_it_is_confirmed(
    developer: Caller, shop: psycopg.Connection[TupleRow], sql: str
) -> None:
    body = {"query": sql}
    confirmed = asked_over_http(await developer.ask("POST", "/query", database="live", json=body))
    assert shop.execute("SELECT count(*) FROM books WHERE id = 77").fetchone() == (0,)

    other = {"query": f"{sql} "}
    asked_over_http(await developer.ask("POST", "/query", database="live", json=other, headers=confirmed))
    answer = await developer.ask("POST", "/query", database="live", json=body, headers=confirmed)
    assert answer.status_code == 200, answer.text
    assert shop.execute("DELETE FROM books WHERE id = 77").rowcount == 1


async def test_a_function_that_writes_is_refused_by_postgresql_until_it_is_confirmed(
    developer: Caller, shop: psycopg.Connection[TupleRow]
) -> None:
    """`tidy` deletes; its call looks like a query."""
    books = shop.execute("SELECT * FROM books").fetchall()
    body = {"query": "SELECT tidy() IS NULL AS done"}
    assert (await developer.ask("POST", "/query", database="live", json=body)).json()["code"] == "25006"
    wanted = {HEADER: "ask"}
    confirmed = asked_over_http(
        await developer.ask("POST", "/query", database="live", json=body, headers=wanted)
    )
    answer = await developer.ask("POST", "/query", database="live", json=body, headers=confirmed)
    assert answer.status_code == 200, answer.text
    assert shop.execute("SELECT count(*) FROM books").fetchone() == (0,)
    for each in books:  # other tests look at them
        shop.execute("INSERT INTO books VALUES (%s, %s)", each)


async def test_functions_with_effects_beyond_the_transaction_are_asked_about(developer: Caller) -> None:
    asked_over_http(await developer.sql("SELECT pg_notify('a', 'b')", database="live"))


async def test_a_deletion_by_route_is_asked_about_and_a_change_is_not(
    developer: Caller, shop: psycopg.Connection[TupleRow]
) -> None:
    made = await developer.ask("POST", "/tables", database="live", json={"name": "fleeting"})
    assert made.status_code == 200, made.text
    path = f"/tables/{made.json()['id']}"
    confirmed = asked_over_http(await developer.ask("DELETE", path, database="live"))
    assert shop.execute("SELECT to_regclass('fleeting') IS NULL").fetchone() == (False,)
    answer = await developer.ask("DELETE", path, database="live", headers=confirmed)
    assert answer.status_code == 200, answer.text
    assert shop.execute("SELECT to_regclass('fleeting') IS NULL").fetchone() == (True,)


async def test_another_caller_confirms_for_himself(developer: Caller, administrator: Caller) -> None:
    body = {"query": "DELETE FROM books WHERE id = -1"}
    confirmed = asked_over_http(await developer.ask("POST", "/query", database="live", json=body))
    asked_over_http(await administrator.ask("POST", "/query", database="live", json=body, headers=confirmed))


async def test_those_who_may_only_read_are_refused_not_asked(reader: Caller) -> None:
    answer = await reader.sql("DELETE FROM books", database="live")
    assert answer.json()["error_code"] == "COMMAND_REFUSED"


@pytest.mark.parametrize(
    ("body", "plain"),
    [
        (b'{"query": "SELECT 1"}', True),
        (b'{"query": "SELECT \'insert\'"}', False),
        (b'{"query": "SELECT inserted FROM a"}', True),
        (b'{"query": "SELECT 1", "query": "DELETE FROM a"}', False),
        (b"no JSON", False),
    ],
)
def test_a_body_that_can_be_read_in_two_ways_is_not_plain(body: bytes, *, plain: bool) -> None:
    assert reads_plainly("application/json", body) is plain
