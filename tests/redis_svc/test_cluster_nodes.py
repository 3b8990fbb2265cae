"""Nodes of a Redis Cluster that fail, hang and come back."""

from __future__ import annotations

import asyncio
from pathlib import Path

from services.redis_svc import values
from services.redis_svc.keyspace import Query
from services.redis_svc.redirects import NodeLink
from services.redis_svc.slots import key_slot
from services.redis_svc.values import Setting
from tests.redis_svc.conftest import OpenClient
from tests.redis_svc.load import PASSING, Load, eventually
from tests.redis_svc.pages import all_names, page_names
from tests.support.failures import failure_of
from tests.support.redis_cluster import redis_cluster


async def test_a_failover_in_the_middle_of_load(tmp_path: Path, open_client: OpenClient) -> None:
    """No write that was acknowledged is lost, and nobody gets an error that is not a passing one."""
    with redis_cluster(tmp_path / "nodes", replicas=3) as cluster:
        client = open_client(cluster.url)
        await client.ready()
        async with Load(client) as load:
            await load.further(200)
            await asyncio.to_thread(cluster.fail_over, cluster.replicas[0])
            await load.further(200)

        await load.check()


async def test_a_master_that_is_killed_and_replaced(tmp_path: Path, open_client: OpenClient) -> None:
    with redis_cluster(tmp_path / "nodes", replicas=3) as cluster:
        client = open_client(cluster.url)
        await client.ready()
        async with Load(client) as load:
            await load.further(200)
            await asyncio.to_thread(cluster.lose, cluster.masters[0], cluster.replicas[0])
            await load.further(200)

        await load.check()
        assert await eventually(lambda: client.execute_everywhere(b"PING")) == [b"PONG"] * 3
        assert cluster.replicas[0].port in {
            link.where[1] for link in client.links if isinstance(link, NodeLink)
        }


async def test_a_listing_goes_on_when_the_master_of_its_shard_is_replaced(
    tmp_path: Path, open_client: OpenClient
) -> None:
    """SCAN's cursor means nothing to the new master: that shard begins anew, and no key is left out."""
    with redis_cluster(tmp_path / "nodes", replicas=3) as cluster:
        expected = cluster.fill(2000)
        client = open_client(cluster.url)
        await client.ready()
        names, cursor, _ = await page_names(client, Query(count=100))

        await asyncio.to_thread(cluster.fail_over, cluster.replicas[0])

        names += await all_names(client, Query(cursor=cursor, count=100))
        assert set(names) == expected


async def test_a_shard_that_is_down_is_a_passing_failure_and_the_others_go_on(
    tmp_path: Path, open_client: OpenClient
) -> None:
    with redis_cluster(tmp_path / "nodes") as cluster:
        client = open_client(cluster.url)
        await client.ready()
        keys = {cluster.owner(b"%d" % n).port: b"%d" % n for n in range(30)}
        lost = cluster.masters[1]
        lost.kill()

        for port, key in keys.items():
            if port == lost.port:
                error = await failure_of(values.get(client, key))
                assert error.reason_name in PASSING
            else:
                await client.link_for(key).execute(b"GET", key)

        lost.start()
        await eventually(lambda: values.set_value(client, keys[lost.port], b"v", Setting()))


async def test_a_slot_that_nobody_serves_is_named(tmp_path: Path, open_client: OpenClient) -> None:
    with redis_cluster(tmp_path / "nodes") as cluster:
        slot = key_slot(b"foo")
        cluster.owner(b"foo").cluster("DELSLOTS", slot)
        client = open_client(f"redis+cluster://{cluster.masters[2].address}")
        await client.ready()

        error = await failure_of(client.link_for(b"foo").execute(b"GET", b"foo"))

        assert error.reason_name == "DB_UNAVAILABLE"
        assert str(slot) in error.message
        assert await all_names(client, Query()) == []
