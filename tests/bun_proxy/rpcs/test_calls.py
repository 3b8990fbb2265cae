"""The last calls of an API over gRPC: what was forwarded, by route, with percentiles."""

from __future__ import annotations

from tests.bun_proxy.harness import Api, Service
from tests.bun_proxy.rpcs.control import Control, Register, failure
from tests.support.odd_servers import unused_port


async def test_calls_are_listed_by_route_without_queries(bun: Api, control: Control) -> None:
    await bun.get("/books/1?secret=1")
    await bun.call("POST", "/count", content=b"x" * 1000)
    await bun.get("/books/2")
    await bun.get("/status?code=503")
    before = await control.calls()
    await control.routes()
    found = await control.calls()

    assert [(each.method, each.path, each.status) for each in found.calls] == [
        ("GET", "/status", 503),
        ("GET", "/books/2", 200),
        ("POST", "/count", 200),
        ("GET", "/books/1", 200),
    ]
    assert "secret" not in str(found)
    # With the document the routes have the names that it gives them; without it those that paths suggest.
    assert {each.route for each in before.by_route} == {"/status", "/books/{id}", "/count"}
    assert (found.by_route[0].route, found.by_route[0].count) == ("/books/{id}", 2)
    count = next(each for each in found.by_route if each.route == "/count")
    assert (count.request_bytes, count.p50_ms > 0) == (1000, True)
    assert (found.total.count, found.total.server_errors, found.total.client_errors) == (4, 1, 0)
    assert found.total.p50_ms <= found.total.p90_ms <= found.total.p99_ms
    last = found.calls[0]
    assert 0 < last.answer_ms <= last.duration_ms
    assert (await control.health()).requests.server_errors == 1


async def test_calls_are_filtered_and_come_page_by_page(bun: Api, control: Control) -> None:
    for number in range(5):
        await bun.get(f"/books/{number}")
    await bun.get("/status?code=404")

    shown: list[str] = []
    token = ""
    for _ in range(3):
        page = await control.calls(page_size=2, page_token=token)
        shown += [each.path for each in page.calls]
        token = page.next_page_token
        await bun.get("/bytes")  # what comes meanwhile shifts no page
    assert shown == ["/status", "/books/4", "/books/3", "/books/2", "/books/1", "/books/0"]
    assert token == ""

    async def paths(**fields: object) -> list[str]:
        found = await control.calls(**fields)
        assert found.total.count == len(found.calls)
        return [each.path for each in found.calls]

    assert await paths(min_status=400, max_status=499) == ["/status", "/books/4", "/books/0"]
    assert await paths(path="oks/3") == ["/books/3"]
    assert await paths(route="/bytes", method="GET") == ["/bytes"] * 3
    assert await paths(method="POST") == []
    assert await paths(min_duration_ms=600_000) == []
    assert (await failure(control.calls(page_token="WyJ4Il0")))[0] == "INVALID_CURSOR"
    assert (await failure(control.calls(method="get")))[0] == "INVALID_ARGUMENT"
    empty = await control.calls(only_incomplete=True)
    assert (empty.total.count, empty.total.p99_ms, list(empty.by_route)) == (0, -1, [])


async def test_calls_without_an_answer_say_why(service: Service, register: Register) -> None:
    api = register(f"http://127.0.0.1:{unused_port()}")
    async with service.client() as http:
        await http.get(f"/api/platform/bun/{api.id}/proxy/x")
    found = await api.calls(only_incomplete=True)

    assert [(each.path, each.status, each.error_code, each.answer_ms) for each in found.calls] == [
        ("/x", 0, "DB_CONNECTION_FAILED", -1)
    ]
    assert (found.total.incomplete, (await api.health()).requests.incomplete) == (1, 1)


async def test_our_own_requests_are_not_among_the_calls(bun: Api, control: Control) -> None:
    await control.health()
    await control.info()
    assert (await control.calls()).total.count == 0
    await bun.get("/health")
    assert [each.path for each in (await control.calls()).calls] == ["/health"]
