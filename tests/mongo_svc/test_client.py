"""The pool of one registered database: its bound, calls that go away, servers that hang while it is closed."""

from __future__ import annotations

import asyncio

import pytest
from pymongo.errors import PyMongoError

from services.mongo_svc.client import MongoClient
from services.runtime import context
from services.runtime.errors import StudioError, reason_name
from tests.mongo_svc.conftest import OpenClient
from tests.support.fault_proxy import FaultProxy
from tests.support.mongodb import MongoFactory, MongoServer
from tests.support.odd_servers import until


def through(proxy: FaultProxy, server: MongoServer) -> str:
    return server.url.replace(f":{server.port}", f":{proxy.port}")


async def ping(client: MongoClient) -> float:
    return float((await client.command("admin", {"ping": 1}))["ok"])


async def test_a_caller_that_finds_every_connection_in_use_is_refused(
    mongodb_server: MongoServer, open_client: OpenClient
) -> None:
    async with FaultProxy("127.0.0.1", mongodb_server.port) as proxy:
        client = open_client(through(proxy, mongodb_server), max_pool_size=1, pool_wait_s=0.05, max_waiting=1)
        await ping(client)
        proxy.stall()
        callers = [asyncio.create_task(ping(client)) for _ in range(6)]
        await until(lambda: sum(each.done() for each in callers) == 5)
        proxy.resume()
        answers = await asyncio.gather(*callers, return_exceptions=True)

        reasons = [reason_name(answer.reason) for answer in answers if isinstance(answer, StudioError)]
        assert reasons == ["RESOURCE_EXHAUSTED"] * 5
        assert 1 in answers
        assert await ping(client) == 1


async def test_a_call_that_goes_away_leaves_its_answer_to_nobody(
    mongodb_server: MongoServer, open_client: OpenClient
) -> None:
    """The class of redis-py's CVE-2023-28858: the next caller on that connection must not read it."""
    async with FaultProxy("127.0.0.1", mongodb_server.port) as proxy:
        client = open_client(through(proxy, mongodb_server), max_pool_size=1)
        await ping(client)
        for turns in range(20):
            proxy.stall()
            away = asyncio.create_task(client.command("admin", {"buildInfo": 1}))
            for _ in range(turns):
                await asyncio.sleep(0)  # one turn of the event loop further into the call
            while not away.done():
                # Once is not always enough: `asyncio.wait_for` of Python 3.11, which the driver sends with, loses a
                # cancellation that comes when it has just sent (python/cpython#86296). The deadline is there for that.
                away.cancel()
                await asyncio.wait({away}, timeout=0.05)
            assert away.cancelled()
            proxy.resume()
            assert "version" not in await client.command("admin", {"ping": 1})


async def test_a_deadline_that_is_over_does_not_become_none(client: MongoClient) -> None:
    await ping(client)
    token = context.deadline.set(asyncio.get_running_loop().time() - 1)
    try:
        with pytest.raises(StudioError) as late:
            await ping(client)
    finally:
        context.deadline.reset(token)
    assert reason_name(late.value.reason) == "DEADLINE_EXCEEDED"


async def test_the_connection_string_may_shorten_deadlines(mongodb_url: str, open_client: OpenClient) -> None:
    assert open_client(f"{mongodb_url}&timeoutMS=70").deadline_s() == pytest.approx(0.07)
    assert open_client(f"{mongodb_url}&timeoutMS=999999").deadline_s(3600) == 60


async def test_closing_is_bounded_where_the_server_hangs(
    start_mongodb: MongoFactory, open_client: OpenClient
) -> None:
    server = start_mongodb(auth=False)
    client = open_client(server.url, close_s=0.2)
    await ping(client)
    server.suspend()

    async with asyncio.timeout(5):
        await client.aclose()

    with pytest.raises(PyMongoError, match=r"[Cc]lose"):
        await client.driver.admin.command("ping")


async def test_a_closed_port_is_told_at_once_and_a_server_that_comes_is_found(
    start_mongodb: MongoFactory, open_client: OpenClient
) -> None:
    server = start_mongodb(auth=False)
    client = open_client(server.url, command_timeout_s=30)
    assert await ping(client) == 1
    server.kill()
    async with asyncio.timeout(10):
        with pytest.raises(StudioError) as refused:
            await ping(client)
        assert reason_name(refused.value.reason) == "DB_CONNECTION_FAILED"
    server.start()

    assert await ping(client) == 1


async def test_many_first_callers_open_one_topology(
    mongodb_server: MongoServer, open_client: OpenClient
) -> None:
    async with FaultProxy("127.0.0.1", mongodb_server.port) as proxy:
        client = open_client(through(proxy, mongodb_server), max_pool_size=3)
        assert await asyncio.gather(*(ping(client) for _ in range(30))) == [1] * 30
        # The pool's, and the two with which the driver watches a server.
        assert proxy.connections <= 3 + 2
