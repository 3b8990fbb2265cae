"""The proxy that other tests break connections with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.support.fault_proxy import HOST, FaultProxy


@pytest.fixture
async def proxy() -> AsyncIterator[FaultProxy]:
    """A proxy before a server that sends back what it gets."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1024):
            writer.write(data)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(echo, HOST, 0)
    async with server, FaultProxy(HOST, server.sockets[0].getsockname()[1]) as proxy:
        yield proxy


async def say(streams: tuple[asyncio.StreamReader, asyncio.StreamWriter], text: bytes) -> bytes:
    reader, writer = streams
    writer.write(text)
    await writer.drain()
    return await reader.readexactly(len(text))


async def test_it_forwards_and_counts(proxy: FaultProxy) -> None:
    streams = await asyncio.open_connection(proxy.host, proxy.port)
    assert await say(streams, b"hello") == b"hello"
    assert (proxy.connections, proxy.open_connections) == (1, 1)
    assert (proxy.bytes_to_server, proxy.bytes_to_client) == (5, 5)
    streams[1].close()


async def test_it_cuts_open_connections(proxy: FaultProxy) -> None:
    streams = await asyncio.open_connection(proxy.host, proxy.port)
    await say(streams, b"hello")
    proxy.cut()
    with pytest.raises(ConnectionResetError):
        await streams[0].readexactly(1)
    streams[1].close()


async def test_it_holds_everything_back_until_it_resumes(proxy: FaultProxy) -> None:
    streams = await asyncio.open_connection(proxy.host, proxy.port)
    await say(streams, b"hello")
    proxy.stall()
    answer = asyncio.create_task(say(streams, b"later"))
    await asyncio.sleep(0.05)
    assert not answer.done()
    proxy.resume()
    assert await answer == b"later"
    streams[1].close()


async def test_it_refuses_connections_and_accepts_them_again_on_the_same_port(proxy: FaultProxy) -> None:
    port = proxy.port
    await proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(proxy.host, port)
    await proxy.accept()
    streams = await asyncio.open_connection(proxy.host, port)
    assert await say(streams, b"hello") == b"hello"
    streams[1].close()


async def test_it_cuts_a_reply_in_the_middle(proxy: FaultProxy) -> None:
    proxy.cut_after(3)
    reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
    writer.write(b"hello")
    await writer.drain()
    assert await reader.read() == b"hel"
    writer.close()


async def test_it_passes_on_that_the_server_is_down() -> None:
    async with FaultProxy(HOST, 1) as proxy:
        reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
        with pytest.raises(ConnectionResetError):
            await reader.readexactly(1)
        writer.close()
