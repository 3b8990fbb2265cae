"""One listing over every shard of a Redis Cluster: each key once, whatever moves meanwhile."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest

from services.redis_svc.client import RedisClient
from services.redis_svc.keyspace import Query
from services.redis_svc.slots import key_slot
from services.runtime.errors import StudioError
from tests.redis_svc.conftest import OpenClient
from tests.redis_svc.pages import all_names, page_names
from tests.support.failures import failure_of
from tests.support.fault_proxy import FaultProxy
from tests.support.redis_cluster import RedisCluster


async def test_a_listing_returns_every_key_of_every_shard_once(
    cluster: RedisCluster, cluster_client: RedisClient
) -> None:
    expected = cluster.fill(3000)

    for count in (10, 700, 10_000):
        names = await all_names(cluster_client, Query(count=count))
        assert len(names) == len(set(names)), count
        assert set(names) == expected


async def test_a_listing_counts_all_shards_and_fills_its_pages_from_several(
    cluster: RedisCluster, cluster_client: RedisClient
) -> None:
    cluster.fill(60)

    names, cursor, total = await page_names(cluster_client, Query(count=10_000))

    assert (len(names), cursor, total) == (60, "", 60)


async def test_a_pattern_and_a_type_hold_on_every_shard(
    cluster: RedisCluster, cluster_client: RedisClient
) -> None:
    cluster.fill(200, "a")
    expected = cluster.fill(200, "b")

    assert set(await all_names(cluster_client, Query(pattern=b"b:*", type="string", count=50))) == expected


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "17",
        "~~~",
        "~0~0~AAAA",
        "a~99999999999999999999~1~eJw",
        "127.0.0.1:1~5~1~eJxjAAAAAQAB",
        "é~0~0~x",
    ],
)
async def test_a_cursor_that_is_none_is_refused(cluster_client: RedisClient, cursor: str) -> None:
    error = await failure_of(page_names(cluster_client, Query(cursor=cursor)))

    assert error.reason_name == "INVALID_CURSOR"


async def test_a_cursor_of_a_cluster_is_none_of_a_server(
    cluster: RedisCluster, cluster_client: RedisClient, valkey_url: str, open_client: OpenClient
) -> None:
    cluster.fill(500)
    _, cursor, _ = await page_names(cluster_client, Query(count=10))

    error = await failure_of(page_names(open_client(valkey_url), Query(cursor=cursor)))

    assert error.reason_name == "INVALID_CURSOR"
    assert len(cursor) < 300


async def test_a_cursor_can_not_send_our_password_to_a_host_of_the_callers_choice(
    cluster: RedisCluster, cluster_client: RedisClient
) -> None:
    """It names a node; only nodes that the Cluster itself has named are connected to."""
    expected = cluster.fill(500)
    async with FaultProxy("127.0.0.1", cluster.masters[0].port) as elsewhere:
        _, cursor, _ = await page_names(cluster_client, Query(count=10))
        forged = f"127.0.0.1:{elsewhere.port}~{cursor.partition('~')[2]}"
        names = await all_names(cluster_client, Query(cursor=forged, count=1000))

        assert elsewhere.connections == 0
    assert set(names) == expected


async def test_slots_that_move_while_a_listing_goes_on_hide_no_key(
    cluster: RedisCluster, cluster_client: RedisClient
) -> None:
    """From a shard that is still to be listed to one that has been, and back: the listing ends, and has them all."""
    expected = cluster.fill(2000)
    first, _, last = cluster.masters
    slots = sorted({key_slot(name) for name in expected})
    late = [slot for slot in slots if slot > 12_000][:20]
    names: list[bytes] = []
    query = Query(count=100)
    try:
        for page in range(1000):
            found, cursor, _ = await page_names(cluster_client, query)
            names += found
            if not cursor:
                break
            if page < len(late):
                await asyncio.to_thread(cluster.move, late[page], last, first)
            query = dataclasses.replace(query, cursor=cursor)
        else:
            raise AssertionError("the listing does not end")
        assert set(names) == expected
    finally:
        for slot in late:
            if slot in {each for a, b in cluster.ranges(first) for each in range(a, b + 1)}:
                cluster.move(slot, first, last)


@pytest.mark.parametrize("to_spare", [False, True], ids=["to a listed node", "to a node without slots"])
async def test_a_slot_that_stays_open_hides_no_key_and_ends_no_listing_early(
    cluster: RedisCluster,
    cluster_client: RedisClient,
    to_spare: bool,  # noqa: FBT001  a column of the table
) -> None:
    """Half of its keys have moved when the listing begins; they are at a node that does not serve the slot yet."""
    for number in range(100):
        cluster.put(b"{tag}%d" % number, b"v")
    expected = cluster.fill(500) | {b"{tag}%d" % number for number in range(100)}
    slot = key_slot(b"{tag}")
    source = cluster.owner(b"{tag}")
    target = cluster.spare[0] if to_spare else cluster.masters[0]
    assert source is not target
    cluster.open_slot(slot, source, target)
    try:
        assert cluster.move_keys(slot, source, target, most=50) == 50

        for count in (50, 10_000):
            names = await all_names(cluster_client, Query(count=count))
            assert set(names) == expected
            assert len(names) == len(expected)
    finally:
        while cluster.move_keys(slot, source, target):
            pass
        cluster.close_slot(slot, source, target)
        cluster.move(slot, target, source)


async def test_slots_that_never_settle_end_the_listing_instead_of_prolonging_it_for_ever(
    cluster: RedisCluster, cluster_client: RedisClient
) -> None:
    cluster.fill(3000)
    slot = next(slot for slot in range(16_000, 16_384))
    a, b = cluster.masters[2], cluster.masters[0]
    query, owner = Query(count=200), a
    error: StudioError | None = None
    try:
        for _ in range(2000):
            try:
                _, cursor, _ = await page_names(cluster_client, query)
            except StudioError as caught:
                error = caught
                break
            if not cursor:
                break
            other = b if owner is a else a
            await asyncio.to_thread(cluster.move, slot, owner, other)
            owner = other
            query = dataclasses.replace(query, cursor=cursor)
        else:
            raise AssertionError("the listing does not end")
        assert error is None or error.reason_name == "INVALID_CURSOR"
    finally:
        if owner is b:
            cluster.move(slot, b, a)


async def test_a_listing_that_has_begun_too_many_scans_is_given_up(
    cluster: RedisCluster, cluster_client: RedisClient
) -> None:
    """The cursor counts them: three masters are worth 28."""
    cluster.fill(500)
    _, cursor, _ = await page_names(cluster_client, Query(count=10))
    _, _, visits, states = cursor.split("~")
    assert visits == "1"

    error = await failure_of(page_names(cluster_client, Query(cursor=f"~0~28~{states}")))

    assert error.reason_name == "INVALID_CURSOR"
    assert "moving slots" in error.message
