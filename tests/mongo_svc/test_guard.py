"""Every socket of the driver goes to an address that was checked: of seeds, of SRV records, of announced members."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest
from pymongo.asynchronous.pool import Pool

from services.mongo_svc import guard
from services.mongo_svc.guard import Guard
from services.mongo_svc.limits import DEFAULTS
from services.runtime.addresses import AddressPolicy
from services.runtime.errors import StudioError, reason_name
from tests.mongo_svc.conftest import OpenClient
from tests.support.mongodb import MongoServer
from tests.support.odd_servers import StartServer
from tests.support.srv import Records, serve_dns

Dialled = list[str]


@pytest.fixture
async def dialled(monkeypatch: pytest.MonkeyPatch) -> Dialled:
    """The addresses that the event loop connects to."""
    loop = asyncio.get_running_loop()
    addresses: Dialled = []
    connect = loop.sock_connect

    async def recording(sock: socket.socket, address: Any) -> None:  # noqa: ANN401  as sockets have it
        addresses.append(address[0] if isinstance(address, tuple) else address)
        await connect(sock, address)

    monkeypatch.setattr(loop, "sock_connect", recording)
    return addresses


def names(monkeypatch: pytest.MonkeyPatch, found: dict[str, list[str]]) -> list[str]:
    """Has names mean addresses; returns the names that are looked up."""
    loop = asyncio.get_running_loop()
    asked: list[str] = []
    real = loop.getaddrinfo

    async def getaddrinfo(host: str, port: int, **options: Any) -> list[Any]:  # noqa: ANN401  as the loop's
        asked.append(host)
        if host not in found:
            return list(await real(host, port, **options))
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port)) for ip in found[host]]

    monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo)
    return asked


async def forwarder(start_server: StartServer, port: int, host: str) -> int:
    """Listens at another loopback address, and passes on to the port of 127.0.0.1."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Not by the event loop: what that dials is looked at.
        sock = await asyncio.to_thread(socket.create_connection, ("127.0.0.1", port))
        other_reader, other_writer = await asyncio.open_connection(sock=sock)

        async def copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
            while data := await source.read(1 << 16):
                target.write(data)
            target.close()

        try:
            await asyncio.gather(copy(reader, other_writer), copy(other_reader, writer))
        finally:
            other_writer.transport.abort()

    return await start_server(serve, host)


async def test_the_driver_of_this_version_is_guarded() -> None:
    await guard.prove()


async def test_a_driver_that_connects_in_another_way_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def elsewhere(self: Pool, handler: object = None) -> None:
        del self, handler
        raise ConnectionRefusedError

    monkeypatch.setattr(Pool, "connect", elsewhere)

    with pytest.raises(RuntimeError, match="past the guard"):
        await guard.prove()


async def test_a_connection_that_nobody_waits_for_any_more_is_closed(
    start_server: StartServer, open_client: OpenClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The driver forgets one where it is cancelled between opening it and greeting the server: it waits for a lock."""
    opened, ended = asyncio.Event(), asyncio.Event()
    opens = guard._driver_opens  # noqa: SLF001  what is replaced below

    async def opens_when_others_use_the_pool(*args: Any) -> Any:  # noqa: ANN401  the driver's own
        made = await opens(*args)
        await pool.lock.acquire()
        opened.set()
        return made

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        del writer
        try:
            await reader.read()
        finally:
            ended.set()

    monkeypatch.setattr(guard, "_driver_opens", opens_when_others_use_the_pool)
    port = await start_server(serve)
    client = open_client(f"mongodb://127.0.0.1:{port}")
    pool = guard.pool_class(client.guard, DEFAULTS)(("127.0.0.1", port), client.driver.options.pool_options)
    connecting = asyncio.create_task(pool.connect())
    await asyncio.wait_for(opened.wait(), 10)
    connecting.cancel()
    await asyncio.wait({connecting})
    assert connecting.cancelled()
    await asyncio.wait_for(ended.wait(), 10)


async def test_a_member_that_a_server_announces_is_refused_where_its_address_is(
    mongodb_server: MongoServer, start_server: StartServer, open_client: OpenClient, dialled: Dialled
) -> None:
    """The server is reached at 127.0.0.2, and announces itself at 127.0.0.1."""
    port = await forwarder(start_server, mongodb_server.port, "127.0.0.2")
    url = mongodb_server.url.replace(f"127.0.0.1:{mongodb_server.port}", f"127.0.0.2:{port}")
    policy = AddressPolicy(deny=["127.0.0.1/32"])
    discovering = url.replace("directConnection=true", "replicaSet=secantus")

    with pytest.raises(StudioError, match=r"127\.0\.0\.1") as refused:
        await open_client(discovering, policy=policy).command("admin", {"ping": 1})
    assert reason_name(refused.value.reason) == "DB_ADDRESS_DENIED"
    assert refused.value.metadata["stage"] == "topology"
    assert "directConnection=true" in refused.value.hint
    assert set(dialled) == {"127.0.0.2"}

    assert (await open_client(url, policy=policy).command("admin", {"ping": 1}))["ok"] == 1


async def test_the_address_that_was_checked_is_dialled_whatever_the_name_means_next(
    mongodb_server: MongoServer, open_client: OpenClient, dialled: Dialled, monkeypatch: pytest.MonkeyPatch
) -> None:
    meaning = {"db.test": ["127.0.0.1"]}
    asked = names(monkeypatch, meaning)
    client = open_client(mongodb_server.url.replace("127.0.0.1", "db.test"))
    await client.command("admin", {"ping": 1})
    looked_up = len(asked)

    meaning["db.test"] = ["169.254.169.254"]
    await client.command("admin", {"ping": 1})
    with pytest.raises(StudioError, match=r"169\.254\.169\.254"):
        await open_client(mongodb_server.url.replace("127.0.0.1", "db.test")).command("admin", {"ping": 1})

    assert asked[:looked_up] == ["db.test"] * looked_up
    assert set(dialled) == {"127.0.0.1"}
    assert len(dialled) == looked_up, "each connection looked its name up once"


async def test_a_dead_address_of_a_name_does_not_eat_the_time_there_is(
    mongodb_server: MongoServer, open_client: OpenClient, dialled: Dialled, monkeypatch: pytest.MonkeyPatch
) -> None:
    names(monkeypatch, {"db.test": ["127.0.0.3", "127.0.0.1"]})
    with socket.socket() as deaf, socket.socket() as filler:
        deaf.bind(("127.0.0.3", mongodb_server.port))
        deaf.listen(0)
        filler.connect(deaf.getsockname())  # its backlog is full now: further packets are dropped

        client = open_client(mongodb_server.url.replace("127.0.0.1", "db.test"), connect_timeout_s=3)
        assert (await client.command("admin", {"ping": 1}))["ok"] == 1

    assert {"127.0.0.3", "127.0.0.1"} == set(dialled)


async def test_a_name_with_one_forbidden_address_is_refused(
    open_client: OpenClient, dialled: Dialled, monkeypatch: pytest.MonkeyPatch
) -> None:
    names(monkeypatch, {"db.test": ["127.0.0.1", "169.254.169.254"]})

    with pytest.raises(StudioError, match="network") as refused:
        await open_client("mongodb://db.test:27017").command("admin", {"ping": 1})

    assert reason_name(refused.value.reason) == "DB_ADDRESS_DENIED"
    assert dialled == []


async def test_unix_sockets_need_the_operator(open_client: OpenClient, dialled: Dialled) -> None:
    """Announced by a server they look the same: the driver takes any host that ends in .sock for one."""
    with pytest.raises(StudioError, match="Unix sockets") as refused:
        await open_client("mongodb://%2Ftmp%2Fmongodb-27017.sock").command("admin", {"ping": 1})

    assert refused.value.metadata["stage"] == "address"
    assert dialled == []
    allowing = Guard(AddressPolicy(), allow_unix=True)
    with pytest.raises(OSError, match="can't be connected"):
        await allowing.connect("/nonexistent/mongodb-27017.sock", None)


async def test_servers_that_srv_records_name_are_guarded_too(
    mongodb_server: MongoServer, open_client: OpenClient, dialled: Dialled, monkeypatch: pytest.MonkeyPatch
) -> None:
    names(monkeypatch, {"a.shop.test": ["127.0.0.1"], "b.shop.test": ["169.254.169.254"]})
    login = mongodb_server.url.partition("://")[2].partition("@")[0]
    options = "tls=false&directConnection=false&readPreference=nearest"
    async with serve_dns(monkeypatch) as records:
        good = Records(srv=[("a.shop.test", mongodb_server.port)], txt="authSource=admin")
        records["cluster.shop.test"] = good
        records["metadata.shop.test"] = Records(srv=[("b.shop.test", 27017)])

        client = open_client(f"mongodb+srv://{login}@cluster.shop.test/?{options}")
        assert (await client.command("admin", {"ping": 1}))["ok"] == 1
        with pytest.raises(StudioError) as refused:
            await open_client(f"mongodb+srv://{login}@metadata.shop.test/?{options}").command(
                "admin", {"ping": 1}
            )

    assert reason_name(refused.value.reason) == "DB_ADDRESS_DENIED"
    assert set(dialled) == {"127.0.0.1"}
