"""Bun APIs in trouble, through the gateway: an API and services that die, and connections that change under way."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.support.bun_api import BunApi
from tests.support.failures import BOUND_S, passing, until
from tests.support.local_system import LocalSystem

DATABASES = "/api/platform/databases"
ENDLESS = "proxy/ticks?n=1000000&interval_ms=10"


@pytest.fixture
async def api(system: LocalSystem) -> AsyncIterator[BunApi]:
    """The sample API, registered once more with its key: its breaker and its end are the test's own."""
    url = system.engines["bun"].replace("//", f"//:{system.secret('BUN_SAMPLE_KEY')}@")
    async with system.client("owner") as http:
        body = {"projectRef": "default", "name": f"test-{secrets.token_hex(8)}", "type": "bun_api"}
        created = await http.post(DATABASES, json={**body, "connectionString": url})
        while (
            created.status_code == 503
        ):  # the registry has not noticed yet that a service that was killed is back
            assert passing(created) == (503, "SERVICE_UNAVAILABLE")
            created = await http.post(DATABASES, json={**body, "connectionString": url})
        assert created.status_code == 201, created.text
        api = BunApi(http, created.json()["id"])
        yield api
        await http.delete(f"{DATABASES}/{api.database_id}")


async def books(api: BunApi) -> httpx.Response:
    return await api.send("GET", "proxy/books")


async def test_an_api_that_dies_is_left_alone_and_used_again_when_it_is_back(
    system: LocalSystem, api: BunApi
) -> None:
    assert (await books(api)).is_success
    await asyncio.to_thread(system.crash, "bun")
    try:
        seen = [passing(await books(api)) for _ in range(6)]
        assert seen == [(503, "DB_CONNECTION_FAILED")] * 5 + [(503, "DB_UNAVAILABLE")]
        found = await api.get("health")
        assert (found["status"], found["error_code"]) == ("unreachable", "DB_UNAVAILABLE")
        assert (found["breaker"]["state"], found["breaker"]["failures"]) == ("open", 5)
        assert found["breaker"]["retry_after_s"] > 0
    finally:
        await asyncio.to_thread(system.start, "bun")

    async def is_back() -> bool:
        answer = await books(api)
        return answer.is_success or passing(answer) != (503, "DB_UNAVAILABLE")

    await until(is_back)
    assert (await books(api)).is_success
    assert (await api.get("health"))["breaker"]["state"] == "closed"


async def test_a_service_that_is_killed_breaks_its_streams_and_comes_back(
    system: LocalSystem, api: BunApi
) -> None:
    async with api.http.stream("GET", f"{api.base}/{ENDLESS}") as answer:
        chunks = answer.aiter_raw()
        assert await anext(chunks)
        killing = asyncio.create_task(asyncio.to_thread(system.kill, "bun_proxy"))
        with pytest.raises(httpx.RemoteProtocolError):  # it must not look like an end
            await to_the_end(chunks)
        # What changes something is never sent again by the gateway.
        refusals = set()
        while not (answer_ := await api.send("POST", "proxy/count")).is_success:
            refusals.add(passing(answer_))
        await killing
    assert refusals <= {(503, "SERVICE_UNAVAILABLE")}
    await asyncio.to_thread(system.wait_reached)


@pytest.mark.parametrize("change", ["delete", {"status": "inactive"}, {"config": {"read_only": True}}])
async def test_a_change_of_the_connection_ends_what_runs_on_it(api: BunApi, change: Any) -> None:  # noqa: ANN401  JSON
    async with api.http.stream("GET", f"{api.base}/{ENDLESS}") as answer:
        chunks = answer.aiter_raw()
        assert await anext(chunks)
        # There is no answer yet when the connection changes.
        waiting = asyncio.create_task(api.send("GET", "proxy/slow", query={"ms": 25_000}))
        await until_running(api, 2)
        target = f"{DATABASES}/{api.database_id}"
        await (api.http.delete(target) if change == "delete" else api.http.patch(target, json=change))
        with pytest.raises(httpx.RemoteProtocolError):
            await to_the_end(chunks)
    async with asyncio.timeout(BOUND_S):
        assert passing(await waiting) == (503, "DB_UNAVAILABLE")


async def test_a_registry_that_is_down_stops_nothing_that_is_known(system: LocalSystem, api: BunApi) -> None:
    assert (await books(api)).is_success
    await asyncio.to_thread(system.crash, "registry")
    try:
        assert (await books(api)).is_success
        unknown = BunApi(api.http, "6f1c9a52-6f0e-4b1b-9d6b-0b8f6f8f3f0e")
        assert passing(await books(unknown)) == (503, "REGISTRY_UNAVAILABLE")
    finally:
        await asyncio.to_thread(system.start, "registry")
        await asyncio.to_thread(system.wait_reached)


async def until_running(api: BunApi, number: int) -> None:
    async def runs() -> bool:
        return bool((await api.get("health"))["requests"]["running"] >= number)

    await until(runs)


async def to_the_end(chunks: AsyncIterator[bytes]) -> None:
    async with asyncio.timeout(BOUND_S):
        async for _ in chunks:
            pass
