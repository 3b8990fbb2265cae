"""Streams of a caller whose grant is taken back end, through the gateway, and those of others go on."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.access.calls import client, headers
from tests.support.bun_api import BunApi
from tests.support.local_system import LocalSystem
from tests.support.redis_api import RedisApi
from tests.support.sse import events
from tools.permissions import Who

WAIT_S = 20.0
"""However slow this machine is: what is asserted is that it ends, and how."""


@pytest.fixture
async def owner(system: LocalSystem) -> AsyncIterator[httpx.AsyncClient]:
    async with system.client("owner") as http:
        yield http


@contextlib.asynccontextmanager
async def granted(owner: httpx.AsyncClient, database_id: str, who: Who) -> AsyncIterator[str]:
    """Gives a grant on a database; the path by which it is taken back."""
    path = f"/api/platform/databases/{database_id}/permissions"
    made = await owner.post(path, json={"subject": f"{who.name}@access", "role": "read"})
    assert made.status_code == 201
    yield f"{path}/{made.json()['id']}"
    await owner.delete(f"{path}/{made.json()['id']}")


async def test_a_stream_of_events_ends_with_the_error_of_a_new_call(
    system: LocalSystem, owner: httpx.AsyncClient
) -> None:
    ada, bob = Who("ada"), Who("bob")
    database_id = await RedisApi.sample_id(owner)
    path, query = f"/api/platform/redis/{database_id}/subscribe", {"channels": ["access"]}
    async with (
        asyncio.timeout(WAIT_S),
        granted(owner, database_id, ada) as his,
        granted(owner, database_id, bob),
        client(system) as http,
        contextlib.AsyncExitStack() as stack,
    ):
        streams = []
        for who in (ada, bob):
            http.headers.update(headers(system, who))
            stream = await stack.enter_async_context(events(http, "GET", path, query={**query}))
            assert (await anext(stream))["subscribed"] is True
            streams.append(stream)
        assert (await owner.delete(his)).status_code == 204
        while not (event := await anext(streams[0]))["error"]:
            pass
        assert event["error"]["error_code"] == "DB_NOT_FOUND"
        body = {"channel": {"value": "access"}, "payload": {"value": "hello"}}
        assert (await owner.post(f"/api/platform/redis/{database_id}/publish", json=body)).is_success
        while (event := await anext(streams[1]))["payload"]["value"] != "hello":
            assert not event["error"]


async def test_an_answer_of_a_bun_api_is_cut_off(system: LocalSystem, owner: httpx.AsyncClient) -> None:
    eve = Who("eve")
    database_id = await BunApi.sample_id(owner)
    path = f"/api/platform/bun/{database_id}/proxy/ticks?n=100000&interval_ms=20"
    async with asyncio.timeout(WAIT_S), granted(owner, database_id, eve) as hers, client(system) as http:
        async with http.stream("GET", path, headers=headers(system, eve)) as answer:
            assert answer.status_code == 200
            chunks = answer.aiter_raw()
            assert await anext(chunks)
            assert (await owner.delete(hers)).status_code == 204
            with pytest.raises(httpx.RemoteProtocolError):
                async for _ in chunks:
                    pass
        again = await http.get(path, headers=headers(system, eve))
        assert (again.status_code, again.json()["error_code"]) == (404, "DB_NOT_FOUND")
