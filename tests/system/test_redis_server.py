"""The server itself over REST: overview, clients, slow log, latency, memory analysis, recommendations."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator

import httpx
import pytest
from redis.asyncio import Redis

from tests.support.local_system import LocalSystem
from tests.support.redis_api import Json, RedisApi
from tests.system.conftest import OpenRedisApi


@pytest.fixture
async def redis_admin(system: LocalSystem) -> AsyncIterator[RedisApi]:
    """The sample Redis as an administrator."""
    async with system.client("administrator") as client:
        yield RedisApi(client, await RedisApi.sample_id(client))


@contextlib.asynccontextmanager
async def analysis(api: RedisApi, **query: object) -> AsyncIterator[AsyncIterator[Json]]:
    """The events of an analysis, as they come."""
    database_id = await RedisApi.sample_id(api.http)
    path = f"/api/platform/redis/{database_id}/analysis"
    shown = {name.replace("__", "."): str(value) for name, value in query.items()}
    async with api.http.stream("GET", path, params=shown) as answer:
        assert answer.status_code == 200, await answer.aread()
        assert answer.headers["content-type"].startswith("text/event-stream")

        async def events() -> AsyncIterator[Json]:
            async for line in answer.aiter_lines():
                if line:
                    assert line.startswith("data: ")
                    yield json.loads(line.removeprefix("data: "))

        yield events()


async def test_the_overview_has_rates_from_the_second_call_on(redis_reader: RedisApi, redis_key: str) -> None:
    del redis_key
    await redis_reader.get("overview")
    overview = await redis_reader.get("overview")

    assert (overview["flavor"], overview["mode"], overview["role"]) == ("valkey", "standalone", "master")
    assert overview["connected_clients"] >= 1
    assert overview["keys"] >= overview["databases"][0]["keys"] > 0
    assert overview["evicted_keys_per_s"] >= 0
    assert overview["interval_s"] > 0
    assert isinstance(overview["used_memory_bytes"], int | float)


async def test_a_client_is_listed_and_killed(
    redis_api: RedisApi, redis_admin: RedisApi, system: LocalSystem, redis_key: str
) -> None:
    async with Redis.from_url(system.engines["redis"], single_connection_client=True) as other:
        await other.client_setname(redis_key)

        listing = await redis_api.get("clients", type="normal")

        (found,) = [each for each in listing["clients"] if each["name"] == redis_key]
        assert (found["ours"], found["user"], found["command"]) == (False, "default", "client setname")
        assert listing["total"] >= len(listing["clients"])
        assert await redis_api.post_refused("clients/kill", id=found["id"]) == (403, "PERMISSION_DENIED")
        assert await redis_admin.post("clients/kill", id=found["id"]) == {"killed": True}
        assert await redis_admin.post("clients/kill", id=found["id"]) == {"killed": False}


async def test_our_own_connection_is_not_killed(redis_admin: RedisApi) -> None:
    clients = (await redis_admin.get("clients"))["clients"]
    (ours,) = [each for each in clients if each["command"] == "client list" and each["ours"]]

    assert await redis_admin.post_refused("clients/kill", id=ours["id"]) == (400, "COMMAND_REFUSED")
    assert ours["id"] in [each["id"] for each in (await redis_admin.get("clients"))["clients"]]


@pytest.mark.parametrize(
    ("verb", "route", "fields"),
    [
        ("GET", "clients", {"type": "elephants"}),
        ("POST", "clients/kill", {"id": "me"}),
        ("POST", "clients/kill", {"id": "99999999999999999999"}),
        ("POST", "clients/kill", {"id": "5", "node": "127.0.0.1:1"}),
        ("GET", "slowlog", {"count": 1001}),
        ("POST", "slowlog/configure", {"thresholdUs": -2}),
        ("POST", "slowlog/configure", {"maxLength": 1.5}),
        ("GET", "analysis", {"maxKeys": -1}),
        ("GET", "analysis", {"separator": "x" * 17}),
    ],
)
async def test_what_makes_no_sense_is_refused(
    redis_admin: RedisApi, verb: str, route: str, fields: dict[str, object]
) -> None:
    refuse = redis_admin.get_refused if verb == "GET" else redis_admin.post_refused

    assert await refuse(route, **fields) == (400, "INVALID_ARGUMENT")


async def test_a_database_that_there_is_not(redis_admin: RedisApi) -> None:
    gone = RedisApi(redis_admin.http, "00000000-0000-4000-8000-000000000000")

    for route in ("overview", "clients", "slowlog", "latency", "analysis", "recommendations"):
        assert await gone.get_refused(route) == (404, "DB_NOT_FOUND")


async def test_the_slow_log_and_its_settings(
    redis_admin: RedisApi, redis_engine: Redis, redis_key: str
) -> None:
    before = await redis_admin.get("slowlog")
    try:
        changed = await redis_admin.post("slowlog/configure", thresholdUs=0, max_length=500, reset=True)
        assert (changed["threshold_us"], changed["max_length"]) == (0, 500)
        await redis_engine.set(redis_key, "v")

        log = await redis_admin.get("slowlog", count=1000)

        words = [[each.get("value") for each in command["arguments"]] for command in log["commands"]]
        assert ["SET", redis_key, "v"] in words
        assert log["length"] > 0
        newest = log["commands"][0]
        assert newest["at_unix_ms"] > 1e12
        assert newest["client"].startswith(("127.0.0.1:", "/"))
    finally:
        after = await redis_admin.post(
            "slowlog/configure",
            thresholdUs=before["threshold_us"],
            maxLength=before["max_length"],
            reset=True,
        )
    assert after["length"] == 0


async def test_roles(redis_reader: RedisApi, redis_api: RedisApi) -> None:
    for route in ("overview", "latency", "recommendations"):
        await redis_reader.get(route)
    for route in ("clients", "slowlog"):
        assert await redis_reader.get_refused(route) == (403, "PERMISSION_DENIED")
        await redis_api.get(route)
    for api in (redis_reader, redis_api):
        assert await api.post_refused("clients/kill", id="1") == (403, "PERMISSION_DENIED")
        assert await api.post_refused("slowlog/configure", reset=True) == (403, "PERMISSION_DENIED")


async def test_latency_of_commands(redis_reader: RedisApi) -> None:
    latency = await redis_reader.get("latency")

    assert latency["round_trip_ms"] > 0
    assert latency["threshold_ms"] >= 0
    assert all(each["calls"] > 0 for each in latency["commands"])
    assert len(latency["commands"]) <= 100


async def test_recommendations_say_why(redis_reader: RedisApi) -> None:
    advice = await redis_reader.get("recommendations")

    assert advice["checked"] >= 12
    assert advice["recommendations"], "the sample Redis has no maxmemory, for one"
    for each in advice["recommendations"]:
        assert each["severity"] in {"high", "medium", "low"}
        assert each["title"].endswith(".")
        assert each["reason"].endswith(".")
        assert each["reference"].startswith("https://")


async def test_a_restricted_user_is_told_the_missing_permission(restricted_redis_api: OpenRedisApi) -> None:
    api = await restricted_redis_api("get")

    for verb, route, fields, permission in (
        ("GET", "overview", {}, "+info"),
        ("GET", "clients", {}, "+client|list"),
        ("POST", "clients/kill", {"id": "1"}, "+client|kill"),
        ("GET", "slowlog", {}, "+slowlog|get"),
        ("POST", "slowlog/configure", {"reset": True}, "+slowlog|reset"),
        ("GET", "latency", {}, "+latency|latest"),
        ("GET", "analysis", {}, "+scan"),
        ("GET", "recommendations", {}, "+info"),
    ):
        assert await api.permission(verb, route, **fields) == permission


async def test_an_analysis_counts_what_was_written(
    redis_reader: RedisApi, redis_engine: Redis, redis_key: str
) -> None:
    for batch in range(20):
        async with redis_engine.pipeline(transaction=False) as pipe:
            for number in range(batch * 1000, (batch + 1) * 1000):
                name = f"{redis_key}:{number}"
                match number % 4:
                    case 0:
                        pipe.set(name, "x" * 10)
                    case 1:
                        pipe.set(name, "x" * 10, px=1_800_000)
                    case 2:
                        pipe.rpush(name, "a", "b", "c")
                    case _:
                        pipe.sadd(name, "a", "b")
            await pipe.execute()
    await redis_engine.rpush(f"{redis_key}:longest", *range(500))
    await redis_engine.set(f"{redis_key}:largest", "x" * 200_000)

    async with analysis(redis_reader, pattern__value=f"{redis_key}:*") as events:
        seen = [event async for event in events]

    assert [event["done"] for event in seen] == [False] * (len(seen) - 1) + [True]
    assert [event["analyzed"] for event in seen] == sorted(event["analyzed"] for event in seen)
    last = seen[-1]
    assert (last["analyzed"], last["truncated"], last.get("error")) == (20_002, False, None)
    assert {each["type"]: (each["keys"], each["length"]) for each in last["types"]} == {
        "string": (10_001, 10_000 * 10 + 200_000),
        "list": (5_001, 15_000 + 500),
        "set": (5_000, 10_000),
    }
    assert {each["label"]: each["keys"] for each in last["expiry"] if each["keys"]} == {
        "1h": 5_000,
        "never": 15_002,
    }
    (namespace,) = last["namespaces"]
    assert (namespace["prefix"]["value"], namespace["keys"]) == (f"{redis_key}:", 20_002)
    assert namespace["memory_bytes"] == last["memory_bytes"]
    assert last["memory_bytes"] == sum(each["memory_bytes"] for each in last["types"])
    assert last["largest"][0]["key"]["value"] == f"{redis_key}:largest"
    assert last["longest"][0]["key"]["value"] == f"{redis_key}:longest"
    assert len(last["largest"]) == len(last["longest"]) == 50


async def test_hanging_up_stops_the_analysis(
    redis_reader: RedisApi, redis_engine: Redis, redis_key: str
) -> None:
    async with redis_engine.pipeline(transaction=False) as pipe:
        for number in range(50_000):
            pipe.set(f"{redis_key}:{number}", "v")
        await pipe.execute()

    async with analysis(redis_reader) as events:
        first = await anext(events)
        assert not first["done"]

    while await _scans_since(redis_engine, await _scans(redis_engine)):
        pass


async def _scans(redis: Redis) -> int:
    return int((await redis.info("commandstats"))["cmdstat_scan"]["calls"])


async def _scans_since(redis: Redis, before: int) -> int:
    # Longer than any rest between two steps.
    await redis.blpop("no-such-list", 0.5)
    return await _scans(redis) - before


async def test_one_analysis_too_many_is_refused_at_once(
    redis_reader: RedisApi, redis_engine: Redis, redis_key: str
) -> None:
    async with redis_engine.pipeline(transaction=False) as pipe:
        for number in range(50_000):
            pipe.set(f"{redis_key}:{number}", "v")
        await pipe.execute()

    async with analysis(redis_reader) as first, analysis(redis_reader) as second:
        await anext(first)
        await anext(second)
        answer: httpx.Response = await redis_reader.http.get(
            f"/api/platform/redis/{await RedisApi.sample_id(redis_reader.http)}/analysis"
        )

    assert (answer.status_code, answer.json()["error_code"]) == (429, "RESOURCE_EXHAUSTED")
    assert answer.json()["retryable"]
    assert "retry-after" in answer.headers
