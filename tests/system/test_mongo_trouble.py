"""MongoDB in trouble, through the gateway: engines and services that die, hang or come back; callers that go away."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator
from http import HTTPStatus
from typing import Any

import httpx
import psutil
import pymongo
import pytest

from tests.support.failures import BOUND_S, passing, until
from tests.support.local_system import LocalSystem
from tests.support.mongo_api import MongoApi
from tests.support.mongodb import MongoFactory, MongoServer
from tests.support.sse import Event, events

WHERE: dict[str, object] = {"databaseName": "test", "collection": "c"}


@pytest.fixture
async def server(start_mongodb: MongoFactory) -> MongoServer:
    """A server of the test's own, which keeps what it has acknowledged."""
    return await asyncio.to_thread(start_mongodb, auth=False, durable=True)


@pytest.fixture
async def api(system: LocalSystem, server: MongoServer) -> AsyncIterator[MongoApi]:
    """That server over REST."""
    async with system.client("owner") as http:
        api = MongoApi(http, await register(http, server.url))
        yield api
        await http.delete(f"/api/platform/databases/{api.database_id}")


async def register(http: httpx.AsyncClient, url: str) -> str:
    body = {"projectRef": "default", "name": f"test-{secrets.token_hex(8)}", "type": "mongodb"}
    answer = await http.post("/api/platform/databases", json={**body, "connectionString": url})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def insert(api: MongoApi, n: int) -> httpx.Response:
    return await api.send("POST", "documents", body={**WHERE, "documents": [{"n": n}]})


async def next_event(stream: AsyncGenerator[Event, None]) -> Event:
    async with asyncio.timeout(BOUND_S):
        return await anext(stream)


async def to_the_end(stream: AsyncGenerator[Event, None]) -> None:
    async with asyncio.timeout(BOUND_S):
        async for _ in stream:
            pass


async def test_an_engine_that_is_killed_and_comes_back_has_lost_and_doubled_nothing(
    api: MongoApi, server: MongoServer
) -> None:
    acknowledged: list[int] = []
    refusals: set[tuple[int, str]] = set()

    async def write(n: int) -> bool:
        answer = await insert(api, n)
        if answer.is_success:
            acknowledged.append(n)
        else:
            refusals.add(passing(answer))
        return answer.is_success

    killing = asyncio.create_task(asyncio.to_thread(server.kill))
    n = 0
    while not (killing.done() and refusals):
        await write(n)
        n += 1
    assert refusals <= {(503, "DB_CONNECTION_FAILED"), (504, "DB_TIMEOUT")}
    await asyncio.to_thread(server.start)
    numbers = iter(range(n, n + 10_000))

    async def is_back() -> bool:
        return await write(next(numbers))

    await until(is_back)
    stored = await api.post("documents/find", **WHERE, limit=10_000)
    times = Counter(each["n"] for each in stored["documents"])
    assert set(acknowledged) <= set(times)
    assert set(times.values()) == {1}


async def test_an_engine_that_hangs_is_an_answer_and_no_other_database_notices(
    api: MongoApi, server: MongoServer, mongo_api: MongoApi
) -> None:
    assert (await insert(api, 1)).is_success
    server.suspend()
    hung = asyncio.gather(
        api.send("POST", "documents/find", body=WHERE),
        insert(api, 2),
        api.send("GET", "server/status"),
        api.send("GET", "users", query={"databaseName": "test"}),
    )
    while not hung.done():
        assert (await mongo_api.get("documents", databaseName="shop", collection="orders", limit=1))[
            "documents"
        ]
        await asyncio.sleep(0.2)
    assert {passing(each)[0] for each in await hung} <= {503, 504, 429}
    server.resume()

    async def is_back() -> bool:
        return (await insert(api, 3)).is_success

    await until(is_back)


async def test_a_service_that_is_killed_is_used_again_and_a_stream_goes_on_where_it_was(
    system: LocalSystem, api: MongoApi
) -> None:
    async with events(api.http, "POST", f"{api.base}/changes", body=WHERE) as stream:
        assert (await next_event(stream))["heartbeat"]
        assert (await insert(api, 1)).is_success
        seen = await next_event(stream)
        assert seen["full_document"]["n"] == 1
        killing = asyncio.create_task(asyncio.to_thread(system.kill, "mongo_svc"))
        refusals = set()
        while not (killing.done() and (answer := await insert(api, 2)).is_success):
            answer = await insert(api, 0)
            if not answer.is_success:
                refusals.add(passing(answer))
        await killing
        assert refusals == {(503, "SERVICE_UNAVAILABLE")}
        with pytest.raises(httpx.RemoteProtocolError):  # it must not look like an end
            await to_the_end(stream)
    resumed = {**WHERE, "resume": seen["resume"], "pipeline": [{"$match": {"fullDocument.n": 2}}]}
    async with events(api.http, "POST", f"{api.base}/changes", body=resumed) as stream:
        while (event := await next_event(stream))["heartbeat"]:
            pass
        assert event["full_document"]["n"] == 2
    await asyncio.to_thread(system.wait_reached)


async def test_a_database_that_is_deleted_ends_its_streams(api: MongoApi) -> None:
    async with events(api.http, "POST", f"{api.base}/changes", body=WHERE) as stream:
        assert (await next_event(stream))["heartbeat"]
        await api.http.delete(f"/api/platform/databases/{api.database_id}")
        last = await next_event(stream)
        assert (last["error"]["error_code"], last["error"]["retryable"]) == ("DB_NOT_FOUND", False)
        with pytest.raises(StopAsyncIteration):
            await next_event(stream)
    assert await api.get_refused("documents", databaseName="test", collection="c") == (404, "DB_NOT_FOUND")


async def test_callers_that_go_away_leave_nothing_behind(
    system: LocalSystem, api: MongoApi, server: MongoServer
) -> None:
    with pymongo.MongoClient[dict[str, Any]](server.url) as engine:
        await asyncio.to_thread(engine["test"]["c"].insert_many, [{"t": "x" * 100_000} for _ in range(200)])
    paths = ("documents/find", "documents/stream", "aggregate", "export", "changes")
    process = psutil.Process(system.pid("mongo_svc"))

    async def left(path: str, leave_s: float) -> None:
        body = {**WHERE, "pipeline": []} if path == "aggregate" else WHERE
        with contextlib.suppress(TimeoutError):
            async with (
                asyncio.timeout(leave_s),
                api.http.stream("POST", f"{api.base}/{path}", json=body) as answer,
            ):
                if answer.is_error:  # those before still end: the bound on streams
                    assert answer.status_code == HTTPStatus.TOO_MANY_REQUESTS, answer.text
                    return
                async for _ in answer.aiter_raw(1):
                    await asyncio.sleep(0.01)

    async def round_of_calls() -> None:
        await asyncio.gather(*(left(path, 0.02 * n) for n in range(1, 5) for path in paths))

    async def is_at_rest() -> bool:
        found = await asyncio.to_thread(system.metrics, "mongo_svc")
        running = sum(value for name, value in found.items() if name.startswith("studio_rpc_running"))
        # The watch of the registry is a call of the service's own, and not among them.
        return running + found['studio_pool_clients{pool="mongodb",state="in_use"}'] == 0

    await round_of_calls()
    await until(is_at_rest)
    before = process.num_fds()
    for _ in range(15):
        await round_of_calls()
    await until(is_at_rest)

    async def has_no_more() -> bool:
        return process.num_fds() <= before + 5

    await until(has_no_more)
