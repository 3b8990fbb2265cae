"""The load itself ends, and says what failed, however a gateway treats its connections."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from benchmarks.http_load import Target, connect
from deploy.local.options import LOOPBACK
from tests.scale.load import Load

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
CLOSE = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


@contextlib.asynccontextmanager
async def server(*, silent: bool = False) -> AsyncIterator[int]:
    """Its port. Says that it is well; closes each connection after one answer, unannounced, or in place of it."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await reader.readuntil(b"\r\n\r\n")
            if request.startswith(b"GET /healthz"):
                writer.write(CLOSE)
            elif not silent:
                writer.write(ANSWER)
            await writer.drain()
        finally:
            writer.close()

    running = await asyncio.start_server(serve, LOOPBACK, 0)
    async with running:
        yield running.sockets[0].getsockname()[1]


def load(port: int) -> Load:
    return Load([LOOPBACK], port, "a-token", {"something": "/something"})


async def test_a_connection_that_is_closed_between_two_calls_is_replaced_and_no_failure() -> None:
    async with server() as port, load(port).running(4) as running:
        await running.more(20)
    assert running.answered["something"] >= 20
    # What was asked in the very moment of the close may have failed; it can't be told from a lost call.
    assert all("closed the connection" in each or "reset" in each for each in running.failures)


async def test_nothing_waits_for_an_answer_on_a_connection_that_was_closed_before_the_call() -> None:
    async with server() as port:
        target = Target(LOOPBACK, port, "a-token")
        client = await connect(target)
        async with asyncio.timeout(10):
            await client.ask(target.get("/something"))
            while not client.is_lost:  # noqa: ASYNC110  as it is
                await asyncio.sleep(0.01)
            with pytest.raises(ConnectionResetError):
                await client.ask(target.get("/something"))


async def test_a_connection_that_is_closed_in_place_of_an_answer_is_a_failure() -> None:
    async with server(silent=True) as port, load(port).running(1) as running:
        async with asyncio.timeout(10):
            while not running.failures:  # noqa: ASYNC110  as it is
                await asyncio.sleep(0.01)
    assert "closed the connection" in running.failures[0]
    assert not running.answered
