"""What Envoy answers by itself has the shape of every other error."""

from __future__ import annotations

import json

import httpx
import pytest

from tests.gateway.harness import DATABASE_ID, Gateway, Script, token
from tests.gateway.test_errors import assert_shape, error_info

REDIS = f"/api/platform/redis/{DATABASE_ID}"


async def raw_get(gateway: Gateway, target: bytes, extra: bytes = b"") -> tuple[int, dict[str, str], bytes]:
    """Sends a target that no client library would."""
    request = b"GET %b HTTP/1.1\r\nhost: x\r\nauthorization: Bearer %b\r\n%bconnection: close\r\n\r\n"
    return parse(await gateway.raw(request % (target, token().encode(), extra)))


def parse(data: bytes) -> tuple[int, dict[str, str], bytes]:
    head, _, body = data.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    return int(status.split()[1]), headers, body


def check(answer: tuple[int, dict[str, str], bytes], status: int, error_code: str) -> str:
    """Checks status and shape of a raw answer; returns the message."""
    found, headers, body = answer
    error = json.loads(body)
    assert (found, error["error_code"], headers["content-type"]) == (status, error_code, "application/json")
    assert len(headers["x-request-id"]) == 36
    assert error["error"]["message"] == error["message"]
    assert error["details"][0] == error_info(error_code)
    message = error["message"]
    assert isinstance(message, str)
    return message


async def test_unknown_paths(client: httpx.AsyncClient) -> None:
    for path in ("/", "/api", "/api/platform/nothing", "/api/platform/redisx", "/api/platform/databases/"):
        assert_shape(await client.get(path), 404, "ROUTE_NOT_FOUND")
    assert_shape(await client.get(f"/api/platform/databases/{DATABASE_ID}/x/y"), 404, "ROUTE_NOT_FOUND")


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/api/platform/databases", "GET, POST"),
        ("/api/platform/databases/test", "POST"),
        ("/api/platform/databases/stats", "GET"),
        (f"/api/platform/databases/{DATABASE_ID}/test", "POST"),
        ("/api/platform/redis/status", "GET"),
        (f"{REDIS}/set", "POST"),
    ],
)
@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "TRACE"])
async def test_wrong_methods_say_which_are_right(
    client: httpx.AsyncClient, path: str, allowed: str, method: str
) -> None:
    answer = await client.request(method, path)
    assert answer.status_code == 405
    assert set(answer.headers["allow"].split(", ")) >= set(allowed.split(", "))
    assert ("PATCH" in answer.headers["allow"]) <= path.endswith(DATABASE_ID)
    if method != "HEAD":
        assert_shape(answer, 405, "METHOD_NOT_ALLOWED")


async def test_a_path_without_variables_takes_no_methods_of_ids(
    client: httpx.AsyncClient, registry: Script
) -> None:
    for method, name in (("GET", "test"), ("DELETE", "test"), ("PATCH", "stats"), ("PUT", "stats")):
        answer = await client.request(method, f"/api/platform/databases/{name}")
        assert_shape(answer, 405, "METHOD_NOT_ALLOWED")
        assert answer.headers["allow"] == {"test": "POST", "stats": "GET"}[name]
    assert not registry.calls


@pytest.mark.parametrize(
    "target",
    [
        b"/api/platform/databases/a%2Fb",
        b"/api/platform/databases/a%5Cb",
        b"/api/platform/databases/../databases",
        b"/api/platform/databases/..",
        b"/api/platform/databases/%2e%2E/x",
        b"/api/platform/./databases",
        b"/api/platform//databases",
        b"//api/platform/databases",
        b"/api/platform/databases/%00",
        b"/api/platform/databases/a%0d%0ab",
        b"/api/platform/databases/%ff",
        b"/api/platform/databases/%c0%ae",
        b"/api/platform/databases/%ed%a0%80",
        b"/api/platform/databases/%zz",
        b"/api/platform/databases?search=%ff",
        b"/api/platform/databases/\x00",
        b"/api/platform/databases/\xc3\xa4",
        b"/api/platform/databases?search=\xff",
        b"/api/platform/databases/a b",
    ],
)
async def test_paths_of_bad_faith(gateway: Gateway, registry: Script, target: bytes) -> None:
    check(await raw_get(gateway, target), 400, "INVALID_ARGUMENT")
    assert not registry.calls


@pytest.mark.parametrize(
    "target", [b"/api/platform/databases/a..b", b"/api/platform/databases/%C3%A4%F0%9F%94%91", b"/..a"]
)
async def test_odd_paths_of_good_faith_are_not_refused(gateway: Gateway, target: bytes) -> None:
    status, _, _ = await raw_get(gateway, target)
    assert status != 400


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("nope=1", "nope"),
        ("page_size=abc", "page_size"),
        ("pageSize=1.5", "page_size"),
        ("page_size=99999999999", "page_size"),
        ("project_ref.x=1", "project_ref"),
    ],
)
async def test_queries_that_do_not_fit(
    client: httpx.AsyncClient, registry: Script, query: str, named: str
) -> None:
    answer = await client.get(f"/api/platform/databases?{query}")
    message = assert_shape(answer, 400, "INVALID_ARGUMENT")
    assert named in message
    assert "abc" not in message
    assert not registry.calls


async def test_two_members_of_a_oneof(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"{REDIS}/get?key=a&key_base64=YQ")
    assert "key_base64" in assert_shape(answer, 400, "INVALID_ARGUMENT")


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"}",
        b"nope",
        b'"text"',
        b"[1]",
        b"null",
        b"17",
        b'{"name":}',
        b'{"name":"a"} trailing',
        b'{"name":"\xff"}',
        b'{"name":"\\ud800"}',
        b'{"name":1}',
        b'{"name":["a"]}',
        b'{"name":{}}',
        b'{"port":"canary-secret"}',
        b'{"port":1e99}',
        b'{"config":"canary-secret"}',
        b'{"config":' + b'{"a":' * 200 + b"1" + b"}" * 201,
        b'{"connectionString":"canary-secret',
        b'{"connectionString":canary-secret}',
        b"\x00\x01\x02",
    ],
)
async def test_bodies_that_do_not_fit(client: httpx.AsyncClient, registry: Script, body: bytes) -> None:
    headers = {"content-type": "application/json"}
    answer = await client.post("/api/platform/databases", content=body, headers=headers)
    assert_shape(answer, 400, "INVALID_ARGUMENT")
    assert "canary" not in answer.text
    assert not registry.calls


@pytest.mark.parametrize("name", ["skipTests", "id", "", "ünknown", "NAME", "a,name"])
async def test_a_field_the_rpc_does_not_have_is_refused(
    client: httpx.AsyncClient, registry: Script, name: str
) -> None:
    body = {"name": "a", "config": {"anything": {"goes": 1}}, name: "canary-secret"}
    answer = await client.post("/api/platform/databases", json=body)
    message = assert_shape(answer, 400, "INVALID_ARGUMENT")
    assert name in message or not name.isascii()
    assert "canary" not in answer.text
    assert not registry.calls


@pytest.mark.parametrize("extra", [b"a_b: c\r\n", b"x-request_id: c\r\n"])
async def test_underscores_in_header_names(gateway: Gateway, extra: bytes) -> None:
    message = check(await raw_get(gateway, b"/api/platform/redis/status", extra), 400, "INVALID_ARGUMENT")
    assert "underscore" in message


async def test_headers_too_large(gateway: Gateway) -> None:
    large = b"x: " + b"a" * 200_000 + b"\r\n"
    check(await raw_get(gateway, b"/", large), 431, "PAYLOAD_TOO_LARGE")
    check(await raw_get(gateway, b"/?q=" + b"a" * 200_000), 431, "PAYLOAD_TOO_LARGE")
    many = b"".join(b"x%d: a\r\n" % number for number in range(200))
    check(await raw_get(gateway, b"/", many), 431, "PAYLOAD_TOO_LARGE")


@pytest.mark.parametrize(
    "data",
    [
        b"garbage\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\nx: a\x00b\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\nx y: a\r\n\r\n",
        b"FOO / HTTP/1.1\r\nhost: x\r\n\r\n",
    ],
)
async def test_what_is_no_http(gateway: Gateway, data: bytes) -> None:
    check(parse(await gateway.raw(data)), 400, "INVALID_ARGUMENT")


async def test_http_1_0(gateway: Gateway) -> None:
    check(parse(await gateway.raw(b"GET / HTTP/1.0\r\n\r\n")), 426, "INVALID_ARGUMENT")


async def test_a_body_too_large(client: httpx.AsyncClient, redis: Script) -> None:
    answer = await client.post(f"{REDIS}/set", json={"key": "k", "value": "x" * (17 * 2**20)})
    assert_shape(answer, 413, "PAYLOAD_TOO_LARGE")
    assert not redis.calls


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_of_100_mb_is_refused_before_it_has_come(gateway: Gateway, *, chunked: bool) -> None:
    # A client that reads while it sends has the answer after the first 16 MiB.
    framing = b"transfer-encoding: chunked" if chunked else b"content-length: 100000000"
    head = b"POST %b/set HTTP/1.1\r\nhost: x\r\nauthorization: Bearer %b\r\n%b\r\n\r\n"
    part = b"x" * 2**20
    framed = b"%x\r\n%b\r\n" % (len(part), part) if chunked else part
    data = head % (REDIS.encode(), token().encode(), framing) + b'{"key":"' * (not chunked) + framed * 18
    status, headers, body = parse(await gateway.raw(data))
    assert (status, headers["connection"], json.loads(body)["error_code"]) == (
        413,
        "close",
        "PAYLOAD_TOO_LARGE",
    )


async def test_a_method_that_no_rpc_of_the_path_has(client: httpx.AsyncClient) -> None:
    answer = await client.delete("/api/platform/redis/status")
    assert_shape(answer, 405, "METHOD_NOT_ALLOWED")
    assert answer.headers["allow"] == "GET"


async def test_engines_that_are_off_say_what_switches_them_on(client: httpx.AsyncClient) -> None:
    for path in ("bun", f"bun/{DATABASE_ID}/info"):
        message = assert_shape(await client.get(f"/api/platform/{path}"), 404, "ENGINE_DISABLED")
        assert "ENABLE_BUN_API_MANAGEMENT=true and BUN_PROXY_ADDRESS" in message
    answer = await client.delete(f"/api/platform/bun/{DATABASE_ID}/proxy/a/b")
    assert "BUN_PROXY_ADDRESS" in assert_shape(answer, 404, "ENGINE_DISABLED")
    assert_shape(await client.get("/api/platform/bunx"), 404, "ROUTE_NOT_FOUND")


async def test_each_answer_has_an_id_of_its_own(client: httpx.AsyncClient, redis: Script) -> None:
    answers = [
        await client.get("/api/platform/redis/status", headers={"x-request-id": "mine"}) for _ in range(2)
    ]
    ids = {answer.headers["x-request-id"] for answer in answers}
    assert len(ids) == 2
    assert "mine" not in ids
    assert {call.metadata["x-request-id"] for call in redis.calls} == ids
