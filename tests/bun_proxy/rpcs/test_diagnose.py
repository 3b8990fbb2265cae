"""A connection test names the stage that failed, why, and what to try; within 5 s."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from google.protobuf import struct_pb2

from services.bun_proxy.limits import DEFAULTS
from services.bun_proxy.probe import bounds
from services.bun_proxy.probe.diagnose import diagnose
from services.runtime.addresses import AddressPolicy
from services.runtime.crypto import KeyRing
from services.runtime.diagnosis import Diagnosis
from studio.registry.v1.database_pb2 import ConnectionDiagnosis
from studio.registry.v1.engine_service_pb2 import DiagnoseConnectionRequest
from studio.registry.v1.engine_service_pb2_grpc import EngineServiceStub
from tests.bun_proxy.rpcs.control import serve
from tests.support.engine_service import KEYS, as_service, as_user
from tests.support.engines import BunServer
from tests.support.odd_servers import Serve, StartServer, unused_port
from tests.support.tls import Authority

CONFIG: dict[str, object] = {"health_path": "/books"}


async def run(
    text: str, config: dict[str, object] | None = None, policy: AddressPolicy | None = None
) -> Diagnosis:
    return await diagnose(text, config or {}, policy=policy or AddressPolicy(), limits=DEFAULTS)


def url(port: int, key: str = "k") -> str:
    return f"http://:{key}@127.0.0.1:{port}"


async def test_a_working_connection(bun_server: BunServer) -> None:
    found = await run(url(bun_server.port, bun_server.key), CONFIG)
    assert (found.success, found.stage, found.error_code, found.hint) == (True, "done", "", "")
    assert found.message == "GET /books is answered with 200."
    assert found.latency_ms > 0


async def test_a_key_that_was_not_tested_is_told(bun_server: BunServer) -> None:
    found = await run(url(bun_server.port, "wrong"))
    assert found.success
    assert "the key was not tested" in found.hint
    assert "health_path" in found.hint
    assert (await run(f"http://127.0.0.1:{bun_server.port}")).hint == ""


@pytest.mark.parametrize("key", [":wrong@", ""])
async def test_authentication(bun_server: BunServer, key: str) -> None:
    found = await run(f"http://{key}127.0.0.1:{bun_server.port}", CONFIG)
    assert (found.success, found.stage, found.error_code) == (
        False,
        "authentication",
        "DB_INVALID_CREDENTIALS",
    )
    assert found.hint


async def test_header_and_scheme_of_the_key_are_those_of_the_config(
    start_server: StartServer, bun_server: BunServer
) -> None:
    seen: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nserver: Bun/1.4\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        await writer.drain()

    port = await start_server(answer)
    found = await run(url(port, "the-key"), {"auth_header": "X-Api-Key"})
    assert (found.success, found.server_version) == (True, "Bun 1.4")
    assert b"\r\nx-api-key: the-key\r\n" in seen[0]
    assert b"the-key" not in seen[1]
    wrong = await run(url(bun_server.port, bun_server.key), {**CONFIG, "auth_scheme": "Token"})
    assert wrong.stage == "authentication"


@pytest.mark.parametrize(
    ("text", "config", "stage", "code"),
    [
        ("http://h", {"health_path": "health"}, "parse", "INVALID_CONNECTION_STRING"),
        ("http://h", {"health_path": "/../x"}, "parse", "INVALID_CONNECTION_STRING"),
        ("http://h", {"auth_header": "Host"}, "parse", "INVALID_CONNECTION_STRING"),
        ("http://h", {"answer_timeout_s": "soon"}, "parse", "INVALID_CONNECTION_STRING"),
        ("http://169.254.169.254/", {}, "address", "DB_ADDRESS_DENIED"),
        ("http://[::ffff:169.254.169.254]/", {}, "address", "DB_ADDRESS_DENIED"),
        ("http://2852039166/", {}, "address", "DB_ADDRESS_DENIED"),
        ("http://0xa9fea9fe/", {}, "address", "DB_ADDRESS_DENIED"),
        ("http://no-such-host.invalid/", {}, "dns", "DB_CONNECTION_FAILED"),
    ],
)
async def test_stages_before_a_connection(
    text: str, config: dict[str, object], stage: str, code: str
) -> None:
    found = await run(text, config)
    assert (found.success, found.stage, found.error_code) == (False, stage, code)


async def test_networks_that_the_operator_denies_are_not_dialled(bun_server: BunServer) -> None:
    found = await run(url(bun_server.port), policy=AddressPolicy(deny=["127.0.0.0/8"]))
    assert (found.stage, found.error_code) == ("address", "DB_ADDRESS_DENIED")


async def test_nobody_listens() -> None:
    found = await run(url(unused_port()))
    assert (found.stage, found.error_code) == ("tcp", "DB_CONNECTION_FAILED")


@pytest.fixture
async def tls_port(tmp_path: Path) -> AsyncIterator[int]:
    """A server that speaks TLS, with a certificate of an authority that nobody here trusts."""
    authority = Authority(tmp_path)
    context = authority.server_context(
        authority.issue(hosts=("127.0.0.1",), expired=False), ask_clients=False
    )

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    yield server.sockets[0].getsockname()[1]
    server.close()


async def test_tls_where_there_is_none_and_none_where_there_is(bun_server: BunServer, tls_port: int) -> None:
    plain = await run(f"https://:k@127.0.0.1:{bun_server.port}")
    assert (plain.stage, plain.error_code) == ("tls", "DB_TLS_FAILED")
    assert "http://" in plain.hint
    untrusted = await run(f"https://:k@127.0.0.1:{tls_port}")
    assert (untrusted.stage, untrusted.error_code) == ("tls", "DB_TLS_FAILED")
    assert "certificate" in untrusted.message
    missing = await run(f"http://:k@127.0.0.1:{tls_port}")
    assert (missing.stage, missing.hint) == ("http", "The port speaks TLS: use https:// instead of http://.")


def says(data: bytes) -> Serve:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(data)
        await writer.drain()

    return answer


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"-ERR unknown command\r\n", "DB_PROTOCOL_ERROR"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "DB_PROTOCOL_ERROR"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab", "DB_CONNECTION_FAILED"),
        (b"", "DB_CONNECTION_FAILED"),
    ],
)
async def test_what_answers_is_no_http_or_breaks_off(
    start_server: StartServer, data: bytes, code: str
) -> None:
    found = await run(url(await start_server(says(data))))
    assert (found.success, found.stage, found.error_code) == (False, "http", code)


async def test_an_api_that_fails(start_server: StartServer) -> None:
    port, _ = await serve(start_server, {"/health": (500, "text/plain", "oops")})
    found = await run(url(port))
    assert (found.stage, found.error_code) == ("http", "DB_UNAVAILABLE")


async def test_an_api_that_hangs_takes_the_test_no_longer_than_promised(
    start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "DIAGNOSIS_S", 0.4)
    monkeypatch.setattr(bounds, "KNOCK_S", 0.1)

    async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    found = await run(url(await start_server(silent)))
    assert (found.stage, found.error_code) == ("http", "DB_TIMEOUT")


async def test_connections_are_tested_for_the_registry_and_nobody_else(
    channel: grpc.aio.Channel, bun_server: BunServer
) -> None:
    engine = EngineServiceStub(channel)

    def request(keys: KeyRing = KEYS) -> DiagnoseConnectionRequest:
        database_id = str(uuid.uuid4())
        text = url(bun_server.port, bun_server.key)
        config = struct_pb2.Struct()
        config.update({"health_path": "/books"})
        return DiagnoseConnectionRequest(
            id=database_id,
            ciphertext=keys.seal(text, row_id=database_id, type_="bun_api"),
            config=config,
        )

    found: ConnectionDiagnosis = await engine.DiagnoseConnection(request(), metadata=as_service())
    assert (found.success, found.stage) == (True, "done")
    other = KeyRing.from_secrets("another-key-of-the-tests-0123456789")
    with pytest.raises(grpc.aio.AioRpcError) as unreadable:
        await engine.DiagnoseConnection(request(other), metadata=as_service())
    assert "BUN_CRYPTO_KEY" in str(unreadable.value.trailing_metadata())
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await engine.DiagnoseConnection(request(), metadata=as_user())
    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
