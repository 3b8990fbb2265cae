"""The shared connection: order, sharing of round trips, cancelled callers, bounds, and connections that break."""

from __future__ import annotations

import asyncio
import dataclasses
import random
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from redis.asyncio import Redis

from services.redis_svc.connection import CommandTimeoutError, Connection, ConnectionLostError
from services.redis_svc.dialer import Dialer
from services.redis_svc.limits import DEFAULTS
from services.redis_svc.replies import Reply, ServerError, pack
from services.redis_svc.url import parse
from services.runtime.addresses import AddressPolicy
from services.runtime.errors import StudioError
from tests.support.engines import ValkeyServer
from tests.support.fault_proxy import FaultProxy
from tests.support.odd_servers import StartServer

Dial = Callable[..., Awaitable[Connection]]

PING = pack(((b"PING",),))


@pytest.fixture
async def dial() -> AsyncIterator[Dial]:
    connections: list[Connection] = []

    async def dial_(url: str, **limits: float) -> Connection:
        limited = dataclasses.replace(DEFAULTS, **limits)  # type: ignore[arg-type]  # ints among them
        connection = await Dialer(parse(url), AddressPolicy(), limited).dial()
        connections.append(connection)
        return connection

    yield dial_
    for connection in connections:
        connection.close()
        await connection.wait_closed()


@pytest.fixture
async def connection(valkey: Redis, valkey_url: str, dial: Dial) -> Connection:
    del valkey
    return await dial(valkey_url)


async def echo(connection: Connection, text: bytes) -> bytes:
    (reply,) = await connection.submit(pack(((b"ECHO", text),)), 1)
    assert isinstance(reply, bytes)
    return reply


async def test_replies_reach_their_callers_in_whatever_order_those_wait(connection: Connection) -> None:
    texts = [b"%d" % number for number in range(1000)]
    futures = [connection.submit(pack(((b"ECHO", text),)), 1) for text in texts]
    random.shuffle(order := list(range(1000)))

    assert [await futures[at] for at in order] == [[texts[at]] for at in order]


async def test_a_request_of_many_commands_has_one_future_and_its_error_replies_stay_among_the_others(
    connection: Connection,
) -> None:
    commands = (
        (b"SET", b"k", b"v"),
        (b"LPUSH", b"k", b"x"),
        (b"GET", b"k"),
        (b"NO-SUCH",),
        (b"STRLEN", b"k"),
    )

    ok, wrong_type, value, unknown, length = await connection.submit(pack(commands), len(commands))

    assert (ok, value, length) == (b"OK", b"v", 1)
    assert isinstance(wrong_type, ServerError)
    assert wrong_type.prefix == "WRONGTYPE"
    assert isinstance(unknown, ServerError)
    assert unknown.text.startswith("ERR unknown command")


async def test_a_request_without_commands_is_answered_and_is_in_nobodys_way(connection: Connection) -> None:
    first, nothing, last = await asyncio.gather(
        echo(connection, b"first"), connection.submit(b"", 0), echo(connection, b"last")
    )

    assert (first, nothing, last) == (b"first", [], b"last")


async def test_callers_of_one_turn_share_one_write(connection: Connection) -> None:
    before = dataclasses.replace(connection.traffic)

    await asyncio.gather(*(echo(connection, b"%d" % number) for number in range(64)))

    assert connection.traffic.commands - before.commands == 64
    assert connection.traffic.writes - before.writes == 1


async def test_concurrent_callers_that_go_on_and_on_share_their_round_trips(connection: Connection) -> None:
    async def caller() -> None:
        for number in range(50):
            await echo(connection, b"%d" % number)

    before = dataclasses.replace(connection.traffic)
    await asyncio.gather(*(caller() for _ in range(16)))

    assert connection.traffic.commands - before.commands == 800
    assert connection.traffic.writes - before.writes <= 400


@pytest.mark.parametrize("seed", range(4))
async def test_a_cancelled_caller_never_hands_its_reply_to_the_next_one(
    valkey_url: str, dial: Dial, seed: int
) -> None:
    """CVE-2023-28858 and CVE-2023-28859: cancellation at any moment, under load, through a slow proxy."""
    rng = random.Random(seed)
    port = int(valkey_url.rpartition(":")[2])
    wrong: list[tuple[bytes, Reply]] = []
    answered = 0

    async with FaultProxy("127.0.0.1", port) as proxy:
        connection = await dial(valkey_url.replace(f":{port}", f":{proxy.port}"))

        async def caller(name: int) -> None:
            nonlocal answered
            for number in range(60):
                text = b"%d-%d-" % (name, number) + b"x" * rng.randrange(4000)
                count = rng.randrange(1, 4)
                payload = pack([(b"ECHO", text)] * count)
                try:
                    async with asyncio.timeout(rng.choice((0, 0.0005, 0.002, 5))):
                        replies = await connection.submit(payload, count)
                except TimeoutError:
                    continue
                answered += 1
                wrong.extend((text, reply) for reply in replies if reply != text)

        await asyncio.gather(*(caller(name) for name in range(32)))
        assert await echo(connection, b"still in step") == b"still in step"

    assert not wrong
    assert answered > 100


async def test_a_request_cancelled_before_it_is_written_is_never_sent(
    connection: Connection, valkey: Redis
) -> None:
    future = connection.submit(pack(((b"SET", b"k", b"v"),)), 1)
    future.cancel()

    assert await echo(connection, b"after") == b"after"
    assert await valkey.exists("k") == 0


async def test_every_byte_survives(connection: Connection) -> None:
    every = bytes(range(256))

    ok, value = await connection.submit(pack(((b"SET", every, every * 3), (b"GET", every))), 2)

    assert (ok, value) == (b"OK", every * 3)


async def test_too_many_commands_in_flight_are_refused_at_once_and_the_others_are_answered(
    valkey_url: str, dial: Dial
) -> None:
    connection = await dial(valkey_url, max_inflight_commands=10)
    futures = [connection.submit(PING, 1) for _ in range(10)]

    with pytest.raises(StudioError) as caught:
        connection.submit(PING, 1)

    assert caught.value.reason_name == "RESOURCE_EXHAUSTED"
    assert await asyncio.gather(*futures) == [[b"PONG"]] * 10
    assert await connection.submit(PING, 1) == [b"PONG"]


async def test_too_many_bytes_in_flight_are_refused_at_once(valkey_url: str, dial: Dial) -> None:
    connection = await dial(valkey_url, max_inflight_bytes=1000)

    with pytest.raises(StudioError) as caught:
        connection.submit(pack(((b"ECHO", b"x" * 1000),)), 1)

    assert caught.value.reason_name == "RESOURCE_EXHAUSTED"


async def test_cancelled_requests_give_their_room_back(valkey_url: str, dial: Dial) -> None:
    connection = await dial(valkey_url, max_inflight_commands=4)
    for _ in range(20):
        connection.submit(PING, 1).cancel()
        await asyncio.sleep(0)
        assert await connection.submit(PING, 1) == [b"PONG"]


async def test_a_server_that_reads_slowly_does_not_make_the_transport_grow(
    valkey_url: str, dial: Dial
) -> None:
    port = int(valkey_url.rpartition(":")[2])
    async with FaultProxy("127.0.0.1", port) as proxy:
        connection = await dial(valkey_url.replace(f":{port}", f":{proxy.port}"))
        proxy.stall()
        text = b"x" * 500_000
        futures = [connection.submit(pack(((b"ECHO", text),)), 1) for _ in range(60)]
        await asyncio.sleep(0.05)
        assert connection.traffic.commands < 60
        assert connection.waiting > 0

        futures[-1].cancel()
        proxy.resume()

        assert all(reply == [text] for reply in await asyncio.gather(*futures[:-1]))
        assert await echo(connection, b"in step") == b"in step"
        # The one cancelled while it waited was never sent: 59, the login's two and the last echo.
        assert connection.traffic.commands == 59 + 3 + 1


async def test_a_connection_cut_amid_a_reply_fails_everybody_and_says_so(valkey_url: str, dial: Dial) -> None:
    port = int(valkey_url.rpartition(":")[2])
    async with FaultProxy("127.0.0.1", port) as proxy:
        connection = await dial(valkey_url.replace(f":{port}", f":{proxy.port}"))
        proxy.cut_after(proxy.bytes_to_client + 1000)

        results = await asyncio.gather(
            *(echo(connection, b"x" * 5000) for _ in range(3)), return_exceptions=True
        )

    assert [type(result) for result in results] == [ConnectionLostError] * 3
    assert all(isinstance(result, ConnectionLostError) and result.sent for result in results)
    assert not connection.usable
    with pytest.raises(ConnectionLostError) as caught:
        connection.submit(PING, 1)
    assert not caught.value.sent


async def test_a_stalled_server_times_its_callers_out_and_the_connection_is_given_up(
    valkey_url: str, dial: Dial
) -> None:
    port = int(valkey_url.rpartition(":")[2])
    async with FaultProxy("127.0.0.1", port) as proxy:
        connection = await dial(valkey_url.replace(f":{port}", f":{proxy.port}"), command_timeout_s=0.2)
        proxy.stall()
        first = connection.submit(PING, 1)
        await asyncio.sleep(0.1)
        second = connection.submit(PING, 1)

        with pytest.raises(CommandTimeoutError):
            await first
        with pytest.raises(ConnectionLostError):
            await second
        assert not connection.usable


async def test_a_slow_reply_that_keeps_coming_does_not_end_the_connection(
    start_server: StartServer, dial: Dial
) -> None:
    """One caller waits too long, the connection lives on, and the next reply is the next caller's."""

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(b"+OK\r\n+PONG\r\n")
        await reader.read(1000)
        for byte in b"$12\r\nslow answers\r\n+next\r\n":
            writer.write(bytes([byte]))
            await asyncio.sleep(0.03)
        await reader.read()

    port = await start_server(drip)
    connection = await dial(f"redis://127.0.0.1:{port}", command_timeout_s=0.2)
    slow = connection.submit(PING, 1)
    await asyncio.sleep(0.15)
    following = connection.submit(PING, 1)

    with pytest.raises(CommandTimeoutError):
        await slow
    assert connection.usable
    with pytest.raises(CommandTimeoutError):
        await following


async def test_a_half_closed_connection_is_given_up(start_server: StartServer, dial: Dial) -> None:
    async def half_close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(b"+OK\r\n+PONG\r\n")
        await reader.read(1000)
        writer.write_eof()
        await reader.read()

    port = await start_server(half_close)
    connection = await dial(f"redis://127.0.0.1:{port}")

    with pytest.raises(ConnectionLostError):
        await connection.submit(PING, 1)


async def test_a_reply_without_end_costs_bounded_memory(start_server: StartServer, dial: Dial) -> None:
    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(b"+OK\r\n+PONG\r\n")
        await reader.read(1000)
        writer.write(b"$1000000000\r\n")
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()

    port = await start_server(flood)
    connection = await dial(f"redis://127.0.0.1:{port}", max_reply_bytes=1_000_000)

    with pytest.raises(StudioError) as caught:
        await connection.submit(PING, 1)

    assert caught.value.reason_name == "RESOURCE_EXHAUSTED"
    assert not connection.usable


@pytest.mark.parametrize("nonsense", [b"HTTP/1.1 200 OK\r\n\r\n", b"\x00\x01\x02\x03", b"$x\r\n"])
async def test_a_server_that_stops_speaking_redis_is_given_up(
    start_server: StartServer, dial: Dial, nonsense: bytes
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(b"+OK\r\n+PONG\r\n")
        await reader.read(1000)
        writer.write(nonsense)
        await reader.read()

    port = await start_server(serve)
    connection = await dial(f"redis://127.0.0.1:{port}")

    with pytest.raises(StudioError) as caught:
        await connection.submit(PING, 1)

    assert caught.value.reason_name == "DB_PROTOCOL_ERROR"
    assert not connection.usable


async def test_a_reply_that_nobody_asked_for_ends_the_connection(
    start_server: StartServer, dial: Dial
) -> None:
    """Were it kept, every later caller would get the reply of the one before."""

    async def chatty(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(b"+OK\r\n+PONG\r\n+one too many\r\n")
        await reader.read()

    port = await start_server(chatty)
    with pytest.raises(StudioError) as caught:  # noqa: PT012  it ends at the login or right behind it
        connection = await dial(f"redis://127.0.0.1:{port}")
        await connection.submit(PING, 1)

    assert caught.value.reason_name in {"DB_PROTOCOL_ERROR", "DB_CONNECTION_FAILED"}


async def test_a_suspended_server_is_noticed(
    start_valkey: Callable[..., Awaitable[ValkeyServer]], dial: Dial
) -> None:
    server = await start_valkey()
    connection = await dial(server.url, command_timeout_s=0.2)
    server.suspend()

    with pytest.raises(CommandTimeoutError):
        await connection.submit(PING, 1)
    assert not connection.usable
