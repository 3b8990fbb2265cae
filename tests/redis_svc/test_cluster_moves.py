"""Slots that move while their keys are used: MOVED, ASK and TRYAGAIN, of which callers see nothing."""

from __future__ import annotations

import asyncio
import dataclasses

from services.redis_svc import values
from services.redis_svc.client import RedisClient
from services.redis_svc.replies import ServerError, pack
from services.redis_svc.slots import key_slot
from services.redis_svc.values import Setting
from tests.redis_svc.conftest import OpenClient
from tests.support.odd_servers import StartServer, until
from tests.support.redis_cluster import RedisCluster


async def test_a_slot_that_has_moved_is_followed_and_learnt(
    cluster: RedisCluster, cluster_client: RedisClient
) -> None:
    key, source, target = b"moving", cluster.owner(b"moving"), cluster.masters[0]
    assert source is not target
    cluster.put(key, b"v")
    assert (await values.get(cluster_client, key)).content == b"v"
    cluster.move(key_slot(key), source, target)
    try:
        assert (await values.get(cluster_client, key)).content == b"v"
        where = cluster_client.link_for(key)
        assert where.traffic.commands > 0

        before = dataclasses.replace(where.traffic)
        assert (await values.get(cluster_client, key)).content == b"v"
        assert where.traffic.commands - before.commands == 4, "sent to the right node at once"
    finally:
        cluster.move(key_slot(key), target, source)


async def test_reads_and_writes_go_on_while_a_slot_moves(
    cluster: RedisCluster, cluster_client: RedisClient
) -> None:
    """ASK, MOVED and TRYAGAIN in the middle of everything: nobody notices, nothing is lost or done twice."""
    names = [b"{slot}%d" % number for number in range(60)]
    for name in names:
        await values.set_value(cluster_client, name, b"0", Setting())
    slot, source = key_slot(b"{slot}"), cluster.owner(b"{slot}")
    target = next(node for node in cluster.masters if node is not source)
    counts = dict.fromkeys(names, 0)
    stop = asyncio.Event()

    async def count(name: bytes) -> None:
        link = cluster_client.link_for(name)
        while not stop.is_set():
            assert await link.execute(b"INCR", name, repeatable=False) == counts[name] + 1
            counts[name] += 1
            assert (await values.get(cluster_client, name)).content == b"%d" % counts[name]

    tasks = [asyncio.create_task(count(name)) for name in names[:20]]
    try:
        for a, b in ((source, target), (target, source)):
            cluster.open_slot(slot, a, b)
            while await asyncio.to_thread(cluster.move_keys, slot, a, b, most=3):
                seen = sum(counts.values())
                await until(lambda seen=seen: sum(counts.values()) > seen)  # type: ignore[misc]  # a default
            cluster.close_slot(slot, a, b)
    finally:
        stop.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [result for result in results if result is not None] == []
    for name, number in counts.items():
        assert (await values.get(cluster_client, name)).content == b"%d" % number


async def test_commands_of_one_request_are_sent_on_one_by_one(
    cluster: RedisCluster, cluster_client: RedisClient
) -> None:
    """Of keys that have moved and keys that have not, each is read where it is; ASKING never hits another's command."""
    names = [b"{ask}%d" % number for number in range(10)]
    for name in names:
        cluster.put(name, name)
    slot, source = key_slot(b"{ask}"), cluster.owner(b"{ask}")
    target = next(node for node in cluster.masters if node is not source)
    cluster.open_slot(slot, source, target)
    try:
        assert cluster.move_keys(slot, source, target, most=4) == 4
        link = cluster_client.link_for(names[0])

        assert await link.execute_many([(b"GET", name) for name in names]) == names
        started = link.start(pack([(b"GET", name) for name in names]), len(names))
        assert await started.replies() == names
        # All or nothing: MULTI to EXEC goes on as a whole.
        missing = b"{ask}new"
        replies = await link.execute_many(
            [(b"MULTI",), (b"SET", missing, b"1"), (b"INCR", missing), (b"EXEC",)], repeatable=False
        )
        assert replies == [b"OK", b"QUEUED", b"QUEUED", [b"OK", 2]]
    finally:
        while cluster.move_keys(slot, source, target):
            pass
        cluster.close_slot(slot, source, target)
        cluster.move(slot, target, source)


async def test_keys_of_one_command_that_are_on_two_nodes_for_a_moment_end_in_a_503(
    cluster: RedisCluster, open_client: OpenClient
) -> None:
    client = open_client(cluster.url, max_redirects=3)
    await client.ready()
    for name in (b"{two}a", b"{two}b"):
        cluster.put(name, b"v")
    slot, source = key_slot(b"{two}"), cluster.owner(b"{two}")
    target = next(node for node in cluster.masters if node is not source)
    cluster.open_slot(slot, source, target)
    try:
        cluster.move_keys(slot, source, target, most=1)

        reply = await client.link_for(b"{two}").execute(b"MGET", b"{two}a", b"{two}b")

        assert isinstance(reply, ServerError)
        assert reply.prefix == "TRYAGAIN"
    finally:
        while cluster.move_keys(slot, source, target):
            pass
        cluster.close_slot(slot, source, target)
        cluster.move(slot, target, source)


async def test_nodes_that_send_a_command_back_and_forth_are_given_up(
    start_server: StartServer, open_client: OpenClient
) -> None:
    """Two nodes, each sure that the other one serves the slot."""
    ports: list[int] = []
    asked = 0

    async def node(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        mine = writer.get_extra_info("sockname")[1]
        while line := await reader.readline():
            word = line.strip()
            if word == b"PING":
                writer.write(b"+PONG\r\n")
            elif word == b"SETNAME":
                writer.write(b"+OK\r\n")
            elif word == b"SLOTS":
                one = b"*3\r\n:0\r\n:16383\r\n*3\r\n$9\r\n127.0.0.1\r\n:%d\r\n$1\r\na\r\n" % ports[0]
                writer.write(b"*1\r\n" + one)
            elif word == b"GET":
                asked += 1
                other = next(port for port in ports if port != mine)
                writer.write(b"-MOVED 12182 127.0.0.1:%d\r\n" % other)

    ports += [await start_server(node), await start_server(node)]
    client = open_client(f"redis+cluster://127.0.0.1:{ports[0]}", max_redirects=5)
    await client.ready()

    reply = await client.link_for(b"foo").execute(b"GET", b"foo")

    assert isinstance(reply, ServerError)
    assert reply.prefix == "TRYAGAIN"
    assert asked == 6
