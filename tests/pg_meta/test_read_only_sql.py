"""SQL of those who may only read: what reads runs, and nothing else has any effect."""

from __future__ import annotations

import json

import psycopg
import pytest
from psycopg.rows import TupleRow

from services.registry.pg_meta.client import PgMeta
from services.registry.pg_meta.connection import READ_ONLY
from services.registry.pg_meta.read_only import check_names, check_statement, read_body
from services.registry.pg_meta.sessions import HARMLESS, Session, Sessions
from services.runtime.errors import StudioError
from tests.pg_meta.harness import Caller, refusal
from tests.support.engines import PgMetaServer

READS = [
    "SELECT title FROM books ORDER BY id",
    "  -- a note\n/* and * another / one */ (SELECT 1) UNION (VALUES (2));\n",
    "WITH b AS (SELECT * FROM books) SELECT count(*) FROM b",
    "TABLE books",
    "SHOW server_version",
    "EXPLAIN (ANALYZE, FORMAT json) SELECT * FROM books",
    "SELECT gen_random_uuid() IS NOT NULL, pg_total_relation_size('books') > 0, now() IS NOT NULL",
    "select pid from pg_stat_activity",
]


@pytest.mark.parametrize("sql", READS)
async def test_what_reads_runs(reader: Caller, sql: str) -> None:
    answer = await reader.sql(sql)
    assert answer.status_code == 200, answer.text
    assert answer.json()


async def test_a_parameter_may_hold_anything(reader: Caller) -> None:
    answer = await reader.sql("SELECT $1::text AS said", "a; DROP TABLE books")
    assert answer.json() == [{"said": "a; DROP TABLE books"}]


# Each ends with a refusal, here (COMMAND_REFUSED) or at PostgreSQL (its SQLSTATE).
EFFECTS = {
    "INSERT INTO books VALUES (3, 'x')": "COMMAND_REFUSED",
    "SELECT 1; DELETE FROM books": "COMMAND_REFUSED",
    "COMMIT; DELETE FROM books": "COMMAND_REFUSED",
    "SET default_transaction_read_only = off": "COMMAND_REFUSED",
    "BEGIN READ WRITE": "COMMAND_REFUSED",
    "DO 'BEGIN COMMIT; END'": "COMMAND_REFUSED",
    "CALL anything()": "COMMAND_REFUSED",
    "COPY books TO PROGRAM 'touch /tmp/x'": "COMMAND_REFUSED",
    "/* /* */ SELECT 1 */ DELETE FROM books": "COMMAND_REFUSED",
    "SELECT ';'": "COMMAND_REFUSED",
    "WITH gone AS (DELETE FROM books RETURNING *) SELECT * FROM gone": "25006",
    "EXPLAIN ANALYZE DELETE FROM books": "25006",
    "SELECT * INTO copied FROM books": "25006",
    "SELECT * FROM books FOR UPDATE": "25006",
    "SELECT nextval('counter')": "COMMAND_REFUSED",
    "SELECT tidy()": "25006",
    "SELECT set_config('transaction_read_only', 'off', false), tidy()": "COMMAND_REFUSED",
    "SELECT query_to_xml('SELECT pg_' || 'reload_conf()', true, true, '')": "COMMAND_REFUSED",
    "SELECT Pg_Terminate_Backend(pid) FROM pg_stat_activity": "COMMAND_REFUSED",
    'SELECT "pg_terminate_backend"(pid) FROM pg_stat_activity': "COMMAND_REFUSED",
    'SELECT U&"pg_terminate\\005fbackend"(pid) FROM pg_stat_activity': "COMMAND_REFUSED",
    "SELECT $a$b$a$ = 'b' OR(SELECT $a$a$a$=''OR pg_terminate_backend(1))": "COMMAND_REFUSED",
    "SELECT lo_unlink(1)": "COMMAND_REFUSED",
    "SELECT pg_notify('a', 'b')": "COMMAND_REFUSED",
    "SELECT pg_read_file('/etc/passwd')": "COMMAND_REFUSED",
}


@pytest.mark.parametrize(("sql", "reason"), EFFECTS.items())
async def test_what_has_an_effect_has_none(
    reader: Caller, shop: psycopg.Connection[TupleRow], sql: str, reason: str
) -> None:
    answer = await reader.sql(sql)
    assert answer.status_code == 400, answer.text
    body = answer.json()
    assert body.get("error_code", body.get("code")) == reason, answer.text
    assert shop.execute("SELECT count(*) FROM books").fetchone() == (2,)


async def test_a_developer_may_run_what_a_reader_may_not(
    developer: Caller, shop: psycopg.Connection[TupleRow]
) -> None:
    answer = await developer.sql(
        "INSERT INTO books VALUES (3, 'x'); DELETE FROM books WHERE id = 3 RETURNING id"
    )
    assert answer.json() == [{"id": 3}]
    assert shop.execute("SELECT count(*) FROM books").fetchone() == (2,)


async def test_a_superuser_is_bound_by_no_transaction(reader: Caller) -> None:
    answer = await reader.sql("SELECT 1", database="super")
    assert refusal(answer) == (400, "COMMAND_REFUSED")
    assert "postgres" in answer.json()["message"]
    assert (await reader.ask("GET", "/tables", database="super")).status_code == 200


async def test_a_session_that_does_not_begin_read_only_is_found_out(
    pg_meta_server: PgMetaServer, shop_url: str
) -> None:
    # As behind a pooler that drops the option.
    pg_meta = PgMeta(pg_meta_server.url, pg_meta_server.crypto_key)
    try:
        session = await Sessions(pg_meta).of("id", "revision", shop_url)
    finally:
        await pg_meta.aclose()
    assert not session.read_only
    with pytest.raises(StudioError, match="do not begin read-only"):
        session.check()


async def test_the_option_beats_what_the_user_has_as_a_default(
    reader: Caller, shop: psycopg.Connection[TupleRow]
) -> None:
    shop.execute("ALTER ROLE shopkeeper SET default_transaction_read_only = off")
    assert (await reader.sql("SHOW transaction_read_only")).json() == [{"transaction_read_only": "on"}]
    shop.execute("ALTER ROLE shopkeeper RESET default_transaction_read_only")


async def test_functions_with_effects_are_known_and_harmless_ones_exist(
    pg_meta_server: PgMetaServer, shop_url: str, shop: psycopg.Connection[TupleRow]
) -> None:
    pg_meta = PgMeta(pg_meta_server.url, pg_meta_server.crypto_key)
    try:
        options = "".join(f"%{ord(each):02X}" for each in READ_ONLY)
        session = await Sessions(pg_meta).of("id", "revision", f"{shop_url}?options={options}")
    finally:
        await pg_meta.aclose()
    session.check()
    assert session.functions >= {"set_config", "setval", "pg_sleep", "lo_export", "ts_stat", "cursor_to_xml"}
    volatile = {
        name
        for (name,) in shop.execute(
            "SELECT proname FROM pg_proc WHERE provolatile = 'v' AND pronamespace = 'pg_catalog'::regnamespace"
        )
    }
    assert volatile >= set(HARMLESS)
    assert not session.functions & set(HARMLESS)


def test_names_are_found_wherever_they_stand() -> None:
    for sql in ("SELECT 1dblink()", "SELECT $1dblink", "SELECT 'DbLink'", "SELECT a.dblink.b", "a$dblink"):
        with pytest.raises(StudioError):
            check_names(sql, {"dblink"})
    check_names("SELECT my_dblink, dblinks, édblink", {"dblink"})


def test_a_session_with_too_many_functions_is_refused() -> None:
    names = frozenset(str(each) for each in range(5001))
    with pytest.raises(StudioError):
        Session(read_only=True, powers="", functions=names).check()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'"SELECT 1"',
        b'{"query": 1}',
        b'{"query": ""}',
        b'{"query": "SELECT 1", "query": "DROP TABLE x"}',
        b'{"query": "SELECT 1", "more": 1}',
        b'{"query": "SELECT 1", "parameters": {}}',
        b'{"query": "SELECT 1", "parameters": [NaN]}',
        b'\xef\xbb\xbf{"query": "SELECT 1"}',
        '{"query": "SELECT 1"}'.encode("utf-16"),
        b'{"query": "\xff"}',
        b"[" * 100_000,
    ],
)
def test_a_body_that_pg_meta_might_read_otherwise_is_refused(body: bytes) -> None:
    with pytest.raises(StudioError):
        read_body("application/json", body)


def test_a_body_is_json_by_its_type() -> None:
    body = json.dumps({"query": "SELECT 1"}).encode()
    assert read_body("Application/JSON; charset=utf-8", body) == "SELECT 1"
    for type_ in ("", "text/plain", "application/json5"):
        with pytest.raises(StudioError):
            read_body(type_, body)


def test_long_sql_is_refused_and_a_nul() -> None:
    for sql in ("SELECT 1" + " " * (1 << 20), "SELECT 1\0"):
        with pytest.raises(StudioError):
            check_statement(sql)
