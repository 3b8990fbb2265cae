"""What reaches the API is what the caller sent, and what reaches the caller is what the API answered. On real Bun."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator

import httpx
import psutil
import pytest

from tests.bun_proxy.harness import Api, Service, running_service
from tests.bun_proxy.servers import Recorder
from tests.support.confirmations import asked_over_http
from tests.support.engines import BunServer
from tests.support.odd_servers import StartServer

ALL_BYTES = bytes(range(256)) * 300


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_method_path_and_query_arrive_as_they_were_sent(bun: Api, method: str) -> None:
    seen = (await bun.call(method, "/echo/a%20b/%C3%A9?x=1&x=2&y=%2F..%00&z")).json()
    assert (seen["method"], seen["path"]) == (method, "/echo/a%20b/%C3%A9")
    assert seen["query"] == "?x=1&x=2&y=%2F..%00&z"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_a_binary_body_arrives_byte_for_byte(bun: Api, method: str) -> None:
    seen = (await bun.call(method, "/echo", content=ALL_BYTES)).json()
    assert base64.b64decode(seen["body_base64"]) == ALL_BYTES
    assert seen["headers"]["content-length"] == str(len(ALL_BYTES))


async def test_a_body_in_chunks_arrives_in_chunks(bun: Api) -> None:
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(50):
            yield ALL_BYTES

    answer = await bun.call("POST", "/count", content=parts())
    assert answer.json() == {"bytes": 50 * len(ALL_BYTES)}


async def test_an_answer_of_unknown_length_is_complete(bun: Api) -> None:
    answer = await bun.get("/bytes?n=5000001")
    assert answer.content == b"x" * 5_000_001
    assert answer.headers["content-type"] == "application/octet-stream"


async def test_head_says_how_long_the_body_would_be_and_the_connection_goes_on(bun: Api) -> None:
    for _ in range(3):
        head, got = await bun.call("HEAD", "/books/1"), await bun.get("/books/1")
        assert head.status_code == got.status_code == 200
        assert head.headers["content-length"] == got.headers["content-length"]
        assert head.content == b""


@pytest.mark.parametrize("code", [200, 201, 400, 404, 409, 418, 429, 500, 503, 599])
async def test_the_status_is_the_apis(bun: Api, code: int) -> None:
    answer = await bun.get(f"/status?code={code}")
    assert (answer.status_code, answer.json()) == (code, {"status": code})


async def test_an_answer_without_a_body_has_none(bun: Api) -> None:
    added = (await bun.call("POST", "/books", json={"title": "Momo", "author": "Ende", "year": 1973})).json()
    answer = await bun.call("DELETE", f"/books/{added['id']}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert "content-length" not in answer.headers
    assert "transfer-encoding" not in answer.headers


async def test_events_arrive_one_by_one(bun: Api) -> None:
    async with bun.http.stream("GET", f"{bun.prefix}/ticks?n=3&interval_ms=50") as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        parts = [part async for part in answer.aiter_bytes()]
    assert b"".join(parts).count(b"data: ") == 3
    assert len(parts) >= 3, "they were held back"


async def test_the_stored_key_takes_the_place_of_the_callers_token(bun: Api, bun_server: BunServer) -> None:
    seen = (
        await bun.get("/echo", headers={"x-mine": "1", "x-envoy-original-path": "/", "x-studio-a": "b"})
    ).json()
    assert seen["headers"]["authorization"] == f"Bearer {bun_server.key}"
    assert seen["headers"]["x-mine"] == "1"
    assert not [name for name in seen["headers"] if name.startswith(("x-envoy-", "x-studio-"))]


async def test_without_a_stored_key_no_token_reaches_the_api(service: Service, bun_server: BunServer) -> None:
    api = service.api(bun_server.url)
    assert (await api.get("/books")).status_code == 401
    assert (await api.get("/health")).status_code == 200
    await api.http.aclose()


async def test_the_api_learns_where_a_request_came_from(bun: Api) -> None:
    headers = {
        "x-forwarded-for": "1.2.3.4, 198.51.100.7",
        "x-studio-client-address": "203.0.113.9",
        "x-forwarded-proto": "https",
        "forwarded": "for=1.2.3.4",
    }
    seen = (await bun.get("/echo", headers={**headers, "host": "studio.example.com"})).json()["headers"]
    assert seen["host"].startswith("127.0.0.1:"), "the API's own"
    assert seen["x-forwarded-for"] == "203.0.113.9", "as the gateway says"
    assert seen["x-forwarded-host"] == "studio.example.com"
    assert seen["x-forwarded-prefix"] == bun.prefix
    assert seen["forwarded"] == "for=203.0.113.9;proto=https;host=studio.example.com"
    assert seen["via"] == "1.1 studio-databases"


async def test_headers_of_one_connection_stay_on_it(bun: Api) -> None:
    headers = {
        "connection": "keep-alive, X-Hop",
        "x-hop": "1",
        "proxy-connection": "a",
        "te": "gzip",
        "keep-alive": "1",
    }
    seen = (await bun.get("/echo", headers=headers)).json()["headers"]
    assert not {"x-hop", "proxy-connection", "te", "keep-alive"} & set(seen)


async def test_redirects_are_passed_on_and_lead_back_through_the_proxy(bun: Api) -> None:
    cases = {
        "/books?a=1": f"{bun.prefix}/books?a=1",
        "books": "books",
        "https://elsewhere.example.com/x": "https://elsewhere.example.com/x",
        "//elsewhere.example.com/x": "//elsewhere.example.com/x",
    }
    for told, given in cases.items():
        answer = await bun.get("/redirect", params={"to": told})
        assert (answer.status_code, answer.headers["location"]) == (302, given)


async def test_cookies_pass_and_are_kept_by_nobody(bun: Api) -> None:
    first = await bun.get("/cookies", headers={"cookie": "mine=1"})
    assert first.json() == {"cookie": "mine=1"}
    assert first.headers.get_list("set-cookie") == [
        f"a=1; Path={bun.prefix}",
        f"b=2; HttpOnly; Path={bun.prefix}",
    ]
    async with bun.service.client() as another:
        assert (await another.get(f"{bun.prefix}/cookies")).json() == {"cookie": None}


async def test_an_api_may_have_a_base_path(service: Service, bun_server: BunServer) -> None:
    api = service.api(f"http://:{bun_server.key}@127.0.0.1:{bun_server.port}/echo/")
    for path, target in {"": "/echo", "/": "/echo/", "/a?b": "/echo/a"}.items():
        assert (await api.get(path)).json()["path"] == target
    await api.http.aclose()


@pytest.mark.parametrize(
    ("config", "login", "header"),
    [
        ({"auth_header": "X-API-Key"}, ":secret-1", ("x-api-key", "secret-1")),
        ({"auth_scheme": "Token"}, ":secret-1", ("authorization", "Token secret-1")),
        ({}, "user:p%40ss", ("authorization", "Basic " + base64.b64encode(b"user:p@ss").decode())),
    ],
)
async def test_how_the_key_travels_is_the_connections_choice(
    service: Service,
    config: dict[str, object],
    login: str,
    header: tuple[str, str],
    start_server: StartServer,
) -> None:
    recorder = Recorder(b"HTTP/1.1 204 No Content\r\n\r\n")
    port = await start_server(recorder.serve)
    api = service.api(f"http://{login}@127.0.0.1:{port}", config)
    await api.get("/", headers={"x-api-key": "forged"})
    name, value = header
    assert recorder.header(name) == [value]
    await api.http.aclose()


class TestRoles:
    async def test_reading_methods_are_for_everybody_others_for_developers(
        self, service: Service, bun_server: BunServer
    ) -> None:
        url = f"http://:{bun_server.key}@127.0.0.1:{bun_server.port}"
        reader, developer = service.api(url, role="read_only"), service.api(url, role="developer")
        assert (await reader.get("/books")).status_code == 200
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            assert await reader.error(method, "/books") == (403, "PERMISSION_DENIED")
        assert (await developer.call("PATCH", "/echo")).status_code == 200
        await reader.http.aclose()
        await developer.http.aclose()

    async def test_a_read_only_connection_refuses_changes_by_anybody(
        self, service: Service, bun_server: BunServer
    ) -> None:
        api = service.api(f"http://:{bun_server.key}@127.0.0.1:{bun_server.port}", {"read_only": True})
        assert (await api.get("/books")).status_code == 200
        assert await api.error("POST", "/books") == (403, "CONNECTION_READ_ONLY")
        await api.http.aclose()

    async def test_a_production_api_asks_before_something_is_deleted(
        self, service: Service, bun_server: BunServer
    ) -> None:
        api = service.api(f"http://:{bun_server.key}@127.0.0.1:{bun_server.port}", {"production": True})
        assert (await api.call("POST", "/echo")).status_code == 200
        confirmed = asked_over_http(await api.call("DELETE", "/echo?a=1"))
        asked_over_http(await api.call("DELETE", "/echo?a=2", headers=confirmed))
        answer = await api.call("DELETE", "/echo?a=1", headers=confirmed)
        assert answer.json()["method"] == "DELETE"
        assert not confirmed.keys() & answer.json()["headers"].keys()
        await api.http.aclose()

    async def test_a_caller_over_his_rate_is_told_when_to_come_back(self, bun_server: BunServer) -> None:
        async with running_service(rate_read_only=1) as service:
            url = f"http://:{bun_server.key}@127.0.0.1:{bun_server.port}"
            reader, owner = service.api(url, role="read_only"), service.api(url)
            answers = [await reader.get("/books") for _ in range(20)]
            assert answers[0].status_code == 200
            refused = next(each for each in answers if each.status_code != 200)
            assert (refused.status_code, refused.json()["error_code"]) == (429, "RESOURCE_EXHAUSTED")
            assert refused.headers["retry-after"] == "1"
            assert (await owner.get("/books")).status_code == 200
            await reader.http.aclose()
            await owner.http.aclose()

    async def test_nobody_passes_without_a_token(self, bun: Api) -> None:
        async with httpx.AsyncClient() as http:
            answer = await http.get(f"http://127.0.0.1:{bun.service.port}{bun.prefix}/health")
        assert (answer.status_code, answer.json()["error_code"]) == (401, "AUTH_REQUIRED")
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.headers["x-request-id"]

    async def test_two_tokens_are_none(self, bun: Api) -> None:
        raw = await bun.service.raw(bun.head("GET", "/books", b"authorization: Bearer x"))
        assert (await raw.head()).startswith(b"HTTP/1.1 401 ")
        raw.close()


async def test_an_unknown_api_is_not_found(service: Service) -> None:
    async with service.client() as http:
        answer = await http.get("/api/platform/bun/6f1de6a0-6d6e-4bd2-9bc0-3dcb4a1f3f6a/proxy/x")
    assert (answer.status_code, answer.json()["error_code"]) == (404, "DB_NOT_FOUND")


async def test_a_large_answer_passes_without_being_held(bun: Api) -> None:
    await bun.get("/bytes?n=1000000")
    process = psutil.Process()
    before = process.memory_info().rss
    received = 0
    async with bun.http.stream("GET", f"{bun.prefix}/bytes?n=300000000") as answer:
        async for part in answer.aiter_raw():
            received += len(part)
    assert received == 300_000_000
    assert process.memory_info().rss - before < 30 * 2**20
