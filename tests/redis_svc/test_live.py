"""Live streams: what they show, what a slow reader misses, and that none leaves a connection behind."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from redis.asyncio import Redis

from services.redis_svc.client import RedisClient
from services.redis_svc.link import Link
from services.redis_svc.live.bounds import BOUNDS, Bounds
from services.redis_svc.live.feed import listening
from services.redis_svc.live.mailbox import Mailbox
from services.redis_svc.live.messages import Message, keyspace_subscriptions, messages, subscriptions
from services.redis_svc.live.monitor import Seen, monitor, parse
from services.runtime.errors import StudioError
from services.runtime.places import Places
from studio.options.v1 import errors_pb2 as e
from studio.redis.v1 import live_service_pb2 as pb
from studio.redis.v1.common_pb2 import Blob
from studio.redis.v1.live_service_pb2_grpc import LiveServiceStub
from tests.redis_svc.conftest import OpenClient
from tests.redis_svc.harness import Service, as_user, running_service
from tests.support.engines import ValkeyFactory
from tests.support.odd_servers import until
from tests.support.redis_cluster import RedisCluster

EVERY_BYTE = bytes(range(256))
BRISK = dataclasses.replace(BOUNDS, heartbeat_s=0.05, check_s=0.02)
MONITOR = [(b"MONITOR",)]


async def nothing() -> None:
    """A check that finds nothing."""


@contextlib.asynccontextmanager
async def monitoring(link: Link, bounds: Bounds = BRISK) -> AsyncIterator[Mailbox]:
    async with listening({link: (MONITOR, 1)}, bounds, 5) as mailbox:
        yield mailbox


async def first(stream: AsyncIterator[Seen | None], wanted: Callable[[Seen], bool]) -> Seen:
    async with asyncio.timeout(10):
        async for seen in stream:
            if seen is not None and wanted(seen):
                return seen
    pytest.fail("the stream ended before")


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    async with running_service() as running:
        yield running


def live(service: Service) -> LiveServiceStub:
    return LiveServiceStub(service.channel)


async def connections(valkey: Redis) -> int:
    """Connections of ours, but the shared one."""
    clients = [each for each in await valkey.client_list() if each["name"] == "studio-databases"]
    return max(0, len(clients) - 1)


async def execute(valkey: Redis, *words: str | bytes) -> object:
    """Any command."""
    return await valkey.execute_command(*words)  # type: ignore[no-untyped-call]  # redis-py's


async def until_left(valkey: Redis, count: int) -> None:
    async with asyncio.timeout(10):
        while await connections(valkey) != count:  # noqa: ASYNC110  the server tells nobody
            await asyncio.sleep(0.01)


async def read(call: Any) -> Any:  # noqa: ANN401  its stub knows no type of what is read
    """The next event of a stream."""
    async with asyncio.timeout(20):
        return await call.read()


def reason(error: grpc.aio.AioRpcError) -> str:
    """The reason of a failure."""
    details = dict(error.trailing_metadata() or ())["grpc-status-details-bin"]
    assert isinstance(details, bytes)
    info = error_details_pb2.ErrorInfo()
    status_pb2.Status.FromString(details).details[0].Unpack(info)
    return str(info.reason)


LINES = {
    b'1339518083.107412 [0 127.0.0.1:60866] "keys" "*"': (
        1339518083107.412,
        0,
        "127.0.0.1:60866",
        [b"keys", b"*"],
    ),
    b'1.000001 [3 lua] "set" "\\x00\\n\\"" ""': (1000.001, 3, "lua", [b"set", b'\0\n"', b""]),
    b'1.5 [0 [::1]:6379] "get" "a] \\"b"': (1500.0, 0, "[::1]:6379", [b"get", b'a] "b']),
    b'1.5 [0 unix:/tmp/a b.sock] "ping"': (1500.0, 0, "unix:/tmp/a b.sock", [b"ping"]),
    b'1.5 [0 127.0.0.1:1] "ACL" "SETUSER" "bob" ">pw"': (
        1500.0,
        0,
        "127.0.0.1:1",
        [b"ACL", b"SETUSER", b"bob", b">***"],
    ),
}


@pytest.mark.parametrize("line", LINES)
def test_a_line_of_monitor_is_read(line: bytes) -> None:
    seen = parse(line)
    assert seen is not None
    assert (seen.at_unix_ms, seen.database, seen.client, list(seen.arguments)) == LINES[line]


@pytest.mark.parametrize("line", [b"OK", b"", b'1.5 [0 a] "unclosed', b'nonsense [0 a] "b"'])
def test_what_is_no_line_of_monitor_is_none(line: bytes) -> None:
    assert parse(line) is None


async def test_commands_are_seen_byte_by_byte_and_without_secrets(
    any_engine: tuple[RedisClient, Redis],
) -> None:
    client, other = any_engine
    async with monitoring(client.links[0]) as mailbox:
        stream = monitor(mailbox, BRISK, nothing, seconds=10, text="")
        assert await anext(stream) is None, "a heartbeat says that the server listens"
        await execute(other, "SET", EVERY_BYTE, EVERY_BYTE)
        with contextlib.suppress(Exception):
            await execute(other, "MIGRATE", "127.0.0.1", "1", "nosuchkey", "0", "10", "AUTH", "canary")
        seen = await first(stream, lambda each: each.arguments[0] == b"SET")
        assert list(seen.arguments) == [b"SET", EVERY_BYTE, EVERY_BYTE]
        seen = await first(stream, lambda each: each.arguments[0] == b"MIGRATE")
        assert b"canary" not in b" ".join(seen.arguments)
        await stream.aclose()


async def test_a_filter_finds_words_but_no_secrets(client: RedisClient, valkey: Redis) -> None:
    for text, expected in (("KEY:7", b"key:7"), ("canary", b"canary-key")):
        async with monitoring(client.links[0]) as mailbox:
            stream = monitor(mailbox, BRISK, nothing, seconds=10, text=text)
            await anext(stream)
            with contextlib.suppress(Exception):
                await execute(valkey, "MIGRATE", "127.0.0.1", "1", "none", "0", "10", "AUTH", "canary")
            for number in range(200):
                await valkey.get(f"key:{number}")
            await valkey.get("canary-key")
            seen = await first(stream, lambda _: True)
            assert seen.arguments[1] == expected
            await stream.aclose()


async def test_monitor_ends_by_itself(client: RedisClient) -> None:
    async with monitoring(client.links[0]) as mailbox:
        events = [
            each async for each in monitor(mailbox, BRISK, nothing, seconds=1, text="nothing like this")
        ]
    assert len(events) > 2
    assert set(events) == {None}


async def test_what_a_slow_reader_misses_is_counted(client: RedisClient, valkey: Redis) -> None:
    small = dataclasses.replace(BRISK, queued_events=10)
    async with monitoring(client.links[0], small) as mailbox:
        stream = monitor(mailbox, small, nothing, seconds=1, text="")
        await anext(stream)
        for number in range(500):
            await valkey.get(f"key:{number}")
        await until(lambda: mailbox.dropped >= 490)
        events = [each async for each in stream]
        seen = [each for each in events if each is not None]
        assert [each.arguments[1] for each in seen] == [b"key:%d" % number for number in range(10)]
        assert mailbox.dropped == 490


async def test_a_mailbox_is_bounded_in_bytes_as_well() -> None:
    mailbox = Mailbox(max_items=100, max_bytes=100)
    for _ in range(5):
        mailbox.put(b"x" * 40, 40)
    assert mailbox.dropped == 3
    assert [await mailbox.get(1) for _ in range(2)] == [b"x" * 40] * 2
    assert await mailbox.get(0) is None


async def test_what_came_before_the_end_is_still_read() -> None:
    mailbox = Mailbox(10, 100)
    mailbox.put(b"a", 1)
    mailbox.fail(StudioError(e.ERROR_REASON_DB_UNAVAILABLE, "The end."))
    assert await mailbox.get(1) == b"a"
    with pytest.raises(StudioError, match="The end"):
        await mailbox.get(1)


async def test_messages_of_channels_patterns_and_shard_channels(
    any_engine: tuple[RedisClient, Redis],
) -> None:
    client, other = any_engine
    asked = subscriptions(client, ["a", "ü"], ["p*"], ["s"])
    async with listening(asked, BRISK, 5) as mailbox:
        stream = messages(mailbox, BRISK, nothing)
        assert await anext(stream) is None
        for channel in ("a", "other", "px", "ü"):
            await other.publish(channel, EVERY_BYTE)
        await execute(other, "SPUBLISH", "s", "shard")
        found: list[Message] = []
        async with asyncio.timeout(10):
            while len(found) < 4:
                message = await anext(stream)
                if message is not None:
                    found.append(message)
        await stream.aclose()
    assert [(each.channel, each.pattern, each.payload) for each in found] == [
        (b"a", b"", EVERY_BYTE),
        (b"px", b"p*", EVERY_BYTE),
        ("ü".encode(), b"", EVERY_BYTE),
        (b"s", b"", b"shard"),
    ]


async def test_without_a_channel_there_is_nothing_to_subscribe_to(client: RedisClient) -> None:
    with pytest.raises(StudioError, match="channel"):
        subscriptions(client, [], [], [])


@pytest.mark.parametrize(
    ("setting", "needed"), [("", "AK"), ("E$", "$EK"), ("K", "AK"), ("E", "AEK"), ("K$", None), ("KEA", None)]
)
async def test_a_missing_setting_is_named(
    start_valkey: ValkeyFactory, open_client: OpenClient, setting: str, needed: str | None
) -> None:
    server = await start_valkey()
    async with Redis.from_url(server.url) as other:
        await other.config_set("notify-keyspace-events", setting)
        client = open_client(server.url)
        if needed is None:
            assert await keyspace_subscriptions(client, 0, b"")
            return
        with pytest.raises(StudioError) as caught:
            await keyspace_subscriptions(client, 0, b"")
        assert caught.value.reason_name == "NOT_SUPPORTED"
        assert caught.value.metadata["needed"] == needed
        await other.config_set("notify-keyspace-events", needed)
        assert await keyspace_subscriptions(client, 0, b"")


async def test_the_service_streams_and_a_caller_who_hangs_up_leaves_nothing(
    service: Service, valkey: Redis, valkey_url: str
) -> None:
    database_id = service.registry.register(valkey_url)
    calls: list[Any] = [
        live(service).Monitor(pb.MonitorRequest(database_id=database_id), metadata=as_user()),
        live(service).Subscribe(
            pb.SubscribeRequest(database_id=database_id, channels=["c"]), metadata=as_user("read_only")
        ),
    ]
    assert (await read(calls[0])).heartbeat
    assert (await read(calls[1])).subscribed
    publish = pb.PublishRequest(database_id=database_id, channel=Blob(value="c"), payload=Blob(value="m"))
    answer = await live(service).Publish(publish, metadata=as_user("developer"))
    assert answer.receivers == 1
    message = await read(calls[1])
    assert (message.channel.value, message.payload.value) == ("c", "m")
    assert await connections(valkey) == 2

    for call in calls:
        call.cancel()

    await until_left(valkey, 0)


async def test_a_server_that_goes_away_is_the_last_event(
    service: Service, start_valkey: ValkeyFactory
) -> None:
    server = await start_valkey()
    database_id = service.registry.register(server.url)
    call = live(service).Subscribe(
        pb.SubscribeRequest(database_id=database_id, channels=["c"]), metadata=as_user()
    )
    await read(call)

    server.kill()

    event = await read(call)
    assert (event.error.error_code, event.error.retryable) == ("DB_CONNECTION_FAILED", True)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await read(call)
    assert reason(caught.value) == "DB_CONNECTION_FAILED"


async def test_a_stream_ends_with_the_connection_it_is_of(
    service: Service, valkey: Redis, valkey_url: str
) -> None:
    ids = [service.registry.register(valkey_url) for _ in range(2)]
    calls = [
        live(service).Subscribe(pb.SubscribeRequest(database_id=each, channels=["c"]), metadata=as_user())
        for each in ids
    ]
    for call in calls:
        await read(call)

    service.registry.remove(ids[0])
    service.registry.register(f"{valkey_url}/1", ids[1])

    assert [(await read(call)).error.error_code for call in calls] == ["DB_NOT_FOUND", "DB_UNAVAILABLE"]
    await until_left(valkey, 0)


async def test_events_of_keys_come_with_every_byte_of_their_names(
    service: Service, start_valkey: ValkeyFactory
) -> None:
    server = await start_valkey(settings={"notify-keyspace-events": "KA"})
    database_id = service.registry.register(f"{server.url}/3")
    request = pb.WatchKeyspaceRequest(database_id=database_id, pattern=Blob(value_base64=b"k*\xff"))
    call = live(service).WatchKeyspace(request, metadata=as_user("read_only"))
    assert (await read(call)).heartbeat
    async with Redis.from_url(f"{server.url}/3") as other:
        await other.set("key", "not matched")
        await other.set(b"k" + EVERY_BYTE, "x")
        await other.delete(b"k" + EVERY_BYTE)
        await other.select(0)
        await other.set(b"k\xff", "another database")

        events = [await read(call) for _ in range(2)]

        assert [(each.key.value_base64, each.event) for each in events] == [
            (b"k" + EVERY_BYTE, "set"),
            (b"k" + EVERY_BYTE, "del"),
        ]
        call.cancel()
        await until_left(other, 0)


async def test_a_refusal_before_the_stream_begins_is_the_answer(
    service: Service, start_valkey: ValkeyFactory
) -> None:
    server = await start_valkey(users=("bob on >pw ~* resetchannels &mine* +@all -monitor",))
    database_id = service.registry.register(server.url_of("bob", "pw"))
    for call in (
        live(service).Monitor(pb.MonitorRequest(database_id=database_id), metadata=as_user()),
        live(service).Subscribe(
            pb.SubscribeRequest(database_id=database_id, channels=["c"]), metadata=as_user()
        ),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await read(call)
        assert reason(caught.value) == "DB_PERMISSION_DENIED"
    async with Redis.from_url(server.url) as other:
        await until_left(other, 0)


async def test_more_streams_than_allowed_are_refused_at_once(
    service: Service, valkey: Redis, valkey_url: str
) -> None:
    database_id = service.registry.register(valkey_url)
    request = pb.SubscribeRequest(database_id=database_id, channels=["c"])
    calls = [
        live(service).Subscribe(request, metadata=as_user()) for _ in range(BOUNDS.streams_of_one_database)
    ]
    for call in calls:
        await read(call)

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await read(live(service).Subscribe(request, metadata=as_user()))

    assert reason(caught.value) == "RESOURCE_EXHAUSTED"
    calls.pop().cancel()
    await until_left(valkey, len(calls))
    again = live(service).Subscribe(request, metadata=as_user())
    assert (await read(again)).subscribed
    for call in (*calls, again):
        call.cancel()
    await until_left(valkey, 0)


def test_places_are_bounded_over_all_databases() -> None:
    places = Places("things", 2, 2)
    with places.take("a"), places.take("b"):
        with pytest.raises(StudioError), places.take("c"):
            pass
        assert places.taken == 2
    assert places.taken == 0


async def test_in_a_cluster_every_master_tells_of_its_keys_and_shard_channels_are_found(
    cluster: RedisCluster, cluster_client: RedisClient
) -> None:
    for node in cluster.masters:
        with node.client() as other:
            other.config_set("notify-keyspace-events", "KA")
    asked = await keyspace_subscriptions(cluster_client, 0, b"")
    assert len(asked) == 3
    async with listening(asked, BRISK, 5) as mailbox:
        stream = messages(mailbox, BRISK, nothing)
        await anext(stream)
        for number in range(20):
            await cluster_client.link_for(b"k%d" % number).execute(b"SET", b"k%d" % number, b"x")
        found: set[bytes] = set()
        async with asyncio.timeout(10):
            while len(found) < 20:
                message = await anext(stream)
                if message is not None:
                    found.add(message.channel.removeprefix(b"__keyspace@0__:"))
        await stream.aclose()
    assert found == {b"k%d" % number for number in range(20)}
    channels = [f"channel:{number}" for number in range(10)]
    async with listening(subscriptions(cluster_client, [], [], channels), BRISK, 5) as mailbox:
        for channel in channels:
            link = cluster_client.link_for(channel.encode())
            assert await link.execute(b"SPUBLISH", channel, b"x") == 1
        async with asyncio.timeout(10):
            received = [await mailbox.get(10) for _ in channels]
    assert sorted(bytes(each[1]).decode() for each in received if isinstance(each, list)) == channels
    for node in cluster.masters:
        with node.client() as other:
            other.config_set("notify-keyspace-events", "")
