"""The embedded engines by themselves: as root and as an ordinary user, after a kill, with the options tests need."""

from __future__ import annotations

import os
import shutil
import stat

import psutil
import psycopg
import pytest
import redis.exceptions
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from deploy.local.engines import Valkey
from deploy.local.state import State
from tests.support.engines import PostgresServer, ValkeyFactory, ValkeyServer

NO_RETRY = Retry(NoBackoff(), 0)
AS_ROOT = os.geteuid() == 0


def test_postgres_asks_for_the_password(postgres_server: PostgresServer) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(postgres_server.url, password="wrong")


def test_postgres_stores_passwords_as_scram(postgres_server: PostgresServer) -> None:
    with psycopg.connect(postgres_server.url) as connection:
        row = connection.execute("SELECT rolpassword FROM pg_authid WHERE rolname = 'postgres'").fetchone()
    assert row is not None
    assert row[0].startswith("SCRAM-SHA-256$")


def test_postgres_listens_on_loopback_only(postgres_server: PostgresServer) -> None:
    listening = [
        each.laddr
        for each in psutil.Process(postgres_server.pid).net_connections()
        if each.status == "LISTEN"
    ]
    assert {address.ip for address in listening} == {"127.0.0.1"}


def test_postgres_never_runs_as_root(postgres_server: PostgresServer) -> None:
    assert psutil.Process(postgres_server.pid).uids().effective != 0


def test_a_log_of_postgres_holds_no_statement_that_failed(
    postgres_server: PostgresServer, engine_state: State
) -> None:
    with psycopg.connect(postgres_server.url) as connection, pytest.raises(psycopg.errors.UndefinedTable):
        connection.execute("SELECT 'canary-in-a-statement' FROM nowhere")
    assert "nowhere" in engine_state.tail("postgres", 1000)
    assert "canary-in-a-statement" not in engine_state.tail("postgres", 1000)


@pytest.mark.skipif(not AS_ROOT, reason="only root has to switch to another account")
def test_as_root_postgres_keeps_its_data_where_its_account_can_reach_it(state: State) -> None:
    server = PostgresServer(state)
    home = state.home("postgres")
    assert home is not None
    assert server.data.parent == home
    assert server.data.stat().st_uid != 0
    # Nobody else's folder was opened for that.
    assert stat.S_IMODE(state.path.parent.stat().st_mode) == 0o700
    server.start()
    server.stop()
    state.remove()
    assert not home.exists()


@pytest.mark.skipif(AS_ROOT, reason="root's PostgreSQL may live elsewhere")
def test_as_a_user_postgres_keeps_its_data_in_the_state_directory(state: State) -> None:
    assert PostgresServer(state).data == state.path / "postgres" / "data"


def test_postgres_keeps_what_was_committed_when_it_is_killed(state: State) -> None:
    server = PostgresServer(state, durable=True)
    server.start()
    with psycopg.connect(server.url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    server.kill()
    again = PostgresServer(state, durable=True)
    again.start()
    try:
        with psycopg.connect(again.url) as connection:
            assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)
        assert again.url == server.url
    finally:
        again.stop()


def test_postgres_starts_although_another_process_has_the_number_in_its_lock_file(state: State) -> None:
    server = PostgresServer(state)
    server.start()
    server.stop()
    # As after a restart of a container, where the numbers begin anew.
    (server.data / "postmaster.pid").write_text(f"{os.getpid()}\n{server.data}\n0\n1\n\n\n\n")
    again = PostgresServer(state)
    again.start()
    again.stop()


def test_an_initdb_that_was_interrupted_is_repeated(state: State) -> None:
    server = PostgresServer(state)
    shutil.move(server.data, server.data.with_name("data.new"))
    again = PostgresServer(state)
    again.start()
    again.stop()


async def test_valkey_asks_for_the_password(valkey_server: ValkeyServer) -> None:
    async with Redis(host=valkey_server.host, port=valkey_server.port, retry=NO_RETRY) as client:
        with pytest.raises(redis.exceptions.AuthenticationError):
            await client.ping()


async def test_valkey_shows_no_password_on_its_command_line(valkey_server: ValkeyServer) -> None:
    assert valkey_server.password not in " ".join(psutil.Process(valkey_server.pid).cmdline())


async def test_a_durable_valkey_keeps_its_keys_when_it_is_killed(state: State) -> None:
    engine = Valkey(state, durable=True)
    server = ValkeyServer(engine, state, password=engine.password)
    server.start()
    async with Redis.from_url(server.url) as client:
        await client.set("kept", "value")
        await client.waitaof(1, 0, 5000)
    server.kill()
    server.start()
    try:
        async with Redis.from_url(server.url) as client:
            assert await client.get("kept") == b"value"
    finally:
        server.stop()


@pytest.mark.parametrize("password", ["", "p@ss:w/ord#?%", 'quo"te\\back slash'])
async def test_a_server_takes_any_password(start_valkey: ValkeyFactory, password: str) -> None:
    server = await start_valkey(password=password)
    async with Redis.from_url(server.url) as client:
        assert await client.ping()


async def test_a_server_has_the_users_that_a_test_wants(start_valkey: ValkeyFactory) -> None:
    server = await start_valkey(users=("reader on >secret ~user:* +@read",))
    async with Redis.from_url(server.url_of("reader", "secret")) as client:
        assert await client.get("user:1") is None
        with pytest.raises(redis.exceptions.NoPermissionError):
            await client.set("user:1", "x")


async def test_a_server_has_the_settings_that_a_test_wants(start_valkey: ValkeyFactory) -> None:
    server = await start_valkey(settings={"maxmemory": "3mb", "maxmemory-policy": "noeviction"})
    async with Redis.from_url(server.url) as client:
        with pytest.raises(redis.exceptions.OutOfMemoryError):
            await client.set("large", b"x" * 8_000_000)


async def test_a_server_can_be_a_replica(start_valkey: ValkeyFactory) -> None:
    primary = await start_valkey()
    replica = await start_valkey(replica_of=primary)
    async with Redis.from_url(primary.url) as client:
        await client.set("key", "value")
        assert await client.wait(1, 10_000) == 1
    async with Redis.from_url(replica.url) as client:
        assert await client.get("key") == b"value"


async def test_a_server_speaks_tls_to_those_who_trust_its_authority(start_valkey: ValkeyFactory) -> None:
    server = await start_valkey(tls=True)
    assert server.authority is not None
    async with Redis.from_url(server.url, ssl_ca_certs=str(server.authority.certificate)) as client:
        assert await client.ping()
    async with Redis.from_url(server.url) as client:
        with pytest.raises(redis.exceptions.ConnectionError, match="CERTIFICATE_VERIFY_FAILED"):
            await client.ping()


async def test_a_server_can_demand_a_certificate(start_valkey: ValkeyFactory) -> None:
    server = await start_valkey(tls=True, tls_ask_clients=True)
    assert server.authority is not None
    own = server.authority.issue(name="client")
    trusted = str(server.authority.certificate)
    async with Redis.from_url(server.url, ssl_ca_certs=trusted) as client:
        with pytest.raises((redis.exceptions.ConnectionError, OSError)):
            await client.ping()
    async with Redis.from_url(
        server.url, ssl_ca_certs=trusted, ssl_certfile=str(own.certificate), ssl_keyfile=str(own.key)
    ) as client:
        assert await client.ping()


async def test_an_expired_certificate_is_refused(start_valkey: ValkeyFactory) -> None:
    server = await start_valkey(tls=True, tls_expired=True)
    assert server.authority is not None
    async with Redis.from_url(server.url, ssl_ca_certs=str(server.authority.certificate)) as client:
        with pytest.raises(redis.exceptions.ConnectionError, match="expired"):
            await client.ping()


async def test_the_shared_valkey_is_empty_when_a_test_begins(valkey: Redis) -> None:
    assert await valkey.dbsize() == 0
    await valkey.set("left", "behind")


async def test_the_shared_valkey_is_empty_when_the_next_test_begins(valkey: Redis) -> None:
    assert await valkey.dbsize() == 0


@pytest.mark.parametrize("_", [1, 2])
def test_each_test_has_a_database_of_its_own(database_url: str, _: int) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("CREATE TABLE mine (id int)")
