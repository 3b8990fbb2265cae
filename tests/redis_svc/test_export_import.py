"""What is exported comes back the same, in both formats, from every type and every byte."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from collections.abc import Awaitable, Callable

import psutil
import pytest
from redis.asyncio import Redis

from services.redis_svc.bulk.bounds import BOUNDS, Bounds
from services.redis_svc.bulk.export import export
from services.redis_svc.bulk.importing import Importer, Report
from services.redis_svc.bulk.job import Job
from services.redis_svc.bulk.selection import Selection
from services.redis_svc.client import RedisClient
from services.runtime.errors import StudioError
from studio.options.v1 import errors_pb2 as e
from tests.redis_svc.conftest import OpenClient
from tests.support.engines import ValkeyFactory
from tests.support.redis_cluster import RedisCluster

EVERY_BYTE = bytes(range(256))
BYTES = [bytes([byte]) for byte in range(256)]
FORMATS = ("dump", "readable")
SMALL_PARTS = dataclasses.replace(
    BOUNDS, batch_bytes=4096, part_bytes=4096, part_elements=50, report_s=0.0, chunk_bytes=1000
)
"""So that values of some kilobytes come in parts."""

Fill = Callable[[Redis], Awaitable[object]]


async def nothing() -> None:
    """A check that finds nothing."""


async def exported(
    client: RedisClient,
    format_: str,
    *,
    pattern: bytes = b"*",
    bounds: Bounds = BOUNDS,
    resume: str = "",
) -> bytes:
    job = Job(f"export {format_}", client, Selection(pattern=pattern), resume, bounds, nothing)
    return b"".join([chunk async for chunk in export(job, format_)])


def objects(lines: bytes) -> list[dict[str, object]]:
    assert lines.endswith(b"\n")
    return [json.loads(line) for line in lines.splitlines()]


async def imported(
    client: RedisClient,
    lines: bytes,
    *,
    overwrite: bool = False,
    first_line: int = 1,
    bounds: Bounds = BOUNDS,
) -> Report:
    return await Importer(client, overwrite=overwrite, bounds=bounds).run(lines, first_line)


async def fill_every_type(valkey: Redis) -> None:
    """Every byte in keys, fields, members and values of every type."""
    async with valkey.pipeline(transaction=False) as pipe:
        for byte in BYTES:
            pipe.set(b"string:" + byte, byte)
            pipe.hset("hash", byte, byte)
            pipe.rpush("list", byte)
            pipe.sadd("set", byte)
            pipe.zadd("zset", {byte: byte[0] / 3})
            pipe.xadd("stream", {byte: byte})
        pipe.set(EVERY_BYTE, EVERY_BYTE)
        pipe.set("empty", b"")
        pipe.set("expiring", "x", px=500_000)
        pipe.hset("texts", mapping={"a": "1", "ü": "2"})
        pipe.zadd("infinite", {"a": float("inf"), "b": float("-inf"), "c": 1e300, "d": 0.1 + 0.2})
        pipe.xgroup_create("stream", EVERY_BYTE, id="0")
        pipe.xgroup_createconsumer("stream", EVERY_BYTE, EVERY_BYTE)
        pipe.xadd("gone", {"a": "1"}, id="5-5")
        pipe.xdel("gone", "5-5")
        pipe.xgroup_create("gone", "g", id="5-5")
        await pipe.execute()


async def content(valkey: Redis) -> dict[bytes, object]:
    """Everything in the database, in a form that can be compared."""
    found: dict[bytes, object] = {}
    keys: list[bytes] = await valkey.keys()  # type: ignore[assignment]  # it returns bytes
    for key in keys:
        kind = bytes(await valkey.type(key)).decode()  # type: ignore[arg-type]  # as above
        value: object
        match kind:
            case "string":
                value = await valkey.get(key)
            case "hash":
                value = await valkey.hgetall(key)
            case "list":
                value = await valkey.lrange(key, 0, -1)
            case "set":
                value = await valkey.smembers(key)
            case "zset":
                value = await valkey.zrange(key, 0, -1, withscores=True)
            case _:
                groups = await valkey.xinfo_groups(key)
                value = (
                    await valkey.xrange(key),
                    (await valkey.xinfo_stream(key))["last-generated-id"],
                    [(each["name"], each["last-delivered-id"], each["consumers"]) for each in groups],
                )
        found[key] = (kind, value)
    return found


@pytest.mark.parametrize("format_", FORMATS)
async def test_every_byte_of_every_type_comes_back(
    any_engine: tuple[RedisClient, Redis], format_: str
) -> None:
    client, other = any_engine
    await fill_every_type(other)
    before = await content(other)

    lines = await exported(client, format_)
    await other.flushall()
    report = await imported(client, lines)

    assert (report.failed, report.failures) == (0, [])
    assert report.succeeded == len(before)
    assert await content(other) == before
    assert 400_000 < await other.pttl("expiring") <= 500_000
    assert await other.pttl("empty") == -1


@pytest.mark.parametrize("bounds", [BOUNDS, SMALL_PARTS])
async def test_values_in_parts_come_back(client: RedisClient, valkey: Redis, bounds: Bounds) -> None:
    await fill_every_type(valkey)
    await valkey.set("large", os.urandom(20_000), px=500_000)
    await valkey.rpush("items", *range(1000))
    await valkey.hset("fields", mapping={str(number): os.urandom(8) for number in range(1000)})
    await valkey.zadd("scores", {str(number): number for number in range(1000)})
    await valkey.sadd("members", *range(1000))
    for number in range(500):
        await valkey.xadd("entries", {"n": str(number)})
    before = await content(valkey)

    lines = await exported(client, "readable", bounds=bounds)
    await valkey.flushall()
    report = await imported(client, lines)

    assert (report.failed, report.failures) == (0, [])
    assert report.succeeded == len(before)
    assert await content(valkey) == before
    assert 400_000 < await valkey.pttl("large") <= 500_000
    in_parts = [each for each in objects(lines) if "part" in each]
    assert bool(in_parts) == (bounds is SMALL_PARTS)
    assert all(len(json.dumps(each)) < 40_000 for each in in_parts)


async def test_fields_keep_their_time_to_live(client: RedisClient, valkey: Redis) -> None:
    await valkey.hset("h", mapping={"a": "1", "b": "2"})
    await valkey.hpexpire("h", 500_000, "a")

    for format_ in FORMATS:
        lines = await exported(client, format_, pattern=b"h")
        await valkey.flushall()
        await imported(client, lines)
        a, b = await valkey.hpttl("h", "a", "b")
        assert (400_000 < a <= 500_000, b) == (True, -1)


async def test_an_export_says_what_it_is_and_how_it_ended(client: RedisClient, valkey: Redis) -> None:
    await valkey.set("ü", "ä")

    first, key, progress, summary = objects(await exported(client, "readable"))

    assert first == {"export": {"format": "readable", "version": 1}}
    assert key == {"key": "ü", "type": "string", "ttl_ms": -1, "value": "ä"}
    assert progress["progress"]
    assert summary == {"summary": {"scanned": 1, "matched": 1, "succeeded": 1, "failed": 0}}
    first, key, *_ = objects(await exported(client, "dump"))
    assert first == {"export": {"format": "dump", "version": 1}}
    assert set(key) == {"key", "type", "ttl_ms", "dump_base64"}


@pytest.mark.parametrize("format_", FORMATS)
async def test_an_interrupted_export_goes_on_from_its_last_progress(
    client: RedisClient, valkey: Redis, format_: str
) -> None:
    async with valkey.pipeline(transaction=False) as pipe:
        for number in range(5000):
            pipe.set(f"key:{number}", number)
        await pipe.execute()
    before = await content(valkey)
    job = Job(f"export {format_}", client, Selection(pattern=b"*"), "", SMALL_PARTS, nothing)
    cut = b""
    async with contextlib.aclosing(export(job, format_)) as chunks:
        async for chunk in chunks:
            cut += chunk
            if cut.count(b'"progress"') >= 3 and b"\n" in cut[cut.rindex(b'"progress"') :]:
                break
    kept = cut[: cut.rindex(b"\n", 0, cut.rindex(b'{"progress"')) + 1]
    progress = json.loads(cut[len(kept) :].splitlines()[0])["progress"]
    assert 0 < progress["succeeded"] < 5000

    rest = await exported(client, format_, resume=progress["resume"])
    keys = [str(each["key"]) for each in (*objects(kept), *objects(rest)) if "key" in each]
    assert sorted(keys) == sorted(f"key:{number}" for number in range(5000))
    summary = objects(rest)[-1]["summary"]
    assert summary == {"scanned": 5000, "matched": 5000, "succeeded": 5000, "failed": 0}
    await valkey.flushall()
    for lines in (kept, rest):
        assert (await imported(client, lines)).failed == 0
    assert await content(valkey) == before


async def test_keys_that_exist_are_kept_or_replaced(client: RedisClient, valkey: Redis) -> None:
    await valkey.mset({"a": "1", "b": "1"})
    await valkey.rpush("l", "1")
    for format_ in FORMATS:
        lines = await exported(client, format_)
        await valkey.mset({"a": "2", "l": "2"})
        await valkey.delete("b")

        report = await imported(client, lines)
        assert (report.succeeded, report.failed) == (1, 2)
        assert {each.message for each in report.failures} == {"The key exists already."}
        assert await valkey.mget("a", "b", "l") == [b"2", b"1", b"2"]
        report = await imported(client, lines, overwrite=True)
        assert (report.succeeded, report.failed) == (3, 0)
        assert await valkey.mget("a", "b") == [b"1", b"1"]
        assert await valkey.lrange("l", 0, -1) == [b"1"]
    assert len(await valkey.keys()) == 3


async def test_a_damaged_line_is_reported_by_its_number_and_the_rest_goes_in(
    client: RedisClient, valkey: Redis
) -> None:
    lines = b"\n".join(
        [
            b'{"export":{"format":"readable","version":1}}',
            b'{"key":"a","type":"string","ttl_ms":-1,"value":"1"}',
            b"",
            b"{cut",
            b'{"key":"b","type":"string","ttl_ms":-1,"dump_base64":"AAAA"}',
            b'{"key":"c","type":"zset","ttl_ms":-1,"value":[["m","x"]]}',
            b'{"key":"d","type":"list","ttl_ms":-1,"value":[]}',
            b'{"key":"e","type":"set","ttl_ms":100000,"value":["m"]}',
            b'{"progress":{"resume":"x"}}',
            b'{"key":"f","type":"ReJSON-RL","ttl_ms":-1,"value":"{}"}',
        ]
    )

    report = await imported(client, lines, first_line=1001)

    assert (report.lines, report.succeeded, report.failed) == (9, 2, 5)
    assert [(each.line, each.key) for each in report.failures] == [
        (1004, None),
        (1005, b"b"),
        (1006, b"c"),
        (1007, b"d"),
        (1010, b"f"),
    ]
    assert all(each.message[0].isupper() and each.message.endswith(".") for each in report.failures)
    assert sorted(await valkey.keys()) == [b"a", b"e"]


async def test_parts_go_in_once_and_in_order(client: RedisClient, valkey: Redis) -> None:
    await valkey.rpush("l", *range(3000))
    lines = await exported(client, "readable", bounds=SMALL_PARTS)
    parts = [line + b"\n" for line in lines.splitlines() if b'"part"' in line]
    assert len(parts) > 2
    await valkey.flushall()

    assert (await imported(client, parts[1])).failures[0].message == "The part before it was not imported."
    await imported(client, parts[0])
    await imported(client, parts[1])
    assert (await imported(client, parts[1])).failed == 0  # a call that was repeated
    assert await valkey.exists("l") == 0, "half of a value is to be seen"
    reports = [await imported(client, part) for part in parts[2:]]
    assert [each.succeeded for each in reports] == [*(0 for _ in parts[3:]), 1]
    assert await valkey.lrange("l", 0, -1) == [b"%d" % number for number in range(3000)]
    assert await valkey.keys() == [b"l"]


async def test_what_an_interrupted_import_leaves_goes_away_by_itself(
    client: RedisClient, valkey: Redis
) -> None:
    await valkey.rpush("l", *range(3000))
    lines = await exported(client, "readable", bounds=SMALL_PARTS)
    await valkey.flushall()

    await imported(client, next(line for line in lines.splitlines() if b'"part":0' in line))

    (left,) = await valkey.keys()
    assert 0 < await valkey.pttl(left) <= BOUNDS.import_guard_ms


async def test_a_part_that_fails_leaves_nothing(client: RedisClient, valkey: Redis) -> None:
    value = b'[["2-2",["a","b"]],["1-1",["a","b"]]]'
    wrong = b'{"key":"s","type":"stream","ttl_ms":-1,"id":"a","part":0,"last":true,"value":%b}' % value

    report = await imported(client, wrong)

    assert report.failed == 1
    assert await valkey.keys() == []


async def test_a_value_that_can_not_be_built_does_not_replace_the_old_one(
    client: RedisClient, valkey: Redis
) -> None:
    await valkey.set("s", "old")
    wrong = b'{"key":"s","type":"stream","ttl_ms":-1,"value":[["2-2",["a","b"]],["1-1",["a","b"]]]}'

    report = await imported(client, wrong, overwrite=True)

    assert report.failed == 1
    assert await valkey.keys() == [b"s"]
    assert await valkey.get("s") == b"old"


async def test_a_server_without_writes_ends_the_import(
    start_valkey: ValkeyFactory, open_client: OpenClient
) -> None:
    server = await start_valkey()
    replica = await start_valkey(replica_of=server)
    client = open_client(replica.url)

    with pytest.raises(StudioError) as caught:
        await imported(client, b'{"key":"a","type":"string","ttl_ms":-1,"value":"1"}')

    assert caught.value.reason == e.ERROR_REASON_DB_READ_ONLY


async def test_what_can_not_be_read_is_a_line_of_its_own(
    start_valkey: ValkeyFactory, open_client: OpenClient
) -> None:
    server = await start_valkey(users=("bob on >pw ~mine:* +@all",))
    async with Redis.from_url(server.url) as other:
        await other.mset({"mine": "1", "mine:1": "1"})
        for format_ in FORMATS:
            found = objects(await exported(open_client(server.url_of("bob", "pw")), format_))
            (failure,) = [each["failure"] for each in found if "failure" in each]
            assert isinstance(failure, dict)
            assert failure["key"] == "mine"
            summary = found[-1]["summary"]
            assert isinstance(summary, dict)
            assert (summary["succeeded"], summary["failed"]) == (1, 1)


@pytest.mark.parametrize("format_", FORMATS)
async def test_a_large_export_takes_no_memory(client: RedisClient, valkey: Redis, format_: str) -> None:
    async with valkey.pipeline(transaction=False) as pipe:
        for number in range(20_000):
            pipe.set(f"key:{number}", os.urandom(500).hex())
        pipe.set("large", os.urandom(10_000_000))
        pipe.rpush("list", *("y" * 100 for _ in range(100_000)))
        await pipe.execute()
    process = psutil.Process(os.getpid())
    job = Job("export", client, Selection(pattern=b"*"), "", BOUNDS, nothing)
    before = size = 0
    async for chunk in export(job, format_):
        before = before or process.memory_info().rss
        size += len(chunk)

    assert size > 25_000_000
    # One value of 10 MB is held as a DUMP, as base64, and as a message.
    assert process.memory_info().rss - before < (60 if format_ == "dump" else 25) * 1024 * 1024
    assert job.counts.succeeded == 20_002


async def test_a_cluster_is_exported_and_imported_whole(
    cluster: RedisCluster,
    cluster_client: RedisClient,
    valkey: Redis,
    valkey_url: str,
    open_client: OpenClient,
) -> None:
    await fill_every_type(valkey)
    before = await content(valkey)
    for format_ in FORMATS:
        lines = await exported(open_client(valkey_url), format_)
        assert (await imported(cluster_client, lines, overwrite=True)).failures == []
        back = await exported(cluster_client, format_)
        await valkey.flushall()
        assert (await imported(open_client(valkey_url), back)).failures == []
        assert await content(valkey) == before
    assert cluster.masters
