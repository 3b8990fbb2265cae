"""APIs that speak HTTP/2: Node.js, which agrees on it by ALPN and speaks nothing else."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import psutil
import pytest

from deploy.local.engines.pg_meta import node as binary
from tests.bun_proxy.harness import Api, Service, running_service
from tests.support.tls import Authority

SERVER = Path(__file__).parent / "http2_server.mjs"


@pytest.fixture
async def node(service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Api]:
    """The server, registered."""
    authority = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
    certificate = authority.issue()
    process = await asyncio.create_subprocess_exec(
        binary(), SERVER, certificate.certificate, certificate.key, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    port = int(await asyncio.wait_for(process.stdout.readline(), 30))
    api = service.api(f"https://:key-1@localhost:{port}")
    async with api.http:
        yield api
    process.kill()
    await process.wait()


async def test_a_request_arrives_as_over_http1(node: Api) -> None:
    body = b"x" * 3_000_000
    seen = (await node.call("POST", "/echo?a=%2F", content=body, headers={"x-mine": "1"})).json()
    assert seen["bytes"] == len(body)
    told = seen["headers"]
    assert (told[":method"], told[":path"], told[":scheme"]) == ("POST", "/echo?a=%2F", "https")
    assert told[":authority"].startswith("localhost:")
    assert (told["authorization"], told["x-mine"]) == ("Bearer key-1", "1")
    assert told["content-length"] == str(len(body))
    assert not {"host", "connection", "transfer-encoding"} & set(told)


async def test_trailers_go_both_ways(node: Api) -> None:
    body = b"3\r\nabc\r\n0\r\nx-mine: 1\r\n\r\n"
    raw = await node.service.raw(node.head("POST", "/echo", b"transfer-encoding: chunked") + body)
    await raw.head()
    assert b'"x-trailer":"1"' in await raw.reader.readuntil(b"0\r\n\r\n")
    raw.close()
    raw = await node.service.raw(node.head("GET", "/bytes?n=3"))
    await raw.head()
    assert await raw.reader.readuntil(b"\r\n\r\n") == b"3\r\nxxx\r\n0\r\nx-sum: 7\r\n\r\n"
    raw.close()


async def test_requests_share_a_connection_and_find_another_where_it_is_full(node: Api) -> None:
    answers = await asyncio.gather(*(node.get("/echo") for _ in range(40)))
    assert all(answer.status_code == 200 for answer in answers)
    assert max(answer.json()["sessions"] for answer in answers) <= 4


@pytest.mark.parametrize("code", [204, 304, 404, 503])
async def test_an_answer_without_a_body_is_complete(node: Api, code: int) -> None:
    answer = await node.get(f"/status?code={code}")
    assert (answer.status_code, answer.content) == (code, b"")


async def test_head_has_no_body(node: Api) -> None:
    for _ in range(2):
        head = await node.call("HEAD", "/head")
        assert (head.headers["content-length"], head.content) == ("5", b"")
        assert (await node.get("/head")).content == b"12345"


async def test_a_large_answer_passes_without_being_held(node: Api) -> None:
    await node.get("/bytes?n=1000000")
    before, received = psutil.Process().memory_info().rss, 0
    async with node.http.stream("GET", f"{node.prefix}/bytes?n=50000000") as answer:
        async for part in answer.aiter_raw():
            received += len(part)
    assert received == 50_000_000
    assert psutil.Process().memory_info().rss - before < 30 * 2**20


async def test_a_slow_caller_holds_nobody_up(node: Api) -> None:
    slow = await node.service.raw(node.head("GET", "/bytes?n=200000000"))
    await slow.head()  # and nothing more
    for _ in range(3):
        assert len((await node.get("/bytes?n=3000000")).content) == 3_000_000
    slow.close()


async def test_a_stream_that_is_reset_is_no_answer_and_the_others_go_on(node: Api) -> None:
    waiting = asyncio.create_task(node.get("/bytes?n=30000000"))
    assert await node.error("GET", "/reset") == (503, "DB_CONNECTION_FAILED")
    with pytest.raises(httpx.RemoteProtocolError):
        await node.get("/reset?late")
    assert len((await waiting).content) == 30_000_000


async def test_a_caller_that_goes_away_ends_its_stream_alone(node: Api) -> None:
    raw = await node.service.raw(node.head("GET", "/never"))
    first = (await node.get("/echo")).json()["sessions"]
    raw.close()
    assert (await node.get("/echo")).json()["sessions"] == first


async def test_a_server_that_says_goodbye_gets_the_next_request_on_another_connection(node: Api) -> None:
    first = (await node.get("/goaway")).json()["sessions"]
    assert (await node.get("/goaway")).json()["sessions"] == first + 1


async def test_a_connection_that_breaks_is_replaced_for_what_is_safe_to_repeat(node: Api) -> None:
    assert (await node.get("/echo")).json()["sessions"] == 1
    assert (await node.get("/refuse")).json() == {"sessions": 2}


async def test_http2_can_be_switched_off(node: Api) -> None:
    url, _ = node.service.registry.connections[node.id]
    api = node.service.api(url, {"http2": False})
    assert (await api.get("/echo")).status_code in {400, 503}, "this server speaks nothing else"
    await api.http.aclose()


async def test_a_server_that_agrees_and_then_says_nothing_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
    context = authority.server_context(authority.issue())
    context.set_alpn_protocols(["h2"])
    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            await reader.read()
        writer.transport.abort()
        ended.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with running_service(bun_connect_timeout_s=0.5) as service:
        api = service.api(f"https://localhost:{server.sockets[0].getsockname()[1]}")
        assert await api.error("GET", "/") == (504, "DB_TIMEOUT")
        await asyncio.wait_for(ended.wait(), 10)
        await api.http.aclose()
    server.close()


@pytest.mark.parametrize(
    "said",
    [b"\0\0\4\x08\0\0\0\0\0\0\0\0\0", b"\0\0\2\1\4\0\0\0\1\xff\xff", b"\xff" * 200_000],
    ids=["a window of nothing", "headers that can't be read", "a frame without end"],
)
async def test_a_server_that_breaks_the_rules_is_refused(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    authority = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
    context = authority.server_context(authority.issue())
    context.set_alpn_protocols(["h2"])

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\0\0\0\4\0\0\0\0\0")  # empty SETTINGS
        await reader.readuntil(b"\0\0\0\4\1\0\0\0\0")  # theirs
        writer.write(said)
        with contextlib.suppress(OSError):
            await reader.read()
        writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    api = service.api(f"https://localhost:{server.sockets[0].getsockname()[1]}")
    assert await api.error("GET", "/") == (400, "DB_PROTOCOL_ERROR")
    await api.http.aclose()
    server.close()
