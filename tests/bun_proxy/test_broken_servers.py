"""What a caller sees of an API that breaks HTTP, stops in the middle, or says nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import psutil
import pytest

from services.bun_proxy.limits import DEFAULTS
from tests.bun_proxy.harness import Api, Service
from tests.bun_proxy.servers import Once, Recorder
from tests.support.odd_servers import Serve, StartServer, until, unused_port

OK = b"HTTP/1.1 200 OK\r\n"
Register = Callable[..., Awaitable[Api]]


@pytest.fixture
async def register(service: Service, start_server: StartServer) -> AsyncIterator[Register]:
    """Registers a server that does what a function says."""
    apis: list[Api] = []

    async def start(serve: Serve, **config: object) -> Api:
        apis.append(service.api(f"http://127.0.0.1:{await start_server(serve)}", config))
        return apis[-1]

    yield start
    for api in apis:
        await api.http.aclose()


@pytest.mark.parametrize("then", ["close", "reset"])
@pytest.mark.parametrize(
    "answer",
    [
        OK + b"content-length: 10\r\n\r\n12345",
        OK + b"transfer-encoding: chunked\r\n\r\n5\r\n12345\r\n",
        OK + b"transfer-encoding: chunked\r\n\r\n5\r\n12345\r\n0\r\n",
    ],
    ids=["shorter than it says", "without its last chunk", "without the end of its trailers"],
)
async def test_an_answer_that_breaks_off_never_looks_complete(
    register: Register, answer: bytes, then: str
) -> None:
    api = await register(Once(answer, then=then).serve)
    with pytest.raises(httpx.RemoteProtocolError):
        await api.get("/")


async def test_an_answer_that_ends_with_its_connection_is_complete(register: Register) -> None:
    api = await register(Once(OK + b"\r\n12345").serve)
    answer = await api.get("/")
    assert (answer.content, answer.headers["transfer-encoding"]) == (b"12345", "chunked")


async def test_such_an_answer_that_is_reset_is_not(register: Register) -> None:
    api = await register(Once(OK + b"\r\n12345", then="reset").serve)
    with pytest.raises(httpx.HTTPError):
        await api.get("/")


async def test_what_comes_beyond_the_length_is_dropped_and_the_connection_not_used_again(
    register: Register,
) -> None:
    server = Once(
        OK + b"content-length: 5\r\n\r\n12345HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nbad", then="stay"
    )
    api = await register(server.serve)
    assert [(await api.get("/")).content for _ in range(2)] == [b"12345", b"12345"]
    assert server.connections == 2


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x15\x03\x01\x00\x02\x02\x16",
        OK + b"content-length: 3\r\ncontent-length: 4\r\n\r\nabcd",
        OK + b"content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        OK + b"content-length: -3\r\n\r\n",
        OK + b"x: a\rb\r\n\r\n",
        OK + b"x y: a\r\n\r\n",
        OK + b"x: a\x00b\r\n\r\n",
        OK + b" x: folded\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 101 + b"\r\n",
    ],
    ids=[
        "ssh",
        "a TLS alert",
        "two lengths",
        "a length and chunks",
        "a negative length",
        "a bare carriage return",
        "a space in a name",
        "a NUL",
        "a folded header",
        "an upgrade unasked",
        "too many headers",
    ],
)
async def test_what_is_no_http_is_refused(register: Register, answer: bytes) -> None:
    api = await register(Once(answer, then="stay").serve)
    assert await api.error("GET", "/") == (400, "DB_PROTOCOL_ERROR")


@pytest.mark.parametrize(
    "start", [OK + b"x: ", OK + b"transfer-encoding: chunked\r\n\r\n0\r\nx: ", OK + b"x: y\r\n" * 9]
)
async def test_headers_and_trailers_without_end_are_cut_in_bounded_memory(
    register: Register, start: bytes
) -> None:
    sent = 0
    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(start)
        try:
            while sent < 100_000_000:
                writer.write(b"a" * 65536)
                await writer.drain()
                sent += 65536
        finally:
            ended.set()

    before = psutil.Process().memory_info().rss
    api = await register(serve)
    if b"chunked" in start:
        with pytest.raises(httpx.RemoteProtocolError):
            await api.get("/")
    else:
        assert await api.error("GET", "/") == (400, "DB_PROTOCOL_ERROR")
    await ended.wait()
    assert sent < 20_000_000
    assert psutil.Process().memory_info().rss - before < 20 * 2**20


async def test_informational_answers_without_end_are_cut(register: Register) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        while True:
            writer.write(b"HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\n" * 100)
            await writer.drain()

    api = await register(serve)
    assert await api.error("GET", "/") == (400, "DB_PROTOCOL_ERROR")


async def test_informational_answers_are_not_taken_for_the_answer(register: Register) -> None:
    early = b"HTTP/1.1 103 Early Hints\r\nx-early: 1\r\n\r\n"
    api = await register(Once(early, OK + b"content-length: 2\r\nx-late: 1\r\n\r\nok").serve)
    answer = await api.get("/")
    assert (answer.status_code, answer.content) == (200, b"ok")
    assert "x-early" not in answer.headers
    assert answer.headers["x-late"] == "1"


async def test_an_answer_split_at_every_byte_is_the_same(register: Register) -> None:
    whole = OK + b"transfer-encoding: chunked\r\nx: y\r\n\r\n5;ext=1\r\n12345\r\n0\r\nx-sum: 7\r\n\r\n"
    api = await register(Once(*(whole[at : at + 1] for at in range(len(whole)))).serve)
    answer = await api.get("/")
    assert (answer.content, answer.headers["x"]) == (b"12345", "y")


async def test_a_server_that_stalls_before_its_answer_is_given_up(register: Register) -> None:
    server = Once(then="stay")
    api = await register(server.serve, answer_timeout_s=0.2)
    assert await api.error("GET", "/") == (504, "DB_TIMEOUT")
    await asyncio.wait_for(server.ended.wait(), 10)


async def test_a_server_that_stalls_in_its_answer_is_cut(register: Register) -> None:
    server = Once(OK + b"content-length: 10\r\n\r\n12345", then="stay")
    api = await register(server.serve, idle_timeout_s=0.2)
    with pytest.raises(httpx.RemoteProtocolError):
        await api.get("/")
    await asyncio.wait_for(server.ended.wait(), 10)


async def test_a_server_that_takes_no_body_is_given_up(register: Register) -> None:
    api = await register(Once(then="stay").serve, idle_timeout_s=0.2, answer_timeout_s=60)
    raw = await api.service.raw(api.head("POST", "/", b"content-length: 10") + b"12345")
    assert (await raw.head()).startswith(b"HTTP/1.1 504 ")
    raw.close()


async def test_where_nobody_listens_the_answer_is_503(service: Service) -> None:
    api = service.api(f"http://127.0.0.1:{unused_port()}")
    answer = await api.get("/")
    assert (answer.status_code, answer.json()["error_code"]) == (503, "DB_CONNECTION_FAILED")
    assert answer.headers["retry-after"] == "2"
    assert answer.json()["retryable"] is True
    await api.http.aclose()


@pytest.mark.parametrize("then", ["close", "reset"])
async def test_a_server_that_hangs_up_before_it_answers_is_503(register: Register, then: str) -> None:
    server = Once(then=then)
    api = await register(server.serve)
    assert await api.error("GET", "/") == (503, "DB_CONNECTION_FAILED")
    assert server.connections == 1, "a new connection that breaks is no reason to try again"


class TestReuse:
    async def test_a_connection_serves_one_request_after_the_other(self, register: Register) -> None:
        recorder = Recorder(OK + b"content-length: 0\r\n\r\n")
        api = await register(recorder.serve)
        for _ in range(5):
            await api.get("/")
        assert (recorder.connections, len(recorder.heads)) == (1, 5)

    @pytest.mark.parametrize(
        "answer",
        [
            OK + b"content-length: 0\r\nconnection: close\r\n\r\n",
            b"HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n",
            OK + b"content-length: 0\r\nkeep-alive: timeout=1\r\n\r\n",
        ],
        ids=["close", "HTTP/1.0", "kept for a second"],
    )
    async def test_a_connection_is_kept_only_where_the_server_keeps_it(
        self, register: Register, answer: bytes
    ) -> None:
        recorder = Recorder(answer)
        api = await register(recorder.serve)
        for _ in range(2):
            assert (await api.get("/")).status_code == 200
        assert recorder.connections == 2

    @pytest.mark.parametrize(("method", "status"), [("GET", 200), ("DELETE", 200), ("POST", 503)])
    async def test_a_kept_connection_that_breaks_is_replaced_for_what_is_safe_to_repeat(
        self, register: Register, method: str, status: int
    ) -> None:
        """The server goes away when the second request comes: nobody could have known before."""
        connections = 0

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal connections
            connections += 1
            await reader.readuntil(b"\r\n\r\n")
            writer.write(OK + b"content-length: 0\r\n\r\n")
            await reader.readuntil(b"\r\n\r\n")
            writer.transport.abort()

        api = await register(serve)
        await api.get("/")
        assert (await api.call(method, "/")).status_code == status
        assert connections == (2 if status == 200 else 1)

    async def test_what_comes_unasked_on_a_kept_connection_is_no_answer(self, register: Register) -> None:
        speak, ended = asyncio.Event(), asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(OK + b"content-length: 2\r\n\r\nok")
            await speak.wait()
            writer.write(OK + b"content-length: 3\r\n\r\nbad")
            await reader.read()
            ended.set()

        api = await register(serve)
        await api.get("/")
        speak.set()
        await asyncio.wait_for(ended.wait(), 10)
        assert (await api.get("/")).content == b"ok"


async def test_more_requests_than_one_api_may_have_are_refused_at_once(
    service: Service, register: Register
) -> None:
    server = Once(then="stay")
    api = await register(server.serve)
    limits = httpx.Limits(max_connections=200)
    async with service.client(limits=limits) as http:
        running = [asyncio.create_task(http.get(f"{api.prefix}/")) for _ in range(DEFAULTS.max_running)]
        await until(lambda: server.connections == DEFAULTS.max_running)
        answer = await http.get(f"{api.prefix}/")
        assert (answer.status_code, answer.json()["error_code"]) == (429, "RESOURCE_EXHAUSTED")
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


class TestBreaker:
    async def test_an_api_that_fails_again_and_again_is_left_alone(self, register: Register) -> None:
        server = Once(then="reset")
        api = await register(server.serve)
        for _ in range(DEFAULTS.breaker_failures):
            assert await api.error("GET", "/") == (503, "DB_CONNECTION_FAILED")
        answer = await api.get("/")
        assert (answer.status_code, answer.json()["error_code"]) == (503, "DB_UNAVAILABLE")
        assert 1 <= int(answer.headers["retry-after"]) <= DEFAULTS.breaker_open_s
        assert server.connections == DEFAULTS.breaker_failures

    async def test_errors_that_the_api_answers_are_no_failures(self, register: Register) -> None:
        recorder = Recorder(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n")
        api = await register(recorder.serve)
        for _ in range(3 * DEFAULTS.breaker_failures):
            assert (await api.get("/")).content == b""
        assert len(recorder.heads) == 3 * DEFAULTS.breaker_failures
