"""Callers that send bytes as no library would, go away, or are slow."""

from __future__ import annotations

import asyncio

import pytest

from services.bun_proxy.limits import DEFAULTS
from tests.bun_proxy.harness import Api, Service, running_service
from tests.bun_proxy.servers import Once, Recorder
from tests.support.engines import BunServer
from tests.support.odd_servers import StartServer, until

OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize("answer", [b"", OK + b"content-length: 10\r\n\r\n12345"], ids=["before", "in"])
async def test_a_caller_that_goes_away_closes_the_connection_to_the_api(
    service: Service, start_server: StartServer, answer: bytes
) -> None:
    server = Once(answer, then="stay")
    api = service.api(f"http://127.0.0.1:{await start_server(server.serve)}")
    raw = await service.raw(api.head())
    await until(lambda: server.connections == 1)
    if answer:
        await raw.head()
    raw.close()
    await asyncio.wait_for(server.ended.wait(), 10)


async def test_trailers_go_both_ways(service: Service, start_server: StartServer) -> None:
    received: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.append(await reader.readuntil(b"\r\n\r\n"))
        received.append(await reader.readuntil(b"\r\n0\r\n"))
        received.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(OK + b"transfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n2\r\nok\r\n")
        writer.write(b"0\r\nX-Sum: 7\r\nSet-Cookie: a=b\r\nx-envoy-upstream: a\r\n\r\n")
        await reader.read()

    api = service.api(f"http://127.0.0.1:{await start_server(serve)}")
    body = b"3\r\nabc\r\n0\r\nX-Mine: 1\r\nAuthorization: none\r\n\r\n"
    raw = await service.raw(api.head("POST", "/", b"transfer-encoding: chunked", b"te: trailers") + body)
    head = await raw.head()
    assert b"transfer-encoding: chunked" in head
    assert b"trailer: x-sum" in head
    assert await raw.reader.readuntil(b"\r\n\r\n") == b"2\r\nok\r\n0\r\nx-sum: 7\r\n\r\n"
    assert b"te: trailers\r\n" in received[0]
    assert received[2] == b"x-mine: 1\r\n\r\n", "without what belongs before a body"
    raw.close()


async def test_a_caller_that_waits_for_100_continue_gets_it(bun: Api) -> None:
    raw = await bun.service.raw(bun.head("POST", "/count", b"content-length: 5", b"expect: 100-continue"))
    assert await raw.head() == b"HTTP/1.1 100 Continue\r\n\r\n"
    raw.writer.write(b"12345")
    assert (await raw.head()).startswith(OK)
    raw.close()


async def test_it_gets_none_where_the_body_is_not_wanted(service: Service) -> None:
    raw = await service.raw(
        b"POST /api/platform/bun/x/proxy/ HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\nexpect: 100-continue\r\n\r\n"
    )
    assert (await raw.head()).startswith(b"HTTP/1.1 401 ")
    raw.close()


async def test_an_answer_before_the_end_of_the_request_arrives_and_the_connection_goes_on(bun: Api) -> None:
    raw = await bun.service.raw(bun.head("POST", "/../x", b"content-length: 100000") + b"x" * 1000)
    head = await raw.head()
    assert head.startswith(b"HTTP/1.1 400 ")
    length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
    await raw.reader.readexactly(length)
    raw.writer.write(b"x" * 99_000 + bun.head("GET", "/health"))
    assert (await raw.head()).startswith(OK)
    raw.close()


async def test_a_request_that_never_ends_is_not_read_for_ever(bun: Api) -> None:
    raw = await bun.service.raw(bun.head("POST", "/../x", b"transfer-encoding: chunked"))
    assert (await raw.head()).startswith(b"HTTP/1.1 400 ")

    async def send() -> None:
        for _ in range(50 * DEFAULTS.discard_bytes // 65536):
            raw.writer.write(b"10000\r\n" + b"x" * 65536 + b"\r\n")
            await raw.writer.drain()

    with pytest.raises(OSError, match=r"."):
        await send()


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\r\n\r\n", 501),
        (b"GET / HTTP/1.1\r\nhost: a\r\nx y: b\r\n\r\n", 400),
        (b"GET / HTTP/1.0\r\n\r\n", 400),
        (b"BREW / HTTP/1.1\r\nhost: a\r\n\r\n", 501),
        (b"POST / HTTP/1.1\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nx: " + b"a" * 70_000, 413),
        (b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 200 + b"\r\n", 413),
        (b"GET /" + b"a" * 70_000, 413),
        (b"GET /other HTTP/1.1\r\nhost: a\r\n\r\n", 401),
    ],
)
async def test_a_request_that_is_wrong_is_answered(service: Service, request_: bytes, status: int) -> None:
    raw = await service.raw(request_)
    assert int((await raw.head()).split(b" ")[1]) == status
    raw.close()


@pytest.mark.parametrize("scheme", ["http", "https"], ids=["made", "being made"])
async def test_a_body_that_is_wrong_ends_both_connections(
    service: Service, start_server: StartServer, scheme: str
) -> None:
    """That to the API may still be waiting for the end of its TLS handshake."""
    server = Once(then="stay")
    api = service.api(f"{scheme}://127.0.0.1:{await start_server(server.serve)}")
    raw = await service.raw(api.head("POST", "/", b"transfer-encoding: chunked") + b"3\r\nabc\r\n")
    await until(lambda: server.connections == 1)
    raw.writer.write(b"zzz\r\n")
    assert (await raw.rest()).startswith(b"HTTP/1.1 400 ")
    await asyncio.wait_for(server.ended.wait(), 10)


async def test_a_second_request_before_the_answer_ends_the_connection_after_it(bun: Api) -> None:
    raw = await bun.service.raw(bun.head("GET", "/books/1") + bun.head("GET", "/books/2"))
    answers = await raw.rest()
    assert answers.count(OK) == 1
    assert b'"id":1' in answers


@pytest.mark.parametrize("upgrade", [b"websocket", b"h2c"])
async def test_an_upgrade_is_answered_clearly(bun: Api, upgrade: bytes) -> None:
    raw = await bun.service.raw(bun.head("GET", "/", b"connection: Upgrade", b"upgrade: " + upgrade))
    answer = await raw.rest()
    assert answer.startswith(b"HTTP/1.1 501 ")
    assert b'"error_code":"UNIMPLEMENTED"' in answer


@pytest.mark.parametrize("method", ["TRACE", "CONNECT"])
async def test_methods_that_are_no_requests_to_an_api_are_refused(bun: Api, method: str) -> None:
    raw = await bun.service.raw(bun.head(method, "/"))
    assert (await raw.head()).startswith(b"HTTP/1.1 501 ")
    raw.close()


@pytest.mark.parametrize("header", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"])
async def test_no_header_makes_another_method_of_one_that_may_be_called(
    service: Service, header: str
) -> None:
    """Else who may only read deletes, and a deletion in production needs no confirmation."""
    api = service.api("http://127.0.0.1:1", role="read_only")
    assert await api.error("GET", "/books/1", headers={header: "DELETE"}) == (400, "INVALID_ARGUMENT")
    await api.http.aclose()


async def test_an_api_that_leads_back_here_is_found_out(service: Service) -> None:
    api = service.api("http://127.0.0.1:1")
    assert await api.error("GET", "/", headers={"via": "1.1 studio-databases"}) == (400, "INVALID_ARGUMENT")
    await api.http.aclose()


async def test_a_slow_reader_makes_the_api_wait(service: Service, start_server: StartServer) -> None:
    """What is taken from the API meanwhile is bounded: the rest stays there until it is asked for."""
    sent = 0
    total = 200_000_000

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK + b"content-length: %d\r\n\r\n" % total)
        while sent < total:
            writer.write(b"x" * 1_000_000)
            await writer.drain()
            sent += 1_000_000
        await reader.read()

    api = service.api(f"http://127.0.0.1:{await start_server(serve)}")
    raw = await service.raw(api.head())
    await raw.head()  # and nothing more: the reader's own buffer is full soon
    before = -1
    while before != sent:
        before = sent
        await asyncio.sleep(0.1)  # several times the time that a million bytes take
    assert sent < total / 4
    received = 0
    while received < total:
        received += len(await raw.reader.read(1 << 20))
    raw.close()


async def test_a_slow_api_makes_the_caller_wait(service: Service, start_server: StartServer) -> None:
    go_on = asyncio.Event()
    total = 200_000_000

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await go_on.wait()
        left = total
        while left:
            left -= len(await reader.read(1 << 20))
        writer.write(OK + b"content-length: 0\r\n\r\n")

    api = service.api(f"http://127.0.0.1:{await start_server(serve)}")
    raw = await service.raw(api.head("PUT", "/", b"content-length: %d" % total))
    sent = 0

    async def send() -> None:
        nonlocal sent
        while sent < total:
            raw.writer.write(b"x" * 1_000_000)
            await raw.writer.drain()
            sent += 1_000_000

    sending = asyncio.create_task(send())
    before = -1
    while before != sent:
        before = sent
        await asyncio.sleep(0.1)  # as above
    assert sent < total / 4
    go_on.set()
    await sending
    assert (await raw.head()).startswith(OK)
    raw.close()


class TestLimits:
    async def test_bodies_over_the_bound_are_refused_with_and_without_a_length(
        self, service: Service, bun_server: BunServer
    ) -> None:
        config: dict[str, object] = {"max_request_bytes": 1000, "max_response_bytes": 2000}
        api = service.api(f"http://:{bun_server.key}@127.0.0.1:{bun_server.port}", config)
        assert (await api.call("POST", "/count", content=b"x" * 1000)).json() == {"bytes": 1000}
        assert await api.error("POST", "/count", content=b"x" * 1001) == (413, "PAYLOAD_TOO_LARGE")
        raw = await service.raw(api.head("POST", "/count", b"transfer-encoding: chunked"))
        raw.writer.write(b"3e9\r\n" + b"x" * 1001 + b"\r\n")
        assert (await raw.head()).startswith(b"HTTP/1.1 413 ")
        raw.close()
        assert len((await api.get("/bytes?n=2000")).content) == 2000
        await api.http.aclose()

    async def test_an_answer_over_the_bound_is_refused_or_breaks_off(
        self, service: Service, start_server: StartServer
    ) -> None:
        server = Recorder(OK + b"content-length: 11\r\n\r\n12345678901")
        api = service.api(f"http://127.0.0.1:{await start_server(server.serve)}", {"max_response_bytes": 10})
        assert await api.error("GET", "/") == (400, "INVALID_ARGUMENT")
        server.answer = OK + b"transfer-encoding: chunked\r\n\r\n6\r\n123456\r\n"
        raw = await service.raw(api.head())
        await raw.head()
        server.answer = b""
        await api.http.aclose()
        raw.close()


async def test_a_service_that_stops_finishes_what_runs_and_takes_nothing_new(bun_server: BunServer) -> None:
    async with running_service(shutdown_grace_s=10) as service:
        api = service.api(f"http://:{bun_server.key}@127.0.0.1:{bun_server.port}")
        idle = await service.raw(api.head("GET", "/health"))
        await idle.head()
        running = await service.raw(api.head("GET", "/ticks?n=5&interval_ms=100"))
        await running.head()
    # The service is gone once the last answer was.
    answer = await running.rest()
    assert answer.count(b"data: ") == 5
    assert answer.endswith(b"0\r\n\r\n")
    await idle.rest()
    with pytest.raises(OSError, match=r"."):
        await service.raw(b"")
    await api.http.aclose()
