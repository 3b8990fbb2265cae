"""Testing a connection: the stage that failed, a stable code, a sentence, and what to try."""

from __future__ import annotations

import asyncio
import dataclasses
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import quote

import pytest
from redis.asyncio import Redis

from services.redis_svc.diagnose import diagnose
from services.redis_svc.dialer import Stage
from services.redis_svc.limits import DEFAULTS
from services.runtime.addresses import Address, AddressPolicy
from services.runtime.diagnosis import Diagnosis
from tests.support.engines import ValkeyServer
from tests.support.odd_servers import StartServer, until

StartValkey = Callable[..., Awaitable[ValkeyServer]]

SECRET = "p@ss:w/o#r%d?"
QUICK = dataclasses.replace(DEFAULTS, diagnosis_s=1.5)


async def look(url: str, *, policy: AddressPolicy | None = None, allow_unix: bool = False) -> Diagnosis:
    return await diagnose(url, {}, policy=policy or AddressPolicy(), limits=QUICK, allow_unix=allow_unix)


async def test_a_server_that_answers(start_valkey: StartValkey) -> None:
    server = await start_valkey(password=SECRET)

    found = await look(server.url)

    assert found.success
    assert found.stage is Stage.DONE
    assert found.error_code == found.hint == ""
    assert found.server_version.startswith("9.")
    assert found.message == f"Valkey {found.server_version} answers."
    assert found.latency_ms > 0


async def test_debians_redis_server(redis_server_url: str) -> None:
    found = await look(redis_server_url)

    assert found.success
    assert found.message.startswith("Redis ")


async def test_a_diagnosis_leaves_no_connection_behind(valkey: Redis, valkey_url: str) -> None:
    before = len(await valkey.client_list())
    await look(valkey_url)
    await look(valkey_url + "/99")

    async def count() -> int:
        return len(await valkey.client_list())

    async with asyncio.timeout(10):
        while await count() > before:
            pass


@pytest.mark.parametrize("url", ["", "mongodb://x", "redis://", "redis://h:x", f"redis://:{SECRET}@h"])
async def test_parse(url: str) -> None:
    found = await look(url)

    assert (found.success, found.stage, found.error_code) == (False, Stage.PARSE, "INVALID_CONNECTION_STRING")
    assert found.message
    assert found.hint


async def test_address() -> None:
    found = await look("redis://169.254.169.254:6379")

    assert (found.stage, found.error_code) == (Stage.ADDRESS, "DB_ADDRESS_DENIED")


async def test_address_that_the_operator_denies(valkey_url: str) -> None:
    found = await look(valkey_url, policy=AddressPolicy(deny=["127.0.0.0/8"]))

    assert (found.stage, found.error_code) == (Stage.ADDRESS, "DB_ADDRESS_DENIED")


async def test_dns() -> None:
    found = await look("redis://no-such-host.invalid:6379")

    assert (found.stage, found.error_code) == (Stage.DNS, "DB_CONNECTION_FAILED")


async def test_a_closed_port(closed_port: int) -> None:
    found = await look(f"redis://127.0.0.1:{closed_port}")

    assert (found.stage, found.error_code) == (Stage.TCP, "DB_CONNECTION_FAILED")
    assert f"Port {closed_port} refuses connections" in found.hint


async def test_an_address_that_drops_packets_ends_in_bounded_time(closed_port: int) -> None:
    """A full backlog answers no SYN, as a firewall that drops packets."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", closed_port))
        full.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        try:
            for filler in fillers:
                filler.settimeout(0)
                filler.connect_ex(("127.0.0.1", closed_port))
            async with asyncio.timeout(DEFAULTS.diagnosis_s + 0.5):
                found = await look(f"redis://127.0.0.1:{closed_port}")
        finally:
            for filler in fillers:
                filler.close()

    assert (found.stage, found.error_code) == (Stage.TCP, "DB_TIMEOUT")
    assert "firewall" in found.hint


class TwoAddresses(AddressPolicy):
    """A name with an address that refuses and one that answers."""

    def __init__(self, *ips: str) -> None:
        super().__init__()
        self._ips = ips

    async def resolve(self, host: str, port: int) -> list[Address]:
        del host
        return [Address(socket.AF_INET6 if ":" in ip else socket.AF_INET, ip, port) for ip in self._ips]


@pytest.mark.parametrize("ips", [("::1", "127.0.0.1"), ("127.0.0.1", "::1"), ("127.0.0.77", "127.0.0.1")])
async def test_the_next_address_is_tried_when_one_refuses(valkey_url: str, ips: tuple[str, ...]) -> None:
    assert (await look(valkey_url, policy=TwoAddresses(*ips))).success


async def test_the_next_address_is_tried_when_one_stays_silent(start_valkey: StartValkey) -> None:
    server = await start_valkey()
    with socket.socket() as full:
        full.bind(("127.0.0.77", server.port))
        full.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.settimeout(0)
            filler.connect_ex(("127.0.0.77", server.port))

        found = await look(server.url, policy=TwoAddresses("127.0.0.77", "127.0.0.1"))

        for filler in fillers:
            filler.close()
    assert found.success


async def test_a_server_that_expects_tls(start_valkey: StartValkey) -> None:
    server = await start_valkey(tls=True)

    found = await look(server.url.replace("rediss://", "redis://"))

    assert (found.stage, found.error_code) == (Stage.TLS, "DB_TLS_FAILED")
    assert "use rediss://" in found.hint


async def test_a_server_that_does_not_speak_tls(valkey_url: str) -> None:
    found = await look(valkey_url.replace("redis://", "rediss://"))

    assert (found.stage, found.error_code) == (Stage.TLS, "DB_TLS_FAILED")
    assert "use redis://" in found.hint


async def test_a_certificate_that_is_not_trusted(start_valkey: StartValkey) -> None:
    server = await start_valkey(tls=True)

    found = await look(server.url)

    assert (found.stage, found.error_code) == (Stage.TLS, "DB_TLS_FAILED")
    assert "ssl_ca_data" in found.hint


async def test_tls_with_an_authority_of_ones_own(start_valkey: StartValkey) -> None:
    server = await start_valkey(tls=True)
    assert server.authority is not None
    pem = server.authority.certificate.read_text()

    assert (await look(f"{server.url}?ssl_ca_data={quote(pem, safe='')}")).success
    config = {"tls_ca_pem": pem}
    assert (await diagnose(server.url, config, policy=AddressPolicy(), limits=QUICK)).success


@pytest.mark.parametrize(
    ("userinfo", "says"),
    [
        ("", "asks for a password"),
        (":wrong@", "refuses"),
        ("bob:wrong@", "refuses"),
        ("nobody:pw@", "refuses"),
        ("sleepy:pw@", "disabled"),
    ],
)
async def test_authentication(start_valkey: StartValkey, userinfo: str, says: str) -> None:
    server = await start_valkey(password="right", users=("bob on >pw ~* +@all", "sleepy off >pw ~* +@all"))

    found = await look(f"redis://{userinfo}127.0.0.1:{server.port}")

    assert (found.stage, found.error_code) == (Stage.AUTHENTICATION, "DB_INVALID_CREDENTIALS")
    assert says in found.message
    assert found.hint


async def test_a_password_that_the_server_does_not_ask_for(start_valkey: StartValkey) -> None:
    server = await start_valkey(password="")

    found = await look(f"redis://:{quote(SECRET, safe='')}@127.0.0.1:{server.port}")

    assert (found.stage, found.error_code) == (Stage.AUTHENTICATION, "DB_INVALID_CREDENTIALS")
    assert "no password" in found.message
    assert SECRET not in found.message + found.hint


async def test_a_user_who_may_do_next_to_nothing_is_logged_in_and_told_what_is_missing(
    start_valkey: StartValkey,
) -> None:
    server = await start_valkey(users=("reader on >pw ~* +get",))

    found = await look(server.url_of("reader", "pw"))

    assert found.success
    assert "SCAN" in found.hint
    assert found.server_version.startswith("9.")


async def test_permission(start_valkey: StartValkey) -> None:
    server = await start_valkey(users=("reader on >pw ~* +get",))

    found = await look(server.url_of("reader", "pw") + "/3")

    assert (found.stage, found.error_code) == (Stage.PERMISSION, "DB_PERMISSION_DENIED")
    assert "SELECT" in found.message


async def test_a_database_that_does_not_exist(valkey_url: str) -> None:
    found = await look(valkey_url + "/999")

    assert (found.stage, found.error_code) == (Stage.PROTOCOL, "DB_QUERY_ERROR")
    assert "999" in found.message


async def test_a_server_with_as_many_clients_as_it_takes(start_valkey: StartValkey) -> None:
    server = await start_valkey(settings={"maxclients": "1"})
    async with Redis.from_url(server.url) as only:
        await only.ping()

        found = await look(server.url)

    assert found.stage is Stage.PROTOCOL
    assert found.error_code in {"DB_UNAVAILABLE", "DB_CONNECTION_FAILED"}
    assert "maxclients" in found.hint


async def test_a_server_that_is_loading(start_server: StartServer) -> None:
    async def loading(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"PING\r\n")
        writer.write(b"-LOADING Redis is loading the dataset in memory\r\n" * 2)
        await reader.read()

    found = await look(f"redis://127.0.0.1:{await start_server(loading)}")

    assert (found.stage, found.error_code) == (Stage.PROTOCOL, "DB_UNAVAILABLE")


async def test_a_server_in_protected_mode(start_server: StartServer) -> None:
    async def protected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"-DENIED Redis is running in protected mode because ...\r\n")
        await reader.read(1)

    found = await look(f"redis://127.0.0.1:{await start_server(protected)}")

    assert found.error_code == "DB_PERMISSION_DENIED"
    assert "protected mode" in found.message


@pytest.mark.parametrize(
    ("greeting", "after_request", "says"),
    [
        (b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", "HTTP server"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", b"", "SSH server"),
        (b"\x4a\x00\x00\x00\x0a8.0.36\x00", b"", "does not speak the Redis protocol"),
    ],
)
async def test_something_else_answers(
    start_server: StartServer, greeting: bytes, after_request: bytes, says: str
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        await reader.read(100)
        writer.write(after_request)
        await reader.read()

    found = await look(f"redis://127.0.0.1:{await start_server(serve)}")

    assert (found.stage, found.error_code) == (Stage.PROTOCOL, "DB_PROTOCOL_ERROR")
    assert says in found.message


async def test_a_server_that_hangs_up_at_once(start_server: StartServer) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        del reader
        writer.close()

    found = await look(f"redis://127.0.0.1:{await start_server(hang_up)}")

    assert (found.stage, found.error_code) == (Stage.PROTOCOL, "DB_CONNECTION_FAILED")
    assert "maxclients" in found.hint


@pytest.mark.parametrize(("scheme", "stage"), [("redis", Stage.PROTOCOL), ("rediss", Stage.TLS)])
async def test_a_server_that_says_nothing_ends_in_bounded_time(
    start_server: StartServer, scheme: str, stage: Stage
) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        del writer
        await reader.read()
        await asyncio.sleep(60)

    port = await start_server(silent)
    async with asyncio.timeout(DEFAULTS.diagnosis_s + 0.5):
        found = await look(f"{scheme}://127.0.0.1:{port}")

    assert (found.stage, found.error_code) == (stage, "DB_TIMEOUT")


async def test_a_suspended_server(start_valkey: StartValkey) -> None:
    server = await start_valkey()
    server.suspend()

    found = await look(server.url)

    assert found.error_code == "DB_TIMEOUT"


def test_the_worst_case_is_below_the_five_seconds_of_the_contract() -> None:
    assert DEFAULTS.diagnosis_s < 5


async def test_a_unix_socket_is_refused_unless_the_operator_allows_it(
    start_valkey: StartValkey, tmp_path: Path
) -> None:
    path = tmp_path / "valkey.sock"
    server = await start_valkey(password="", settings={"unixsocket": str(path)})
    del server
    await until(path.exists)

    refused = await look(f"unix://{path}")
    assert (refused.stage, refused.error_code) == (Stage.ADDRESS, "DB_ADDRESS_DENIED")
    assert (await look(f"unix://{path}?db=1", allow_unix=True)).success

    missing = await look(f"unix://{path}.not", allow_unix=True)
    assert (missing.stage, missing.error_code) == (Stage.TCP, "DB_CONNECTION_FAILED")


async def test_a_server_from_before_acl_users_is_logged_into_with_the_password_alone(
    start_server: StartServer,
) -> None:
    """Redis 5: AUTH takes one argument."""
    logins = []

    async def old(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1000):
            logins.append(data)
            if b"AUTH" in data and b"default" in data:
                writer.write(
                    b"-ERR wrong number of arguments for 'auth' command\r\n-NOAUTH x\r\n-NOAUTH x\r\n"
                )
            elif b"AUTH" in data:
                writer.write(b"+OK\r\n" * 2 + b"+PONG\r\n")
            else:
                writer.write(
                    b"-ERR unknown command 'HELLO'\r\n$21\r\nredis_version:5.0.14\n\r\n*2\r\n$1\r\n0\r\n*0\r\n"
                )

    found = await look(f"redis://default:pw@127.0.0.1:{await start_server(old)}")

    assert found.success
    assert (found.server_version, found.message) == ("5.0.14", "Redis 5.0.14 answers.")
    assert len(logins) == 3
