"""The embedded MongoDB by itself: its password, what it keeps, how it ends, and the options that tests need."""

from __future__ import annotations

import shutil
import stat
from typing import Any

import psutil
import pytest
from pymongo import AsyncMongoClient, MongoClient
from pymongo.errors import OperationFailure, ServerSelectionTimeoutError

from deploy.local.engines import Secantus
from deploy.local.state import State
from tests.support.mongodb import MongoFactory, MongoServer, MongoUser

Client = AsyncMongoClient[dict[str, Any]]
# For servers that must not let a client in: it would try for half a minute. The blocking client, because the other one
# leaves a socket open when it is closed while it connects.
IMPATIENT: dict[str, Any] = {"serverSelectionTimeoutMS": 500}


@pytest.mark.parametrize("login", ["", "root:wrong@"])
async def test_it_asks_for_the_password(mongodb_server: MongoServer, login: str) -> None:
    async with Client(f"mongodb://{login}{mongodb_server.host}:{mongodb_server.port}/") as client:
        with pytest.raises(OperationFailure):
            await client.shop.things.find_one()


async def test_it_is_a_replica_set_that_clients_find_by_name(mongodb_server: MongoServer) -> None:
    url = mongodb_server.url.replace("directConnection=true", "replicaSet=secantus")
    async with Client(url) as client:
        async with client.start_session() as session, await session.start_transaction():
            await client.shop.things.insert_one({"_id": 1}, session=session)
        assert await client.primary == (mongodb_server.host, mongodb_server.port)
        await client.drop_database("shop")


def test_it_listens_on_loopback_only_and_shows_no_password(
    mongodb_server: MongoServer, engine_state: State
) -> None:
    process = psutil.Process(mongodb_server.pid)
    listening = [each.laddr.ip for each in process.net_connections() if each.status == "LISTEN"]
    assert listening == ["127.0.0.1"]
    assert mongodb_server.password not in " ".join(process.cmdline())
    assert mongodb_server.password not in engine_state.tail("mongodb", 1000)
    assert stat.S_IMODE(mongodb_server.engine.data.stat().st_mode) == 0o700


async def test_it_keeps_what_was_acknowledged_when_it_is_killed(state: State) -> None:
    server = MongoServer(Secantus(state), state)
    server.start()
    async with Client(server.url) as client:
        await client.shop.things.insert_one({"_id": 42})
    server.kill()
    again = MongoServer(Secantus(state), state)
    again.start()
    try:
        assert again.url == server.url
        async with Client(again.url) as client:
            assert await client.shop.things.find_one() == {"_id": 42}
    finally:
        again.stop()


async def test_it_ends_while_clients_are_connected_and_they_find_their_data_when_it_is_back(
    start_mongodb: MongoFactory,
) -> None:
    server = start_mongodb(durable=True)
    process = psutil.Process(server.pid)
    async with Client(server.url) as client:
        await client.shop.things.insert_one({"_id": 42})
        server.stop()
        assert not process.is_running()
        server.start()
        assert await client.shop.things.find_one() == {"_id": 42}


def test_creating_its_superuser_anew_after_an_interruption(state: State) -> None:
    engine = Secantus(state)
    engine.program()
    shutil.move(engine.data, engine.data.with_name("data.new"))
    again = MongoServer(Secantus(state), state)
    again.start()
    again.stop()


async def test_a_server_can_do_without_passwords(start_mongodb: MongoFactory) -> None:
    server = start_mongodb(auth=False)
    async with Client(f"mongodb://{server.host}:{server.port}/") as client:
        assert await client.shop.things.find_one() is None


async def test_a_server_has_the_users_that_a_test_wants(start_mongodb: MongoFactory) -> None:
    reader = MongoUser("re@der", "p@ss:w/ord#?%", ({"role": "read", "db": "shop"},))
    server = start_mongodb(users=(reader,))
    async with Client(server.url_of(reader.name, reader.password)) as client:
        assert await client.shop.things.find_one() is None
        with pytest.raises(OperationFailure, match="not authorized"):
            await client.shop.things.insert_one({"_id": 1})


async def test_a_server_speaks_tls_to_those_who_trust_its_authority(start_mongodb: MongoFactory) -> None:
    server = start_mongodb(tls=True)
    assert server.authority is not None
    trusted = str(server.authority.certificate)
    async with Client(server.url, tlsCAFile=trusted) as client:
        assert await client.shop.things.find_one() is None
    with (
        MongoClient[dict[str, Any]](server.url, **IMPATIENT) as refused,
        pytest.raises(ServerSelectionTimeoutError, match="CERTIFICATE_VERIFY_FAILED"),
    ):
        refused.shop.things.find_one()


async def test_a_server_can_demand_a_certificate(start_mongodb: MongoFactory) -> None:
    server = start_mongodb(tls=True, tls_ask_clients=True)
    assert server.authority is not None
    trusted = str(server.authority.certificate)
    own = server.authority.issue(name="client")
    both = own.certificate.with_name("both.pem")
    both.write_bytes(own.certificate.read_bytes() + own.key.read_bytes())
    async with Client(server.url, tlsCAFile=trusted, tlsCertificateKeyFile=str(both)) as client:
        assert await client.shop.things.find_one() is None
    with (
        MongoClient[dict[str, Any]](server.url, tlsCAFile=trusted, **IMPATIENT) as refused,
        pytest.raises(ServerSelectionTimeoutError),
    ):
        refused.shop.things.find_one()


def test_an_expired_certificate_is_refused(start_mongodb: MongoFactory) -> None:
    server = start_mongodb(tls=True, tls_expired=True)
    assert server.authority is not None
    trusted = str(server.authority.certificate)
    with (
        MongoClient[dict[str, Any]](server.url, tlsCAFile=trusted, **IMPATIENT) as refused,
        pytest.raises(ServerSelectionTimeoutError, match="expired"),
    ):
        refused.shop.things.find_one()


@pytest.mark.parametrize("_", [1, 2])
async def test_each_test_has_a_database_of_its_own(mongodb: Client, mongodb_database: str, _: int) -> None:
    assert await mongodb[mongodb_database].list_collection_names() == []
    await mongodb[mongodb_database].things.insert_one({"_id": 1})
