"""The master that Sentinels know: found, checked, and followed through a failover."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from services.redis_svc import values
from services.redis_svc.client import RedisClient
from services.redis_svc.diagnose import diagnose
from services.redis_svc.limits import DEFAULTS
from services.redis_svc.replies import Reply
from services.redis_svc.values import Setting
from services.runtime.addresses import AddressPolicy
from services.runtime.diagnosis import Diagnosis
from tests.redis_svc.conftest import OpenClient
from tests.redis_svc.load import Load, eventually
from tests.support.odd_servers import StartServer
from tests.support.redis_sentinel import NAME, SentinelSet, redis_sentinel


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SentinelSet]:
    """One master, one replica, three Sentinels, each side with a password of its own. Tests leave it as it is."""
    folder = tmp_path_factory.mktemp("sentinel") / "servers"
    with redis_sentinel(folder, replicas=1, password="secret", sentinel_password="watch") as running:
        yield running


async def look(url: str, config: dict[str, object] | None = None) -> Diagnosis:
    limits = dataclasses.replace(DEFAULTS, ask_timeout_s=0.5)
    return await diagnose(url, config or {}, policy=AddressPolicy(), limits=limits)


async def port_of(client: RedisClient) -> int:
    reply: Reply = await client.links[0].execute(b"CONFIG", b"GET", b"port")
    assert isinstance(reply, list)
    assert isinstance(reply[1], bytes)
    return int(reply[1])


async def test_the_master_is_found_and_written_to(servers: SentinelSet, open_client: OpenClient) -> None:
    client = open_client(servers.url)

    await values.set_value(client, b"k", b"v", Setting())

    assert (await values.get(client, b"k")).content == b"v"
    assert await port_of(client) == servers.first.port
    assert len(client.links) == 1


async def test_one_sentinel_that_answers_is_enough(
    servers: SentinelSet, open_client: OpenClient, closed_port: int
) -> None:
    hosts = f"127.0.0.1:{closed_port},{servers.sentinels[2].address}"
    client = open_client(f"redis+sentinel://:secret@{hosts}/{NAME}?sentinel_password=watch")

    assert await port_of(client) == servers.first.port


async def test_a_sentinel_that_hangs_costs_a_moment(
    servers: SentinelSet, open_client: OpenClient, start_server: StartServer
) -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        del writer
        await reader.read()
        await asyncio.sleep(60)

    hosts = f"127.0.0.1:{await start_server(hang)},{servers.sentinels[0].address}"
    client = open_client(f"redis+sentinel://:secret@{hosts}/{NAME}?sentinel_password=watch")

    async with asyncio.timeout(5):
        assert await port_of(client) == servers.first.port


async def test_a_test_of_the_connection(servers: SentinelSet) -> None:
    found = await look(servers.url)

    assert found.success
    assert found.message.startswith("Valkey ")


async def test_a_test_says_that_no_sentinel_can_be_reached(closed_port: int) -> None:
    found = await look(f"redis+sentinel://127.0.0.1:{closed_port},localhost:{closed_port}/{NAME}")

    assert (found.stage, found.error_code) == ("sentinel", "DB_CONNECTION_FAILED")
    assert "None of the 2 Sentinels" in found.message
    assert found.hint


async def test_a_test_says_which_masters_there_are(servers: SentinelSet) -> None:
    found = await look(servers.url.replace(f"/{NAME}/", "/other/"))

    assert (found.stage, found.error_code) == ("sentinel", "DB_QUERY_ERROR")
    assert "other" in found.message
    assert NAME in found.hint


async def test_a_test_says_whose_password_is_wrong(servers: SentinelSet) -> None:
    of_sentinel = await look(servers.url.replace("=watch", "=wrong"))
    of_server = await look(servers.url.replace(":secret@", ":wrong@"))

    assert (of_sentinel.stage, of_sentinel.error_code) == ("sentinel", "DB_INVALID_CREDENTIALS")
    assert "sentinel_password" in of_sentinel.hint
    assert (of_server.stage, of_server.error_code) == ("authentication", "DB_INVALID_CREDENTIALS")
    assert "wrong" not in of_sentinel.message + of_server.message


async def test_a_test_says_that_a_server_is_no_sentinel(servers: SentinelSet, valkey_url: str) -> None:
    del servers
    server = urlsplit(valkey_url)
    address = f"{server.hostname}:{server.port}"
    found = await look(f"redis+sentinel://{address}/{NAME}?sentinel_password={server.password}")

    assert (found.stage, found.error_code) == ("sentinel", "DB_PROTOCOL_ERROR")
    assert "is no Sentinel" in found.message


async def test_a_test_says_that_the_master_is_down(servers: SentinelSet, closed_port: int) -> None:
    found = await look(servers.url, {"nat_map": {servers.first.address: f"127.0.0.1:{closed_port}"}})

    assert (found.stage, found.error_code) == ("master", "DB_CONNECTION_FAILED")
    assert NAME in found.message
    assert "failover" in found.hint


async def test_what_the_sentinels_announce_passes_the_policy_too(servers: SentinelSet) -> None:
    found = await look(servers.url, {"nat_map": {servers.first.address: "169.254.169.254:6379"}})

    assert (found.stage, found.error_code) == ("address", "DB_ADDRESS_DENIED")


async def test_a_replica_that_is_named_as_master_is_not_believed(servers: SentinelSet) -> None:
    found = await look(servers.url, {"nat_map": {servers.first.address: servers.replicas[0].address}})

    assert (found.stage, found.error_code) == ("master", "DB_UNAVAILABLE")
    assert "replica" in found.message


async def test_a_write_that_a_former_master_refuses_goes_to_the_new_one(
    tmp_path: Path, open_client: OpenClient
) -> None:
    """Demoted without a word: its connections stay, and its READONLY is the first that we hear of it."""
    with redis_sentinel(tmp_path / "servers", replicas=1) as servers:
        client = open_client(servers.url)
        await values.set_value(client, b"k", b"1", Setting())
        with servers.first.client() as former:
            former.execute_command("CONFIG SET", "replica-read-only", "yes")

        # Sentinel closes the connections of clients when it demotes a server. Here that is left out.
        with servers.first.client() as former, servers.replicas[0].client() as successor:
            for sentinel in servers.sentinels[1:]:
                sentinel.kill()
            with servers.sentinels[0].client() as sentinel_client:
                sentinel_client.execute_command("SENTINEL REMOVE", NAME)
                successor.execute_command("REPLICAOF", "NO", "ONE")
                former.execute_command("REPLICAOF", "127.0.0.1", servers.replicas[0].port)
                sentinel_client.execute_command(
                    "SENTINEL MONITOR", NAME, "127.0.0.1", servers.replicas[0].port, 1
                )

        await values.set_value(client, b"k", b"2", Setting())

        assert (await values.get(client, b"k")).content == b"2"
        assert await port_of(client) == servers.replicas[0].port


async def test_a_failover_in_the_middle_of_load(tmp_path: Path, open_client: OpenClient) -> None:
    """No write that was acknowledged is lost, and nobody gets an error that is not a passing one."""
    with redis_sentinel(tmp_path / "servers", replicas=2) as servers:
        client = open_client(servers.url)
        async with Load(client) as load:
            await load.further(300)
            await asyncio.to_thread(servers.lose_master)
            await load.further(300)

        await load.check()
        assert await port_of(client) == (await asyncio.to_thread(servers.master)).port != servers.first.port


async def test_a_master_that_hangs_is_left_for_its_successor(tmp_path: Path, open_client: OpenClient) -> None:
    with redis_sentinel(tmp_path / "servers", replicas=1) as servers:
        client = open_client(servers.url, command_timeout_s=1.0)
        await values.set_value(client, b"k", b"v", Setting())
        servers.first.suspend()
        try:
            await eventually(lambda: values.set_value(client, b"k", b"w", Setting()))
            assert await port_of(client) == servers.replicas[0].port
        finally:
            servers.first.resume()
