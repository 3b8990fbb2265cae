"""The server's figures on a Cluster of three shards: summed over the masters, or told apart by node."""

from __future__ import annotations

import pytest
from redis.asyncio import Redis

from services.redis_svc.client import RedisClient
from services.redis_svc.server.advice import advise
from services.redis_svc.server.analysis import Question, analyze
from services.redis_svc.server.clients import kill_client, list_clients
from services.redis_svc.server.latency import get_latency
from services.redis_svc.server.nodes import nodes_of
from services.redis_svc.server.overview import get_overview
from services.redis_svc.server.rules import RULES
from services.redis_svc.server.slow_log import configure, list_slow_log
from services.runtime.errors import StudioError
from services.runtime.rates import Rates
from tests.support.redis_cluster import RedisCluster


async def names(client: RedisClient) -> list[str]:
    return [node.name for node in await nodes_of(client)]


async def test_an_overview_sums_the_masters(cluster: RedisCluster, cluster_client: RedisClient) -> None:
    cluster.fill(300)

    overview = await get_overview(cluster_client, Rates(), "id")

    assert (overview.nodes, overview.mode) == (3, "cluster")
    assert overview.numbers["keys"] == 300
    assert overview.numbers["connected_clients"] >= 3


async def test_an_analysis_goes_through_every_shard(
    cluster: RedisCluster, cluster_client: RedisClient
) -> None:
    cluster.fill(1000)

    reports = [tally async for tally in analyze(cluster_client, Question())]

    assert (reports[-1].analyzed, reports[-1].total, reports[-1].done) == (1000, 1000, True)
    limited = [tally async for tally in analyze(cluster_client, Question(max_keys=700))]
    assert (limited[-1].analyzed, limited[-1].truncated) == (700, True)


async def test_a_client_is_closed_on_its_node(cluster: RedisCluster, cluster_client: RedisClient) -> None:
    del cluster
    node = (await names(cluster_client))[1]
    async with Redis.from_url(f"redis://{node}", single_connection_client=True) as other:
        await other.client_setname("worker")
        client_id = await other.client_id()

        listing = await list_clients(cluster_client)
        (worker,) = [each for each in listing.clients if each.name == "worker"]
        assert (worker.id, worker.node) == (client_id, node)
        assert {each.node for each in listing.clients} == set(await names(cluster_client))

        with pytest.raises(StudioError) as refused:
            await kill_client(cluster_client, client_id)
        assert refused.value.violations[0].field == "node"
        assert await kill_client(cluster_client, client_id, node)


async def test_the_slow_log_of_every_node(cluster: RedisCluster, cluster_client: RedisClient) -> None:
    del cluster
    before = await list_slow_log(cluster_client)
    try:
        await configure(cluster_client, threshold_us=0, reset=True)
        await cluster_client.execute_everywhere(b"PING")
        log = await list_slow_log(cluster_client, 1000)

        assert log.threshold_us == 0
        assert {each.node for each in log.commands} == set(await names(cluster_client))
        times = [each.at_unix_ms for each in log.commands]
        assert times == sorted(times, reverse=True)
        assert len((await list_slow_log(cluster_client, 2)).commands) == 2
    finally:
        await configure(cluster_client, threshold_us=int(before.threshold_us), reset=True)


async def test_latencies_and_advice_of_all_nodes(cluster: RedisCluster, cluster_client: RedisClient) -> None:
    del cluster
    latency = await get_latency(cluster_client)
    advice = await advise(cluster_client, RULES)

    assert latency.round_trip_ms > 0
    assert next(each for each in latency.commands if each.name == "ping").calls >= 3
    limit = next(each for each in advice.recommendations if each.rule.id == "maxmemory-unset")
    assert sorted(limit.nodes) == sorted(await names(cluster_client))
