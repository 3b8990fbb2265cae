"""The SQL files: on an empty database and beside tables of other shapes, once, twice, at the same time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from services.registry.__main__ import main
from services.registry.migrations import MigrationError, migrate
from tests.registry.harness import SQL_DIRECTORY, run_psql

FILES = sorted(SQL_DIRECTORY.glob("*.sql"))

# Shapes that deployments made before this schema: other key types, other columns, columns missing.
UUID_WITH_MORE_COLUMNS = """
CREATE SCHEMA platform;
CREATE TABLE platform.organizations (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text NOT NULL, slug text UNIQUE NOT NULL);
CREATE TABLE platform.projects (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(), organization_id uuid REFERENCES platform.organizations (id),
  name text NOT NULL, slug text NOT NULL, ref text UNIQUE NOT NULL, database_host text NOT NULL);
CREATE TABLE platform.credentials (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(), project_id uuid UNIQUE REFERENCES platform.projects (id),
  anon_key text NOT NULL);
"""
UUID_WITH_ROWS = (
    UUID_WITH_MORE_COLUMNS
    + """
WITH o AS (INSERT INTO platform.organizations (name, slug) VALUES ('Acme', 'acme') RETURNING id)
INSERT INTO platform.projects (organization_id, name, slug, ref, database_host)
SELECT id, 'Shop', 'shop', 'shop', 'db.internal' FROM o;
"""
)
SERIAL_WITHOUT_ORGANIZATIONS = """
CREATE SCHEMA platform;
CREATE TABLE platform.projects (
  id serial PRIMARY KEY, organization_id integer NOT NULL, name varchar(20), ref varchar(20));
INSERT INTO platform.projects (organization_id, name, ref) VALUES (7, 'Shop', 'shop');
"""
BIGINT = """
CREATE SCHEMA platform;
CREATE TABLE platform.organizations (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text, slug text);
CREATE TABLE platform.projects (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, organization_id bigint, name text, ref text);
"""
TEXT_WITHOUT_REF = """
CREATE SCHEMA platform;
CREATE TABLE platform.organizations (id bigserial PRIMARY KEY, title text);
CREATE TABLE platform.projects (id varchar(40) PRIMARY KEY, name text);
INSERT INTO platform.projects VALUES ('p1', 'Shop');
"""
SHAPES = {
    "empty": ("", "uuid"),
    "uuid with more columns": (UUID_WITH_MORE_COLUMNS, "uuid"),
    "uuid with rows": (UUID_WITH_ROWS, "uuid"),
    "serial without organizations": (SERIAL_WITHOUT_ORGANIZATIONS, "integer"),
    "bigint": (BIGINT, "bigint"),
    "text without ref": (TEXT_WITHOUT_REF, "character varying(40)"),
}
SCRIPTS = {name: before for name, (before, _) in SHAPES.items()}
by_shape = pytest.mark.parametrize(("before", "id_type"), SHAPES.values(), ids=SHAPES)


def query(url: str, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(statement.encode()).fetchall()


def prepare(url: str, before: str) -> None:
    if before:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(before.encode())


def schema(url: str) -> list[tuple[object, ...]]:
    """Every column, constraint, index, trigger, view and function of the schema."""
    return query(
        url,
        """
        SELECT 'column', c.relname, a.attname, format_type(a.atttypid, a.atttypmod)
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        WHERE c.relnamespace = 'platform'::regnamespace
        UNION ALL SELECT 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid)
        FROM pg_constraint WHERE connamespace = 'platform'::regnamespace
        UNION ALL SELECT 'trigger', tgrelid::regclass::text, tgname, pg_get_triggerdef(oid)
        FROM pg_trigger WHERE NOT tgisinternal
        UNION ALL SELECT 'function', proname, '', pg_get_functiondef(oid)
        FROM pg_proc WHERE pronamespace = 'platform'::regnamespace
        ORDER BY 1, 2, 3, 4
        """,
    )


@by_shape
def test_psql_applies_each_file_twice_without_harm(database_url: str, before: str, id_type: str) -> None:
    prepare(database_url, before)
    for file in FILES:
        applied = run_psql(database_url, "-f", file)
        assert applied.returncode == 0, applied.stderr
    first = schema(database_url)
    for file in FILES:
        applied = run_psql(database_url, "-f", file)
        assert applied.returncode == 0, applied.stderr
    assert schema(database_url) == first
    assert ("column", "databases", "project_id", id_type) in first


@by_shape
def test_migrate_applies_them_twice_without_harm(database_url: str, before: str, id_type: str) -> None:
    prepare(database_url, before)
    applied = migrate(database_url)
    assert [line for line in applied if line.startswith("applied")] == [
        f"applied {file.name}" for file in FILES
    ]
    first = schema(database_url)
    migrate(database_url)
    assert schema(database_url) == first
    assert ("column", "databases", "project_id", id_type) in first


@pytest.mark.parametrize("before", SCRIPTS.values(), ids=SCRIPTS)
def test_a_database_is_stored_found_and_deleted_with_its_project(database_url: str, before: str) -> None:
    prepare(database_url, before)
    migrate(database_url)
    with psycopg.connect(database_url, autocommit=True) as connection:
        if connection.execute("SELECT FROM platform.projects").fetchone() is None:
            connection.execute(
                "INSERT INTO platform.projects (name, slug, ref, database_host) VALUES ('a', 'a', 'a', 'a')"
            )
        connection.execute("UPDATE platform.projects SET ref = 'here'")
        connection.execute(
            "INSERT INTO platform.databases (project_id, name, type, connection_string) "
            "SELECT id, 'cache', 'redis', 'sealed' FROM platform.projects"
        )
        found = connection.execute(
            "SELECT name, project_ref, status, config FROM platform.databases_with_projects"
        ).fetchall()
        assert found == [("cache", "here", "active", {})]
        by_project = connection.execute("SELECT name FROM platform.get_databases_by_project('here')")
        assert by_project.fetchall() == [("cache",)]
        by_name = "SELECT type::text FROM platform.get_database_by_name('here', %s)"
        assert connection.execute(by_name, ("cache",)).fetchall() == [("redis",)]
        assert connection.execute(by_name, ("other",)).fetchall() == []
        connection.execute("REFRESH MATERIALIZED VIEW CONCURRENTLY platform.database_stats")
        totals = connection.execute("SELECT type::text, status, database_count FROM platform.database_stats")
        assert totals.fetchall() == [("redis", "active", 1)]
        connection.execute("DELETE FROM platform.projects")
        assert connection.execute("SELECT FROM platform.databases").fetchall() == []


def test_an_empty_platform_gets_studios_default_project_once(database_url: str) -> None:
    migrate(database_url)
    migrate(database_url)
    found = query(
        database_url,
        "SELECT p.ref, o.slug FROM platform.projects p JOIN platform.organizations o ON o.id = p.organization_id",
    )
    assert found == [("default", "default-org-slug")]


def test_a_platform_with_projects_gets_no_default_project(database_url: str) -> None:
    prepare(database_url, UUID_WITH_ROWS)
    migrate(database_url)
    assert query(database_url, "SELECT ref FROM platform.projects") == [("shop",)]
    assert query(database_url, "SELECT slug FROM platform.organizations") == [("acme",)]


def test_a_table_that_asks_for_more_columns_gets_a_warning_and_no_default_project(database_url: str) -> None:
    prepare(database_url, UUID_WITH_MORE_COLUMNS)
    lines = migrate(database_url)
    assert [line for line in lines if line.startswith("WARNING: No default project inserted")]
    assert query(database_url, "SELECT FROM platform.projects") == []
    assert query(database_url, "SELECT FROM platform.organizations") == []


def test_a_project_deleted_after_the_first_run_stays_deleted_beside_others(database_url: str) -> None:
    migrate(database_url)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("INSERT INTO platform.projects (name, ref) VALUES ('Mine', 'mine')")
        connection.execute("DELETE FROM platform.projects WHERE ref = 'default'")
    migrate(database_url)
    assert query(database_url, "SELECT ref FROM platform.projects") == [("mine",)]


def test_eight_at_the_same_time_all_succeed(database_url: str) -> None:
    with ThreadPoolExecutor(8) as threads:
        runs = list(threads.map(migrate, [database_url] * 8))
    assert all(f"applied {FILES[-1].name}" in lines for lines in runs)
    assert query(database_url, "SELECT ref FROM platform.projects") == [("default",)]


def test_psql_beside_migrate_succeeds(database_url: str) -> None:
    with ThreadPoolExecutor(4) as threads:
        by_psql = [threads.submit(run_psql, database_url, "-f", FILES[0]) for _ in range(2)]
        by_command = [threads.submit(migrate, database_url) for _ in range(2)]
        assert [run.result().returncode for run in by_psql] == [0, 0]
        assert all(run.result() for run in by_command)


def test_projects_without_a_key_are_refused_with_a_sentence(database_url: str) -> None:
    prepare(
        database_url, "CREATE SCHEMA platform; CREATE TABLE platform.projects (id uuid, name text, ref text);"
    )
    with pytest.raises(MigrationError, match="make it the primary key"):
        migrate(database_url)


def test_a_failing_file_changes_nothing(database_url: str, tmp_path: Path) -> None:
    (tmp_path / "001_broken.sql").write_text(
        "BEGIN; CREATE TABLE left_over (); SELECT no_such_column; COMMIT;"
    )
    with pytest.raises(MigrationError, match=r'^001_broken.sql: column "no_such_column" does not exist'):
        migrate(database_url, tmp_path)
    assert query(database_url, "SELECT to_regclass('left_over')") == [(None,)]


def test_the_command_says_what_it_did(
    database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    main(["migrate"])
    assert capsys.readouterr().out == "".join(f"migrate: applied {file.name}\n" for file in FILES)


def test_the_command_without_a_database_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    with pytest.raises(SystemExit, match="DATABASE_URL"):
        main(["migrate"])


def test_a_database_url_that_is_none_is_said_without_repeating_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "mysql://me:c4n4ry@host/x")
    with pytest.raises(SystemExit, match=r"^(?!.*c4n4ry).*DATABASE_URL"):
        main(["migrate"])


def test_a_server_that_is_down_is_said_without_the_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://me:c4n4ry@127.0.0.1:1/postgres")
    with pytest.raises(SystemExit, match=r"^migrate: the platform database can't be used") as stopped:
        main(["migrate"])
    assert "c4n4ry" not in str(stopped.value)


@pytest.mark.parametrize("name", ["Cache", "a b", "", "a_b", "a/b", "é"])
def test_a_name_that_breaks_the_rule_is_refused_by_the_table(migrated_url: str, name: str) -> None:
    with (
        psycopg.connect(migrated_url, autocommit=True) as connection,
        pytest.raises(psycopg.errors.CheckViolation),
    ):
        connection.execute(
            "INSERT INTO platform.databases (project_id, name, type, connection_string) "
            "SELECT id, %s, 'redis', 'x' FROM platform.projects",
            (name,),
        )


@pytest.mark.parametrize(
    ("change", "moves_revision", "moves_updated_at"),
    [
        ("connection_string = 'other'", True, True),
        ("config = '{\"a\": 1}'", True, True),
        ("name = 'other'", True, True),
        ("type = 'mongodb'", True, True),
        ("project_id = (SELECT id FROM platform.projects WHERE ref = 'second')", True, True),
        ("description = 'other'", False, True),
        ("host = 'other'", False, True),
        ("status = 'error'", False, False),
        ("last_connected_at = now()", False, False),
        ("connection_string = connection_string", False, False),
    ],
)
def test_what_moves_the_revision_is_notified_and_nothing_else(
    migrated_url: str, change: str, *, moves_revision: bool, moves_updated_at: bool
) -> None:
    with psycopg.connect(migrated_url, autocommit=True) as connection:
        connection.execute("INSERT INTO platform.projects (name, ref) VALUES ('Second', 'second')")
        connection.execute(
            "INSERT INTO platform.databases (project_id, name, type, connection_string) "
            "SELECT id, 'cache', 'redis', 'sealed' FROM platform.projects WHERE ref = 'default'"
        )
        state = "SELECT platform.database_revision(d), updated_at FROM platform.databases d"
        before = connection.execute(state).fetchall()[0]
        connection.execute("LISTEN studio_databases")
        connection.execute(f"UPDATE platform.databases SET {change}".encode())
        after = connection.execute(state).fetchall()[0]
        notified = list(connection.notifies(timeout=0.2, stop_after=1))
    assert (after[0] != before[0]) == moves_revision
    assert bool(notified) == moves_revision
    assert (after[1] != before[1]) == moves_updated_at


def test_a_deleted_project_notifies_for_each_of_its_databases(
    db: psycopg.Connection[tuple[object, ...]],
) -> None:
    db.execute(
        "INSERT INTO platform.databases (project_id, name, type, connection_string) "
        "SELECT id, 'cache-' || n, 'redis', 'x' FROM platform.projects, generate_series(1, 3) n"
    )
    db.execute("LISTEN studio_databases")
    db.execute("DELETE FROM platform.projects")
    assert len(list(db.notifies(timeout=5, stop_after=3))) == 3
