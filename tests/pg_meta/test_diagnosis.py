"""Tests of PostgreSQL connections through pg-meta: which stage failed, and why."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

import psycopg
import pytest

from services.registry.pg_meta import diagnosis
from services.registry.pg_meta.client import NOT_DECRYPTED, FailedError, PgMeta
from tests.pg_meta.harness import PASSWORD, SHOP, Stack, encoded
from tests.registry.harness import CANARY, running_registry, settings
from tests.support.engines import PgMetaServer, PostgresServer


async def test_a_connection_that_works(stack: Stack, shop_url: str) -> None:
    found = await stack.registry.test(type="postgres", connection_string=shop_url)
    assert (found.success, found.stage, found.error_code, found.hint) == (True, "done", "", "")
    assert found.server_version.startswith("18")
    assert found.latency_ms > 0


async def test_a_registered_connection_and_a_superuser(stack: Stack) -> None:
    found = await stack.registry.test_saved(stack.ids["super"])
    assert found.success
    assert "superuser" in found.hint


@pytest.mark.parametrize(
    ("change", "stage", "error_code"),
    [
        ({"password": CANARY}, "authentication", "DB_INVALID_CREDENTIALS"),
        ({"user": "nobody-here"}, "authentication", "DB_INVALID_CREDENTIALS"),
        ({"database": "nosuch"}, "permission", "DB_CONNECTION_FAILED"),
        ({"database": "pg_meta_closed"}, "permission", "DB_PERMISSION_DENIED"),
        ({"port": "1"}, "tcp", "DB_CONNECTION_FAILED"),
        ({"host": "nosuch.invalid"}, "dns", "DB_CONNECTION_FAILED"),
        ({"host": "169.254.169.254"}, "address", "DB_ADDRESS_DENIED"),
        ({"query": "?sslmode=require"}, "tls", "DB_TLS_FAILED"),
        ({"database": "a%3Fb"}, "parse", "NOT_SUPPORTED"),
    ],
)
async def test_a_connection_that_fails_says_where(
    stack: Stack, postgres_server: PostgresServer, change: dict[str, str], stage: str, error_code: str
) -> None:
    with psycopg.connect(postgres_server.url, autocommit=True) as admin:
        if change.get("database") == "pg_meta_closed":
            admin.execute("CREATE DATABASE pg_meta_closed")
            admin.execute("REVOKE CONNECT ON DATABASE pg_meta_closed FROM public")
        try:
            found = await stack.registry.test(
                type="postgres", connection_string=url(postgres_server, **change)
            )
        finally:
            admin.execute("DROP DATABASE IF EXISTS pg_meta_closed WITH (FORCE)")
    assert (found.success, found.stage, found.error_code) == (False, stage, error_code), found
    assert found.message
    assert found.hint
    assert CANARY not in f"{found.message}{found.hint}"


async def test_what_is_no_postgresql_is_found_out(stack: Stack, pg_meta_server: PgMetaServer) -> None:
    where = urlsplit(pg_meta_server.url).netloc
    found = await stack.registry.test(type="postgres", connection_string=f"postgresql://u:p@{where}/db")
    # It answers in HTTP, or breaks off: whichever `pg` sees first.
    assert found.stage == "protocol"
    assert found.error_code in {"DB_PROTOCOL_ERROR", "DB_CONNECTION_FAILED"}
    assert found.hint.startswith("Check th")


async def test_a_server_that_says_nothing(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnosis, "DIAGNOSIS_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        found = await stack.registry.test(
            type="postgres", connection_string=f"postgresql://u:p@127.0.0.1:{port}/x"
        )
    assert (found.stage, found.error_code) == ("tcp", "DB_TIMEOUT")


@pytest.mark.parametrize(
    ("change", "error_code"),
    [
        ({"pg_meta_url": "http://127.0.0.1:1"}, "SERVICE_UNAVAILABLE"),
        ({"pg_meta_crypto_key": "another-key-of-the-tests-0123456789"}, "CONNECTION_UNREADABLE"),
        ({"pg_meta_url": None}, "ENGINE_DISABLED"),
    ],
)
async def test_pg_meta_away_or_with_another_key_is_no_fault_of_the_connection(
    pg_meta_server: PgMetaServer, shop_url: str, change: dict[str, str | None], error_code: str
) -> None:
    given = {"pg_meta_url": pg_meta_server.url, "pg_meta_crypto_key": pg_meta_server.crypto_key, **change}
    async with running_registry(settings(None, **given)) as registry:
        found = await registry.test(type="postgres", connection_string=shop_url)
    assert (found.stage, found.error_code) == ("service", error_code)
    assert found.hint


@pytest.mark.parametrize("decrypted", ["", "no url"])
async def test_what_another_key_decrypts_to_is_known_by_either_message(
    pg_meta_server: PgMetaServer, decrypted: str
) -> None:
    pg_meta = PgMeta(pg_meta_server.url, pg_meta_server.crypto_key)
    with pytest.raises(FailedError) as failed:
        await pg_meta.query(decrypted, "SELECT 1")
    await pg_meta.aclose()
    assert failed.value.message in NOT_DECRYPTED


def url(server: PostgresServer, **change: str) -> str:
    """A URL of the shop's user, with something changed in it."""
    parts = urlsplit(server.url)
    values = {
        "user": SHOP.user,
        "password": encoded(PASSWORD),
        "host": parts.hostname,
        "port": parts.port,
        "database": SHOP.name,
        "query": "",
        **change,
    }
    return "postgresql://{user}:{password}@{host}:{port}/{database}{query}".format_map(values)
