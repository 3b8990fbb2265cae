"""A Redis Cluster of three shards: every key is reached, and what is no Cluster is named."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from services.redis_svc import info, values
from services.redis_svc.client import RedisClient
from services.redis_svc.errors import to_studio_error
from services.redis_svc.replies import ServerError
from services.redis_svc.slots import key_slot
from services.redis_svc.values import Setting
from services.runtime.errors import StudioError
from tests.redis_svc.conftest import OpenClient
from tests.support.failures import failure_of
from tests.support.redis_cluster import RedisCluster, redis_cluster


@pytest.mark.parametrize(
    "key", [b"", b"k", b"{a}b", b"x{a}b", b"{}a", b"a{}{b}", b"{a", b"a}b{c}", bytes(range(256))]
)
def test_a_key_has_the_slot_that_the_server_computes(cluster: RedisCluster, key: bytes) -> None:
    assert key_slot(key) == cluster.slot(key)


async def test_values_are_set_and_read_on_every_shard(
    cluster: RedisCluster, cluster_client: RedisClient
) -> None:
    names = [b"key:%d" % number for number in range(300)]

    await asyncio.gather(*(values.set_value(cluster_client, name, name, Setting()) for name in names))

    assert {(await values.get(cluster_client, name)).content for name in names} == set(names)
    sizes = []
    for node in cluster.masters:
        with node.client() as other:
            sizes.append(other.dbsize())
    assert sum(sizes) == 300
    assert min(sizes) > 0


async def test_callers_share_one_connection_a_master(cluster: RedisCluster, open_client: OpenClient) -> None:
    client = open_client(cluster.url)
    await client.ready()

    await asyncio.gather(*(client.link_for(b"%d" % n).execute(b"GET", b"%d" % n) for n in range(500)))

    connections = {id(link.connection) for link in client.links}
    assert len(connections) == 3
    assert {client.link_for(b"%d" % n) for n in range(500)} == set(client.links)
    assert sum(link.traffic.writes for link in client.links) < 20


async def test_one_reachable_seed_is_enough(
    cluster: RedisCluster, open_client: OpenClient, closed_port: int
) -> None:
    client = open_client(f"redis+cluster://127.0.0.1:{closed_port},{cluster.masters[2].address}")
    await client.ready()

    assert len(client.links) == 3


async def test_commands_for_many_keys_are_grouped_by_server_and_answered_in_order(
    cluster: RedisCluster, cluster_client: RedisClient
) -> None:
    cluster.put(b"key:7", b"seven")
    names = [b"key:%d" % number for number in range(100)]

    replies = await cluster_client.execute_many([(name, (b"STRLEN", name)) for name in names])

    assert replies == [5 if name == b"key:7" else 0 for name in names]


async def test_a_command_runs_on_every_master(cluster_client: RedisClient) -> None:
    assert await cluster_client.execute_everywhere(b"PING") == [b"PONG"] * 3


async def test_one_command_on_keys_of_different_slots_is_the_callers_mistake(
    cluster_client: RedisClient,
) -> None:
    reply = await cluster_client.link_for(b"a").execute(b"MGET", b"a", b"b")

    assert isinstance(reply, ServerError)
    error = to_studio_error(reply)
    assert error.reason_name == "DB_QUERY_ERROR"
    assert "different slots" in error.message
    assert "{user:1}" in error.hint


async def test_info_comes_from_a_node(cluster_client: RedisClient) -> None:
    sections = await info.get_info(cluster_client, "cluster")

    assert sections["cluster"]["cluster_enabled"] == 1


async def test_a_server_that_is_no_node_is_named_as_such(valkey_url: str, open_client: OpenClient) -> None:
    client = open_client(valkey_url.replace("redis://", "redis+cluster://"))

    error = await failure_of(client.ready())

    assert (error.reason_name, error.metadata["stage"]) == ("DB_PROTOCOL_ERROR", "cluster")
    assert "redis://" in error.hint
    with pytest.raises(StudioError):
        assert client.links


async def test_no_seed_answers(open_client: OpenClient, closed_port: int) -> None:
    client = open_client(f"redis+cluster://127.0.0.1:{closed_port},localhost:{closed_port}")

    error = await failure_of(client.ready())

    assert error.reason_name == "DB_CONNECTION_FAILED"
    assert "No node" in error.message
    # Asked again at once, it is not tried anew for every caller.
    again = await asyncio.gather(*(failure_of(client.ready()) for _ in range(20)))
    assert {each.message for each in again} == {error.message}


async def test_a_node_that_hangs_does_not_keep_the_others_from_answering(
    tmp_path: Path, open_client: OpenClient
) -> None:
    with redis_cluster(tmp_path / "nodes") as cluster:
        cluster.masters[0].suspend()
        try:
            client = open_client(cluster.url)
            async with asyncio.timeout(5):
                await client.ready()
        finally:
            cluster.masters[0].resume()
