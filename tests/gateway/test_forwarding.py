"""Requests to users' APIs through Envoy: nothing of them is lost on the way, and nobody gets past a check.

Behind the gateway is the real bun_proxy, and behind that servers whose bytes a test chooses.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.bun_proxy.harness import Service, running_service
from tests.bun_proxy.servers import Once, Recorder
from tests.gateway.harness import JWT_SECRET, Gateway, running_gateway, token
from tests.support.odd_servers import StartServer, odd_servers, unused_port

OK = b"HTTP/1.1 200 OK\r\n"
ORIGIN = "https://studio.example.com"


@pytest.fixture(scope="module")
async def service() -> AsyncIterator[Service]:
    async with running_service(jwt_secret=JWT_SECRET) as running:
        yield running


@pytest.fixture(scope="module")
async def front(service: Service, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    async with running_gateway(
        tmp_path_factory.mktemp("gateway"),
        REGISTRY_ADDRESS=f"127.0.0.1:{unused_port()}",
        BUN_PROXY_ADDRESS=f"127.0.0.1:{service.grpc_port}",
        BUN_PROXY_HTTP_ADDRESS=f"127.0.0.1:{service.port}",
        CORS_ALLOW_ORIGINS=ORIGIN,
    ) as running:
        yield running


@pytest.fixture
async def http(front: Gateway) -> AsyncIterator[httpx.AsyncClient]:
    async with front.client() as found:
        yield found


@pytest.fixture
async def start_server() -> AsyncIterator[StartServer]:
    async with odd_servers() as start:
        yield start


class Registered:
    """A server that is registered as an API."""

    def __init__(self, service: Service, start: StartServer) -> None:
        self._service = service
        self._start = start

    async def __call__(self, server: Recorder | Once) -> str:
        """Its path at the gateway."""
        port = await self._start(server.serve)
        return f"/api/platform/bun/{self._service.registry.register(f'http://:key-1@127.0.0.1:{port}')}/proxy"


@pytest.fixture
def register(service: Service, start_server: StartServer) -> Registered:
    return Registered(service, start_server)


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_every_method_and_header_passes(
    http: httpx.AsyncClient, register: Registered, method: str
) -> None:
    recorder = Recorder(b'HTTP/1.1 207 Odd\r\ncontent-length: 0\r\nx-a: 1\r\nx-a: 2\r\netag: "q"\r\n\r\n')
    path = await register(recorder)
    answer = await http.request(
        method,
        f"{path}/a%20b?q=%2F",
        headers={"x-mine": "1", "grpc-timeout": "1S", "x-forwarded-for": "203.0.113.6"},
    )
    assert (answer.status_code, answer.headers.get_list("x-a")) == (207, ["1", "2"])
    assert recorder.heads[0].startswith(b"%b /a%%20b?q=%%2F HTTP/1.1\r\n" % method.encode())
    assert recorder.header("x-mine") == ["1"]
    assert recorder.header("grpc-timeout") == ["1S"]
    assert recorder.header("authorization") == ["Bearer key-1"]
    assert len(recorder.header("x-forwarded-for")) == 1
    assert "203.0.113.6" not in recorder.header("x-forwarded-for")[0], "a client's claim is not believed"
    assert b"x-envoy-" not in recorder.heads[0]


@pytest.mark.parametrize("status", [b"400 Bad", b"404 None", b"500 Broken", b"503 Away"])
async def test_an_error_of_the_api_is_not_reshaped(
    http: httpx.AsyncClient, register: Registered, status: bytes
) -> None:
    body = b'{"error": "mine"}'
    head = b"HTTP/1.1 %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % (
        status,
        len(body),
    )
    answer = await http.get(await register(Recorder(head + body)))
    assert (answer.status_code, answer.content) == (int(status[:3]), body)
    assert answer.headers["content-length"] == str(len(body))


async def test_no_answer_is_compressed_on_the_way(http: httpx.AsyncClient, register: Registered) -> None:
    body = b"x" * 100_000
    head = OK + b"content-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
    answer = await http.get(await register(Recorder(head + body)))
    assert answer.content == body
    assert "content-encoding" not in answer.headers


async def test_bodies_beyond_the_gateways_bound_for_rpcs_pass(
    http: httpx.AsyncClient, register: Registered
) -> None:
    received = 0

    class Counting(Recorder):
        async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal received
            await reader.readuntil(b"\r\n\r\n")
            while received < 40 * 2**20:
                received += len(await reader.read(1 << 20))
            writer.write(self.answer)

    path = await register(Counting(OK + b"content-length: 0\r\nconnection: close\r\n\r\n"))
    answer = await http.put(path, content=b"x" * (40 * 2**20))
    assert (answer.status_code, received) == (200, 40 * 2**20)


async def test_trailers_reach_the_client(front: Gateway, register: Registered) -> None:
    path = await register(Once(OK + b"transfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-sum: 7\r\n\r\n"))
    request = f"GET {path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token()}\r\nte: trailers\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", front.port)
    writer.write(request.encode())
    async with asyncio.timeout(10):
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(OK)
        assert await reader.readuntil(b"\r\n\r\n") == b"2\r\nok\r\n0\r\nx-sum: 7\r\n\r\n"
    writer.transport.abort()


async def test_an_answer_that_breaks_off_never_looks_complete(
    http: httpx.AsyncClient, register: Registered
) -> None:
    path = await register(Once(OK + b"transfer-encoding: chunked\r\n\r\n2\r\nok\r\n", then="reset"))
    with pytest.raises(httpx.RemoteProtocolError):
        await http.get(path)


async def test_a_client_that_goes_away_closes_the_connection_to_the_api(
    http: httpx.AsyncClient, register: Registered
) -> None:
    server = Once(OK + b"transfer-encoding: chunked\r\n\r\n2\r\nok\r\n", then="stay")
    async with http.stream("GET", await register(server)) as answer:
        assert answer.status_code == 200
    await asyncio.wait_for(server.ended.wait(), 10)


async def test_what_bun_proxy_refuses_has_the_shape_of_every_error(
    http: httpx.AsyncClient, register: Registered
) -> None:
    path = await register(Recorder(OK + b"content-length: 0\r\n\r\n"))
    answer = await http.post(path, headers={"authorization": f"Bearer {token('read_only')}"})
    body = answer.json()
    assert (answer.status_code, body["error_code"], body["retryable"]) == (403, "PERMISSION_DENIED", False)
    assert body["details"][0]["reason"] == "PERMISSION_DENIED"
    assert len(answer.headers.get_list("x-request-id")) == 1


async def test_nobody_passes_without_a_token(front: Gateway, register: Registered) -> None:
    recorder = Recorder(OK)
    path = await register(recorder)
    async with front.client(with_token=False) as http:
        for headers in ({}, {"origin": "https://evil.example.com", "access-control-request-method": "GET"}):
            answer = await http.options(path, headers=headers)
            assert answer.status_code == 401
            assert "access-control-allow-origin" not in answer.headers
    assert recorder.heads == []


@pytest.mark.parametrize("path", ["/../x", "/%2e%2e/x", "/a//b", "/a%2Fb", "/%5c", "/%00", "/./x"])
async def test_paths_with_two_readings_are_refused(front: Gateway, register: Registered, path: str) -> None:
    recorder = Recorder(OK)
    target = f"{await register(recorder)}{path}"
    request = f"GET {target} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token()}\r\n\r\n"
    assert (await front.raw(request.encode())).startswith(b"HTTP/1.1 400 ")
    assert recorder.heads == []


async def test_an_upgrade_is_answered_clearly(front: Gateway, register: Registered) -> None:
    path = await register(Recorder(OK))
    request = (
        f"GET {path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token()}\r\nconnection: upgrade\r\n"
        "upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: x\r\n\r\n"
    )
    answer = await front.raw(request.encode())
    assert answer.startswith(b"HTTP/1.1 501 ")
    assert b'"error_code":"UNIMPLEMENTED"' in answer


class TestPages:
    async def test_a_page_of_an_allowed_origin_may_send_any_header(
        self, front: Gateway, register: Registered
    ) -> None:
        headers = {
            "origin": ORIGIN,
            "access-control-request-method": "PUT",
            "access-control-request-headers": "x-mine",
        }
        async with front.client(with_token=False) as http:
            answer = await http.options(await register(Recorder(OK)), headers=headers)
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == ORIGIN
        assert answer.headers["access-control-allow-headers"] == "authorization, *"

    async def test_who_may_read_an_answer_is_the_gateways_to_say(
        self, http: httpx.AsyncClient, register: Registered
    ) -> None:
        path = await register(Recorder(OK + b"access-control-allow-origin: *\r\ncontent-length: 0\r\n\r\n"))
        told = [
            (await http.get(path, headers={"origin": each})).headers.get("access-control-allow-origin")
            for each in (ORIGIN, "https://evil.example.com")
        ]
        assert told == [ORIGIN, None]


async def test_without_an_address_the_path_says_what_to_set(
    service: Service, tmp_path_factory: pytest.TempPathFactory
) -> None:
    async with (
        running_gateway(
            tmp_path_factory.mktemp("gateway"),
            REGISTRY_ADDRESS=f"127.0.0.1:{unused_port()}",
            BUN_PROXY_ADDRESS=f"127.0.0.1:{service.grpc_port}",
        ) as running,
        running.client() as client,
    ):
        answer = await client.get("/api/platform/bun/x/proxy/y")
    assert (answer.status_code, answer.json()["error_code"]) == (404, "ENGINE_DISABLED")
    assert "BUN_PROXY_HTTP_ADDRESS" in answer.json()["message"]
