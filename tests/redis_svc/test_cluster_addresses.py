"""Nodes that announce themselves at addresses of their own network."""

from __future__ import annotations

from pathlib import Path

from services.redis_svc import values
from services.redis_svc.client import RedisClient
from services.redis_svc.keyspace import Query
from services.redis_svc.slots import key_slot
from tests.redis_svc.conftest import OpenClient
from tests.redis_svc.pages import all_names
from tests.support.failures import failure_of
from tests.support.redis_cluster import RedisCluster, redis_cluster


async def test_announced_addresses_are_mapped_to_reachable_ones(
    tmp_path: Path, open_client: OpenClient
) -> None:
    """As behind NAT: what the nodes announce leads nowhere, in the map of slots as in MOVED and ASK."""
    with redis_cluster(tmp_path / "nodes") as cluster:
        outside = {node.address: f"192.0.2.{number}" for number, node in enumerate(cluster.masters)}
        cluster.announce(outside)
        pairs = [f"{outside[node.address]}:{node.port}={node.address}" for node in cluster.masters]
        url = f"redis+cluster://{cluster.masters[0].address}"
        client = open_client(f"{url}?nat_map={','.join(pairs)}")
        await client.ready()

        await check_nat(cluster, client)


async def test_the_seeds_host_stands_in_for_the_announced_ones(
    tmp_path: Path, open_client: OpenClient
) -> None:
    with redis_cluster(tmp_path / "nodes") as cluster:
        cluster.announce({node.address: f"192.0.2.{number}" for number, node in enumerate(cluster.masters)})
        client = open_client(f"redis+cluster://{cluster.masters[0].address}?use_seed_host=true")
        await client.ready()

        await check_nat(cluster, client)


async def test_nodes_that_do_not_know_their_host_names(tmp_path: Path, open_client: OpenClient) -> None:
    with redis_cluster(
        tmp_path / "nodes", settings={"cluster-preferred-endpoint-type": "unknown-endpoint"}
    ) as cluster:
        client = open_client(f"redis+cluster://localhost:{cluster.masters[0].port}")
        await client.ready()

        await check_nat(cluster, client)


async def check_nat(cluster: RedisCluster, client: RedisClient) -> None:
    expected = cluster.fill(100)
    for name in expected:
        assert (await values.get(client, name)).content == b"v"
    assert set(await all_names(client, Query())) == expected
    name = next(iter(expected))
    source = cluster.owner(name)
    target = next(node for node in cluster.masters if node is not source)
    cluster.move(key_slot(name), source, target)
    assert (await values.get(client, name)).content == b"v"


async def test_an_announced_address_that_leads_nowhere_says_what_to_do(
    tmp_path: Path, open_client: OpenClient, closed_port: int
) -> None:
    with redis_cluster(tmp_path / "nodes") as cluster:
        node = cluster.owner(b"foo")
        seed = next(each for each in cluster.masters if each is not node)
        client = open_client(f"redis+cluster://{seed.address}?nat_map={node.address}=127.0.0.1:{closed_port}")
        await client.ready()

        error = await failure_of(client.link_for(b"foo").execute(b"GET", b"foo"))

        assert (error.reason_name, error.metadata["stage"]) == ("DB_CONNECTION_FAILED", "tcp")
        assert "nat_map" in error.hint


async def test_an_announced_host_name_that_is_unknown_here(tmp_path: Path, open_client: OpenClient) -> None:
    with redis_cluster(tmp_path / "nodes") as cluster:
        pairs = ",".join(f"{node.address}=nowhere.invalid" for node in cluster.masters)
        client = open_client(f"redis+cluster://{cluster.masters[0].address}?nat_map={pairs}")
        await client.ready()

        error = await failure_of(client.link_for(b"foo").execute(b"GET", b"foo"))

        assert (error.reason_name, error.metadata["stage"]) == ("DB_CONNECTION_FAILED", "dns")


async def test_an_announced_address_passes_the_policy_too(tmp_path: Path, open_client: OpenClient) -> None:
    """A node could announce the metadata service of the cloud."""
    with redis_cluster(tmp_path / "nodes") as cluster:
        cluster.announce({node.address: "169.254.169.254" for node in cluster.masters})
        client = open_client(f"redis+cluster://{cluster.masters[0].address}")
        await client.ready()

        error = await failure_of(client.link_for(b"foo").execute(b"GET", b"foo"))

        assert error.reason_name == "DB_ADDRESS_DENIED"
