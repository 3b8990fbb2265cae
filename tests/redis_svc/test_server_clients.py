"""Clients of a server: listed whatever a line looks like, closed but for the one we use ourselves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from services.redis_svc.client import RedisClient
from services.redis_svc.server import clients
from services.redis_svc.server.clients import kill_client, list_clients, parse_clients
from services.runtime.errors import StudioError
from tests.redis_svc.conftest import OpenClient
from tests.support.engines import ValkeyServer

StartValkey = Callable[..., Awaitable[ValkeyServer]]
Engine = tuple[RedisClient, Redis]


async def test_clients_with_ours_marked(any_engine: Engine) -> None:
    client, redis = any_engine
    async with redis.client() as named:
        await named.client_setname("worker-7")
        await named.select(3)

        listing = await list_clients(client)

        worker = next(each for each in listing.clients if each.name == "worker-7")
        assert worker.id == await named.client_id()
        assert (worker.database, worker.user, worker.ours, worker.command) == (3, "default", False, "select")
        assert worker.memory > 0
        assert worker.address.startswith("127.0.0.1:")
    ours = [each for each in listing.clients if each.ours]
    assert await client.links[0].execute(b"CLIENT", b"ID") in [each.id for each in ours]
    assert listing.total == len(listing.clients)


@pytest.mark.parametrize("type_", ["normal", "master", "replica", "pubsub"])
async def test_clients_of_one_type(any_engine: Engine, type_: str) -> None:
    client, redis = any_engine
    async with redis.pubsub() as subscriber:
        await subscriber.subscribe("news")

        listing = await list_clients(client, type_)

        expected = {"normal": 1, "pubsub": 1}
        assert len(listing.clients) >= expected.get(type_, 0)
        if type_ in {"master", "replica"}:
            assert listing == clients.Listing([], 0)
        if type_ == "pubsub":
            assert "P" in listing.clients[0].flags


async def test_a_replica_is_a_client(start_valkey: StartValkey, open_client: OpenClient) -> None:
    primary = await start_valkey()
    replica = await start_valkey(replica_of=primary)
    async with Redis.from_url(replica.url) as redis:
        while (await redis.info("replication"))["master_link_status"] != "up":
            pass

    listing = await list_clients(open_client(primary.url), "replica")

    assert [each.flags for each in listing.clients] == ["S"]


async def test_an_answer_is_bounded_to_the_busiest(
    any_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, redis = any_engine
    monkeypatch.setattr(clients, "MAX_CLIENTS", 2)
    async with redis.client() as first, redis.client() as second, redis.client() as third:
        for each in (first, second, third):
            await each.ping()

        listing = await list_clients(client)

    assert listing.total >= 4
    assert len(listing.clients) == 2
    assert listing.clients[0].memory >= listing.clients[1].memory


def test_a_line_is_read_whatever_is_in_it() -> None:
    lines = b"""id=7 addr=1.2.3.4:5 name= age=x db=0 flags=N future=yes cmd=config|get tot-mem=9
id=abc addr=1.2.3.4:5

nonsense
id=8 name=\xff\xfe addr=/tmp/redis.sock:0 lib-name=jedis lib-ver=5.1 idle=12
id=9 name=a=b=c
"""
    found = list(parse_clients(lines))

    assert [each.id for each in found] == [7, 8, 9]
    assert (found[0].command, found[0].age_s, found[0].memory) == ("config get", 0, 9)
    assert (found[1].library, found[1].idle_s, found[1].memory) == ("jedis 5.1", 12, -1)
    assert found[2].name == "a=b=c"
    assert list(parse_clients(None)) == []


async def test_a_client_is_closed(any_engine: Engine) -> None:
    client, redis = any_engine
    async with redis.client() as other:
        client_id = await other.client_id()

        assert await kill_client(client, client_id)
        assert not await kill_client(client, client_id)
        assert other.connection is not None
        await other.connection.send_command("PING")
        with pytest.raises(RedisConnectionError):
            await other.connection.read_response()


async def test_our_own_connection_is_not_closed(any_engine: Engine) -> None:
    client, _ = any_engine
    ours = await client.links[0].execute(b"CLIENT", b"ID")
    assert isinstance(ours, int)

    with pytest.raises(StudioError) as refused:
        await kill_client(client, ours)

    assert refused.value.reason_name == "COMMAND_REFUSED"
    assert await client.links[0].execute(b"CLIENT", b"ID") == ours


async def test_nor_where_the_user_may_not_ask_for_its_id(
    start_valkey: StartValkey, open_client: OpenClient
) -> None:
    server = await start_valkey(users=("half on >pw ~* &* +@all -client|id",))
    client = open_client(server.url_of("half", "pw"))
    (ours,) = [each.id for each in (await list_clients(client)).clients if each.user == "half"]

    assert not await kill_client(client, ours)

    assert [each.id for each in (await list_clients(client)).clients if each.user == "half"] == [ours]


async def test_a_node_that_there_is_not(client: RedisClient) -> None:
    with pytest.raises(StudioError) as refused:
        await kill_client(client, 1, "127.0.0.1:1")

    assert refused.value.reason_name == "INVALID_ARGUMENT"


async def test_an_id_that_nobody_has(any_engine: Engine) -> None:
    client, _ = any_engine

    assert not await kill_client(client, 2**53)


@pytest.mark.parametrize("client_id", [0, 2**63, 10**31])
async def test_an_id_that_is_none(any_engine: Engine, client_id: int) -> None:
    client, _ = any_engine
    with pytest.raises(StudioError) as refused:
        await kill_client(client, client_id)

    assert refused.value.reason_name == "INVALID_ARGUMENT"
