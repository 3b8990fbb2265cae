"""Listings at a time are bounded, so that they don't delay what else goes over the shared connection."""

from __future__ import annotations

import asyncio

import pytest

from services.redis_svc.client import RedisClient
from services.redis_svc.keyspace import Query, list_keys
from services.runtime.errors import StudioError
from services.runtime.gate import Gate
from tests.redis_svc.conftest import OpenClient


async def hold(gate: Gate, entered: list[int], leave: asyncio.Event, number: int) -> None:
    async with gate:
        entered.append(number)
        await leave.wait()


async def test_so_many_are_inside_a_few_wait_and_the_rest_is_refused_at_once() -> None:
    gate, entered, leave = Gate(2, 1, "Too many."), list[int](), asyncio.Event()
    tasks = [asyncio.create_task(hold(gate, entered, leave, number)) for number in range(3)]
    await asyncio.sleep(0)
    assert entered == [0, 1]

    with pytest.raises(StudioError) as caught:
        await gate.__aenter__()
    assert caught.value.reason_name == "RESOURCE_EXHAUSTED"

    leave.set()
    await asyncio.gather(*tasks)
    assert entered == [0, 1, 2]


async def test_one_that_goes_away_while_it_waits_leaves_its_place() -> None:
    gate, entered, leave = Gate(1, 1, "Too many."), list[int](), asyncio.Event()
    inside = asyncio.create_task(hold(gate, entered, leave, 0))
    waiting = asyncio.create_task(hold(gate, entered, leave, 1))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    other = asyncio.create_task(hold(gate, entered, leave, 2))
    await asyncio.sleep(0)

    leave.set()
    await asyncio.gather(inside, other)
    assert entered == [0, 2]


async def test_a_failure_inside_leaves_the_place() -> None:
    gate = Gate(1, 0, "Too many.")
    for _ in range(3):
        with pytest.raises(ValueError, match="inside"):
            async with gate:
                raise ValueError("inside")


async def test_listings_of_a_database_are_bounded_and_gets_are_not(
    valkey_url: str, open_client: OpenClient
) -> None:
    client: RedisClient = open_client(valkey_url, max_listings=1, max_waiting_listings=1)
    async with client.listings:
        waiting = asyncio.create_task(list_keys(client, Query(), lambda _: None))
        await asyncio.sleep(0)

        with pytest.raises(StudioError) as caught:
            await list_keys(client, Query(), lambda _: None)
        assert caught.value.reason_name == "RESOURCE_EXHAUSTED"
        assert await client.link_for(b"k").execute(b"PING") == b"PONG"
    await waiting
