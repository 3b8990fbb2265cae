"""How an API is and what it tells of itself, asked over gRPC."""

from __future__ import annotations

import asyncio

from services.bun_proxy.limits import DEFAULTS
from tests.bun_proxy.rpcs.control import Register, failure, serve
from tests.support.engines import BunServer
from tests.support.odd_servers import StartServer, unused_port


def url(port: int, key: str = "k", base: str = "") -> str:
    return f"http://:{key}@127.0.0.1:{port}{base}"


async def test_a_healthy_api_tells_its_answer_and_what_the_service_knows(
    register: Register, bun_server: BunServer
) -> None:
    api = register(url(bun_server.port, bun_server.key))
    found = await api.health()

    assert (found.status, found.path, found.http_status, found.error_code) == ("healthy", "/health", 200, "")
    assert '"status":"ok"' in found.body
    assert found.latency_ms > 0
    assert found.checked_at.seconds > 0
    assert (found.breaker.state, found.breaker.failures) == ("closed", 0)
    assert (found.pool.idle, found.pool.in_use, found.pool.max_in_use) == (1, 0, DEFAULTS.max_running)
    assert (found.requests.answered, found.requests.failed, found.requests.remembered) == (1, 0, 0)


async def test_a_key_that_is_refused_is_another_thing_than_an_api_that_is_down(
    register: Register, bun_server: BunServer
) -> None:
    config: dict[str, object] = {"health_path": "/books"}
    right = await register(url(bun_server.port, bun_server.key), config).health()
    wrong = await register(url(bun_server.port, "wrong"), config).health()
    none = await register(f"http://127.0.0.1:{bun_server.port}", config).health()

    assert right.status == "healthy"
    assert (wrong.status, wrong.http_status, wrong.error_code) == (
        "unauthorized",
        401,
        "DB_INVALID_CREDENTIALS",
    )
    assert "auth_header" in wrong.hint
    assert (none.status, none.http_status) == ("unauthorized", 401)
    assert "https://:key@host" in none.hint


async def test_an_api_that_is_down_is_an_answer_and_the_breaker_shows(register: Register) -> None:
    api = register(url(unused_port()))
    states = [(await api.health()) for _ in range(DEFAULTS.breaker_failures + 1)]

    assert {each.status for each in states} == {"unreachable"}
    assert (states[0].error_code, states[0].breaker.state, states[0].latency_ms) == (
        "DB_CONNECTION_FAILED",
        "closed",
        -1,
    )
    last = states[-1]
    assert (last.error_code, last.breaker.state) == ("DB_UNAVAILABLE", "open")
    assert (last.breaker.opened, last.breaker.refused) == (1, 1)
    assert last.breaker.retry_after_s > 0
    assert "refuses connections" in last.breaker.last_error


async def test_statuses_of_health_paths(register: Register, start_server: StartServer) -> None:
    down, _ = await serve(start_server, {"/health": (503, "application/json", {"db": "down"})})
    bare, asked = await serve(start_server, {})
    busy, _ = await serve(start_server, {"/health": (429, "text/plain", "slow down")})
    moved, _ = await serve(start_server, {"/": (301, "text/html\r\nlocation: https://api.example.net/x", "")})

    found = await register(url(down)).health()
    assert (found.status, found.error_code, found.body) == ("unhealthy", "DB_UNAVAILABLE", '{"db": "down"}')
    found = await register(url(bare)).health()
    assert (found.status, found.http_status) == ("healthy", 404)
    assert asked == ["/health", "/healthz", "/"]
    found = await register(url(bare), {"health_path": "/up"}).health()
    assert (found.status, found.error_code) == ("unhealthy", "DB_QUERY_ERROR")
    assert (await register(url(busy)).health()).status == "unhealthy"
    found = await register(url(moved)).health()
    assert (found.status, found.path) == ("healthy", "/")
    assert "https://api.example.net" in found.hint


async def test_a_health_answer_without_end_is_cut(register: Register, start_server: StartServer) -> None:
    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n")
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()

    found = await register(url(await start_server(endless))).health()
    assert (found.status, found.body_truncated, len(found.body)) == ("healthy", True, 4096)


async def test_info_names_the_server_the_document_and_never_the_key(
    register: Register, bun_server: BunServer
) -> None:
    found = await register(url(bun_server.port, bun_server.key)).info()

    assert found.base_url == f"http://127.0.0.1:{bun_server.port}"
    assert (found.host, found.port, found.tls) == ("127.0.0.1", bun_server.port, False)
    assert (found.auth_header, found.has_key, found.status) == ("authorization", True, "healthy")
    assert (found.document.title, found.document.version, found.version) == ("Books", "1.2.0", "1.2.0")
    assert (found.document.path, found.document.format, found.document_error) == (
        "/openapi.json",
        "openapi 3.1.0",
        "",
    )
    assert bun_server.key not in str(found)


async def test_info_of_an_api_without_a_document_says_what_it_runs_on(
    register: Register, start_server: StartServer
) -> None:
    said = "application/json\r\nserver: nginx/1.27\r\nx-powered-by: Bun/1.4.4"
    port, _ = await serve(start_server, {"/base/health": (200, said, {"version": "7.1", "name": "x"})})
    found = await register(url(port, base="/base")).info()

    assert (found.server, found.runtime, found.runtime_version) == ("nginx/1.27", "Bun", "1.4.4")
    assert (found.version, found.base_url) == ("7.1", f"http://127.0.0.1:{port}/base")
    assert not found.HasField("document")
    assert "no OpenAPI document" in found.document_error

    found = await register(url(unused_port())).info()
    assert (found.status, found.latency_ms) == ("unreachable", -1)
    assert "refuses connections" in found.document_error


async def test_a_database_that_is_not_registered_is_an_error(register: Register) -> None:
    api = register(url(unused_port()))
    api.id = "6f1c9a52-6f0e-4b1b-9d6b-0b8f6f8f3f0e"
    for call in (api.health(), api.info(), api.routes(), api.calls()):
        assert (await failure(call))[0] == "DB_NOT_FOUND"
