"""The way to one server: reconnecting, trying again what is safe, and saying what is not known."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from redis.asyncio import Redis

from services.redis_svc.client import RedisClient
from services.redis_svc.replies import pack
from services.runtime.errors import StudioError
from tests.redis_svc.conftest import OpenClient
from tests.support.engines import ValkeyServer
from tests.support.failures import failure_of
from tests.support.fault_proxy import FaultProxy
from tests.support.odd_servers import StartServer, until

StartValkey = Callable[..., Awaitable[ValkeyServer]]


@pytest.fixture
async def proxy(valkey: Redis, valkey_url: str) -> AsyncIterator[FaultProxy]:
    del valkey
    async with FaultProxy("127.0.0.1", int(valkey_url.rpartition(":")[2])) as proxy:
        yield proxy


@pytest.fixture
def proxied(proxy: FaultProxy, valkey_url: str, open_client: OpenClient) -> RedisClient:
    return open_client(f"{valkey_url.rpartition(':')[0]}:{proxy.port}", command_timeout_s=0.3)


async def test_no_connection_is_made_before_it_is_needed_and_callers_share_one(
    proxy: FaultProxy, proxied: RedisClient
) -> None:
    assert proxy.connections == 0

    await asyncio.gather(*(proxied.links[0].execute(b"PING") for _ in range(50)))

    assert proxy.connections == 1


async def test_a_lost_connection_is_made_anew_by_the_next_call(
    proxy: FaultProxy, proxied: RedisClient
) -> None:
    link = proxied.links[0]
    assert await link.execute(b"PING") == b"PONG"
    proxy.cut()

    assert await link.execute(b"PING") == b"PONG"
    assert proxy.connections == 2


async def test_a_restarted_server_is_found_again(start_valkey: StartValkey, open_client: OpenClient) -> None:
    server = await start_valkey()
    link = open_client(server.url).links[0]
    assert await link.execute(b"SET", b"k", b"v") == b"OK"
    server.kill()
    assert (await failure_of(link.execute(b"PING"))).reason_name == "DB_CONNECTION_FAILED"
    server.start()

    async with asyncio.timeout(10):
        while True:
            try:
                assert await link.execute(b"PING") == b"PONG"
            except StudioError as error:
                if error.reason_name != "DB_CONNECTION_FAILED":
                    raise
            else:
                break


async def test_a_read_whose_reply_was_lost_is_sent_again(
    start_server: StartServer, open_client: OpenClient
) -> None:
    gets = 0

    async def lose_two_replies(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal gets
        await reader.readuntil(b"PING\r\n")
        writer.write(b"+OK\r\n+PONG\r\n")
        await reader.readuntil(b"GET\r\n")
        gets += 1
        if gets == 3:
            writer.write(b"$-1\r\n")
            await reader.read()

    link = open_client(f"redis://127.0.0.1:{await start_server(lose_two_replies)}").links[0]

    assert await link.execute(b"GET") is None
    assert gets == 3


async def test_it_is_tried_three_times_at_most(start_server: StartServer, open_client: OpenClient) -> None:
    gets = 0

    async def lose_every_reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal gets
        await reader.readuntil(b"PING\r\n")
        writer.write(b"+OK\r\n+PONG\r\n")
        await reader.readuntil(b"GET\r\n")
        gets += 1

    link = open_client(f"redis://127.0.0.1:{await start_server(lose_every_reply)}").links[0]

    assert (await failure_of(link.execute(b"GET"))).reason_name == "DB_CONNECTION_FAILED"
    assert gets == 3


async def test_a_write_whose_reply_was_lost_is_not_repeated_and_the_error_says_that_its_fate_is_unknown(
    start_server: StartServer, open_client: OpenClient
) -> None:
    sets = 0

    async def lose_every_reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sets
        await reader.readuntil(b"PING\r\n")
        writer.write(b"+OK\r\n+PONG\r\n")
        await reader.readuntil(b"INCR\r\n")
        sets += 1

    link = open_client(f"redis://127.0.0.1:{await start_server(lose_every_reply)}").links[0]
    error = await failure_of(link.execute(b"INCR", repeatable=False))

    assert sets == 1
    assert error.reason_name == "DB_CONNECTION_FAILED"
    assert error.metadata["outcome"] == "unknown"
    assert "not known" in error.message


async def test_a_write_that_timed_out_says_so_too(proxy: FaultProxy, proxied: RedisClient) -> None:
    link = proxied.links[0]
    await link.execute(b"PING")
    proxy.stall()
    error = await failure_of(link.execute(b"INCR", b"k", repeatable=False))

    assert error.reason_name == "DB_TIMEOUT"
    assert error.metadata["outcome"] == "unknown"


async def test_a_write_that_never_left_is_sent_over_the_next_connection(
    proxy: FaultProxy, proxied: RedisClient, valkey: Redis
) -> None:
    link = proxied.links[0]
    await link.execute(b"PING")
    connection = link.connection
    assert connection is not None
    write = asyncio.create_task(link.execute(b"INCR", b"k", repeatable=False))
    # Queued, not written yet: the connection ends in the same turn of the event loop.
    asyncio.get_running_loop().call_soon(connection.close)

    assert await write == 1
    assert await valkey.get("k") == b"1"
    assert proxy.connections == 2


async def test_a_server_that_is_down_is_not_asked_by_every_call(
    proxy: FaultProxy, proxied: RedisClient
) -> None:
    link = proxied.links[0]
    await proxy.refuse()
    first = await asyncio.gather(*(link.execute(b"PING") for _ in range(20)), return_exceptions=True)
    await proxy.accept()

    # For a moment the failure is the answer; then the server is asked again.
    later = await failure_of(link.execute(b"PING"))

    assert {type(error) for error in first} == {StudioError}
    assert later.reason_name == "DB_CONNECTION_FAILED"
    assert proxy.connections == 0
    async with asyncio.timeout(10):
        while proxy.connections == 0:
            await asyncio.gather(link.execute(b"PING"), return_exceptions=True)
            await asyncio.sleep(0.01)
    assert await link.execute(b"PING") == b"PONG"


async def test_a_wrong_password_is_not_tried_again_and_again(
    start_valkey: StartValkey, open_client: OpenClient
) -> None:
    server = await start_valkey(password="right")
    async with FaultProxy("127.0.0.1", server.plain_port) as proxy:
        link = open_client(f"redis://:wrong@127.0.0.1:{proxy.port}").links[0]

        error = await failure_of(link.execute(b"PING"))

        assert error.reason_name == "DB_INVALID_CREDENTIALS"
        assert proxy.connections == 1


async def test_a_caller_that_goes_away_does_not_end_the_connecting_for_the_others(
    proxy: FaultProxy, proxied: RedisClient
) -> None:
    link = proxied.links[0]
    proxy.stall()
    first, second = (asyncio.create_task(link.execute(b"PING")) for _ in range(2))
    await until(lambda: proxy.connections > 0)
    first.cancel()
    proxy.resume()

    assert await second == b"PONG"
    assert proxy.connections == 1


async def test_a_started_read_survives_the_loss_of_its_connection(
    proxy: FaultProxy, proxied: RedisClient
) -> None:
    link = proxied.links[0]
    await link.execute(b"PING")
    proxy.stall()
    started = link.start(pack(((b"ECHO", b"again"),)), 1)
    await asyncio.sleep(0.01)
    proxy.cut()
    proxy.resume()

    assert await started.replies() == [b"again"]


async def test_after_closing_nothing_is_sent(proxied: RedisClient) -> None:
    link = proxied.links[0]
    await link.execute(b"PING")
    await proxied.aclose()

    assert (await failure_of(link.execute(b"PING"))).reason_name == "DB_CONNECTION_FAILED"


async def test_closing_while_connecting_leaves_nothing_behind(
    proxy: FaultProxy, proxied: RedisClient
) -> None:
    proxy.stall()
    waiting = asyncio.create_task(proxied.links[0].execute(b"PING"))
    await until(lambda: proxy.connections > 0)
    await proxied.aclose()

    with pytest.raises((StudioError, asyncio.CancelledError)):
        await waiting


async def test_ipv6(start_valkey: StartValkey, open_client: OpenClient) -> None:
    server = await start_valkey(settings={"bind": "127.0.0.1 ::1"})
    url = server.url.replace("127.0.0.1", "[::1]")

    assert await open_client(url).links[0].execute(b"PING") == b"PONG"


async def test_the_number_of_the_database_is_selected_on_every_connection(
    proxy: FaultProxy, valkey_url: str, valkey: Redis, open_client: OpenClient
) -> None:
    url = f"{valkey_url.rpartition(':')[0]}:{proxy.port}/5"
    link = open_client(url).links[0]
    await link.execute(b"SET", b"k", b"in five")
    proxy.cut()

    assert await link.execute(b"GET", b"k") == b"in five"
    assert await valkey.exists("k") == 0


async def test_the_connection_is_named_so_that_operators_recognise_it(
    client: RedisClient, valkey: Redis
) -> None:
    await client.links[0].execute(b"PING")

    assert "studio-databases" in {each["name"] for each in await valkey.client_list()}
