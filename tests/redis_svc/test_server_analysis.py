"""Memory analysis of real servers: every key once, whatever the user may not ask for, and stopped when it is closed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from redis.asyncio import Redis

from services.redis_svc.client import RedisClient
from services.redis_svc.server import analysis
from services.redis_svc.server.analysis import Question, analyze
from services.redis_svc.server.tally import EXPIRY, Tally
from services.runtime.errors import StudioError
from tests.redis_svc.conftest import OpenClient
from tests.support.engines import ValkeyServer

StartValkey = Callable[..., Awaitable[ValkeyServer]]
Engine = tuple[RedisClient, Redis]


async def result(client: RedisClient, question: Question | None = None) -> Tally:
    """The last report; every one before is not done."""
    reports = [(tally, tally.done) async for tally in analyze(client, question or Question())]
    assert [done for _, done in reports] == [False] * (len(reports) - 1) + [True]
    return reports[-1][0]


async def fill(redis: Redis, count: int, name: str = "user:{}") -> None:
    async with redis.pipeline(transaction=False) as pipe:
        for number in range(count):
            pipe.set(name.format(number), "v")
        await pipe.execute()


async def test_totals_are_exact(any_engine: Engine) -> None:
    client, redis = any_engine
    await fill(redis, 3000)
    for number in range(200):
        await redis.rpush(f"queue:{number}", *range(number % 7 + 1))
        await redis.pexpire(f"queue:{number}", 3_000_000)
    await redis.hset(b"\xff\xfe", mapping={"a": "b"})
    await redis.rpush("queue:long", *range(1000))
    await redis.set("blob", "x" * 100_000)

    tally = await result(client)

    assert (tally.analyzed, tally.scanned, tally.total, tally.truncated) == (3203, 3203, 3203, False)
    assert {name: each.keys for name, each in tally.types.items()} == {"string": 3001, "list": 201, "hash": 1}
    assert tally.types["list"].length == sum(number % 7 + 1 for number in range(200)) + 1000
    assert tally.types["string"].length == 3000 + 100_000
    assert {label: each.keys for label, each in zip(EXPIRY, tally.expiry, strict=True) if each.keys} == {
        "1h": 200,
        "never": 3003,
    }
    assert {prefix: each.keys for prefix, each in tally.prefixes.largest(100)[0]} == {
        b"user:": 3000,
        b"queue:": 201,
        b"": 2,
    }
    largest = tally.largest.ranked()
    assert (largest[0].name, largest[0].type) == (b"blob", "string")
    assert largest[0].memory > 100_000
    assert len(largest) == 50
    assert tally.longest.ranked()[0].name == b"queue:long"
    assert tally.memory == sum(each.memory for each in tally.types.values())
    assert tally.memory == sum(each.memory for each in tally.expiry)


async def test_only_keys_that_match(any_engine: Engine) -> None:
    client, redis = any_engine
    await fill(redis, 1000)
    await fill(redis, 50, "other:{}:x")

    tally = await result(client, Question(pattern=b"other:*", separator=b":x"))

    assert (tally.analyzed, tally.scanned, tally.total) == (50, 1050, 1050)
    assert {prefix for prefix, _ in tally.prefixes.largest(1)[0]} <= {b"other:%d:x" % n for n in range(50)}


async def test_no_more_keys_than_asked_for(any_engine: Engine) -> None:
    client, redis = any_engine
    await fill(redis, 1000)

    tally = await result(client, Question(max_keys=123))

    assert (tally.analyzed, tally.truncated) == (123, True)
    whole = await result(client, Question(max_keys=1000))
    assert whole.analyzed == 1000


async def test_an_empty_database(any_engine: Engine) -> None:
    client, _ = any_engine
    tally = await result(client)

    assert (tally.analyzed, tally.total, tally.memory, tally.done) == (0, 0, 0, True)


async def test_reports_come_while_it_runs(
    client: RedisClient, valkey: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(valkey, 2000)
    monkeypatch.setattr(analysis, "EVENT_S", 0.0)

    seen = [tally.analyzed async for tally in analyze(client, Question())]

    assert len(seen) > 10
    assert seen == sorted(seen)
    assert seen[-1] == 2000


async def test_closing_it_stops_the_work(
    client: RedisClient, valkey: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(valkey, 5000)
    monkeypatch.setattr(analysis, "EVENT_S", 0.0)
    reports = analyze(client, Question())
    await anext(reports)

    await reports.aclose()
    before = client.links[0].traffic.commands
    await asyncio.sleep(0.05)

    assert client.links[0].traffic.commands == before


async def test_cancelling_it_stops_the_work_and_frees_the_turn(client: RedisClient, valkey: Redis) -> None:
    await fill(valkey, 20_000)
    turn = asyncio.Lock()

    async def run() -> None:
        async for _ in analyze(client, Question(), turn=turn):
            pass

    task = asyncio.create_task(run())
    await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert not turn.locked()
    # What was in flight is answered to nobody, and to nobody else.
    assert await client.links[0].execute(b"ECHO", b"mine") == b"mine"


async def test_two_take_turns(client: RedisClient, valkey: Redis) -> None:
    await fill(valkey, 500)
    turn = asyncio.Lock()

    async def run() -> int:
        return [tally.analyzed async for tally in analyze(client, Question(), turn=turn)][-1]

    assert list(await asyncio.gather(run(), run())) == [500, 500]


async def test_keys_that_come_and_go_do_no_harm(
    client: RedisClient, valkey: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(valkey, 2000)
    monkeypatch.setattr(analysis, "EVENT_S", 0.0)
    last: Tally | None = None

    async for tally in analyze(client, Question()):
        number = tally.analyzed
        await valkey.unlink(*(f"user:{each}" for each in range(number, number + 50)))
        await valkey.rpush(f"new:{number}", 1)
        last = tally

    assert last is not None
    assert last.done
    assert 0 < last.analyzed <= 4000


async def test_without_permission_for_memory_the_rest_is_told(
    start_valkey: StartValkey, open_client: OpenClient
) -> None:
    server = await start_valkey(users=("half on >pw ~* +@all -memory",))
    async with Redis.from_url(server.url) as redis:
        await fill(redis, 500)
        await redis.rpush("queue", 1, 2, 3)

        tally = await result(open_client(server.url_of("half", "pw")))

        assert (tally.analyzed, tally.knows_memory, tally.largest.ranked()) == (501, False, [])
        assert tally.longest.ranked()[0].name == b"queue"
        # One step asked for it, and no more.
        refused = (await redis.info("commandstats"))["cmdstat_memory|usage"]["rejected_calls"]
        assert refused < 501


async def test_a_server_without_the_command_for_memory(
    start_valkey: StartValkey, open_client: OpenClient
) -> None:
    server = await start_valkey(settings={"rename-command MEMORY": "hidden-memory"})
    async with Redis.from_url(server.url) as redis:
        await fill(redis, 100)

    tally = await result(open_client(server.url))

    assert (tally.analyzed, tally.knows_memory) == (100, False)


async def test_keys_that_a_user_may_not_read_are_counted_as_such(
    start_valkey: StartValkey, open_client: OpenClient
) -> None:
    server = await start_valkey(users=("half on >pw ~user:* +@all",))
    async with Redis.from_url(server.url) as redis:
        await fill(redis, 300)
        await fill(redis, 200, "secret:{}")

    tally = await result(open_client(server.url_of("half", "pw")))

    assert {name: each.keys for name, each in tally.types.items()} == {"string": 300, "": 200}
    assert tally.knows_memory


@pytest.mark.parametrize(
    ("rules", "permission"), [("-scan", "+scan"), ("-type", "+type"), ("-pttl", "+pttl")]
)
async def test_what_it_can_not_do_without(
    start_valkey: StartValkey, open_client: OpenClient, rules: str, permission: str
) -> None:
    server = await start_valkey(users=(f"half on >pw ~* +@all {rules}",))
    async with Redis.from_url(server.url) as redis:
        await redis.set("k", "v")

    with pytest.raises(StudioError) as refused:
        await result(open_client(server.url_of("half", "pw")))

    assert refused.value.metadata["permission"] == permission


async def test_a_user_who_may_not_ask_for_the_size(
    start_valkey: StartValkey, open_client: OpenClient
) -> None:
    server = await start_valkey(users=("half on >pw ~* +@all -dbsize -ping",))
    async with Redis.from_url(server.url) as redis:
        await fill(redis, 100)

    tally = await result(open_client(server.url_of("half", "pw")))

    assert (tally.total, tally.scanned, tally.analyzed) == (-1, 100, 100)
