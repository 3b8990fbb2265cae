"""What goes over connections, as metrics."""

from __future__ import annotations

import asyncio

import pytest
from prometheus_client import REGISTRY

from services.redis_svc.client import RedisClient
from services.redis_svc.traffic import TOTALS
from services.runtime.errors import StudioError
from tests.redis_svc.conftest import OpenClient
from tests.support.fault_proxy import FaultProxy
from tests.support.odd_servers import StartServer, until


def metric(name: str) -> float:
    value = REGISTRY.get_sample_value(f"studio_redis_{name}")
    assert value is not None, name
    return value


async def test_commands_and_writes_are_counted(client: RedisClient) -> None:
    await client.links[0].execute(b"PING")
    commands, writes = metric("commands_total"), metric("writes_total")

    await asyncio.gather(*(client.links[0].execute(b"PING") for _ in range(50)))

    assert metric("commands_total") - commands == 50
    assert metric("writes_total") - writes == 1


async def test_a_reconnect_is_counted(valkey_url: str, open_client: OpenClient) -> None:
    async with FaultProxy("127.0.0.1", int(valkey_url.rpartition(":")[2])) as proxy:
        link = open_client(f"{valkey_url.rpartition(':')[0]}:{proxy.port}").links[0]
        await link.execute(b"PING")
        before = metric("reconnects_total")
        proxy.cut()
        await link.execute(b"PING")

        assert metric("reconnects_total") - before == 1


@pytest.mark.parametrize("ending", ["answered", "cancelled", "lost", "timed out"])
async def test_nothing_stays_in_flight(
    start_server: StartServer, open_client: OpenClient, ending: str
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"PING\r\n")
        writer.write(b"+OK\r\n+PONG\r\n")
        await reader.readuntil(b"GET\r\n")
        if ending == "answered":
            writer.write(b"$-1\r\n")
        if ending != "lost":
            await reader.read()

    before = TOTALS.in_flight
    client = open_client(f"redis://127.0.0.1:{await start_server(serve)}", command_timeout_s=0.2, tries=1)
    call = asyncio.create_task(client.links[0].execute(b"GET"))
    await until(lambda: TOTALS.in_flight > before or call.done())
    if ending == "cancelled":
        call.cancel()
    await asyncio.wait([call])
    if ending in {"lost", "timed out"}:
        assert isinstance(call.exception(), StudioError)
    await client.aclose()

    assert TOTALS.in_flight == before


def test_no_label_tells_of_a_user() -> None:
    for family in REGISTRY.collect():
        if family.name.startswith("studio_redis_"):
            assert [sample.labels for sample in family.samples] == [{}]
