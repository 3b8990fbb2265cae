"""Work on many keys over REST: progress as server-sent events, exports as NDJSON."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator

import psutil
import pytest
from redis.asyncio import Redis

from tests.support.engines import ValkeyFactory
from tests.support.local_system import LocalSystem
from tests.support.redis_api import Json, RedisApi, blob
from tests.support.sse import Event, events

EVERY_BYTE = bytes(range(256))
MIB = 1024 * 1024


async def work(api: RedisApi, route: str, **body: object) -> list[Event]:
    """All events of a job that must succeed."""
    async with (
        asyncio.timeout(120),
        events(api.http, "POST", f"{api.base}/bulk/{route}", body=body) as stream,
    ):
        found = [event async for event in stream]
    assert found[-1]["done"] is True, found[-1]
    assert found[-1]["resume"] == ""
    return found


async def exported(api: RedisApi, **body: object) -> bytes:
    async with api.http.stream("POST", f"{api.base}/export", json=body) as answer:
        lines = b"".join([chunk async for chunk in answer.aiter_bytes()])
        assert answer.status_code == 200, lines
        assert answer.headers["content-type"] == "application/x-ndjson"
    return lines


async def imported(api: RedisApi, lines: bytes, **body: object) -> Json:
    return await api.post("import", lines=base64.b64encode(lines).decode(), **body)


def all_of(prefix: str) -> dict[str, object]:
    return {"pattern": {"value": f"{prefix}*"}}


async def fill(redis_engine: Redis, prefix: str, count: int) -> None:
    for start in range(0, count, 10_000):
        async with redis_engine.pipeline(transaction=False) as pipe:
            for number in range(start, min(count, start + 10_000)):
                pipe.set(f"{prefix}:{number}", "x")
            await pipe.execute()


@pytest.fixture
async def another(
    system: LocalSystem, start_valkey: ValkeyFactory, redis_key: str
) -> AsyncIterator[tuple[str, Redis]]:
    """The id of another registered Redis, and a client of it."""
    server = await start_valkey()
    async with system.client("owner") as owner, Redis.from_url(server.url) as client:
        answer = await owner.post(
            "/api/platform/databases",
            json={
                "projectRef": "default",
                "name": redis_key,
                "type": "redis",
                "connectionString": server.url,
            },
        )
        assert answer.is_success, answer.text
        yield answer.json()["id"], client
        await owner.delete(f"/api/platform/databases/{answer.json()['id']}")


async def test_a_prefix_is_previewed_expired_and_deleted(
    redis_api: RedisApi, redis_reader: RedisApi, redis_engine: Redis, redis_key: str
) -> None:
    await fill(redis_engine, redis_key, 1200)
    await redis_engine.set(redis_key.encode() + EVERY_BYTE, "x")

    preview = (await work(redis_reader, "preview", selection=all_of(redis_key), with_memory=True))[-1]
    assert (preview["matched"], preview["failed"]) == (1201, 0)
    assert preview["memory_bytes"] > 1201 * 20
    assert preview["total_estimate"] >= 1201
    assert await redis_reader.post_refused("bulk/delete", selection=all_of(redis_key)) == (
        403,
        "PERMISSION_DENIED",
    )
    expired = (await work(redis_api, "expire", selection=all_of(redis_key), ttl_ms=600_000))[-1]
    assert expired["succeeded"] == 1201
    assert await redis_engine.pttl(f"{redis_key}:1") > 500_000
    persisted = (await work(redis_api, "expire", selection=all_of(redis_key)))[-1]
    assert persisted["succeeded"] == 1201
    assert await redis_engine.pttl(f"{redis_key}:1") == -1
    keys = [blob(redis_key.encode() + EVERY_BYTE), {"value": f"{redis_key}:0"}]
    assert (await work(redis_api, "delete", selection={"keys": keys}))[-1]["succeeded"] == 2
    assert (await work(redis_api, "delete", selection=all_of(redis_key)))[-1]["succeeded"] == 1199
    assert not [key async for key in redis_engine.scan_iter(f"{redis_key}*")]


@pytest.mark.parametrize("route", ["preview", "delete", "expire", "copy"])
@pytest.mark.parametrize("selection", [{}, {"pattern": {"value": ""}}, {"type": "string"}, None])
async def test_nothing_selected_is_refused(redis_api: RedisApi, route: str, selection: object) -> None:
    target = {"target_database_id": "00000000-0000-0000-0000-000000000001"} if route == "copy" else {}
    given = {} if selection is None else {"selection": selection}
    answer = await redis_api.post_refused(f"bulk/{route}", **given, **target)
    assert answer in {(400, "INVALID_ARGUMENT"), (404, "DB_NOT_FOUND")}
    if route != "copy":
        assert answer == (400, "INVALID_ARGUMENT")


async def settled(engine: Redis, prefix: str) -> int:
    """How many keys are left once nobody deletes any more: hanging up takes a moment to reach the service."""
    last = -1
    while True:
        left = len([key async for key in engine.scan_iter(f"{prefix}*", count=10_000)])
        if left == last:
            return left
        last = left
        await asyncio.sleep(0.5)


async def test_an_interrupted_deletion_stops_and_goes_on(
    redis_api: RedisApi, redis_engine: Redis, redis_key: str
) -> None:
    await fill(redis_engine, redis_key, 60_000)
    body = {"selection": all_of(redis_key)}
    async with events(redis_api.http, "POST", f"{redis_api.base}/bulk/delete", body=body) as stream:
        event = await anext(stream)
        assert event["done"] is False
    left = await settled(redis_engine, redis_key)
    assert left, "it did not stop"

    end = (await work(redis_api, "delete", **body, resume=event["resume"]))[-1]

    assert end["succeeded"] >= left
    assert not [key async for key in redis_engine.scan_iter(f"{redis_key}*", count=10_000)]
    assert await redis_api.post_refused("bulk/expire", **body, resume=event["resume"]) == (
        400,
        "INVALID_CURSOR",
    )


async def test_deleting_many_keys_takes_no_memory_of_the_service(
    system: LocalSystem, redis_api: RedisApi, redis_engine: Redis, redis_key: str
) -> None:
    await fill(redis_engine, redis_key, 5000)
    await work(redis_api, "delete", selection=all_of(redis_key))
    await fill(redis_engine, redis_key, 100_000)
    process = psutil.Process(system.pid("redis_svc"))

    def resident() -> int:
        return sum(each.memory_info().rss for each in (process, *process.children(recursive=True)))

    before = resident()
    end = (await work(redis_api, "delete", selection=all_of(redis_key)))[-1]

    assert end["succeeded"] == 100_000
    assert resident() - before < 10 * MIB


@pytest.mark.parametrize("format_", ["dump", "readable"])
async def test_every_byte_of_every_type_is_exported_and_imported(
    redis_api: RedisApi, redis_reader: RedisApi, redis_engine: Redis, redis_key: str, format_: str
) -> None:
    name = redis_key.encode()
    every = [bytes([byte]) for byte in range(256)]
    await redis_engine.set(name + EVERY_BYTE, EVERY_BYTE, px=900_000)
    await redis_engine.hset(name + b"h", mapping={byte: byte for byte in every})
    await redis_engine.rpush(name + b"l", *every)
    await redis_engine.sadd(name + b"s", *every)
    await redis_engine.zadd(name + b"z", {byte: byte[0] / 3 for byte in every})
    await redis_engine.xadd(name + b"x", {byte: byte for byte in every})

    async def state() -> list[object]:
        return [
            await redis_engine.get(name + EVERY_BYTE),
            await redis_engine.hgetall(name + b"h"),
            await redis_engine.lrange(name + b"l", 0, -1),
            await redis_engine.smembers(name + b"s"),
            await redis_engine.zrange(name + b"z", 0, -1, withscores=True),
            await redis_engine.xrange(name + b"x"),
        ]

    before = await state()
    lines = await exported(redis_reader, selection=all_of(redis_key), format=format_)
    header = json.loads(lines.splitlines()[0])
    assert header == {"export": {"format": format_, "version": 1}}
    assert json.loads(lines.splitlines()[-1])["summary"]["succeeded"] == 6
    await work(redis_api, "delete", selection=all_of(redis_key))

    report = await imported(redis_api, lines)
    assert (report["succeeded"], report["failed"]) == (6, 0)
    assert await state() == before
    assert 800_000 < await redis_engine.pttl(name + EVERY_BYTE) <= 900_000
    report = await imported(redis_api, lines, first_line=101)
    assert (report["succeeded"], report["failed"]) == (0, 6)
    at = [number for number, line in enumerate(lines.splitlines(), start=101) if line.startswith(b'{"key')]
    assert [each["line"] for each in report["failures"]] == at
    report = await imported(redis_api, lines, overwrite=True)
    assert (report["succeeded"], report["failed"]) == (6, 0)


async def test_an_interrupted_export_goes_on(
    redis_api: RedisApi, redis_engine: Redis, redis_key: str
) -> None:
    # Random values of some size: Envoy's buffers hold little of them.
    async with redis_engine.pipeline(transaction=False) as pipe:
        for number in range(3000):
            pipe.set(f"{redis_key}:{number}", base64.b64encode(number.to_bytes(4, "big") * 3000))
        await pipe.execute()
    body = {"selection": all_of(redis_key), "format": "readable"}
    cut = b""
    async with redis_api.http.stream("POST", f"{redis_api.base}/export", json=body) as answer:
        async for chunk in answer.aiter_bytes():
            cut += chunk
            if b'\n{"progress"' in cut and cut.rstrip().endswith(b"}}"):
                break
    whole = cut[: cut.rindex(b"\n") + 1].splitlines()
    at = max(number for number, line in enumerate(whole) if line.startswith(b'{"progress"'))
    resume = json.loads(whole[at])["progress"]["resume"]

    rest = await exported(redis_api, **body, resume=resume)

    keys = [
        json.loads(line)["key"] for line in (*whole[:at], *rest.splitlines()) if line.startswith(b'{"key"')
    ]
    assert sorted(keys) == sorted(f"{redis_key}:{number}" for number in range(3000))


async def test_keys_are_copied_to_another_redis(
    redis_api: RedisApi, redis_engine: Redis, redis_key: str, another: tuple[str, Redis]
) -> None:
    target_id, target = another
    await redis_engine.set(redis_key, EVERY_BYTE, px=900_000)
    await redis_engine.rpush(f"{redis_key}:l", "a")
    await target.set(f"{redis_key}:l", "theirs")

    first = (await work(redis_api, "copy", selection=all_of(redis_key), target_database_id=target_id))[-1]
    second = (
        await work(
            redis_api, "copy", selection=all_of(redis_key), target_database_id=target_id, overwrite=True
        )
    )[-1]

    assert (first["succeeded"], first["failed"]) == (1, 1)
    assert [each["message"] for each in first["failures"]] == ["The key exists already."]
    assert (second["succeeded"], second["failed"]) == (2, 0)
    assert await target.get(redis_key) == EVERY_BYTE
    assert 800_000 < await target.pttl(redis_key) <= 900_000
    assert await target.lrange(f"{redis_key}:l", 0, -1) == [b"a"]


async def test_events_come_while_the_work_goes_on(
    redis_api: RedisApi, redis_engine: Redis, redis_key: str
) -> None:
    await fill(redis_engine, redis_key, 50_000)
    arrived: list[float] = []
    route = f"{redis_api.base}/bulk/preview"
    body = {"selection": all_of(redis_key), "with_memory": True}
    async with events(redis_api.http, "POST", route, body=body) as stream:
        found = []
        async for event in stream:
            arrived.append(time.monotonic())
            found.append(event)
    assert len(found) >= 2
    assert [each["scanned"] for each in found] == sorted(each["scanned"] for each in found)
    assert len(arrived) == len(found)
