"""Work on many keys: what is selected, what is done, progress, resumption, and what is left when it is stopped."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis

from services.redis_svc.bulk import simple
from services.redis_svc.bulk.bounds import BOUNDS, Bounds
from services.redis_svc.bulk.copying import copy
from services.redis_svc.bulk.job import Job
from services.redis_svc.bulk.selection import Counts, Position, Progress, Selection, from_token, to_token
from services.redis_svc.client import RedisClient
from services.runtime.errors import StudioError
from studio.options.v1 import errors_pb2 as e
from tests.redis_svc.conftest import OpenClient
from tests.support.engines import ValkeyFactory
from tests.support.redis_cluster import RedisCluster

EVERY_BYTE = bytes(range(256))
ALL = Selection(pattern=b"*")
OFTEN = dataclasses.replace(BOUNDS, report_s=0.0)
"""An event after every batch."""


async def nothing() -> None:
    """A check that finds nothing."""


def job(
    client: RedisClient,
    selection: Selection = ALL,
    resume: str = "",
    operation: str = "test",
    bounds: Bounds = OFTEN,
) -> Job:
    return Job(operation, client, selection, resume, bounds, nothing)


async def last(events: AsyncIterator[Progress]) -> Progress:
    event = None
    async for each in events:
        event = each
    assert event is not None
    assert event.done
    return event


async def fill(valkey: Redis, count: int, prefix: str = "key:") -> None:
    async with valkey.pipeline(transaction=False) as pipe:
        for number in range(count):
            pipe.set(f"{prefix}{number}", "x" * 10)
        await pipe.execute()


@pytest.mark.parametrize(
    "selection", [Selection(), Selection(type="string"), Selection(keys=[b"a"], pattern=b"*")]
)
async def test_an_unclear_selection_is_refused(client: RedisClient, selection: Selection) -> None:
    with pytest.raises(StudioError) as caught:
        job(client, selection)
    assert caught.value.reason == e.ERROR_REASON_INVALID_ARGUMENT


async def test_a_preview_counts_measures_and_changes_nothing(any_engine: tuple[RedisClient, Redis]) -> None:
    client, other = any_engine
    await fill(other, 1500)
    await other.rpush("list", "a")

    end = await last(simple.preview(job(client, Selection(pattern=b"key:*")), with_memory=True))

    counts = end.counts
    assert (counts.matched, counts.failed, end.total_estimate) == (1500, 0, 1501)
    assert 1500 * 20 < counts.memory_bytes < 1500 * 200
    assert await other.dbsize() == 1501
    unmeasured = await last(
        simple.preview(job(client, Selection(pattern=b"*", type="list")), with_memory=False)
    )
    assert (unmeasured.counts.matched, unmeasured.counts.memory_bytes) == (1, -1)


async def test_a_sample_of_the_selection_comes_in_one_event(client: RedisClient, valkey: Redis) -> None:
    await fill(valkey, 100)

    events = [each async for each in simple.preview(job(client), with_memory=False)]

    samples = [each.sample for each in events if each.sample]
    assert [len(sample) for sample in samples] == [BOUNDS.sample]


@pytest.mark.parametrize("keys", [[b"a", EVERY_BYTE, b"none", b"a"], None])
async def test_keys_are_deleted_by_list_and_by_pattern(
    client: RedisClient, valkey: Redis, keys: list[bytes] | None
) -> None:
    await valkey.mset({b"a": "1", EVERY_BYTE: "2", b"b": "3"})
    selection = Selection(keys=keys) if keys else Selection(pattern=b"[^b]*")

    end = await last(simple.delete(job(client, selection)))

    assert (end.counts.succeeded, end.counts.failed) == (2, 0)
    assert await valkey.keys() == [b"b"]


async def test_only_keys_of_the_type_are_selected(client: RedisClient, valkey: Redis) -> None:
    await valkey.set("s", "1")
    await valkey.rpush("l", "1")

    for selection in (Selection(pattern=b"*", type="list"), Selection(keys=[b"s", b"l"], type="list")):
        end = await last(simple.preview(job(client, selection), with_memory=False))
        assert (end.counts.matched, list(end.sample) or [b"l"]) == (1, [b"l"])
    with pytest.raises(StudioError, match=r"selection\.type"):
        await last(simple.delete(job(client, Selection(pattern=b"*", type="nosuch"))))


async def test_expiry_is_set_and_removed(client: RedisClient, valkey: Redis) -> None:
    await fill(valkey, 10)
    await valkey.set("key:0", "x", ex=1000)

    end = await last(simple.expire(job(client, Selection(keys=[b"key:0", b"key:1", b"none"])), 50_000))
    assert end.counts.succeeded == 2
    assert [await valkey.pttl(f"key:{n}") > 0 for n in range(3)] == [True, True, False]
    end = await last(simple.expire(job(client), None))
    assert end.counts.succeeded == 10
    assert await valkey.pttl("key:0") == -1


async def test_work_goes_on_where_it_was_interrupted(client: RedisClient, valkey: Redis) -> None:
    await fill(valkey, 5000)
    events = simple.preview(job(client), with_memory=True)
    seen = [await anext(events) for _ in range(3)]
    await events.aclose()
    assert 0 < seen[-1].counts.matched < 5000

    end = await last(simple.preview(job(client, resume=seen[-1].resume), with_memory=True))

    whole = await last(simple.preview(job(client), with_memory=True))
    assert dataclasses.asdict(end.counts) == dataclasses.asdict(whole.counts)
    assert end.resume == ""


async def test_a_list_goes_on_where_it_was_interrupted(client: RedisClient, valkey: Redis) -> None:
    await fill(valkey, 2000)
    selection = Selection(keys=[b"key:%d" % number for number in range(2000)])
    events = simple.delete(job(client, selection))
    resume = (await anext(events)).resume
    await events.aclose()
    left = await valkey.dbsize()
    assert 0 < left < 2000

    end = await last(simple.delete(job(client, selection, resume)))

    assert (end.counts.scanned, end.counts.succeeded, await valkey.dbsize()) == (2000, 2000, 0)


async def test_a_finished_job_that_is_resumed_does_nothing(client: RedisClient, valkey: Redis) -> None:
    await fill(valkey, 5)
    token = [each.resume async for each in simple.preview(job(client), with_memory=False)][-2]

    end = await last(simple.preview(job(client, resume=token), with_memory=False))

    assert end.counts.matched == 5


async def test_a_token_of_other_work_is_refused(client: RedisClient) -> None:
    token = to_token(ALL.digest("test"), Position("5"), Counts())
    job(client, resume=token)
    wrong = [
        ("other", ALL, token),
        ("test", Selection(pattern=b"**"), token),
        ("test", ALL, "x"),
        ("test", ALL, "ü"),
        ("test", ALL, token[:-3]),
        ("test", ALL, "WzEsMl0"),
    ]
    for operation, selection, resume in wrong:
        with pytest.raises(StudioError) as caught:
            job(client, selection, resume, operation)
        assert caught.value.reason == e.ERROR_REASON_INVALID_CURSOR


@given(st.text(max_size=40), st.booleans(), st.lists(st.integers(0, 2**52), min_size=5, max_size=5))
def test_any_position_survives_the_token(cursor: str, ended: bool, numbers: list[int]) -> None:  # noqa: FBT001  given
    position, counts = Position(cursor, ended), Counts(*numbers)
    assert from_token(to_token("digest", position, counts), "digest") == (position, counts)


async def test_what_the_user_may_not_touch_is_reported_by_key(
    start_valkey: ValkeyFactory, open_client: OpenClient
) -> None:
    server = await start_valkey(users=("bob on >pw ~mine:* +@all",))
    async with Redis.from_url(server.url) as other:
        await other.mset({"mine:1": "1", "theirs:1": "1", "theirs:2": "2"})
        client = open_client(server.url_of("bob", "pw"))

        end = await last(simple.delete(job(client)))

        assert (end.counts.succeeded, end.counts.failed) == (1, 2)
        assert sorted(key for key, _ in end.failures) == [b"theirs:1", b"theirs:2"]
        assert "permission" in end.failures[0][1]


async def test_a_command_the_user_may_not_run_ends_the_work(
    start_valkey: ValkeyFactory, open_client: OpenClient
) -> None:
    server = await start_valkey(users=("bob on >pw ~* +@read +ping",))
    async with Redis.from_url(server.url) as other:
        await other.set("a", "1")

    with pytest.raises(StudioError) as caught:
        await last(simple.delete(job(open_client(server.url_of("bob", "pw")))))

    assert caught.value.metadata["permission"] == "+unlink"


async def test_a_check_that_fails_ends_the_work(client: RedisClient, valkey: Redis) -> None:
    await fill(valkey, 2000)

    async def gone() -> None:
        raise StudioError(e.ERROR_REASON_DB_NOT_FOUND, "Gone.")

    with pytest.raises(StudioError, match="Gone"):
        await last(simple.delete(Job("test", client, ALL, "", OFTEN, gone)))
    assert await valkey.dbsize() > 0


async def test_stopping_stops_at_once(client: RedisClient, valkey: Redis) -> None:
    await fill(valkey, 20_000)
    events = simple.delete(job(client))
    await anext(events)
    await events.aclose()
    left = await valkey.dbsize()
    assert left > 10_000

    await asyncio.sleep(0.05)
    assert await valkey.dbsize() == left


async def test_deleting_many_keys_takes_no_memory(client: RedisClient, valkey: Redis) -> None:
    async with valkey.pipeline(transaction=False) as pipe:
        for start in range(0, 100_000, 10_000):
            for number in range(start, start + 10_000):
                pipe.set(f"key:{number}", "x")
            await pipe.execute()
    process = psutil.Process(os.getpid())
    events = simple.delete(job(client, bounds=BOUNDS))
    before, end = 0, None
    async with contextlib.aclosing(events):
        async for event in events:
            before = before or process.memory_info().rss
            end = event
    assert end is not None
    assert end.counts.succeeded == 100_000
    assert process.memory_info().rss - before < 8 * 1024 * 1024


async def test_copies_are_the_same_with_their_expiry(
    client: RedisClient, valkey: Redis, start_valkey: ValkeyFactory, open_client: OpenClient
) -> None:
    await valkey.set(EVERY_BYTE, EVERY_BYTE, px=500_000)
    await valkey.hset("h", mapping={EVERY_BYTE: EVERY_BYTE})
    await valkey.xadd("x", {"f": "v"})
    await valkey.xgroup_create("x", "g", 0)
    await valkey.set("large", b"\0" * 3_000_000)
    await fill(valkey, 2000)
    server = await start_valkey()
    async with Redis.from_url(server.url) as there:
        await there.set("h", "theirs")

        end = await last(copy(job(client), open_client(server.url), overwrite=False))

        assert (end.counts.matched, end.counts.succeeded, end.counts.failed) == (2004, 2003, 1)
        assert list(end.failures) == [(b"h", "The key exists already.")]
        assert 400_000 < await there.pttl(EVERY_BYTE) <= 500_000
        assert await there.get("h") == b"theirs"
        end = await last(copy(job(client), open_client(server.url), overwrite=True))
        assert end.counts.succeeded == 2004
        assert await there.hgetall("h") == {EVERY_BYTE: EVERY_BYTE}
        for key in (EVERY_BYTE, "h", "x", "large", "key:1"):
            assert await there.dump(key) == await valkey.dump(key)


async def test_a_value_too_large_to_be_read_in_one_piece_is_reported(
    valkey: Redis, valkey_url: str, start_valkey: ValkeyFactory, open_client: OpenClient
) -> None:
    client = open_client(valkey_url, max_reply_bytes=200_000)
    target = open_client((await start_valkey()).url)
    await valkey.set("large", os.urandom(300_000))
    await valkey.set("small", "x")
    # Its sampled size is small, its DUMP is not.
    await valkey.rpush("skewed", *("x" for _ in range(200)), os.urandom(250_000))

    end = await last(copy(job(client), target, overwrite=False))

    assert end.counts.succeeded == 1
    assert sorted(key for key, _ in end.failures) == [b"large", b"skewed"]


async def test_a_dump_that_the_target_can_not_read_is_explained(
    redis_server_url: str, client: RedisClient, valkey: Redis, open_client: OpenClient
) -> None:
    await valkey.hset("h", "f", "v")
    async with Redis.from_url(redis_server_url) as older:
        await older.flushall()

        end = await last(copy(job(client), open_client(redis_server_url), overwrite=True))

        ((key, why),) = end.failures
        assert key == b"h"
        assert "it is older than the server the value comes from" in why
        assert (end.counts.failed, await older.dbsize()) == (1, 0)


async def test_a_full_target_ends_the_work_and_says_why(
    client: RedisClient, valkey: Redis, start_valkey: ValkeyFactory, open_client: OpenClient
) -> None:
    await fill(valkey, 100)
    server = await start_valkey(settings={"maxmemory": "1mb", "maxmemory-policy": "noeviction"})

    with pytest.raises(StudioError) as caught:
        await last(copy(job(client), open_client(server.url), overwrite=True))

    assert caught.value.reason == e.ERROR_REASON_DB_READ_ONLY


async def test_every_shard_of_a_cluster_is_worked_on(
    cluster: RedisCluster,
    cluster_client: RedisClient,
    valkey: Redis,
    valkey_url: str,
    open_client: OpenClient,
) -> None:
    await fill(valkey, 3000)
    back = open_client(valkey_url)

    end = await last(copy(job(back), cluster_client, overwrite=True))
    assert end.counts.succeeded == 3000
    await valkey.flushall()
    events = copy(job(cluster_client), back, overwrite=True)
    resume = (await anext(events)).resume
    await events.aclose()
    end = await last(copy(job(cluster_client, resume=resume), back, overwrite=True))
    assert (end.counts.matched, end.counts.succeeded, await valkey.dbsize()) == (3000, 3000, 3000)
    end = await last(simple.delete(job(cluster_client, Selection(keys=[b"key:%d" % n for n in range(1000)]))))
    assert end.counts.succeeded == 1000
    end = await last(simple.delete(job(cluster_client)))
    assert end.counts.succeeded == 2000
    assert cluster.masters


def test_nothing_here_asks_for_all_keys_at_once() -> None:
    folder = Path(simple.__file__).parent
    assert not [each.name for each in folder.glob("*.py") if 'b"KEYS"' in each.read_text()]
