"""The routes of APIs over gRPC: found, kept, asked for anew, filtered, page by page."""

from __future__ import annotations

import asyncio
import contextlib

import grpc
import pytest

from services.bun_proxy.discovery import bounds
from tests.bun_proxy.rpcs.control import Control, Register, Reply, document, failure, serve
from tests.support.engines import BunServer
from tests.support.odd_servers import StartServer

GET: dict[str, object] = {"get": {"responses": {}}}


async def test_the_routes_of_a_real_api(register: Register, bun_server: BunServer) -> None:
    api = register(f"http://:{bun_server.key}@127.0.0.1:{bun_server.port}")
    found = await api.routes()
    routes = {(each.method, each.path): each for each in found.routes}

    one = routes["GET", "/books/{id}"]
    assert (one.operation_id, one.summary, list(one.tags)) == ("getBook", "One book", ["books"])
    (parameter,) = one.parameters
    assert (parameter.name, getattr(parameter, "in"), parameter.required, parameter.type) == (
        "id",
        "path",
        True,
        "integer",
    )
    assert (one.proxy_path, list(one.security), one.is_public) == ("/books/{id}", ["key"], False)
    assert routes["DELETE", "/books/{id}"].deprecated
    assert routes["GET", "/health"].is_public
    added = routes["POST", "/books"]
    assert (list(added.request_content_types), added.request_body_required) == (["application/json"], True)
    ticks = routes["GET", "/ticks"]
    assert [list(each.content_types) for each in ticks.answers] == [["text/event-stream"]]
    assert [each.default_value for each in ticks.parameters] == ["5", "200"]
    assert (found.document.route_count, found.document.skipped) == (len(routes), 0)


async def everything(api: Control, **fields: object) -> list[str]:
    shown: list[str] = []
    token = ""
    while True:
        found = await api.routes(page_token=token, **fields)
        shown += [f"{each.method} {each.path}" for each in found.routes]
        token = found.next_page_token
        if not token:
            return shown


async def test_routes_are_filtered_and_come_page_by_page(register: Register, bun_server: BunServer) -> None:
    api = register(f"http://:{bun_server.key}@127.0.0.1:{bun_server.port}")
    whole = await everything(api)
    assert whole == sorted(whole, key=lambda each: (each.split()[1], each.split()[0]))
    assert await everything(api, page_size=2) == whole
    assert await everything(api, tag="books", method="GET", page_size=1) == ["GET /books", "GET /books/{id}"]
    assert await everything(api, search="CHANGES A") == ["PUT /books/{id}"]
    assert await everything(api, search="nothing like it") == []
    for token in ("!", "e30", "WyJhIl0", "W10"):
        assert (await failure(api.routes(page_token=token)))[0] == "INVALID_CURSOR"


async def test_a_document_is_asked_for_once_and_anew_on_request_or_when_the_connection_changes(
    register: Register, start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    replies: dict[str, Reply] = {"/openapi.json": (200, "application/json", document({"/a": GET}))}
    port, asked = await serve(start_server, replies)
    api = register(f"http://127.0.0.1:{port}")
    await asyncio.gather(*(api.routes() for _ in range(10)))
    assert asked == ["/openapi.json"]

    replies["/openapi.json"] = (200, "application/json", document({"/b": GET}))
    assert (await api.refresh()).document.route_count == 1
    assert asked == ["/openapi.json"]  # a moment ago
    monkeypatch.setattr(bounds, "REFRESH_S", 0.0)
    await api.refresh()
    assert [each.path for each in (await api.routes()).routes] == ["/b"]
    assert len(asked) == 2
    with monkeypatch.context() as old:
        old.setattr(bounds, "KEPT_S", 0.0)
        await api.routes()
    assert len(asked) == 3
    register(f"http://127.0.0.1:{port}/", {"openapi_path": "/other"}, api.id)
    async with asyncio.timeout(10):
        while asked[-1] != "/other":
            with contextlib.suppress(grpc.aio.AioRpcError):
                await api.routes()
    assert (await failure(api.routes()))[0] == "API_DOCUMENT_NOT_FOUND"


async def test_a_missing_document_is_told_and_remembered(
    register: Register, start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    port, asked = await serve(start_server, {})
    api = register(f"http://127.0.0.1:{port}")
    for _ in range(2):
        reason, message = await failure(api.routes())
        assert reason == "API_DOCUMENT_NOT_FOUND"
        assert "usual paths" in message
    assert "/swagger/json" in asked
    assert len(asked) == len(set(asked))
    monkeypatch.setattr(bounds, "FAILURE_KEPT_S", 0.0)
    await failure(api.routes())
    assert asked.count("/openapi.json") == 2


async def test_pages_that_a_server_answers_every_path_with_are_passed_over(
    register: Register, start_server: StartServer
) -> None:
    page = (200, "text/html", "<!doctype html><title>App</title>")
    replies: dict[str, Reply] = {
        "/openapi.json": page,
        "/swagger.json": (200, "application/json", {"message": "hello"}),
        "/openapi": (200, "text/plain", "Hello: world: x"),
        "/openapi/json": (302, "text/plain\r\nlocation: ../spec/v1.yaml?x=1", ""),
        "/spec/v1.yaml": (200, "application/yaml", "openapi: 3.0.3\npaths:\n  /a:\n    get: {}\n"),
    }
    port, _ = await serve(start_server, replies)
    found = await register(f"http://127.0.0.1:{port}").routes()
    assert (found.document.path, found.document.format) == ("/spec/v1.yaml", "openapi 3.0.3")


@pytest.mark.parametrize(
    "location",
    [
        "http://example.net/openapi.json",
        "//example.net/x",
        "/outside.json",
        "/base/../outside.json",
        "/base/%2e%2e/x",
    ],
)
async def test_redirects_are_not_followed_out_of_the_api(
    register: Register, start_server: StartServer, location: str
) -> None:
    replies: dict[str, Reply] = {
        "/base/doc": (302, f"text/plain\r\nlocation: {location}", ""),
        "/outside.json": (200, "application/json", document({})),
    }
    port, asked = await serve(start_server, replies)
    api = register(f"http://127.0.0.1:{port}/base", {"openapi_path": "/doc"})
    reason, message = await failure(api.routes())
    assert (reason, message) == ("API_DOCUMENT_NOT_FOUND", "GET /doc is answered with 302.")
    assert asked == ["/base/doc"]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b'{"openapi": "3.1.0", "paths": {' + b" " * bounds.DOCUMENT_BYTES + b"}}", "larger than 4 MiB"),
        (b'{"openapi": "3.1.0", "x": [' + b"[]," * bounds.NODES + b"0]}", "more than 400000 values"),
        (b'{"openapi": "3.1.0", "x": ' + b"[" * 100_000, "deeper than"),
        (b'{"openapi": "3.1.0", ', "not valid JSON in line 1"),
        (b'{"openapi": "4.0"}', "'4.0'"),
        (b'{"swagger": 1.2}', "'1.2'"),
        (b'{"openapi": "3.0.0", "paths": []}', "no mapping"),
    ],
    ids=["large", "wide", "deep", "broken", "unknown version", "old", "paths"],
)
async def test_a_document_that_can_not_be_read_is_a_clear_answer(
    register: Register, start_server: StartServer, body: bytes, says: str
) -> None:
    port, _ = await serve(start_server, {"/openapi.json": (200, "application/json", body)})
    reason, message = await failure(register(f"http://127.0.0.1:{port}").routes())
    assert reason == "API_DOCUMENT_INVALID"
    assert message.startswith("The document at /openapi.json ")
    assert says in message


async def test_compressed_documents_and_refused_keys_say_so(
    register: Register, start_server: StartServer
) -> None:
    port, _ = await serve(
        start_server, {"/doc": (200, "application/json\r\ncontent-encoding: gzip", b"\x1f\x8b")}
    )
    reason, message = await failure(register(f"http://127.0.0.1:{port}", {"openapi_path": "/doc"}).routes())
    assert (reason, "compressed" in message) == ("API_DOCUMENT_INVALID", True)
    port, _ = await serve(start_server, {"/doc": (401, "text/plain", "")})
    reason, message = await failure(register(f"http://127.0.0.1:{port}", {"openapi_path": "/doc"}).routes())
    assert (reason, message) == ("API_DOCUMENT_NOT_FOUND", "GET /doc is answered with 401.")


async def test_a_page_of_large_routes_ends_early(register: Register, start_server: StartServer) -> None:
    described = {f"p{n}": {"name": f"p{n}", "in": "query", "description": "d" * 300} for n in range(100)}
    references = [{"$ref": f"#/components/parameters/{name}"} for name in described]
    paths = {f"/r{n:03}": {"get": {"parameters": references}} for n in range(150)}
    tree = document(paths, components={"parameters": described})
    port, _ = await serve(start_server, {"/openapi.json": (200, "application/json", tree)})
    api = register(f"http://127.0.0.1:{port}")
    first = await api.routes(page_size=500)
    assert 0 < len(first.routes) < 150
    assert first.ByteSize() < 2 * bounds.PAGE_BYTES
    assert len(await everything(api, page_size=500)) == 150
